"""What a sample is, in integers: bilinear resampling of a box to a square, with one result wherever it is computed.

Output pixel i of an axis of `length` source and `side` output pixels lies at p = 1 / (side / length) * (i + 1/2) -
1/2, in float64 (the division twice, as OpenCV has it), clamped to the source. With q = floor(p) and f =
round-half-even(256 * (p - q)) the axis weighs pixel q by 256 - f and pixel q + 1 by f. A sample's value is (sum of
source * row weight * column weight + 32768) >> 16.

Every sum stays below 2**24, so float32 arithmetic (TensorFlow's, say) is exact too, and the order of the two axes does
not matter. OpenCV's INTER_LINEAR_EXACT computes the same numbers. Hence three interchangeable hands, fastest first:

    native    kernels.c,  where a C compiler is found        about 0.05 ms for 224 x 224
    opencv    cv2.resize(..., INTER_LINEAR_EXACT)            about 0.2 ms
    numpy     this file                                      about 2 ms
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache

import native
import numpy as np

try:
    import cv2

    cv2.setNumThreads(1)
except ImportError:
    cv2 = None

Resample = Callable[[np.ndarray, np.ndarray], None]
"""(box (height, width, 3) of contiguous pixels, slot (side, side, 3), contiguous): fills the slot."""


@lru_cache(maxsize=8192)
def axis_table(length: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """(index, weight), int32 (side,): output pixel i is pixel index[i], and its neighbour by weight[i] / 256.

    A weight of nothing stands where there is no right neighbour.
    """
    position = (1.0 / (side / length)) * (np.arange(side) + 0.5) - 0.5
    index = np.floor(position)
    weight = np.rint((position - index) * 256).astype(np.int32)
    index = index.astype(np.int32)
    weight[(index < 0) | (index >= length - 1)] = 0
    index = np.clip(index, 0, length - 1)
    index.setflags(write=False)
    weight.setflags(write=False)
    return index, weight


def resample_numpy(box: np.ndarray, slot: np.ndarray) -> None:
    """The definition itself, for machines without a compiler and without OpenCV."""
    height, width = box.shape[:2]
    side = slot.shape[0]
    y, y_weight = axis_table(height, side)
    x, x_weight = axis_table(width, side)
    rows = y_weight[:, None, None] * box[np.minimum(y + 1, height - 1)]
    rows += (256 - y_weight)[:, None, None] * box[y]
    total = rows[:, np.minimum(x + 1, width - 1)] * x_weight[None, :, None]
    total += rows[:, x] * (256 - x_weight)[None, :, None]
    total += 32768
    total >>= 16
    slot[...] = total


def resample_opencv(box: np.ndarray, slot: np.ndarray) -> None:
    cv2.resize(box, (slot.shape[1], slot.shape[0]), dst=slot, interpolation=cv2.INTER_LINEAR_EXACT)


def native_resample() -> Resample | None:
    """kernels.c's resample_rgb as a function, or None where it is not built and cannot be."""
    library = native.load("kernels.c")
    if library is None:
        return None
    function = library.resample_rgb
    pointer, number = ctypes.c_void_p, ctypes.c_int
    function.argtypes = [pointer, ctypes.c_ssize_t, number, number, pointer, number]
    function.restype = ctypes.c_int

    def resample_native(box: np.ndarray, slot: np.ndarray) -> None:
        height, width = box.shape[:2]
        side = slot.shape[0]
        source, target = box.__array_interface__["data"][0], slot.__array_interface__["data"][0]
        if function(source, box.strides[0], width, height, target, side):
            raise MemoryError("no memory to resample a picture in")

    return resample_native


@lru_cache(maxsize=1)
def hands() -> dict[str, Resample]:
    """The ways to resample that work on this machine, fastest first."""
    found: dict[str, Resample] = {}
    compiled = native_resample()
    if compiled is not None:
        found["native"] = compiled
    if cv2 is not None:
        found["opencv"] = resample_opencv
    found["numpy"] = resample_numpy
    return found


def best(name: str | None = None) -> tuple[str, Resample]:
    """(name, function) of the fastest way to resample, or of the one asked for.

    Raises LookupError where the one asked for does not work here.
    """
    known = hands()
    if name is None:
        name = next(iter(known))
    if name not in known:
        raise LookupError(f"no resampler {name!r} on this machine; there are: {', '.join(known)}")
    return name, known[name]
