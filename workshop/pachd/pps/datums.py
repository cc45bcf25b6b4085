"""What became of each datum: records in one persistent map per job (datum id -> record), shared with the job before it.

A job in which nothing changed has the very root of its base; one changed datum costs one path of the map.
"""

from __future__ import annotations

import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import msgpack

from workshop.pachd.model import PipelineName
from workshop.pachd.spec.fields import timestamp_text
from workshop.pachd.store.maps import Maps


class DatumState(IntEnum):
    """pps_v2.DatumState, as far as records know it: SKIPPED is how a later job sees an earlier one's SUCCESS."""

    UNKNOWN = 0
    FAILED = 1
    SUCCESS = 2
    SKIPPED = 3
    STARTING = 4
    RECOVERED = 5


@dataclass(slots=True)
class InputFile:
    """A file or directory (path ends in `/`) of a datum, as it was when the datum was processed."""

    name: str
    project: str
    repo: str
    type: str
    branch: str
    commit: str
    path: str
    hash: bytes
    size: int
    tag: str = ""
    join_key: str = ""
    group_key: str = ""
    flags: int = 0  # 1 empty files, 2 lazy, 4 outer join, 8 reference, 16 s3


@dataclass(slots=True)
class Stats:
    """Times in nanoseconds, sizes in bytes."""

    download_time: int = 0
    process_time: int = 0
    upload_time: int = 0
    download_bytes: int = 0
    upload_bytes: int = 0

    def add(self, other: Stats) -> None:
        self.download_time += other.download_time
        self.process_time += other.process_time
        self.upload_time += other.upload_time
        self.download_bytes += other.download_bytes
        self.upload_bytes += other.upload_bytes


# A file of an output: (path, size, chunk hashes).
Output = tuple[str, int, tuple[bytes, ...]]


@dataclass(slots=True)
class Record:
    """How a datum ended, in which job, and what it wrote: a few files in place, many as the root of a tree."""

    hash: bytes
    state: DatumState
    job: str
    index: int = 0
    stats: Stats = field(default_factory=Stats)
    inputs: list[InputFile] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    out_root: bytes | None = None
    reason: str = ""

    @property
    def processed(self) -> bool:
        """Whether a try succeeded. One that did so after a try that the handler recovered stays RECOVERED."""
        redeemed = self.state == DatumState.RECOVERED and self.stats.upload_time > 0
        return redeemed or self.state == DatumState.SUCCESS


def encode(record: Record) -> bytes:
    stats = record.stats
    return msgpack.packb(
        (
            record.hash,
            int(record.state),
            record.job,
            record.index,
            (stats.download_time, stats.process_time, stats.upload_time, stats.download_bytes, stats.upload_bytes),
            [
                (
                    *(i.name, i.project, i.repo, i.type, i.branch, i.commit, i.path, i.hash, i.size),
                    *(i.tag, i.join_key, i.group_key, i.flags),
                )
                for i in record.inputs
            ],
            record.outputs,
            record.out_root,
            record.reason,
        )
    )


def decode(data: bytes) -> Record:
    hash, state, job, index, stats, inputs, outputs, out_root, reason = msgpack.unpackb(data)
    return Record(
        hash,
        DatumState(state),
        job,
        index,
        Stats(*stats),
        [InputFile(*values) for values in inputs],
        [(path, size, tuple(chunks)) for path, size, chunks in outputs],
        out_root,
        reason,
    )


