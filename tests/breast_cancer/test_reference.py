"""Equal results: every reference result of the original comes out of our stages, within the stated tolerances.

Windows, points, centres, strides and augmentation exactly; probabilities and heatmaps within 1e-4; log-softmax 2e-3;
CSVs 0.0005. What is asserted here is tighter where we are closer.
"""

import csv
import hashlib
import json
import random
from pathlib import Path

from breast_cancer.helpers import run_stage  # isort: skip  (puts the stages on the path)

import augmentation
import exam_classifier
import exam_list
import exam_predictor
import geometry
import images
import make_sample
import numpy as np
import overlays
import patch_classifier
import patch_predictor
import pytest
import torch
from fused_exam import FusedExamClassifier
from patch_grid import PatchGrid, strides
from PIL import Image

EXAMS = ("synB", "synA")
CPU = torch.device("cpu")


def sha256(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def plain(value):
    """Tuples as lists, as JSON has them."""
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("file", make_sample.SEEDS)
def test_random_weights_follow_the_recipe_tensor_by_tensor(goldens, file):
    weights = make_sample.random_weights(file, make_sample.SEEDS[file])
    expected = json.loads((goldens / "state_dict_shapes.json").read_text())[file]
    assert {entry["key"] for entry in expected} == set(weights)
    for entry in expected:
        tensor = weights[entry["key"]].double().flatten()
        assert list(weights[entry["key"]].shape) == entry["shape"], entry["key"]
        if "sum" in entry:
            assert float(tensor.sum()) == pytest.approx(entry["sum"], rel=1e-9, abs=1e-7), entry["key"]
            assert float((tensor**2).sum()) == pytest.approx(entry["sumsq"], rel=1e-9), entry["key"]
            assert tensor[:3].tolist() == entry["first3"], entry["key"]


@pytest.mark.parametrize("name", EXAMS)
def test_crop_windows_points_and_pixels_are_exact(goldens, golden, cropped, name):
    ours = exam_list.load_exam_list(cropped(name) / "cropped_images" / "cropped_exam_list.pkl", after_crop=True)
    theirs = exam_list.load_exam_list(goldens / "pickles" / f"{name}_cropped_exam_list.pkl", after_crop=True)
    assert ours == theirs
    for view in golden[name]["views"].values():
        pixels = images.read_mammogram(cropped(name) / "cropped_images" / view["file"])
        assert pixels.dtype == view["cropped_dtype"]
        assert list(pixels.shape) == view["cropped_shape"]
        assert sha256(pixels) == view["cropped_pixels_sha256"]


@pytest.mark.parametrize("name", EXAMS)
def test_best_centers_are_exact(goldens, golden, cropped, name):
    ours = exam_list.load_exam_list(cropped(name) / "data.pkl", after_centers=True)
    assert ours == exam_list.load_exam_list(goldens / "pickles" / f"{name}_data.pkl", after_centers=True)
    assert plain(ours[0]) == golden[name]["exam_after_centers"]


@pytest.mark.parametrize("name", EXAMS)
def test_mirrored_exams_are_the_same_exams(goldens, name):
    expected = json.loads((goldens / "unit" / "flip_windows_resize.json").read_text())[f"{name}_mirrored_flip_YES"]
    for view, values in expected.items():
        pixels = images.read_mammogram(goldens / "exams" / name / f"{view.replace('-', '_')}.png")[:, ::-1]
        right = exam_list.points_right(view, "YES")
        crop = geometry.find_crop(pixels, right)
        top, bottom, left, right_edge = crop.window_location
        inside = pixels[top:bottom, left:right_edge]
        found = plain(crop.__dict__)
        center = geometry.best_center(inside if right else inside[:, ::-1], exam_list.angle(view), crop)
        assert {**found, "best_center": list(center)} == values, view


def test_crop_of_small_blocks_is_that_of_the_original(goldens):
    block = np.zeros((600, 500), dtype=np.uint16)
    block[100:500, :250] = 1
    assert geometry.find_crop(block, True) == geometry.Crop((50, 550, 0, 300), ((166, 349), 249), (449, (100, 149)), 0)
    assert geometry.find_crop(block, False) == geometry.Crop(
        (50, 550, 0, 250), ((166, 349), 250), (449, (101, 150)), 250
    )
    full = np.ones((300, 300), dtype=np.uint8)
    assert geometry.find_crop(full, True) == geometry.Crop((0, 300, 0, 300), ((100, 199), 299), (299, (100, 199)), 0)
    twins = np.zeros((600, 500), dtype=np.uint16)
    twins[50:280, :230] = twins[320:550, :230] = 1
    assert geometry.find_crop(twins, True) == geometry.Crop((0, 330, 0, 280), ((150, 179), 229), (279, (100, 129)), 0)
    pixels = images.read_mammogram(goldens / "exams" / "synB" / "L_CC.png")
    found = geometry.find_crop(pixels, True, iterations=20, buffer=0)
    assert found == geometry.Crop((71, 530, 0, 285), ((210, 248), 284), (458, (20, 26)), 0)


def test_centers_of_a_rectangle_are_those_of_the_original():
    mask = np.zeros((4000, 2300), dtype=np.uint8)
    mask[700:3300, :2200] = 1
    points = {"rightmost_points": ((0, 0), 2199), "bottommost_points": (3299, (0, 0))}
    assert geometry.best_center(mask, "CC", points) == (2000, 1227)
    assert geometry.best_center(mask, "MLO", points) == (1811, 1324)
    assert geometry.best_center(mask, "MLO", {**points, "bottommost_points": (3700, (0, 0))}) == (1811, 1324)


def test_strides_are_drawn_as_the_original_draws_them(unit, golden):
    generator = random.Random(0)
    for entry in unit["strides_seed0_consecutive"]:
        assert strides(entry["size"], generator) == entry["strides"], entry["size"]
    for exam in golden.values():
        generator, first = random.Random(0), 0
        for view in exam["views"].values():
            grid = PatchGrid.draw(tuple(view["cropped_shape"]), generator)
            assert np.diff(grid.rows).tolist() == view["row_strides"]
            assert np.diff(grid.columns).tolist() == view["col_strides"]
            assert (len(grid.rows), len(grid.columns)) == (view["patch_rows"], view["patch_cols"])
            assert first == view["first_patch_index"]
            first += len(grid)
        assert first == exam["total_patches"]


@pytest.fixture(scope="module")
def fused_predictor(models):
    return patch_predictor.make(patch_classifier.load(models / make_sample.PATCH_MODEL), CPU, "fp32", 100)


def test_patch_classifier_gives_the_reference_logits_plain_and_fused(unit, models):
    patches = np.random.RandomState(7).standard_normal((2, 256, 256)).astype(np.float32)
    patches[1] = np.abs(patches[1]) * np.float32(0.5) - np.float32(0.4)
    patches = torch.from_numpy(patches)[:, None]
    network = patch_classifier.load(models / make_sample.PATCH_MODEL)
    expected = torch.tensor(unit["patch_model"]["logits"])
    with torch.inference_mode():
        assert (network(patches) - expected).abs().max() < 2e-5
        predictor = patch_predictor.make(network, CPU, "fp32", 100)
        assert (predictor.forward(patches) - expected).abs().max() < 5e-5


@pytest.fixture(scope="module")
def small_exam(cropped):
    """(images pointing right, grids) of the small reference exam."""
    folder, generator = cropped("synB"), random.Random(0)
    exam = exam_list.load_exam_list(folder / "data.pkl")[0]
    pixels, grids = [], []
    for _, view, _, name in exam_list.images([exam]):
        image = images.read_mammogram(folder / "cropped_images" / f"{name}.png")
        pixels.append(image if exam_list.points_right(view, "NO") else image[:, ::-1])
        grids.append(PatchGrid.draw(image.shape, generator))
    return pixels, grids


def test_patch_probabilities_and_heatmaps_of_the_small_exam(goldens, golden, small_exam, fused_predictor, heatmaps):
    """The probabilities of the first two views, and the maps of all."""
    pixels, grids = small_exam
    found = np.concatenate(fused_predictor.exam(pixels[:2], grids[:2]).probabilities)
    theirs = np.load(goldens / "unit" / "synB_patch_probabilities.npy")[: len(found)]
    assert np.abs(found - theirs).max() < 1e-5
    assert heatmap_deviation(goldens, golden, "synB", heatmaps("synB")) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "greatest", "mean"), [("bf16", 0.015, 0.004), ("int8", 0.04, 0.012)])
