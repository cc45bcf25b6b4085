"""Is what the rows say of repos, branches and commits consistent? With `fix`, what can be put right is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workshop.pachd import provenance
from workshop.pachd.model import BranchName
from workshop.pachd.pfs import commits, contents, rows
from workshop.pachd.pfs.heads import put_head, upstream_heads

if TYPE_CHECKING:
    from workshop.pachd.pfs.transaction import Transaction
    from workshop.pachd.store import Store


@dataclass(frozen=True)
class Fault:
    """What is wrong, and how it is put right (None: only by hand)."""

    text: str
    fix: Callable[[Transaction], str] | None = None


def check(store: Store, db: sqlite3.Connection) -> Iterator[Fault]:
    """All faults of the metadata, none when it is healthy."""
    yield from _references(db)
    yield from _branches(db)
    yield from _commits(store, db)


def repair(tx: Transaction) -> Iterator[tuple[str, str]]:
    """Put right what can be: (what was wrong, what was done or '')."""
    for fault in list(check(tx.store, tx.db)):
        yield fault.text, fault.fix(tx) if fault.fix else ""


def _sql(done: str, statement: str, *values: object) -> Callable[[Transaction], str]:
    def fix(tx: Transaction) -> str:
        tx.db.execute(statement, values)
        return done

    return fix


# ------------------------------------------------------------------ references between rows


def _references(db: sqlite3.Connection) -> Iterator[Fault]:
    """Rows that name rows which are not there."""
    for table, row, parent, _ in db.execute("PRAGMA foreign_key_check").fetchall():
        if table == "branch" and parent == "commits":
            continue  # told by its name below
        text = f"consistency error: row {row} of table {table} names a row of {parent} that could not be found"
        if table == "commits" and parent == "commits":
            done = f"commit row {row} has no parent any more"
            yield Fault(text, _sql(done, "UPDATE commits SET parent = NULL WHERE id = ?", row))
        elif row is not None:
            yield Fault(text, _sql(f"row {row} of {table} removed", f"DELETE FROM {table} WHERE rowid = ?", row))
        else:  # a table without row ids: the two provenance tables
            kind = "commits" if table == "commit_provenance" else "branch"
            statement = f"""DELETE FROM {table} WHERE downstream NOT IN (SELECT id FROM {kind})
                OR upstream NOT IN (SELECT id FROM {kind})"""
            yield Fault(text, _sql(f"dangling rows of {table} removed", statement))


# ------------------------------------------------------------------ branches


def _branches(db: sqlite3.Connection) -> Iterator[Fault]:
    known = {branch.row: branch for branch in rows.branches(db, "ORDER BY branch.id")}
    upstream: dict[int, list[int]] = {row: [] for row in known}
    for edge in db.execute("SELECT downstream, upstream FROM branch_provenance ORDER BY position"):
        if edge["downstream"] in known:
            upstream[edge["downstream"]].append(edge["upstream"])
    by_name = {branch.name for branch in known.values()}
    for branch in known.values():
        head = next(rows.commits(db, "WHERE commits.id = ?", (branch.head,)), None)
        if head is None or head.repo != branch.repo:
            named = f"commit row {branch.head}" if head is None else f"commit {head.name}"
            yield Fault(
                f"consistency error: the {named} could not be found while checking head commit of {branch.name}",
                _new_head(branch),
            )
        if branch.row in provenance.reachable(branch.row, lambda row: upstream.get(row, [])):
            yield Fault(f"consistency error: branch {branch.name} is in its own provenance")
        for above in upstream[branch.row]:
            if above in known and known[above].repo == branch.repo:
                yield Fault(f"consistency error: branch {branch.name} has a branch of its own repo in its provenance")
        watched = BranchName(branch.name.repo, branch.trigger["branch"]) if branch.trigger else None
        if watched is not None and watched not in by_name:
            yield Fault(
                f"consistency error: the branch {watched.name} on repo {watched.repo} could not be found",
                _sql(f"trigger of {branch.name} removed", "UPDATE branch SET trigger = NULL WHERE id = ?", branch.row),
            )


def _new_head(branch: rows.Branch) -> Callable[[Transaction], str]:
    def fix(tx: Transaction) -> str:
        newest = next(
            rows.commits(
                tx.db,
                "WHERE commits.repo = ? AND commits.branch = ? ORDER BY commits.id DESC LIMIT 1",
                (branch.repo, branch.name.name),
            ),
            None,
        )
        if newest is None:
            heads = upstream_heads(tx.db, branch.row)
            newest = commits.add(tx, branch.repo, branch.name, None, heads, rows.FSCK, closed=not heads)
        put_head(tx, branch.repo, branch.name, branch, newest.row)
        return f"branch {branch.name} has the head {newest.name}"

    return fix


# ------------------------------------------------------------------ commits


def _commits(store: Store, db: sqlite3.Connection) -> Iterator[Fault]:
    known = {commit.row: commit for commit in rows.commits(db, "ORDER BY commits.id")}
    for commit in known.values():
        yield from _commit(store, db, commit, known)
    for edge in db.execute("SELECT downstream, upstream FROM commit_provenance WHERE upstream >= downstream"):
        above, below = known.get(edge["upstream"]), known.get(edge["downstream"])
        if above and below:
            yield Fault(f"consistency error: commit {below.name} depends on the later commit {above.name}")


def _commit(
    store: Store, db: sqlite3.Connection, commit: rows.Commit, known: dict[int, rows.Commit]
) -> Iterator[Fault]:
    name = commit.name
    parent = known.get(commit.parent) if commit.parent is not None else None
    if parent is not None and parent.row >= commit.row:
        yield Fault(
            f"consistency error: parent commit {parent.name} and child commit {name} "
            "disagree about their parent/child relationship",
            _sql(f"commit {name} has no parent any more", "UPDATE commits SET parent = NULL WHERE id = ?", commit.row),
        )
        return
    if commit.forgotten:
        return  # it has no content to speak of
    base = parent
    while base is not None and base.error:
        base = known.get(base.parent) if base.parent is not None else None
    if commit.finished is not None and commit.finishing is None:
        yield Fault(
            f"consistency error: commit {name} is finished, but was never finishing",
            _sql(
                f"commit {name} is finishing since it is finished",
                "UPDATE commits SET finishing = finished WHERE id = ?",
                commit.row,
            ),
        )
    settled = base is None or base.finished is not None
    if commit.finished is None:
        if commit.finishing is not None and settled:
            yield Fault(f"consistency error: commit {name} was left finishing", _complete(commit.row))
        elif settled and commit.base != (base.root if base else None):
            yield Fault(f"consistency error: commit {name} is built on an older content of its parent", _rebase(commit))
    elif not commit.error:
        size = contents.size(commit.root)
        if size != commit.size:
            yield Fault(
                f"consistency error: commit {name} holds {size} bytes, but says {commit.size}",
                _sql(f"size of commit {name} set", "UPDATE commits SET size = ? WHERE id = ?", size, commit.row),
            )


def _complete(row: int) -> Callable[[Transaction], str]:
    def fix(tx: Transaction) -> str:
        commits.complete(tx, row)
        return f"commit {rows.commit_by_row(tx.db, row).name} is finished"

    return fix


def _rebase(commit: rows.Commit) -> Callable[[Transaction], str]:
    def fix(tx: Transaction) -> str:
        contents.rebase(tx, commit)
        return f"commit {commit.name} is built on its parent's content"

    return fix
