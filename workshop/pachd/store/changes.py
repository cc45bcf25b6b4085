"""Wakes who waits: every committed write is one tick, and a waiter looks again at each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """A counter of committed writes that threads can wait on."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0
        self.listeners: list[Callable[[], None]] = []  # called after each tick, by whoever made it

    def bump(self) -> None:
        """Tell everybody that something was committed (or that a waiter should look up for another reason)."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()
        for listener in self.listeners:
            listener()

    @property
    def count(self) -> int:
        return self._count

    def wait(self, seen: int, timeout: float | None = None) -> int:
        """Wait until the count is past `seen`; the count then (still `seen` after `timeout` seconds)."""
        with self._condition:
            self._condition.wait_for(lambda: self._count != seen, timeout)
            return self._count

    def wait_for(
        self, check: Callable[[], T | None], cancelled: Callable[[], bool] = lambda: False, timeout: float | None = None
    ) -> T | None:
        """The first answer of `check` that is not None, asked again after each committed write.

        None when cancelled, or after `timeout` seconds without a write.
        """
        while not cancelled():
            seen = self._count
            answer = check()
            if answer is not None:
                return answer
            if self.wait(seen, timeout) == seen:
                return None
        return None

    @contextmanager
    def bumping(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.bump()
