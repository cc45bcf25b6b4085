"""The datums of a job that is under way, or that was ended before it was through: what readers see of them."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator
from typing import Any

from workshop.pachd.model import META, USER
from workshop.pachd.pfs import rows
from workshop.pachd.pps import datums
from workshop.pachd.pps.content import Content
from workshop.pachd.pps.datums import Record
from workshop.pachd.pps.records import JOB_COLUMNS, Job, JobState, job_of
from workshop.pachd.store.maps import Maps


def root(db: sqlite3.Connection, job: Job) -> bytes | None:
    """The datum map that readers see: the job's own; as long as it has none, that of the job that it builds on."""
    if job.datums is not None or job.state == JobState.SUCCESS:
        return job.datums
    before = _before(db, job)
    return before.datums if before is not None else None


def get(db: sqlite3.Connection, maps: Maps, job: Job, identity: bytes) -> Record | None:
    """One datum of a job."""
    done = {} if job.terminal else datums.done(db, job.row)
    if identity in done:
        return datums.decode(done[identity])
    return datums.get(maps, root(db, job), identity)


def items(
    db: sqlite3.Connection, maps: Maps, job: Job, start: bytes = b"", stop: bytes | None = None, reverse: bool = False
) -> Iterator[tuple[bytes, Record]]:
    """(id, record) of a job's datums in the order of ids; `start` included, `stop` not."""
    before = datums.items(maps, root(db, job), start, stop, reverse)
    done = {} if job.terminal else datums.done(db, job.row)
    if not done:
        return before
    wanted = sorted((i for i in done if i >= start and (stop is None or i < stop)), reverse=reverse)
    here = ((identity, datums.decode(done[identity])) for identity in wanted)
    rest = ((identity, record) for identity, record in before if identity not in done)
    return heapq.merge(here, rest, key=lambda item: item[0], reverse=reverse)


def keep(tx: Any, job: Job) -> None:
    """Let a job that is killed keep what its datums have done so far: their records, and what they wrote."""
    done = datums.done(tx.db, job.row)
    output = rows.find_commit(tx.db, job.commit(USER))
    if not done or output is None or output.finishing is not None:
        return
    content, maps = Content(tx.store), tx.store.maps(tx.db)
    old = root(tx.db, job)
    edits = content.edits()
    compact = {}
    for identity, data in done.items():
        before, record = datums.get(maps, old, identity), datums.decode(data)
        if before is not None:
            content.take_out(tx.db, edits, identity, before)
        content.put_in(tx.db, edits, identity, record)
        compact[identity] = content.compact(tx.db, record, data)
    content.write(tx, output, output.root, edits)
    tx.db.execute("UPDATE job SET datums = ? WHERE id = ?", (datums.update(maps, old, compact), job.row))
    datums.forget_done(tx.db, job.row)


def _before(db: sqlite3.Connection, job: Job) -> Job | None:
    """The job of the commit that a job's meta commit builds on: the nearest before it that has no error."""
    commit = rows.find_commit(db, job.commit(META))
    while commit is not None and commit.parent is not None:
        commit = rows.commit_by_row(db, commit.parent)
        if commit.origin == rows.AUTO and not commit.error:
            found = db.execute(
                f"SELECT {JOB_COLUMNS} FROM job WHERE project = ? AND pipeline = ? AND set_id = ?",
                (job.name.pipeline.project, job.name.pipeline.name, commit.id),
            ).fetchone()
            return job_of(found) if found is not None else None
    return None
