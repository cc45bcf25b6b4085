"""Parity on a plain clone: the small golden set kept here, made in float64 by the shortest way (make_goldens.py)."""

from breast_cancer.helpers import CODE, make_sample, run_stage, write_small_exam  # isort: skip  (puts the stages on the path)

import csv
import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import exam_classifier
import exam_list
import exam_predictor
import h5py
import images
import numpy as np
import patch_classifier
import patch_predictor
import pytest
import torch
from patch_grid import PatchGrid

GOLDENS = Path(__file__).with_name("goldens")
EXPECTED = json.loads((GOLDENS / "small_exam.json").read_text())
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def exam_folder(tmp_path_factory):
    return write_small_exam(tmp_path_factory.mktemp("small") / "small_exam")


@pytest.fixture(scope="module")
def after_centers(exam_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("centers")
    run_stage(
        "crop.py",
        *("--input-data-folder", exam_folder, "--output-data-folder", folder / "cropped_images"),
        *("--exam-list-path", exam_folder / "gen_exam_list_before_cropping.pkl"),
        *("--cropped-exam-list-path", folder / "cropped.pkl"),
    )
    run_stage(
        "extract_centers.py",
        *("--cropped-exam-list-path", folder / "cropped.pkl", "--data-prefix", folder / "cropped_images"),
        *("--output-exam-list-path", folder / "data.pkl"),
    )
    return folder


@pytest.fixture(scope="module")
def predicted(after_centers, models):
    """(names, points right, grids, probabilities by image)."""
    exam = exam_list.load_exam_list(after_centers / "data.pkl")[0]
    names, rights, pixels, grids, generator = [], [], [], [], random.Random(0)
    for _, view, _, name in exam_list.images([exam]):
        image = images.read_mammogram(after_centers / "cropped_images" / f"{name}.png")
        rights.append(exam_list.points_right(view, "NO"))
        pixels.append(image if rights[-1] else image[:, ::-1])
        grids.append(PatchGrid.draw(image.shape, generator))
        names.append(name)
    predictor = patch_predictor.make(patch_classifier.load(models / make_sample.PATCH_MODEL), CPU, "fp32", 100)
    return names, rights, grids, predictor.exam(pixels, grids).probabilities


def test_synthetic_exams_are_the_same_pixels_everywhere(exam_folder):
    for view, digest in EXPECTED["input_sha256"].items():
        pixels = images.read_mammogram(exam_folder / f"{view.replace('-', '_')}.png")
        assert hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest() == digest


def test_windows_points_and_centers_are_exact(after_centers):
    found = exam_list.load_exam_list(after_centers / "data.pkl", after_centers=True)[0]
    assert json.loads(json.dumps(found)) == EXPECTED["exam_after_centers"]


def test_patch_probabilities_and_heatmaps_agree_with_float64(predicted):
    _, _, grids, probabilities = predicted
    stored = np.load(GOLDENS / "small_exam.npz")
    assert np.abs(np.concatenate(probabilities) - stored["patch_probabilities"]).max() < 1e-5
    for view, grid, values in zip(exam_list.VIEWS, grids, probabilities, strict=True):
        for column, kind in ((patch_classifier.MALIGNANT, "malignant"), (patch_classifier.BENIGN, "benign")):
            ours = grid.heatmap(values[:, column])
            assert ours.shape == grid.shape
            assert np.abs(ours[4::8, 4::8] - stored[f"{view}_{kind}"]).max() < 1e-5


@pytest.mark.parametrize(("kind", "count"), [("image", 1), ("imageheatmaps", 3)])
def test_log_softmax_agrees_with_float64(after_centers, predicted, models, tmp_path, kind, count):
    exam = exam_list.load_exam_list(after_centers / "data.pkl", after_centers=True)[0]
    names, rights, grids, probabilities = predicted
    for name, right, grid, values in zip(names, rights, grids, probabilities, strict=True):
        for column, label in ((0, "malignant"), (1, "benign")):
            heatmap = grid.heatmap(values[:, column])
            images.write_heatmap(heatmap if right else heatmap[:, ::-1], tmp_path / f"heatmap_{label}" / f"{name}.hdf5")
    channels = exam_predictor.read_channels(exam, after_centers / "cropped_images", tmp_path if count == 3 else None)
    network = exam_classifier.load(models / f"sample_{kind}_model.p", count)
    predictor = exam_predictor.ExamPredictor(network, CPU, precision="fp32", seed=0, augment=True, epochs=1)
    [decision] = predictor.decisions(exam, channels)
    for angle, expected in EXPECTED["epochs"][kind][0].items():
        assert (decision[angle][0] - torch.tensor(expected)).abs().max() < 1e-3


def shell(script: str, *arguments: str, pfs: Path, variable: str) -> None:
    """Runs a pipeline's command as a worker does: the input's path in a variable of its name, python3 on the path."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NUM_EPOCHS": "2",
        "DEVICE": "cpu",
        variable: str(pfs / variable / "small_exam"),
    }
    done = subprocess.run(
        ["/bin/bash", str(CODE / script), *arguments], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr


def predictions(path: Path) -> list[float]:
    return [float(value) for value in list(csv.reader(path.open()))[1]]


@pytest.mark.slow
def test_the_five_pipelines_and_the_single_one_write_the_same_files(exam_folder, models, tmp_path):
    single = tmp_path / "single"
    (single / "sample_data").mkdir(parents=True)
    (single / "sample_data" / "small_exam").symlink_to(exam_folder)
    (single / "models").symlink_to(models)
    shell("run.sh", "cpu", pfs=single, variable="sample_data")

    (tmp_path / "multi").mkdir()
    outputs = {"sample_data": exam_folder.parent}
    for stage, *inputs in (
        ("crop", "sample_data"),
        ("extract_centers", "crop"),
        ("generate_heatmaps", "crop", "extract_centers"),
        ("visualize_heatmaps", "crop", "generate_heatmaps"),
        ("classify", "crop", "extract_centers", "generate_heatmaps"),
    ):
        pfs = tmp_path / "multi" / stage
        (pfs / "out").mkdir(parents=True)
        for name in inputs:
            (pfs / name).symlink_to(outputs[name])
        (pfs / "models").symlink_to(models)
        shell(f"{stage}.sh", pfs=pfs, variable=inputs[0])
        outputs[stage] = pfs / "out"

    ours = single / "out" / "small_exam"
    for kind, expected in EXPECTED["predictions"].items():
        assert np.abs(np.array(predictions(ours / f"{kind}_predictions.csv")) - expected).max() < 2e-4
    compared = 0
    for stage in ("crop", "extract_centers", "generate_heatmaps", "classify"):
        for path in sorted((outputs[stage] / "small_exam").rglob("*.*")):
            twin = ours / path.relative_to(outputs[stage] / "small_exam")
            if path.suffix == ".hdf5":
                with h5py.File(path) as one, h5py.File(twin) as other:
                    assert np.array_equal(one["image"][:], other["image"][:]), path
            else:
                assert path.read_bytes() == twin.read_bytes(), path
            compared += 1
    # 4 PNGs and a list, a list, 8 maps, 2 x 2 CSVs and the sheet.
    assert compared == 19
    assert len(list((outputs["visualize_heatmaps"] / "small_exam").glob("*.png"))) == 8
    sheet = (ours / "sheet.html").read_text()
    assert "small_exam" in sheet
    assert sheet.count("<img") == 12
    assert f"{predictions(ours / 'image_predictions.csv')[0]:.4f}" in sheet
