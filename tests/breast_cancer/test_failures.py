"""What goes wrong is told in one line that says what, where and why; nothing half-made is left behind."""

from breast_cancer.helpers import call_stage, make_sample, run_stage  # isort: skip  (puts the stages on the path)

import pickle
import zipfile

import exam_classifier
import exam_list
import images
import numpy as np
import patch_classifier
import pytest
import stage
import torch
from PIL import Image
from stage import StageError


@pytest.fixture
def exam(tmp_path):
    """A synthetic exam that works."""
    folder = tmp_path / "exam"
    make_sample.write_exam(folder, 420, 400, 5)
    return folder


def crop(exam, *extra, status=0):
    out = exam.parent / "cropped"
    return call_stage(
        "crop.py",
        *("--input-data-folder", exam, "--output-data-folder", out, "--cropped-exam-list-path", out / "list.pkl"),
        *("--exam-list-path", exam / "gen_exam_list_before_cropping.pkl", *extra),
        status=status,
    )


def centers(exam, status=0):
    out = exam.parent / "cropped"
    return call_stage(
        "extract_centers.py",
        *("--cropped-exam-list-path", out / "list.pkl", "--data-prefix", out),
        *("--output-exam-list-path", exam.parent / "data.pkl"),
        status=status,
    )


def heatmaps(exam, models, run=call_stage, status=0):
    return run(
        "generate_heatmaps.py",
        *("--model-path", models / make_sample.PATCH_MODEL, "--data-path", exam.parent / "data.pkl"),
        *("--image-path", exam.parent / "cropped", "--output-heatmap-path", exam.parent / "heatmaps"),
        status=status,
    )


def one_line(done):
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_missing_view_is_named(exam):
    (exam / "R_MLO.png").unlink()
    assert "R-MLO: R_MLO.png: no such image" in one_line(crop(exam, status=1))


def test_a_view_without_images_is_named(exam):
    path = exam / "gen_exam_list_before_cropping.pkl"
    [content] = exam_list.load_exam_list(path)
    path.write_bytes(pickle.dumps([{**content, "L-MLO": []}]))
    line = one_line(crop(exam, status=1))
    assert "no image for L-MLO; the classifier needs all four views" in line
    crop(exam, "--allow-missing-views")
    centers(exam)


def test_a_colour_picture_is_refused(exam):
    Image.new("RGB", (400, 420), (9, 9, 9)).save(exam / "L_CC.png")
    assert "L-CC: L_CC.png: its pixels are RGB; a mammogram has one grey channel" in one_line(crop(exam, status=1))


def test_a_file_that_is_no_picture_is_refused(exam):
    (exam / "L_CC.png").write_bytes(b"no picture")
    assert "L_CC.png: not a readable PNG" in one_line(crop(exam, status=1))


