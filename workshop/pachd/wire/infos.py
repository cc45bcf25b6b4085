"""Rows of projects, repos, branches and commits as Pachyderm's Info messages, as wire bytes where many are listed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from workshop.pachd.model import CommitHandle, CommitName
from workshop.pachd.pfs import branches, contents, repos, rows
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


# the fields of a CommitInfo that name its relatives
_RELATIVES = {"parent": 4, "child": 5, "provenance": 13, "subvenance": 15}


def commit_infos(db: sqlite3.Connection, found: list[rows.Commit], bounds: list[int] | None = None) -> list[bytes]:
    """CommitInfos. `bounds`: the upper bounds of their sizes, which only lists tell.

    The relatives of all (parent, children, direct provenance and subvenance) come in one query.
    """
    relatives: dict[int, list[bytes]] = {commit.row: [] for commit in found}
    for kind, of, id, branch, *repo in rows.relatives(db, list(relatives)):
        relatives[of].append(encode.part(_RELATIVES[kind], encode.commit_of(id, branch, *repo)))
    return [
        b"".join(_commit_fields(commit, relatives[commit.row], bound))
        for commit, bound in zip(found, bounds or [0] * len(found), strict=True)
    ]


def _commit_fields(commit: rows.Commit, relatives: list[bytes], bound: int) -> Iterator[bytes]:
    yield _commit(commit, 1)
    yield encode.part(2, encode.number(1, commit.origin))
    if commit.description:
        yield encode.text(3, commit.description)
    yield from relatives
    yield encode.time(6, commit.started)
    yield encode.time(7, commit.finishing)
    yield encode.time(8, commit.finished)
    if commit.error:
        yield encode.text(10, commit.error)
    yield encode.number(11, bound)
    yield _details(commit.size, commit.compacting, commit.validating)
    if commit.metadata:
        yield encode.pairs(14, commit.metadata)
    yield encode.time(17, commit.started)
    yield encode.time(18, commit.finished or commit.finishing or commit.started)


@lru_cache(1024)
def _details(size: int, compacting: int | None, validating: int | None) -> bytes:
    return encode.part(12, encode.number(1, size) + encode.time(2, compacting) + encode.time(3, validating))


def commit_info(db: sqlite3.Connection, commit: rows.Commit) -> bytes:
    return commit_infos(db, [commit])[0]


def file_set_info(handle: CommitHandle) -> bytes:
    """What is said of a file set read as a commit, whether there is one or not: that it has always been finished."""
    commit = encode.commit(CommitName(handle.repo, handle.id), handle.branch)
    return encode.part(1, commit) + encode.text(3, "FileSet - Virtual Commit") + encode.part(8, b"")


def size_bound(store: Any, db: sqlite3.Connection, commit: rows.Commit) -> int:
    """The size of a finished commit; of an open one, or one with an error, that of its base and of what was written."""
    if commit.finished is not None and not commit.error:
        return commit.size
    parent = rows.commit_by_row(db, commit.parent) if commit.parent is not None else None
    base, root = contents.base_of(db, parent)
    if base is not None and base.finished is None:
        return 0
    return contents.size(root) + commit.written
