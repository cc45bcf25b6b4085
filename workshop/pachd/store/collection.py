"""What nothing refers to any more is collected; what is referred to is checked.

Marking starts from roots that the callers know (commits, file sets, jobs). Packs are rewritten without their dead bytes
when these are a good part of them; a torn tail that a crash left is dead bytes too.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workshop.pachd import errors
from workshop.pachd.store.blobs import PackWriter, pack_numbers
from workshop.pachd.store.maps import Maps
from workshop.pachd.store.nodes import Rows
from workshop.pachd.store.trees import Root, Trees, unpack

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

    def tree_if_whole(self, root: Root) -> None:
        """A tree of files is referred to, unless a part of it is gone: then none of it is marked.

        A part that was marked and is not there would pass for marked once somebody makes it again.
        """
        if unpack(root).map in self.nodes:
            return
        aside = Marks()
        aside._trees = self._trees
        with suppress(errors.DataLoss):
            aside.tree(root)
            self.nodes |= aside.nodes
            self.chunks |= aside.chunks

    def map(self, root: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """A map is referred to; its entries, but for those in nodes that were marked before."""
        assert self._trees is not None
        for _, node in self._trees.maps.reachable(root, self.nodes):
            if not node.level:
                yield from zip(node.keys, node.values, strict=True)


def note(db: sqlite3.Connection) -> None:
    """Something was taken away: there may be garbage, for this daemon or a later one to collect."""
    db.execute("INSERT OR REPLACE INTO setting (key, value) VALUES ('garbage', '')")


def is_due(store: Store, starting: bool) -> bool:
    """Whether there may be garbage; at the start also what had to be left, because workers still read from it."""
    with store.database.read() as db:
        found = db.execute("SELECT value FROM setting WHERE key = 'garbage'").fetchone()
    return found is not None and (starting or found["value"] != "left")


def drop_left(store: Store) -> None:
    """Delete the packs that were emptied while workers still read from them; to be called before there are any."""
    if not is_due(store, starting=True):
        return
    with store.database.read() as db:
        live = {pack for (pack,) in db.execute("SELECT DISTINCT pack FROM chunk")}
    for number in pack_numbers(os.listdir(store.blobs.folder)):
        if number not in live and store.blobs.retire(number):
            store.blobs.forget(number)


Marker = Callable[[sqlite3.Connection, Marks], None]  # marks what the rows refer to


@dataclass(frozen=True)
class Collected:
    """What was taken away (on trial: would be)."""

    chunks: int
    chunk_bytes: int
    nodes: int
    disk_bytes: int
    left: int = 0  # packs that running workers still read from: the next collection deletes them

    def __str__(self) -> str:
        left = f"; {self.left} packs are left until the workers end" if self.left else ""
        return (
            f"{self.chunks} chunks ({self.chunk_bytes} bytes) and {self.nodes} nodes; "
            f"{self.disk_bytes} bytes of disk{left}"
        )


def collect(store: Store, markers: Iterable[Marker], dry_run: bool = False) -> Collected:
    """Take away what nothing refers to. Writes may go on meanwhile: what they count on, and what is read, is kept.

    Most of the work is done on a snapshot; writers wait only while what it found dead is looked at once more.
    """

    def readers(_: sqlite3.Connection, marks: Marks) -> None:
        for root in store.roots_in_use():
            marks.tree_if_whole(root)  # it may have begun to read what was collected at that moment

    markers, marks = [*markers, readers], Marks()
    with store.database.read() as db:
        marks.read_with(db)
        for mark in markers:
            mark(db, marks)
        suspects = [row for row in _rows(db, "SELECT hash, pack, length FROM chunk") if row[0] not in marks.chunks]
        nodes = [row for row in _rows(db, "SELECT hash FROM node") if row[0] not in marks.nodes]
    with ExitStack() as until_committed, store.database.write(keep=not dry_run) as db:
        until_committed.enter_context(store.blobs.gate)  # else a writer may still find, and count on, what goes
        marks.read_with(db)
        for mark in markers:  # what came meanwhile
            mark(db, marks)
        live, taken = marks.chunks | store.blobs.held(), store.blobs.taken
        dead = [(name, length) for name, pack, length in suspects if name not in live and pack not in taken]
        nodes = [row for row in nodes if row[0] not in marks.nodes]
        db.executemany("DELETE FROM chunk WHERE hash = ?", [(name,) for name, _ in dead])
        db.executemany("DELETE FROM node WHERE hash = ?", nodes)
        db.execute("DELETE FROM setting WHERE key = 'garbage'")
        freed, left = (sum(_dead_bytes(store, db).values()) if dry_run else 0), 0
    if not dry_run:
        freed, left = _rewrite(store)
        if left:
            with store.database.write() as db:
                db.execute("INSERT OR IGNORE INTO setting (key, value) VALUES ('garbage', 'left')")
    return Collected(len(dead), sum(length for _, length in dead), len(nodes), freed, left)


def _rows(db: sqlite3.Connection, query: str) -> Iterator[tuple]:
    cursor = db.cursor()
    cursor.row_factory = None
    return cursor.execute(query)


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


def _rewrite(store: Store) -> tuple[int, int]:
    """Rewrite wasteful packs: bytes freed, and packs that had to be left."""
    blobs, freed, left = store.blobs, 0, 0
    with store.database.read() as db:
        wasteful = _dead_bytes(store, db)
    for number, waste in wasteful.items():
        if not blobs.retire(number):
            continue  # somebody began to write to it
        if not _move(store, number):
            continue
        if blobs.lent:  # sandboxes find chunks by pack and place
            left += 1
        else:
            blobs.forget(number)
            freed += waste
    return freed, left


def _move(store: Store, number: int) -> bool:
    """Copy what lives in a pack to another one. False when anything in it is damaged: it is left as it is."""
    blobs = store.blobs
    with store.database.read() as db:
        rows = db.execute("SELECT hash, pack, offset, length, crc FROM chunk WHERE pack = ?", (number,)).fetchall()
    if rows:
        target, path = blobs.take()
        try:
            writer = PackWriter(path, target)
            try:
                for name, *place in sorted(rows, key=lambda row: row["offset"]):
                    writer.add(blobs.read(place, name, whole=True))
                writer.flush()
            except (errors.DataLoss, OSError):
                with suppress(OSError):
                    writer.abandon()
                return False
            writer.close()
            places = [(pack, offset, crc, name, number) for name, pack, offset, _, crc in writer.rows()]
            with store.database.write() as db:
                db.executemany("UPDATE chunk SET pack = ?, offset = ?, crc = ? WHERE hash = ? AND pack = ?", places)
        finally:
            blobs.give_back(target)
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
        rows = db.execute("SELECT hash, pack, offset, length, crc FROM chunk ORDER BY pack, offset").fetchall()
    missing = marks.chunks - {row["hash"] for row in rows}
    for name in sorted(missing):
        yield f"chunk {name.hex()} is not stored", name
    for name, *place in rows:
        try:
            store.blobs.read(place, name, whole=True)
        except FileNotFoundError:
            yield f"chunk {name.hex()} is lost: {store.blobs.path(place[0]).name} is not there", name
        except errors.DataLoss as error:
            yield str(error).split(";")[0], name


def count(store: Store, begin: bytes, end: bytes, read: bool) -> int:
    """Number of chunks with begin <= hash < end (b"": no bound); with `read` each is read and checked."""
    with store.database.read() as db:
        query = "SELECT hash, pack, offset, length, crc FROM chunk WHERE hash >= ? AND (? = x'' OR hash < ?)"
        rows = db.execute(query, (begin, end, end)).fetchall()
    if read:
        for name, *place in rows:
            store.blobs.read(place, name, whole=True)
    return len(rows)
