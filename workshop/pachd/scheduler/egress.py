"""Egress: a finished job's output goes to a URL before the job is a success; what fails is tried until it works."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from workshop.pachd.errors import PachydermError
from workshop.pachd.model import PipelineName
from workshop.pachd.pfs import rows
from workshop.pachd.pfs.exports import target
from workshop.pachd.pps import datums as records
from workshop.pachd.pps import jobs, logs
from workshop.pachd.pps.records import Job, JobState, Pipeline

if TYPE_CHECKING:
    from workshop.pachd.scheduler import Scheduler

log = logging.getLogger(__name__)


class Egress:
    """The egresses under way, a thread for each."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self._running: dict[PipelineName, threading.Event] = {}

    def has(self, name: PipelineName) -> bool:
        return name in self._running

    def start(self, pipeline: Pipeline, job: Job, plan: str = "") -> None:
        over = self._running[pipeline.name] = threading.Event()
        threading.Thread(
            target=self._work, args=(pipeline, job, plan, over), name=f"egress {job.name}", daemon=True
        ).start()

    def _work(self, pipeline: Pipeline, job: Job, plan: str, over: threading.Event) -> None:
        document = pipeline.details.get("egress", {})
        pause = 1.0
        try:
            while not over.is_set() and self._wanted(job):
                try:
                    self._send(job, document)
                except Exception as error:  # whatever a store's client raises: it is tried again
                    self._say(job, f"error processing egress: {error}, retrying in {pause:g}s")
                    if self._sleep(job, over, pause):
                        return
                    pause = min(60.0, pause * 2)
                    continue
                with self.scheduler.pfs.transaction() as tx:
                    if plan:
                        records.set_plan(tx.db, job.row, plan)
                    jobs.finish(tx, job, JobState.SUCCESS)
                return
        finally:
            self.scheduler.ask(lambda: self._over(pipeline.name))

    def _sleep(self, job: Job, over: threading.Event, pause: float) -> bool:
        """Wait for a while; True when the job was ended meanwhile."""
        changes = self.scheduler.store.changes
        return bool(changes.wait_for(lambda: True if over.is_set() or not self._wanted(job) else None, timeout=pause))

    def _wanted(self, job: Job) -> bool:
        with self.scheduler.store.database.read() as db:
            found = jobs.find(db, job.name)
        return found is not None and not found.terminal

    def _send(self, job: Job, document: Any) -> None:
        if "sqlDatabase" in document:
            raise PachydermError(f"egress to a database ({describe(document)}) is not done here: use file:// or s3://")
        store, content = self.scheduler.store, self.scheduler.content
        with store.database.read() as db:
            commit = rows.find_commit(db, job.commit())
            files = list(content.all_files(db, commit.root)) if commit is not None else []
        if not files:
            return  # then it is no matter whether there is such a place
        put = target(describe(document))
        for path, size, chunks in files:
            put(path, size, content.pieces(size, chunks))

    def _say(self, job: Job, text: str) -> None:
        log.warning("%s: %s", job.name, text)
        line = logs.Line(job.name.pipeline, text, 0, job.name.id, master=True)
        with self.scheduler.pfs.transaction() as tx:
            line.time = tx.now
            logs.write(tx.db, [line])

    def _over(self, name: PipelineName) -> None:
        self._running.pop(name, None)
        self.scheduler._seen = -1

    def stop(self) -> None:
        for over in self._running.values():
            over.set()
        self.scheduler.store.changes.bump()


def describe(document: Any) -> str:
    """Where an egress goes, for people."""
    found = [document.get(kind, {}).get("url", "") for kind in ("objectStorage", "sqlDatabase")]
    return document.get("URL") or next(filter(None, found), "")
