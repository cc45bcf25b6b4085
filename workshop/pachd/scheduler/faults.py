"""What goes wrong within one job stays there: it fails with the fault's words, and everything else goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from workshop.pachd.errors import PachydermError
from workshop.pachd.model import JobName, PipelineName
from workshop.pachd.pps import jobs
from workshop.pachd.pps.records import JobState

if TYPE_CHECKING:
    from workshop.pachd.scheduler import Scheduler

log = logging.getLogger(__name__)
T = TypeVar("T")


class Faults:
    """The jobs that a fault has hit. One that cannot be ended now (the disk is full) is ended on a later turn."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._doomed: dict[JobName, str] = {}

    def contain(self, pipeline: PipelineName, key: str, act: Callable[[], T]) -> T | None:
        """What `act` gives; None when it fails, and then the job `key` of the pipeline is doomed."""
        try:
            return act()
        except Exception as fault:
            log.exception("job %s@%s cannot go on", pipeline, key)
            words = str(fault) if isinstance(fault, PachydermError) else f"{type(fault).__name__}: {fault}"
            self._doomed[JobName(pipeline, key)] = words
            return None

    @property
    def waiting(self) -> bool:
        """Whether there are jobs to be ended."""
        return bool(self._doomed)

    def settle(self) -> None:
        """End the jobs that are doomed."""
        for name, reason in list(self._doomed.items()):
            self.fail(name, reason)
            del self._doomed[name]

    def fail(self, name: JobName, reason: str) -> None:
        """End a job as failed, whatever else is going on."""
        with self._scheduler.pfs.transaction() as tx:
            job = jobs.find(tx.db, name)
            if job is not None and not job.terminal:
                jobs.finish(tx, job, JobState.FAILURE, reason)
        run = self._scheduler.runs.get(name.pipeline)
        if run is not None and run.key == name.id:
            run.cancel()
