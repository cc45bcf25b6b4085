"""TEMPORARY: flat trees until store/trees.py lands."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import msgpack

from workshop.pachd.datums import File, Source
from workshop.pachd.pfs import commits
from workshop.pachd.pfs.rows import Commit
from workshop.pachd.pps.datums import Output, Record
from workshop.pachd.store import Store
from workshop.pachd.store.blobs import digest
from workshop.pachd.store.maps import Maps, Rows


def pattern(glob: str) -> re.Pattern[str]:
    return re.compile(re.escape(glob).replace(r"\*\*", ".*").replace(r"\*", "[^/]*").replace(r"\(", "(").replace(r"\)", ")"))


class Content:
    def __init__(self, store: Store) -> None:
        self.store = store

    def maps(self, db: sqlite3.Connection) -> Maps:
        return Maps(Rows(db))

    def root_of(self, db: sqlite3.Connection, commit: Commit) -> bytes | None:
        return commits.content(db, commit)

    def all_files(self, db: sqlite3.Connection, root: bytes | None) -> Iterator[Output]:
        for key, value in self.maps(db).items(root):
            path, _, tag = key.partition(b"\0")
            size, chunks = msgpack.unpackb(value)
            yield path.decode(), size, tuple(chunks)

    def files(self, db: sqlite3.Connection, source: Source, root: bytes | None) -> Iterator[File]:
        everything = list(self.all_files(db, root))
        wanted = pattern(source.glob)
        entries: dict[str, tuple[int, list]] = {}
        for path, size, chunks in everything:
            parts = path.split("/")
            for depth in range(1, len(parts) + 1):
                whole = depth == len(parts)
                name = path if whole else "/".join(parts[:depth]) + "/"
                total, below = entries.setdefault(name, (0, []))
                below.append((path, size, chunks))
                entries[name] = (total + size, below)
        for name, (size, below) in sorted(entries.items()):
            match = wanted.fullmatch(name.rstrip("/") or "/")
            if match:
                h = digest(repr(below).encode()) if name.endswith("/") else digest(b"".join(below[0][2]))
                expand = lambda t: re.sub(r"\$(\d+)", lambda m: (match.group(int(m[1])) or "") if int(m[1]) <= (match.re.groups) else "", t)
                yield File(source, name, h, size, expand(source.join_on), expand(source.group_by), below)

    def changed_files(self, db, source, old, new):
        a = {f.path: f for f in self.files(db, source, old)}
        b = {f.path: f for f in self.files(db, source, new)}
        return (
            [f for p, f in a.items() if p not in b or b[p].hash != f.hash],
            [f for p, f in b.items() if p not in a or a[p].hash != f.hash],
        )

    def below(self, db: sqlite3.Connection, file: File) -> Iterator[Output]:
        return iter(file.entry)

    def laid_out(self, db: sqlite3.Connection, file: File) -> list[Any]:
        return [(path, size, self.store.blobs.locate(db, chunks)) for path, size, chunks in file.entry]

    def shown_hash(self, db: sqlite3.Connection, path: str, hash: bytes) -> bytes:
        return hash

    def tag_of(self, file: File) -> str:
        return "" if file.path.endswith("/") else "default"

    def without_datums(self, db, root):
        return None

    def edits(self) -> dict:
        return {}

    def take_out(self, db: Any, edits: dict, identity: bytes, record: Record) -> None:
        for path, _, _ in record.outputs:
            edits[path.encode() + b"\0" + identity.hex().encode()] = None

    def put_in(self, edits: dict, identity: bytes, record: Record) -> None:
        for path, size, chunks in record.outputs:
            edits[path.encode() + b"\0" + identity.hex().encode()] = msgpack.packb((size, chunks))

    def write(self, tx: Any, output: Commit, root: bytes | None, edits: dict) -> None:
        commits.set_content(tx, output, self.maps(tx.db).update(root, edits))

    def compact(self, db: Any, record: Record) -> Record:
        return record

    def pieces(self, size: int, chunks: Any) -> Iterator[bytes]:
        from workshop.pachd.store.blobs import Content as C

        return self.store.blobs.pieces(self.store.database.read, C(size, tuple(chunks)))