def test_other_precisions_deviate_from_the_references_by_what_the_readme_says(
    goldens, small_exam, models, precision, greatest, mean
):
    pixels, grids = small_exam
    predictor = patch_predictor.make(patch_classifier.load(models / make_sample.PATCH_MODEL), CPU, precision, 100)
    found = np.concatenate(predictor.exam(pixels, grids).probabilities)
    deviation = np.abs(found - np.load(goldens / "unit" / "synB_patch_probabilities.npy"))
    # More than rounding to fp32 would do: the precision asked for was really used.
    assert 1e-4 < deviation.max() < greatest
    assert deviation.mean() < mean


@pytest.mark.slow
def test_heatmaps_of_the_large_exam(goldens, golden, heatmaps):
    assert heatmap_deviation(goldens, golden, "synA", heatmaps("synA")) < 1e-5


def heatmap_deviation(goldens: Path, golden: dict, name: str, heatmaps: Path) -> float:
    """The greatest deviation of our maps from the stored ones, wherever those were kept."""
    stored = np.load(goldens / "heatmaps" / f"{name}.npz")
    worst, compared = 0.0, 0
    for view in golden[name]["views"].values():
        stem = Path(view["file"]).stem
        for kind in ("malignant", "benign"):
            ours = images.read_heatmap(heatmaps / f"heatmap_{kind}" / f"{stem}.hdf5", tuple(view["cropped_shape"]))
            pairs = [(ours.mean(dtype=np.float64), view[f"heatmap_{kind}"]["mean"])]
            if f"{stem}_{kind}_full" in stored:
                pairs.append((ours, stored[f"{stem}_{kind}_full"]))
            else:
                pairs.append((ours[8::16, 8::16], stored[f"{stem}_{kind}_every16"]))
                for number, (row, column) in enumerate(view[f"heatmap_{kind}"]["patch_origins"]):
                    pairs.append((ours[row : row + 64, column : column + 64], stored[f"{stem}_{kind}_patch{number}"]))
            worst = max([worst, *(float(np.abs(mine - theirs).max()) for mine, theirs in pairs)])
            compared += len(pairs)
    assert compared >= 16
    return worst