def test_a_cut_picture_is_refused(exam):
    data = (exam / "L_CC.png").read_bytes()
    (exam / "L_CC.png").write_bytes(data[: len(data) // 2])
    assert "L_CC.png: not a readable PNG" in one_line(crop(exam, status=1))


@pytest.mark.parametrize("value", [0, 100])
def test_an_image_of_which_nothing_is_left_is_named(exam, value):
    pixels = np.zeros((420, 400), dtype=np.uint16)
    pixels[:100] = value
    images.write_png(pixels, exam / "R_CC.png")
    line = one_line(crop(exam, status=1))
    assert line.startswith("error: R-CC: nothing is left after cropping")
    assert not (exam.parent / "cropped" / "list.pkl").exists()


def test_an_eight_bit_image_keeps_its_depth(exam):
    grey = (images.read_mammogram(exam / "L_CC.png") // 257).astype(np.uint8)
    images.write_png(grey, exam / "L_CC.png")
    crop(exam)
    assert images.read_mammogram(exam.parent / "cropped" / "L_CC.png").dtype == np.uint8


def test_an_image_smaller_than_a_patch_is_refused_before_the_network_runs(exam, models):
    crop(exam)
    centers(exam)
    images.write_png(np.ones((300, 200), dtype=np.uint16), exam.parent / "cropped" / "L_CC.png")
    line = one_line(heatmaps(exam, models, status=1))
    assert "L-CC (L_CC): the cropped image is only 200 pixels along one side; patches need at least 256" in line


def test_an_existing_output_folder_is_written_into_and_a_second_run_gives_the_same(exam):
    (exam.parent / "cropped").mkdir()
    (exam.parent / "cropped" / "kept.txt").write_text("mine")
    crop(exam)
    first = {path.name: path.read_bytes() for path in (exam.parent / "cropped").iterdir()}
    crop(exam)
    assert {path.name: path.read_bytes() for path in (exam.parent / "cropped").iterdir()} == first
    assert set(first) == {"L_CC.png", "L_MLO.png", "R_CC.png", "R_MLO.png", "list.pkl", "kept.txt"}


def test_a_stage_can_be_run_again_on_its_own_output(exam):
    crop(exam)
    list_path = exam.parent / "cropped" / "list.pkl"
    call_stage(
        "crop.py",
        *("--input-data-folder", exam, "--output-data-folder", exam.parent / "again"),
        *("--exam-list-path", list_path, "--cropped-exam-list-path", exam.parent / "again.pkl"),
    )
    assert (exam.parent / "again.pkl").read_bytes() == list_path.read_bytes()


def test_a_background_that_is_not_black_needs_the_threshold_and_gives_the_same_window(exam):
    crop(exam)
    centers(exam)
    black = exam_list.load_exam_list(exam.parent / "data.pkl")[0]
    for view in exam_list.VIEWS:
        path = exam / f"{view.replace('-', '_')}.png"
        pixels = images.read_mammogram(path)
        images.write_png(np.where(pixels == 0, 37, pixels).astype(np.uint16), path)
    crop(exam)
    assert exam_list.load_exam_list(exam.parent / "cropped" / "list.pkl")[0] != black
    crop(exam, "--background-threshold", 37)
    centers(exam)
    found = exam_list.load_exam_list(exam.parent / "data.pkl")[0]
    assert found.pop("background_threshold") == 37
    assert found == black


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.unlink(), "no such model"),
        (lambda path: path.write_bytes(b"PK not really"), "not a PyTorch checkpoint|cannot be loaded"),
        (lambda path: path.write_bytes(path.read_bytes()[:100_000]), "cut short|cannot be loaded"),
        (lambda path: torch.save({"weights": print}, path), "code or objects"),
        (lambda path: torch.save({"model": {}}, path), "an exam model, where the patch model is expected"),
        (lambda path: torch.save({"a": torch.zeros(1)}, path), "is missing; this is not a checkpoint of this model"),
        (lambda path: torch.save([1], path), "not a table of weights"),
    ],
)
def test_a_model_that_is_none_is_told_in_one_line(models, tmp_path, make, words):
    model = tmp_path / make_sample.PATCH_MODEL
    model.write_bytes((models / make_sample.PATCH_MODEL).read_bytes())
    make(model)
    with pytest.raises(StageError, match=words) as caught:
        patch_classifier.load(model)
    assert "\n" not in str(caught.value)
    assert str(model) in str(caught.value)


def test_a_stage_with_a_bad_model_writes_nothing(exam, tmp_path):
    crop(exam)
    centers(exam)
    (tmp_path / make_sample.PATCH_MODEL).write_bytes(b"no model")
    assert make_sample.PATCH_MODEL in one_line(heatmaps(exam, tmp_path, run=run_stage, status=1))
    assert not (exam.parent / "heatmaps").exists()


def test_old_and_new_checkpoint_formats_hold_the_same_and_the_new_one_is_deterministic(models, tmp_path):
    file = make_sample.PATCH_MODEL
    for name in ("one", "two"):
        make_sample.write_model(file, tmp_path / name)
    assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert not zipfile.is_zipfile(models / file)
    old, new = (patch_classifier.load(folder / file).state_dict() for folder in (models, tmp_path / "one"))
    assert all(torch.equal(old[name], new[name]) for name in old)


