"""What a run has to say and what its workers stored, gathered until it is written down."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from workshop.pachd.model import PipelineName
from workshop.pachd.pps import logs
from workshop.pachd.store import Store
from workshop.pachd.store.blobs import Row

WAIT = 0.1  # seconds that a log line may wait for others
LAST = 5  # lines of a failed datum's output that the verdict repeats


class Journal:
    """The log lines of one run."""

    def __init__(self, pipeline: PipelineName, job: str) -> None:
        self.pipeline, self.job = pipeline, job
        self._lines: list[logs.Line] = []
        self._since = 0.0
        self._last: dict[str, deque[str]] = {}  # what the datums that ran last have printed

    def say(self, text: str, worker: str = "", datum: str = "", data: str = "") -> None:
        """A message of a worker about a datum, or (no worker) of the one who leads the job, shown with --master."""
        self._add(logs.Line(self.pipeline, text, time.time_ns(), self.job, datum, worker, master=not worker, data=data))

    def user(
        self, worker: str, texts: Iterable[bytes], when: int, datum: str = "", data: str = "", master: bool = False
    ) -> None:
        """What user code printed, line by line."""
        for text in texts:
            line = logs.Line(self.pipeline, readable(text), when, self.job, datum, worker, True, master, data)
            self._add(line)
            self._remember(datum, line.message)

    def _remember(self, datum: str, text: str) -> None:
        lines = self._last.pop(datum, None) or deque(maxlen=LAST)
        lines.append(text[:500])
        self._last[datum] = lines
        if len(self._last) > 64:
            del self._last[next(iter(self._last))]

    def last(self, datum: str) -> list[str]:
        """The last lines that a datum printed, as far as they are remembered."""
        return list(self._last.get(datum, ()))

    def _add(self, line: logs.Line) -> None:
        if not self._lines:
            self._since = time.monotonic()
        self._lines.append(line)

    def due(self) -> float | None:
        """When the lines want to be written down (monotonic seconds); None without lines."""
        return self._since + WAIT if self._lines else None

    def write(self, db: sqlite3.Connection) -> None:
        if self._lines:
            logs.write(db, self._lines)
            self._lines = []


class Deposits:
    """The chunks that workers stored for one run: written to the disk, then recorded, and kept from collection."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: list[Row] = []
        self._held: set[bytes] = set()
        self._hold: AbstractContextManager[None] | None = None

    def add(self, rows: list[Row]) -> None:
        """Where new chunks lie."""
        if self._hold is None:
            self._hold = self._store.blobs.hold(self._held)
            self._hold.__enter__()
        self._rows += rows
        with self._store.blobs.gate:
            self._held.update(row[0] for row in rows)

    def record(self, tx: Any) -> None:
        """Make the chunks known; their bytes go to the disk first."""
        rows, self._rows = self._rows, []
        for pack in {row[1] for row in rows}:
            handle = os.open(self._store.blobs.path(pack), os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        if rows:
            self._store.blobs.record(tx.db, rows)

    def release(self) -> None:
        if self._hold is not None:
            self._hold.__exit__(None, None, None)
            self._hold = None


def readable(text: bytes) -> str:
    """The text of a log line: each byte that is no UTF-8 becomes U+FFFD."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        loose = text.decode("utf-8", "surrogateescape")
        return "".join("\ufffd" if "\udc80" <= character <= "\udcff" else character for character in loose)
