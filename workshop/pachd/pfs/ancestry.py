"""Which commit a request means: ids, branches, ancestors (`b^2`, `id~`), the n-th of a branch (`b.1`), aliases."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

from workshop.pachd import errors, ids
from workshop.pachd.model import BranchName, CommitHandle, CommitName, RepoName
from workshop.pachd.pfs import rows
from workshop.pachd.pfs.rows import Commit

_SUFFIX = re.compile(r"(?:\.(?P<nth>\d{1,18}))?(?:(?P<carets>\^+|~+)|[\^~](?P<back>\d{1,18}))?")
_ID = re.compile(r"[0-9a-fA-F]{12}4[0-9a-fA-F]{19}")
_UINT32 = (1 << 32) - 1  # offsets are that wide: `b.0`, one before the first, is one past all there could be

UP = """
    WITH RECURSIVE up(id, depth) AS (
        SELECT id, 0 FROM commits WHERE id = :start
        UNION ALL
        SELECT commits.parent, depth + 1 FROM up JOIN commits ON commits.id = up.id WHERE commits.parent IS NOT NULL)
"""


def resolve(db: sqlite3.Connection, handle: CommitHandle) -> Commit:
    """The commit that a request means; refused with the text that names what is missing.

    An id that this repo has no commit of means the commit of this repo in the provenance of that id's set.
    """
    try:
        if not handle.id and not handle.branch:
            raise errors.PachydermError("cannot pick commit with no ID or branch")
        return _pick(db, handle, handle.branch * (not handle.id or handle.id[0] in ".^~") + handle.id)
    except errors.NotFound as error:
        alias = _alias(db, handle.repo, handle.id)
        if alias is None:
            wrapping = "" if error.full != error.text else f"commit {handle.repo}@{handle.id} not found\n"
            raise error.within(f"pick commit tx: {wrapping}") from None
        return alias
    except errors.PachydermError as error:
        raise error.wrapped("pick commit tx: ") from None


def written_to(handle: CommitHandle) -> tuple[str, str]:
    """The branch that a write is meant for, and the id of the commit, as far as a request names each."""
    if handle.has_branch and not handle.branch and not ids.is_id(handle.id):
        return handle.id, ""
    return handle.branch, handle.id


def _pick(db: sqlite3.Connection, handle: CommitHandle, text: str) -> Commit:
    at = re.search(r"[\^~.]", text)
    base, suffix = (text[: at.start()], text[at.start() :]) if at else (text, "")
    match = _SUFFIX.fullmatch(suffix)
    if match is None:
        raise errors.PachydermError(f"calculate offset {handle}: count offset and clean: invalid ancestry format")
    steps = int(match["back"] or len(match["carets"] or ""))
    if match["nth"] is not None:
        if _ID.fullmatch(base):
            raise errors.PachydermError(
                f"unmarshal branch picker {handle}: invalid branch picker: name refers to a commit, not a branch"
            )
        offset = int(match["nth"]) - 1
        if steps > offset and steps:
            raise errors.PachydermError(f"calculate offset {handle}: there should be less ancestors than descendants")
        return from_root(db, _head(db, handle, base), (offset - steps) & _UINT32)
    start = _by_id(db, handle, base.lower()) if _ID.fullmatch(base) else _head(db, handle, base)
    return back(db, start, steps)


def _by_id(db: sqlite3.Connection, handle: CommitHandle, id: str) -> Commit:
    found = rows.find_commit(db, CommitName(handle.repo, id))
    if found is None:
        _look_for(db, handle.repo, "picking commit: ")
        raise errors.NotFound(f"commit {handle} not found")
    return found


def _head(db: sqlite3.Connection, handle: CommitHandle, branch: str) -> Commit:
    found = rows.find_branch(db, BranchName(handle.repo, branch))
    if found is None:
        _look_for(db, handle.repo, "picking commit: picking branch: ")
        raise errors.NotFound(f'branch "{handle.branch or branch}" not found in repo {handle.repo}')
    return rows.commit_by_row(db, found.head)


def _look_for(db: sqlite3.Connection, name: RepoName, wrapping: str) -> None:
    if rows.find_project(db, name.project) is None:
        text = f'project "{name.project}" not found'
        raise errors.NotFound(text, f"{wrapping}picking repo: picking project: {text}")
    rows.repo(db, name)


def back(db: sqlite3.Connection, start: Commit, count: int) -> Commit:
    if not count:
        return start
    query = UP + "SELECT id, depth FROM up ORDER BY depth DESC LIMIT 1"
    limit = min(count, 1 << 40)
    found = db.execute(
        query.replace("IS NOT NULL)", "IS NOT NULL AND depth < :limit)"), {"start": start.row, "limit": limit}
    ).fetchone()
    if found["depth"] < count:
        raise errors.PachydermError(
            f"picking commit: invalid offset for ancestor of commit: {_key(start)}, "
            f"offset requested: {count}, offset traversable: {found['depth']}"
        )
    return rows.commit_by_row(db, found["id"])


def from_root(db: sqlite3.Connection, head: Commit, offset: int) -> Commit:
    """The commit so many steps after the first of the line that ends at `head`; one step past the head is it too."""
    deepest = db.execute(UP + "SELECT max(depth) AS depth FROM up", {"start": head.row}).fetchone()["depth"]
    if deepest + 1 < offset:
        raise errors.PachydermError(
            f"picking commit: invalid offset from branch root for head commit: {_key(head)}, "
            f"offset: {offset}, maximum depth: {deepest + 1}"
        )
    return back(db, head, max(0, deepest - offset))


def _key(commit: Commit) -> str:
    repo = commit.name.repo
    return f"{repo.project}/{repo.name}.{repo.type}@{commit.id}"


def _alias(db: sqlite3.Connection, repo: RepoName, id: str) -> Commit | None:
    return next((commit for commit in set_provenance(db, id) if commit.name.repo == repo), None)


def set_provenance(db: sqlite3.Connection, set_id: str) -> Iterator[Commit]:
    """The commits of other sets that the members of a set depend on, transitively."""
    return rows.commits(
        db,
        """WHERE commits.set_id != :set AND commits.id IN (
            WITH RECURSIVE up(id) AS (
                SELECT upstream FROM commit_provenance JOIN commits ON commits.id = downstream WHERE set_id = :set
                UNION
                SELECT upstream FROM up JOIN commit_provenance ON downstream = up.id)
            SELECT id FROM up) ORDER BY commits.id""".replace(":set", "?"),
        (set_id, set_id),
    )


def line(db: sqlite3.Connection, start: Commit) -> Iterator[Commit]:
    """A commit, its parent, its parent's parent, and so on."""
    commit: Commit | None = start
    while commit is not None:
        yield commit
        commit = rows.commit_by_row(db, commit.parent) if commit.parent is not None else None
