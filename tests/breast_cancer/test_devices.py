"""Devices and precisions: what a GPU runs gives the CPU's numbers, and the options' deviations are as stated."""

from breast_cancer.helpers import make_sample  # isort: skip  (puts the stages on the path)

import random

import devices
import exam_classifier
import exam_list
import exam_predictor
import geometry
import images
import numpy as np
import patch_classifier
import patch_predictor
import pytest
import stage
import torch
from hypothesis import given
from hypothesis import strategies as st
from patch_grid import PatchGrid

CPU = torch.device("cpu")
GPUS = [pytest.param(torch.device("cuda"), marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.fixture(scope="module")
def exam_of_patches():
    """(images pointing right, grids): one small image with a wide empty margin, so that some patches are empty."""
    pixels = make_sample.phantom("L-CC", 320, 300, 77)
    pixels = np.concatenate([pixels, np.zeros((320, 260), dtype=np.uint16)], axis=1)
    pixels[:, 245:] = 0
    return [pixels], [PatchGrid.draw(pixels.shape, random.Random(0))]


def load_patch_model(models):
    return patch_classifier.load(models / make_sample.PATCH_MODEL)


@pytest.fixture(scope="module")
def some_patches(exam_of_patches):
    """(standardised image, places) of the first four patches."""
    [image], [grid] = exam_of_patches
    standardised = torch.from_numpy(images.standardise(image, np.float64).astype(np.float32))
    return [standardised], [(0, *place) for place in grid.positions()][:4]


@pytest.fixture(scope="module")
def expected(models, exam_of_patches):
    return patch_predictor.make(load_patch_model(models), CPU, "fp32", 100).exam(*exam_of_patches)


def test_empty_patches_are_computed_once_and_are_what_they_would_be(models, exam_of_patches, expected):
    pixels, grids = exam_of_patches
    empty = grids[0].empty_patches(pixels[0] > 0)
    assert expected.empty == empty.sum() >= 2
    assert expected.patches == len(grids[0])
    alike = expected.probabilities[0][empty]
    assert (alike == alike[0]).all()
    every = patch_predictor.make(load_patch_model(models), CPU, "fp32", 100)
    standardised = torch.from_numpy(((pixels[0] - pixels[0].mean()) / pixels[0].std()).astype(np.float32))
    found = every.predict([standardised], [(0, *place) for place in grids[0].positions()])
    assert np.abs(found - expected.probabilities[0]).max() < 1e-5


@given(st.integers(0, 300), st.integers(1, 9))
def test_patches_are_shared_out_once_each_in_pairs_and_evenly(count, workers):
    groups = patch_predictor.even_groups(count, workers)
    assert [number for group in groups for number in range(count)[group]] == list(range(count))
    sizes = [group.stop - group.start for group in groups]
    assert all(size <= 8 for size in sizes)
    assert all(size % 2 == 0 for size in sizes[:-1])
    # Whoever takes the next group as it comes is at most one group behind the others.
    loads = [0] * workers
    for size in sizes:
        loads[loads.index(min(loads))] += size
    assert max(loads) <= -(-count // workers) + 2 * -(-len(sizes) // workers)


@pytest.mark.parametrize("device", [CPU, *GPUS], ids=str)
def test_the_gpus_way_of_patches_gives_the_cpus_numbers(models, some_patches, expected, device):
    predictor = patch_predictor.GpuPredictor(load_patch_model(models), device, "fp32", batch_size=3)
    found = predictor.predict(*some_patches)
    assert np.abs(found - expected.probabilities[0][:4]).max() < 1e-4


@pytest.mark.parametrize(("precision", "bound"), [("bf16", 0.03), ("int8", 0.06)])
def test_other_precisions_stay_within_their_stated_deviation(models, some_patches, expected, precision, bound):
    predictor = patch_predictor.make(load_patch_model(models), CPU, precision, 100)
    deviation = np.abs(predictor.predict(*some_patches) - expected.probabilities[0][:4]).max()
    assert 0 < deviation < bound


@pytest.mark.parametrize("device", [CPU, *GPUS], ids=str)
def test_the_gpus_way_of_exams_gives_the_cpus_numbers(models, monkeypatch, device):
    # Nothing depends on the windows' size, and smaller ones take a tenth of the time.
    for angle, window in {"CC": (877, 642), "MLO": (974, 548)}.items():
        monkeypatch.setitem(geometry.CLASSIFIER_WINDOW, angle, window)
    generator = np.random.RandomState(5)
    shapes = {"L-CC": (900, 500), "R-CC": (900, 500), "L-MLO": (950, 480), "R-MLO": (950, 480)}
    exam = {view: [view] for view in exam_list.VIEWS} | {"best_center": {v: [(400, 200)] for v in exam_list.VIEWS}}
    channels = {view: [[generator.randint(0, 9999, shape).astype(np.uint16)]] for view, shape in shapes.items()}
    found = []
    for precision, fused in (("fp32", True), ("fp32", False)):
        network = exam_classifier.load(models / make_sample.IMAGE_MODEL, 1)
        predictor = exam_predictor.ExamPredictor(
            network, CPU if fused else device, precision=precision, seed=0, augment=False, epochs=1
        )
        if not fused:
            predictor.fused = None
        found.append(predictor.predict(exam, channels))
    assert np.abs(found[0] - found[1]).max() < 1e-4


def test_asking_for_a_gpu_where_there_is_none_says_so_and_takes_the_cpu(capfd, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.choose("gpu", 0) == CPU
    assert "no usable GPU here" in capfd.readouterr().err
    assert devices.choose("auto", 0) == CPU
    assert capfd.readouterr().err == ""


def test_int8_on_a_gpu_is_refused(models):
    with pytest.raises(stage.StageError, match="int8 is for CPUs"):
        patch_predictor.make(load_patch_model(models), torch.device("cuda"), "int8", 100)


def test_processors_are_what_affinity_quota_and_variable_leave(monkeypatch):
    monkeypatch.setattr(stage, "container_quota", lambda: None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    everything = stage.available_processors()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert stage.available_processors() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1000")
    assert stage.available_processors() == everything
    monkeypatch.setattr(stage, "container_quota", lambda: 0.5)
    assert stage.available_processors() == 1
