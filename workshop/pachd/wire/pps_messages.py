"""Messages of pipelines and jobs from their rows, and names from messages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from google.protobuf import json_format

from workshop.pachd.errors import InvalidArgument, PachydermError
from workshop.pachd.model import DEFAULT_PROJECT, SPEC, USER, CommitName, JobName, PipelineName
from workshop.pachd.pps import status
from workshop.pachd.pps.live import Live, WorkerStatus
from workshop.pachd.pps.records import Job, JobState, Pipeline
from workshop.pachd.spec import inputs
from workshop.pachd.wire import encode
from workshop.pachd.wire.names import bounded
from workshop.pachd.wire.schema import message_class, pfs_v2, pps_v2

_PipelineDetails = message_class("pps_v2.PipelineInfo.Details")
_JobDetails = message_class("pps_v2.JobInfo.Details")

NAME_MISSING = "invalid Pipeline.Name: value length must be at least 1 bytes"
_INVALID = "embedded message failed validation | caused by: "


# ---------------------------------------------------------------- names from messages
def pipeline_name(message: Any, place: str, how: str = "validate request") -> PipelineName:
    """The name in a Pipeline message; `place` says where it stands, for the refusal of an empty one."""
    if not message.name:
        raise InvalidArgument(f"{how}: invalid {place}: {_INVALID}{NAME_MISSING}")
    return PipelineName(message.project.name or DEFAULT_PROJECT, message.name)


def required_pipeline(request: Any, how: str = "validate request") -> PipelineName:
    """The pipeline of a request that must name one."""
    place = f"{request.DESCRIPTOR.name}.Pipeline"
    if not request.HasField("pipeline"):
        raise InvalidArgument(f"{how}: invalid {place}: value is required")
    return pipeline_name(request.pipeline, place, how)


def job_name(message: Any, *places: str, how: str = "validate request") -> JobName:
    """The name in a Job message; `places` says in what it stands, from the request inwards."""
    if message.HasField("pipeline") and not message.pipeline.name:
        path = "".join(f"invalid {place}: {_INVALID}" for place in (*places, "Job.Pipeline"))
        raise InvalidArgument(f"{how}: {path}{NAME_MISSING}")
    project = message.pipeline.project.name or DEFAULT_PROJECT if message.HasField("pipeline") else ""
    return JobName(PipelineName(project, message.pipeline.name), message.id)


def project_names(messages: Iterable[Any]) -> frozenset[str]:
    """The names of the projects that a request is limited to; one without a name is one that has nothing."""
    return frozenset(message.name for message in messages)


# ---------------------------------------------------------------- messages of names
def time(stamp: Any, nanoseconds: int | None) -> None:
    """Fill in a Timestamp or Duration field; None leaves it unset."""
    if nanoseconds is not None:
        stamp.seconds, stamp.nanos = divmod(nanoseconds, 10**9)
        stamp.SetInParent()


def nanoseconds(stamp: Any) -> int:
    """Nanoseconds since the epoch of a Timestamp, brought into what a column holds."""
    return bounded(stamp.seconds * 10**9 + stamp.nanos)


def pipeline_message(name: PipelineName) -> Any:
    return pps_v2.Pipeline(project=pfs_v2.Project(name=name.project), name=name.name)


@lru_cache(4096)
def _pipeline(name: PipelineName) -> bytes:
    return encode.text(1, name.name) + encode.part(2, encode.text(1, name.project))


# ---------------------------------------------------------------- pipelines
@lru_cache(512)
def _details(text: str) -> bytes:
    return json_format.Parse(text, _PipelineDetails()).SerializeToString()


def pipeline_info(pipeline: Pipeline, last_job: int, live: Live, details: bool = True) -> bytes:
    """PipelineInfo of one version, as wire bytes."""
    info = [
        encode.part(1, _pipeline(pipeline.name)),
        encode.number(2, pipeline.version),
        encode.part(3, encode.commit(CommitName(pipeline.name.repo(SPEC), pipeline.spec_commit), "master")),
        encode.number(4, pipeline.stopped),
        encode.number(5, pipeline.state),
        encode.text(6, pipeline.reason),
        encode.number(8, last_job),
        encode.number(9, pipeline.parallelism),
        encode.number(10, pipeline.type),
        encode.text(13, pipeline.user_spec),
        encode.text(14, pipeline.effective_spec),
        encode.pairs(15, pipeline.metadata),
    ]
    if details:
        exceeded = status.overdue(pipeline)
        more = [
            _details(pipeline.details_text),
            encode.text(6, live.recent_error(pipeline)),
            encode.number(7, pipeline.parallelism),
            encode.number(8, live.workers_available(pipeline)),
            # pachctl raises an alert for every pipeline that has the time at which its workers started
            encode.time(38, exceeded[0] if exceeded else None),
        ]
        info.append(encode.part(12, b"".join(more)))
    return b"".join(info)


def pipeline_json(info: bytes) -> str:
    """The JSON of a PipelineInfo as jq filters see it."""
    return _json(pps_v2.PipelineInfo.FromString(info))


# ---------------------------------------------------------------- jobs
_JOB_FIELDS = {
    *("transform", "parallelismSpec", "egress", "service", "spout", "resourceRequests", "resourceLimits"),
    *("sidecarResourceLimits", "salt", "datumSetSpec", "datumTimeout", "jobTimeout", "datumTries"),
    *("schedulingSpec", "podSpec", "podPatch", "sidecarResourceRequests", "input"),
}
_ANY_ID = "0" * 12 + "4" + "0" * 19  # stands for the job's id in what is kept


@lru_cache(512)
def _job_details(text: str) -> bytes:
    """JobInfo.Details of a version of a pipeline; its input names the commits of the job _ANY_ID."""
    document = {key: value for key, value in json.loads(text).items() if key in _JOB_FIELDS}
    if "input" in document:
        document["input"] = inputs.with_commit(document["input"], _ANY_ID)
    return json_format.ParseDict(document, _JobDetails()).SerializeToString()


def job_info(job: Job, pipeline: Pipeline | None, live: Live, details: bool = False) -> bytes:
    """JobInfo as wire bytes; `pipeline` is the version that the job is of."""
    counters = job.counters
    info = [
        encode.part(1, encode.part(1, _pipeline(job.name.pipeline)) + encode.text(2, job.name.id)),
        encode.number(2, job.version),
        encode.part(3, encode.commit(job.commit(USER), pipeline.output_branch if pipeline else "master")),
        encode.number(4, job.restart),
        encode.number(5, counters.processed),
        encode.number(6, counters.skipped),
        encode.number(7, counters.total),
        encode.number(8, counters.failed),
        encode.number(9, counters.recovered),
        encode.part(10, process_stats(job.stats)),
        encode.number(11, job.state),
        encode.text(12, job.reason),
        encode.time(13, job.created),
        encode.time(14, job.started),
        encode.time(15, job.finished),
    ]
    if details and pipeline is not None:
        kept = _job_details(pipeline.details_text).replace(_ANY_ID.encode(), job.name.id.encode())
        workers = live.worker_status(job) if job.state == JobState.RUNNING else []
        info.append(encode.part(16, kept + b"".join(encode.part(6, _worker(worker)) for worker in workers)))
    return b"".join(info)


def _worker(worker: WorkerStatus) -> bytes:
    data = (encode.part(2, encode.text(1, path) + encode.part(2, hash)) for path, hash in worker.inputs)
    datum = encode.time(1, worker.started) + b"".join(data)
    return encode.text(1, worker.worker) + encode.text(2, worker.job) + encode.part(3, datum)


STATS_TIMES = ("download_time", "process_time", "upload_time")


def process_stats(stats: dict[str, int]) -> bytes:
    """ProcessStats of {download_time, process_time, upload_time (ns), download_bytes, upload_bytes}."""
    found = [encode.time(number, stats.get(key)) for number, key in enumerate(STATS_TIMES, 1)]
    found += [encode.number(4, stats.get("download_bytes", 0)), encode.number(5, stats.get("upload_bytes", 0))]
    return b"".join(found)


def job_json(info: bytes) -> str:
    """The JSON of a JobInfo as jq filters see it."""
    return _json(pps_v2.JobInfo.FromString(info))


def _json(message: Any) -> str:
    """The protocol's field names, enums by name, unset fields left out."""
    return json.dumps(json_format.MessageToDict(message, preserving_proto_field_name=True))


def document(message: Any) -> dict[str, Any]:
    """A request's message as JSON has it; refused when JSON cannot say it, as a time after the year 9999."""
    try:
        return json_format.MessageToDict(message)
    except (json_format.Error, ValueError, OverflowError) as fault:
        raise PachydermError(f"could not marshal {message.DESCRIPTOR.name} to JSON: {fault}") from None