@pytest.mark.parametrize(("kind", "channels"), [("image", 1), ("imageheatmaps", 3)])
def test_exam_classifiers_give_the_reference_log_softmax_plain_and_fused(unit, models, kind, channels):
    expected = unit[f"split_model_{kind}"]
    network = exam_classifier.load(models / f"sample_{kind}_model.p", channels)
    views = {
        view: torch.from_numpy(
            np.random.RandomState(50 + number)
            .standard_normal((1, channels, *expected["sizes"][view]))
            .astype(np.float32)
        )
        for number, view in enumerate(exam_list.VIEWS)
    }
    with torch.inference_mode():
        fused = FusedExamClassifier(network)
        features = {view: fused.features(view, views[view]) for view in exam_list.VIEWS}
        for decision in (network(views), fused.decide(features)):
            for angle, values in expected["log_softmax"].items():
                assert (decision[angle][0] - torch.tensor(values)).abs().max() < 1e-4
    for view, total in expected["pooled_sum"].items():
        assert float(features[view].sum()) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("name", EXAMS)
def test_augmentation_windows_are_exact_for_ten_epochs(golden, name):
    exam = golden[name]["exam_after_centers"]
    shapes = {view: [tuple(golden[name]["views"][view]["cropped_shape"])] for view in exam_list.VIEWS}
    generator = np.random.RandomState(0)
    for epoch in golden[name]["augmentation_trace_seed0"]:
        for look in exam_predictor.draw_looks(exam, shapes, generator, augment=True):
            traced = epoch[look.view]
            assert look.image == traced["image_index"]
            assert list(look.window.padded) == traced["padded_shape"]
            assert list(look.window.moved) == traced["window_after_position_noise"]
            assert list(look.window.final) == traced["window_final_top_bottom_left_right"]
    assert generator.random_sample(3).tolist() == golden[name]["rng_after_10_epochs"]["next_uniforms"]


def test_windows_of_all_kinds_of_images_are_exact(goldens):
    cases = json.loads((goldens / "unit" / "flip_windows_resize.json").read_text())
    generator = np.random.RandomState(123)
    for case in cases["window_cases_RandomState_123_consecutive"]:
        noise = augmentation.draw_noise(generator, case["augmentation"])
        angle = exam_list.angle(case["view"])
        window = augmentation.place(angle, tuple(case["image"]), case["center"], noise, case["augmentation"])
        assert list(window.padded) == case["padded"]
        assert list(window.moved) == case["after_position"]
        assert list(window.final) == case["final"]


def test_cubic_resizing_is_opencvs(goldens):
    expected = json.loads((goldens / "unit" / "flip_windows_resize.json").read_text())["cubic"]
    pixels = np.random.RandomState(3).standard_normal((23, 17, 3)).astype(np.float32)

    def resized(height: int, width: int, channel: int) -> np.ndarray:
        # As a heatmap, behind a blank mammogram: heatmaps are resized and nothing else.
        window = augmentation.Window((0, 0), (23, 17), (0, 23, 0, 17), (0, 23, 0, 17))
        channels = [np.zeros((23, 17), dtype=np.uint16), pixels[..., channel]]
        return augmentation.look(channels, window, (height, width))[0, 1].numpy()

    assert np.abs(resized(20, 19, 1) - np.array(expected["to_20x19x3_channel1"])).max() < 1e-5
    assert np.abs(resized(26, 16, 0) - np.array(expected["channel0_to_26x16"])).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "channels"), [("image", 1), ("imageheatmaps", 3)])
