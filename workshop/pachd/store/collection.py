"""What nothing refers to any more is collected; what is referred to is checked.

Marking starts from roots that the callers know (commits, file sets, jobs). Packs are rewritten without their dead bytes
when these are a good part of them; a torn tail that a crash left is dead bytes too.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workshop.pachd import errors
from workshop.pachd.store.blobs import PackWriter, pack_numbers
from workshop.pachd.store.maps import Maps
from workshop.pachd.store.nodes import Rows
from workshop.pachd.store.trees import Root, Trees

if TYPE_CHECKING:
    from workshop.pachd.store import Store

_WASTE = 0.25  # of a pack's bytes: with more dead ones it is rewritten


class Marks:
    """Nodes and chunks that something refers to. Equal subtrees are walked once."""

    def __init__(self) -> None:
        self.nodes: set[bytes] = set()
        self.chunks: set[bytes] = set()
        self._trees: Trees | None = None

    def read_with(self, db: sqlite3.Connection) -> None:
        """Read through this connection from now on, without the cache: what is missing or damaged shows."""
        self._trees = Trees(Maps(Rows(db)))

    def tree(self, root: Root) -> None:
        """A tree of files is referred to."""
        assert self._trees is not None
        self.chunks.update(self._trees.reachable(root, self.nodes))

    def map(self, root: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """A map is referred to; its entries, but for those in nodes that were marked before."""
        assert self._trees is not None
        for _, node in self._trees.maps.reachable(root, self.nodes):
            if not node.level:
                yield from zip(node.keys, node.values, strict=True)


Marker = Callable[[sqlite3.Connection, Marks], None]  # marks what the rows refer to


@dataclass(frozen=True)
class Collected:
    """What was taken away (on trial: would be)."""

    chunks: int
    chunk_bytes: int
    nodes: int
    disk_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.chunks} chunks ({self.chunk_bytes} bytes) and {self.nodes} nodes; {self.disk_bytes} bytes of disk"
        )


def collect(store: Store, markers: Iterable[Marker], dry_run: bool = False) -> Collected:
    """Take away what nothing refers to. Writes may go on meanwhile: what they count on is kept."""
    markers, marks = list(markers), Marks()
    with store.database.read() as db:  # most of the work, while writers work on
        marks.read_with(db)
        for mark in markers:
            mark(db, marks)
    with store.database.write(keep=not dry_run) as db, store.blobs.gate:
        marks.read_with(db)
        for mark in markers:  # what came meanwhile
            mark(db, marks)
        live = marks.chunks | store.blobs.held()
        dead = [
            (name, length)
            for name, pack, length in db.execute("SELECT hash, pack, length FROM chunk")
            if name not in live and pack not in store.blobs.taken
        ]
        nodes = [(name,) for (name,) in db.execute("SELECT hash FROM node") if name not in marks.nodes]
        db.executemany("DELETE FROM chunk WHERE hash = ?", [(name,) for name, _ in dead])
        db.executemany("DELETE FROM node WHERE hash = ?", nodes)
        freed = sum(_dead_bytes(store, db).values()) if dry_run else 0
    if not dry_run:
        freed = _rewrite(store)
    return Collected(len(dead), sum(length for _, length in dead), len(nodes), freed)


def _dead_bytes(store: Store, db: sqlite3.Connection) -> dict[int, int]:
    """Bytes of each pack, that nobody writes to, which no row names; only of those that are worth rewriting."""
    live = dict(db.execute("SELECT pack, sum(length) FROM chunk GROUP BY pack").fetchall())
    dead = {}
    for number in pack_numbers(os.listdir(store.blobs.folder)):
        size = store.blobs.path(number).stat().st_size
        waste = size - live.get(number, 0)
        if number not in store.blobs.taken and (waste > _WASTE * size or not live.get(number)):
            dead[number] = waste
    return dead


def _rewrite(store: Store) -> int:
    blobs, freed = store.blobs, 0
    with store.database.read() as db:
        wasteful = _dead_bytes(store, db)
    for number, waste in wasteful.items():
        if not blobs.retire(number):
            continue  # somebody began to write to it
        if _move(store, number):
            freed += waste
    return freed


def _move(store: Store, number: int) -> bool:
    """Copy what lives in a pack to another one, then delete it. Left as it is when anything in it is damaged."""
    blobs = store.blobs
    with store.database.read() as db:
        rows = db.execute("SELECT hash, pack, offset, length FROM chunk WHERE pack = ?", (number,)).fetchall()
    if rows:
        target, path = blobs.take_pack()
        try:
            writer = PackWriter(path, target)
            try:
                for name, pack, offset, length in sorted(rows, key=lambda row: row["offset"]):
                    writer.add(blobs.read((pack, offset, length), name))
                writer.flush()
            except (errors.DataLoss, OSError):
                with suppress(OSError):
                    writer.abandon()
                return False
            writer.close()
            places = [(pack, offset, name, number) for name, pack, offset, _ in writer.rows()]
            with store.database.write() as db:
                db.executemany("UPDATE chunk SET pack = ?, offset = ? WHERE hash = ? AND pack = ?", places)
        finally:
            blobs.give_back(target)
    if not blobs.taken:  # sandboxes find chunks by pack and place: while there are any, the next collection deletes it
        blobs.forget(number)
    return True


# ------------------------------------------------------------------ checking


def check(store: Store, markers: Iterable[Marker]) -> Iterator[tuple[str, bytes]]:
    """What is wrong with stored bytes, and the chunk or node it is about: all are read and compared to their hashes."""
    marks = Marks()
    with store.database.read() as db:
        for name, data in db.execute("SELECT hash, data FROM node"):
            try:
                Rows.verify(name, data)
            except errors.DataLoss as error:
                yield str(error), name
        marks.read_with(db)
        for mark in markers:
            try:
                mark(db, marks)
            except errors.DataLoss as error:
                yield str(error), b""
        rows = db.execute("SELECT hash, pack, offset, length FROM chunk ORDER BY pack, offset").fetchall()
    missing = marks.chunks - {row["hash"] for row in rows}
    for name in sorted(missing):
        yield f"chunk {name.hex()} is not stored", name
    for name, pack, offset, length in rows:
        try:
            store.blobs.read((pack, offset, length), name)
        except FileNotFoundError:
            yield f"chunk {name.hex()} is lost: {store.blobs.path(pack).name} is not there", name
        except errors.DataLoss as error:
            yield str(error).split(";")[0], name


def count(store: Store, begin: bytes, end: bytes, read: bool) -> int:
    """Number of chunks with begin <= hash < end (b"": no bound); with `read` each is read and checked."""
    with store.database.read() as db:
        query = "SELECT hash, pack, offset, length FROM chunk WHERE hash >= ? AND (? = x'' OR hash < ?)"
        rows = db.execute(query, (begin, end, end)).fetchall()
    if read:
        for name, pack, offset, length in rows:
            store.blobs.read((pack, offset, length), name)
    return len(rows)
