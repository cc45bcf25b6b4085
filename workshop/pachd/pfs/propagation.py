"""What follows from branches that moved: DAGs are checked, and everything downstream gets a commit of the same set."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from workshop.pachd import errors, provenance
from workshop.pachd.model import SPEC
from workshop.pachd.pfs import commits, rows
from workshop.pachd.pfs.heads import upstream_heads

if TYPE_CHECKING:
    from workshop.pachd.pfs.transaction import Transaction


_DEPENDS_ON = """
    WITH RECURSIVE up(id) AS (
        SELECT upstream FROM branch_provenance WHERE downstream = ?
        UNION
        SELECT upstream FROM up JOIN branch_provenance ON downstream = up.id)
    SELECT count(*) FROM up"""


def run(tx: Transaction) -> None:
    """Propagate all branches that moved in this transaction so far."""
    moved = list(tx.moved)
    tx.moved.clear()
    for row in moved:
        _check_dag(tx.db, row)
    for row in _downstream(tx.db, moved):
        _follow(tx, row)


def _downstream(db: sqlite3.Connection, starts: list[int]) -> list[int]:
    """All branches that follow some, those that depend on fewest first: so each comes after what it depends on."""
    query = "SELECT downstream FROM branch_provenance WHERE upstream = ? AND NOT never ORDER BY downstream DESC"

    def below(row: int) -> list[int]:
        return [edge["downstream"] for edge in db.execute(query, (row,))]

    found: dict[int, None] = {}
    pending = [row for start in reversed(starts) for row in below(start)]
    while pending:
        row = pending.pop()
        if row not in found:
            found[row] = None
            pending += below(row)
    return sorted(found, key=lambda row: db.execute(_DEPENDS_ON, (row,)).fetchone()[0]) if len(found) > 1 else [*found]


def _follow(tx: Transaction, row: int) -> None:
    """A new open head for a branch, with the present heads of its direct provenance."""
    branch = rows.branch_by_row(tx.db, row)
    if _stands_on_a_spec_alone(tx.db, row):  # a spout's output: nothing to process
        return
    head = rows.commit_by_row(tx.db, branch.head)
    if head.id == tx.set_id:
        return
    heads = upstream_heads(tx.db, row)
    commit = commits.add(tx, branch.repo, branch.name, head, heads, rows.AUTO)
    tx.db.execute("UPDATE branch SET head = ?, updated = ? WHERE id = ?", (commit.row, tx.now, row))


def _stands_on_a_spec_alone(db: sqlite3.Connection, row: int) -> bool:
    query = """
        SELECT repo.type, EXISTS (SELECT 1 FROM branch_provenance AS above WHERE above.downstream = branch.id) AS deeper
        FROM branch_provenance JOIN branch ON branch.id = upstream JOIN repo ON repo.id = branch.repo
        WHERE downstream = ?"""
    found = db.execute(query, (row,)).fetchall()
    return len(found) == 1 and found[0]["type"] == SPEC and not found[0]["deeper"]


def _check_dag(db: sqlite3.Connection, row: int) -> None:
    """Refuse a DAG in which a repo takes part with two branches."""
    query = """JOIN (
            WITH RECURSIVE member(id) AS (
                SELECT ?
                UNION
                SELECT CASE member.id WHEN upstream THEN downstream ELSE upstream END
                FROM member JOIN branch_provenance ON upstream = member.id OR downstream = member.id)
            SELECT id FROM member) AS found ON found.id = branch.id
        ORDER BY branch.id DESC"""  # the newest is at fault
    members = rows.branches(db, query, (row,))
    twice = provenance.repeated((member, member.repo) for member in members)
    if twice is not None:
        raise errors.PachydermError(
            f'validate DAG at end of transaction: multiple branches from the same repo, "{twice.name.repo}", '
            "cannot participate in a DAG"
        )
