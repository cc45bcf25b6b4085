"""Services and spouts: user code that runs on. A service has a job and its inputs; a spout has neither."""

from __future__ import annotations

import json
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workshop.pachd.pps import jobs
from workshop.pachd.pps.records import Job, JobState, Pipeline
from workshop.pachd.scheduler.forms import located
from workshop.pachd.scheduler.journal import Journal
from workshop.pachd.scheduler.plan import Inputs, Planner
from workshop.pachd.workers import Pool, Worker

if TYPE_CHECKING:
    from workshop.pachd.scheduler import Scheduler
    from workshop.pachd.store.blobs import Row

PAUSE = 1.0  # seconds before a spout that ended is started again; doubled up to a minute


class Service:
    """One run of a service's job, or of a spout (job None)."""

    def __init__(
        self, scheduler: Scheduler, pool: Pool, pipeline: Pipeline, job: Job | None, inputs: Inputs | None
    ) -> None:
        self.scheduler, self.pool, self.pipeline, self.job, self.inputs = scheduler, pool, pipeline, job, inputs
        self.key = job.name.id if job is not None else f"spout {pipeline.version}"
        self.over = False
        self.started = False
        self.files: list[tuple[str, bytes]] = []
        self.journal = Journal(pipeline.name, job.name.id if job is not None else "spout")
        self.again_at: float | None = None
        self.pause = PAUSE

    # ---------------------------------------------------------------- as the scheduler sees it

    def step(self) -> bool:
        if self.over or self.started or (self.again_at is not None and time.monotonic() < self.again_at):
            return False
        self.started = True
        self.again_at = None
        found = self._inputs()
        self.scheduler.give(self, self.pool.workers[0], [(0, *found)])
        if self.job is not None and self.job.state != JobState.RUNNING:
            with self.scheduler.pfs.transaction() as tx:
                jobs.set_state(tx, self.job, JobState.RUNNING)
        return False

    @cached_property
    def common(self) -> dict[str, Any]:
        late = {"PACH_IN_WORKER": "true"}
        if self.job is not None:
            late |= {"PACH_JOB_ID": self.job.name.id, "PACH_OUTPUT_COMMIT_ID": self.job.name.id}
        common = self.scheduler.settings(self.pool, self.pipeline)
        if self.job is None:
            token = self.scheduler.shared.token(self.pipeline.name)
            common["env"] = {**common["env"], "PACH_TOKEN": token, "PACH_PYTHON_AUTH_TOKEN": token}
        return {**common, "late_env": late, "tries": 1, "timeout": None, "keep_output": False, "batching": False}

    def _inputs(self) -> tuple[dict[str, str], list[Any]]:
        """All files that the input names, as one datum."""
        if self.job is None or self.inputs is None:
            return {}, []
        env: dict[str, str] = {}
        found: dict[str, dict[str, Any]] = {}
        content = self.scheduler.content
        with self.scheduler.store.database.read() as db:
            planner = Planner(content, db, self.pipeline, self.job, self.inputs)
            for _ in planner.steps():
                pass
            for task in planner.plan.new:
                for file, laid in zip(task.datum, content.lay_out(db, list(task.datum)), strict=True):
                    self.files.append((file.path, file.hash))
                    env |= located(file, self.inputs)
                    found.setdefault(file.source.name, {}).update((entry[0], entry) for entry in laid)
        return env, [(name, 0, list(files.values())) for name, files in found.items()]

    def event(self, worker: Worker, event: tuple[Any, ...]) -> None:
        if event[0] == "log":
            _, _, _, when, texts = event
            data = json.dumps([(path, hash.hex()) for path, hash in self.files]) if self.files else ""
            master = self.job is not None  # as a real one does: a service's lines carry both marks
            self.journal.user(worker.name, texts, when, "", data, master)
        elif event[0] == "done" and self.job is None:
            self.say(f"user code of the spout ended ({event[5] or 'exit status 0'}): it is started again")
            self._again()
        elif event[0] == "done":
            self.say(f"user code of the service ended ({event[5] or 'exit status 0'})")

    def _again(self) -> None:
        self.started = False
        self.again_at = time.monotonic() + self.pause
        self.pause = min(60.0, self.pause * 2)

    def lost(self, worker: Worker, why: str) -> None:
        self.say(f"worker {worker.name} is gone ({why}): user code is started again")
        self._again()

    def chunks_stored(self, found: list[Row]) -> None:
        """Nothing that these write to /pfs/out is kept."""

    def say(self, text: str) -> None:
        self.journal.say(text)

    def next_note(self) -> float | None:
        return min((when for when in (self.journal.due(), self.again_at) if when is not None), default=None)

    def note(self, now: bool = False) -> None:
        due = self.journal.due()
        if due is not None and not self.over and (now or time.monotonic() >= due):
            with self.scheduler.store.database.write() as db:
                self.journal.write(db)

    def matches(self, index: int, filters: list[str]) -> bool:
        return True

    # ---------------------------------------------------------------- ends

    def finish(self) -> None:
        """The next job takes over: this one is a success, without counts."""
        with self.scheduler.pfs.transaction() as tx:
            if self.job is not None:
                jobs.finish(tx, self.job, JobState.SUCCESS)
        self.cancel()

    def cancel(self) -> None:
        if self.over:
            return
        self.note(now=True)
        self.over = True
        for worker in self.pool.workers:
            self.scheduler.stop_work(self, worker)
        self.scheduler.left(self)
