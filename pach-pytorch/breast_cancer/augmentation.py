"""The windows through which the exam classifier looks at a view: moved and resized a little at each epoch.

A window is (top, bottom, left, right), half-open, in an image that may have been padded with zeros.
"""

from dataclasses import dataclass

import cubic
import images
import numpy as np
import torch
from geometry import CLASSIFIER_WINDOW

MAX_POSITION_NOISE = 100
MAX_SIZE_NOISE = 100
# A CC view may be padded by this much above and below, so that its window can move.
_CC_MARGIN = 2 * MAX_POSITION_NOISE


@dataclass(frozen=True)
class Noise:
    """What is drawn for one view at one epoch; all between -1 and 1."""

    position: tuple[float, float]
    """Down, right."""
    size: tuple[float, float, float, float]
    """Top, bottom, left, right border."""


def draw_noise(generator: np.random.RandomState, augment: bool) -> Noise:
    """The next noise. Without augmentation no position is drawn, but sizes are, as in the original."""
    position = generator.uniform(-1, 1, size=2) if augment else (0.0, 0.0)
    size = generator.uniform(-1, 1, size=4)
    return Noise((float(position[0]), float(position[1])), tuple(float(value) for value in size))


@dataclass(frozen=True)
class Window:
    """A window and the padding of the image that it refers to."""

    before: tuple[int, int]
    """Zero rows above and zero columns left of the image."""
    padded: tuple[int, int]
    """(height, width) of the padded image."""
    moved: tuple[int, int, int, int]
    """After the position noise."""
    final: tuple[int, int, int, int]
    """After the size noise."""


def place(angle: str, shape: tuple[int, int], center: tuple[int, int], noise: Noise, augment: bool) -> Window:
    """The window on an image of this shape around this centre.

    Where the image is too small for the window it is padded, and the centre counts for nothing on that axis.
    """
    position_noise, size_noise = (MAX_POSITION_NOISE, MAX_SIZE_NOISE) if augment else (0, 0)
    size = CLASSIFIER_WINDOW[angle]
    padded, before, edges = [], [], []
    for axis in (0, 1):
        length, wanted = shape[axis], size[axis]
        start = center[axis] - wanted // 2
        front = 0
        both_sides = angle == "CC" and axis == 0
        margin = (2 * _CC_MARGIN if both_sides else 2 * MAX_POSITION_NOISE) if augment else 0
        if length < wanted + margin:
            total = wanted - length + margin
            front = total // 2 if both_sides else 0
            length += total
            start = margin // 2 if both_sides else 0
        if start < 0:
            start = 0
        elif start + wanted > length:
            start = length - wanted
        padded.append(length)
        before.append(front)
        edges.append((start, start + wanted))
    moved = [_move(edges[axis], padded[axis], noise.position[axis], position_noise) for axis in (0, 1)]
    (top, bottom), (left, right) = moved
    final = _resize((top, bottom, left, right), (padded[0], padded[1]), size, noise.size, size_noise)
    return Window((before[0], before[1]), (padded[0], padded[1]), (top, bottom, left, right), final)


def _move(edges: tuple[int, int], length: int, noise: float, limit: int) -> tuple[int, int]:
    """Moves a window along one axis; at an edge of the image it can only move away from it."""
    start, end = edges
    if start == 0:
        noise = abs(noise)
    elif end == length:
        noise = -abs(noise)
    margin = length - end if noise >= 0 else start
    shift = int(np.round(min(limit, margin) * noise))
    return start + shift, end + shift


def _resize(
    window: tuple[int, int, int, int],
    padded: tuple[int, int],
    size: tuple[int, int],
    noise: tuple[float, float, float, float],
    limit: int,
) -> tuple[int, int, int, int]:
    """Moves each border by its own noise, by no more than the smallest margin that the window has."""
    top, bottom, left, right = window
    room = min(limit, top, padded[0] - bottom, left, padded[1] - right)
    sideways = round(room * size[1] / size[0])
    shifts = [int(np.round(most * value)) for most, value in zip((room, room, sideways, sideways), noise, strict=True)]
    return top + shifts[0], bottom + shifts[1], left + shifts[2], right + shifts[3]


def look(channels: list[np.ndarray], window: Window, size: tuple[int, int]) -> torch.Tensor:
    """What the classifier sees: (1, channels, height, width) float32 of this size.

    The channels are images of one shape, the mammogram first; only that one is standardised, zeros of the padding
    included. A window of another size is resized with cubic interpolation (a = -0.75, no smoothing).
    """
    top, bottom, left, right = window.final
    border = 0 if (bottom - top, right - left) == size else cubic.BORDER
    seen = torch.zeros(len(channels), bottom - top + 2 * border, right - left + 2 * border)
    height, width = channels[0].shape
    # In the image's own coordinates.
    top, bottom = top - window.before[0], bottom - window.before[0]
    left, right = left - window.before[1], right - window.before[1]
    inside = (slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width)))
    rows = slice(inside[0].start - top, max(inside[0].start, inside[0].stop) - top)
    columns = slice(inside[1].start - left, max(inside[1].start, inside[1].stop) - left)
    for channel, target in zip(channels, seen, strict=True):
        part = torch.from_numpy(np.ascontiguousarray(channel[inside], dtype=np.float32))
        if part.numel():
            target[rows.start + border : rows.stop + border, columns.start + border : columns.stop + border] = part
    if border:
        cubic.repeat_border(seen)
        seen = cubic.resize(seen, size, rows, columns)
    seen = seen[None]
    mammogram = seen[0, 0].numpy()
    mammogram[...] = images.standardise(mammogram, np.float32)
    return seen
