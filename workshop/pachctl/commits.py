"""Commits: start, finish, inspect, wait, squash, delete. Lists of commits have a room of their own."""

from __future__ import annotations

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import in_full
from workshop.pachctl.output import Encoder
from workshop.pachctl.tables import ago, size
from workshop.pachctl.transactions import store_or_call, tell_where

API = "pfs_v2.API"
INFO = "pfs_v2.CommitInfo"


@command("start commit")
def start_commit(call: Call) -> None:
    branch = address.branch(call.project, call.args[0])
    parent = None
    if call.parent:
        # pachctl names the parent's repo with its project in front; kept, for what pachd answers to it is what users
        # know
        of = branch["repo"]
        suffix = "" if of["type"] == "user" else f".{of['type']}"
        parent = address.commit(call.project, f"{of['project']['name']}/{of['name']}{suffix}@{call.parent}")
    request = {"branch": branch, "parent": parent, "description": call.description}
    with in_full():
        started = store_or_call(call, f"{API}/StartCommit", "pfs_v2.Commit", request)
    tell_where(call)
    print(started.id)


@command("finish commit")
def finish_commit(call: Call) -> None:
    request = {
        "commit": address.commit(call.project, call.args[0]),
        "description": call.description,
        "force": call.force,
    }
    with in_full():
        store_or_call(call, f"{API}/FinishCommit", EMPTY, request)
    tell_where(call)


@command("inspect commit")
def inspect_commit(call: Call) -> None:
    _show(call, "STARTED")


@command("wait commit")
def wait_commit(call: Call) -> None:
    _show(call, "FINISHED")


def _show(call: Call, state: str) -> None:
    commit = address.commit(call.project, call.args[0])
    info = call.pachd.call(f"{API}/InspectCommit", INFO, {"commit": commit, "wait": state})
    if require_raw(call):
        Encoder(call.output).write(info)
        return
    full = call.full_timestamps
    print(f"Commit: {info.commit.repo.name}@{info.commit.id}")
    print(f"Description: {info.description}")
    if "parent_commit" in info:
        print(f"Parent: {info.parent_commit.id}")
    print(f"Started: {ago(info, 'started', full)}")
    if "finished" in info:
        print(f"Finished: {ago(info, 'finished', full)}")
    if "details" in info:
        print(f"Size: {size(info.details.size_bytes)}")


def _on_set(call: Call, method: str) -> None:
    store_or_call(call, f"{API}/{method}", EMPTY, {"commit_set": {"id": call.args[0]}})
    tell_where(call)


@command("squash commit")
def squash_commit(call: Call) -> None:
    _on_set(call, "SquashCommitSet")


@command("delete commit")
def delete_commit(call: Call) -> None:
    _on_set(call, "DropCommitSet")


def _on_one(call: Call, method: str) -> None:
    commit = address.commit(call.config.project, call.args[0])
    with in_full():
        call.pachd.call(f"{API}/{method}", EMPTY, {"commit": commit, "recursive": call.recursive})


@command("squash commitV2")
def squash_commit_v2(call: Call) -> None:
    _on_one(call, "SquashCommit")


@command("delete commitV2")
def delete_commit_v2(call: Call) -> None:
    _on_one(call, "DropCommit")
