"""Commits: starting, finishing, clearing, what a reader sees of them, and who is related to whom."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from workshop.pachd import errors, provenance
from workshop.pachd.model import BranchName, CommitHandle
from workshop.pachd.pfs import acting, contents, rows
from workshop.pachd.pfs.ancestry import resolve, set_provenance, written_to
from workshop.pachd.pfs.heads import FORGOTTEN, check_is_no_id, put_head, upstream_heads
from workshop.pachd.pfs.rows import Branch, Commit
from workshop.pachd.store import collection

if TYPE_CHECKING:
    from workshop.pachd.pfs.transaction import Transaction


# ------------------------------------------------------------------ making


def add(
    tx: Transaction,
    repo: int,
    branch: BranchName,
    parent: Commit | None,
    provenance: list[int],
    origin: int,
    *,
    description: str = "",
    closed: bool = False,
) -> Commit:
    """A new commit of this transaction's set, open (or born finished and empty); a repo gets one of each set."""
    db = tx.db
    if db.execute("SELECT 1 FROM commits WHERE repo = ? AND set_id = ?", (repo, tx.set_id)).fetchone():
        text = (
            f"inconsistent dependencies: cannot create commit from {branch.repo}@{tx.set_id}; "
            f"repo ({branch.repo.name}) already has a commit in this transaction"
        )
        key = f"{branch.repo.project}/{branch.repo.name}.{branch.repo.type}@{tx.set_id}"
        raise errors.AlreadyExists(text, f"commit {key} already exists\n{text}")
    base = contents.base_of(db, parent)[1]
    done = tx.now if closed else None
    row = db.execute(
        """INSERT INTO commits
            (repo, set_id, branch, parent, origin, description, root, base, started, finishing, finished)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            *(repo, tx.set_id, branch.name, parent.row if parent else None, origin, description),
            *(base, base, tx.now, done, done),
        ),
    ).lastrowid
    assert row is not None
    if provenance:
        db.executemany(
            "INSERT OR IGNORE INTO commit_provenance (downstream, upstream) VALUES (?, ?)",
            [(row, upstream) for upstream in provenance],
        )
    tx.created.append(row)
    return rows.commit_by_row(db, row)


def empty(tx: Transaction, repo: int, branch: BranchName, provenance: list[int], parent: Commit | None) -> Commit:
    """The AUTO commit that a branch without a head gets: finished at once, or open when the branch has provenance."""
    return add(tx, repo, branch, parent, provenance, rows.AUTO, closed=not provenance)


def start(
    tx: Transaction,
    branch: BranchName,
    parent: CommitHandle | None = None,
    description: str = "",
    force: bool = False,
) -> Commit:
    """An open commit on a branch, which moves to it; the branch is made when it is not there.

    The parent is the branch's head unless given, and must not be open. Output branches are refused, unless by force.
    """
    try:
        return _start(tx, branch, parent, description, force)
    except errors.PachydermError as error:
        raise error.within("start commit in transaction: ") from None


def _start(tx: Transaction, branch: BranchName, parent: CommitHandle | None, description: str, force: bool) -> Commit:
    if not branch.name:
        raise errors.PachydermError("branch must be specified")
    repo = rows.repo(tx.db, branch.repo)
    rows.check_name(branch.name)
    found = rows.find_branch(tx.db, branch)
    provenance = upstream_heads(tx.db, found.row) if found else []
    try:
        above = _parent_to_be(tx.db, found, parent)
        commit = add(tx, repo.row, branch, above, provenance, rows.USER, description=description)
        check_is_no_id(branch.name, "create commit: ")
        moved = put_head(tx, repo.row, branch, found, commit.row)
    except errors.PachydermError as error:
        raise error.within("create commit: ") from None
    if provenance and not force and not acting.owns(branch.repo):
        raise errors.PachydermError(f"cannot start a commit on an output branch: {branch}")
    tx.moved[moved] = None
    return commit


def _parent_to_be(db: sqlite3.Connection, branch: Branch | None, parent: CommitHandle | None) -> Commit | None:
    above: Commit | None = None
    if parent is not None:
        try:
            above = resolve(db, parent)
        except errors.PachydermError as error:
            raise error.within("parent commit not found: ") from None
    elif branch is not None:
        above = rows.commit_by_row(db, branch.head)
    if above is not None and above.finishing is None:
        raise errors.PachydermError(f"parent commit {above.name} has not been finished")
    return above


def write_target(tx: Transaction, handle: CommitHandle) -> tuple[Commit, bool]:
    """Where a write to `handle` goes: an open commit, or one started here for this write alone (True: finish it)."""
    branch, id = written_to(handle)
    try:
        commit = resolve(tx.db, handle)
    except errors.NotFound:
        if not branch:
            raise
        return start(tx, BranchName(handle.repo, branch)), True
    if commit.finishing is None:
        return commit, False
    if id:
        raise finished(commit)
    return start(tx, BranchName(handle.repo, branch)), True


def finished(commit: Commit) -> errors.PachydermError:
    return errors.PachydermError(f"commit {commit.name} has already finished")


# ------------------------------------------------------------------ content


def content(db: sqlite3.Connection, commit: Commit) -> bytes | None:
    """The root that a reader sees; an open commit shows its base and what was written to it.

    Refused while the commit that it builds on is unfinished, and when it was forgotten.
    """
    contents.check_kept(commit)
    if commit.finished is None or commit.error:
        base, _ = contents.base_of(db, _parent(db, commit))
        if base is not None and base.finished is None:
            raise errors.PachydermError(f"base commit {base.name} for commit {commit.name} unfinished")
    return commit.root


def set_content(tx: Transaction, commit: Commit, root: bytes | None, written: int = 0) -> None:
    """Give an open commit its content; `written` is how many bytes were sent for it (for the size's upper bound)."""
    done = tx.db.execute(
        "UPDATE commits SET root = ?, written = written + ? WHERE id = ? AND finishing IS NULL",
        (root, written, commit.row),
    )
    if not done.rowcount:
        raise finished(commit)


def touch(tx: Transaction, commit: Commit, paths: Iterable[str]) -> None:
    """Note files that were written to a commit, or deleted, and are as they were before."""
    tx.db.executemany("INSERT OR IGNORE INTO touched (commits, path) VALUES (?, ?)", ((commit.row, p) for p in paths))


def clear(tx: Transaction, handle: CommitHandle) -> None:
    """Drop what was written to an open commit."""
    commit = resolve(tx.db, handle)
    if commit.finishing is not None:
        raise errors.PachydermError("cannot clear finished commit")
    tx.db.execute("UPDATE commits SET root = base, written = 0 WHERE id = ?", (commit.row,))
    tx.db.execute("DELETE FROM touched WHERE commits = ?", (commit.row,))


def forget(tx: Transaction, commit: Commit) -> None:
    """Give up the content of a commit that can be made again; it stays in history, and its children keep theirs."""
    if any(child.finished is None for child in children(tx.db, commit.row)):
        raise errors.PachydermError("direct descendants must be closed")
    if not direct_provenance(tx.db, commit.row):
        raise errors.PachydermError("the commit to be forgotten must be in an output repo")
    if next(rows.branches(tx.db, "WHERE branch.head = ?", (commit.row,)), None) is not None:
        raise errors.PachydermError(FORGOTTEN)
    tx.db.execute("UPDATE commits SET root = NULL, base = NULL, forgotten = 1 WHERE id = ?", (commit.row,))
    collection.note(tx.db)


# ------------------------------------------------------------------ finishing


def finish(
    tx: Transaction,
    commit: Commit,
    error: str = "",
    description: str | None = None,
    force: bool = False,
) -> None:
    """Close a commit. What validation finds wrong lands in its error; a pipeline's commits need force.

    A commit whose base is open stays FINISHING until that is finished too.
    """
    commit = rows.commit_by_row(tx.db, commit.row)
    if commit.finishing is not None:
        raise finished(commit)
    if not force and _is_transform(tx.db, commit):
        raise errors.PachydermError("cannot finish a pipeline output or meta commit, use 'stop job' instead")
    tx.db.execute(
        "UPDATE commits SET finishing = ?, error = ?, description = ? WHERE id = ?",
        (tx.now, error, description or commit.description, commit.row),
    )
    complete(tx, commit.row)


def _is_transform(db: sqlite3.Connection, commit: Commit) -> bool:
    repo = commit.name.repo
    query = """SELECT 1 FROM pipeline WHERE project = ? AND name = ? AND current = 1 AND type = 1
        AND EXISTS (SELECT 1 FROM commit_provenance WHERE downstream = ?)"""
    return db.execute(query, (repo.project, repo.name, commit.row)).fetchone() is not None


def complete(tx: Transaction, row: int) -> None:
    """Finish the FINISHING commits of a line from `row` on, as far as what they build on is finished."""
    pending = [row]
    while pending:
        commit = rows.commit_by_row(tx.db, pending.pop())
        if commit.finishing is None:
            contents.rebase(tx, commit)
            continue
        if commit.finished is None:
            base, _ = contents.base_of(tx.db, _parent(tx.db, commit))
            if not commit.error and base is not None and base.finished is None:
                continue
            _settle(tx, contents.rebase(tx, commit))
        pending += [child.row for child in children(tx.db, commit.row) if child.finished is None]


def rebase_below(tx: Transaction, row: int) -> None:
    """Give a commit, whose ancestors have changed, the base that it has now: one with an error, or unfinished.

    A commit that was finished keeps its content, whatever it was built on; one with an error is seen through.
    """
    commit = rows.commit_by_row(tx.db, row)
    if commit.finished is None:
        complete(tx, row)
    elif commit.error:
        contents.rebase(tx, commit)
        for child in children(tx.db, row):
            rebase_below(tx, child.row)


def _settle(tx: Transaction, commit: Commit) -> None:
    """Set a commit FINISHED: validated and measured, unless it ends with an error."""
    size, error = 0, commit.error
    times: tuple[int | None, int | None] = (None, None)
    if not error:
        begun = time.perf_counter_ns()
        size = contents.size(commit.root)
        measured = time.perf_counter_ns()
        error = contents.fault(tx.store, tx.db, commit.base, commit.root)
        times = (max(1, measured - begun), max(1, time.perf_counter_ns() - measured))
    tx.db.execute(
        "UPDATE commits SET finished = ?, error = ?, size = ?, compacting = ?, validating = ? WHERE id = ?",
        (tx.now, error, size, *times, commit.row),
    )
    tx.finished.append(commit.row)


# ------------------------------------------------------------------ relations


def _parent(db: sqlite3.Connection, commit: Commit) -> Commit | None:
    return rows.commit_by_row(db, commit.parent) if commit.parent is not None else None


def children(db: sqlite3.Connection, row: int) -> list[Commit]:
    """The commits that build on this one, oldest first."""
    return list(rows.commits(db, "WHERE commits.parent = ? ORDER BY commits.id", (row,)))


def direct_provenance(db: sqlite3.Connection, row: int) -> list[Commit]:
    return list(
        rows.commits(
            db,
            "JOIN commit_provenance ON upstream = commits.id WHERE downstream = ? ORDER BY commits.id",
            (row,),
        )
    )


def of_set(db: sqlite3.Connection, set_id: str, aliases: bool = False) -> list[Commit]:
    """The members of a set, each after its provenance; with `aliases` also what they depend on in other sets."""
    members = list(set_provenance(db, set_id)) if aliases else []
    members += rows.commits(db, "WHERE commits.set_id = ? ORDER BY commits.id", (set_id,))
    return topological(db, members)


def topological(db: sqlite3.Connection, commits: list[Commit]) -> list[Commit]:
    """Commits, each after those of them that it depends on, and otherwise as they came."""
    known = {commit.row: commit for commit in commits}
    upstream: dict[int, list[int]] = {row: [] for row in known}
    for some in _chunks(list(known)):
        marks = ",".join("?" * len(some))
        for edge in db.execute(
            f"SELECT downstream, upstream FROM commit_provenance WHERE downstream IN ({marks})", some
        ):
            if edge["upstream"] in known:
                upstream[edge["downstream"]].append(edge["upstream"])
    return [known[row] for row in provenance.sort(list(known), upstream)]


def _chunks(values: list[int], size: int = 500) -> Iterator[list[int]]:
    return (values[at : at + size] for at in range(0, len(values), size))
