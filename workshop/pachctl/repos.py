"""Repos: create, update, inspect, list, delete."""

from __future__ import annotations

import sys

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import Failure, in_full
from workshop.pachctl.output import Encoder
from workshop.pachctl.tables import Table, ago, size
from workshop.pachctl.transactions import store_or_call, tell_where

_API = "pfs_v2.API"
_INFO = "pfs_v2.RepoInfo"


@command("create repo")
def create_repo(call: Call) -> None:
    repo = {"name": call.args[0], "type": "user", "project": {"name": call.project}}  # the whole name: a dot is refused
    with in_full():
        store_or_call(call, f"{_API}/CreateRepo", EMPTY, {"repo": repo, "description": call.description})
    tell_where(call)


@command("update repo")
def update_repo(call: Call) -> None:
    request = {"repo": address.repo(call.project, call.args[0]), "description": call.description, "update": True}
    with in_full():
        store_or_call(call, f"{_API}/CreateRepo", EMPTY, request)
    tell_where(call)


@command("inspect repo")
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


@command("list repo")
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


@command("delete repo")
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
    if not answer.deleted and not call.config.transaction:  # what a transaction stores is taken to succeed
        raise Failure("No repo deleted.")
    print("Repo deleted.", file=sys.stderr)
    tell_where(call)