def test_aliases_must_agree_and_may_be_absent(models, tmp_path):
    weights = torch.load(models / make_sample.IMAGE_MODEL, weights_only=True)["model"]
    bare = {name: tensor for name, tensor in weights.items() if not name.startswith(tuple(exam_classifier.ALIASES))}
    bare = {name: tensor for name, tensor in bare.items() if not name.endswith(".num_batches_tracked")}
    assert len(bare) < len(weights) / 2
    torch.save({"model": bare}, tmp_path / "bare.p")
    reference = exam_classifier.load(models / make_sample.IMAGE_MODEL, 1).state_dict()
    for name, tensor in exam_classifier.load(tmp_path / "bare.p", 1).state_dict().items():
        assert torch.equal(tensor, reference[name])
    name = "four_view_resnet.l_cc.first_conv.weight"
    torch.save({"model": {**weights, name: weights[name] + 1}}, tmp_path / "torn.p")
    with pytest.raises(StageError, match=r"l_cc\.first_conv\.weight .* differ"):
        exam_classifier.load(tmp_path / "torn.p", 1)


def test_the_image_model_is_not_taken_for_the_one_with_heatmaps(models):
    with pytest.raises(StageError, match=r"first_conv\.weight has the shape \(16, 1, 7, 7\), the model needs"):
        exam_classifier.load(models / make_sample.IMAGE_MODEL, 3)


def test_heatmaps_of_another_image_are_refused(exam, models):
    crop(exam)
    centers(exam)
    for kind in ("benign", "malignant"):
        for view in exam_list.VIEWS:
            path = exam.parent / "heatmaps" / f"heatmap_{kind}" / f"{view.replace('-', '_')}.hdf5"
            images.write_heatmap(np.zeros((9, 9), dtype=np.float32), path)
    done = call_stage(
        "classify.py",
        *("--model-path", models / make_sample.IMAGEHEATMAPS_MODEL, "--data-path", exam.parent / "data.pkl"),
        *("--image-path", exam.parent / "cropped", "--output-path", exam.parent / "p.csv"),
        *("--use-heatmaps", "--heatmaps-path", exam.parent / "heatmaps"),
        status=1,
    )
    assert "they come from different runs" in one_line(done)
    assert not (exam.parent / "p.csv").exists()


def test_classify_refuses_an_exam_without_all_views(exam, models):
    path = exam / "gen_exam_list_before_cropping.pkl"
    [content] = exam_list.load_exam_list(path)
    path.write_bytes(pickle.dumps([{**content, "L-MLO": []}]))
    crop(exam, "--allow-missing-views")
    centers(exam)
    done = call_stage(
        "classify.py",
        *("--model-path", models / make_sample.IMAGE_MODEL, "--data-path", exam.parent / "data.pkl"),
        *("--image-path", exam.parent / "cropped", "--output-path", exam.parent / "p.csv"),
        status=1,
    )
    assert "no image for L-MLO" in one_line(done)


def test_too_little_memory_is_told_in_one_line_and_other_mistakes_are_not_hidden(capsys):
    with pytest.raises(SystemExit) as stopped:
        stage.run(lambda _: torch.empty(1 << 55, dtype=torch.uint8))
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith("error: not enough memory for this exam")
    with pytest.raises(RuntimeError, match="shape"):
        stage.run(lambda _: torch.zeros(2).view(3))


def test_the_generated_broken_exams_each_fail_for_their_own_reason(tmp_path):
    make_sample.write_broken_exams(tmp_path)
    reasons = {"exam_without_a_view": "R_MLO.png: no such image", "exam_in_colour": "its pixels are RGB"}
    reasons["exam_of_nothing"] = "nothing is left after cropping"
    for name, words in reasons.items():
        done = run_stage(
            "crop.py",
            *("--input-data-folder", tmp_path / name, "--output-data-folder", tmp_path / "out" / name),
            *("--exam-list-path", tmp_path / name / "gen_exam_list_before_cropping.pkl"),
            *("--cropped-exam-list-path", tmp_path / "out" / name / "list.pkl"),
            status=1,
        )
        assert words in one_line(done)
