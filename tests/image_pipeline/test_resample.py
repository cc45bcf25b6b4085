"""A sample is defined in integers: every hand, and plain arithmetic in whole numbers, gives the same bytes."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import resample
from hypothesis import given, settings
from hypothesis import strategies as st


def by_definition(box, side):
    """Pixel by pixel in Python's whole numbers, from the axis tables."""
    height, width = box.shape[:2]
    (rows, down), (columns, across) = resample.axis_table(height, side), resample.axis_table(width, side)
    out = np.empty((side, side, 3), np.uint8)
    for y in range(side):
        for x in range(side):
            for channel in range(3):
                total = 0
                for row, row_weight in ((rows[y], 256 - down[y]), (min(rows[y] + 1, height - 1), down[y])):
                    for column, weight in ((columns[x], 256 - across[x]), (min(columns[x] + 1, width - 1), across[x])):
                        total += int(box[row, column, channel]) * int(row_weight) * int(weight)
                out[y, x, channel] = (total + 32768) >> 16
    return out


@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([1, 2, 5, 16, 21, 64]), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("hand", list(resample.hands()))
def test_every_hand_gives_the_bytes_of_the_definition(hand, height, width, side, seed):
    picture = np.random.default_rng(seed).integers(0, 256, (height + 3, width + 5, 3), np.uint8)
    box = picture[2 : 2 + height, 3 : 3 + width]
    slot = np.full((side, side, 3), 77, np.uint8)
    resample.hands()[hand](box, slot)
    expected = by_definition(box, side) if side <= 5 else None
    numpy = np.empty_like(slot)
    resample.resample_numpy(box, numpy)
    assert np.array_equal(slot, numpy)
    if expected is not None:
        assert np.array_equal(slot, expected)


def test_the_compiled_weights_are_the_definitions_at_every_length():
    """kernels.c reckons them again in its own floating point."""
    if "native" not in resample.hands():
        pytest.skip("no C compiler here")
    random = np.random.default_rng(5)
    for length in range(1, 1000, 3):
        box = random.integers(0, 256, (1, length, 3), np.uint8)
        compiled, numpy = np.empty((2, 31, 31, 3), np.uint8)
        resample.hands()["native"](box, compiled)
        resample.resample_numpy(box, numpy)
        assert np.array_equal(compiled, numpy), length


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
@pytest.mark.parametrize("hand", list(resample.hands()))
def test_a_plain_picture_stays_plain_at_every_size(hand, value):
    """Weights sum to one exactly: no rounding darkens an edge, and the largest sum overflows nothing."""
    for size in (1, 3, 50, 300):
        slot = np.zeros((224, 224, 3), np.uint8)
        resample.hands()[hand](np.full((size, size + 1, 3), value, np.uint8), slot)
        assert (slot == value).all()


def test_a_box_of_the_samples_own_size_is_copied():
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    for hand in resample.hands().values():
        slot = np.empty_like(picture)
        hand(picture, slot)
        assert np.array_equal(slot, picture)


@pytest.mark.parametrize(("length", "side"), [(300, 224), (100, 224), (224, 224), (7, 5), (1, 8)])
def test_the_weights_follow_the_centres_of_the_pixels(length, side):
    index, weight = resample.axis_table(length, side)
    for place in range(side):
        centre = Fraction(length, side) * (place + Fraction(1, 2)) - Fraction(1, 2)
        clamped = min(max(centre, Fraction(0)), Fraction(length - 1))
        assert abs(int(index[place]) + Fraction(int(weight[place]), 256) - clamped) <= Fraction(1, 512) + Fraction(
            1, 10**9
        )


def test_asking_for_a_hand_that_is_not_here_names_those_that_are():
    with pytest.raises(LookupError, match="numpy"):
        resample.best("gpu")


def test_the_kernels_are_not_needed():
    """Switched off, or without a compiler, there is another way to the same bytes."""
    code = "import resample; print(*resample.hands())"
    environment = {"IMAGE_PIPELINE_NATIVE": "0", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(resample.__file__).parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "native" not in done.stdout and "numpy" in done.stdout
