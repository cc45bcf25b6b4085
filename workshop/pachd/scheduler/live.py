"""What the wire may know of workers, and ask of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workshop.pachd.pps.live import Live, WorkerStatus
from workshop.pachd.pps.records import Job, Pipeline, PipelineState
from workshop.pachd.scheduler.jobrun import JobRun

if TYPE_CHECKING:
    from workshop.pachd.scheduler import Scheduler


class Workers(Live):
    """The scheduler's answers. Called from any thread: it reads what may be changing, and changes nothing itself."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def workers_available(self, pipeline: Pipeline) -> int:
        running = pipeline.state == PipelineState.RUNNING and not pipeline.stopped
        return pipeline.parallelism if running else 0

    def worker_status(self, job: Job) -> list[WorkerStatus]:
        run = self._scheduler.runs.get(job.name.pipeline)
        if not isinstance(run, JobRun) or run.key != job.name.id:
            return []
        found = []
        for worker in run.pool.workers:
            current = worker.current
            task = run.tasks.get(current[0]) if current is not None else None
            if current is None or task is None:
                continue
            files = [(file.path, file.hash) for file in task.datum]
            found.append(WorkerStatus(worker.name, job.name.id, task.id.hex(), current[1], len(run.results), files))
        return found

    def recent_error(self, pipeline: Pipeline) -> str:
        return self._scheduler.errors.get(pipeline.name, "")

    def restart_datum(self, job: Job, filters: list[str]) -> bool:
        """Run again what workers are at and what matches all filters; whether there was anything.

        A datum that is about to be started is waited for, for a moment.
        """
        for _ in range(20):
            if self._scheduler.restart_datum(job, filters):
                return True
            if job.name.pipeline not in self._scheduler.runs:
                return False
            time.sleep(0.02)
        return False
