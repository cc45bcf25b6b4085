"""One job from its start to its end: plan, hand datums to workers, gather results, write output and verdict.

Everything that becomes visible does so in one transaction at the end; while a long job runs, datums that are over are
noted from time to time, so that counters move and a restart of the daemon goes on where it stopped.
"""

from __future__ import annotations

import json
import logging
import time
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from workshop.pachd import ids
from workshop.pachd.pps import datums as records
from workshop.pachd.pps import jobs
from workshop.pachd.pps.datums import DatumState, Record, Stats
from workshop.pachd.pps.records import Counters, Job, JobState, Pipeline
from workshop.pachd.scheduler import output
from workshop.pachd.scheduler.forms import by_name, input_file, variables
from workshop.pachd.scheduler.journal import Deposits, Journal
from workshop.pachd.scheduler.plan import Inputs, Plan, Planner, Task
from workshop.pachd.scheduler.results import Results
from workshop.pachd.scheduler.sharing import better_chunk, set_numbers, shares
from workshop.pachd.workers import Pool, Worker

if TYPE_CHECKING:
    from workshop.pachd.scheduler import Scheduler
    from workshop.pachd.store.blobs import Row

log = logging.getLogger(__name__)

NOTE_EVERY = 0.4  # seconds between two notes of a running job's progress
STATES = {
    "success": DatumState.SUCCESS,
    "failed": DatumState.FAILED,
    "recovered": DatumState.RECOVERED,
    "redeemed": DatumState.RECOVERED,
}
GOOD = ("success", "redeemed")


