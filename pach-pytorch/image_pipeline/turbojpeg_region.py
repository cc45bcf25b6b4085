"""Decode a part of a JPEG, and crop a JPEG without decoding it: libjpeg-turbo 3's TurboJPEG interface through ctypes.

Only the rows and columns around the part go through the inverse transform and the colour conversion, and what lies
below it is not read at all: that the file is whole was seen when it was indexed. What comes back is bit for bit what
decoding everything and cutting the part out would give: a margin is decoded along with it because chroma upsampling
looks at neighbours.

The library comes from the wheel `turbojpeg` (its module is not needed), or from the system if that is version 3.
ctypes releases the GIL for each call. A handle belongs to one thread.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import glob
import importlib.util
import os
from functools import lru_cache

import numpy as np

DECOMPRESS, TRANSFORM = 1, 2
PARAM_SUBSAMPLING, PARAM_WIDTH, PARAM_HEIGHT, PARAM_COLOURSPACE = 4, 5, 6, 8
PIXEL_RGB = 0
COLOURSPACE_CMYK = 3
CROP, COPY_NONE, PERFECT = 1 << 2, 1 << 6, 1 << 0
MARGIN = 2
MCU_SIZE = {0: (8, 8), 1: (16, 8), 2: (16, 16), 3: (8, 8), 4: (8, 16), 5: (32, 8), 6: (8, 32)}
"""Width and height of a block of pixels that is coded together, by TurboJPEG's number of the chroma subsampling."""

Region = tuple[int, int, int, int]
"""left, top, right, bottom in pixels counted from 0; right and bottom do not belong to it."""


class JpegError(Exception):
    """The bytes are no JPEG that can be decoded whole and without a warning; the text is libjpeg's."""


class _Region(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_int), ("w", ctypes.c_int), ("h", ctypes.c_int)]


