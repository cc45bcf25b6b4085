"""Jobs that have nothing to do: ended at once, all that follow from each other in one transaction."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workshop.pachd.model import META, JobName, PipelineName
from workshop.pachd.pfs import rows
from workshop.pachd.pps import datums as records
from workshop.pachd.pps import jobs, pipelines
from workshop.pachd.pps.records import Job, JobState, Pipeline
from workshop.pachd.scheduler import output
from workshop.pachd.scheduler.plan import Inputs, Plan, Planner, inputs_of
from workshop.pachd.scheduler.results import Results

if TYPE_CHECKING:
    from workshop.pachd.scheduler import Scheduler

log = logging.getLogger(__name__)


def end(scheduler: Scheduler, pipeline: Pipeline, job: Job, inputs: Inputs) -> list[PipelineName]:
    """End a job whose inputs are those of its base, and the jobs of its set that are in the same case then.

    The pipelines whose jobs were ended; none when this job has to be looked at closely.
    """
    with scheduler.store.database.read() as db:
        if _plan(scheduler, db, pipeline, job, inputs) is None:
            return []
    try:
        return _end_in_turn(scheduler, job.name.id, None)
    except Exception:  # of a job behind it: each has its own turn, so that the fault hits the one whose it is
        log.exception("the jobs of commit set %s are ended one by one", job.name.id)
        return _end_in_turn(scheduler, job.name.id, job.name)


def _end_in_turn(scheduler: Scheduler, set_id: str, only: JobName | None) -> list[PipelineName]:
    ended = []
    with scheduler.pfs.transaction() as tx:
        for job, pipeline in _in_turn(scheduler, tx.db, set_id):
            commit = rows.find_commit(tx.db, job.commit())
            inputs = inputs_of(tx.db, pipeline, commit) if commit is not None else None
            if inputs is None or inputs.unfinished() or inputs.failed() or only not in (None, job.name):
                continue
            plan = _plan(scheduler, tx.db, pipeline, job, inputs)
            if plan is not None:
                _end(scheduler, tx, job, plan)
                scheduler.waiting.drop(job.name)
                ended.append(job.name.pipeline)
    return ended


def _in_turn(scheduler: Scheduler, db: sqlite3.Connection, set_id: str) -> list[tuple[Job, Pipeline]]:
    """The jobs of a set that are the next of their pipelines, upstream first, with their versions of these."""
    oldest: dict[PipelineName, Job] = {}
    for job in jobs.unfinished(db):
        oldest.setdefault(job.name.pipeline, job)
    found = []
    for name, job in oldest.items():
        current = pipelines.find(db, name)
        if job.name.id == set_id and current is not None and scheduler.has_turn(current):
            found.append((job, pipelines.find(db, name, job.version) or current))
    return found


def _plan(scheduler: Scheduler, db: sqlite3.Connection, pipeline: Pipeline, job: Job, inputs: Inputs) -> Plan | None:
    """The plan of a job that only has to repeat its base's output; None when it may have more to do."""
    special = pipeline.type != 1 or pipeline.details.get("egress") or job.state == JobState.EGRESSING
    if special or any(commit.name.repo.type == META for commit in inputs.commits.values()):
        return None
    planner = Planner(scheduler.content, db, pipeline, job, inputs)
    return planner.plan if planner.same() else None


def _end(scheduler: Scheduler, tx: Any, job: Job, plan: Plan) -> None:
    jobs.set_state(tx, job, JobState.RUNNING)
    nothing = Results()
    output.write(tx, scheduler.content, job, plan.base, nothing, ())
    jobs.set_counters(tx, job, nothing.counters(plan.same, plan.total), asdict(nothing.stats))
    records.forget_done(tx.db, job.row)
    records.set_plan(tx.db, job.row, plan.key)
    jobs.finish(tx, job, JobState.SUCCESS)
