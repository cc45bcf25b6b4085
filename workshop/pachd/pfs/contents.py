"""What a commit holds, as far as metadata needs to know: what it builds on, its size, and what is wrong with it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

from workshop.pachd.pfs import rows
from workshop.pachd.pfs.rows import Commit
from workshop.pachd.store import trees

if TYPE_CHECKING:
    from workshop.pachd.pfs.transaction import Transaction
    from workshop.pachd.store import Store


def base_of(db: sqlite3.Connection, parent: Commit | None) -> tuple[Commit | None, bytes | None]:
    """What a child of `parent` builds on: the nearest ancestor without an error, and its content."""
    while parent is not None and parent.error:
        parent = rows.commit_by_row(db, parent.parent) if parent.parent is not None else None
    return (None, None) if parent is None else (parent, parent.root)


def rebase(tx: Transaction, commit: Commit) -> Commit:
    """Put what was written to an unfinished commit on top of what its base holds now."""
    parent = rows.commit_by_row(tx.db, commit.parent) if commit.parent is not None else None
    base = base_of(tx.db, parent)[1]
    if base == commit.base:
        return commit
    root = base if commit.root == commit.base else carry_over(tx.store, tx.db, commit.base, commit.root, base)
    tx.db.execute("UPDATE commits SET root = ?, base = ? WHERE id = ?", (root, base, commit.row))
    return replace(commit, root=root, base=base)


def carry_over(
    store: Store, db: sqlite3.Connection, old: bytes | None, new: bytes | None, onto: bytes | None
) -> bytes | None:
    """The content `onto` with the changes from `old` to `new` made to it."""
    store_trees = store.trees(db)
    changes = {
        ((before or after).path, (before or after).tag): after.value if after else None  # type: ignore[union-attr]
        for before, after in store_trees.diff(old, new)
        if not (before or after).is_directory  # type: ignore[union-attr]
    }
    return store_trees.edit_files(onto, changes)


def size(store: Store, db: sqlite3.Connection, root: bytes | None) -> int:
    """Bytes of all files below a root."""
    return trees.size(root)


def fault(store: Store, db: sqlite3.Connection, base: bytes | None, root: bytes | None) -> str:
    """What validation finds wrong in a root that was built on `base`: the first collision by path; '' when nothing."""
    first = min(store.trees(db).collisions(base, root), default=None, key=lambda collision: collision.path.encode())
    return str(first) if first else ""


def differs(store: Store, db: sqlite3.Connection, old: bytes | None, new: bytes | None, path: str) -> bool:
    """Whether the file of exactly this stored path (`/d/f`) is not the same in two roots."""
    if not path.startswith("/") or path.endswith("/") or (old or b"") == (new or b""):
        return False
    tree = store.trees(db)
    before, after = ([entry for entry in tree.lookup(root, path) if not entry.is_directory] for root in (old, new))
    return before != after
