"""Branches: create, inspect, list, delete."""

from __future__ import annotations

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import Failure, in_full
from workshop.pachctl.messages import Message
from workshop.pachctl.output import Encoder
from workshop.pachctl.tables import Table, local_timestamp, timestamp
from workshop.pachctl.transactions import store_or_call, tell_where

_API = "pfs_v2.API"
_INFO = "pfs_v2.BranchInfo"


@command("create branch")
def create_branch(call: Call) -> None:
    branch = address.branch(call.project, call.args[0])
    provenance = [address.branch(call.project, text) for text in call.provenance]
    if provenance and call.trigger:
        raise Failure("cannot use provenance and triggers on the same branch")
    if (call.trigger_cron or call.trigger_size or call.trigger_commits) and not call.trigger:
        raise Failure("trigger condition specified without a branch to trigger on, specify a branch with --trigger")
    trigger = {
        "branch": call.trigger,
        "all": call.trigger_all,
        "size": call.trigger_size,
        "commits": call.trigger_commits,
        "cron_spec": call.trigger_cron,
    }
    head = None
    if "@" in call.head:
        head = address.commit(call.project, call.head)
    elif call.head:
        head = {"repo": branch["repo"], "id": call.head, "branch": {"repo": branch["repo"], "name": ""}}
    request = {
        "head": head,
        "branch": branch,
        "provenance": provenance,
        "trigger": trigger if any(trigger.values()) else None,
    }
    store_or_call(call, f"{_API}/CreateBranch", EMPTY, request)
    tell_where(call)


@command("inspect branch")
def inspect_branch(call: Call) -> None:
    branch = address.branch(call.project, call.args[0])
    info = call.pachd.call(f"{_API}/InspectBranch", _INFO, {"branch": branch})
    if require_raw(call):
        Encoder(call.output).write(info)
        return
    print(f"Name: {info.branch.repo.name}@{info.branch.name}")
    if "head" in info:
        print(f"Head Commit: {info.head.repo.name}@{info.head.id} ")
    if info.provenance:
        print("Provenance: " + "".join(f"{each.repo.name}@{each.name} " for each in info.provenance))
    if "trigger" in info:
        print(f"Trigger: {trigger_text(info.trigger)} ")
    print(f"Created by: {info.created_by}" if info.created_by else "")
    print(f"Created at: {timestamp(info.created_at)}" if "created_at" in info else "")


@command("list branch")
def list_branch(call: Call) -> None:
    infos = call.pachd.stream(f"{_API}/ListBranch", _INFO, {"repo": address.repo(call.project, call.args[0])})
    if call.raw:
        Encoder(call.output).write_all(infos)
        return
    require_raw(call)
    table = Table("BRANCH\tHEAD\tTRIGGER\tCREATOR\tCREATED")
    for info in infos:
        table.add(
            info.branch.name,
            info.head.id if "head" in info else "-",
            trigger_text(info.trigger) if "trigger" in info else "-",
            info.created_by or "-",
            local_timestamp(info.created_at) if "created_at" in info else "-",
        )
    table.flush()


@command("delete branch")
def delete_branch(call: Call) -> None:
    branch = address.branch(call.project, call.args[0])
    with in_full():
        store_or_call(call, f"{_API}/DeleteBranch", EMPTY, {"branch": branch, "force": call.force})
    tell_where(call)


def trigger_text(trigger: Message) -> str:
    """A trigger in words: staging on Size(1M) or Commits(3)."""
    if trigger.cron_spec:
        return f"{trigger.branch} on Cron({trigger.cron_spec})"
    conditions = []
    if trigger.rate_limit_spec:
        conditions.append(f"Rate Limit({trigger.rate_limit_spec})")
    if trigger.size:
        conditions.append(f"Size({trigger.size})")
    if trigger.commits:
        conditions.append(f"Commits({trigger.commits})")
    return f"{trigger.branch} on {(' and ' if trigger.all else ' or ').join(conditions)}"
