"""The store's own health: stored bytes checked against their hashes, and what nothing refers to collected."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from workshop.pachd import ids
from workshop.pachd.pfs import Pfs, rows
from workshop.pachd.store import Store, collection
from workshop.pachd.store.collection import Collected, Marks

_NAMED = 3  # files that a report names


def mark(db: sqlite3.Connection, marks: Marks) -> None:
    """Mark what commits and living file sets hold."""
    query = """SELECT root FROM commits UNION SELECT base FROM commits
        UNION SELECT root FROM fileset WHERE expires > :now UNION SELECT first FROM fileset WHERE expires > :now"""
    for (root,) in db.execute(query, {"now": ids.now()}).fetchall():
        marks.tree(root)


def collect(pfs: Pfs, dry_run: bool = False) -> Collected:
    """Take away the bytes, trees and file sets that nothing refers to; on trial only count them.

    Safe beside everything else; one collection at a time.
    """
    with pfs.collecting:
        with pfs.store.database.write(keep=not dry_run) as db:
            db.execute("DELETE FROM fileset WHERE expires <= ?", (ids.now(),))
        return collection.collect(pfs.store, (mark, *pfs.markers), dry_run)


def check(pfs: Pfs) -> Iterator[str]:
    """A line for each stored chunk or node that is gone or damaged, with some of the files that it belongs to."""
    with pfs.collecting:  # what is moved meanwhile would look lost
        found = list(collection.check(pfs.store, (mark, *pfs.markers)))
    for text, name in found:
        yield f"consistency error: {text}" + _belongs(pfs.store, name)


def _belongs(store: Store, name: bytes) -> str:
    files = []
    with store.database.read() as db:
        trees = store.trees(db)
        for commit in rows.commits(db, "ORDER BY commits.id DESC"):
            for entry in trees.walk(commit.root):
                if not entry.is_directory and name in trees.content(entry.value).chunks:
                    files.append(f"{commit.name}:{entry.path}")
                    if len(files) == _NAMED:
                        return f" (in {', '.join(files)} and perhaps more)"
    return f" (in {', '.join(files)})" if files else ""


def chunks(pfs: Pfs, begin: bytes, end: bytes, read: bool) -> int:
    """How many chunks are stored, each read and checked when asked for."""
    with pfs.collecting:
        return collection.count(pfs.store, begin, end, read)
