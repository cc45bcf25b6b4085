"""What a commit holds, as far as metadata needs to know: what it builds on, its size, and what is wrong with it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

from workshop.pachd.pfs import rows
from workshop.pachd.pfs.rows import Commit

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
