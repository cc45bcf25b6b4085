"""Jobs: made when an output commit is, moved from state to state, stopped, deleted, listed.

Functions take the transaction (`tx`) when they write and a connection when they read.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from workshop.pachd.errors import NotFound, PachydermError
from workshop.pachd.model import META, USER, JobName, PipelineName
from workshop.pachd.pfs import commits, rows
from workshop.pachd.pps import partial
from workshop.pachd.pps.records import JOB_COLUMNS, TERMINAL, UNFINISHED_SQL, Counters, Job, JobState, job_of

BY_USER = "for user unknown_username"  # authentication is not activated
_SELECT = f"SELECT {JOB_COLUMNS} FROM job"
_NAMED = "project = ? AND pipeline = ? AND set_id = ?"


def _key(name: JobName) -> tuple[str, str, str]:
    return name.pipeline.project, name.pipeline.name, name.id


# ---------------------------------------------------------------- reading
def find(db: sqlite3.Connection, name: JobName) -> Job | None:
    row = db.execute(f"{_SELECT} WHERE {_NAMED}", _key(name)).fetchone()
    return None if row is None else job_of(row)


def get(db: sqlite3.Connection, name: JobName) -> Job:
    job = find(db, name)
    if job is None:
        raise NotFound(f"jobs {name} not found")
    return job


def unfinished(db: sqlite3.Connection, pipeline: PipelineName | None = None) -> list[Job]:
    """The jobs that are not over (of one pipeline), oldest first."""
    where, values = f"INDEXED BY jobs_unfinished WHERE {UNFINISHED_SQL}", []
    if pipeline is not None:
        where, values = f"{where} AND project = ? AND pipeline = ?", [pipeline.project, pipeline.name]
    return [job_of(row) for row in db.execute(f"{_SELECT} {where} ORDER BY id", values)]


def unfinished_rows(db: sqlite3.Connection) -> Iterator[sqlite3.Row]:
    """What is looked at often of the jobs that are not over, oldest first: their names and states, and whether an input
    is unfinished (`waits`).
    """
    return db.execute(
        f"SELECT id, project, pipeline, set_id, state, EXISTS ("
        " SELECT 1 FROM repo r JOIN commits c ON c.repo = r.id AND c.set_id = job.set_id"
        " JOIN commit_provenance ON downstream = c.id JOIN commits u ON u.id = upstream"
        " WHERE r.project = job.project AND r.name = job.pipeline AND r.type = ? AND u.finished IS NULL) AS waits"
        f" FROM job INDEXED BY jobs_unfinished WHERE {UNFINISHED_SQL} ORDER BY id",
        (USER,),
    )


def of_pipeline(db: sqlite3.Connection, pipeline: PipelineName) -> list[Job]:
    """Every job of a pipeline, newest first."""
    where = "WHERE project = ? AND pipeline = ? ORDER BY id DESC"
    return [job_of(row) for row in db.execute(f"{_SELECT} {where}", (pipeline.project, pipeline.name))]


def of_set(db: sqlite3.Connection, set_id: str) -> list[Job]:
    """The jobs of a job set, upstream first."""
    columns = ", ".join(f"j.{column}" for column in JOB_COLUMNS.split(", "))
    found = db.execute(
        f"SELECT {columns} FROM job j LEFT JOIN repo r ON r.project = j.project AND r.name = j.pipeline AND r.type = ?"
        " LEFT JOIN commits c ON c.repo = r.id AND c.set_id = j.set_id"
        " WHERE j.set_id = ? ORDER BY c.id IS NULL, c.id, j.id",
        (USER, set_id),
    )
    return [job_of(row) for row in found]


def latest_state(db: sqlite3.Connection, pipeline: PipelineName, version: int | None = None) -> int:
    """The state of a pipeline's newest job (of a version, or an earlier one); 0 when it has none."""
    row = db.execute(
        "SELECT state FROM job WHERE project = ? AND pipeline = ? AND version <= ? ORDER BY id DESC LIMIT 1",
        (pipeline.project, pipeline.name, 2**31 if version is None else version),
    ).fetchone()
    return 0 if row is None else row["state"]


