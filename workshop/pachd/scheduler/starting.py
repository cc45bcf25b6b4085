"""Beginnings: of a pipeline's workers, and of a job once its inputs are there."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any

from workshop.pachd import errors
from workshop.pachd.model import META, JobName, PipelineName
from workshop.pachd.pfs import Pfs, rows
from workshop.pachd.pps import jobs, logs, metaview, pipelines
from workshop.pachd.pps.records import Job, JobState, Pipeline, PipelineState
from workshop.pachd.scheduler.plan import Inputs, inputs_of
from workshop.pachd.workers import Pool

if TYPE_CHECKING:
    from workshop.pachd.scheduler import Run, Scheduler

MOMENT = 0.05  # seconds that a job may wait for its inputs before anybody is told


def begin(scheduler: Scheduler, pipeline: Pipeline, has_work: bool) -> None:
    """A pipeline comes up: RUNNING, STANDBY without work when it scales, FAILURE when it cannot work at all."""
    pool = Pool(scheduler.shared, pipeline)
    fault = pool.fault()
    with scheduler.pfs.transaction() as tx:
        if fault:
            pipelines.set_state(tx.db, pipeline, PipelineState.FAILURE, fault)
            give_up(tx, pipeline.name)
            return
        standby = pipeline.details.get("autoscaling") and not has_work
        pipelines.set_state(tx.db, pipeline, PipelineState.STANDBY if standby else PipelineState.RUNNING)
        logs.write(tx.db, [logs.Line(pipeline.name, text, tx.now, master=True) for text in _words(pool, pipeline)])


def give_up(tx: Any, name: PipelineName) -> None:
    """Stop the jobs of a pipeline if it has failed: nobody will ever run them."""
    found = pipelines.find(tx.db, name)
    if found is not None and found.state == PipelineState.FAILURE:
        for job in jobs.unfinished(tx.db, name):
            jobs.stop(tx, job.name)


def _words(pool: Pool, pipeline: Pipeline) -> list[str]:
    image = pool.transform.get("image", "")
    texts = [f"version {pipeline.version} is up with {len(pool.workers)} workers"]
    if pool.contained:
        texts.append(f"user code runs in containers of image {image}")
    elif pool.image is None:
        texts.append(f"image {image} is not in docker/images.json: user code runs with this machine's own programs")
    return texts


def short(scheduler: Scheduler, known: dict[PipelineName, Pipeline]) -> bool:
    """Whether pipelines have more workers to start than processes stand ready: these are not kept for calm hours."""
    spares = scheduler.shared.spares
    started = sum(1 for pool in scheduler.pools.values() for _ in pool.open_workers())
    wanted = sum(pipeline.parallelism for pipeline in known.values()) - started
    return spares is not None and spares.standing < min(wanted, spares.number)


class Waiting:
    """Jobs whose inputs are not finished. After a moment they are STARTING; most have begun by then."""

    def __init__(self, pfs: Pfs) -> None:
        self._pfs = pfs
        self._since: dict[JobName, float] = {}

    def add(self, job: JobName) -> None:
        self._since.setdefault(job, time.monotonic())

    def drop(self, job: JobName) -> None:
        self._since.pop(job, None)

    def due(self) -> float | None:
        """When there is something to write down (monotonic seconds)."""
        return min(self._since.values()) + MOMENT if self._since else None

    def tick(self) -> None:
        """Write down that all of them wait, if one has done so for long enough."""
        due = self.due()
        if due is None or time.monotonic() < due:
            return
        names, self._since = list(self._since), {}
        with self._pfs.transaction() as tx:
            for job in (jobs.find(tx.db, name) for name in names):
                if job is not None and job.state == JobState.CREATED:
                    jobs.set_state(tx, job, JobState.STARTING)


def inputs(scheduler: Scheduler, pipeline: Pipeline, row: Any) -> tuple[Job, Pipeline, Inputs] | None:
    """A job, its version of the pipeline and its inputs, once these are finished; before that it waits (STARTING).

    A job whose inputs failed is over at once: UNRUNNABLE.
    """
    name = JobName(PipelineName(row["project"], row["pipeline"]), row["set_id"])
    if row["waits"]:
        if row["state"] == JobState.CREATED:
            scheduler.waiting.add(name)
        return None
    scheduler.waiting.drop(name)
    with scheduler.store.database.read() as db:
        job = jobs.find(db, name)
        if job is None or job.terminal:
            return None
        version = pipelines.find(db, name.pipeline, job.version) or pipeline
        output = rows.find_commit(db, job.commit())
        found = inputs_of(db, version, output) if output is not None else None
    if found is None:
        with scheduler.pfs.transaction() as tx:
            jobs.finish(tx, job, JobState.KILLED, "output commit missing")
        return None
    if found.unfinished():
        return None
    failed = found.failed()
    if failed:
        reason = f"unrunnable because the following upstream pipelines failed: {', '.join(failed)}"
        with scheduler.pfs.transaction() as tx:
            jobs.finish(tx, job, JobState.UNRUNNABLE, reason)
        return None
    for commit in found.commits.values():
        if commit.name.repo.type == META and commit.root is None and not commit.forgotten:
            metaview.prepare(scheduler.pfs, commit)
            return inputs(scheduler, pipeline, row)
    return job, version, found


def ready(scheduler: Scheduler, pipeline: Pipeline, row: Any) -> bool:
    """Whether the inputs of a job are finished."""
    name = JobName(pipeline.name, row["set_id"])
    with scheduler.store.database.read() as db:
        job = jobs.find(db, name)
        output = rows.find_commit(db, job.commit()) if job is not None else None
        return output is not None and not inputs_of(db, pipeline, output).unfinished()


def cannot_start(scheduler: Scheduler, name: PipelineName, run: Run, why: str) -> None:
    """Its worker does not come up however often it is tried: the pipeline is CRASHING, the job fails with the cause."""
    with scheduler.pfs.transaction() as tx:
        pipelines.set_state(tx.db, run.pipeline, PipelineState.CRASHING, f"worker cannot be started: {why}")
    scheduler.faults.fail(JobName(name, run.key), f"worker cannot be started: {why}")


def secret_values(db: sqlite3.Connection, pool: Pool, wanted: list[dict[str, Any]], secrets: Any) -> dict[str, str]:
    """The variables that secrets set; those with a mount path are written to files below it."""
    env = {}
    for entry in wanted:
        try:
            secret = secrets.get(db, entry.get("name", ""))
        except errors.PachydermError:
            continue  # checked when the pipeline was made, deleted since
        if entry.get("envVar"):
            env[entry["envVar"]] = secret.data.get(entry.get("key", ""), b"").decode("utf-8", "replace")
        if entry.get("mountPath"):
            pool.add_secret(entry["mountPath"], secret.data)
    return env