def test_classifier_epochs_see_and_say_what_the_original_does(
    goldens, golden, cropped, models, heatmaps, kind, channels
):
    folder = cropped("synB")
    exam = exam_list.load_exam_list(folder / "data.pkl", after_centers=True)[0]
    maps = heatmaps("synB") if channels == 3 else None
    seen = exam_predictor.read_channels(exam, folder / "cropped_images", maps)
    expected = json.loads((goldens / "unit" / "synB_classifier_epochs.json").read_text())[kind]
    shapes = {view: [seen[view][0][0].shape] for view in exam_list.VIEWS}
    generator = np.random.RandomState(0)
    for epoch in expected:
        for look in exam_predictor.draw_looks(exam, shapes, generator, augment=True):
            size = geometry.CLASSIFIER_WINDOW[exam_list.angle(look.view)]
            pixels = augmentation.look(seen[look.view][0], look.window, size)
            stats = epoch["input_stats"][look.view]
            assert list(pixels.shape) == stats["shape"]
            assert pixels.amax(dim=(0, 2, 3)).tolist() == pytest.approx(stats["max"], abs=1e-3)
            probes = pixels[0][:, [1000, 1500]][:, :, [50, 150, 250]]
            assert np.abs(probes.numpy() - np.array(stats["probe_rows_1000_1500_cols_50_150_250"])).max() < 1e-4
    network = exam_classifier.load(models / f"sample_{kind}_model.p", channels)
    predictor = exam_predictor.ExamPredictor(network, CPU, precision="fp32", seed=0, augment=True, epochs=len(expected))
    for decision, epoch in zip(predictor.decisions(exam, seen), expected, strict=True):
        for angle, values in epoch["log_softmax"].items():
            assert (decision[angle][0] - torch.tensor(values)).abs().max() < 5e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMS)
def test_predictions_equal_the_originals_csvs(goldens, cropped, models, heatmaps, tmp_path, name):
    folder = cropped(name)
    for kind in ("image", "imageheatmaps"):
        extra = ["--use-heatmaps", "--heatmaps-path", heatmaps(name)] if kind == "imageheatmaps" else []
        path = tmp_path / f"{kind}_predictions.csv"
        run_stage(
            "classify.py",
            *("--model-path", models / f"sample_{kind}_model.p", "--data-path", folder / "data.pkl"),
            *("--image-path", folder / "cropped_images", "--output-path", path, "--exam-id", name),
            *("--use-augmentation", "--num-epochs", 10, *extra),
        )
        expected = (goldens / "predictions" / f"{name}_{kind}_predictions.csv").read_text()
        ours = list(csv.reader(path.open()))
        theirs = list(csv.reader(expected.splitlines()))
        assert ours[0] == theirs[0]
        assert np.abs(np.array(ours[1:], dtype=float) - np.array(theirs[1:], dtype=float)).max() <= 0.0005
        named = list(csv.DictReader((tmp_path / f"{kind}_predictions_by_exam.csv").open()))
        assert [row["exam_id"] for row in named] == [name]
        assert [named[0][label] for label in exam_list.LABELS] == ours[1]


def test_overlays_are_the_originals_pixel_for_pixel(goldens, cropped):
    expected = json.loads((goldens / "unit" / "synB_visualize.json").read_text())
    tables = expected["opencv_colormap_luts"]
    assert (overlays.colour_table("malignant")[:, ::-1] == np.array(tables["HOT_bgr"])).all()
    assert (overlays.colour_table("benign")[:, ::-1] == np.array(tables["DEEPGREEN_bgr"])).all()
    heatmaps = np.load(goldens / "heatmaps" / "synB.npz")
    for file, values in expected["files"].items():
        stem, kind = Path(file).stem.rsplit("_", 1)
        mammogram = images.read_mammogram(cropped("synB") / "cropped_images" / f"{stem}.png")
        ours = overlays.overlay(mammogram, heatmaps[f"{stem}_{kind}_full"], kind)
        assert sha256(ours[..., ::-1]) == values["bgr_sha256"], file
        kept = goldens / "visualize" / "synB" / file
        if kept.exists():
            assert (np.array(Image.open(kept)) == ours).all()
