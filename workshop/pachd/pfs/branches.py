"""Branches: making, moving, deleting, their provenance and their triggers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from workshop.pachd import errors
from workshop.pachd.model import BranchName, CommitHandle
from workshop.pachd.pfs import commits, rows, triggers
from workshop.pachd.pfs.heads import check_is_no_id, put_head
from workshop.pachd.pfs.rows import Branch, Commit

if TYPE_CHECKING:
    from workshop.pachd.pfs.transaction import Transaction


# ------------------------------------------------------------------ making and moving


def create(
    tx: Transaction,
    branch: BranchName,
    provenance: Sequence[tuple[BranchName, bool]] = (),
    head: CommitHandle | None = None,
    trigger: dict[str, Any] | None = None,
    specs: Iterable[tuple[BranchName, bool]] = (),
) -> Branch:
    """Make a branch or change it: its provenance, its head, its trigger (kept when none is given).

    provenance: upstream branches, each with whether it never propagates; missing ones are made. `specs` says the
    same of some of them apart. A branch without a head, or with another provenance than before, gets an empty one.
    """
    never = dict(provenance)  # given twice counts once, but is another list than before
    if trigger is not None:
        triggers.check(tx.db, branch, trigger)
        if never:
            raise errors.PachydermError("a branch cannot have both provenance and a trigger")
    for upstream, flag in specs:
        if upstream not in never:
            raise errors.PachydermError(
                f"branch propagation spec must reference provenant branch (referenced branch: {_key(upstream)})"
            )
        never[upstream] = flag
    for name in (*never, branch):
        rows.check_name(name.name)
    upstreams = [_fill(tx, upstream) for upstream in _one_of_each_repo(never)]
    new_head = _given_head(tx, branch, head) if head is not None else None
    repo = rows.repo(tx.db, branch.repo)
    if any(upstream.repo == branch.repo for upstream in never):
        raise errors.PachydermError(f"repo {branch.repo} cannot be in the provenance of its own branch")
    found = rows.find_branch(tx.db, branch)
    before = sorted(row["upstream"] for row in _direct(tx.db, found.row)) if found else []
    if found is not None:
        _refuse_cycle(tx.db, found, upstreams)
        new_head = new_head or rows.commit_by_row(tx.db, found.head)
    wanted = sorted(upstream.row for upstream in upstreams)
    same = wanted == before and len(provenance) == len(before)
    moved = head is not None
    if new_head is None or (wanted and not same):
        heads = [rows.branch_by_row(tx.db, upstream.row).head for upstream in upstreams]
        new_head = commits.empty(tx, repo.row, branch, heads, new_head)
        moved = True
    check_is_no_id(branch.name, "create branch: ")
    row = put_head(tx, repo.row, branch, found, new_head.row)
    _put_provenance(tx.db, row, [(upstream.row, never[upstream.name]) for upstream in upstreams])
    if trigger is not None:
        rows.branch(tx.db, BranchName(branch.repo, trigger["branch"]))
        tx.db.execute("UPDATE branch SET trigger = ? WHERE id = ?", (json.dumps(trigger), row))
    if moved:
        tx.moved[row] = None
    return rows.branch_by_row(tx.db, row)


def _key(name: BranchName) -> str:
    repo = name.repo
    return f"{repo.project}/{repo.name}.{repo.type}@{name.name}"


def _one_of_each_repo(names: Iterable[BranchName]) -> list[BranchName]:
    seen: dict[object, BranchName] = {}
    for name in names:
        if seen.setdefault(name.repo, name) != name:
            raise errors.PachydermError(
                f'validate DAG at end of transaction: multiple branches from the same repo, "{name.repo}", '
                "cannot participate in a DAG"
            )
    return list(seen.values())


def _fill(tx: Transaction, name: BranchName) -> Branch:
    """An upstream branch, made with an empty finished head when it is not there."""
    found = rows.find_branch(tx.db, name)
    if found is not None:
        return found
    repo = rows.repo(tx.db, name.repo)
    check_is_no_id(name.name, "fill new branches: upsert branch: ")
    try:
        head = commits.empty(tx, repo.row, name, [], None)
    except errors.PachydermError as error:
        raise error.within("create empty commit: ") from None
    return rows.branch_by_row(tx.db, put_head(tx, repo.row, name, None, head.row))


def _given_head(tx: Transaction, branch: BranchName, head: CommitHandle) -> Commit:
    try:
        commit = commits.resolve(tx.db, head)
    except errors.PachydermError as error:
        raise error.within(f"unable to inspect {head}: ") from None
    if head.repo != branch.repo:
        raise errors.PachydermError("branch and head commit must belong to the same repo")
    return commit


def _refuse_cycle(db: sqlite3.Connection, branch: Branch, upstreams: list[Branch]) -> None:
    below = {name for _, name in walk(db, branch.row, "subvenance")}
    for upstream in upstreams:
        if upstream.name in below:
            raise errors.Internal(
                f"create branch: update head: cycle detected because {_key(upstream.name)} "
                f"is already in the subvenance of {_key(branch.name)}"
            )


def _put_provenance(db: sqlite3.Connection, row: int, upstreams: list[tuple[int, bool]]) -> None:
    db.execute("DELETE FROM branch_provenance WHERE downstream = ?", (row,))
    db.executemany(
        "INSERT INTO branch_provenance (downstream, upstream, never, position) VALUES (?, ?, ?, ?)",
        [(row, upstream, int(never), position) for position, (upstream, never) in enumerate(upstreams)],
    )


# ------------------------------------------------------------------ deleting


def delete(tx: Transaction, name: BranchName, force: bool = False) -> None:
    """Take a branch away, its commits stay. What depends on it, or triggers, keeps it; force cuts those ties."""
    remove(tx, rows.branch(tx.db, name), force)


def remove(tx: Transaction, branch: Branch, force: bool) -> None:
    if not force:
        below = [
            str(row.name)
            for row in rows.branches(
                tx.db,
                "JOIN branch_provenance ON downstream = branch.id WHERE upstream = ? ORDER BY branch.id",
                (branch.row,),
            )
        ]
        reasons = [
            ("it's in the direct provenance of", below),
            ("it is triggered by branches", [str(b.name) for b in triggers.watching(tx.db, branch)]),
            (
                "it triggers branches",
                [str(BranchName(branch.name.repo, branch.trigger["branch"]))] if branch.trigger else [],
            ),
        ]
        for reason, names in reasons:
            if names:
                raise errors.PachydermError(
                    f'branch "{branch.name}" cannot be deleted because {reason} [{" ".join(names)}]'
                )
    for watcher in triggers.watching(tx.db, branch):
        tx.db.execute("UPDATE branch SET trigger = NULL WHERE id = ?", (watcher.row,))
    tx.db.execute("DELETE FROM branch WHERE id = ?", (branch.row,))
    tx.moved.pop(branch.row, None)


# ------------------------------------------------------------------ reading


def inspect(db: sqlite3.Connection, name: BranchName) -> Branch:
    return rows.branch(db, name)


def list_(db: sqlite3.Connection, repo: rows.Repo, reverse: bool = False) -> list[Branch]:
    """The branches of a repo, newest first."""
    order = "ASC" if reverse else "DESC"
    return list(
        rows.branches(db, f"WHERE branch.repo = ? ORDER BY branch.created {order}, branch.id {order}", (repo.row,))
    )


def list_of_many(db: sqlite3.Connection, project: str = "", type: str = "", reverse: bool = False) -> list[Branch]:
    """The branches of all repos of a project and of a type (any: ''), newest first."""
    order = "ASC" if reverse else "DESC"
    query = f"""WHERE ? IN ('', repo.project) AND ? IN ('', repo.type)
        ORDER BY branch.created {order}, branch.id {order}"""
    return list(rows.branches(db, query, (project, type)))


def _direct(db: sqlite3.Connection, row: int) -> list[sqlite3.Row]:
    return db.execute("SELECT * FROM branch_provenance WHERE downstream = ? ORDER BY position", (row,)).fetchall()


def direct_provenance(db: sqlite3.Connection, row: int) -> list[tuple[Branch, bool]]:
    """The upstream branches given at creation, each with whether it never propagates."""
    return [(rows.branch_by_row(db, edge["upstream"]), bool(edge["never"])) for edge in _direct(db, row)]


def walk(
    db: sqlite3.Connection, row: int, direction: str, limit: int = 0, depth: int = 0
) -> Iterator[tuple[int, BranchName]]:
    """The branches that a branch depends on ("provenance"), or that depend on it, transitively, nearest first."""
    to, by = rows.WALK[direction]
    query = f"""
        WITH RECURSIVE walk(id, depth) AS (
            SELECT {to}, 1 FROM branch_provenance WHERE {by} = ?
            UNION
            SELECT {to}, depth + 1 FROM walk JOIN branch_provenance ON {by} = walk.id WHERE depth < ?)
        SELECT branch.id, branch.name, repo.project, repo.name AS repo_name, repo.type
        FROM (SELECT id, min(depth) AS depth FROM walk GROUP BY id) AS found
        JOIN branch ON branch.id = found.id JOIN repo ON repo.id = branch.repo
        ORDER BY depth, branch.id LIMIT ?"""
    for found in db.execute(query, (row, depth or 1 << 40, limit or -1)):
        repo = rows.RepoName(found["project"], found["repo_name"], found["type"])
        yield found["id"], BranchName(repo, found["name"])