class _Transform(ctypes.Structure):
    _fields_ = [
        ("region", _Region),
        ("operation", ctypes.c_int),
        ("options", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("filter", ctypes.c_void_p),
    ]


def _candidates() -> list[str]:
    """Where the library may be, best place first."""
    places = []
    try:
        spec = importlib.util.find_spec("turbojpeg")
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.origin:
        folder = os.path.dirname(spec.origin)
        for name in ("turbojpeg.libs", ".dylibs", "turbojpeg.dylibs"):
            places += sorted(glob.glob(os.path.join(folder, name, "*turbojpeg*")))
    system = ctypes.util.find_library("turbojpeg")
    return [*places, system] if system else places


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The library with its functions declared, or None where there is none of version 3."""
    for place in _candidates():
        try:
            found = ctypes.CDLL(place)
            handle, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
            declared = (
                ("tj3Init", handle, [number]),
                ("tj3Destroy", None, [handle]),
                ("tj3Free", None, [ctypes.c_void_p]),
                ("tj3Get", number, [handle, number]),
                ("tj3GetErrorStr", ctypes.c_char_p, [handle]),
                ("tj3DecompressHeader", number, [handle, ctypes.c_void_p, size]),
                ("tj3SetCroppingRegion", number, [handle, _Region]),
                ("tj3Decompress8", number, [handle, ctypes.c_void_p, size, ctypes.c_void_p, number, number]),
                ("tj3Transform", number, [handle, ctypes.c_void_p, size, number, handle, handle, handle]),
            )
            for name, result, arguments in declared:
                function = getattr(found, name)
                function.restype, function.argtypes = result, arguments
            return found
        except (OSError, AttributeError):
            continue
    return None


def available() -> bool:
    """Whether parts can be decoded on this machine."""
    return library() is not None


class RegionDecoder:
    """Decodes parts of JPEGs; one for each thread, since it owns a handle and the memory it decodes into."""

    def __init__(self) -> None:
        found = library()
        if found is None:
            raise RuntimeError("there is no libjpeg-turbo 3 here: pip install turbojpeg")
        self._library = found
        self._handle = found.tj3Init(DECOMPRESS)
        self._scratch = np.empty(1 << 20, np.uint8)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.tj3Destroy(self._handle)
            self._handle = None

    def _fail(self) -> None:
        raise JpegError(self._library.tj3GetErrorStr(self._handle).decode(errors="replace"))

    def decode(self, data: bytes | bytearray | memoryview | np.ndarray, region: Region | None = None) -> np.ndarray:
        """The pixels of `region` (the whole picture if None): uint8 RGB of shape (height, width, 3).

        The array is a view into this decoder's memory: use it before the next call. Raises JpegError.
        """
        address, size, _keep = _address(data)
        turbo, handle = self._library, self._handle
        if turbo.tj3DecompressHeader(handle, address, size):
            self._fail()
        width, height = turbo.tj3Get(handle, PARAM_WIDTH), turbo.tj3Get(handle, PARAM_HEIGHT)
        left, top, right, bottom = region or (0, 0, width, height)
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise JpegError(f"the part {region} is not within {width} x {height}")
        mcu = MCU_SIZE.get(turbo.tj3Get(handle, PARAM_SUBSAMPLING))
        if mcu is None:
            first, last, top_row, bottom_row = 0, width, 0, height
        else:
            first, last = max(0, left - MARGIN) // mcu[0] * mcu[0], min(width, right + MARGIN)
            top_row, bottom_row = top, bottom
        if turbo.tj3SetCroppingRegion(handle, _Region(first, top_row, last - first, bottom_row - top_row)):
            self._fail()
        needed = (last - first) * (bottom_row - top_row) * 3
        if needed > self._scratch.size:
            self._scratch = np.empty(needed, np.uint8)
        if turbo.tj3Decompress8(handle, address, size, self._scratch.ctypes.data, (last - first) * 3, PIXEL_RGB):
            self._fail()
        rows = self._scratch[:needed].reshape(bottom_row - top_row, last - first, 3)
        return rows[top - top_row : bottom - top_row, left - first : right - first]


def crop_lossless(data: bytes, region: Region) -> tuple[bytes, int, int] | None:
    """(a JPEG of the part of `data` around `region`, its left, its top); the coefficients are copied, not recoded.

    The part grows to whole coded blocks and by one block more on each side, so that pixels of `region` decode to the
    same bytes as before. None where the chroma layout is not one of the usual. Raises JpegError.
    """
    turbo = library()
    if turbo is None:
        return None
    handle = turbo.tj3Init(TRANSFORM)
    address, size, _keep = _address(data)
    result, result_size = ctypes.c_void_p(), ctypes.c_size_t()
    try:
        if turbo.tj3DecompressHeader(handle, address, size):
            raise JpegError(turbo.tj3GetErrorStr(handle).decode(errors="replace"))
        width, height = turbo.tj3Get(handle, PARAM_WIDTH), turbo.tj3Get(handle, PARAM_HEIGHT)
        mcu = MCU_SIZE.get(turbo.tj3Get(handle, PARAM_SUBSAMPLING))
        if mcu is None:
            return None
        left, top = (max(0, edge // step - 1) * step for edge, step in ((region[0], mcu[0]), (region[1], mcu[1])))
        right = min(width, (-(-region[2] // mcu[0]) + 1) * mcu[0])
        bottom = min(height, (-(-region[3] // mcu[1]) + 1) * mcu[1])
        transform = _Transform(_Region(left, top, right - left, bottom - top), 0, CROP | COPY_NONE, None, None)
        if turbo.tj3Transform(
            handle, address, size, 1, ctypes.byref(result), ctypes.byref(result_size), ctypes.byref(transform)
        ):
            raise JpegError(turbo.tj3GetErrorStr(handle).decode(errors="replace"))
        return ctypes.string_at(result, result_size.value), left, top
    finally:
        if result:
            turbo.tj3Free(result)
        turbo.tj3Destroy(handle)


def _address(data: bytes | bytearray | memoryview | np.ndarray) -> tuple[int, int, object]:
    """(address, length, what to hold on to meanwhile) of bytes, without a copy."""
    view = data if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
    return view.__array_interface__["data"][0], view.nbytes, view
