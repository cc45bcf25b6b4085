"""How bytes go into packs and come out of them."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from workshop.pachd.store import Store
from workshop.pachd.store.blobs import CHUNK, LONG, Content, Cutter


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state")
    yield store
    store.close()


def put(store: Store, size: int) -> Content:
    """A file of so many bytes, on the disk before the last 64 MiB of it come."""
    piece = os.urandom(CHUNK)
    with store.database.read() as db, store.blobs.writer(db) as writer:
        cutter = Cutter(writer)
        for number in range(size // CHUNK):
            cutter.write(number.to_bytes(8, "big") + piece[8:])
            if size - cutter.size == LONG:
                writer.flush()
        content = cutter.content()
        writer.flush()
        rows = writer.rows()
    with store.database.write() as db:
        store.blobs.record(db, rows)
    return content


def in_memory(path: Path) -> bool:
    """Whether the system holds the first page of a file."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), mmap.PAGESIZE, mmap.MAP_PRIVATE) as page:
        first = ctypes.c_char.from_buffer(page)
        answer = ctypes.c_ubyte()
        ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(1), ctypes.byref(answer))
        del first
    return bool(answer.value & 1)


@pytest.fixture
def disk(tmp_path: Path) -> None:
    """Skips where files are in memory whatever is done."""
    if not hasattr(os, "posix_fadvise"):
        pytest.skip("this system is not told what to forget")
    with (tmp_path / "probe").open("w+b", buffering=0) as probe:
        probe.write(bytes(mmap.PAGESIZE))
        os.fsync(probe.fileno())
        os.posix_fadvise(probe.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if in_memory(tmp_path / "probe"):
        pytest.skip("these files are in memory only")


def test_a_long_file_is_not_kept_in_the_memory_of_the_system(store: Store, disk: None) -> None:
    content = put(store, LONG + 64 * CHUNK)
    pack = store.blobs.path(1)
    assert not in_memory(pack)
    pieces = list(store.blobs.pieces(store.database.read, content))
    assert [int.from_bytes(piece[:8], "big") for piece in pieces] == list(range(128))
    assert len(b"".join(pieces)) == content.size
    assert not in_memory(pack)


def test_files_of_up_to_64_mib_are_kept_in_the_memory_of_the_system(store: Store, disk: None) -> None:
    put(store, LONG)
    assert in_memory(store.blobs.path(1))
