"""SQLite: many readers, one writer, and a write that is all or nothing."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workshop.pachd.store.changes import Changes

SCHEMA = Path(__file__).with_name("schema.sql")
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -4000",  # of each connection; behind it the system caches for all
    "PRAGMA journal_size_limit = 1048576",
    "PRAGMA busy_timeout = 30000",
)

_LATER = (  # columns that tables made by earlier versions lack
    ("chunk", "crc", "INTEGER"),
    ("commits", "forgotten", "INTEGER NOT NULL DEFAULT 0"),
    ("fileset", "first", "BLOB"),
)


class Database:
    """One file. Each thread that reads has a connection of its own; writers take turns on one more."""

    def __init__(self, path: Path, changes: Changes | None = None) -> None:
        self.path = path
        self.changes = changes or Changes()
        self._turn = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._writer = self.connect()
        self._writer.executescript(SCHEMA.read_text())
        self._add_columns()

    def _add_columns(self) -> None:
        """Bring a state folder of an earlier version up to the schema."""
        for table, column, kind in _LATER:
            if column not in {row["name"] for row in self._writer.execute(f"PRAGMA table_info({table})")}:
                self._writer.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")

    def connect(self) -> sqlite3.Connection:
        """A connection of the caller's own, which sees what is committed, statement by statement; close it."""
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=512)
        connection.row_factory = sqlite3.Row
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        return connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A snapshot: what is read within the block is of one moment. Never waits for a writer."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.connect()
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")
            if len(self._idle) < 16:
                self._idle.append(connection)
            else:
                connection.close()

    @contextmanager
    def write(self, keep: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the end of the block, undone when it raises or `keep` is false (a dry run)."""
        with self._turn:
            connection = self._writer
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            if keep:
                try:
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            else:
                connection.execute("ROLLBACK")
        if keep:
            self.changes.bump()

    def close(self) -> None:
        with self._turn:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for connection in (*self._idle, self._writer):
                connection.close()
            self._idle.clear()
