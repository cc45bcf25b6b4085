"""Looking over commits: lists, subscriptions, states to wait for, and who touched a file."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workshop.pachd import errors
from workshop.pachd.model import CommitHandle, RepoName
from workshop.pachd.pfs import commits, contents, rows
from workshop.pachd.pfs.rows import Commit, Repo

if TYPE_CHECKING:
    from workshop.pachd.store import Store

STARTED, READY, FINISHING, FINISHED = 1, 2, 3, 4  # pfs_v2.CommitState


class Deleted(errors.PachydermError):
    """The commit that was waited for is gone."""


# ------------------------------------------------------------------ states


def present(db: sqlite3.Connection, commit: Commit) -> Commit:
    """The commit as it is now; refused when it is gone."""
    found = next(rows.commits(db, "WHERE commits.id = ?", (commit.row,)), None)
    if found is None:
        raise Deleted(f"commit {commit.name} was deleted")
    return found


def has_reached(db: sqlite3.Connection, commit: Commit, state: int) -> bool:
    """Whether a commit is in a state, or past it. READY: all of its direct provenance is finished."""
    if commit.finished is not None or state in (0, STARTED):
        return True
    if state == READY:
        return all(above.finished is not None for above in commits.direct_provenance(db, commit.row))
    return state == FINISHING and commit.finishing is not None


# ------------------------------------------------------------------ lists


@dataclass(frozen=True)
class Filter:
    """origin: only commits of this kind. time: only those started before it, or after it when the order is reversed."""

    origin: int | None = None
    time: int | None = None


@dataclass
class Pages:
    """The commits of a repo (all repos: None) by age, a page at a time, each of what is there when it is read."""

    repo: int | None
    reverse: bool
    last: int | None = None

    def page(self, db: sqlite3.Connection, wanted: Filter, count: int) -> list[Commit]:
        sign, order = (">", "ASC") if self.reverse else ("<", "DESC")
        where = ["commits.repo = ?"] if self.repo is not None else []
        values = [self.repo] if self.repo is not None else []
        for condition, value in (
            (f"commits.id {sign} ?", self.last),
            ("commits.origin = ?", wanted.origin),
            (f"commits.started {sign} ?", wanted.time),
        ):
            if value is not None:
                where.append(condition)
                values.append(value)
        clause = f"WHERE {' AND '.join(where)}" if where else ""
        found = list(rows.commits(db, f"{clause} ORDER BY commits.id {order} LIMIT ?", (*values, count)))
        if found:
            self.last = found[-1].row
        return found


@dataclass
class Line:
    """A commit and its ancestors, down to the one with the id `stop` (left out)."""

    at: int | None
    stop: str | None

    def page(self, db: sqlite3.Connection, wanted: Filter, count: int) -> list[Commit]:
        found: list[Commit] = []
        while self.at is not None and len(found) < count:
            commit = next(rows.commits(db, "WHERE commits.id = ?", (self.at,)), None)
            if commit is None or commit.id == self.stop:
                self.at = None
                break
            if wanted.origin in (None, commit.origin):
                found.append(commit)
            self.at = commit.parent
        return found


def listing(
    db: sqlite3.Connection, repo: RepoName, start: CommitHandle | None, to: CommitHandle | None, reverse: bool
) -> Pages | Line:
    """Which commits a ListCommit asks for: of a repo, or a line that ends at `to` and begins after `start`."""
    if any(handle is not None and handle.repo != repo for handle in (start, to)):
        raise errors.PachydermError(f"`from` and `to` commits need to be from repo {repo}")
    found: Repo | None = None
    if repo.name:
        try:
            found = rows.repo(db, repo)
        except errors.NotFound as error:
            raise error.wrapped("ensure repo exists: ") from None
    if start is not None:
        commits.resolve(db, start)
    last = commits.resolve(db, to) if to is not None else None
    if last is None:
        if start is not None:
            raise errors.PachydermError("cannot use `from` commit without `to` commit")
        return Pages(found.row if found else None, reverse)
    if reverse:
        raise errors.PachydermError("cannot use 'Reverse' while also using 'From' or 'To'")
    return Line(last.row, start.id if start else None)


def following(db: sqlite3.Connection, repo: Repo, last: int, branch: str, origin: int | None) -> Commit | None:
    """The next commit of a repo after the row `last`, made on a branch ('' = any), of an origin (None = any)."""
    if db.execute("SELECT 1 FROM repo WHERE id = ?", (repo.row,)).fetchone() is None:
        raise errors.NotFound(f"repo {repo.name} not found")
    return next(
        rows.commits(
            db,
            """WHERE commits.repo = ? AND commits.id > ? AND ? IN ('', commits.branch)
            AND coalesce(?, commits.origin) = commits.origin ORDER BY commits.id LIMIT 1""",
            (repo.row, last, branch, origin),
        ),
        None,
    )


def newest_sets(
    db: sqlite3.Connection, project: str | None, before: int | None, count: int
) -> tuple[list[str], int | None]:
    """Ids of the sets with a commit in a project (any: None), by their newest such commit; and where to go on."""
    query = """
        SELECT set_id, commits.id AS newest FROM commits JOIN repo ON repo.id = commits.repo
        WHERE coalesce(:project, repo.project) = repo.project AND commits.id < coalesce(:before, 1 << 62)
        AND NOT EXISTS (
            SELECT 1 FROM commits AS later JOIN repo AS other ON other.id = later.repo
            WHERE later.set_id = commits.set_id AND later.id > commits.id
            AND coalesce(:project, other.project) = other.project)
        ORDER BY commits.id DESC LIMIT :count"""
    found = db.execute(query, {"project": project, "before": before, "count": count}).fetchall()
    return [row["set_id"] for row in found], found[-1]["newest"] if found else before


# ------------------------------------------------------------------ files


def parent(db: sqlite3.Connection, commit: Commit) -> Commit | None:
    """The parent of a commit, as both are now."""
    found = next(rows.commits(db, "WHERE commits.id = ?", (commit.row,)), None)
    return rows.commit_by_row(db, found.parent) if found is not None and found.parent is not None else None


def touches(store: Store, db: sqlite3.Connection, commit: Commit, path: str) -> bool:
    """Whether a commit wrote or deleted the file of exactly this stored path, be it the same as before."""
    query = "SELECT 1 FROM touched WHERE commits = ? AND path = ?"
    if db.execute(query, (commit.row, path)).fetchone() is not None:
        return True
    return contents.differs(store, db, commit.base, commit.root, path)
