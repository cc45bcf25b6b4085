"""The loader: a plan's batches, filled by threads, in the plan's order whoever finishes first.

Each thread takes the next piece of the earliest unfinished batch and writes its samples into the slots the plan
names; so there is nothing to unbatch, to collate, to copy or to send, and the number of threads cannot change a byte.
Threads suffice because reading, decoding and resampling all let go of Python's lock: no process is forked and
/dev/shm is not used.

Batches are uint8 (batch, side, side, 3). The consumer casts, on its own device: a quarter of the bytes travel.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, NamedTuple

import numpy as np
from plan import LAST, SHUFFLES, Plan, plan_epoch
from ring import Ring
from sources import Source
from timeline import Stages, Trace


class Batch(NamedTuple):
    """images: uint8 (batch, side, side, 3); labels: int64 (batch,); samples: int32, their numbers in the index."""

    images: np.ndarray
    labels: np.ndarray
    samples: np.ndarray
    epoch: int
    number: int


@dataclass
class _Work:
    """A batch on its way."""

    number: int
    images: np.ndarray
    left: int
    error: BaseException | None = None


class Loader:
    """Iterating gives the rest of the current epoch, then the loader stands at the next epoch's start.

    state_dict() / load_state_dict() keep the place: (epoch, batch) of the next batch the consumer will get.
    """

    def __init__(
        self,
        source: Source,
        batch: int,
        *,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        threads: int = 2,
        prefetch: int = 2,
        shuffle: str = "images",
        last: str = "drop",
        reshuffle: bool = True,
        trace: Trace | None = None,
        allocate: Callable[[int], object] | None = None,
    ):
        """threads: at least 1. prefetch: batches made ahead; 0 makes each only when it is asked for.

        reshuffle: a new order each epoch; otherwise every epoch is epoch 0 over again. allocate: makes the batches'
        memory.
        """
        if threads < 1 or prefetch < 0:
            raise ValueError(f"{threads} threads and {prefetch} batches ahead make no sense; take at least 1 and 0")
        if shuffle not in SHUFFLES or last not in LAST:
            raise ValueError(f"shuffle can be {', '.join(SHUFFLES)}; last can be {', '.join(LAST)}")
        self.source, self.batch, self.threads, self.prefetch = source, batch, threads, prefetch
        self.seed, self.rank, self.world = seed, rank, world
        self.shuffle, self.last, self.reshuffle = shuffle, last, reshuffle
        self.trace = trace
        self.epoch = self.next_batch = 0
        self.ring = Ring((batch, source.side, source.side, 3), allocate)
        self._planned: tuple[int, Plan] | None = None

    def plan(self, epoch: int | None = None) -> Plan:
        """This rank's plan of an epoch (the current one)."""
        epoch = self.epoch if epoch is None else epoch
        shuffled = epoch if self.reshuffle else 0
        if self._planned is None or self._planned[0] != shuffled:
            first = self.source.index.first
            made = plan_epoch(first, self.seed, shuffled, self.batch, self.rank, self.world, self.shuffle, self.last)
            self._planned = (shuffled, made)
        return self._planned[1]

    def __len__(self) -> int:
        """Batches of an epoch; the same on every rank and in every epoch."""
        return self.plan().batches

    def state_dict(self) -> dict[str, object]:
        """Where the consumer stands, and what makes the order: enough to go on exactly, with any number of threads."""
        return {
            "epoch": self.epoch,
            "batch": self.next_batch,
            "order": [
                self.seed,
                self.world,
                self.batch,
                self.shuffle,
                self.last,
                self.reshuffle,
                self.source.index.samples,
            ],
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state. Raises ValueError if it is of another order: (epoch, batch) would mean other samples."""
        mine = self.state_dict()["order"]
        if list(state["order"]) != mine:
            raise ValueError(
                f"the state is of the order {state['order']}, this loader's is {mine}: "
                "the same place is not the same batch"
            )
        self.epoch, self.next_batch = int(state["epoch"]), int(state["batch"])

    def labels_of(self, samples: np.ndarray) -> np.ndarray:
        index = self.source.index
        return index.labels[np.searchsorted(index.first, samples, side="right") - 1].astype(np.int64)

    def __iter__(self) -> Iterator[Batch]:
        plan = self.plan()
        run = _Run(self, plan, self.next_batch)
        try:
            for number in range(self.next_batch, plan.batches):
                images = run.wait_for(number)
                epoch = self.epoch
                self.next_batch = number + 1
                if self.next_batch == plan.batches:
                    self.epoch, self.next_batch = epoch + 1, 0
                samples = plan.samples[number]
                batch = Batch(images, self.labels_of(samples), samples, epoch, number)
                del images
                yield batch
                del batch
        finally:
            run.stop()


class _Run:
    """The threads at work on one epoch."""

    def __init__(self, loader: Loader, plan: Plan, start: int):
        self._loader, self._plan = loader, plan
        self._lock = threading.Lock()
        self._finished = threading.Condition(self._lock)
        self._wanted = threading.Condition(self._lock)
        self._open: deque[tuple[_Work, Any]] = deque()
        self._works: dict[int, _Work] = {}
        self._next = start
        self._limit = start + loader.prefetch
        self._stopped = False
        self._trace = loader.trace
        self._threads = [
            threading.Thread(target=self._serve, args=(number,), name=f"reader {number + 1}", daemon=True)
            for number in range(loader.threads)
        ]
        for thread in self._threads:
            thread.start()

    def wait_for(self, number: int) -> np.ndarray:
        """The images of a batch, once they are all there. Raises what a thread met while it made them."""
        started = perf_counter_ns()
        with self._lock:
            self._limit = number + 1 + self._loader.prefetch
            self._wanted.notify()
            while True:
                work = self._works.get(number)
                if work is not None and (work.error is not None or not work.left):
                    break
                self._finished.wait()
            del self._works[number]
        if self._trace:
            self._trace.add("consumer", "wait for batch", started, perf_counter_ns(), batch=number)
        if work.error is not None:
            raise work.error
        return work.images

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            self._open.clear()
            self._wanted.notify_all()
        for thread in self._threads:
            thread.join()

    def _serve(self, number: int) -> None:
        """A thread's life: take a piece of work, fill slots, until the epoch is over or nobody wants it any more."""
        source, name = self._loader.source, f"reader {number + 1}"
        worker = source.worker()
        log = self._trace.stages(name) if self._trace else None
        while True:
            taken = self._take(log)
            if taken is None:
                return
            work, piece = taken
            error: BaseException | None = None
            try:
                if log:
                    log.batch = work.number
                source.fill(worker, piece, work.images, log)
            except BaseException as problem:  # whatever it is, the consumer must hear of it and not wait for ever
                error = problem
            with self._lock:
                work.left -= 1
                work.error = work.error or error
                if not work.left or error is not None:
                    self._finished.notify()
            del work, piece, taken

    def _take(self, log: Stages | None) -> tuple[_Work, Any] | None:
        """The next piece of work, earliest batch first; waits while all that may be begun has been. None: the end."""
        with self._lock:
            while not self._open:
                if self._stopped or self._next >= self._plan.batches:
                    return None
                if self._next < self._limit:
                    self._begin(self._next)
                    self._next += 1
                    break
                started = perf_counter_ns()
                self._wanted.wait()
                if log:
                    log.idle(started)
            return self._open.popleft()

    def _begin(self, number: int) -> None:
        """Take a buffer for a batch and lay out its work."""
        pieces = self._loader.source.pieces(self._plan, number)
        work = _Work(number, self._loader.ring.take(), len(pieces))
        self._works[number] = work
        self._open.extend((work, piece) for piece in pieces)
        self._wanted.notify_all()
