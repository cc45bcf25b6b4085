"""Reading and hashing beside sending and receiving: large files keep two cores busy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_DEPTH = 3  # messages made before they are asked for


def ahead(items: Iterable[bytes]) -> Iterator[bytes]:
    """The items, made by a thread while those before are sent. Closing the iterator ends the thread."""
    ready: queue.Queue[tuple[bytes | None, BaseException | None]] = queue.Queue(_DEPTH)
    over = threading.Event()

    def put(item: bytes | None, error: BaseException | None = None) -> bool:
        while not over.is_set():
            try:
                ready.put((item, error), timeout=0.5)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(None)
        except BaseException as error:
            put(None, error)

    threading.Thread(target=work, name="ahead", daemon=True).start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        over.set()


class Beside:
    """Runs one call at a time in a thread of its own; the next waits for it. `done` waits, and raises what it raised."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def run(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.done()

        def work() -> None:
            try:
                call(*arguments)
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=work, name="beside", daemon=True)
        self._thread.start()

    def done(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def settle(self) -> None:
        """Wait, whatever happened."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
