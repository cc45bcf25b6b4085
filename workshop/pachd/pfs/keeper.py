"""Collects what nothing refers to any more: a while after commits were taken away, and when the daemon starts again."""

from __future__ import annotations

import logging
import threading

from workshop.pachd.pfs import Pfs, storage
from workshop.pachd.store import collection

log = logging.getLogger("pachd.storage")

PAUSE = 60.0  # seconds from a deletion to the collection


class Keeper(threading.Thread):
    """The thread that collects. What it has to do outlives the daemon: it is noted with the deletion."""

    def __init__(self, pfs: Pfs, pause: float = PAUSE) -> None:
        super().__init__(name="keeper", daemon=True)
        self._pfs, self._pause = pfs, pause
        self._over = threading.Event()

    def run(self) -> None:
        changes = self._pfs.store.changes
        starting = True  # what an earlier life left is collected at once: no worker reads yet
        while not self._over.is_set():
            seen = changes.count
            try:
                due = collection.is_due(self._pfs.store, starting)
                if due and not self._over.wait(0 if starting else self._pause):
                    found = storage.collect(self._pfs)
                    if found.chunks or found.nodes or found.disk_bytes:
                        log.info("collected %s", found)
            except Exception:  # a keeper that stops would stop in silence
                if self._over.is_set():
                    return
                log.exception("a collection failed; the next deletion starts another one")
            starting = False
            changes.wait(seen)

    def stop(self) -> None:
        self._over.set()
        self._pfs.store.changes.bump()
        if self.is_alive():
            self.join(30)
