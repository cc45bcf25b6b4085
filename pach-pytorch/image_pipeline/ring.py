"""A ring of batch buffers: memory that is used again as soon as nobody looks at it any more, and never sooner.

A buffer handed out counts as looked at while any array or tensor made from it lives. A consumer that keeps batches
simply makes the ring grow; one that drops them gets the same few buffers for ever, whose pages are already there.
"""

from __future__ import annotations

import ctypes
import mmap
import weakref
from collections import deque
from collections.abc import Callable

import numpy as np


class Ring:
    """Buffers of `shape`, uint8. allocate: makes the memory for one (page-aligned, unpinned by default)."""

    def __init__(self, shape: tuple[int, ...], allocate: Callable[[int], object] | None = None):
        self.shape = shape
        self._bytes = int(np.prod(shape))
        self._view_type = ctypes.c_ubyte * self._bytes
        self._allocate = allocate or (lambda size: mmap.mmap(-1, size))
        self._free: deque = deque()
        self.made = 0

    def take(self) -> np.ndarray:
        """A buffer that nobody looks at, with whatever an earlier batch left in it."""
        try:
            memory = self._free.pop()
        except IndexError:
            memory = self._allocate(self._bytes)
            self.made += 1
        # Arrays and tensors, and what is sliced from them, hold on to this object; when it goes, the memory is free.
        look = self._view_type.from_buffer(memory)
        weakref.finalize(look, self._free.append, memory).atexit = False
        return np.frombuffer(look, np.uint8).reshape(self.shape)
