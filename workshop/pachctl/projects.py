"""Projects: create, update, inspect, list, delete."""

from __future__ import annotations

import sys

from workshop.pachctl import address
from workshop.pachctl.commands import RAW, Call, Flag, command, group, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import Failure
from workshop.pachctl.output import Encoder, confirmed
from workshop.pachctl.tables import Table, ago, timestamp

_API = "pfs_v2.API"

group(
    "project",
    "Docs for projects.",
    "Projects are the top-level organizational objects in Pachyderm. Projects contain pachyderm data objects such as "
    "Repos and "
    "Pipelines.",
    aliases=("projects",),
    associated=" project",
)


@command(
    "create project",
    "Create a new project.",
    1,
    "project <project>",
    (Flag("description", "Set a description for the newly-created project.", short="d"),),
    long="This command creates a new project. \n\n\t- To set a description for the project, use the `--description` "
    "flag \n",
    example="\t- {{alias}} foo-project --description 'This is a project for foo.' \n",
)
def create_project(call: Call) -> None:
    request = {"project": {"name": call.args[0]}, "description": call.description}
    call.pachd.call(f"{_API}/CreateProject", EMPTY, request)


@command(
    "update project",
    "Update a project.",
    1,
    "project <project>",
    (Flag("description", "Set a new description of the updated project.", short="d"),),
    long="This command updates a project's description.",
    example="\t- {{alias}} foo-project --description 'This is a project for foo.' \n",
)
def update_project(call: Call) -> None:
    request = {"project": {"name": call.args[0]}, "description": call.description, "update": True}
    call.pachd.call(f"{_API}/CreateProject", EMPTY, request)


@command(
    "inspect project",
    "Inspect a project.",
    1,
    "project <project>",
    RAW,
    long="This command shows a project's name, description, age and defaults.",
    example="\t- {{alias}} foo-project \n\t- {{alias}} foo-project --raw \n",
)
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


@command(
    "list project",
    "Return all projects.",
    0,
    "project <repo>",
    RAW,
    long="This command returns all projects.",
    example="\t- {{alias}} \n\t- {{alias}} --raw \n",
)
def list_project(call: Call) -> None:
    infos = list(call.pachd.stream(f"{_API}/ListProject", "pfs_v2.ProjectInfo", {}))
    if require_raw(call):
        Encoder(call.output).write_all(infos)
        return
    with Table("ACTIVE\tPROJECT\tCREATED\tDESCRIPTION", tail=True) as table:
        for info in infos:
            mark = "*" if info.project.name == call.config.project else " "
            table.add(mark, info.project.name, ago(info, "created_at"), info.description or "-")


@command(
    "delete project",
    "Delete a project.",
    1,
    "project <project>",
    (Flag("force", "Force delete the project regardless of errors; use with caution.", "bool", "f"),),
    long="This command deletes a project; it asks first if there are pipelines or repos in it.",
    example="\t- {{alias}} foo-project \n\t- {{alias}} foo-project --force \n",
)
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
