"""Rows of pipelines and jobs as values, and the numbers of their states."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any

from workshop.pachd.model import META, SPEC, USER, BranchName, CommitName, JobName, PipelineName
from workshop.pachd.spec.fields import Document


class PipelineState(IntEnum):
    """pps_v2.PipelineState."""

    STARTING = 1
    RUNNING = 2
    RESTARTING = 3
    FAILURE = 4
    PAUSED = 5
    STANDBY = 6
    CRASHING = 7


class JobState(IntEnum):
    """pps_v2.JobState."""

    CREATED = 1
    STARTING = 2
    RUNNING = 3
    FAILURE = 4
    SUCCESS = 5
    KILLED = 6
    EGRESSING = 7
    FINISHING = 8
    UNRUNNABLE = 9


TERMINAL = (JobState.FAILURE, JobState.SUCCESS, JobState.KILLED, JobState.UNRUNNABLE)
UNFINISHED_SQL = f"state NOT IN ({', '.join(str(int(state)) for state in TERMINAL)})"


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Any:
    return json.loads(text)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One version of a pipeline. `details` is the JSON form of PipelineInfo.Details, shared: do not change it."""

    row: int
    name: PipelineName
    version: int
    current: bool
    spec_commit: str
    type: int
    state: PipelineState
    reason: str
    stopped: bool
    output_branch: str
    parallelism: int
    salt: str
    user_spec: str
    effective_spec: str
    details_text: str
    metadata_text: str
    created: int
    updated: int

    @property
    def details(self) -> Document:
        return _parsed(self.details_text)

    @property
    def metadata(self) -> dict[str, str]:
        return _parsed(self.metadata_text)

    @property
    def has_meta(self) -> bool:
        """Whether it keeps a meta repo: services and spouts do not."""
        return "service" not in self.details and "spout" not in self.details

    def branch(self, type: str = USER) -> BranchName:
        """Its output branch, or that of the same name in its meta repo; its spec branch is always `master`."""
        return BranchName(self.name.repo(type), "master" if type == SPEC else self.output_branch)


PIPELINE_COLUMNS = (
    "id, project, name, version, current, spec_commit, type, state, reason, stopped, output_branch, parallelism, salt,"
    " user_spec, effective_spec, details, metadata, created, updated"
)


def pipeline_of(row: sqlite3.Row) -> Pipeline:
    return Pipeline(
        row=row["id"],
        name=PipelineName(row["project"], row["name"]),
        version=row["version"],
        current=bool(row["current"]),
        spec_commit=row["spec_commit"],
        type=row["type"],
        state=PipelineState(row["state"]),
        reason=row["reason"],
        stopped=bool(row["stopped"]),
        output_branch=row["output_branch"],
        parallelism=row["parallelism"],
        salt=row["salt"],
        user_spec=row["user_spec"],
        effective_spec=row["effective_spec"],
        details_text=row["details"],
        metadata_text=row["metadata"],
        created=row["created"],
        updated=row["updated"],
    )


@dataclass(frozen=True, slots=True)
class Counters:
    """How a job's datums ended. `total` counts all, whether they were looked at or not."""

    processed: int = 0
    skipped: int = 0
    total: int = 0
    failed: int = 0
    recovered: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """A job. Times are nanoseconds since the epoch; `stats` has times in ns and bytes; `datums` roots its datum map."""

    row: int
    name: JobName
    version: int
    state: JobState
    reason: str
    created: int
    started: int | None
    finished: int | None
    restart: int
    counters: Counters
    stats: dict[str, int]
    datums: bytes | None

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL

    def commit(self, type: str = USER) -> CommitName:
        """Its output commit, or its meta commit."""
        return CommitName(self.name.pipeline.repo(type), self.name.id)

    @property
    def meta_commit(self) -> CommitName:
        return self.commit(META)


JOB_COLUMNS = (
    "id, project, pipeline, set_id, version, state, reason, created, started, finished, restart,"
    " data_processed, data_skipped, data_total, data_failed, data_recovered, stats, datums"
)


def job_of(row: sqlite3.Row) -> Job:
    return Job(
        row=row["id"],
        name=JobName(PipelineName(row["project"], row["pipeline"]), row["set_id"]),
        version=row["version"],
        state=JobState(row["state"]),
        reason=row["reason"],
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        restart=row["restart"],
        counters=Counters(
            row["data_processed"], row["data_skipped"], row["data_total"], row["data_failed"], row["data_recovered"]
        ),
        stats=json.loads(row["stats"]),
        datums=row["datums"],
    )
