"""Cubic resizing as OpenCV's INTER_CUBIC does it, fast where the size hardly changes.

Half-pixel centres, a = -0.75, borders repeated, no smoothing. When a window of 2,672 rows becomes 2,677, the rows that
make a result row follow each other by one for long stretches; in such a stretch every tap is a slice, and no index is
looked up.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import torch

# Rows and columns that must surround an image: its border, repeated.
BORDER = 2
_A = -0.75
# Result rows made at a time, so that what lies between the two passes stays in the cache.
_BLOCK = 128


@dataclass(frozen=True)
class Stretch:
    """Result places start to stop, whose first tap is at `first` and moves along with them."""

    start: int
    stop: int
    first: int


def taps(length: int, size: int) -> tuple[np.ndarray, torch.Tensor]:
    """For each result place the first of its four source places, in an image with its BORDER, and the four weights."""
    places = (np.arange(size) + 0.5) * (length / size) - 0.5
    base = np.floor(places)
    t = places - base
    weights = [
        ((_A * (t + 1) - 5 * _A) * (t + 1) + 8 * _A) * (t + 1) - 4 * _A,
        ((_A + 2) * t - (_A + 3)) * t * t + 1,
        ((_A + 2) * (1 - t) - (_A + 3)) * (1 - t) * (1 - t) + 1,
    ]
    weights.append(1 - weights[0] - weights[1] - weights[2])
    return base.astype(int) - 1 + BORDER, torch.from_numpy(np.array(weights, dtype=np.float32))


def stretches(first: np.ndarray, start: int, stop: int) -> list[Stretch]:
    """The places start to stop cut where the taps do not simply move along."""
    if start >= stop:
        return []
    cuts = np.flatnonzero(np.diff(first[start:stop]) != 1) + 1 + start
    edges = [start, *cuts.tolist(), stop]
    return [Stretch(a, b, int(first[a])) for a, b in itertools.pairwise(edges)]


def touched(first: np.ndarray, used: slice) -> tuple[int, int]:
    """The result places of which a tap lies in the used source places (counted without the border)."""
    places = np.flatnonzero((first + 3 >= used.start + BORDER) & (first < used.stop + BORDER))
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)


def resize(image: torch.Tensor, size: tuple[int, int], rows: slice, columns: slice) -> torch.Tensor:
    """(channels, height, width) float32 of this size from an image that has its BORDER around it.

    Outside `rows` and `columns` (counted without the border) the image is zero, and there no work is done. Where the
    used part reaches the image's edge, the repeated border repeats it, and is used as well.
    """
    height, width = image.shape[1] - 2 * BORDER, image.shape[2] - 2 * BORDER
    first_rows, row_weights = taps(height, size[0])
    first_columns, column_weights = taps(width, size[1])
    top, bottom = touched(first_rows, _with_border(rows, height))
    left, right = touched(first_columns, _with_border(columns, width))
    result = torch.zeros(image.shape[0], *size)
    across = stretches(first_columns, left, right)
    if not across:
        return result
    begin, end = int(first_columns[left]), int(first_columns[right - 1]) + 4
    for channel, target in zip(image, result, strict=True):
        for row in range(top, bottom, _BLOCK):
            stop = min(row + _BLOCK, bottom)
            between = torch.empty(stop - row, end - begin)
            for down in stretches(first_rows, row, stop):
                count = down.stop - down.start
                lines = between[down.start - row : down.stop - row]
                for tap in range(4):
                    weight = row_weights[tap, down.start : down.stop, None]
                    source = channel[down.first + tap : down.first + tap + count, begin:end]
                    _accumulate(lines, source, weight, tap)
            for along in across:
                count = along.stop - along.start
                part = target[row:stop, along.start : along.stop]
                for tap in range(4):
                    offset = along.first - begin + tap
                    weight = column_weights[tap, along.start : along.stop]
                    _accumulate(part, between[:, offset : offset + count], weight, tap)
    return result


def _accumulate(total: torch.Tensor, source: torch.Tensor, weight: torch.Tensor, tap: int) -> None:
    if tap == 0:
        torch.mul(source, weight, out=total)
    else:
        total.addcmul_(source, weight)


def _with_border(used: slice, length: int) -> slice:
    """The used places and, where they reach an edge, the border that repeats it."""
    start = used.start - (BORDER if used.start == 0 else 0)
    return slice(start, used.stop + (BORDER if used.stop == length else 0))


def repeat_border(image: torch.Tensor) -> None:
    """Fills the border of (channels, height, width) with the nearest pixels of the image inside it."""
    image[:, :BORDER] = image[:, BORDER : BORDER + 1]
    image[:, -BORDER:] = image[:, -BORDER - 1 : -BORDER]
    image[:, :, :BORDER] = image[:, :, BORDER : BORDER + 1]
    image[:, :, -BORDER:] = image[:, :, -BORDER - 1 : -BORDER]
