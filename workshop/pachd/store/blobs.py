"""Bytes by hash: chunks of up to 1 MiB, appended to pack files.

A chunk is named by its BLAKE2b-256. Files are cut at every full MiB from their start, so equal bytes are equal chunks
however they arrived. A pack is chunks end to end, without framing: a chunk is read with one pread, and a torn tail
(a crash in the middle of a write) is bytes that nothing refers to. What lies where is recorded in table `chunk` by the
transaction that makes the bytes visible, after they are on the disk.

Only the standard library, and little of it, and nothing of this package: sandbox processes load this module alone.
"""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from zlib import crc32

try:
    from _blake2 import blake2b  # what hashlib has, without the libraries behind its other functions
except ImportError:
    from hashlib import blake2b

CHUNK = 1 << 20
HASH_SIZE = 32
FULL_PACK = 256 << 20  # a pack that has grown past this gets no more writers
_BUFFER = 1 << 20
_DIRECT = 128 << 10  # chunks from this size on are written without a copy
_WRITE_BACK = 32 << 20  # bytes after which the system is asked to begin writing to the disk
LONG = 64 << 20  # files past this size are not kept in the system's memory
_SUMMED = 128 << 10  # chunks from this size on have a CRC, so that reading them need not hash them again

Row = tuple[bytes, int, int, int, int | None]  # hash, pack, offset, length, CRC-32 of long chunks
Data = bytes | bytearray | memoryview


def digest(data: Data) -> bytes:
    """The name of these bytes: BLAKE2b-256."""
    return blake2b(data, digest_size=HASH_SIZE).digest()


def _named(data: Data) -> tuple[bytes, int | None]:
    """A chunk's hash, and its CRC-32 when it is long."""
    return blake2b(data, digest_size=32).digest(), crc32(data) if len(data) >= _SUMMED else None


EMPTY_HASH = digest(b"")


class Content(namedtuple("Content", ("size", "chunks"))):
    """What a file holds: its size in bytes and its chunks' hashes, in order."""

    __slots__ = ()
    size: int
    chunks: tuple[bytes, ...]

    @property
    def hash(self) -> bytes:
        """The file's hash: that of its chunks' hashes."""
        return digest(b"".join(self.chunks))


EMPTY = Content(0, ())


class PackWriter:
    """Appends chunks to one pack, which nobody else writes meanwhile.

    `known(hash)` says whether a chunk is stored already; it is not written again then, nor is one that this writer
    wrote itself. `run` is `map`, or one that uses several threads, for `add_all`.
    An OSError (a full disk) leaves the writer unusable: close it with `abandon`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        number: int,
        known: Callable[[bytes], bool] | None = None,
        run: Callable[..., Iterable[tuple[bytes, int | None]]] = map,
    ) -> None:
        self.number = number
        self._known = known
        self._run = run
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.size = self._safe = os.fstat(self._handle).st_size
        self._buffer: list[bytes | memoryview] = []
        self._buffered = 0
        self._rows: list[Row] = []
        self._mine: set[bytes] = set()
        self._dirty = False
        self._unsent = 0

    def add(self, data: Data) -> bytes:
        """Keep one chunk of at most 1 MiB; its hash."""
        return self._keep(data, *_named(data))

    def add_all(self, pieces: Sequence[Data]) -> list[bytes]:
        """Keep chunks of at most 1 MiB; their hashes, in order."""
        return [self._keep(data, *named) for data, named in zip(pieces, self._run(_named, pieces), strict=True)]

    def _keep(self, data: Data, name: bytes, crc: int | None) -> bytes:
        if name in self._mine or (self._known is not None and self._known(name)):
            return name
        length = len(data)
        self._mine.add(name)
        self._rows.append((name, self.number, self.size, length, crc))
        self.size += length
        if length >= _DIRECT:
            self.push()
            self._write(memoryview(data))
            return name
        self._buffer.append(data if type(data) is bytes else bytes(data))
        self._buffered += length
        if self._buffered >= _BUFFER:
            self.push()
        return name

    def rows(self) -> list[Row]:
        """The chunks added since the last call, for `chunk`; record them after `flush`."""
        rows, self._rows = self._rows, []
        return rows

    def push(self) -> None:
        """Hand what is buffered to the operating system; readers see it from now on."""
        if not self._buffer:
            return
        data = memoryview(b"".join(self._buffer))
        self._buffer.clear()
        self._buffered = 0
        self._write(data)

    def _write(self, data: memoryview) -> None:
        self._dirty = True
        self._unsent += len(data)
        while data:
            data = data[os.write(self._handle, data) :]
        if self._unsent >= _WRITE_BACK:
            self.let_go(self.size - self._unsent)
            self._unsent = 0

    def let_go(self, start: int) -> None:
        """Have the system begin to write what lies from `start` on, and forget what of it is on the disk.

        A flush at the end finds little left, then.
        """
        forget(self._handle, start)

    def flush(self) -> None:
        """Put everything on the disk."""
        self.push()
        if self._dirty:
            os.fsync(self._handle)
            self._dirty = False
        self._safe = self.size

    def close(self) -> None:
        if self._handle >= 0:
            try:
                self.push()
            finally:
                os.close(self._handle)
                self._handle = -1

    def abandon(self) -> None:
        """Close, and give back the room of what was added since the last flush."""
        if self._handle >= 0:
            self._buffer.clear()
            try:
                os.ftruncate(self._handle, self._safe)
            finally:
                os.close(self._handle)
                self._handle = -1


class Cutter:
    """Cuts a file that comes in pieces of any size into chunks.

    It starts after `content`'s full chunks; `tail` is the bytes of its last, partial one.
    A long file passes the page cache by: it would push out what is read again, and on a virtual machine pages that
    were not in use yet cost several times what it costs to fill them.
    """

    def __init__(self, writer: PackWriter, content: Content = EMPTY, tail: bytes = b"") -> None:
        self._writer, self._begin = writer, writer.size
        self.size = self._kept = content.size
        self._chunks = list(content.chunks[: content.size // CHUNK])
        self._part = bytearray(tail)

    @property
    def waiting(self) -> int:
        """Bytes held in memory until their chunk is full."""
        return len(self._part)

    def write(self, data: Data) -> None:
        self.size += len(data)
        part = self._part
        if len(part) + len(data) < CHUNK:
            part += data
            return
        view = memoryview(data)
        if part:
            take = CHUNK - len(part)
            part += view[:take]
            self._chunks.append(self._writer.add(part))
            self._part = bytearray()
            view = view[take:]
        whole = len(view) - len(view) % CHUNK
        self._chunks += self._writer.add_all([view[at : at + CHUNK] for at in range(0, whole, CHUNK)])
        self._part += view[whole:]
        if self.size - self._kept > LONG:
            self._writer.let_go(self._begin)
            self._kept = self.size - _WRITE_BACK

    def content(self) -> Content:
        """What was written so far, as a file."""
        chunks = (*self._chunks, self._writer.add(self._part)) if self._part else tuple(self._chunks)
        return Content(self.size, chunks)


def forget(handle: int, start: int, length: int = 0) -> None:
    """Have the system keep no copy in memory of so many bytes of a file (0: to its end). Linux only.

    What is not on the disk yet stays, but begins to be written.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, start, length, os.POSIX_FADV_DONTNEED)


def pack_name(number: int) -> str:
    return f"{number:08d}.pack"


def pack_numbers(names: Iterable[str]) -> list[int]:
    """The numbers of the packs among file names, ascending."""
    return sorted(int(name[:-5]) for name in names if name.endswith(".pack") and name[:-5].isdigit())