class JobRun:
    """A job that is being worked on."""

    def __init__(self, scheduler: Scheduler, pool: Pool, pipeline: Pipeline, job: Job, inputs: Inputs) -> None:
        self.scheduler, self.pool, self.pipeline, self.job, self.inputs = scheduler, pool, pipeline, job, inputs
        self.content = scheduler.content
        self.key = job.name.id
        self.over = False
        self.plan: Plan | None = None
        self.phase = 0
        self.queue: deque[Task] = deque()
        self.running: dict[int, Task] = {}
        self.tasks: dict[int, Task] = {}
        self.set_sizes: Counter[int] = Counter()
        self.sets: dict[int, list[bytes]] = {}  # number of a datum set -> its datums that are over, until all are
        self.streams: dict[tuple[int, int], list[records.Output]] = {}  # (index, try) -> files that came ahead
        self.results = Results()  # of this job, all phases
        self.fresh: list[bytes] = []  # results not noted yet
        self.journal = Journal(job.name.pipeline, job.name.id)
        self.deposits = Deposits(scheduler.store)
        self.failed: bytes | None = None
        self.last_words: list[str] = []  # that the first failed datum printed
        self.seen_running = job.state == JobState.RUNNING
        self.noted_at = time.monotonic()
        self.begun_at = time.time_ns()
        self._steps: Iterator[None] | None = self._planning()
        timeout = pipeline.details.get("jobTimeout")
        self.deadline: float | None = None
        if timeout:
            started = (job.started or self.begun_at) / 1e9
            self.deadline = time.monotonic() + started + float(timeout.rstrip("s")) - time.time()

    # ---------------------------------------------------------------- planning

    def step(self) -> bool:
        """Do a slice of planning, or hand out datums; whether there is more to do at once."""
        if self.over:
            return False
        if self._steps is not None:
            try:
                next(self._steps)
                return True
            except StopIteration:
                self._steps = None
                return False
        self._dispatch()
        return False

    def _planning(self) -> Iterator[None]:
        with ExitStack() as stack:
            db = stack.enter_context(self.scheduler.store.database.read())
            planner = Planner(self.content, db, self.pipeline, self.job, self.inputs)
            yield from planner.steps()
            before = records.done(db, self.job.row) if self.job.restart or self.seen_running else {}
        self.plan = plan = planner.plan
        self.tasks = {task.index: task for task in (*plan.new, *plan.changed)}
        by_id = {task.id: task for task in self.tasks.values()}
        for identity, data in before.items():
            record = records.decode(data)
            if identity in by_id and record.hash == by_id[identity].hash and record.state != DatumState.FAILED:
                self.results.add(identity, record)
        self._next_phase()

    # ---------------------------------------------------------------- phases

    def _next_phase(self) -> None:
        """First the datums that are new; when none of them failed those that changed; then the end."""
        plan = self.plan
        assert plan is not None
        while not self.over and not self.queue and not self.running:
            if self.failed is not None or self.phase == 2:
                return self._end()
            self.phase += 1
            tasks = plan.new if self.phase == 1 else plan.changed
            self._enqueue([task for task in tasks if task.id not in self.results])
            tasks.clear()
        begins = bool(self.queue) and not self.seen_running and not self.over
        self._dispatch()  # the workers begin while it is written down that they do
        if begins:
            self.seen_running = True
            self.journal.say(f"started processing {len(self.tasks)} datums, {plan.same} are unchanged")
            with self.scheduler.pfs.transaction() as tx:
                jobs.set_state(tx, self.job, JobState.RUNNING)
                jobs.set_counters(tx, self.job, self._counters(0))
        return None

    def _enqueue(self, tasks: list[Task]) -> None:
        sizes = [sum(file.size for file in task.datum) for task in tasks]
        for task, number in zip(tasks, set_numbers(sizes, self.pipeline.details.get("datumSetSpec", {})), strict=True):
            task.set = number
        self.set_sizes = Counter(task.set for task in tasks)
        self.queue.extend(tasks)

    def _counters(self, skipped: int) -> Counters:
        """The counters; a datum counts when its whole set is over."""
        assert self.plan is not None
        early = [identity for some in self.sets.values() for identity in some]
        return self.results.counters(skipped, self.plan.total, early)

    # ---------------------------------------------------------------- handing out

    def _dispatch(self) -> None:
        """Keep every worker of the pool busy."""
        workers = self.pool.workers
        if self.pool.batching and self.queue and self.queue[0].set:
            for worker in workers:
                if self.queue and not worker.waiting:
                    ahead = takewhile(lambda task: task.set == self.queue[0].set, self.queue)
                    self._give(worker, len(list(ahead)), last=True)
            return
        sent = shares(len(self.queue), [(len(worker.waiting), worker.chunk) for worker in workers])
        for worker, number in zip(workers, sent, strict=True):
            if number and self.queue:
                self._give(worker, number)

    def _give(self, worker: Worker, number: int, last: bool = False) -> None:
        tasks = [self.queue.popleft() for _ in range(min(number, len(self.queue)))]
        with self.scheduler.store.database.read() as db:
            laid = iter(self.content.lay_out(db, [file for task in tasks for file in task.datum]))
            prepared = [
                (task.index, variables(task.id, task.datum, self.inputs), by_name(task.datum, laid)) for task in tasks
            ]
        for task in tasks:
            self.running[task.index] = task
        self.scheduler.give(self, worker, prepared, last)

    @cached_property
    def common(self) -> dict[str, Any]:
        """What the datums of this job have in common."""
        late = {
            "PACH_JOB_ID": self.job.name.id,
            "PACH_OUTPUT_COMMIT_ID": self.job.name.id,
            **({} if self.pool.batching else {"FILESET_ID": ids.new_id()}),
            "PACH_IN_WORKER": "true",
            "PACH_NAMESPACE": "default",
            "PACH_ROOT": "/pach",
        }
        return {**self.scheduler.settings(self.pool, self.pipeline), "late_env": late}

    # ---------------------------------------------------------------- what workers say

    def event(self, worker: Worker, event: tuple[Any, ...]) -> None:
        """One event of a sandbox that concerns this job."""
        kind = event[0]
        if kind == "log":
            _, _, index, when, texts = event
            task = self.tasks.get(index)
            datum, data = (task.id.hex(), self.data_of(task)) if task is not None else ("", "")
            self.journal.user(worker.name, texts, when, datum, data)
        elif kind == "files":
            _, _, index, number, files = event
            self.streams.setdefault((index, number), []).extend(self._outputs(index, files))
        elif kind == "done":
            self._done(worker, event)

    def _done(self, worker: Worker, event: tuple[Any, ...]) -> None:
        _, _, index, state, number, reason, size_in, size_out, laid, ran, collected, files = event
        task = self.running.pop(index, None)
        if task is None:
            return
        outputs = self.streams.pop((index, number), []) + self._outputs(index, files)
        del self.tasks[index]
        for stale in [key for key in self.streams if key[0] == index]:
            del self.streams[stale]
        if not self.pool.batching:
            how = "finished" if state in GOOD else "errored"
            what = f"{how} running user code after {_seconds(ran)}" + (f": {reason}" if reason else "")
            self._say_of(worker, task, what)
        record = Record(
            task.hash,
            STATES[state],
            self.job.name.id,
            task.index,
            Stats(laid, ran, collected, size_in, size_out),
            [input_file(file, self.inputs, self.content) for file in task.datum],
            outputs,
            None,
            reason if state == "failed" else "",
        )
        self.results.add(task.id, record)
        over = self.sets.setdefault(task.set, [])
        over.append(task.id)
        if not task.set or len(over) == self.set_sizes[task.set]:
            self.fresh += self.sets.pop(task.set)
        if state == "failed" and self.failed is None:
            self.failed, self.last_words = task.id, self.journal.last(task.id.hex())
        worker.chunk = better_chunk(worker.chunk, (laid + ran + collected) / 1e9)
        if not self.queue and not self.running:  # else the next turn hands out more
            self._next_phase()

    def _outputs(self, index: int, files: list[Any]) -> list[records.Output]:
        """Outputs as (path, size, chunks); what stands for an input file by its path gets that file's chunks."""
        if all(type(chunks) is list for _, _, chunks in files):
            return [(path, size, tuple(chunks)) for path, size, chunks in files]
        with self.scheduler.store.database.read() as db:
            known = {
                path: chunks for file in self.tasks[index].datum for path, _, chunks in self.content.below(db, file)
            }
        return [
            (path, size, tuple(known[chunks] if isinstance(chunks, str) else chunks)) for path, size, chunks in files
        ]

    def _why(self) -> str:
        """Why the job failed: the datum, its files, what went wrong, and the last lines that it printed."""
        assert self.failed is not None
        record = self.results[self.failed]
        files = ", ".join(f"{each.repo}@{each.commit}:{each.path}" for each in record.inputs)
        said = "".join(f"\n  | {line}" for line in self.last_words)
        return f"datum {self.failed.hex()} failed: {record.reason} ({files}){said}"

    def lost(self, worker: Worker, why: str) -> None:
        """A worker is gone: its datums are run again by whoever is there."""
        again = [self.running.pop(index) for index in list(worker.waiting) if index in self.running]
        self.queue.extendleft(reversed(again))
        self.journal.say(f"worker {worker.name} is gone ({why}): {len(again)} datums are run again")

    def chunks_stored(self, found: list[Row]) -> None:
        self.deposits.add(found)

    def _say_of(self, worker: Worker, task: Task, text: str) -> None:
        self.journal.say(text, worker.name, task.id.hex(), self.data_of(task))

    def matches(self, index: int, filters: list[str]) -> bool:
        """Whether each filter is the path or the hash of one of the datum's files."""
        task = self.tasks.get(index)
        return task is not None and all(
            any(one in (f.path, f.hash.hex(), b64encode(f.hash).decode()) for f in task.datum) for one in filters
        )

    def data_of(self, task: Task) -> str:
        return json.dumps([(file.path, file.hash.hex()) for file in task.datum])

    # ---------------------------------------------------------------- notes on the way

    def next_note(self) -> float | None:
        """When this job wants to write something down next (monotonic seconds)."""
        due = (self.journal.due(), self.noted_at + NOTE_EVERY if self.fresh else None, self.deadline)
        return min((when for when in due if when is not None), default=None)

    def note(self) -> None:
        """Write down what is due: log lines, finished datums, counters."""
        now = time.monotonic()
        if self.deadline is not None and now >= self.deadline and not self.over:
            return self.kill(" jobtimed out")
        progress = bool(self.fresh) and now >= self.noted_at + NOTE_EVERY
        lines = self.journal.due()
        if self.over or not (progress or (lines is not None and now >= lines)):
            return None
        with self.scheduler.pfs.transaction() as tx:
            self.journal.write(tx.db)
            if progress:
                self.deposits.record(tx)
                fresh = [(identity, self.results.encoded[identity]) for identity in self.fresh]
                records.keep_done(tx.db, self.job.row, fresh)
                jobs.set_counters(tx, self.job, self._counters(self._skipped()), asdict(self.results.stats))
        if progress:
            self.fresh.clear()
            self.noted_at = now
        return None

    def _skipped(self) -> int:
        return self.plan.same if self.plan is not None and self.phase == 2 else 0

    # ---------------------------------------------------------------- ends

    def _end(self) -> None:
        """Write output, datums and verdict in one transaction."""
        plan = self.plan
        assert plan is not None
        self.phase = 2 if self.failed is None else self.phase
        egress = self.pipeline.details.get("egress") if self.failed is None else None
        # What recovered is run again, so the next job has to look for it.
        key = plan.key if self.results.settled else ""
        with self.scheduler.pfs.transaction() as tx:
            job = jobs.find(tx.db, self.job.name)
            if job is None or job.terminal:
                return self._leave()
            jobs.set_state(tx, job, JobState.RUNNING)
            self.deposits.record(tx)
            output.write(tx, self.content, job, plan.base, self.results, plan.gone if self.phase == 2 else ())
            jobs.set_counters(tx, job, self._counters(self._skipped()), asdict(self.results.stats))
            records.forget_done(tx.db, job.row)
            if egress:
                jobs.set_state(tx, job, JobState.EGRESSING)
            elif self.failed is not None:
                self.journal.say(self._why())
                jobs.finish(tx, job, JobState.FAILURE, f"datum {self.failed.hex()} failed")
            else:
                records.set_plan(tx.db, job.row, key)
                jobs.finish(tx, job, JobState.SUCCESS)
            self.journal.write(tx.db)
        self._leave()
        if egress:
            self.scheduler.egresses.start(self.pipeline, self.job, key)
        return None

    def kill(self, reason: str) -> None:
        """End the job as killed."""
        with self.scheduler.pfs.transaction() as tx:
            job = jobs.find(tx.db, self.job.name)
            if job is not None:
                jobs.finish(tx, job, JobState.KILLED, reason)
            self.journal.write(tx.db)
        self.cancel()

    def cancel(self) -> None:
        """Stop what runs for a job that somebody else ended."""
        if self.over:
            return
        for worker in self.pool.workers:
            if worker.waiting:
                self.scheduler.stop_work(self, worker)
        with self.scheduler.store.database.write() as db:
            self.journal.write(db)
            records.forget_done(db, self.job.row)
        self._leave()

    def _leave(self) -> None:
        self.over = True
        self._steps = None
        self.deposits.release()
        self.scheduler.left(self)


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.6g}s"
