"""Repos, branches and commits as they are stored: one dataclass for a row of each, and how to find them by name."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from workshop.pachd import errors
from workshop.pachd.model import BranchName, CommitName, RepoName

UNKNOWN, USER, AUTO, FSCK = range(4)  # pfs_v2.OriginKind

_NAME = re.compile(r"[a-zA-Z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Project:
    row: int
    name: str
    description: str
    metadata: dict[str, str]
    created: int


@dataclass(frozen=True, slots=True)
class Repo:
    row: int
    name: RepoName
    description: str
    metadata: dict[str, str]
    created: int


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch; `head` is a commit's row, `trigger` is pfs_v2.Trigger as a JSON object."""

    row: int
    repo: int
    name: BranchName
    head: int
    trigger: dict[str, Any] | None
    metadata: dict[str, str]
    created: int
    updated: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit. `root` names its content; `base` is the content that it was built on, that of its parent."""

    row: int
    repo: int
    name: CommitName
    branch: str
    parent: int | None
    origin: int
    started: int
    finishing: int | None = None
    finished: int | None = None
    error: str = ""
    description: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    root: bytes | None = None
    base: bytes | None = None
    written: int = 0
    size: int = 0
    compacting: int | None = None
    validating: int | None = None
    forgotten: int = 0

    @property
    def id(self) -> str:
        return self.name.id

    @property
    def branch_name(self) -> BranchName:
        return BranchName(self.name.repo, self.branch)


def check_name(name: str) -> None:
    """Refuse what no repo, branch, project or pipeline may be called."""
    if not _NAME.fullmatch(name):
        raise errors.PachydermError(
            f"name ({name}) invalid: only alphanumeric characters, underscores, and dashes are allowed"
        )


# ------------------------------------------------------------------ rows to values


def _repo_name(row: sqlite3.Row) -> RepoName:
    return RepoName(row["repo_project"], row["repo_name"], row["repo_type"])


def project_of(row: sqlite3.Row) -> Project:
    return Project(row["id"], row["name"], row["description"], json.loads(row["metadata"]), row["created"])


def repo_of(row: sqlite3.Row) -> Repo:
    name = RepoName(row["project"], row["name"], row["type"])
    return Repo(row["id"], name, row["description"], json.loads(row["metadata"]), row["created"])


def branch_of(row: sqlite3.Row) -> Branch:
    return Branch(
        row["id"],
        row["repo"],
        BranchName(_repo_name(row), row["name"]),
        row["head"],
        json.loads(row["trigger"]) if row["trigger"] else None,
        json.loads(row["metadata"]),
        row["created"],
        row["updated"],
    )


_COMMIT = (
    *("id", "repo", "branch", "parent", "origin", "started", "finishing", "finished", "error", "description"),
    *("metadata", "root", "base", "written", "size", "compacting", "validating", "forgotten", "set_id"),
)


def commit_of(row: sqlite3.Row) -> Commit:
    """A commit from a row of `COMMITS`: by position, because commits are read by the hundred."""
    identity, repo, branch, parent, origin, started, finishing, finished, error, description = row[:10]
    metadata, root, base, written, size, compacting, validating, forgotten, set_id, *named = row[10:]
    return Commit(
        *(identity, repo, CommitName(_named(*named), set_id), branch, parent, origin),
        *(started, finishing, finished, error, description),
        json.loads(metadata) if metadata != "{}" else {},
        *(root, base, written, size, compacting, validating, forgotten),
    )


@lru_cache(4096)
def _named(project: str, name: str, type: str) -> RepoName:
    return RepoName(project, name, type)


# the columns of an edge to follow: to, and from
WALK = {"provenance": ("upstream", "downstream"), "subvenance": ("downstream", "upstream")}

_NAMED = "repo.project AS repo_project, repo.name AS repo_name, repo.type AS repo_type"
_COLUMNS = ", ".join(f"commits.{column}" for column in _COMMIT)
COMMITS = f"SELECT {_COLUMNS}, {_NAMED} FROM commits JOIN repo ON repo.id = commits.repo"
BRANCHES = f"SELECT branch.*, {_NAMED} FROM branch JOIN repo ON repo.id = branch.repo"


def commits(db: sqlite3.Connection, rest: str, values: Iterable[Any] = ()) -> Iterator[Commit]:
    """Commits by the rest of a SELECT over the tables commits and repo."""
    return map(commit_of, db.execute(f"{COMMITS} {rest}", tuple(values)))


def branches(db: sqlite3.Connection, rest: str, values: Iterable[Any] = ()) -> Iterator[Branch]:
    """Branches by the rest of a SELECT over the tables branch and repo."""
    return map(branch_of, db.execute(f"{BRANCHES} {rest}", tuple(values)))


# ------------------------------------------------------------------ by name or row


def find_project(db: sqlite3.Connection, name: str) -> Project | None:
    row = db.execute("SELECT * FROM project WHERE name = ?", (name,)).fetchone()
    return project_of(row) if row else None


def find_repo(db: sqlite3.Connection, name: RepoName) -> Repo | None:
    row = db.execute(
        "SELECT * FROM repo WHERE project = ? AND name = ? AND type = ?", (name.project, name.name, name.type)
    ).fetchone()
    return repo_of(row) if row else None


def repo(db: sqlite3.Connection, name: RepoName) -> Repo:
    """The repo of that name; refused when there is none."""
    found = find_repo(db, name)
    if found is None:
        raise errors.NotFound(f"repo {name} not found")
    return found


def find_branch(db: sqlite3.Connection, name: BranchName) -> Branch | None:
    return next(
        branches(
            db,
            "WHERE repo.project = ? AND repo.name = ? AND repo.type = ? AND branch.name = ?",
            (name.repo.project, name.repo.name, name.repo.type, name.name),
        ),
        None,
    )


def branch(db: sqlite3.Connection, name: BranchName) -> Branch:
    """The branch of that name; refused when there is none, or no such repo."""
    found = find_branch(db, name)
    if found is None:
        raise errors.NotFound(f'branch "{name.name}" not found in repo {name.repo}')
    return found


def branch_by_row(db: sqlite3.Connection, row: int) -> Branch:
    return next(branches(db, "WHERE branch.id = ?", (row,)))


def commit_by_row(db: sqlite3.Connection, row: int) -> Commit:
    return next(commits(db, "WHERE commits.id = ?", (row,)))


def find_commit(db: sqlite3.Connection, name: CommitName) -> Commit | None:
    return next(
        commits(
            db,
            "WHERE commits.set_id = ? AND repo.project = ? AND repo.name = ? AND repo.type = ?",
            (name.id, name.repo.project, name.repo.name, name.repo.type),
        ),
        None,
    )


_RELATIVES = """
    SELECT kind, of, set_id, branch, repo.project, repo.name, repo.type FROM (
        SELECT 'parent' AS kind, commits.id AS of, parent AS other FROM commits
            WHERE parent IS NOT NULL AND commits.id IN (SELECT value FROM json_each(:rows))
        UNION ALL SELECT 'child', parent, id FROM commits WHERE parent IN (SELECT value FROM json_each(:rows))
        UNION ALL SELECT 'provenance', downstream, upstream FROM commit_provenance
            WHERE downstream IN (SELECT value FROM json_each(:rows))
        UNION ALL SELECT 'subvenance', upstream, downstream FROM commit_provenance
            WHERE upstream IN (SELECT value FROM json_each(:rows))
    ) JOIN commits ON commits.id = other JOIN repo ON repo.id = commits.repo ORDER BY other
"""


def relatives(db: sqlite3.Connection, commits: list[int]) -> Iterator[tuple[str, int, str, str, str, str, str]]:
    """(kind, row of one of `commits`, and its relative's id, branch, project, repo and type), in one query."""
    cursor = db.cursor()
    cursor.row_factory = None
    yield from cursor.execute(_RELATIVES, {"rows": json.dumps(commits)})
