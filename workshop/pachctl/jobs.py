"""Jobs: inspect, wait, list, stop, delete."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from workshop.pachctl import address
from workshop.pachctl.commands import (
    Call,
    command,
    require_raw,
)
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.details import job_lines
from workshop.pachctl.errors import Failure, saying
from workshop.pachctl.messages import Message
from workshop.pachctl.output import Encoder, paged
from workshop.pachctl.tables import Table, ago, coloured, human_duration, progress_bar, seconds_of, size

API = "pps_v2.API"
_INFO = "pps_v2.JobInfo"
_HEADER = "PROJECT\tPIPELINE\tID\tSTARTED\tDURATION\tRESTART\tPROGRESS\tDL\tUL\tSTATE"
_REASON_LENGTH = 25
_COLOURS = {
    "JOB_STARTING": "yellow",
    "JOB_RUNNING": "yellow",
    "JOB_FAILURE": "red",
    "JOB_SUCCESS": "green",
    "JOB_KILLED": "red",
    "JOB_EGRESSING": "yellow",
    "JOB_FINISHING": "yellow",
    "JOB_UNRUNNABLE": "red",
}
_STATES = [
    "state_unknown",
    "created",
    "starting",
    "running",
    "failure",
    "success",
    "killed",
    "egressing",
    "finishing",
    "unrunnable",
]
_ENDED = ("JOB_FAILURE", "JOB_KILLED", "JOB_UNRUNNABLE")


def state_word(state: str) -> str:
    """A job's state as one coloured word; "-" for one that has not started."""
    return coloured(state[4:].lower(), _COLOURS[state]) if state in _COLOURS else "-"


def state_filter(words: list[str], prefix: str, states: list[str]) -> str:
    """--state as the jq filter that pachd understands. Raises Failure for a word that is no state."""
    conditions = []
    for word in words:
        name = word.upper().removeprefix(prefix)
        if name.lower() not in states:
            choice = f"{', '.join(states)}, or {prefix}{states[0].upper()}, etc"
            raise Failure(f"error parsing state: state {word} must be one of {choice}")
        conditions.append(f'.state == "{prefix}{name}"')
    return " or ".join(conditions)


def _add_row(table: Table, info: Message, full: bool) -> None:
    progress = f"{info.data_processed} + {info.data_skipped}"
    if info.data_recovered:
        progress += f" + {info.data_recovered}"
    took = "-"
    if "finished" in info:
        took = human_duration(seconds_of(info.finished) - seconds_of(info.started))
    if info.reason:
        state = f"{state_word(info.state)}: {_shortened(info.reason)}"
    elif info.state == "JOB_SUCCESS" and info.data_skipped == info.data_total:
        state = coloured("success: there were no datums to process", "green")
    else:
        state = state_word(info.state)
    table.add(
        info.job.pipeline.project.name,
        info.job.pipeline.name,
        info.job.id,
        ago(info, "started", full),
        took,
        str(info.restart),
        f"{progress} / {info.data_total}",
        size(info.stats.download_bytes),
        size(info.stats.upload_bytes),
        state,
    )


def _shortened(text: str) -> str:
    data = text.encode()
    return text if len(data) < _REASON_LENGTH else data[:_REASON_LENGTH].decode("utf-8", "ignore").strip() + "..."


def _write(call: Call, infos: Iterable[Message]) -> None:
    """Jobs as the user wants them: raw, or a table through the pager."""
    if require_raw(call):
        Encoder(call.output).write_all(infos)
        return

    def show(out: TextIO) -> None:
        table = Table(_HEADER, out)
        for info in infos:
            _add_row(table, info, call.full_timestamps)
        table.flush()

    paged(show, without=call.flags.get("no-pager", False))


@command("inspect job")
def inspect_job(call: Call) -> None:
    if address.is_id(call.args[0]):
        raise Failure('Use "list job <id>" to see jobs with a given ID across different pipelines')
    job = address.job(call.project, call.args[0])
    with saying("error from InspectJob: "):
        info = call.pachd.call(f"{API}/InspectJob", _INFO, {"job": job, "details": True})
    if require_raw(call):
        Encoder(call.output).write(info)
        return
    for line in job_lines(info, state_word(info.state), call.full_timestamps):
        print(line)


