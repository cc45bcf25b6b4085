"""Projects: create, update, inspect, list, delete."""

from __future__ import annotations

import sys

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import Failure
from workshop.pachctl.output import Encoder, confirmed
from workshop.pachctl.tables import Table, ago, timestamp

_API = "pfs_v2.API"


@command("create project")
def create_project(call: Call) -> None:
    request = {"project": {"name": call.args[0]}, "description": call.description}
    call.pachd.call(f"{_API}/CreateProject", EMPTY, request)


@command("update project")
def update_project(call: Call) -> None:
    request = {"project": {"name": call.args[0]}, "description": call.description, "update": True}
    call.pachd.call(f"{_API}/CreateProject", EMPTY, request)


@command("inspect project")
def inspect_project(call: Call) -> None:
    name = call.args[0]
    answer = call.pachd.call(f"{_API}/InspectProjectV2", "pfs_v2.InspectProjectV2Response", {"project": {"name": name}})
    info = answer.info
    if require_raw(call):
        Encoder(call.output).write(info)
        return
    print(f"Name: {info.project.name}")
    if info.description:
        print(f"Description: {info.description}\n")
    if "created_at" in info:
        print(f"Created at: {timestamp(info.created_at)}\n")
    if answer.defaults_json:
        print(f"Defaults: {answer.defaults_json}")


@command("list project")
def list_project(call: Call) -> None:
    infos = list(call.pachd.stream(f"{_API}/ListProject", "pfs_v2.ProjectInfo", {}))
    if require_raw(call):
        Encoder(call.output).write_all(infos)
        return
    with Table("ACTIVE\tPROJECT\tCREATED\tDESCRIPTION", tail=True) as table:
        for info in infos:
            mark = "*" if info.project.name == call.config.project else " "
            table.add(mark, info.project.name, ago(info, "created_at"), info.description or "-")


@command("delete project")
def delete_project(call: Call) -> None:
    name, pachd = call.args[0], call.pachd
    projects = [{"name": name}]
    pipelines = list(pachd.stream("pps_v2.API/ListPipeline", "pps_v2.PipelineInfo", {"projects": projects}))
    if pipelines:
        for info in pipelines:
            print(f"This will delete pipeline {address.pipeline_text(info.pipeline)}\n?", end="")
        if not confirmed():
            raise Failure(f"cannot delete project with {len(pipelines)} pipelines")
        for info in pipelines:
            pachd.call("pps_v2.API/DeletePipeline", EMPTY, {"pipeline": info.pipeline})
    repos = list(pachd.stream(f"{_API}/ListRepo", "pfs_v2.RepoInfo", {"projects": projects, "type": "user"}))
    if repos:
        for info in repos:
            print(f"This will delete repo {address.repo_text(info.repo)}")
        if not confirmed():
            raise Failure(f"cannot delete project with {len(repos)} repos")
        for info in repos:
            pachd.call(f"{_API}/DeleteRepo", "pfs_v2.DeleteRepoResponse", {"repo": info.repo})
    pachd.call(f"{_API}/DeleteProject", EMPTY, {"project": {"name": name}, "force": call.force})
    if name == call.config.project:
        print(
            f"warning: deleted current project {name}; update context by running:\n"
            "   pachctl config update context --project PROJECT",
            file=sys.stderr,
        )
