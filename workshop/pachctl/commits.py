"""Commits: start, finish, inspect, wait, list, subscribe, squash, delete, find."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TextIO

from workshop.pachctl import address
from workshop.pachctl.commands import FULL_TIMESTAMPS, RAW, Call, Flag, command, group, project_flag, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import Failure, in_full, saying
from workshop.pachctl.messages import Message, to_json
from workshop.pachctl.output import Encoder, paged
from workshop.pachctl.tables import Table, ago, progress_bar, seconds_of, size
from workshop.pachctl.transactions import store_or_call, tell_where

_API = "pfs_v2.API"
_INFO = "pfs_v2.CommitInfo"
_HEADER = "PROJECT\tREPO\tCOMMIT\tFINISHED\tSIZE\tORIGIN\tCREATOR\tDESCRIPTION"
_KINDS = ("USER", "AUTO", "FSCK")
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
        started = store_or_call(call, f"{_API}/StartCommit", "pfs_v2.Commit", request)
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
        store_or_call(call, f"{_API}/FinishCommit", EMPTY, request)
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
    info = call.pachd.call(f"{_API}/InspectCommit", _INFO, {"commit": commit, "wait": state})
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


def _origin(text: str) -> str:
    if not text:
        return "ORIGIN_KIND_UNKNOWN"
    if text.upper() not in _KINDS:
        raise Failure(f"unknown commit origin type '{text}', must be one of: {', '.join(_KINDS)}")
    return text.upper()


def add_row(table: Table, info: Message, full: bool) -> None:
    """A commit as a row of the table of commits."""
    room = size(info.details.size_bytes) if "details" in info else f"≤ {size(info.size_bytes_upper_bound)}"
    repo = info.commit.repo
    finished, creator = ago(info, "finished", full), info.created_by or "-"
    kind = str(info.origin.kind)
    table.add(
        repo.project.name, address.repo_name(repo), info.commit.id, finished, room, kind, creator, info.description
    )


@command(
    "list commit",
    "Return a list of commits.",
    (0, 1),
    "commit [<commit-id>|<repo>[@<branch-or-commit>]]",
    (
        Flag("from", "Set the starting point of the commit range to list.", short="f"),
        Flag("number", "Set the limit of returned results; if zero, list all commits.", "int", "n"),
        Flag("all", "Specify all types of commits (AUTO, FSCK, USER) should be returned.", "bool"),
        Flag("expand", "Show one line for each sub-commit and include more columns.", "bool", "x"),
        Flag("origin", "Specify the type of commit to scope returned results by; options include AUTO, FSCK, & USER."),
        *RAW,
        FULL_TIMESTAMPS,
        _PROJECT,
    ),
    long="This command returns a list of commits: of a project (as sets of one id), of one set, of a repo, or of a "
    "branch.",
    example="\t- {{alias}} foo ➔ returns all commits in repo foo \n"
    "\t- {{alias}} foo@master --number 10 ➔ returns the last 10 commits on branch master \n"
    "\t- {{alias}} 0001a0100b1c10d01111e001fa00b00c ➔ returns all commits with this ID \n",
)
def list_commit(call: Call) -> None:
    require_raw(call)
    if call.all and call.origin:
        raise Failure("cannot specify both --all and --origin")
    if not call.args:
        _list_sets(call)
    elif address.is_id(call.args[0]):
        _list_set(call)
    else:
        _list_repo(call)


def _list_sets(call: Call) -> None:
    for name in ("origin", "from"):
        if call.flags[name]:
            raise Failure(f"cannot specify --{name} when listing all commits")
    request = {"project": {"name": call.project}}
    sets = call.pachd.stream(f"{_API}/ListCommitSet", "pfs_v2.CommitSetInfo", request)
    items: Iterable[Message] = (info for each in sets for info in each.commits) if call.expand else sets
    if call.raw:
        encoder = Encoder(call.output)
        _up_to(call.number, items, encoder.write)
        return

    def show(out: TextIO) -> None:
        header = _HEADER if call.expand else "ID\tSUBCOMMITS\tPROGRESS\tCREATED\tMODIFIED"
        table = Table(header, out)
        add = add_row if call.expand else _add_set
        _up_to(call.number, items, lambda info: add(table, info, call.full_timestamps))
        table.flush()

    paged(show)


def _up_to(number: int, items: Iterable[Message], take: Callable[[Message], None]) -> None:
    """Take the first NUMBER items (0 = all). pachctl fails with this word when it stops before the end of a list
    of sets.
    """
    for count, item in enumerate(items, 1):
        take(item)
        if number and count >= number:
            raise Failure("BREAK")


def _add_set(table: Table, info: Message, full: bool) -> None:
    finished = [each for each in info.commits if "finished" in each]
    failed = sum(1 for each in finished if each.error)
    bar = progress_bar(len(finished) - failed, len(info.commits) - len(finished), failed)
    started = sorted((each for each in info.commits if "started" in each), key=lambda each: seconds_of(each.started))
    times = [ago(each, "started", full) for each in (started[0], started[-1])] if started else ["-", "-"]
    table.add(info.commit_set.id, str(len(info.commits)), bar, *times)


def _list_set(call: Call) -> None:
    for name in ("from", "all", "origin"):
        if call.flags[name]:
            raise Failure(f"cannot specify --{name} when listing subcommits")
    request = {"commit_set": {"id": call.args[0]}}
    with saying("error from InspectCommitSet: "):
        infos = list(call.pachd.stream(f"{_API}/InspectCommitSet", _INFO, request))
    infos = infos[: call.number] if call.number else infos
    if call.raw:
        encoder = Encoder(call.output)
        for info in infos:
            encoder.write(info)
        return

    def show(out: TextIO) -> None:
        with Table(_HEADER, out) as table:
            for info in infos:
                add_row(table, info, call.full_timestamps)

    paged(show)


def _list_repo(call: Call) -> None:
    to: dict | None = address.commit(call.project, call.args[0])
    assert to is not None
    repo = to["repo"]
    start = (
        {"repo": repo, "id": call.flags["from"], "branch": {"repo": repo, "name": ""}} if call.flags["from"] else None
    )
    if not to["id"] and not to["branch"]["name"]:
        to = None
    request = {
        "repo": repo,
        "from": start,
        "to": to,
        "number": call.number,
        "all": call.all,
        "origin_kind": _origin(call.origin),
    }
    infos = call.pachd.stream(f"{_API}/ListCommit", _INFO, request)
    if call.raw:
        encoder = Encoder(call.output)
        for info in infos:
            encoder.write(info)
        return
    table = Table(_HEADER)
    for info in infos:
        add_row(table, info, call.full_timestamps)
    table.flush()


@command(
    "subscribe commit",
    "Print commits as they are created (finished).",
    1,
    "commit <repo>[@<branch>]",
    (
        Flag("from", "Subscribe to and return all commits since the specified commit."),
        Flag("new", "Subscribe to and return only new commits created from now on.", "bool"),
        Flag("all", "Specify results should return all types of commits (AUTO, FSCK, USER)", "bool"),
        Flag("origin", "Only return commits of a specific type; options include AUTO, FSCK, & USER."),
        *RAW,
        FULL_TIMESTAMPS,
        _PROJECT,
    ),
    long="This command prints the commits of a repo or branch, those that exist first, then each new one, until it "
    "is stopped.",
    example="\t- {{alias}} foo@master ➔ subscribe to commits in the foo repo on the master branch \n",
)
def subscribe_commit(call: Call) -> None:
    branch = address.branch(call.project, call.args[0])
    since = call.flags["from"]
    if call.new and since:
        raise Failure("--new and --from cannot be used together")
    start = {"repo": branch["repo"], "branch": branch, "id": since} if call.new or since else None
    if call.all and call.origin:
        raise Failure("cannot specify both --all and --origin")
    request = {
        "repo": branch["repo"],
        "branch": branch["name"],
        "from": start,
        "state": "STARTED",
        "all": call.all,
        "origin_kind": _origin(call.origin),
    }
    infos = call.pachd.stream(f"{_API}/SubscribeCommit", _INFO, request)
    if call.raw:
        encoder = Encoder(call.output)
        for info in infos:
            encoder.write(info)
        return
    require_raw(call)
    with Table(_HEADER) as table:
        try:
            for info in infos:
                add_row(table, info, call.full_timestamps)
                table.flush()
        except KeyboardInterrupt:
            return


def _on_set(call: Call, method: str) -> None:
    store_or_call(call, f"{_API}/{method}", EMPTY, {"commit_set": {"id": call.args[0]}})
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
        call.pachd.call(f"{_API}/{method}", EMPTY, {"commit": commit, "recursive": call.recursive})


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


@command(
    "find commit",
    "Find commits with reference to <filePath> within a branch starting from <repo@commitID>",
    1,
    "commit <repo>@<branch-or-commit>:<path/in/pfs> [flags]",
    (
        Flag("json", "Print the response in json.", "bool"),
        Flag("limit", "Set the number of matching commits to return.", "uint32"),
        Flag("timeout", "Set the search duration timeout.", "duration"),
        project_flag("Specify the project (by name) in which commits are located."),
    ),
    long="This command returns the commits that added, changed or deleted a file, going back from the given commit.",
    example="\t- {{alias}} foo@master:file \n\t- {{alias}} foo@master:file --limit 10 \n",
)
def find_commit(call: Call) -> None:
    file = address.file(call.project, call.args[0])
    request = {"start": file["commit"], "file_path": file["path"], "limit": call.limit}
    timeout = call.flags["timeout"] / 1e9 or None
    answers = call.pachd.stream(f"{_API}/FindCommits", "pfs_v2.FindCommitsResponse", request, timeout=timeout)
    if call.json:
        _find_as_json(list(answers))
        return
    print("FOUND IN COMMITS", flush=True)
    found = False
    for answer in answers:
        if "found_commit" in answer:
            print(answer.found_commit.id)
            found = True
        elif "last_searched_commit" in answer:
            if not found:
                print("no commits found.")
            print(f"\nLAST SEARCHED COMMIT\n{answer.last_searched_commit.id}")
        sys.stdout.flush()


def _find_as_json(answers: list[Message]) -> None:
    import json

    found = [to_json(each.found_commit) for each in answers if "found_commit" in each]
    last = [to_json(each.last_searched_commit) for each in answers if "last_searched_commit" in each]
    searched = max((each.commits_searched for each in answers), default=0)
    result = {"FoundCommits": found, "LastSearchedCommit": last[-1] if last else None, "CommitsSearched": searched}
    print(json.dumps(result, separators=(",", ":")))
