"""The packs of a state folder: hands them to writers, finds chunks in them, reads chunks and checks them."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from zlib import crc32

from workshop.pachd import errors
from workshop.pachd.store.blobs import (
    CHUNK,
    FULL_PACK,
    LONG,
    Content,
    PackWriter,
    Row,
    digest,
    forget,
    pack_name,
    pack_numbers,
)

_AT_ONCE = 500  # hashes per look-up
_OPEN_PACKS = 64
_BEHIND = 8 << 20  # bytes; what the system reads ahead at once

Place = Sequence  # pack, offset, length, CRC-32 or None


class Blobs:
    """STATE/packs and table `chunk`.

    Chunks that an unfinished write counts on are held (`hold`), so that a collection meanwhile keeps them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        numbers = pack_numbers(os.listdir(folder))
        self._lock = threading.Lock()
        self._next = numbers[-1] + 1 if numbers else 1
        self._idle = [n for n in numbers if self.path(n).stat().st_size < FULL_PACK]
        self.taken: set[int] = set()  # packs that somebody writes to
        self.lent: set[int] = set()  # those of sandboxes, which also read by pack and place
        self._opened: dict[int, _Pack] = {}
        self.gate = threading.Lock()  # held while chunks are looked up and held, or swept
        self._holds: list[set[bytes]] = []
        self._hashing = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "hashing")

    def path(self, number: int) -> Path:
        return self.folder / pack_name(number)

    # -------------------------------------------------------------- writing

    def take_pack(self) -> tuple[int, str]:
        """A pack for a sandbox to append to, and its path; it is the sandbox's until given back."""
        number, path = self.take()
        self.lent.add(number)
        return number, path

    def take(self) -> tuple[int, str]:
        """A pack to append to, and its path; it is the caller's until given back."""
        with self._lock:
            number = self._idle.pop() if self._idle else self._next
            self._next = max(self._next, number + 1)
            self.taken.add(number)
        return number, str(self.path(number))

    def give_back(self, number: int) -> None:
        with self._lock:
            self.lent.discard(number)
            if number in self.taken:
                self.taken.remove(number)
                if self.path(number).exists() and self.path(number).stat().st_size < FULL_PACK:
                    self._idle.append(number)

    def retire(self, number: int) -> bool:
        """Take an idle pack out of use for good; False when somebody writes to it."""
        with self._lock:
            if number in self.taken:
                return False
            if number in self._idle:
                self._idle.remove(number)
            return True

    @contextmanager
    def writer(self, db: sqlite3.Connection | None = None) -> Iterator[PackWriter]:
        """A writer for one stream of bytes. It does not write what is stored already, and holds it until the end.

        `db` is where to look up what is stored: a connection that sees what is committed (none: writes everything).
        Raising within the block gives back the room of what was not flushed.
        """
        held: set[bytes] = set()
        number, path = self.take()
        try:
            with self.hold(held):
                known = self._known(db, held) if db is not None else None
                writer = PackWriter(path, number, known, self._hashing.map)
                try:
                    yield writer
                except BaseException:
                    with suppress(OSError):
                        writer.abandon()
                    raise
                writer.close()
        finally:
            self.give_back(number)

    def _known(self, db: sqlite3.Connection, held: set[bytes]) -> Callable[[bytes], bool]:
        look_up = db.cursor()
        look_up.row_factory = None

        def known(name: bytes) -> bool:
            with self.gate:
                if look_up.execute("SELECT 1 FROM chunk WHERE hash = ?", (name,)).fetchone() is None:
                    return False
                held.add(name)
                return True

        return known

    @contextmanager
    def hold(self, names: set[bytes]) -> Iterator[None]:
        """Keep these chunks (the set may grow meanwhile, under `gate`) from being swept."""
        self._holds.append(names)
        try:
            yield
        finally:
            with self.gate:
                self._holds = [other for other in self._holds if other is not names]

    def held(self) -> set[bytes]:
        """All chunks that are held; call it with `gate` taken."""
        return set().union(*self._holds)

    def record(self, db: sqlite3.Connection, rows: Iterable[Row]) -> None:
        """Make flushed chunks known, within a write transaction."""
        db.executemany(
            "INSERT OR IGNORE INTO chunk (hash, pack, offset, length, crc) VALUES (?, ?, ?, ?, ?)",
            sorted(rows),
        )

    # -------------------------------------------------------------- reading

    def locate(self, db: sqlite3.Connection, names: Sequence[bytes]) -> list[Place]:
        """Where chunks lie, in the order asked for. DataLoss when one is not stored."""
        found: dict[bytes, Place] = {}
        wanted = list(dict.fromkeys(names))
        cursor = db.cursor()
        cursor.row_factory = None
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            for name, *place in cursor.execute(
                f"SELECT hash, pack, offset, length, crc FROM chunk WHERE hash IN ({marks})", part
            ):
                found[name] = place
        try:
            return [found[name] for name in names]
        except KeyError as error:
            raise errors.DataLoss(
                f"chunk {error.args[0].hex()} is not stored: run fsck to see which files it belongs to"
            ) from None

    def read(self, place: Place, name: bytes, whole: bool = False, once: bool = False) -> bytes:
        """The bytes of a chunk. DataLoss when they are not what they were: by the CRC of long ones, or by their hash.

        whole: by their hash in any case. once: the system need not keep them in memory.
        """
        pack, offset, length, crc = place
        opened = self._open(pack)
        data = (_read_once if once else os.pread)(opened.handle, length, offset)
        if digest(data) != name if whole or crc is None else crc32(data) != crc:
            raise errors.DataLoss(
                f"chunk {name.hex()} is damaged: {len(data)} bytes at {offset} of {self.path(pack).name} "
                "differ from its hash; run fsck to see which files it belongs to"
            )
        return data

    def _read_or_lost(self, place: Place, name: bytes, once: bool) -> bytes:
        try:
            return self.read(place, name, once=once)
        except FileNotFoundError:
            raise errors.DataLoss(f"chunk {name.hex()} is lost: {self.path(place[0]).name} is not there") from None

    def pieces(
        self, read: Callable[[], object], content: Content, start: int = 0, stop: int | None = None
    ) -> Iterator[bytes]:
        """The bytes start..stop of a file, chunk by chunk. `read` is Database.read: no snapshot is kept in between.

        A long file passes the page cache by, as it did when it was written (Cutter).
        """
        stop = content.size if stop is None else min(stop, content.size)
        if start >= stop:
            return
        first, last = start // CHUNK, (stop - 1) // CHUNK
        once = content.size > LONG
        for base in range(first, last + 1, 64):
            names = content.chunks[base : min(base + 64, last + 1)]
            places = self._locate_now(read, names)
            for index, name in enumerate(names):
                try:
                    data = self.read(places[index], name, once=once)
                except FileNotFoundError:  # the pack was compacted meanwhile
                    places = self._locate_now(read, names)
                    data = self._read_or_lost(places[index], name, once)
                position = (base + index) * CHUNK
                if position < start or position + len(data) > stop:
                    data = data[max(0, start - position) : stop - position]
                yield data

    def _locate_now(self, read: Callable[[], object], names: Sequence[bytes]) -> list[Place]:
        with read() as db:  # type: ignore[attr-defined]
            return self.locate(db, names)

    def _open(self, pack: int) -> _Pack:
        opened = self._opened.get(pack)
        if opened is None:
            opened = _Pack(self.path(pack))
            with self._lock:
                while len(self._opened) >= _OPEN_PACKS:
                    del self._opened[next(iter(self._opened))]
                self._opened[pack] = opened
        return opened

    def forget(self, pack: int) -> None:
        """Delete a pack that nothing refers to any more."""
        with self._lock:
            self._opened.pop(pack, None)
        with suppress(FileNotFoundError):
            self.path(pack).unlink()

    def close(self) -> None:
        self._hashing.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._opened.clear()


def _read_once(handle: int, length: int, offset: int) -> bytes:
    """As os.pread, but the system need not keep it: what it holds in larger pieces, it forgets with a later chunk."""
    data = os.pread(handle, length, offset)
    start = max(0, offset - _BEHIND)
    forget(handle, start, offset + length - start)
    return data


class _Pack:
    """An open pack; closed when nobody reads from it any more."""

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            os.close(self.handle)
