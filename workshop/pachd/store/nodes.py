"""Nodes of persistent maps: where they are kept, checked by their hash, and the decoded ones in memory."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple, Protocol

from workshop.pachd import errors
from workshop.pachd.store.blobs import digest
from workshop.pachd.store.database import Database


class Nodes(Protocol):
    """Where nodes are kept, by hash. A plain dict will do."""

    def __getitem__(self, name: bytes) -> bytes: ...

    def __setitem__(self, name: bytes, data: bytes) -> None: ...


class Rows:
    """The nodes in table `node`, through one connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db.cursor()
        self._db.row_factory = None

    def __getitem__(self, name: bytes) -> bytes:
        row = self._db.execute("SELECT data FROM node WHERE hash = ?", (name,)).fetchone()
        if row is None:
            raise errors.DataLoss(f"node {name.hex()} is not stored: run fsck")
        self.verify(name, row[0])
        return row[0]

    @staticmethod
    def verify(name: bytes, data: bytes) -> None:
        if digest(data) != name:
            raise errors.DataLoss(f"node {name.hex()} is damaged: its data differ from its hash; run fsck")

    def __setitem__(self, name: bytes, data: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO node (hash, data) VALUES (?, ?)", (name, data))


class Snapshots:
    """The nodes in table `node`, each read from a snapshot of its own: for readers that may take their time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getitem__(self, name: bytes) -> bytes:
        with self._database.read() as db:
            return Rows(db)[name]

    def __setitem__(self, name: bytes, data: bytes) -> None:
        raise TypeError("a reader's nodes cannot be written")


class Apart:
    """The nodes of others, and of one reader's own, kept in memory."""

    def __init__(self, below: Nodes) -> None:
        self._below = below
        self._own: dict[bytes, bytes] = {}

    def __getitem__(self, name: bytes) -> bytes:
        return self._own[name] if name in self._own else self._below[name]

    def __setitem__(self, name: bytes, data: bytes) -> None:
        self._own[name] = data


class Node(NamedTuple):
    """Entries in order. On level 0 they are the map's; above, a key is the last of a child, the value its name."""

    level: int
    keys: list[bytes]
    values: list[bytes]
    counts: list[int]  # entries of the map below each child; empty on level 0

    @property
    def entries(self) -> int:
        """Entries of the map below it."""
        return sum(self.counts) if self.level else len(self.keys)


class Cache:
    """Decoded nodes by name, shared by all threads: the newer half and the older half of what was used lately."""

    def __init__(self, size: int = 4000) -> None:
        self._size = size // 2
        self._new: dict[bytes, Node] = {}
        self._old: dict[bytes, Node] = {}

    def get(self, name: bytes) -> Node | None:
        node = self._new.get(name)
        if node is None:
            node = self._old.get(name)
            if node is not None:
                self.put(name, node)
        return node

    def put(self, name: bytes, node: Node) -> None:
        if len(self._new) >= self._size:
            self._old, self._new = self._new, {}
        self._new[name] = node

    def clear(self) -> None:
        self._new, self._old = {}, {}
