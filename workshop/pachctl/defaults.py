"""Defaults of a cluster or a project for new pipelines: inspect, create, update, delete."""

from __future__ import annotations

import json

from workshop.pachctl.address import pipeline_text
from workshop.pachctl.commands import Call, command
from workshop.pachctl.errors import Failure, in_full
from workshop.pachctl.jobs import API
from workshop.pachctl.messages import to_json
from workshop.pachctl.protojson import parse
from workshop.pachctl.sources import open_source
from workshop.pachctl.specs import read_json

_WHICH = "must pass either --cluster or --project PROJECT"


@command("inspect defaults")
def inspect_defaults(call: Call) -> None:
    if "cluster" in call.given:
        if call.raw:
            raise Failure("raw cluster defaults not yet implemented")
        with in_full("could not get cluster defaults: "):
            answer = call.pachd.call(f"{API}/GetClusterDefaults", "pps_v2.GetClusterDefaultsResponse", {})
        print(answer.cluster_defaults_json)
    elif "project" in call.given:
        request = {"project": {"name": call.project}}
        with in_full("could not get project defaults: "):
            answer = call.pachd.call(f"{API}/GetProjectDefaults", "pps_v2.GetProjectDefaultsResponse", request)
        if call.raw:
            print(json.dumps(to_json(answer, original_names=False), separators=(",", ":"), ensure_ascii=False))
        else:
            print(answer.project_defaults_json)
    else:
        raise Failure(_WHICH)


@command("create defaults")
def create_defaults(call: Call) -> None:
    _set(call, _read(call))


@command("update defaults")
def update_defaults(call: Call) -> None:
    _set(call, _read(call))


@command("delete defaults")
def delete_defaults(call: Call) -> None:
    _set(call, "{}")


def _read(call: Call) -> str:
    if call.file != "-":
        before = f'could not open path "{call.file}" for reading: '
        return open_source(call.file, before, "could not read input as YAML: could not read all: ")
    if not {"cluster", "project"} & call.given:
        raise Failure(_WHICH)
    return open_source("-")


def _set(call: Call, text: str) -> None:
    """Check the defaults, set them, and tell which pipelines they change if they are to."""
    for name in ("cluster", "project"):
        if name in call.given:
            break
    else:
        raise Failure(_WHICH)
    made = read_json(text)
    try:
        parse(f"pps_v2.{name.title()}Defaults", made)
    except ValueError as error:
        raise Failure(f"invalid {name} defaults: {error}") from None
    regenerate = call.regenerate or call.reprocess
    request = {
        f"{name}_defaults_json": made,
        "regenerate": regenerate,
        "reprocess": call.reprocess,
        "dry_run": call.dry_run,
    }
    if name == "project":
        request["project"] = {"name": call.project}
    method = f"Set{name.title()}Defaults"
    with in_full(f"could not set {name} defaults: "):
        answer = call.pachd.call(f"{API}/{method}", f"pps_v2.{method}Response", request)
    if regenerate and not answer.affected_pipelines:
        print("no affected pipelines")
    elif regenerate:
        print("affected pipelines:")
        for pipeline in answer.affected_pipelines:
            print("\t", pipeline_text(pipeline))
