"""Blobs by hash, trees by hash, rows in SQLite: all that one state folder holds."""

from __future__ import annotations

import fcntl
import json
import sqlite3
import threading
from pathlib import Path
from typing import IO
from weakref import WeakKeyDictionary

from workshop.pachd import errors, ids
from workshop.pachd.store.changes import Changes
from workshop.pachd.store.database import Database
from workshop.pachd.store.maps import Maps
from workshop.pachd.store.nodes import Cache, Rows, Snapshots
from workshop.pachd.store.packs import Blobs
from workshop.pachd.store.trees import Root, Trees


class Store:
    """A state folder, held by one process at a time.

    STATE/pachd.sqlite   rows: the data dictionary is schema.sql
    STATE/packs/         bytes of files, append-only (blobs)
    STATE/lock           held while a daemon runs
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _hold(self.folder / "lock")
        self.changes = Changes()
        self.database = Database(self.folder / "pachd.sqlite", self.changes)
        self.blobs = Blobs(self.folder / "packs")
        self._nodes = Cache()
        self._standing: WeakKeyDictionary[Trees, Root] = WeakKeyDictionary()
        self._standing_lock = threading.Lock()
        with self.database.write() as db:
            db.execute(
                "INSERT OR IGNORE INTO project (name, description, created) VALUES ('default', '', ?)", (ids.now(),)
            )
            for key in ("cluster_id", "deployment_id"):
                db.execute("INSERT OR IGNORE INTO setting (key, value) VALUES (?, ?)", (key, ids.new_id()))
            settings = dict(db.execute("SELECT key, value FROM setting").fetchall())
        self.cluster_id: str = settings["cluster_id"]
        self.deployment_id: str = settings["deployment_id"]

    def maps(self, db: sqlite3.Connection) -> Maps:
        """The persistent maps, as one connection sees them."""
        return Maps(Rows(db), self._nodes)

    def trees(self, db: sqlite3.Connection) -> Trees:
        """The trees of files, as one connection sees them."""
        return Trees(self.maps(db))

    def standing_trees(self, root: Root) -> Trees:
        """The trees of files for a reader that may take its time: no snapshot of the rows is held between two nodes.

        What `root` refers to is not collected as long as these trees are in use.
        """
        trees = Trees(Maps(Snapshots(self.database), self._nodes))
        self.stand_on(trees, root)
        return trees

    def stand_on(self, trees: Trees, root: Root) -> None:
        """Have standing trees keep another root."""
        with self._standing_lock:
            self._standing[trees] = root

    def roots_in_use(self) -> set[Root]:
        """What readers stand on."""
        with self._standing_lock:
            return set(self._standing.values())

    def announce(self, address: str) -> None:
        """Note in the lock where the process that holds it listens."""
        self._lock.truncate(0)
        self._lock.write(address)
        self._lock.flush()

    def has_project(self, name: str) -> bool:
        with self.database.read() as db:
            return db.execute("SELECT 1 FROM project WHERE name = ?", (name,)).fetchone() is not None

    def cluster_metadata(self) -> dict[str, str]:
        with self.database.read() as db:
            row = db.execute("SELECT value FROM setting WHERE key = 'metadata'").fetchone()
        return json.loads(row["value"]) if row else {}

    def close(self) -> None:
        self.blobs.close()
        self.database.close()
        self._lock.close()


class Held(errors.PachydermError):
    """Another process has the state folder."""


def holder(folder: Path) -> str:
    """Where the process listens that holds a state folder; "" when it does not say."""
    return (folder / "lock").read_text()


def _hold(path: Path) -> IO[str]:
    lock = path.open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise Held(f"the state folder {path.parent} is in use by another pachd") from None
    return lock
