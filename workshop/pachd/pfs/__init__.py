"""Verbs on data: projects, repos, branches, commits, files, provenance, triggers.

Functions, in a module for each noun: writers take a Transaction first, readers a connection.

    with pfs.transaction() as tx:
        commit, one_shot = commits.write_target(tx, CommitHandle(repo, branch="master"))
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workshop.pachd import ids
from workshop.pachd.pfs import propagation, rows, triggers
from workshop.pachd.pfs.transaction import Transaction
from workshop.pachd.pfs.urls import Sources
from workshop.pachd.store import Store, collection
from workshop.pachd.store.collection import Marker

__all__ = ["Pfs", "Transaction"]


class Pfs:
    """The versioned file system on a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.at_end: list[Callable[[Transaction], None]] = []
        self.meta_content: Callable[[rows.Commit], bytes | None] | None = None  # what a meta commit's readers see
        self.markers: list[Marker] = []  # of rooms above: what else refers to stored trees and chunks
        self.sources = Sources()  # where URLs may lead
        self.collecting = threading.Lock()  # held by a collection

    @contextmanager
    def transaction(self, set_id: str | None = None, dry_run: bool = False) -> Iterator[Transaction]:
        """A write transaction; at its end propagation, triggers and the hooks run, and all is committed at once.

        Undone when the block raises, and on trial (`dry_run`).
        """
        with self.store.database.write(keep=not dry_run) as db:
            tx = Transaction(db, self.store, set_id or ids.new_id())
            yield tx
            self._end(tx)
            if tx.removed:
                collection.note(db)

    def _end(self, first: Transaction) -> None:
        rounds = [first]
        while rounds:
            tx = rounds.pop(0)
            propagation.run(tx)
            for hook in self.at_end:
                hook(tx)
            while tx.moved:  # a hook moved branches: the consequences of that are of this set too
                propagation.run(tx)
                for hook in self.at_end:
                    hook(tx)
            for row in tx.finished:
                follow_up = tx.follow_up()
                follow_up.moved = dict.fromkeys(triggers.fire(tx, rows.commit_by_row(tx.db, row)))
                if follow_up.moved:
                    rounds.append(follow_up)
