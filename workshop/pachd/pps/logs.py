"""Log messages: what user code printed and what workers said of it, kept with the state."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from workshop.pachd.model import PipelineName

DAY = 24 * 3600 * 10**9
KEPT = 1_000_000  # lines of one pipeline; older ones go first


@dataclass(slots=True)
class Line:
    """One message. `data` = [(path, hex hash)] of the datum's files, as JSON text; `time` in ns since the epoch."""

    pipeline: PipelineName
    message: str
    time: int
    job: str = ""
    datum: str = ""
    worker: str = ""
    user: bool = False
    master: bool = False
    data: str = ""
    id: int = 0

    def files(self) -> list[tuple[str, str]]:
        return [(path, hash) for path, hash in json.loads(self.data)] if self.data else []


def write(db: sqlite3.Connection, lines: Iterable[Line]) -> None:
    db.executemany(
        "INSERT INTO log (project, pipeline, job, datum, worker, user, master, time, message, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                line.pipeline.project,
                line.pipeline.name,
                line.job,
                line.datum,
                line.worker,
                line.user,
                line.master,
                line.time,
                line.message,
                line.data,
            )
            for line in lines
        ),
    )


def read(
    db: sqlite3.Connection,
    pipeline: PipelineName,
    job: str = "",
    datum: str = "",
    master: bool = False,
    since: int = 0,
    filters: Iterable[str] = (),
    after: int = 0,
    tail: int = 0,
    limit: int = 5000,
) -> Iterator[Line]:
    """Messages in the order in which they came, from the one after `after` on.

    `filters` are paths or hashes (hex or base64), all of which the datum's files must match; `since` a time in ns;
    `tail` keeps only the last so many.
    """
    wanted = [one for one in filters if one]
    where = "project = ? AND pipeline = ? AND master = ? AND time >= ? AND id > ?"
    values: list[Any] = [pipeline.project, pipeline.name, master, since, after]
    for column, value in (("job", job), ("datum", datum)):
        if value:
            where += f" AND {column} = ?"
            values.append(value)
    if tail and not wanted:
        inner = f"SELECT * FROM log WHERE {where} ORDER BY id DESC LIMIT ?"
        found = db.execute(f"SELECT * FROM ({inner}) ORDER BY id", (*values, tail))
    elif limit:
        found = db.execute(f"SELECT * FROM log WHERE {where} ORDER BY id LIMIT ?", (*values, limit))
    else:
        found = db.execute(f"SELECT * FROM log WHERE {where} ORDER BY id", values)
    for row in found:
        line = Line(
            pipeline,
            row["message"],
            row["time"],
            row["job"],
            row["datum"],
            row["worker"],
            bool(row["user"]),
            bool(row["master"]),
            row["data"],
            row["id"],
        )
        if not wanted or _matches(line, wanted):
            yield line


def has_more(db: sqlite3.Connection, pipeline: PipelineName, after: int) -> bool:
    """Whether a pipeline has a line past the one with this id."""
    query = "SELECT 1 FROM log WHERE project = ? AND pipeline = ? AND id > ? LIMIT 1"
    return db.execute(query, (pipeline.project, pipeline.name, after)).fetchone() is not None


def _matches(line: Line, wanted: list[str]) -> bool:
    from base64 import b64encode

    files = line.files()
    return all(
        any(one in (path, hash) or one == b64encode(bytes.fromhex(hash)).decode() for path, hash in files)
        for one in wanted
    )


def trim(db: sqlite3.Connection, pipeline: PipelineName) -> None:
    """Forget the oldest messages of a pipeline beyond what is kept."""
    row = db.execute(
        "SELECT id FROM log WHERE project = ? AND pipeline = ? ORDER BY id DESC LIMIT 1 OFFSET ?",
        (pipeline.project, pipeline.name, KEPT),
    ).fetchone()
    if row is not None:
        db.execute(
            "DELETE FROM log WHERE project = ? AND pipeline = ? AND id <= ?",
            (pipeline.project, pipeline.name, row["id"]),
        )
