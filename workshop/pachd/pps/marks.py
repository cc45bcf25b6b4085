"""What jobs refer to in the store: their datums' records, and what those wrote. For its collection and its check."""

from __future__ import annotations

import sqlite3

from workshop.pachd.pps.datums import decode
from workshop.pachd.store.collection import Marks


def mark(db: sqlite3.Connection, marks: Marks) -> None:
    """Mark the datums of all jobs, and the outputs of all datums."""
    for (root,) in db.execute("SELECT DISTINCT datums FROM job WHERE datums IS NOT NULL").fetchall():
        for _, data in marks.map(root):
            _record(data, marks)
    for (data,) in db.execute("SELECT record FROM datum_done").fetchall():
        _record(data, marks)


def _record(data: bytes, marks: Marks) -> None:
    record = decode(data)
    marks.tree(record.out_root)
    for _, _, chunks in record.outputs:
        marks.chunks.update(chunks)
