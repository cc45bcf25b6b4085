"""Repos: create, update, inspect, list, delete."""

from __future__ import annotations

import sys

from workshop.pachctl import address
from workshop.pachctl.commands import FULL_TIMESTAMPS, RAW, Call, Flag, command, group, project_flag, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import Failure, in_full
from workshop.pachctl.output import Encoder
from workshop.pachctl.tables import Table, ago, size
from workshop.pachctl.transactions import store_or_call, tell_where

_API = "pfs_v2.API"
_INFO = "pfs_v2.RepoInfo"
_DESCRIPTION = Flag("description", "Set a repo description.", short="d")

group(
    "repo",
    "Docs for repos.",
    "A repo (repository) is the top-level data object in Pachyderm and contains a collection of files, directories, "
    "and "
    "commits that are versioned-controlled. Repos exist under a Project, which is the top-level organizational "
    "object in "
    "Pachyderm. Files stored in an input repo can be of any type or size. After you create a repo using `pachctl "
    "create repo`, "
    "you can put files into it using `pachctl put file`.To transform the files in a repo, create a pipeline using "
    "`pachctl "
    "create pipeline` and pass in a specification that references your repo, user code, and other configurations. "
    "See Pipeline "
    "Specification documentation for more information: https://docs.pachyderm.com/latest/build-dags/pipeline-spec/",
    aliases=("repos",),
    associated=" repo$",
)


@command(
    "create repo",
    "Create a new repo in your active project.",
    1,
    "repo <repo>",
    (_DESCRIPTION, project_flag("Specify an existing project (by name) for where the new repo will be located.")),
    long="This command creates a repo in the project that is set to your active context (initially the `default` "
    "project).\n\n"
    "\t- To specify which project to create the repo in, use the `--project` flag \n"
    "\t- To add a description to the project, use the `--description` flag  \n",
    example="\t- {{alias}} foo ➔ /<active-project>/foo \n"
    "\t- {{alias}} bar --description 'my new repo' ➔ /<active-project>/bar \n"
    "\t- {{alias}} baz --project myproject ➔ /myproject/baz \n",
)
def create_repo(call: Call) -> None:
    repo = {"name": call.args[0], "type": "user", "project": {"name": call.project}}  # the whole name: a dot is refused
    with in_full():
        store_or_call(call, f"{_API}/CreateRepo", EMPTY, {"repo": repo, "description": call.description})
    tell_where(call)


@command(
    "update repo",
    "Update a repo.",
    1,
    "repo <repo>",
    (_DESCRIPTION, project_flag("Specify the project (by name) where the repo is located.")),
    long="This command changes the description of an existing repo. Use `pachctl update pipeline` to change a "
    "pipeline.",
    example="\t- {{alias}} foo --description 'my updated repo description'\n",
)
def update_repo(call: Call) -> None:
    request = {"repo": address.repo(call.project, call.args[0]), "description": call.description, "update": True}
    with in_full():
        store_or_call(call, f"{_API}/CreateRepo", EMPTY, request)
    tell_where(call)


@command(
    "inspect repo",
    "Return info about a repo.",
    1,
    "repo <repo>",
    (*RAW, FULL_TIMESTAMPS, project_flag("Specify the project (by name) where the repo is located.")),
    long="This command shows a repo's name, description, age, and the size of its master branch.",
    example="\t- {{alias}} foo  \n\t- {{alias}} foo --project myproject",
)
def inspect_repo(call: Call) -> None:
    with in_full():
        info = call.pachd.call(f"{_API}/InspectRepo", _INFO, {"repo": address.repo(call.project, call.args[0])})
    if require_raw(call):
        Encoder(call.output).write(info)
        return
    print(f"Name: {info.repo.name}")
    if info.description:
        print(f"Description: {info.description}")
    print(f"Created: {ago(info, 'created', call.full_timestamps)}")
    if "details" in info:
        print(f"Size of HEAD on master: {size(info.details.size_bytes)}")


@command(
    "list repo",
    "Return a list of repos.",
    0,
    flags=(
        *RAW,
        FULL_TIMESTAMPS,
        Flag("all", "Specify all repo types should be returned, including hidden system repos.", "bool"),
        Flag("type", "Set a repo type for scoped results.", default="user"),
        project_flag("Specify the project (by name) where the repos are located."),
        Flag("all-projects", "Specify all repos across all projects should be returned.", "bool", "A"),
    ),
    long="This command returns a list of repos that you have permissions to view: those of a project, or of all with "
    "`-A`; "
    "without the repos that pipelines keep for themselves, unless `--all` or `--type` asks for them.",
    example="\t- {{alias}} -A \n\t- {{alias}} --all \n\t- {{alias}} --type spec --raw",
)
def list_repo(call: Call) -> None:
    projects = [] if call.all_projects else [{"name": call.project}]
    request = {"type": "" if call.all else call.type, "projects": projects}
    with in_full("cannot list repos: "):
        infos = list(call.pachd.stream(f"{_API}/ListRepo", _INFO, request))
    if require_raw(call):
        Encoder(call.output).write_all(infos)
        return
    with Table("PROJECT\tNAME\tCREATED\tSIZE (MASTER)\tDESCRIPTION") as table:
        for info in infos:
            details = "details" in info
            room = size(info.details.size_bytes) if details else f"≤ {size(info.size_bytes_upper_bound)}"
            created = ago(info, "created", call.full_timestamps)
            table.add(info.repo.project.name, address.repo_name(info.repo), created, room, info.description)


@command(
    "delete repo",
    "Delete a repo.",
    (0, 1),
    "repo <repo>",
    (
        Flag("force", "Force repo deletion, regardless of errors; use with caution.", "bool", "f"),
        Flag("all", "remove all repos", "bool"),
        project_flag("Specify the project (by name) where the to-be-deleted repo is located."),
        Flag("all-projects", "Delete repo(s) across all projects; only valid with --all.", "bool", "A"),
    ),
    long="This command deletes a repo, for everybody who uses it; with `--all`, every repo of the project.",
    example="\t- {{alias}} foo \n\t- {{alias}} foo --force \n\t- {{alias}} --all",
)
def delete_repo(call: Call) -> None:
    if call.args and call.all:
        raise Failure("cannot use the --all flag with an argument")
    if call.args and call.all_projects:
        raise Failure("cannot use the --all-projects flag with an argument")
    if not call.args and not call.all:
        raise Failure("either a repo name or the --all flag needs to be provided")
    if call.all:
        request = {"all": True} if call.all_projects else {"projects": [{"name": call.project}]}
        with in_full():
            call.pachd.call(f"{_API}/DeleteRepos", "pfs_v2.DeleteReposResponse", request)
        return
    request = {"repo": address.repo(call.project, call.args[0]), "force": call.force}
    with in_full():
        answer = store_or_call(call, f"{_API}/DeleteRepo", "pfs_v2.DeleteRepoResponse", request)
    if not answer.deleted:
        raise Failure("No repo deleted.")
    print("Repo deleted.", file=sys.stderr)
    tell_where(call)
