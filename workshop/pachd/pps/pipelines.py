"""Pipelines by name: found, inspected with ancestry, listed with history, moved from state to state."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Iterator

from workshop.pachd import ids
from workshop.pachd.errors import NotFound, PachydermError
from workshop.pachd.model import SPEC, CommitHandle, PipelineName
from workshop.pachd.pfs import commits, rows
from workshop.pachd.pps.records import PIPELINE_COLUMNS, Pipeline, PipelineState, pipeline_of

_SELECT = f"SELECT {PIPELINE_COLUMNS} FROM pipeline"
_NAMED = "project = ? AND name = ?"


# ---------------------------------------------------------------- by name
def find(db: sqlite3.Connection, name: PipelineName, version: int | None = None) -> Pipeline | None:
    """A pipeline's current version, or the given one."""
    which, values = ("current = 1", ()) if version is None else ("version = ?", (version,))
    row = db.execute(f"{_SELECT} WHERE {_NAMED} AND {which}", (name.project, name.name, *values)).fetchone()
    return None if row is None else pipeline_of(row)


def get(db: sqlite3.Connection, name: PipelineName, version: int | None = None) -> Pipeline:
    """As `find`; a NotFound with the plain text when there is none."""
    found = find(db, name, version)
    if found is None:
        raise NotFound(f'pipeline "{name}" not found')
    return found


def of_spec_commit(db: sqlite3.Connection, name: PipelineName, set_id: str) -> Pipeline | None:
    """The version that a spec commit stands for."""
    row = db.execute(
        f"{_SELECT} WHERE {_NAMED} AND spec_commit = ? ORDER BY version LIMIT 1", (name.project, name.name, set_id)
    ).fetchone()
    return None if row is None else pipeline_of(row)


_SEPARATOR = re.compile(r"[\^~.]")


def split_ancestry(text: str) -> tuple[str, int]:
    """A name and how many versions back from it: `p^2` -> (`p`, 2), `p^^` -> (`p`, 2), `p.1` -> (`p`, -1)."""
    match = _SEPARATOR.search(text)
    if match is None:
        return text, 0
    name, mark, rest = text[: match.start()], match[0], text[match.end() :]
    if re.fullmatch(r"[+-]?\d+", rest):
        return name, -int(rest) if mark == "." else int(rest)
    other = next((character for character in rest if character != mark), None)
    if other is not None:
        raise PachydermError(f'invalid ancestry syntax "{text}", cannot mix {mark} and {other} characters')
    back = len(rest) + 1
    return name, -back if mark == "." else back


def plain(name: PipelineName) -> PipelineName:
    """A pipeline's name without the ancestry that it may carry."""
    return PipelineName(name.project, split_ancestry(name.name)[0])


def inspect(db: sqlite3.Connection, name: PipelineName) -> Pipeline:
    """A pipeline by a name that may carry ancestry (`p^` is the version before the current one)."""
    base, back = split_ancestry(name.name)
    if back < 0:
        raise PachydermError("cannot inspect future pipelines")
    name = PipelineName(name.project, base)
    found = find(db, name)
    if found is None:
        raise not_inspected(db, name)
    if not back:
        return found
    if found.version - back < 1:
        raise PachydermError(f'pipeline "{name}" has only {found.version} versions, not enough to find ancestor {back}')
    return get(db, name, found.version - back)


def not_inspected(db: sqlite3.Connection, name: PipelineName) -> NotFound:
    """The refusal of a pipeline that is not there, in all the lines that a real pachd writes."""
    text = f'pipeline was not inspected: couldn\'t find up to date spec for pipeline "{name}": pick commit tx: '
    if rows.find_project(db, name.project) is None:
        return NotFound(
            f'{text}picking commit: picking branch: picking repo: picking project: project "{name.project}" not found'
        )
    repo = name.repo(SPEC)
    return NotFound(f'{text}commit {repo}@ not found\nrepo {repo} not found\npipeline "{name}" not found')


# ---------------------------------------------------------------- listed
def listing(
    db: sqlite3.Connection,
    name: PipelineName | None = None,
    history: int = 0,
    projects: frozenset[str] = frozenset(),
) -> Iterator[Pipeline]:
    """Versions of pipelines, newest first, those of one transaction by name: the current ones and `history` before
    each (negative: all).
    """
    conditions: list[str] = ["1"]
    values: list[str] = []
    if name is not None:
        get(db, name)
        conditions.append(_NAMED)
        values += [name.project, name.name]
    if projects:
        conditions.append(f"project IN ({', '.join('?' * len(projects))})")
        values += sorted(projects)
    if history == 0:
        conditions.append("current = 1")
    found = db.execute(f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY id DESC", values)
    newest: dict[PipelineName, int] = {}
    for _, together in itertools.groupby(map(pipeline_of, found), key=lambda pipeline: pipeline.created):
        for pipeline in sorted(together, key=lambda pipeline: (pipeline.name.project, pipeline.name.name)):
            if history <= 0 or newest.setdefault(pipeline.name, pipeline.version) - pipeline.version <= history:
                yield pipeline


def at_commit_set(db: sqlite3.Connection, name: PipelineName, set_id: str) -> Pipeline | None:
    """The version that was in force at a commit set: the one whose spec commit its output commit stands on."""
    try:
        return of_spec_commit(db, name, commits.resolve(db, CommitHandle(name.repo(SPEC), id=set_id)).id)
    except NotFound:
        return None


# ---------------------------------------------------------------- from state to state
def set_state(db: sqlite3.Connection, pipeline: Pipeline, state: PipelineState, reason: str = "") -> bool:
    """Move a version of a pipeline to a state; False when it has been updated, stopped or deleted meanwhile."""
    changed = db.execute(
        "UPDATE pipeline SET state = ?, reason = ? WHERE id = ? AND current = 1 AND (stopped = 0 OR ? = 5)",
        (state, reason, pipeline.row, state),
    )
    return changed.rowcount == 1


def set_stopped(db: sqlite3.Connection, name: PipelineName, stopped: bool) -> None:
    """Note that a user stopped or started a pipeline; workers are let go and taken on by whoever runs them.

    One that has failed has failed, stopped or not: an update helps it.
    """
    whose, values = f"WHERE {_NAMED} AND current = 1", (name.project, name.name)
    db.execute(f"UPDATE pipeline SET stopped = ?, updated = ? {whose}", (stopped, ids.now(), *values))
    state = PipelineState.PAUSED if stopped else PipelineState.STARTING
    unless_failed = f"AND state <> {int(PipelineState.FAILURE)}"
    db.execute(f"UPDATE pipeline SET state = ?, reason = '' {whose} {unless_failed}", (state, *values))
