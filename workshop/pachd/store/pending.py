"""Transactions that wait to be finished: documents by id, of which only the newest version is kept."""

from __future__ import annotations

import sqlite3


def insert(db: sqlite3.Connection, id: str, started: int, document: bytes) -> None:
    db.execute("INSERT INTO transactions (id, started, info) VALUES (?, ?, ?)", (id, started, document))


def load(db: sqlite3.Connection, id: str) -> bytes | None:
    row = db.execute("SELECT info FROM transactions WHERE id = ?", (id,)).fetchone()
    return None if row is None else row["info"]


def replace(db: sqlite3.Connection, id: str, version: int, document: bytes) -> bool:
    """Put the next version in the place of `version`; False when somebody else was faster."""
    done = db.execute(
        "UPDATE transactions SET info = ?, version = ? WHERE id = ? AND version = ?",
        (document, version + 1, id, version),
    )
    return done.rowcount == 1


def delete(db: sqlite3.Connection, id: str) -> bool:
    """Whether there was one to delete."""
    return db.execute("DELETE FROM transactions WHERE id = ?", (id,)).rowcount == 1


def delete_all(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM transactions")


def newest_first(db: sqlite3.Connection) -> list[bytes]:
    return [row["info"] for row in db.execute("SELECT info FROM transactions ORDER BY started DESC")]
