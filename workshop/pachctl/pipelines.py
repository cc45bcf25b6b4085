"""Pipelines: create, update, edit, validate, inspect, list, start, stop, rerun, delete, run cron, check status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from workshop.pachctl import address
from workshop.pachctl.commands import FULL_TIMESTAMPS, RAW, Call, Flag, command, group, project_flag, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.details import pipeline_lines, request_lines
from workshop.pachctl.errors import Failure, in_full, saying
from workshop.pachctl.golang import json_text
from workshop.pachctl.jobs import API, state_filter, state_word
from workshop.pachctl.messages import Message
from workshop.pachctl.output import Encoder
from workshop.pachctl.protocol import schema
from workshop.pachctl.sources import open_source
from workshop.pachctl.specs import check, documents, pipeline_specs, to_value
from workshop.pachctl.tables import Table, ago, coloured, seconds_of
from workshop.pachctl.transactions import store_or_call, tell_where

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


def _from_spec(verb: str, project: str) -> tuple[Flag, ...]:
    reprocess = Flag(
        "reprocess", "Reprocess all datums that were already processed by previous version of the pipeline.", "bool"
    )
    return (
        Flag(
            "file",
            'A JSON/YAML file (url or filepath) for one or more pipelines. "-" reads from stdin (the default).',
            short="f",
        ),
        Flag("jsonnet", 'A Jsonnet template file (url or filepath) for one or more pipelines. "-" reads from stdin.'),
        Flag("arg", "A top-level argument 'param=value' for the Jsonnet template; can be repeated.", "stringArray"),
        Flag("push-images", "Specify that the local docker images should be pushed into the registry.", "bool", "p"),
        Flag("registry", "Specify an alternative registry to push images to.", short="r", default="index.docker.io"),
        Flag("username", "Specify the username to push images as.", short="u"),
        *((reprocess,) if verb == "update" else ()),
        project_flag(project),
        Flag("dry-run", f"If true, pipeline will not actually be {verb}d.", "bool"),
        *RAW,
    )


@command(
    "create pipeline",
    "Create a new pipeline.",
    0,
    flags=_from_spec("create", "Specify the project (by name) in which to create the pipeline."),
    long="This command creates a new pipeline from a pipeline specification. \n \n"
    "You can create a pipeline using a JSON/YAML file or a jsonnet template file -- via either a local filepath or "
    "URL. Multiple "
    "pipelines can be created from one file.For details on the format, see "
    "https://docs.pachyderm.com/latest/reference/pipeline_spec/. \n \n"
    "\t- To create a pipeline from a JSON/YAML file, use the `--file` flag \n"
    "\t- To create a pipeline from a jsonnet template file, use the `--jsonnet` flag; you can optionally pay "
    "multiple arguments "
    "separately using `--arg` \n",
    example="\t {{alias}} --file regression.json \n\t {{alias}} --jsonnet /templates/foo.jsonnet --arg src=image \n",
)
def create_pipeline(call: Call) -> None:
    _apply(call, update=False, reprocess=False)


@command(
    "update pipeline",
    "Update an existing Pachyderm pipeline.",
    0,
    flags=_from_spec("update", "Specify the project (by name) in which to create the pipeline."),
    long="This command updates a Pachyderm pipeline with a new pipeline specification. For details on the format, see "
    "https://docs.pachyderm.com/latest/reference/pipeline-spec/ \n \n"
    "\t- To update a pipeline from a JSON/YAML file, use the `--file` flag \n"
    "\t- To reprocess all data in the pipeline, use the `--reprocess` flag \n",
    example="\t {{alias}} --file regression.json \n",
)
def update_pipeline(call: Call) -> None:
    _apply(call, update=True, reprocess=call.reprocess)


def _apply(call: Call, update: bool, reprocess: bool) -> None:
    """Create or update each pipeline of the file; those before a bad one stay."""
    if call.file and call.jsonnet:
        raise Failure("cannot set both --file and --jsonnet; exactly one must be set")
    if call.push_images:
        raise Failure(
            "--push-images needs a container engine and pachctl itself: push the image, then name it in the spec"
        )
    text = _rendered(call) if call.jsonnet else open_source(call.file or "-")
    for spec in pipeline_specs(text):
        pipeline = spec.get("pipeline")
        if not isinstance(pipeline, dict):
            raise Failure("must specify pipeline, an object")
        if not pipeline.get("project"):
            pipeline["project"] = {"name": call.project}
        elif not pipeline["project"].get("name"):
            pipeline["project"]["name"] = call.project
        for name in ("update", "reprocess"):
            if not isinstance(spec.get(name, False), bool):
                raise Failure(f"{name} must be a boolean")
        dry = call.dry_run or spec.get("dry_run") is True or spec.get("dryRun") is True
        request = {
            "create_pipeline_request_json": json_text(spec),
            "update": spec.get("update", update),
            "reprocess": spec.get("reprocess", reprocess),
            "dry_run": dry,
        }
        with in_full("could not create pipeline: "):
            answer = store_or_call(call, f"{API}/CreatePipelineV2", "pps_v2.CreatePipelineV2Response", request)
        if dry:
            _show_effective(call, answer.effective_create_pipeline_request_json)
        tell_where(call)


def _rendered(call: Call) -> str:
    template, arguments = open_source(call.jsonnet), {}
    for text in call.arg:
        key, equals, value = text.partition("=")
        if not equals:
            raise Failure(f'invalid template argument "{text}": must have form "key=value"')
        arguments[key] = value
    with in_full():
        answer = call.pachd.call(
            f"{API}/RenderTemplate", "pps_v2.RenderTemplateResponse", {"template": template, "args": arguments}
        )
    return answer.json


def _show_effective(call: Call, text: str) -> None:
    if require_raw(call):
        Encoder(call.output).write(json.loads(text))
        return
    for line in request_lines(check(text)):
        print(line)


@command(
    "validate pipeline",
    "Validate pipeline spec.",
    0,
    flags=(
        Flag(
            "file", 'A JSON file (url or filepath) containing one or more pipelines. "-" reads from stdin.', short="f"
        ),
    ),
    long="This command validates a pipeline spec.  Client-side only; does not check that repos, images, etc exist on "
    "the server.",
    example="\t- {{alias}} --file spec.json",
)
def validate_pipeline(call: Call) -> None:
    for _ in pipeline_specs(open_source(call.file)):
        pass


@command(
    "edit pipeline",
    "Edit the manifest for a pipeline in your text editor.",
    1,
    "pipeline <pipeline>",
    (
        Flag("reprocess", "Reprocess datums that were already processed by previous version of the pipeline.", "bool"),
        Flag("editor", "Specify the editor to use for modifying the manifest."),
        Flag("output", 'Specify the output format: "json" or "yaml" (default "json")', short="o"),
        project_flag("Specify the project (by name) containing pipeline to edit."),
    ),
    long="This command edits the manifest for a pipeline in your text editor.",
    example="\t- {{alias}} foo \n\t- {{alias}} foo --editor vim --output yaml \n",
)
def edit_pipeline(call: Call) -> None:
    info = _inspect(call, call.args[0])
    old = to_value(next(documents(info.user_spec_json)))
    with tempfile.TemporaryDirectory(prefix="pachctl-edit-") as folder:
        path = os.path.join(folder, f"{info.pipeline.name}.pipeline.{call.output or 'json'}")
        with open(path, "w") as file:
            Encoder(call.output, file).write(json.loads(info.user_spec_json))
        editor = call.editor or os.environ.get("EDITOR") or "vim"
        try:
            done = subprocess.run([*editor.split(" "), path], check=False)
        except OSError:
            raise Failure(f'exec: "{editor.split(" ")[0]}": executable file not found in $PATH') from None
        if done.returncode:
            raise Failure(f"exit status {done.returncode}")
        with open(path) as file:
            spec = next(pipeline_specs(file.read()), None)
    if spec is None:
        raise Failure("EOF")
    if json_text(spec) == json_text(old):
        print("Pipeline unchanged, no update will be performed.")
        return
    pipeline = spec["pipeline"]
    if pipeline.get("name", info.pipeline.name) != info.pipeline.name:
        raise Failure("may not change pipeline name")
    project = pipeline.get("project") or {}
    if project.get("name", info.pipeline.project.name) != info.pipeline.project.name:
        raise Failure("may not change project name")
    pipeline["project"] = {"name": info.pipeline.project.name}
    request = {"create_pipeline_request_json": json_text(spec), "update": True, "reprocess": call.reprocess}
    store_or_call(call, f"{API}/CreatePipelineV2", "pps_v2.CreatePipelineV2Response", request)
    tell_where(call)


def _inspect(call: Call, name: str) -> Message:
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
    info = _inspect(call, call.args[0])
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
            encoder = Encoder("")
            for info in infos:
                encoder.write(info)
            return
        with Table("PROJECT\tPIPELINE\tALERT") as table:
            for info in infos:
                for alert in info.alerts:
                    table.add(info.project.name, address.pipeline_text(info.pipeline), alert)
