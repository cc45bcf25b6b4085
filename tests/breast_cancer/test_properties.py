"""What holds for every image: patches cover it, heatmaps are means, the clever ways give what the plain ones give."""

from breast_cancer.helpers import make_sample  # isort: skip  (puts the stages on the path)

import random

import cubic
import fused_patch
import geometry
import numpy as np
import patch_classifier
import pytest
import stage
import torch
from fused_patch import Clamp
from hypothesis import given, settings
from hypothesis import strategies as st
from patch_grid import PATCH, STRIDE, PatchGrid, strides
from scipy import ndimage
from torch import nn


@given(st.integers(PATCH, 5000), st.integers(0, 2**32))
def test_patches_reach_both_ends_in_steps_of_at_most_seventy(length, seed):
    steps = strides(length, random.Random(seed))
    assert sum(steps) == length - PATCH
    assert all(0 < step <= STRIDE for step in steps)
    assert max(steps, default=0) - min(steps, default=0) <= 1
    # No more patches than are needed.
    assert (len(steps) - 1) * STRIDE < length - PATCH or not steps


@given(st.integers(0, PATCH - 1))
def test_an_axis_shorter_than_a_patch_is_refused(length):
    with pytest.raises(stage.StageError, match="at least 256"):
        strides(length, random.Random(0))


@settings(max_examples=25, deadline=None)
@given(st.integers(PATCH, 620), st.integers(PATCH, 620), st.integers(0, 2**32 - 1))
def test_a_heatmap_is_the_mean_over_the_covering_patches_bit_by_bit(height, width, seed):
    grid = PatchGrid.draw((height, width), random.Random(seed))
    values = np.random.default_rng(seed).random(len(grid), dtype=np.float32)
    total, count = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for value, (row, column) in zip(values, grid.positions(), strict=True):
        total[row : row + PATCH, column : column + PATCH] += value
        count[row : row + PATCH, column : column + PATCH] += 1
    assert np.array_equal(grid.heatmap(values), total / count)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_empty_patches_are_those_without_foreground(seed):
    generator = np.random.default_rng(seed)
    grid = PatchGrid.draw((500, 400), random.Random(seed))
    foreground = np.zeros(grid.shape, dtype=bool)
    foreground[generator.integers(0, 500, 2), generator.integers(0, 400, 2)] = True
    expected = [not foreground[r : r + PATCH, c : c + PATCH].any() for r, c in grid.positions()]
    assert grid.empty_patches(foreground).tolist() == expected


def full_mask(pixels: np.ndarray) -> np.ndarray:
    """The breast's mask by the definition, on the whole image: erosion, largest region, dilation."""
    regions, _ = ndimage.label(ndimage.binary_erosion(pixels > 0, iterations=3))
    sizes = [0, *(int((regions == label).sum()) for label in range(1, regions.max() + 1))]
    expected = ndimage.binary_dilation(regions == int(np.argmax(sizes)), iterations=3)
    cutting, row, column = geometry.breast_mask(pixels, 3, 0)
    found = np.zeros_like(expected)
    found[row : row + cutting.shape[0], column : column + cutting.shape[1]] = cutting
    assert np.array_equal(found, expected)
    return expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_crop_holds_the_largest_region_and_mirrors_into_its_mirror_image(seed, right):
    generator = np.random.default_rng(seed)
    pixels = np.zeros((120, 110), dtype=np.uint16)
    for _ in range(3):
        row, column, height, width = generator.integers(0, 60, 4)
        pixels[row : row + height, column : column + width] = generator.integers(1, 9)
    try:
        crop = geometry.find_crop(pixels, right, iterations=3, buffer=5)
    except stage.StageError:
        return
    mask, mirror = full_mask(pixels), full_mask(pixels[:, ::-1])
    top, bottom, left, right_edge = crop.window_location
    assert mask[top:bottom, left:right_edge].sum() == mask.sum()
    mirrored = geometry.find_crop(pixels[:, ::-1], not right, iterations=3, buffer=5)
    if np.array_equal(mask[:, ::-1], mirror):
        assert mirrored.window_location == (top, bottom, 110 - right_edge, 110 - left)
        assert mirrored.distance_from_starting_side == crop.distance_from_starting_side
        # The documented quirk: seen from the left, columns count one more.
        assert mirrored.rightmost_points[1] - crop.rightmost_points[1] == (1 if right else -1)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(4, 70)] * 4), st.integers(0, 2**32 - 1))
def test_cubic_resizing_equals_pytorchs_and_skips_only_zeros(sizes, seed):
    height, width, new_height, new_width = sizes
    generator = np.random.default_rng(seed)
    rows, columns = (slice(*sorted(generator.integers(0, length + 1, 2).tolist())) for length in (height, width))
    image = torch.zeros(2, height, width)
    image[:, rows, columns] = torch.from_numpy(generator.standard_normal(image[:, rows, columns].shape)).float()
    padded = torch.zeros(2, height + 2 * cubic.BORDER, width + 2 * cubic.BORDER)
    padded[:, cubic.BORDER : -cubic.BORDER, cubic.BORDER : -cubic.BORDER] = image
    cubic.repeat_border(padded)
    ours = cubic.resize(padded, (new_height, new_width), rows, columns)
    theirs = nn.functional.interpolate(image.double()[None], size=(new_height, new_width), mode="bicubic")[0]
    assert (ours - theirs).abs().max() < 1e-5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_bound_folded_into_the_next_layer_is_batch_norm_and_relu_for_scales_of_any_sign(seed):
    torch.manual_seed(seed)
    norm = nn.BatchNorm2d(12).eval()
    with torch.no_grad():
        norm.weight.copy_(torch.randn(12))
        norm.weight[:3] = 0
        norm.bias.copy_(torch.randn(12))
        norm.running_mean.copy_(torch.randn(12))
        norm.running_var.copy_(torch.rand(12) + 0.1)
        convolution = nn.Conv2d(12, 5, 1, bias=False)
        features = torch.randn(2, 12, 3, 3)
        clamp = Clamp(norm)
        weight, bias = clamp.fold(convolution.weight)
        ours = torch.conv2d(clamp.apply(features, torch.empty_like(features)), weight.float(), bias.float())
        assert (ours - convolution(torch.relu(norm(features)))).abs().max() < 1e-4


@pytest.fixture(scope="module")
def some_patches(models):
    """(network, patches, its probabilities): seven patches, a group of four, a pair and an odd one."""
    network = patch_classifier.load(models / make_sample.PATCH_MODEL)
    patches = torch.randn(7, 1, 256, 256, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        return network, patches, network(patches).softmax(1)


@pytest.mark.parametrize("packed", [True, False])
def test_the_fused_network_is_the_plain_one_with_and_without_onednns_layouts(some_patches, monkeypatch, packed):
    network, patches, expected = some_patches
    monkeypatch.setattr(fused_patch, "GROUP", 4)
    fused = fused_patch.FusedDenseNet(network)
    if not packed:
        layers = [layer for block in fused.blocks for layer in block]
        for convolution in (
            fused.stem,
            *(one for layer in layers for one in (layer.squeeze, layer.expand)),
            *(convolution for _, convolution in fused.transitions),
        ):
            convolution.packed = None
    with torch.inference_mode():
        assert (fused(patches, fused_patch.Workspace()).softmax(1) - expected).abs().max() < 1e-5
