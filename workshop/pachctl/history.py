"""Lists of commits: of a project, a set, a repo or a branch; as they come; and those that touched a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command, require_raw
from workshop.pachctl.commits import API, INFO
from workshop.pachctl.errors import Failure, saying
from workshop.pachctl.messages import Message, to_json
from workshop.pachctl.output import Encoder, paged
from workshop.pachctl.tables import Table, ago, progress_bar, seconds_of, size

_HEADER = "PROJECT\tREPO\tCOMMIT\tFINISHED\tSIZE\tORIGIN\tCREATOR\tDESCRIPTION"
_KINDS = ("USER", "AUTO", "FSCK")


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


@command("list commit")
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
    sets = call.pachd.stream(f"{API}/ListCommitSet", "pfs_v2.CommitSetInfo", request)
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
        infos = list(call.pachd.stream(f"{API}/InspectCommitSet", INFO, request))
    infos = infos[: call.number] if call.number else infos
    if call.raw:
        Encoder(call.output).write_all(infos)
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
    infos = call.pachd.stream(f"{API}/ListCommit", INFO, request)
    if call.raw:
        Encoder(call.output).write_all(infos)
        return
    table = Table(_HEADER)
    for info in infos:
        add_row(table, info, call.full_timestamps)
    table.flush()


@command("subscribe commit")
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
    infos = call.pachd.stream(f"{API}/SubscribeCommit", INFO, request)
    if call.raw:
        Encoder(call.output).write_all(infos)
        return
    require_raw(call)
    with Table(_HEADER) as table:
        try:
            for info in infos:
                add_row(table, info, call.full_timestamps)
                table.flush()
        except KeyboardInterrupt:
            return


@command("find commit")
def find_commit(call: Call) -> None:
    file = address.file(call.project, call.args[0])
    request = {"start": file["commit"], "file_path": file["path"], "limit": call.limit}
    timeout = call.flags["timeout"] / 1e9 or None
    answers = call.pachd.stream(f"{API}/FindCommits", "pfs_v2.FindCommitsResponse", request, timeout=timeout)
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

    found = [_bare(each.found_commit) for each in answers if "found_commit" in each]
    last = [_bare(each.last_searched_commit) for each in answers if "last_searched_commit" in each]
    searched = max((each.commits_searched for each in answers), default=0)
    result = {"FoundCommits": found or None, "LastSearchedCommit": last[-1] if last else None}
    print(json.dumps({**result, "CommitsSearched": searched}, separators=(",", ":")))


def _bare(commit: Message) -> Any:
    """A commit as pachd 2.12 answers it: without its branch, which tells nothing beside an id."""
    return {key: value for key, value in to_json(commit).items() if key != "branch"}
