"""How pipelines are doing, in few words: counts by project, and alerts."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timezone

from workshop.pachd import ids
from workshop.pachd.pps import jobs, pipelines
from workshop.pachd.pps.records import JobState, Pipeline, PipelineState
from workshop.pachd.spec.fields import duration, timestamp


@dataclass(slots=True)
class Summary:
    """How many pipelines of a project are in which condition; unhealthy ones are those whose last job did not
    succeed.
    """

    project: str
    active: int = 0
    paused: int = 0
    failed: int = 0
    unhealthy: int = 0


def summaries(db: sqlite3.Connection, projects: list[str]) -> list[Summary]:
    """A summary for each of the projects (none named: all) that has a pipeline."""
    wanted = projects or [row["name"] for row in db.execute("SELECT name FROM project ORDER BY id")]
    found: dict[str, Summary] = {}
    for pipeline in pipelines.listing(db, projects=frozenset(wanted)):
        summary = found.setdefault(pipeline.name.project, Summary(pipeline.name.project))
        if pipeline.state in (PipelineState.FAILURE, PipelineState.CRASHING):
            summary.failed += 1
        elif pipeline.state == PipelineState.PAUSED:
            summary.paused += 1
        else:
            summary.active += 1
        if jobs.latest_state(db, pipeline.name) in (JobState.KILLED, JobState.FAILURE, JobState.UNRUNNABLE):
            summary.unhealthy += 1
    return [found[project] for project in wanted if project in found]


def overdue(pipeline: Pipeline, now: int | None = None) -> tuple[int, int] | None:
    """(start, nanoseconds over) of a pipeline that has run longer than it expects to; None without an expectation."""
    expected = pipeline.details.get("maximumExpectedUptime")
    if expected is None or pipeline.state != PipelineState.RUNNING:
        return None
    started = timestamp(pipeline.details["updatedAt"])
    over = (now or ids.now()) - started - duration(expected)
    return (started, over) if over > 0 else None


def alerts(pipeline: Pipeline, now: int | None = None) -> list[str]:
    """What a user should look at, in a real pachd's words."""
    found = overdue(pipeline, now)
    if found is None:
        return []
    started, over = found
    at = datetime.fromtimestamp(started // 10**9, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    milliseconds = f".{started % 10**9 // 10**6:03d}".rstrip("0").rstrip(".")
    return [
        f"{pipeline.name}: Started running at {at}{milliseconds} +0000 UTC, exceeded maximum uptime by {_seconds(over)}"
    ]


def _seconds(nanoseconds: int) -> str:
    """A duration as Go prints it, to the millisecond: `9.5s`, `2m0.25s`, `1h0m5s`."""
    minutes, rest = divmod(nanoseconds // 10**6, 60_000)
    seconds = f"{rest / 1000:g}s"
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else "") + seconds
