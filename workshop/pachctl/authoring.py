"""Making pipelines from specs: create, update, validate, edit."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from workshop.pachctl.commands import Call, command, require_raw
from workshop.pachctl.details import request_lines
from workshop.pachctl.errors import Failure, in_full
from workshop.pachctl.golang import json_text, quoted
from workshop.pachctl.jobs import API
from workshop.pachctl.output import Encoder
from workshop.pachctl.pipelines import inspect
from workshop.pachctl.sources import open_source, reason
from workshop.pachctl.specs import check, documents, pipeline_specs, to_value
from workshop.pachctl.transactions import store_or_call, tell_where


@command("create pipeline")
def create_pipeline(call: Call) -> None:
    _apply(call, update=False, reprocess=False)


@command("update pipeline")
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
            # a transaction stores what is done; a dry run does nothing, so it is answered at once
            ask = call.pachd.call if dry else partial(store_or_call, call)
            answer = ask(f"{API}/CreatePipelineV2", "pps_v2.CreatePipelineV2Response", request)
        if dry:
            _show_effective(call, answer.effective_create_pipeline_request_json)
        tell_where(call)


def _rendered(call: Call) -> str:
    unreadable = f"could not read Jsonnet file {quoted(call.jsonnet)}: "
    template, arguments = open_source(call.jsonnet, unreadable=unreadable), {}
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


@command("validate pipeline")
def validate_pipeline(call: Call) -> None:
    for _ in pipeline_specs(open_source(call.file)):
        pass


@command("edit pipeline")
def edit_pipeline(call: Call) -> None:
    info = inspect(call, call.args[0])
    old = to_value(next(documents(info.user_spec_json)))
    name = f"{info.pipeline.name}-{random.randrange(10**9, 10**10)}.pipeline.{call.output or 'json'}"
    path = Path(tempfile.gettempdir()) / name
    try:
        with path.open("x") as file:
            Encoder(call.output, file).write(_with_schema(call, json.loads(info.user_spec_json)))
        _edit([*(call.editor or os.environ.get("EDITOR") or "vim").split(" "), str(path)])
        spec = next(pipeline_specs(path.read_text()), None)
    finally:
        path.unlink(missing_ok=True)
    if spec is None:
        raise Failure("EOF")
    if json_text(spec) == json_text(old):
        print("Pipeline unchanged, no update will be performed.")
        return
    pipeline = spec["pipeline"]
    project = pipeline.get("project") or {}
    if project.get("name", info.pipeline.project.name) != info.pipeline.project.name:
        raise Failure("may not change project name")
    if pipeline.get("name", info.pipeline.name) != info.pipeline.name:
        raise Failure("may not change pipeline name")
    pipeline["project"] = {"name": info.pipeline.project.name}
    request = {"create_pipeline_request_json": json_text(spec), "update": True, "reprocess": call.reprocess}
    store_or_call(call, f"{API}/CreatePipelineV2", "pps_v2.CreatePipelineV2Response", request)
    tell_where(call)


def _edit(words: list[str]) -> None:
    """Run an editor. Raises Failure with its command line, and what it said on standard error, where it fails."""
    command_line = " ".join(words)
    try:
        running = subprocess.Popen(words, stderr=subprocess.PIPE)
    except OSError as error:
        if os.sep in words[0]:
            cause = f"fork/exec {words[0]}: {reason(error)}"
        else:
            cause = f"exec: {quoted(words[0])}: executable file not found in $PATH"
        raise Failure(f"{command_line}: {cause}") from None
    said = b""
    assert running.stderr is not None
    while part := os.read(running.stderr.fileno(), 1 << 16):
        said += part
        sys.stderr.write(part.decode("utf-8", "replace"))
        sys.stderr.flush()
    if status := running.wait():
        if said:
            command_line += f"\nStderr: {said.decode('utf-8', 'replace')}\nError"
        raise Failure(f"{command_line}: exit status {status}")


def _with_schema(call: Call, spec: dict[str, Any]) -> dict[str, Any]:
    """The spec with the address of its schema, if the cluster names one: editors check it then."""
    cluster = call.pachd.call("admin_v2.API/InspectCluster", "admin_v2.ClusterInfo", {})
    url = cluster.web_resources.create_pipeline_request_json_schema_url
    return {"$schema": url, **spec} if url else spec
