"""From a JPEG to its samples in one call of compiled code: read, decode the part, resample, all without Python's lock.

It needs both a C compiler's kernels.c and libjpeg-turbo 3, whose functions kernels.c is given by address. Where one of
them is missing, sources.py goes the same way in Python's steps, to the same bytes.
"""

from __future__ import annotations

import ctypes
import os

import native
import turbojpeg_region

_JPEG, _SIZE, _MEMORY = -1, -2, -3
_POINTER, _NUMBER, _LENGTH = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
_FUNCTIONS = ("tj3DecompressHeader", "tj3Get", "tj3SetCroppingRegion", "tj3Decompress8")


class SamplerError(Exception):
    """The samples could not be made; the text is the reason."""


class ChangedError(SamplerError):
    """The file has not the size it should have."""


class _State(ctypes.Structure):
    """kernels.c's `sampler`."""

    _fields_ = [
        *[(name, _POINTER) for name in _FUNCTIONS],
        ("handle", _POINTER),
        ("file", _POINTER),
        ("pixels", _POINTER),
        ("file_room", _LENGTH),
        ("pixels_room", _LENGTH),
        ("spent", ctypes.c_int64 * 3),
    ]


class Sampler:
    """One thread's decoder and memory."""

    def __init__(self) -> None:
        """Raises LookupError where the kernels or the JPEG library are missing."""
        self._kernels, self._turbo = native.load("kernels.c"), turbojpeg_region.library()
        if self._kernels is None or self._turbo is None:
            raise LookupError("no compiled sampler on this machine")
        self._state = _State(*[ctypes.cast(getattr(self._turbo, name), _POINTER).value for name in _FUNCTIONS])
        self._state.handle = self._turbo.tj3Init(turbojpeg_region.DECOMPRESS)
        self._address = ctypes.addressof(self._state)
        self._file, self._bytes = self._kernels.sample_file, self._kernels.sample_bytes
        ends = [_POINTER, _NUMBER, _POINTER, _NUMBER]
        self._file.argtypes = [_POINTER, ctypes.c_char_p, _LENGTH, *ends]
        self._bytes.argtypes = [_POINTER, _POINTER, _LENGTH, _NUMBER, _NUMBER, *ends]
        self._kernels.forget_memory.argtypes = [_POINTER]

    def __del__(self) -> None:
        if hasattr(self, "_address"):
            self._kernels.forget_memory(self._address)
            self._turbo.tj3Destroy(self._state.handle)

    def from_file(self, path: bytes, size: int, boxes: int, count: int, out: int, side: int) -> None:
        """Write the samples of a JPEG file of `size` bytes to the address `out`, side by side.

        boxes: address of `count` boxes, four uint16 each. Raises SamplerError, ChangedError and OSError.
        """
        self._check(self._file(self._address, path, size, boxes, count, out, side))

    def from_bytes(
        self, data: int, size: int, left: int, top: int, boxes: int, count: int, out: int, side: int
    ) -> None:
        """The same of a JPEG in memory, at the address `data`, that lies at (left, top) in the boxes' picture."""
        self._check(self._bytes(self._address, data, size, left, top, boxes, count, out, side))

    def spent(self) -> tuple[int, int, int]:
        """Nanoseconds that the last call spent reading, decoding and resampling."""
        return tuple(self._state.spent)

    def _check(self, problem: int) -> None:
        if problem == 0:
            return
        if problem > 0:
            raise OSError(problem, os.strerror(problem))
        if problem == _JPEG:
            raise SamplerError(self._turbo.tj3GetErrorStr(self._state.handle).decode(errors="replace"))
        if problem == _SIZE:
            raise ChangedError("it has another size")
        if problem == _MEMORY:
            raise MemoryError("no memory to make samples in")
        raise SamplerError("its boxes are not within the picture")
