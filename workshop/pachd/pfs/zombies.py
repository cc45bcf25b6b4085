"""Zombie data: files in an output commit from datums that are none of its job's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workshop.pachd import errors
from workshop.pachd.model import META, BranchName, RepoName
from workshop.pachd.pfs import ancestry, commits, rows
from workshop.pachd.pfs.rows import Commit

if TYPE_CHECKING:
    from workshop.pachd.store import Store


def find(store: Store, db: sqlite3.Connection, commit: Commit) -> Iterator[str]:
    """A line for each file of an output commit whose datum its job does not have."""
    repo = commit.name.repo
    job = db.execute(
        "SELECT datums FROM job WHERE project = ? AND pipeline = ? AND set_id = ?",
        (repo.project, repo.name, commit.id),
    ).fetchone()
    if job is None:
        meta = RepoName(repo.project, repo.name, META)
        missing = f"commit {meta}@{commit.id}" if rows.find_repo(db, meta) else f"repo {meta}"
        raise errors.NotFound(f"{missing} not found")
    maps = store.maps(db)
    for entry in store.trees(db).walk(commits.content(db, commit)):
        if not entry.is_directory and entry.tag and maps.get(job["datums"], _identity(entry.tag)) is None:
            yield f"stale datum {entry.tag} had file {entry.path}"


def _identity(tag: str) -> bytes:
    try:
        return bytes.fromhex(tag)
    except ValueError:
        return b""  # no datum has it


def newest_outputs(db: sqlite3.Connection) -> Iterator[Commit]:
    """Of each pipeline's output the newest commit on master that is finished and has no error."""
    query = "SELECT project, name FROM repo WHERE type = 'meta' ORDER BY project, name"
    for row in db.execute(query).fetchall():
        branch = rows.find_branch(db, BranchName(RepoName(row["project"], row["name"]), "master"))
        if branch is None:
            continue
        line = ancestry.line(db, rows.commit_by_row(db, branch.head))
        found = next((commit for commit in line if commit.finished is not None and not commit.error), None)
        if found is not None:
            yield found