def verdict(data: bytes) -> tuple[bytes, int]:
    """(hash, state) of an encoded record, without the rest."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(data)
    unpacker.read_array_header()
    return unpacker.unpack(), unpacker.unpack()


# ------------------------------------------------------------------ the map of a job


def get(maps: Maps, root: bytes | None, identity: bytes) -> Record | None:
    data = maps.get(root, identity) if root else None
    return None if data is None else decode(data)


def items(
    maps: Maps, root: bytes | None, start: bytes = b"", stop: bytes | None = None, reverse: bool = False
) -> Iterator[tuple[bytes, Record]]:
    """(id, record) in the order of ids; `start` included, `stop` not."""
    if root:
        for identity, data in maps.items(root, start, stop, reverse):
            yield identity, decode(data)


def verdicts(maps: Maps, root: bytes | None) -> dict[bytes, tuple[bytes, int]]:
    """id -> (hash, state) of every datum."""
    return {identity: verdict(data) for identity, data in maps.items(root)} if root else {}


def update(maps: Maps, root: bytes | None, come: dict[bytes, bytes], gone: Iterable[bytes] = ()) -> bytes | None:
    """The map with encoded records put in and ids taken out."""
    edits: dict[bytes, bytes | None] = dict.fromkeys(gone)
    edits.update(come)
    return maps.update(root, edits) if edits else root


# ------------------------------------------------------------------ a job's own rows


def plan_of(db: sqlite3.Connection, job: int) -> str:
    """What a finished job's datums were worked out from; "" when that is not known."""
    row = db.execute("SELECT plan FROM job_plan WHERE job = ?", (job,)).fetchone()
    return row["plan"] if row is not None else ""


def set_plan(db: sqlite3.Connection, job: int, plan: str) -> None:
    db.execute("INSERT OR REPLACE INTO job_plan (job, plan) VALUES (?, ?)", (job, plan))


def keep_done(db: sqlite3.Connection, job: int, done: Iterable[tuple[bytes, bytes]]) -> None:
    """Note datums of a running job that are over, so that a restart of the daemon does not run them again."""
    db.executemany(
        "INSERT OR REPLACE INTO datum_done (job, id, record) VALUES (?, ?, ?)", ((job, i, data) for i, data in done)
    )


def done(db: sqlite3.Connection, job: int) -> dict[bytes, bytes]:
    """The encoded records that `keep_done` noted."""
    return {row["id"]: row["record"] for row in db.execute("SELECT id, record FROM datum_done WHERE job = ?", (job,))}


def forget_done(db: sqlite3.Connection, job: int) -> None:
    db.execute("DELETE FROM datum_done WHERE job = ?", (job,))


# ------------------------------------------------------------------ the meta file


def meta_document(
    record: Record, pipeline: PipelineName, committed: Callable[[InputFile], int | None]
) -> dict[str, Any]:
    """The JSON that a datum's `meta` file holds (zero values left out, as protobuf JSON does).

    `committed` tells when the commit of an input file was finished (ns).
    """
    stats = record.stats
    document: dict[str, Any] = {
        "job": {"pipeline": {"project": {"name": pipeline.project}, "name": pipeline.name}, "id": record.job},
        "inputs": [_meta_input(each, committed(each)) for each in record.inputs],
        "hash": record.hash.hex(),
        "stats": {
            "downloadTime": _duration(stats.download_time),
            "processTime": _duration(stats.process_time),
            **({"uploadTime": _duration(stats.upload_time)} if record.processed else {}),
            **({"downloadBytes": str(stats.download_bytes)} if stats.download_bytes else {}),
            **({"uploadBytes": str(stats.upload_bytes)} if stats.upload_bytes else {}),
        },
        "imageId": "local",
    }
    if record.index:
        document["index"] = str(record.index)
    if record.state != DatumState.SUCCESS:
        document["state"] = record.state.name
    if record.reason:
        document["reason"] = record.reason
    return document


def _meta_input(each: InputFile, committed: int | None) -> dict[str, Any]:
    repo = {"name": each.repo, "type": each.type, "project": {"name": each.project}}
    file: dict[str, Any] = {"commit": {"repo": repo, "id": each.commit}, "path": each.path}
    if each.tag:
        file["datum"] = each.tag
    info: dict[str, Any] = {"file": file, "fileType": "DIR" if each.path.endswith("/") else "FILE"}
    if committed is not None:
        info["committed"] = timestamp_text(committed)
    if each.size:
        info["sizeBytes"] = str(each.size)
    info["hash"] = b64encode(each.hash).decode()
    document: dict[str, Any] = {"fileInfo": info, "name": each.name, "branch": each.branch}
    for key, value in (("joinOn", each.join_key), ("groupBy", each.group_key)):
        if value:
            document[key] = value
    for flag, key in ((1, "emptyFiles"), (2, "lazy"), (4, "outerJoin"), (8, "reference"), (16, "s3")):
        if each.flags & flag:
            document[key] = True
    return document


def _duration(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{seconds}.{rest:09d}s"
