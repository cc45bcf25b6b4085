"""Verbs on data: projects, repos, branches, commits, files, provenance, triggers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from workshop.pachd import ids
from workshop.pachd.store import Store


@dataclass
class Transaction:
    """One write: all that happens in it shares a commit set id and becomes visible at once, or not at all."""

    db: sqlite3.Connection
    set_id: str = field(default_factory=ids.new_id)
    now: int = field(default_factory=ids.now)


class Pfs:
    """The versioned file system on a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.at_end: list[Callable[[Transaction], None]] = []

    @contextmanager
    def transaction(self, set_id: str | None = None, dry_run: bool = False) -> Iterator[Transaction]:
        """A write transaction: at its end the hooks run, then all is committed (or undone, on trial)."""
        with self.store.database.write(keep=not dry_run) as db:
            tx = Transaction(db, set_id or ids.new_id())
            yield tx
            for hook in self.at_end:
                hook(tx)
