"""The heads of branches: moving one, and those that a branch depends on."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from workshop.pachd import errors, ids
from workshop.pachd.model import BranchName
from workshop.pachd.pfs.rows import Branch

if TYPE_CHECKING:
    from workshop.pachd.pfs.transaction import Transaction

FORGOTTEN = "list branch in transaction: for each branch: the branch head cannot be a forgotten commit"


def check_is_no_id(name: str, wrapping: str) -> None:
    """Refuse a new branch that is named like a commit."""
    if ids.is_id(name):
        raise errors.PachydermError(f"{wrapping}update head: branch name cannot be a UUID V4")


def put_head(tx: Transaction, repo: int, name: BranchName, found: Branch | None, head: int) -> int:
    """Point a branch at a commit, making the branch when it was not found; its row."""
    if tx.db.execute("SELECT 1 FROM commits WHERE id = ? AND forgotten", (head,)).fetchone():
        raise errors.PachydermError(FORGOTTEN)
    if found is not None:
        tx.db.execute("UPDATE branch SET head = ?, updated = ? WHERE id = ?", (head, tx.now, found.row))
        return found.row
    row = tx.db.execute(
        "INSERT INTO branch (repo, name, head, created, updated) VALUES (?, ?, ?, ?, ?)",
        (repo, name.name, head, tx.now, tx.now),
    ).lastrowid
    assert row is not None
    return row


def upstream_heads(db: sqlite3.Connection, row: int) -> list[int]:
    """The heads (rows) of a branch's direct provenance: what its next commit depends on."""
    query = """SELECT head FROM branch_provenance JOIN branch ON branch.id = upstream
        WHERE downstream = ? ORDER BY position"""
    return [found["head"] for found in db.execute(query, (row,))]