def listing(
    db: sqlite3.Connection, pipeline: PipelineName | None = None, marker: int | None = None, reverse: bool = False
) -> Iterator[Job]:
    """Jobs by creation, newest first (`reverse`: oldest first), behind a time of creation that is itself left out.

    Those of one set come by name either way.
    """
    conditions: list[str] = ["1"]
    values: list[Any] = []
    if pipeline is not None:
        conditions.append("project = ? AND pipeline = ?")
        values += [pipeline.project, pipeline.name]
    if marker is not None:
        conditions.append(f"created {'>' if reverse else '<'} ?")
        values.append(marker)
    order = "ASC" if reverse else "DESC"
    found = db.execute(f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY created {order}, id", values)
    for _, together in itertools.groupby(map(job_of, found), key=lambda job: job.name.id):
        of_set = list(together)
        yield from reversed(of_set) if reverse else of_set


# ---------------------------------------------------------------- made with commits
def create_for_set(tx: Any) -> None:
    """Make a job for each open output commit of the transaction's commit set; a hook of Pfs.at_end.

    Rows come in the order of the DAG. Times of creation differ by a nanosecond so that a list, newest first, has the
    jobs of a set by their pipelines' names, as a cluster lists them.
    """
    found = tx.db.execute(
        "SELECT r.project, r.name, p.version FROM commits c"
        " JOIN repo r ON r.id = c.repo AND r.type = ?"
        " JOIN pipeline p ON p.project = r.project AND p.name = r.name AND p.current = 1"
        " WHERE c.set_id = ? AND c.finishing IS NULL AND c.finished IS NULL"
        " AND c.branch = p.output_branch AND p.type <> 2 ORDER BY c.id",
        (USER, tx.set_id),
    ).fetchall()
    names = sorted(((row["project"], row["name"]) for row in found), reverse=True)
    for row in found:
        number = names.index((row["project"], row["name"]))
        tx.db.execute(
            "INSERT INTO job (project, pipeline, set_id, version, state, created) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (project, pipeline, set_id) DO NOTHING",
            (row["project"], row["name"], tx.set_id, row["version"], JobState.CREATED, tx.now + number),
        )


def kill_orphans(tx: Any) -> None:
    """Kill the unfinished jobs whose output commit was squashed, dropped or deleted; a hook of Pfs.at_end."""
    for commit in tx.removed:
        repo = commit.name.repo
        if repo.type == USER:
            job = find(tx.db, JobName(PipelineName(repo.project, repo.name), commit.name.id))
            if job is not None:
                finish(tx, job, JobState.KILLED, "output commit removed")


# ---------------------------------------------------------------- from state to state
def set_state(tx: Any, job: Job, state: JobState, reason: str = "", starts: bool = True) -> bool:
    """Move a job to a state, unless it is over already (then False: whoever was faster decides).

    It has started once it runs (unless `starts` is false: a service's job) and at the latest when it is over.
    """
    changed = tx.db.execute(
        "UPDATE job SET state = ?, reason = ?, started = CASE WHEN ? THEN coalesce(started, ?) ELSE started END,"
        f" finished = CASE WHEN ? THEN ? ELSE finished END WHERE id = ? AND {UNFINISHED_SQL}",
        (
            state,
            reason,
            state in TERMINAL or (starts and state == JobState.RUNNING),
            tx.now,
            state in TERMINAL,
            tx.now,
            job.row,
        ),
    )
    return changed.rowcount == 1


def set_counters(tx: Any, job: Job, counters: Counters, stats: dict[str, int] | None = None) -> None:
    """Replace a job's counters, and its statistics when given."""
    tx.db.execute(
        "UPDATE job SET data_processed = ?, data_skipped = ?, data_total = ?, data_failed = ?, data_recovered = ?"
        " WHERE id = ?",
        (counters.processed, counters.skipped, counters.total, counters.failed, counters.recovered, job.row),
    )
    if stats is not None:
        tx.db.execute("UPDATE job SET stats = ? WHERE id = ?", (json.dumps(stats), job.row))


def set_datums(tx: Any, job: Job, root: bytes | None) -> None:
    """Replace the root of a job's datum map."""
    tx.db.execute("UPDATE job SET datums = ? WHERE id = ?", (root, job.row))


def count_restart(tx: Any, job: Job) -> None:
    tx.db.execute("UPDATE job SET restart = restart + 1 WHERE id = ?", (job.row,))


def finish(tx: Any, job: Job, state: JobState, reason: str = "") -> bool:
    """End a job: finish its meta and output commits (the reason is their error unless it succeeded), set its state.

    A success whose output turns out to be invalid becomes a failure with that text. False when the job was over
    already.
    """
    fresh = find(tx.db, job.name)
    if fresh is None or fresh.terminal:
        return False
    error = "" if state == JobState.SUCCESS else reason
    if state == JobState.KILLED:
        partial.keep(tx, fresh)
    for type in (META, USER):
        found = _finish_commit(tx, job, type, error)
        if state == JobState.SUCCESS and found:
            state, reason = JobState.FAILURE, found
    return set_state(tx, job, state, reason)


def _finish_commit(tx: Any, job: Job, type: str, error: str) -> str:
    """Finish one of a job's commits, if it is there and open; the error that it ends with."""
    commit = rows.find_commit(tx.db, job.commit(type))
    if commit is None:
        return ""
    if commit.finishing is None:
        commits.finish(tx, commit, error=error, force=True)
        commit = rows.commit_by_row(tx.db, commit.row)
    return commit.error


# ---------------------------------------------------------------- stopped and deleted
def stop(tx: Any, name: JobName, reason: str = "") -> None:
    """Kill a job; one that is over stays as it is."""
    finish(tx, get(tx.db, name), JobState.KILLED, reason or "job stopped")


def stop_all(tx: Any, pipeline: PipelineName, why: str) -> None:
    """Kill every unfinished job of a pipeline."""
    for job in unfinished(tx.db, pipeline):
        finish(tx, job, JobState.KILLED, all_killed(why))


def all_killed(why: str) -> str:
    """The reason of jobs that were killed together."""
    return f"all jobs killed because pipeline was {why} {BY_USER}"


def delete(tx: Any, name: JobName) -> None:
    """Kill a job and forget it; its output stays."""
    job = get(tx.db, name)
    finish(tx, job, JobState.KILLED, "job deleted")
    tx.db.execute("DELETE FROM job WHERE id = ?", (job.row,))


def update_state(
    tx: Any,
    name: JobName,
    state: JobState,
    reason: str,
    counters: Counters,
    restart: int,
    stats: dict[str, int] | None = None,
) -> None:
    """What a worker of its own (UpdateJobState) says of a job."""
    job = get(tx.db, name)
    if job.terminal:
        raise PachydermError(f"job {name} has already finished")
    tx.db.execute("UPDATE job SET restart = ? WHERE id = ?", (restart, job.row))
    set_counters(tx, job, counters, stats)
    set_state(tx, job, state, reason)