@command("wait job")
def wait_job(call: Call) -> None:
    if address.is_id(call.args[0]):
        request = {"job_set": {"id": call.args[0]}, "wait": True, "details": True}
        _write(call, list(call.pachd.stream(f"{API}/InspectJobSet", _INFO, request)))
        return
    job = address.job(call.project, call.args[0])
    with saying("error from InspectJob: "):
        info = call.pachd.call(f"{API}/InspectJob", _INFO, {"job": job, "wait": True, "details": True})
    _write(call, [info])


@command("list job")
def list_job(call: Call) -> None:
    commits = [address.commit(call.project, text) for text in call.input]
    history = address.history(call.history)
    jq = state_filter(call.state, "JOB_", _STATES)
    require_raw(call)
    projects = [] if call.all_projects else [{"name": call.project}]
    if call.args:
        _refuse(call, "sub-jobs", ("state", "input", "history", "pipeline"))
        with saying("error from InspectJobSet: "):
            infos = list(call.pachd.stream(f"{API}/InspectJobSet", _INFO, {"job_set": {"id": call.args[0]}}))
        _write(call, infos)
    elif call.pipeline or call.expand:
        request = {
            "projects": projects,
            "pipeline": address.pipeline(call.project, call.pipeline) if call.pipeline else None,
            "input_commit": commits,
            "history": history,
            "details": True,
            "jqFilter": jq,
        }
        _write(call, call.pachd.stream(f"{API}/ListJob", _INFO, request))
    else:
        _refuse(call, "all jobs", ("state", "input", "history"))
        _list_sets(call, projects)


def _refuse(call: Call, listing: str, names: tuple[str, ...]) -> None:
    for name in names:
        if call.flags[name] and call.flags[name] != "none":
            raise Failure(f"cannot specify '--{name}' when listing {listing}")


def _list_sets(call: Call, projects: list[dict]) -> None:
    infos = call.pachd.stream(f"{API}/ListJobSet", "pps_v2.JobSetInfo", {"projects": projects})
    if call.raw:
        Encoder(call.output).write_all(infos)
        return

    def show(out: TextIO) -> None:
        table = Table("ID\tSUBJOBS\tPROGRESS\tCREATED\tMODIFIED", out)
        for info in infos:
            done = sum(1 for job in info.jobs if job.state == "JOB_SUCCESS")
            failed = sum(1 for job in info.jobs if job.state in _ENDED)
            created = sorted((job for job in info.jobs if "created" in job), key=lambda job: seconds_of(job.created))
            times = (
                [ago(job, "created", call.full_timestamps) for job in (created[0], created[-1])]
                if created
                else ["-"] * 2
            )
            bar = progress_bar(done, len(info.jobs) - done - failed, failed)
            table.add(info.job_set.id, str(len(info.jobs)), bar, *times)
        table.flush()

    paged(show, without=call.no_pager)


@command("delete job")
def delete_job(call: Call) -> None:
    job = address.job(call.project, call.args[0])
    with saying("error from DeleteJob: "):
        call.pachd.call(f"{API}/DeleteJob", EMPTY, {"job": job})


@command("stop job")
def stop_job(call: Call) -> None:
    if address.is_id(call.args[0]):
        infos = call.pachd.stream(f"{API}/InspectJobSet", _INFO, {"job_set": {"id": call.args[0]}})
        stops = [{"stop_job": {"job": info.job}} for info in infos]
        if stops:
            request = {"requests": stops}
            call.pachd.call("transaction_v2.API/BatchTransaction", "transaction_v2.TransactionInfo", request)
        return
    job = address.job(call.project, call.args[0])
    with saying("error from StopProjectJob: "):
        call.pachd.call(f"{API}/StopJob", EMPTY, {"job": job})
