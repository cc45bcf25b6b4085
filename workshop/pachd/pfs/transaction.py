"""One write: what happens in it shares a commit set id, and becomes visible at once or not at all."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workshop.pachd import ids

if TYPE_CHECKING:
    from workshop.pachd.pfs.rows import Commit
    from workshop.pachd.store import Store


@dataclass
class Transaction:
    """A write in progress, and what it leaves for its end (propagation, triggers, and the hooks of other rooms)."""

    db: sqlite3.Connection
    store: Store
    set_id: str = field(default_factory=ids.new_id)
    now: int = field(default_factory=ids.now)
    moved: dict[int, None] = field(default_factory=dict)  # branches (rows) whose head or provenance changed
    created: list[int] = field(default_factory=list)  # commits (rows) made here
    finished: list[int] = field(default_factory=list)  # commits (rows) finished here, for triggers
    removed: list[Commit] = field(default_factory=list)  # commits taken away here

    def follow_up(self) -> Transaction:
        """A transaction of a set of its own, committed together with this one."""
        return Transaction(self.db, self.store, now=self.now)
