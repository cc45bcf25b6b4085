"""Pipelines: create, update, edit, validate, inspect, list, start, stop, rerun, delete, run cron, check status."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.details import pipeline_lines
from workshop.pachctl.errors import Failure, in_full, saying
from workshop.pachctl.jobs import API, state_filter, state_word
from workshop.pachctl.messages import Message
from workshop.pachctl.output import Encoder
from workshop.pachctl.protocol import schema
from workshop.pachctl.tables import Table, ago, coloured, seconds_of

_INFO = "pps_v2.PipelineInfo"
_COLOURS = {
    "PIPELINE_STARTING": "yellow",
    "PIPELINE_RUNNING": "green",
    "PIPELINE_RESTARTING": "yellow",
    "PIPELINE_FAILURE": "red",
    "PIPELINE_PAUSED": "yellow",
    "PIPELINE_STANDBY": "yellow",
    "PIPELINE_CRASHING": "red",
}
_STATES = ["pipeline_state_unknown", "starting", "running", "restarting", "failure", "paused", "standby", "crashing"]
_STATES[0] = "state_unknown"
_SIGNS = {"cross": " ⨯ ", "join": " ⋈ ", "union": " ∪ ", "group": ", "}


def inspect(call: Call, name: str) -> Message:
    """A pipeline with its details."""
    return call.pachd.call(
        f"{API}/InspectPipeline", _INFO, {"pipeline": address.pipeline(call.project, name), "details": True}
    )


@command("inspect pipeline")
def inspect_pipeline(call: Call) -> None:
    info = inspect(call, call.args[0])
    if require_raw(call):
        Encoder(call.output).write(info)
        return
    for line in pipeline_lines(info, pipeline_state(info.state), call.full_timestamps):
        print(line)


def pipeline_state(state: str) -> str:
    """A pipeline's state as one coloured word."""
    return coloured(state[9:].lower(), _COLOURS[state]) if state in _COLOURS else "-"


@command("list pipeline")
def list_pipeline(call: Call) -> None:
    if call.raw and call.spec:
        raise Failure("cannot set both --raw and --spec")
    if not call.raw and not call.spec and call.output:
        raise Failure("cannot set --output (-o) without --raw or --spec")
    request = {
        "history": address.history(call.history),
        "commit_set": {"id": call.commit},
        "jqFilter": state_filter(call.state, "PIPELINE_", _STATES),
        "projects": [] if call.all_projects else [{"name": call.project}],
        "pipeline": address.pipeline(call.project, call.args[0]) if call.args else None,
        "details": True,
    }
    infos = list(call.pachd.stream(f"{API}/ListPipeline", _INFO, request))
    if call.raw or call.spec:
        encoder = Encoder(call.output)
        for info in infos:
            encoder.write(_spec(info) if call.spec else info)
        return
    if any(info.state in ("PIPELINE_FAILURE", "PIPELINE_CRASHING") for info in infos):
        print("One or more pipelines have encountered errors, use inspect pipeline to get more info.", file=sys.stderr)
    with Table("PROJECT\tNAME\tVERSION\tINPUT\tCREATED\tSTATE / LAST JOB\tALERTS\tDESCRIPTION") as table:
        for info in infos:
            _add_row(table, info, call.full_timestamps)


def _add_row(table: Table, info: Message, full: bool) -> None:
    details = info.details
    state = f"{pipeline_state(info.state)} / {state_word(info.last_job_state)}"
    name = (info.pipeline.project.name, info.pipeline.name, str(info.version))
    if "details" not in info:
        table.add(*name, "-", "-", state, "pipeline details unavailable")
        return
    given = shorthand(details.input) if "input" in details else "none"
    table.add(
        *name, given, ago(details, "created_at", full), state, "*" if _overdue(details) else "", details.description
    )


def _overdue(details: Message) -> bool:
    """Whether the workers have been up for longer than the pipeline's author expects."""
    if "workers_started_at" not in details:
        return False
    return time.time() - seconds_of(details.workers_started_at) > seconds_of(details.maximum_expected_uptime)


def shorthand(given: Message) -> str:
    """An input on one line: project/repo:glob, (a ⨯ b), name:spec."""
    if "pfs" in given:
        return f"{given.pfs.project}/{given.pfs.repo}:{given.pfs.glob}"
    for kind, sign in _SIGNS.items():
        if given.get(kind):
            inner = sign.join(shorthand(item) for item in given[kind])
            return f"(Group: {inner})" if kind == "group" else f"({inner})"
    return f"{given.cron.name}:{given.cron.spec}" if "cron" in given else ""


def _spec(info: Message) -> Message:
    """The request that would create this pipeline again."""
    known = schema("pps_v2.CreatePipelineRequest").by_name
    skipped = ("tf_job", "spec_commit", "maximum_expected_uptime")
    values: dict[str, Any] = {"pipeline": info.pipeline}
    values |= {name: value for name, value in info.details.items() if name in known and name not in skipped}
    if "determined" in values:
        values["determined"] = Message("pps_v2.Determined", {"workspaces": info.details.determined.workspaces})
    return Message("pps_v2.CreatePipelineRequest", values)


@command("delete pipeline")
def delete_pipeline(call: Call) -> None:
    if call.args and call.all:
        raise Failure("cannot use the --all flag with an argument")
    if not call.args and not call.all:
        raise Failure("either a pipeline name or the --all flag needs to be provided")
    if call.all:
        request: dict[str, Any] = {"projects": [{"name": call.project}], "all": call.all_projects}
        call.pachd.call(f"{API}/DeletePipelines", "pps_v2.DeletePipelinesResponse", request)
        return
    if call.all_projects:
        raise Failure("--allProjects only valid with --all")
    request = {
        "pipeline": address.pipeline(call.project, call.args[0]),
        "force": call.force,
        "keep_repo": call.keep_repo,
        "must_exist": True,
    }
    call.pachd.call(f"{API}/DeletePipeline", EMPTY, request)


@command("start pipeline")
def start_pipeline(call: Call) -> None:
    with saying("error from StartProjectPipeline: "):
        call.pachd.call(f"{API}/StartPipeline", EMPTY, {"pipeline": address.pipeline(call.project, call.args[0])})


@command("stop pipeline")
def stop_pipeline(call: Call) -> None:
    request = {"pipeline": address.pipeline(call.project, call.args[0]), "must_exist": True}
    with saying("error from StopProjectPipeline: "):
        call.pachd.call(f"{API}/StopPipeline", EMPTY, request)


@command("rerun pipeline")
def rerun_pipeline(call: Call) -> None:
    request = {"pipeline": address.pipeline(call.project, call.args[0]), "reprocess": call.reprocess}
    call.pachd.call(f"{API}/RerunPipeline", EMPTY, request)


@command("run cron")
def run_cron(call: Call) -> None:
    call.pachd.call(f"{API}/RunCron", EMPTY, {"pipeline": address.pipeline(call.project, call.args[0])})


@command("check status")
def check_status(call: Call) -> None:
    request = {"all": True} if call.all_projects else {"project": {"name": call.project}}
    with in_full(f"error while attempting to check status of project {call.project}: "):
        infos: Iterator[Message] = call.pachd.stream(f"{API}/CheckStatus", "pps_v2.CheckStatusResponse", request)
        table = Table("PROJECT\tPIPELINE\tALERT")  # printed with the first alert only, and aligned anew for each
        for info in infos:
            if call.raw:
                Encoder("").write(info)
                return
            for alert in info.alerts:
                table.add(info.project.name, address.pipeline_text(info.pipeline), alert)
            table.flush()
