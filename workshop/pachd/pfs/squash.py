"""Taking commits out of history: squash (children keep the content) and drop (only where nothing builds on it)."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from workshop.pachd import errors
from workshop.pachd.model import SPEC, CommitHandle
from workshop.pachd.pfs import commits, rows
from workshop.pachd.pfs.heads import put_head, upstream_heads
from workshop.pachd.pfs.rows import Commit

if TYPE_CHECKING:
    from workshop.pachd.pfs.transaction import Transaction

DROP, SQUASH = "drop", "squash"


def squash_set(tx: Transaction, set_id: str) -> None:
    """Take a set's commits out; an unknown set is none. Refused where data or another set would suffer."""
    _remove_set(tx, set_id, SQUASH)


def drop_set(tx: Transaction, set_id: str) -> None:
    """Take a set's commits out, none of which may have children; an unknown set is none."""
    _remove_set(tx, set_id, DROP)


def squash(tx: Transaction, handle: CommitHandle, recursive: bool = False) -> None:
    """Take one commit out, and with `recursive` all that depend on it."""
    _remove_one(tx, handle, recursive, SQUASH)


def drop(tx: Transaction, handle: CommitHandle, recursive: bool = False) -> None:
    """Take one commit without children out, and with `recursive` all that depend on it."""
    _remove_one(tx, handle, recursive, DROP)


def _remove_set(tx: Transaction, set_id: str, how: str) -> None:
    if not set_id:
        raise errors.PachydermError(f"commit set id cannot be empty: that would {how} every commit")
    dependent = _subvenant_sets(tx.db, set_id)
    if dependent:
        names = " ".join(f'id:"{id}"' for id in dependent)
        raise errors.PachydermError(
            f'commit set "id:\\"{set_id}\\"" cannot be dropped because it has subvenant commit sets: [{names}]'
        )
    members = commits.of_set(tx.db, set_id)
    _check(tx.db, members, how, spec_of_drop_too=True)
    for commit in members:
        _remove(tx, commit)


def _remove_one(tx: Transaction, handle: CommitHandle, recursive: bool, how: str) -> None:
    commit = commits.resolve(tx.db, handle)
    members = [commit, *walk(tx.db, commit.row, "subvenance")]
    if len(members) > 1 and not recursive:
        raise errors.PachydermError(f"cannot {how} commit ({commit.name}) with subvenance without recursive")
    _check(tx.db, members, how, spec_of_drop_too=False)
    for member in members:
        _remove(tx, member)


def _check(db: sqlite3.Connection, members: list[Commit], how: str, spec_of_drop_too: bool) -> None:
    for commit in members:
        updated = commit.name.repo.type == SPEC and commit.origin == rows.USER
        if updated and (how == SQUASH or spec_of_drop_too):
            raise errors.PachydermError(f"cannot squash commit {commit.name} because it updated a pipeline")
        has_children = bool(commits.children(db, commit.row))
        if how == SQUASH and not has_children:
            raise errors.PachydermError(
                "cannot squash a commit that has no children as that would cause data loss, "
                f"use the drop operation instead: {commit.name}"
            )
        if how == DROP and has_children:
            raise errors.PachydermError(f"cannot drop a commit that has children: {commit.name}")


def _remove(tx: Transaction, commit: Commit) -> None:
    """Take one commit out: its children and branches go to its parent; a branch left without gets an empty commit."""
    commit = rows.commit_by_row(tx.db, commit.row)  # its parent may have changed meanwhile
    children = commits.children(tx.db, commit.row)
    for child in children:
        if child.finished is None:
            hint = ", consider using WaitCommit" if child.finishing is not None else ""
            raise errors.PachydermError(f"cannot squash until child commit {child.name} is finished{hint}")
    heads = list(rows.branches(tx.db, "WHERE branch.head = ? ORDER BY branch.id", (commit.row,)))
    if heads:
        to = commit.parent if _same_repo(tx.db, commit) else None
        if to is None:
            to = _fresh_head(tx, heads[0])
        for branch in heads:
            put_head(tx, branch.repo, branch.name, branch, to)
    tx.db.execute("UPDATE commits SET parent = ? WHERE parent = ?", (commit.parent, commit.row))
    tx.db.execute("DELETE FROM commits WHERE id = ?", (commit.row,))
    for child in children:
        commits.rebase_below(tx, child.row)
    tx.removed.append(commit)
    for listed in (tx.created, tx.finished):
        if commit.row in listed:
            listed.remove(commit.row)


def _same_repo(db: sqlite3.Connection, commit: Commit) -> bool:
    return commit.parent is not None and rows.commit_by_row(db, commit.parent).repo == commit.repo


def _fresh_head(tx: Transaction, branch: rows.Branch) -> int:
    made = rows.find_commit(tx.db, rows.CommitName(branch.name.repo, tx.set_id))
    if made is not None:  # the repo has a commit of this set already: one for each
        return made.row
    return commits.empty(tx, branch.repo, branch.name, upstream_heads(tx.db, branch.row), None).row


def _subvenant_sets(db: sqlite3.Connection, set_id: str) -> list[str]:
    """Ids of the other sets with a commit that depends on one of this set, or on one of such a set, and so on."""
    found: dict[str, None] = {}
    pending = [set_id]
    while pending:
        query = """
            WITH RECURSIVE down(id) AS (
                SELECT downstream FROM commit_provenance JOIN commits ON commits.id = upstream WHERE set_id = ?
                UNION
                SELECT downstream FROM down JOIN commit_provenance ON upstream = down.id)
            SELECT DISTINCT set_id FROM down JOIN commits ON commits.id = down.id ORDER BY commits.id"""
        for row in db.execute(query, (pending.pop(),)):
            if row["set_id"] != set_id and row["set_id"] not in found:
                found[row["set_id"]] = None
                pending.append(row["set_id"])
    return list(found)


def walk(db: sqlite3.Connection, row: int, direction: str, limit: int = 0, depth: int = 0) -> list[Commit]:
    """The commits that a commit depends on ("provenance"), or that depend on it, transitively, nearest first."""
    to, by = rows.WALK[direction]
    return list(
        rows.commits(
            db,
            f"""JOIN (
                WITH RECURSIVE walk(id, depth) AS (
                    SELECT {to}, 1 FROM commit_provenance WHERE {by} = ?
                    UNION
                    SELECT {to}, depth + 1 FROM walk JOIN commit_provenance ON {by} = walk.id WHERE depth < ?)
                SELECT id, min(depth) AS depth FROM walk GROUP BY id) AS found ON found.id = commits.id
            ORDER BY found.depth, commits.id LIMIT ?""",
            (row, depth or 1 << 40, limit or -1),
        )
    )
