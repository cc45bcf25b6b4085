"""Branches: create, inspect, list, delete."""

from __future__ import annotations

from workshop.pachctl import address
from workshop.pachctl.commands import FULL_TIMESTAMPS, RAW, Call, Flag, command, group, project_flag, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import Failure, in_full
from workshop.pachctl.messages import Message
from workshop.pachctl.output import Encoder
from workshop.pachctl.tables import Table, local_timestamp, timestamp
from workshop.pachctl.transactions import store_or_call, tell_where

_API = "pfs_v2.API"
_INFO = "pfs_v2.BranchInfo"

group(
    "branch",
    "Docs for branches.",
    "A branch in Pachyderm records provenance relationships between data in different repos, as well as being as an "
    "alias for a "
    "commit in its repo. The branch reference will float to always refer to the latest commit on the branch, known "
    "as the HEAD "
    "commit. All commits are on exactly one branch. Any pachctl command that can take a commit, can take a branch "
    "name instead.",
    aliases=("branches",),
    associated=" branch$",
)


@command(
    "create branch",
    "Create a new branch, or update an existing branch, on a repo.",
    1,
    "branch <repo>@<branch>",
    (
        Flag("provenance", "Set the provenance for the branch. format: <repo>@<branch>", "[]string", "p"),
        Flag("head", "Set the head of the newly created branch using <branch-or-commit> or <repo>@<branch>=<id>"),
        Flag("trigger", "Specify the branch name that triggers this branch.", short="t"),
        Flag("trigger-cron", "Set a cron spec interval as a condition for the trigger."),
        Flag("trigger-size", "Set data size as a condition for the trigger."),
        Flag("trigger-commits", "Set the number of commits as a condition for the trigger.", "int"),
        Flag("trigger-all", "Specify that all set conditions must be met for the trigger.", "bool"),
        project_flag("Specify the project (by name) where the repo for this branch is located."),
    ),
    plural="es",
    long="This command creates or updates a branch on a repo. \n\n"
    "\t- To create a branch for a repo in a particular project, use the `--project` flag \n"
    "\t- To give it a commit as its head, use the `--head` flag \n"
    "\t- To let another branch of the repo move it, use the `--trigger` flags \n"
    "\t- To make it depend on other branches, use the `--provenance` flag \n",
    example="\t- {{alias}} foo@master \n\t- {{alias}} foo@master --head 0001a0100b1c10d01111e001fa00b00c \n"
    "\t- {{alias}} foo@master --trigger staging --trigger-size=100M \n",
)
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


@command(
    "inspect branch",
    "Return info about a branch.",
    1,
    "branch  <repo>@<branch>",
    (*RAW, FULL_TIMESTAMPS, project_flag("Specify the project (by name) containing branch's repo.")),
    plural="es",
    long="This command shows a branch's name, head, provenance and trigger; `--raw` shows all of it.",
    example="\t- {{alias}} foo@master  \n\t- {{alias}} foo@master --raw \n",
)
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


@command(
    "list branch",
    "Return all branches on a repo.",
    1,
    "branch <repo>",
    (*RAW, project_flag("Specify the project (by name) containing branch's repo.")),
    plural="es",
    long="This command returns all branches on a repo, the newest first; `--raw` shows all of each.",
    example="\t- {{alias}} foo \n\t- {{alias}} foo --raw -o yaml \n",
)
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


@command(
    "delete branch",
    "Delete a branch",
    1,
    "branch <repo>@<branch>",
    (
        Flag("force", "Force branch deletion regardless of errors; use with caution.", "bool", "f"),
        project_flag("Specify the project (by name) containing branch's repo."),
    ),
    plural="es",
    long="This command deletes a branch while leaving its commits intact.",
    example="\t- {{alias}} foo@master \n\t- {{alias}} foo@master --force \n",
)
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
