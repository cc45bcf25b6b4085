"""pps_v2.API, the part on jobs and job sets."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from workshop.pachd import ids
from workshop.pachd.errors import InvalidArgument, PachydermError
from workshop.pachd.model import DEFAULT_PROJECT, CommitName, JobName, PipelineName, RepoName
from workshop.pachd.pfs import Pfs
from workshop.pachd.pps import jobs, jobsets, pipelines
from workshop.pachd.pps.jq import Filter
from workshop.pachd.pps.live import Live
from workshop.pachd.pps.records import Counters, Job, JobState, Pipeline
from workshop.pachd.wire import encode
from workshop.pachd.wire.pps_messages import (
    STATS_TIMES,
    job_info,
    job_json,
    job_name,
    nanoseconds,
    pipeline_name,
    project_names,
)
from workshop.pachd.wire.schema import google
from workshop.pachd.wire.serve import Call, raw_answer, transactional


class Jobs:
    """A part of the service: jobs."""

    _pfs: Pfs
    _live: Live

    def _info(self, db: sqlite3.Connection, job: Job, details: bool, versions: dict | None = None) -> bytes:
        """JobInfo, with the version of the pipeline that the job is of (kept in `versions` for the next)."""
        versions = {} if versions is None else versions
        key = (job.name.pipeline, job.version)
        if key not in versions:
            versions[key] = pipelines.find(db, *key)
        return job_info(job, versions[key], self._live, details)

    # ------------------------------------------------------------ one
    @raw_answer
    def InspectJob(self, request: Any, call: Call) -> bytes:
        if not request.HasField("job"):
            raise PachydermError("must specify a job")
        name = job_name(request.job, "InspectJobRequest.Job")
        job = self._wait(name, call) if request.wait else None
        with self._pfs.store.database.read() as db:
            return self._info(db, job or jobs.get(db, name), request.details)

    def _wait(self, name: JobName, call: Call) -> Job:
        """The job once it is over; one that is deleted meanwhile ends killed."""
        seen: list[Job] = []

        def over() -> Job | None:
            with self._pfs.store.database.read() as db:
                job = jobs.find(db, name)
                if job is None and not seen:
                    return jobs.get(db, name)
                if job is None:
                    there = pipelines.find(db, name.pipeline) is not None
                    reason = "job deleted" if there else jobs.all_killed("stopped")
                    return replace(seen[-1], state=JobState.KILLED, reason=reason, finished=ids.now())
            seen[:] = [job]
            return job if job.terminal else None

        job = call.wait_for(self._pfs.store.changes, over)
        if job is None:
            raise PachydermError("the wait for the job was cancelled")
        return job

    @transactional("stop_job")
    def StopJob(self, request: Any, tx: Any) -> Any:
        if not request.HasField("job"):
            raise PachydermError("Job must be specified")
        jobs.stop(tx, job_name(request.job, "StopJobRequest.Job"), request.reason)
        return google.Empty()

    def DeleteJob(self, request: Any, call: Call) -> Any:
        if not request.HasField("job"):
            raise PachydermError("job cannot be nil")
        with self._pfs.transaction() as tx:
            jobs.delete(tx, job_name(request.job, "DeleteJobRequest.Job"))
        return google.Empty()

    @transactional("update_job_state")
    def UpdateJobState(self, request: Any, tx: Any) -> Any:
        if not request.HasField("job"):
            raise InvalidArgument("validate request: invalid UpdateJobStateRequest.Job: value is required")
        counters = Counters(
            request.data_processed,
            request.data_skipped,
            request.data_total,
            request.data_failed,
            request.data_recovered,
        )
        name = job_name(request.job, "UpdateJobStateRequest.Job")
        given = request.stats
        times = {key: nanoseconds(getattr(given, key)) for key in STATS_TIMES if given.HasField(key)}
        stats = times | {"download_bytes": given.download_bytes, "upload_bytes": given.upload_bytes}
        jobs.update_state(tx, name, request.state, request.reason, counters, request.restart, stats)
        return google.Empty()

    # ------------------------------------------------------------ several
    @raw_answer
    def ListJob(self, request: Any, call: Call) -> Iterator[bytes]:
        name: PipelineName | None = None
        if request.HasField("pipeline"):
            name = pipeline_name(request.pipeline, "ListJobRequest.Pipeline", "validate recv")
        kept = Filter(request.jqFilter, "job").keep(self._listed(request, name), job_json)
        yield from itertools.islice(kept, request.number if request.number > 0 else None)

    def _listed(self, request: Any, name: PipelineName | None) -> Iterator[bytes]:
        commits = [_commit_name(message) for message in request.input_commit]
        marker = nanoseconds(request.paginationMarker) if request.HasField("paginationMarker") else None
        versions: dict[tuple[PipelineName, int], Pipeline | None] = {}
        with self._pfs.store.database.read() as db:
            found = jobsets.jobs_in_history(
                db, name, request.history, project_names(request.projects), marker, request.reverse
            )
            found = [job for job in found if not commits or jobsets.reads_all(db, job, commits)]
        for start in range(0, len(found), 100):  # no snapshot is held while the client reads
            with self._pfs.store.database.read() as db:
                page = [self._info(db, job, request.details, versions) for job in found[start : start + 100]]
            yield from page

    @raw_answer
    def SubscribeJob(self, request: Any, call: Call) -> Iterator[bytes]:
        if not request.HasField("pipeline"):
            raise PachydermError("pipeline must be specified")
        name = pipeline_name(request.pipeline, "SubscribeJobRequest.Pipeline", "validate recv")
        sent: set[int] = set()

        def fresh() -> list[bytes] | None:
            with self._pfs.store.database.read() as db:
                found = [job for job in jobs.unfinished(db, name) if job.row not in sent]
                sent.update(job.row for job in found)
                return [self._info(db, job, request.details) for job in found] or None

        while not call.cancelled():
            yield from call.wait_for(self._pfs.store.changes, fresh) or []

    # ------------------------------------------------------------ sets
    @raw_answer
    def InspectJobSet(self, request: Any, call: Call) -> Iterator[bytes]:
        if not request.HasField("job_set"):
            raise InvalidArgument("validate recv: invalid InspectJobSetRequest.JobSet: value is required")
        id = request.job_set.id
        if request.wait:
            yield from self._wait_for_set(id, request.details, call)
            return
        with self._pfs.store.database.read() as db:
            infos = [self._info(db, job, request.details) for job in jobsets.inspect(db, id)]
        yield from infos

    def _wait_for_set(self, id: str, details: bool, call: Call) -> Iterator[bytes]:
        """The jobs of a set as they end; returns when all its commits are finished too."""
        sent: set[int] = set()

        def progress() -> tuple[list[bytes], bool] | None:
            with self._pfs.store.database.read() as db:
                there = jobsets.inspect(db, id)
                ended = [job for job in there if job.terminal and job.row not in sent]
                sent.update(job.row for job in ended)
                infos = [self._info(db, job, details) for job in ended]
                over = all(job.terminal for job in there) and not jobsets.has_open_commits(db, id)
            return (infos, over) if infos or over else None

        over = False
        while not over and not call.cancelled():
            infos, over = call.wait_for(self._pfs.store.changes, progress) or ([], True)
            yield from infos

    @raw_answer
    def ListJobSet(self, request: Any, call: Call) -> Iterator[bytes]:
        kept = Filter(request.jqFilter, "job").keep(self._members(request), lambda member: job_json(member[1]))
        sets = itertools.groupby(kept, key=lambda member: member[0])
        for id, members in itertools.islice(sets, request.number if request.number > 0 else None):
            yield encode.part(1, encode.text(1, id)) + b"".join(encode.part(2, info) for _, info in members)

    def _members(self, request: Any) -> Iterator[tuple[str, bytes]]:
        """The jobs of the sets that a ListJobSet asks for, each with the id of its set; set by set."""
        if request.number < 0:
            raise PachydermError("number must be non-negative")
        projects = project_names(request.projects)
        marker = nanoseconds(request.paginationMarker) if request.HasField("paginationMarker") else None
        with self._pfs.store.database.read() as db:
            sets = jobsets.listing(db, projects, marker, request.reverse)
        for id in sets:
            with self._pfs.store.database.read() as db:
                members = [
                    (id, self._info(db, job, request.details))
                    for job in jobsets.inspect(db, id)
                    if not projects or job.name.pipeline.project in projects
                ]
            yield from members


def _commit_name(message: Any) -> CommitName:
    repo = message.repo if message.HasField("repo") else message.branch.repo
    return CommitName(RepoName(repo.project.name or DEFAULT_PROJECT, repo.name, repo.type or "user"), message.id)
