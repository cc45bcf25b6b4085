"""Pipelines: create, update, edit, validate, inspect, list, start, stop, rerun, delete, run cron, check status."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from workshop.pachctl import address
from workshop.pachctl.commands import FULL_TIMESTAMPS, RAW, Call, Flag, command, group, project_flag, require_raw
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
_CONTAINING = project_flag("Project containing pipeline.")

group(
    "pipeline",
    "Docs for pipelines.",
    "Pipelines are a powerful abstraction for automating jobs. They take a set of repos and branches as inputs and "
    "write to a "
    "single output repo of the same name. \nPipelines then subscribe to commits on those repos and launch a job to "
    "process each "
    "incoming commit. All jobs created by a pipeline will create commits in the pipeline's output repo.",
    aliases=("pipelines",),
    associated=" pipeline$",
)


def inspect(call: Call, name: str) -> Message:
    """A pipeline with its details."""
    return call.pachd.call(
        f"{API}/InspectPipeline", _INFO, {"pipeline": address.pipeline(call.project, name), "details": True}
    )


@command(
    "inspect pipeline",
    "Return info about a pipeline.",
    1,
    "pipeline <pipeline>",
    (*RAW, FULL_TIMESTAMPS, project_flag("Specify the project (by name) containing the inspected pipeline.")),
    long="This command returns info about a pipeline.",
    example="\t- {{alias}} foo \n\t- {{alias}} foo --raw -o yaml \n",
)
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


@command(
    "list pipeline",
    "Return info about all pipelines.",
    (0, 1),
    "pipeline [<pipeline>]",
    (
        Flag("spec", "Output 'create pipeline' compatibility specs.", "bool", "s"),
        *RAW,
        FULL_TIMESTAMPS,
        Flag("history", "Specify results should include revision history for pipelines.", default="none"),
        Flag("commit", "List the pipelines as they existed at this commit.", short="c"),
        Flag("state", "Include only pipelines with the specified state; can be repeated.", "stringArray"),
        project_flag("Specify the project (by name) containing the pipelines."),
        Flag("all-projects", "Show pipelines form all projects.", "bool", "A"),
    ),
    long="This command returns information about all pipelines. \n \n"
    "\t- To return pipelines with a specific state, use the `--state` flag \n"
    "\t- To return pipelines as they existed at a specific commit, use the `--commit` flag \n"
    "\t- To return a history of pipeline revisions, use the `--history` flag \n",
    example="\t- {{alias}} --spec --output yaml \n\t- {{alias}} --state crashing \n",
)
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


@command(
    "delete pipeline",
    "Delete a pipeline.",
    (0, 1),
    "pipeline (<pipeline>|--all)",
    (
        Flag("all", "Delete all pipelines", "bool"),
        Flag("force", "Delete the pipeline regardless of errors; use with care", "bool", "f"),
        Flag("keep-repo", "Specify that the pipeline's output repo should be saved after pipeline deletion.", "bool"),
        project_flag("Specify the project (by name) containing project"),
        Flag("all-projects", "Delete pipelines from all projects; only valid with --all", "bool", "A"),
    ),
    long="This command deletes a pipeline.",
    example="\t- {{alias}} foo --keep-repo\n\t- {{alias}} --all\n",
)
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


@command(
    "start pipeline",
    "Restart a stopped pipeline.",
    1,
    "pipeline <pipeline>",
    (_CONTAINING,),
    long="This command restarts a stopped pipeline.",
    example="\t- {{alias}} foo \n",
)
def start_pipeline(call: Call) -> None:
    with saying("error from StartProjectPipeline: "):
        call.pachd.call(f"{API}/StartPipeline", EMPTY, {"pipeline": address.pipeline(call.project, call.args[0])})


@command(
    "stop pipeline",
    "Stop a running pipeline.",
    1,
    "pipeline <pipeline>",
    (_CONTAINING,),
    long="This command stops a running pipeline.",
    example="\t- {{alias}} foo \n",
)
def stop_pipeline(call: Call) -> None:
    request = {"pipeline": address.pipeline(call.project, call.args[0]), "must_exist": True}
    with saying("error from StopProjectPipeline: "):
        call.pachd.call(f"{API}/StopPipeline", EMPTY, request)


@command(
    "rerun pipeline",
    "Rerun a pipeline.",
    1,
    "pipeline <pipeline>",
    (
        Flag("reprocess", "Reprocess datums that were already processed by previous version of the pipeline.", "bool"),
        project_flag("Specify the project (by name) containing project"),
    ),
    plural="",
    long="This command is used to rerun an existing pipeline.",
    example="\t- {{alias}} foo \n\t- {{alias}} foo --reprocess\n",
)
def rerun_pipeline(call: Call) -> None:
    request = {"pipeline": address.pipeline(call.project, call.args[0]), "reprocess": call.reprocess}
    call.pachd.call(f"{API}/RerunPipeline", EMPTY, request)


@command(
    "run cron",
    "Run an existing Pachyderm cron pipeline now",
    (1, None),
    "cron <pipeline>",
    (project_flag("Specify the project (by name) containing the cron pipeline."),),
    plural="",
    long="This command runs an existing Pachyderm cron pipeline immediately.",
    example="\t- {{alias}} foo \n",
)
def run_cron(call: Call) -> None:
    call.pachd.call(f"{API}/RunCron", EMPTY, {"pipeline": address.pipeline(call.project, call.args[0])})


@command(
    "check status",
    "Check the status of pipelines within a project.",
    (0, None),
    "status",
    (
        project_flag("Specify the project (by name) containing the pipeline."),
        Flag("raw", "Specify results should only return log messages verbatim from server.", "bool"),
        Flag("all-projects", "Show pipeline status form all projects.", "bool", "A"),
    ),
    plural="",
    long="Check the status of pipelines within a project.",
    example="\t- {{alias}} \n\t- {{alias}} --project bar \n",
)
def check_status(call: Call) -> None:
    request = {"all": True} if call.all_projects else {"project": {"name": call.project}}
    with in_full(f"error while attempting to check status of project {call.project}: "):
        infos: Iterator[Message] = call.pachd.stream(f"{API}/CheckStatus", "pps_v2.CheckStatusResponse", request)
        if call.raw:
            Encoder("").write_all(infos)
            return
        with Table("PROJECT\tPIPELINE\tALERT") as table:
            for info in infos:
                for alert in info.alerts:
                    table.add(info.project.name, address.pipeline_text(info.pipeline), alert)
