"""Services and spouts: user code that runs on. A service has a job and its inputs; a spout has neither."""

from __future__ import annotations

import json
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workshop.pachd.pps import jobs
from workshop.pachd.pps.records import Job, JobState, Pipeline
from workshop.pachd.scheduler.forms import by_name, variables
from workshop.pachd.scheduler.journal import Journal
from workshop.pachd.scheduler.plan import Inputs, Planner
from workshop.pachd.workers import Pool, Worker

if TYPE_CHECKING:
    from workshop.pachd.scheduler import Scheduler
    from workshop.pachd.store.blobs import Row

PAUSE = 10.0  # seconds before a spout that failed is started again; doubled up to a minute
TRIES = 4  # of a service's user code, whatever its specification says


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
        if found is None:
            self.say("services must have a single datum: user code is not run")
        else:
            self.scheduler.give(self, self.pool.workers[0], [(0, *found)])
        if self.job is not None and self.job.state != JobState.RUNNING:
            with self.scheduler.pfs.transaction() as tx:
                jobs.set_state(tx, self.job, JobState.RUNNING, starts=False)
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
        tries = 1 if self.job is None else TRIES
        return {**common, "late_env": late, "tries": tries, "timeout": None, "keep_output": False, "batching": False}

    def _inputs(self) -> tuple[dict[str, str], list[Any]] | None:
        """The variables and the files of the job's one datum; None when it has none or several."""
        if self.job is None or self.inputs is None:
            return {}, []
        content = self.scheduler.content
        with self.scheduler.store.database.read() as db:
            planner = Planner(content, db, self.pipeline, self.job, self.inputs)
            for _ in planner.steps():
                pass
            if len(planner.plan.new) != 1:
                return None
            (task,) = planner.plan.new
            self.files = [(file.path, file.hash) for file in task.datum]
            laid = iter(content.lay_out(db, list(task.datum)))
            return variables(task.id, task.datum, self.inputs), by_name(task.datum, laid)

    def event(self, worker: Worker, event: tuple[Any, ...]) -> None:
        if event[0] == "log":
            _, _, _, when, texts = event
            data = json.dumps([(path, hash.hex()) for path, hash in self.files]) if self.files else ""
            self.journal.user(worker.name, texts, when, "", data, master=True)  # as a real one: both marks
        elif event[0] == "done":
            what = "spout" if self.job is None else "service"
            again = f": it is started again in {self.pause:g} s" if self.job is None and event[5] else ""
            self.say(f"user code of the {what} ended ({event[5] or 'exit status 0'}){again}")
            if again:
                self._again()

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
