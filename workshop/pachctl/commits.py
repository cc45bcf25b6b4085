"""Commits: start, finish, inspect, wait, squash, delete. Lists of commits have a room of their own."""

from __future__ import annotations

from workshop.pachctl import address
from workshop.pachctl.commands import FULL_TIMESTAMPS, RAW, Call, Flag, command, group, project_flag, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import in_full
from workshop.pachctl.output import Encoder
from workshop.pachctl.tables import ago, size
from workshop.pachctl.transactions import store_or_call, tell_where

API = "pfs_v2.API"
INFO = "pfs_v2.CommitInfo"
_PROJECT = project_flag("Specify the project (by name) containing the commit.")
_OF_REPO = project_flag("Specify the project (by name) where the repo for this commit is located.")

group(
    "commit",
    "Docs for commits.",
    "Commits are atomic transactions on the content of a repo.\n\nCreating a commit is a multi-step process: \n"
    "\t1. Start a new commit with `pachctl start commit`\n\t2. Write files to the commit via `pachctl put file`\n"
    "\t3. Finish the new commit with `pachctl finish commit`\n\n"
    "Commits that have been started but not finished are NOT durable storage.\n"
    "Commits become reliable (and immutable) when they are finished.\n"
    "Commits can be created with another commit as a parent.",
    aliases=("commits",),
    associated=" commit$",
)


@command(
    "start commit",
    "Start a new commit.",
    1,
    "commit <repo>@<branch>",
    (
        Flag(
            "parent", "Set the parent (by id) of the new commit; needed only without a branch after the @.", short="p"
        ),
        Flag("message", "Set a description for the commit's contents (synonym for --description).", short="m"),
        Flag("description", "Set a description of this commit's contents (synonym for --message).", default=""),
        _OF_REPO,
    ),
    long="This command starts a new commit on the given branch, which is created if it does not exist. \n\n"
    "\t- To specify a parent commit, use the `--parent` flag \n"
    "\t- To add a message to the commit, use the `--message` or `--description` flag \n",
    example="\t- {{alias}} foo@master \n\t- {{alias}} foo@master --message 'my commit message' \n",
)
def start_commit(call: Call) -> None:
    branch = address.branch(call.project, call.args[0])
    parent = None
    if call.parent:
        # pachctl names the parent's repo with its project in front; kept, for what pachd answers to it is what users
        # know
        of = branch["repo"]
        suffix = "" if of["type"] == "user" else f".{of['type']}"
        parent = address.commit(call.project, f"{of['project']['name']}/{of['name']}{suffix}@{call.parent}")
    request = {"branch": branch, "parent": parent, "description": _described(call)}
    with in_full():
        started = store_or_call(call, f"{API}/StartCommit", "pfs_v2.Commit", request)
    tell_where(call)
    print(started.id)


def _described(call: Call) -> str:
    return call.description or call.message


@command(
    "finish commit",
    "Finish a started commit.",
    1,
    "commit <repo>@<branch-or-commit>",
    (
        Flag("message", "Set a description of this commit's contents; overwrites an earlier one.", short="m"),
        Flag("description", "Set a description of this commit's contents (synonym for --message)."),
        Flag("force", "Force finish commit, even if it has provenance, which could break jobs.", "bool", "f"),
        _OF_REPO,
    ),
    long="This command finishes a started commit. \n\n\t- To force finish a commit, use the `--force` flag \n"
    "\t- To add a message to the commit, use the `--message` or `--description` flag \n",
    example="\t- {{alias}} foo@master \n\t- {{alias}} foo@master --force \n",
)
def finish_commit(call: Call) -> None:
    request = {
        "commit": address.commit(call.project, call.args[0]),
        "description": _described(call),
        "force": call.force,
    }
    with in_full():
        store_or_call(call, f"{API}/FinishCommit", EMPTY, request)
    tell_where(call)


@command(
    "inspect commit",
    "Return info about a commit.",
    1,
    "commit <repo>@<branch-or-commit>",
    (*RAW, FULL_TIMESTAMPS, _OF_REPO),
    long="This command shows a commit's parent, times and size; `--raw` shows all of it.",
    example="\t- {{alias}} foo@master \n\t- {{alias}} foo@master --raw \n",
)
def inspect_commit(call: Call) -> None:
    _show(call, "STARTED")


@command(
    "wait commit",
    "Wait for the specified commit to finish and return it.",
    1,
    "commit <repo>@<branch-or-commit>",
    (*RAW, FULL_TIMESTAMPS, _PROJECT),
    long="This command waits until the commit is finished, then shows it.",
    example="\t- {{alias}} foo@0001a0100b1c10d01111e001fa00b00c \n",
)
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


@command(
    "squash commit",
    "Squash the sub-commits of a commit.",
    1,
    "commit <commit-id>",
    long="This command squashes the sub-commits of a commit: their data stays in their child commits. It fails for a "
    "commit "
    "without children.",
    example="\t- {{alias}} 0001a0100b1c10d01111e001fa00b00c \n",
)
def squash_commit(call: Call) -> None:
    _on_set(call, "SquashCommitSet")


@command(
    "delete commit",
    "Delete the sub-commits of a commit.",
    1,
    "commit <commit-id>",
    long="This command deletes the sub-commits of a commit; their data is lost. They must have no children.",
    example="\t- {{alias}} 0001a0100b1c10d01111e001fa00b00c",
)
def delete_commit(call: Call) -> None:
    _on_set(call, "DropCommitSet")


def _on_one(call: Call, method: str) -> None:
    commit = address.commit(call.config.project, call.args[0])
    with in_full():
        call.pachd.call(f"{API}/{method}", EMPTY, {"commit": commit, "recursive": call.recursive})


@command(
    "squash commitV2",
    "Squash a commit.",
    1,
    "commitV2 <repo>@<branch-or-commit>",
    (Flag("recursive", "Recursively squash all subvenant commits", "bool", "r"),),
    plural="",
    long="Squashes the commit into its children; `--recursive` is needed where other commits depend on it.",
)
def squash_commit_v2(call: Call) -> None:
    _on_one(call, "SquashCommit")


@command(
    "delete commitV2",
    "Delete a commit.",
    1,
    "commitV2 <repo>@<branch-or-commit>",
    (Flag("recursive", "Recursively delete all subvenant commits", "bool", "r"),),
    plural="",
    long="Deletes the commit; `--recursive` is needed where other commits depend on it.",
)
def delete_commit_v2(call: Call) -> None:
    _on_one(call, "DropCommit")
