"""Making pipelines from specs: create, update, validate, edit."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from typing import Any

from workshop.pachctl.commands import Call, command, require_raw
from workshop.pachctl.details import request_lines
from workshop.pachctl.errors import Failure, in_full
from workshop.pachctl.golang import json_text
from workshop.pachctl.jobs import API
from workshop.pachctl.output import Encoder
from workshop.pachctl.pipelines import inspect
from workshop.pachctl.sources import open_source
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


@command("validate pipeline")
def validate_pipeline(call: Call) -> None:
    for _ in pipeline_specs(open_source(call.file)):
        pass


@command("edit pipeline")
def edit_pipeline(call: Call) -> None:
    info = inspect(call, call.args[0])
    old = to_value(next(documents(info.user_spec_json)))
    with tempfile.TemporaryDirectory(prefix="pachctl-edit-") as folder:
        path = os.path.join(folder, f"{info.pipeline.name}.pipeline.{call.output or 'json'}")
        with open(path, "w") as file:
            Encoder(call.output, file).write(_with_schema(call, json.loads(info.user_spec_json)))
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


def _with_schema(call: Call, spec: dict[str, Any]) -> dict[str, Any]:
    """The spec with the address of its schema, if the cluster names one: editors check it then."""
    cluster = call.pachd.call("admin_v2.API/InspectCluster", "admin_v2.ClusterInfo", {})
    url = cluster.web_resources.create_pipeline_request_json_schema_url
    return {"$schema": url, **spec} if url else spec
