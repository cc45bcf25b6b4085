"""Messages of pipelines and jobs from their rows, and names from messages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from google.protobuf import json_format

from workshop.pachd.errors import InvalidArgument
from workshop.pachd.model import DEFAULT_PROJECT, SPEC, USER, CommitName, JobName, PipelineName, RepoName
from workshop.pachd.pps import status
from workshop.pachd.pps.live import Live, WorkerStatus
from workshop.pachd.pps.records import Job, JobState, Pipeline
from workshop.pachd.spec import inputs
from workshop.pachd.wire.schema import message_class, pfs_v2, pps_v2

_PipelineDetails = message_class("pps_v2.PipelineInfo.Details")
_JobDetails = message_class("pps_v2.JobInfo.Details")

NAME_MISSING = "invalid Pipeline.Name: value length must be at least 1 bytes"


# ---------------------------------------------------------------- names from messages
def pipeline_name(message: Any, place: str, how: str = "validate request") -> PipelineName:
    """The name in a Pipeline message; `place` says where it stands, for the refusal of an empty one."""
    if not message.name:
        raise InvalidArgument(f"{how}: invalid {place}: embedded message failed validation | caused by: {NAME_MISSING}")
    return PipelineName(message.project.name or DEFAULT_PROJECT, message.name)


def required_pipeline(request: Any, how: str = "validate request") -> PipelineName:
    """The pipeline of a request that must name one."""
    place = f"{request.DESCRIPTOR.name}.Pipeline"
    if not request.HasField("pipeline"):
        raise InvalidArgument(f"{how}: invalid {place}: value is required")
    return pipeline_name(request.pipeline, place, how)


def job_name(message: Any, place: str) -> JobName:
    """The name in a Job message."""
    if message.HasField("pipeline") and not message.pipeline.name:
        caused = "embedded message failed validation | caused by: "
        raise InvalidArgument(
            f"validate request: invalid {place}: {caused}invalid Job.Pipeline: {caused}{NAME_MISSING}"
        )
    return JobName(PipelineName(message.pipeline.project.name or DEFAULT_PROJECT, message.pipeline.name), message.id)


def project_names(messages: Iterable[Any]) -> frozenset[str]:
    """The names of the projects that a request is limited to; an empty message means no limit."""
    return frozenset(message.name for message in messages if message.name)


# ---------------------------------------------------------------- messages of names
def time(stamp: Any, nanoseconds: int | None) -> None:
    """Fill in a Timestamp or Duration field; None leaves it unset."""
    if nanoseconds is not None:
        stamp.seconds, stamp.nanos = divmod(nanoseconds, 10**9)
        stamp.SetInParent()


def nanoseconds(stamp: Any) -> int:
    return stamp.seconds * 10**9 + stamp.nanos


def pipeline_message(name: PipelineName) -> Any:
    return pps_v2.Pipeline(project=pfs_v2.Project(name=name.project), name=name.name)


def commit_message(name: CommitName, branch: str) -> Any:
    """A commit with the branch that it was made on: clients read either of `branch.repo` and `repo`."""
    repo = _repo(name.repo)
    return pfs_v2.Commit(repo=repo, id=name.id, branch=pfs_v2.Branch(repo=repo, name=branch))


@lru_cache(1024)
def _repo(name: RepoName) -> Any:
    return pfs_v2.Repo(name=name.name, type=name.type, project=pfs_v2.Project(name=name.project))


# ---------------------------------------------------------------- pipelines
@lru_cache(512)
def _details(text: str) -> bytes:
    return json_format.Parse(text, _PipelineDetails()).SerializeToString()


def pipeline_info(pipeline: Pipeline, last_job: int, live: Live, details: bool = True) -> Any:
    """PipelineInfo of one version."""
    info = pps_v2.PipelineInfo(
        pipeline=pipeline_message(pipeline.name),
        version=pipeline.version,
        spec_commit=commit_message(CommitName(pipeline.name.repo(SPEC), pipeline.spec_commit), "master"),
        stopped=pipeline.stopped,
        state=int(pipeline.state),
        reason=pipeline.reason,
        last_job_state=last_job,
        parallelism=pipeline.parallelism,
        type=pipeline.type,
        user_spec_json=pipeline.user_spec,
        effective_spec_json=pipeline.effective_spec,
        metadata=pipeline.metadata,
    )
    if details:
        info.details.MergeFromString(_details(pipeline.details_text))
        info.details.workers_requested = pipeline.parallelism
        info.details.workers_available = live.workers_available(pipeline)
        info.details.recent_error = live.recent_error(pipeline)
        exceeded = status.overdue(pipeline)
        if exceeded is not None:  # pachctl raises an alert for every pipeline that has this time
            time(info.details.workers_started_at, exceeded[0])
    return info


# ---------------------------------------------------------------- jobs
_JOB_FIELDS = {
    *("transform", "parallelismSpec", "egress", "service", "spout", "resourceRequests", "resourceLimits"),
    *("sidecarResourceLimits", "salt", "datumSetSpec", "datumTimeout", "jobTimeout", "datumTries"),
    *("schedulingSpec", "podSpec", "podPatch", "sidecarResourceRequests"),
}


@lru_cache(512)
def _job_details(text: str) -> bytes:
    """JobInfo.Details without its input, which names the job's commits."""
    document = {key: value for key, value in json.loads(text).items() if key in _JOB_FIELDS}
    return json_format.ParseDict(document, _JobDetails()).SerializeToString()


def job_info(job: Job, pipeline: Pipeline | None, live: Live, details: bool = False) -> Any:
    """JobInfo; `pipeline` is the version that the job is of."""
    counters = job.counters
    info = pps_v2.JobInfo(
        job=pps_v2.Job(pipeline=pipeline_message(job.name.pipeline), id=job.name.id),
        pipeline_version=job.version,
        output_commit=commit_message(job.commit(USER), pipeline.output_branch if pipeline else "master"),
        restart=job.restart,
        data_processed=counters.processed,
        data_skipped=counters.skipped,
        data_total=counters.total,
        data_failed=counters.failed,
        data_recovered=counters.recovered,
        stats=process_stats(job.stats),
        state=int(job.state),
        reason=job.reason,
    )
    time(info.created, job.created)
    time(info.started, job.started)
    time(info.finished, job.finished)
    if details and pipeline is not None:
        info.details.MergeFromString(_job_details(pipeline.details_text))
        shown = inputs.with_commit(pipeline.details.get("input"), job.name.id)
        if shown is not None:
            json_format.ParseDict(shown, info.details.input)
        if job.state == JobState.RUNNING:
            for worker in live.worker_status(job):
                _add_worker(info.details.worker_status.add(), worker)
    return info


def _add_worker(message: Any, worker: WorkerStatus) -> None:
    message.worker_id, message.job_id = worker.worker, worker.job
    time(message.datum_status.started, worker.started)
    for _, _, path in worker.inputs:
        message.datum_status.data.add(path=path)


def process_stats(stats: dict[str, int]) -> Any:
    """ProcessStats of {download_time, process_time, upload_time (ns), download_bytes, upload_bytes}."""
    message = pps_v2.ProcessStats(
        download_bytes=stats.get("download_bytes", 0), upload_bytes=stats.get("upload_bytes", 0)
    )
    for key in ("download_time", "process_time", "upload_time"):
        if stats.get(key) is not None:
            time(getattr(message, key), stats[key])
    return message


def raw_json(message: Any) -> str:
    """The JSON that jq filters see: the protocol's field names, enums by name, unset fields left out."""
    return json.dumps(json_format.MessageToDict(message, preserving_proto_field_name=True))
