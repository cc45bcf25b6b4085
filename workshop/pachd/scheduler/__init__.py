"""The one thread that decides: which job is next, who works on what, when a pipeline runs, sleeps or has failed.

It reads rows, acts, and writes rows; after a crash the same decisions follow from the same rows. It waits for three
things: a committed write (somebody changed the store), an event of a sandbox, and the clock.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from workshop.pachd import containers, runner
from workshop.pachd.model import PipelineName
from workshop.pachd.pfs import Pfs
from workshop.pachd.pps import jobs, pipelines, secrets
from workshop.pachd.pps.content import Content
from workshop.pachd.pps.records import Job, JobState, Pipeline, PipelineState
from workshop.pachd.runner import SandboxLost
from workshop.pachd.scheduler import idle, starting
from workshop.pachd.scheduler.crons import Crons
from workshop.pachd.scheduler.egress import Egress
from workshop.pachd.scheduler.faults import Faults
from workshop.pachd.scheduler.jobrun import JobRun
from workshop.pachd.scheduler.services import Service
from workshop.pachd.workers import Pool, Surroundings, Worker

log = logging.getLogger(__name__)

IDLE = 60.0  # seconds after which a worker without work gives its process back
STUMBLED = 0.25  # seconds until the next try when the store takes no writes
CALM = 0.5  # seconds without anything to do after which spare processes are started
TRANSFORM, SPOUT, SERVICE = 1, 2, 3
Run = JobRun | Service


class Scheduler:
    """Start it once the daemon's port is known; `stop` ends all workers and returns when they are gone."""

    def __init__(self, pfs: Pfs, shared: Surroundings) -> None:
        self.pfs, self.store, self.shared = pfs, pfs.store, shared
        self.content = Content(self.store)
        self.runs: dict[PipelineName, Run] = {}
        self.pools: dict[PipelineName, Pool] = {}
        self.crons = Crons(self)
        self.egresses = Egress(self)
        self.faults = Faults(self)
        self.waiting = starting.Waiting(pfs)
        self.inbox: list[Callable[[], None]] = []  # what other threads want done on this one
        self.errors: dict[PipelineName, str] = {}
        self._known: dict[PipelineName, Pipeline] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._seen = -1
        self._calm_at = 0.0  # when it is time to make ready for what may come
        self._stopping = False
        self._thread = threading.Thread(target=self._main, name="scheduler", daemon=True)
        self.store.changes.listeners.append(self.wake)

    # ---------------------------------------------------------------- the thread

    def start(self) -> None:
        shutil.rmtree(self.shared.folder, ignore_errors=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self.wake()
        if self._thread.is_alive():
            self._thread.join(10)

    def wake(self) -> None:
        """Have the thread look around (from any thread)."""
        with contextlib.suppress(BlockingIOError):  # it is being woken already
            os.write(self._wake_writer, b".")

    def ask(self, action: Callable[[], None]) -> None:
        """Have something done on the scheduler's thread."""
        self.inbox.append(action)
        self.wake()

    def _main(self) -> None:
        if self.shared.isolation.engine is None:
            self.shared.isolation = runner.probe()
        else:
            self.shared.isolation.engine.sweep(containers.STATE, str(self.store.folder.absolute()))
        log.info("workers have %s", self.shared.isolation.describe())
        self.shared.spares = runner.Spares(self.store.folder / "sandbox.log")
        self._take_up()
        while not self._stopping:
            try:
                self._turn()
            except Exception:
                log.exception("the scheduler stumbled and goes on")
                time.sleep(STUMBLED)
        for pool in list(self.pools.values()):
            self._close_pool(pool)
        self.shared.spares.close()

    def _turn(self) -> None:
        while self.inbox:
            self.inbox.pop(0)()
        self.faults.settle()
        if self._seen != self.store.changes.count:
            self._seen = self.store.changes.count
            self._calm_at = time.monotonic() + CALM
            self._look()
        busy = False
        for run in list(self.runs.values()):
            busy = bool(self.faults.contain(run.pipeline.name, run.key, run.step)) or busy
            self.faults.contain(run.pipeline.name, run.key, run.note)
        timers = [run.next_note() for run in self.runs.values()]
        timers += [self.crons.next_time(), self.waiting.due(), self._calm_at]
        due = min((when for when in timers if when is not None), default=time.monotonic() + IDLE / 2)
        changed = self._seen != self.store.changes.count or bool(self.inbox) or self.faults.waiting
        if not changed and (time.monotonic() >= self._calm_at or starting.short(self, self._known)):
            self._prepare()
            due = min(due, self._calm_at)
        wait = 0.0 if busy or changed else min(IDLE / 2, max(0.0, due - time.monotonic()))
        for key, _ in self._selector.select(wait):
            if key.fd == self._wake_reader:
                self._drain()
            else:
                self._hear(key.data)
        self.crons.tick()
        self.waiting.tick()
        self._let_go()

    def _prepare(self) -> None:
        """Have a process ready for the next worker, while nothing else is to be done."""
        more = not self.runs and self._known and self.shared.spares is not None and self.shared.spares.refill()
        self._calm_at = time.monotonic() + (0 if more else CALM if self.runs else IDLE / 2)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_reader, 65536)

    # ---------------------------------------------------------------- what the rows say

    def _take_up(self) -> None:
        """Jobs found running were interrupted: they start again, and say so."""
        with self.pfs.transaction() as tx:
            for job in jobs.unfinished(tx.db):
                if job.state in (JobState.RUNNING, JobState.EGRESSING):
                    jobs.count_restart(tx, job)

    def _look(self) -> None:
        """Compare what is running with what the rows say should be."""
        with self.store.database.read() as db:
            current = {pipeline.name: pipeline for pipeline in pipelines.listing(db)}
            waiting: dict[PipelineName, list[Any]] = {}
            for row in jobs.unfinished_rows(db):
                waiting.setdefault(PipelineName(row["project"], row["pipeline"]), []).append(row)
        for name, run in list(self.runs.items()):
            if run.job is not None and all(row["set_id"] != run.key for row in waiting.get(name, ())):
                run.cancel()
        for name in [name for name in self.pools if name not in current or not _runs(current[name])]:
            self._drop(name)
        for name, pipeline in current.items():
            if self._known.get(name) != pipeline or pipeline.state == PipelineState.STARTING:
                self._changed(pipeline, bool(waiting.get(name)))
        self._known = current
        ended: set[PipelineName] = set()
        for name, rows in waiting.items():
            if name in current and name not in ended and _runs(current[name]):
                advance = partial(self._advance, current[name], rows)
                ended.update(self.faults.contain(name, rows[0]["set_id"], advance) or ())
            elif name in current and current[name].state == PipelineState.FAILURE:
                with self.pfs.transaction() as tx:
                    starting.give_up(tx, name)
        self._settle(current, waiting)

    def _changed(self, pipeline: Pipeline, has_work: bool) -> None:
        """A pipeline is new, updated, started or stopped."""
        pool = self.pools.get(pipeline.name)
        if pool is not None and pool.spec_commit != pipeline.spec_commit:
            self._drop(pipeline.name)
        self.crons.watch(pipeline)
        if pipeline.state == PipelineState.STARTING and not pipeline.stopped:
            starting.begin(self, pipeline, has_work)
        if pipeline.type == SPOUT and _runs(pipeline) and pipeline.name not in self.runs:
            self.runs[pipeline.name] = Service(self, self.pool(pipeline), pipeline, None, None)

    def _settle(self, current: dict[PipelineName, Pipeline], waiting: dict[PipelineName, list[Any]]) -> None:
        """Autoscaling: a pipeline without work stands by, with work it runs."""
        for name, pipeline in current.items():
            if not pipeline.details.get("autoscaling") or pipeline.stopped:
                continue
            wanted = PipelineState.RUNNING if waiting.get(name) else PipelineState.STANDBY
            if pipeline.state in (PipelineState.RUNNING, PipelineState.STANDBY) and pipeline.state != wanted:
                with self.pfs.transaction() as tx:
                    pipelines.set_state(tx.db, pipeline, wanted)
                if wanted == PipelineState.STANDBY and name in self.pools:
                    self._drop(name)

    def _advance(self, pipeline: Pipeline, rows: list[Any]) -> Iterable[PipelineName]:
        """See to the oldest job of a pipeline; a service's next job ends the one before.

        The pipelines whose oldest job was ended at once.
        """
        run = self.runs.get(pipeline.name)
        if isinstance(run, Service):
            if len(rows) > 1 and rows[0]["set_id"] == run.key and starting.ready(self, pipeline, rows[1]):
                run.finish()
        elif self.has_turn(pipeline):
            return self._begin(pipeline, rows[0])
        return ()

    def has_turn(self, pipeline: Pipeline) -> bool:
        """Whether the oldest job of a pipeline may begin: nothing else of it is going on."""
        return _runs(pipeline) and pipeline.name not in self.runs and not self.egresses.has(pipeline.name)

    def _begin(self, pipeline: Pipeline, row: Any) -> Iterable[PipelineName]:
        found = starting.inputs(self, pipeline, row)
        if found is None:
            return ()
        job, version, inputs = found
        if ended := idle.end(self, version, job, inputs):
            return ended
        pool = self.pool(version)
        if version.type == SERVICE:
            self.runs[pipeline.name] = Service(self, pool, version, job, inputs)
        elif job.state == JobState.EGRESSING:
            self.egresses.start(version, job)
        else:
            self.runs[pipeline.name] = JobRun(self, pool, version, job, inputs)
        return ()

    # ---------------------------------------------------------------- pools

    def pool(self, pipeline: Pipeline) -> Pool:
        pool = self.pools.get(pipeline.name)
        if pool is None or pool.spec_commit != pipeline.spec_commit:
            if pool is not None:
                self._close_pool(pool)
            pool = self.pools[pipeline.name] = Pool(self.shared, pipeline)
        return pool

    def settings(self, pool: Pool, pipeline: Pipeline) -> dict[str, Any]:
        """What all datums of a pipeline have in common; secrets are read anew for each job."""
        wanted = pipeline.details.get("transform", {}).get("secrets", [])
        with self.store.database.read() as db:
            found = starting.secret_values(db, pool, wanted, secrets)
        return pool.settings(found, pipeline.details, pipeline.spec_commit)

    def _drop(self, name: PipelineName) -> None:
        """A pipeline goes, or its version does: so do its workers and what they do."""
        run = self.runs.get(name)
        if run is not None:
            run.cancel()
        pool = self.pools.pop(name, None)
        if pool is not None:
            self._close_pool(pool)
        self.errors.pop(name, None)

    def _close_pool(self, pool: Pool) -> None:
        for worker in pool.open_workers():
            self._unregister(worker)
        pool.close()

    def _let_go(self) -> None:
        """Close the processes of workers that have been idle for a while, and of those that do not come up."""
        now = time.monotonic()
        for name, pool in list(self.pools.items()):
            for worker in list(pool.open_workers()):
                if worker.sandbox is not None and worker.sandbox.late():
                    self._lost(worker, self.runs.get(name), "the worker's sandbox does not come up")
                elif name not in self.runs and now - worker.used_at > IDLE:
                    self._unregister(worker)
                    worker.close()

    # ---------------------------------------------------------------- workers

    def give(self, run: Run, worker: Worker, datums: list[tuple[int, Any, Any]], last: bool = False) -> None:
        """Send datums of a run to a worker; when it turns out to be gone, another try follows.

        Behind the `last` of a set a batching process has to make room for another.
        """
        fresh = worker.sandbox is None
        try:
            worker.give(run.key, run.common, datums, last)
        except (SandboxLost, OSError) as error:
            for datum in datums:
                worker.waiting.setdefault(datum[0], 0)
            self._lost(worker, run, str(error))
            return
        if fresh and worker.sandbox is not None:
            self._selector.register(worker.sandbox, selectors.EVENT_READ, worker)
            worker.sandbox.blocked = partial(self._await_room, worker)
            self._await_room(worker)

    def _await_room(self, worker: Worker) -> None:
        """Write the rest of a command that is longer than a pipe holds as soon as the sandbox has read so far."""
        assert worker.sandbox is not None
        with contextlib.suppress(KeyError):  # it is being watched already
            self._selector.register(worker.sandbox.writable, selectors.EVENT_WRITE, worker)

    def _hear(self, worker: Worker) -> None:
        if worker.sandbox is None:
            return
        run = self.runs.get(worker.pool.name)
        try:
            if not worker.sandbox.flush():
                with contextlib.suppress(KeyError):
                    self._selector.unregister(worker.sandbox.writable)
            events = worker.sandbox.receive()
        except (SandboxLost, OSError, ValueError) as error:
            self._lost(worker, run, str(error))
            return
        for event in events:
            kind = event[0]
            if kind == "rows":
                if run is not None:
                    run.chunks_stored(event[1])
            elif kind == "pack":
                worker.take_new_pack()
            elif kind in ("started", "log", "files", "done") and run is not None and event[1] == run.key:
                if kind == "started":
                    worker.current = (event[2], time.time_ns())
                    continue
                if kind == "done":
                    worker.waiting.pop(event[2], None)
                    worker.current = None
                    worker.starts = 0
                    worker.used_at = time.monotonic()
                self.faults.contain(run.pipeline.name, run.key, partial(run.event, worker, event))

    def _lost(self, worker: Worker, run: Run | None, why: str) -> None:
        """A sandbox is gone. Its datums are run again, unless it never comes up."""
        log.warning("worker %s is gone: %s", worker.name, why)
        self.errors[worker.pool.name] = why
        self._unregister(worker)
        waiting = dict(worker.waiting)
        worker.close(lost=True)
        worker.waiting = waiting
        if run is not None:
            run.lost(worker, why)
        worker.waiting = {}
        if run is not None and not run.over:
            if worker.starts > 5:
                starting.cannot_start(self, worker.pool.name, run, why)
            else:
                with self.pfs.transaction() as tx:
                    if run.job is not None:
                        jobs.count_restart(tx, run.job)

    def _unregister(self, worker: Worker) -> None:
        if worker.sandbox is not None:
            for end in (worker.sandbox, worker.sandbox.writable):
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(end)

    def stop_work(self, run: Run, worker: Worker) -> None:
        worker.stop_job(run.key)

    def left(self, run: Run) -> None:
        """A run is over."""
        name = run.pipeline.name
        if self.runs.get(name) is run:
            del self.runs[name]
        for worker in run.pool.workers:
            if worker.pool.batching:
                worker.stop_job(run.key)
            worker.jobs.discard(run.key)
        self._seen = -1

    # ---------------------------------------------------------------- asked by other threads

    def restart_datum(self, job: Job, filters: list[str]) -> bool:
        """Run the datums again that workers are at and whose files match all filters; whether there were any."""
        run = self.runs.get(job.name.pipeline)
        if run is None or run.key != job.name.id:
            return False
        found = [w for w in run.pool.workers if w.current is not None and run.matches(w.current[0], filters)]
        for worker in found:
            current = worker.current
            if current is not None:
                self.ask(partial(self._restart, worker, run.key, current[0]))
        return bool(found)

    def _restart(self, worker: Worker, key: str, index: int) -> None:
        if worker.sandbox is not None:
            try:
                worker.sandbox.send(("restart", key, index))
            except SandboxLost as error:
                self._lost(worker, self.runs.get(worker.pool.name), str(error))


def _runs(pipeline: Pipeline) -> bool:
    return not pipeline.stopped and pipeline.state not in (PipelineState.FAILURE, PipelineState.PAUSED)
