"""Rows of projects, repos, branches and commits as Pachyderm's Info messages, as wire bytes where many are listed."""

from __future__ import annotations

import sqlite3
from typing import Any

from workshop.pachd.pfs import branches, commits, contents, repos, rows
from workshop.pachd.wire import encode
from workshop.pachd.wire.schema import pfs_v2


def project_info(project: rows.Project) -> Any:
    info = pfs_v2.ProjectInfo(
        project=pfs_v2.Project(name=project.name), description=project.description, metadata=project.metadata
    )
    info.created_at.FromNanoseconds(project.created)
    return info


def repo_info(db: sqlite3.Connection, repo: rows.Repo, listed: bool) -> bytes:
    """A RepoInfo. Lists carry the size as an upper bound, an inspection in its details."""
    size = repos.size(db, repo)
    return b"".join(
        (
            encode.part(1, encode.repo(repo.name)),
            encode.time(2, repo.created),
            encode.number(3, size) if listed else encode.part(7, encode.number(1, size)),
            encode.text(4, repo.description),
            *(encode.part(5, encode.branch(name)) for name in repos.branch_names(db, repo)),
            encode.pairs(8, repo.metadata),
        )
    )


def branch_info(db: sqlite3.Connection, branch: rows.Branch, with_head: bool = True) -> bytes:
    direct = branches.direct_provenance(db, branch.row)
    never = [encode.part(1, encode.branch(up.name)) + encode.part(2, encode.number(1, 1)) for up, no in direct if no]
    return b"".join(
        (
            encode.part(1, encode.branch(branch.name)),
            _commit(rows.commit_by_row(db, branch.head), 2) if with_head else b"",
            *(encode.part(3, encode.branch(name)) for _, name in branches.walk(db, branch.row, "provenance")),
            *(encode.part(4, encode.branch(name)) for _, name in branches.walk(db, branch.row, "subvenance")),
            *(encode.part(5, encode.branch(up.name)) for up, _ in direct),
            encode.part(6, pfs_v2.Trigger(**branch.trigger).SerializeToString()) if branch.trigger else b"",
            encode.pairs(7, branch.metadata),
            encode.time(9, branch.created),
            encode.time(10, branch.updated),
            *(encode.part(11, spec) for spec in never),
        )
    )


def _commit(commit: rows.Commit, field: int) -> bytes:
    return encode.part(field, encode.commit(commit.name, commit.branch))


def commit_info(db: sqlite3.Connection, commit: rows.Commit, bound: int = 0) -> bytes:
    """A CommitInfo; `bound` is the upper bound of its size, which only lists tell."""
    parent = [rows.commit_by_row(db, commit.parent)] if commit.parent is not None else []
    details = encode.number(1, commit.size) + encode.time(2, commit.compacting) + encode.time(3, commit.validating)
    updated = commit.finished or commit.finishing or commit.started
    return b"".join(
        (
            _commit(commit, 1),
            encode.part(2, encode.number(1, commit.origin)),
            encode.text(3, commit.description),
            *(_commit(other, 4) for other in parent),
            *(_commit(other, 5) for other in commits.children(db, commit.row)),
            encode.time(6, commit.started),
            encode.time(7, commit.finishing),
            encode.time(8, commit.finished),
            encode.text(10, commit.error),
            encode.number(11, bound),
            encode.part(12, details),
            *(_commit(other, 13) for other in commits.direct_provenance(db, commit.row)),
            encode.pairs(14, commit.metadata),
            *(_commit(other, 15) for other in commits.direct_subvenance(db, commit.row)),
            encode.time(17, commit.started),
            encode.time(18, updated),
        )
    )


def size_bound(store: Any, db: sqlite3.Connection, commit: rows.Commit) -> int:
    """The size of a finished commit; of an open one, or one with an error, that of its base and of what was written."""
    if commit.finished is not None and not commit.error:
        return commit.size
    parent = rows.commit_by_row(db, commit.parent) if commit.parent is not None else None
    base, root = contents.base_of(db, parent)
    if base is not None and base.finished is None:
        return 0
    return contents.size(store, db, root) + commit.written
