"""Overlapping 256 x 256 patches of an image, and the heatmap that their probabilities make."""

import random
from dataclasses import dataclass

import numpy as np
from stage import StageError

PATCH = 256
STRIDE = 70


def strides(length: int, generator: random.Random) -> list[int]:
    """Steps between the patches along an axis of this length, so that the last patch ends exactly at its end.

    They are 70 where that fits; otherwise one more patch is taken and the steps shrink evenly, the ones that shrink
    by one more drawn from `generator`. Draws only where 70 does not fit.
    """
    if length < PATCH:
        raise StageError(
            f"the cropped image is only {length} pixels along one side; patches need at least {PATCH}, "
            "so this image is too small or was cropped too far"
        )
    remainder = (length - PATCH) % STRIDE
    steps = (length - PATCH) // STRIDE
    if remainder == 0:
        return [STRIDE] * steps
    steps += 1
    overlap = STRIDE - remainder
    found = [STRIDE - overlap // steps] * steps
    for step in generator.sample(range(steps), overlap % steps):
        found[step] -= 1
    return found


@dataclass(frozen=True)
class PatchGrid:
    """The patches of one image: every pair of a row and a column start, columns outermost."""

    shape: tuple[int, int]
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @classmethod
    def draw(cls, shape: tuple[int, int], generator: random.Random) -> "PatchGrid":
        """The grid of an image of this shape; rows are drawn before columns."""
        starts = []
        for length in shape:
            steps = strides(length, generator)
            starts.append(tuple(np.concatenate([[0], np.cumsum(steps)]).astype(int).tolist()))
        return cls(shape, starts[0], starts[1])

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def positions(self) -> list[tuple[int, int]]:
        """(row, column) of each patch's top left corner, in the order of the probabilities."""
        return [(row, column) for column in self.columns for row in self.rows]

    def empty_patches(self, foreground: np.ndarray) -> np.ndarray:
        """Which patches hold no foreground pixel at all: one bool a patch, in order."""
        table = np.zeros((self.shape[0] + 1, self.shape[1] + 1), dtype=np.int32)
        np.cumsum(foreground, axis=0, dtype=np.int32, out=table[1:, 1:])
        np.cumsum(table[1:, 1:], axis=1, out=table[1:, 1:])
        rows, columns = np.array(self.rows), np.array(self.columns)[:, None]
        below, beside = rows + PATCH, columns + PATCH
        counts = table[below, beside] - table[rows, beside] - table[below, columns] + table[rows, columns]
        return (counts == 0).ravel()

    def heatmap(self, probabilities: np.ndarray) -> np.ndarray:
        """(height, width) float32: at each pixel the mean probability of the patches that cover it.

        Between the patches' edges the mean is constant, so it is summed on that coarse grid, in the patches' order
        and in float32 as the original sums each pixel, and only then spread out.
        """
        row_edges = np.unique([edge for start in self.rows for edge in (start, start + PATCH)])
        column_edges = np.unique([edge for start in self.columns for edge in (start, start + PATCH)])
        cells = (len(row_edges) - 1, len(column_edges) - 1)
        total = np.zeros(cells, dtype=np.float32)
        count = np.zeros(cells, dtype=np.float32)
        row_spans = [np.searchsorted(row_edges, (start, start + PATCH)) for start in self.rows]
        column_spans = [np.searchsorted(column_edges, (start, start + PATCH)) for start in self.columns]
        values = iter(np.asarray(probabilities, dtype=np.float32))
        for left, right in column_spans:
            for top, bottom in row_spans:
                total[top:bottom, left:right] += next(values)
                count[top:bottom, left:right] += 1
        mean = total / count
        return np.repeat(np.repeat(mean, np.diff(row_edges), axis=0), np.diff(column_edges), axis=1)
