"""Cron triggers: branches that follow another branch by the clock."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timezone

from workshop.pachd import cron, errors
from workshop.pachd.model import BranchName
from workshop.pachd.pfs import Pfs, rows

log = logging.getLogger("pachd.clock")

LONGEST_SLEEP = 3600.0  # s; the system's clock may be set meanwhile


class Clock(threading.Thread):
    """One thread that moves branches at the ticks of their cron triggers.

    The first tick is counted from the start of the branch's head, so one that was missed while no daemon ran comes at
    once; several missed ones come as one.
    """

    def __init__(self, pfs: Pfs) -> None:
        super().__init__(name="clock", daemon=True)
        self._pfs = pfs
        self._over = threading.Event()
        self._next: dict[tuple[int, str], datetime] = {}  # by branch and spec

    def run(self) -> None:
        changes = self._pfs.store.changes
        while not self._over.is_set():
            seen = changes.count
            try:
                pause = self.tick(datetime.now(timezone.utc))
            except Exception:  # a clock that stops would stop in silence
                if self._over.is_set():
                    return
                log.exception("a cron trigger failed; trying again")
                pause = 5.0
            changes.wait(seen, pause)

    def stop(self) -> None:
        self._over.set()
        self._pfs.store.changes.bump()
        if self.is_alive():
            self.join(10)

    def tick(self, now: datetime) -> float:
        """Move the branches that are due; seconds until the next one is."""
        with self._pfs.store.database.read() as db:
            triggered = list(rows.branches(db, "WHERE branch.trigger IS NOT NULL ORDER BY branch.id"))
            specs = [(branch, (branch.trigger or {}).get("cron_spec", "")) for branch in triggered]
            timed = [(branch, spec) for branch, spec in specs if spec]
            for branch, spec in timed:
                if (branch.row, spec) not in self._next:
                    started = rows.commit_by_row(db, branch.head).started
                    self._next[branch.row, spec] = cron.parse(spec).next(
                        datetime.fromtimestamp(started / 1e9, timezone.utc)
                    )
        present = {(branch.row, spec) for branch, spec in timed}
        self._next = {key: at for key, at in self._next.items() if key in present}
        for branch, spec in timed:
            if self._next[branch.row, spec] <= now:
                self._next[branch.row, spec] = cron.parse(spec).next(now)
                self._follow(branch.name)
        pauses = [(at - now).total_seconds() for at in self._next.values()]
        return max(0.0, min([*pauses, LONGEST_SLEEP]))

    def _follow(self, name: BranchName) -> None:
        """Point a branch at the head of the branch that it watches, as a set of its own."""
        with self._pfs.transaction() as tx:
            branch = rows.find_branch(tx.db, name)
            if branch is None or branch.trigger is None:
                return
            watched = rows.find_branch(tx.db, BranchName(name.repo, branch.trigger["branch"]))
            if watched is None:
                raise errors.Internal(f"{name} watches {branch.trigger['branch']}, which is not there")
            if watched.head != branch.head:
                tx.db.execute(
                    "UPDATE branch SET head = ?, updated = ? WHERE id = ?", (watched.head, tx.now, branch.row)
                )
                tx.moved[branch.row] = None
