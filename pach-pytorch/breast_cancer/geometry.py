"""Where the breast is in an image, and where a classifier's window should be centred.

"Points right" below means: seen so that the breast points to the right, that is mirrored if the stored image points
left. All coordinates are (row, column) from the top left, windows are half-open.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from stage import StageError

# (height, width) of the window that the exam classifier sees, per angle.
CLASSIFIER_WINDOW = {"CC": (2677, 1942), "MLO": (2974, 1748)}

DEFAULT_ITERATIONS = 100
DEFAULT_BUFFER = 50


@dataclass(frozen=True)
class Crop:
    """What the crop stage finds out about one image; the fields are the exam list's keys."""

    window_location: tuple[int, int, int, int]
    """(top, bottom, left, right) in the stored image."""
    rightmost_points: tuple[tuple[int, int], int]
    """((first row, last row), column) of the nipple's side, in the cropped image, pointing right."""
    bottommost_points: tuple[int, tuple[int, int]]
    """(row, (first column, last column)), in the cropped image, pointing right."""
    distance_from_starting_side: int
    """Columns between the chest wall's edge of the image and the breast, before the buffer."""


def breast_mask(pixels: np.ndarray, iterations: int, threshold: int) -> tuple[np.ndarray, int, int]:
    """The largest 4-connected region that survives an erosion, dilated back by as much, as (mask, row, column).

    The mask is a cutting of the image with its top left corner at this row and column; outside there is nothing.
    Erosion by `iterations` steps of the 4-neighbour cross drops everything thinner than about twice that: markers,
    lines, labels. Beyond the image counts as background. Of equally large regions the first in reading order wins.
    """
    # Imported here: finding centres needs none of it, and would spend half its time on the import.
    from scipy import ndimage

    mask = pixels > threshold
    if iterations:
        mask = ndimage.binary_erosion(mask, iterations=iterations)
    regions, count = ndimage.label(mask)
    if count == 0:
        raise StageError(
            f"nothing is left after cropping: no area brighter than {threshold} is thicker than "
            f"{2 * iterations} pixels (is the image blank? see --num-iterations)"
        )
    # Nearly always there is one, and counting pixels takes a third of the whole.
    largest = 1 if count == 1 else 1 + int(np.bincount(regions.ravel())[1:].argmax())
    rows, columns = ndimage.find_objects(regions, max_label=largest)[largest - 1]
    # The dilation reaches no farther than this, and the rest of a large image is left alone.
    rows, columns = (
        slice(max(span.start - iterations, 0), min(span.stop + iterations, length))
        for span, length in zip((rows, columns), pixels.shape, strict=True)
    )
    mask = regions[rows, columns] == largest
    if iterations:
        mask = ndimage.binary_dilation(mask, iterations=iterations)
    return mask, rows.start, columns.start


def bounds(occupied: np.ndarray) -> tuple[int, int]:
    """First and last true place of a vector."""
    places = np.flatnonzero(occupied)
    return int(places[0]), int(places[-1])


def find_crop(
    pixels: np.ndarray,
    right: bool,
    iterations: int = DEFAULT_ITERATIONS,
    buffer: int = DEFAULT_BUFFER,
    threshold: int = 0,
) -> Crop:
    """The window around the breast and its outermost points, in an image whose breast points right (or left).

    The buffer is added above, below and on the nipple's side, as far as the image goes.
    """
    height, width = pixels.shape
    mask, first_row, first_column = breast_mask(pixels, iterations, threshold)
    top, last_row = (first_row + row for row in bounds(mask.any(axis=1)))
    left, last_column = (first_column + column for column in bounds(mask.any(axis=0)))
    bottom, right_edge = last_row + 1, last_column + 1
    lowest_columns = [first_column + column for column in bounds(mask[last_row - first_row])]

    distance = left if right else width - right_edge
    top, bottom = max(top - buffer, 0), min(bottom + buffer, height)
    if right:
        right_edge = min(right_edge + buffer, width)
    else:
        left = max(left - buffer, 0)

    # Seen pointing right, a mirrored column is one more than its mirror image: the original counts so, and the
    # centres of the windows that its models were trained on depend on it.
    lowest = (
        (lowest_columns[0] - left, lowest_columns[1] - left)
        if right
        else (right_edge - lowest_columns[1], right_edge - lowest_columns[0])
    )

    # Columns above the lower two thirds of the window do not count.
    ignored = int((bottom - top) / 3)
    skipped = max(top + ignored - first_row, 0)
    below = mask[skipped:]
    if not below.any():
        raise StageError("the breast lies in the upper third of its own window; --num-iterations is too small")
    place = bounds(below.any(axis=0))[1 if right else 0]
    rows = [first_row + skipped + row - top for row in bounds(below[:, place])]
    column = first_column + place - left
    return Crop(
        window_location=(top, bottom, left, right_edge),
        rightmost_points=(
            (rows[0], rows[1]),
            column if right else right_edge - left - column,
        ),
        bottommost_points=(last_row - top, lowest),
        distance_from_starting_side=distance,
    )


def best_center(pixels: np.ndarray, angle: str, crop: dict[str, Any] | Crop, threshold: int = 0) -> tuple[int, int]:
    """(row, column) on which the classifier's window is centred; may lie outside the image.

    `pixels`: the cropped image, pointing right. CC: the row whose window holds most of the breast; MLO: as low as the
    breast goes. The column puts the window's right edge just beside the nipple.
    """
    found = crop if isinstance(crop, dict) else crop.__dict__
    rightmost = int(found["rightmost_points"][1])
    window_height, window_width = CLASSIFIER_WINDOW[angle]
    column = rightmost - window_width // 2 - 1
    if angle == "CC":
        return _fullest_row(pixels > threshold, column), column
    row = int(found["bottommost_points"][0])
    occupied = np.flatnonzero((pixels[:, -window_width:] > threshold).any(axis=1))
    if len(occupied):
        row = min(row, int(occupied[-1]))
    return row - window_height // 2 - 1, column


def _fullest_row(mask: np.ndarray, column: int) -> int:
    """The row on which a CC window holds most of the mask; ties go to the nearest to the middle, then to the upper."""
    height, width = mask.shape
    window_height, window_width = CLASSIFIER_WINDOW["CC"]
    above = window_height // 2
    middle = height // 2
    candidates = np.arange(above, height - above)
    if len(candidates) < 2:
        return middle
    left = column - window_width // 2
    right = left + window_width
    if left < 0:
        # The window keeps its width and starts at the image's edge.
        left, right = 0, window_width
    counts = np.concatenate([[0], np.cumsum(mask[:, left : min(right, width)].sum(axis=1, dtype=np.int64))])
    scores = counts[candidates - above + window_height] - counts[candidates - above]
    best = candidates[scores == scores.max()]
    return int(best[np.argmin((best - middle) ** 2)])
