"""Cron inputs by the clock: a tick is a commit of one empty file, named by its time, to the cron's own repo."""

from __future__ import annotations

import logging
import sqlite3
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from workshop.pachd import cron
from workshop.pachd.errors import PachydermError
from workshop.pachd.model import BranchName, PipelineName, RepoName
from workshop.pachd.pfs import rows
from workshop.pachd.pps import crons
from workshop.pachd.pps.records import Pipeline
from workshop.pachd.spec import inputs

if TYPE_CHECKING:
    from workshop.pachd.scheduler import Scheduler

log = logging.getLogger(__name__)


@dataclass
class Clock:
    """One cron input: its schedule and its next tick."""

    repo: RepoName
    document: dict[str, Any]
    schedule: cron.Schedule
    next: datetime


class Crons:
    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self._clocks: dict[PipelineName, list[Clock]] = {}

    def watch(self, pipeline: Pipeline) -> None:
        """Follow the cron inputs of a pipeline; those of a stopped one stand still."""
        self._clocks.pop(pipeline.name, None)
        found = [leaf for kind, leaf in inputs.leaves(pipeline.details.get("input")) if kind == "cron"]
        if pipeline.stopped or not found:
            return
        clocks = []
        with self.scheduler.store.database.read() as db:
            for document in found:
                repo = RepoName(pipeline.name.project, document["repo"])
                schedule = cron.parse(document["spec"])
                last = self._last(db, repo) or _time(document.get("start", ""))
                # after a long sleep one tick makes up for all that were missed
                missed = schedule.next(last)
                now = datetime.now(timezone.utc)
                while missed < now and schedule.next(missed) < now and (now - missed).total_seconds() < 86400:
                    missed = schedule.next(missed)
                clocks.append(Clock(repo, document, schedule, missed))
        self._clocks[pipeline.name] = clocks

    def _last(self, db: sqlite3.Connection, repo: RepoName) -> datetime | None:
        """When the repo was ticked last."""
        branch = rows.find_branch(db, BranchName(repo, "master"))
        head = rows.commit_by_row(db, branch.head) if branch is not None else None
        if head is None or not head.root:
            return None
        return datetime.fromtimestamp(head.started / 1e9, timezone.utc)

    def forget(self, name: PipelineName) -> None:
        self._clocks.pop(name, None)

    def next_time(self) -> float | None:
        """When the next tick is due, in monotonic seconds."""
        due = [clock.next for clocks in self._clocks.values() for clock in clocks]
        if not due:
            return None
        return time.monotonic() + max(0.0, (min(due) - datetime.now(timezone.utc)).total_seconds())

    def tick(self) -> None:
        """Make the ticks that are due."""
        now = datetime.now(timezone.utc)
        for name, clocks in list(self._clocks.items()):
            for clock in clocks:
                if clock.next <= now:
                    self._make(name, clock)

    def _make(self, name: PipelineName, clock: Clock) -> None:
        when, clock.next = clock.next, clock.schedule.next(max(clock.next, datetime.now(timezone.utc)))
        try:
            with self.scheduler.pfs.transaction() as tx:
                crons.tick(tx, clock.document, int(when.timestamp() * 1e9))
        except PachydermError as error:
            log.warning("no tick for %s: %s", name, error)
            if "not found" in str(error):
                self.forget(name)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(_six_digits(text.replace("Z", "+00:00")))
    except ValueError:
        return datetime.now(timezone.utc)


def _six_digits(text: str) -> str:
    """A time with its fraction of a second cut to what datetime knows (Python 3.10 wants three or six digits)."""
    head, dot, rest = text.partition(".")
    if not dot:
        return text
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{head}.{rest[:digits][:6]:0<6}{rest[digits:]}"
