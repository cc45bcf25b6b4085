"""Running one command line, from words to an exit status."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from workshop.pachctl.commands import Call, count_problem, find, parse, suggestions, unknown_command
from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import quoted
from workshop.pachctl.tree import PROJECT, ROOT, Command, UsageError

if TYPE_CHECKING:
    from workshop.pachctl.config import Config

# words of a command (a verb and a noun, a noun, or a verb) -> the room that does it
_ROOMS = {
    "auth": "access",
    "branch": "branches",
    "buildinfo": "cluster",
    "cluster": "cluster",
    "commit": "commits",
    "commitV2": "commits",
    "completion": "completion",
    "config": "contexts",
    "connect": "contexts",
    "create pipeline": "authoring",
    "datum": "datums",
    "defaults": "defaults",
    "delete all": "cluster",
    "diff file": "diff",
    "draw pipeline": "draw",
    "edit pipeline": "authoring",
    "exit": "cluster",
    "file": "files",
    "find commit": "history",
    "fsck": "cluster",
    "get file": "download",
    "idp": "identity",
    "job": "jobs",
    "list commit": "history",
    "kube-events": "logs",
    "logs": "logs",
    "loki": "logs",
    "metadata": "metadata",
    "next datum": "cluster",
    "pipeline": "pipelines",
    "check status": "pipelines",
    "cron": "pipelines",
    "project": "projects",
    "put file": "upload",
    "repo": "repos",
    "secret": "secrets",
    "subscribe commit": "history",
    "task": "cluster",
    "transaction": "transactions",
    "update pipeline": "authoring",
    "validate pipeline": "authoring",
    "version": "cluster",
}


def load_room(node: Command) -> None:
    """Import the module that does this command, if there is one: starting is quick because no other is imported."""
    from importlib import import_module

    first, second = [*node.words.split(), "", ""][:2]
    if room := _ROOMS.get(f"{first} {second}") or _ROOMS.get(first) or _ROOMS.get(second):
        import_module(f"workshop.pachctl.{room}")


def main(words: list[str]) -> int:
    """Run a command line of pachctl (without the program's name) and return its exit status."""
    _prepare_streams()
    try:
        status = _main(words)
        sys.stdout.flush()
        return status
    except Failure as error:
        _flush()
        if text := error.text.strip():
            print(text, file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        _flush()
        return 130
    except BrokenPipeError:  # the reader of our output has gone; there is nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141


def _prepare_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _main(words: list[str]) -> int:
    if words and "-" in words[0][1:]:
        from workshop.pachctl import former

        if former.is_former(words[0]):
            return _run_former(words)
    return _run(words)


def _run_former(words: list[str]) -> int:
    """A command of Pachyderm 1.7, as what it is called today."""
    from workshop.pachctl import former

    status = 0
    for line in former.modern(words):
        print(f"{words[0]} is Pachyderm 1.7's; today: pachctl {' '.join(line)}", file=sys.stderr)
        status = status or _run(line)
    return status


def _run(words: list[str]) -> int:
    from workshop.pachctl.config import load
    from workshop.pachctl.help import help_text, usage_text

    context = _context(words)
    config = load(context)
    node, rest = find(words)
    if unknown := unknown_command(node, rest):
        return _unknown(unknown)
    try:
        arguments, flags, given = parse(node, rest)
    except UsageError as error:
        print(f"Error: {error}\n{usage_text(node, config.project)}\n{error}", file=sys.stderr)
        return 1
    if flags.pop("help") or not node.runs:
        print(help_text(node, config.project), end="")
        return 0
    if problem := count_problem(node, arguments):
        print(f"{problem}\n\n{usage_text(node, config.project)}", end="", file=sys.stderr)
        return 1
    if node.words == "help":
        return _help(arguments, config.project)
    return _call(node, arguments, flags, given, config)


def _call(node: Command, arguments: list[str], flags: dict, given: set[str], config: Config) -> int:
    from workshop.pachctl.tables import set_colours

    set_colours(not flags.pop("no-color"))
    limit = flags.pop("rpc-timeout") / 1e9
    for flag in node.flags:
        if flag.default == PROJECT and flag.name not in given:
            flags["project"] = config.project
    call = Call(node, arguments, flags, given, config, limit or None)
    load_room(node)
    if node.run is None:
        if node.short.startswith("Deprecated."):
            raise Failure(node.short)
        raise Failure(f"`{node.path}` is not part of the workshop's pachctl: it needs Pachyderm's own, and a cluster")
    try:
        return node.run(call) or 0
    finally:
        call.close()


def _context(words: list[str]) -> str:
    """The value of our own --context option, wherever it stands before a bare --."""
    for index, word in enumerate(words):
        if word == "--":
            break
        if word.startswith("--context="):
            return word.partition("=")[2]
        if word == "--context" and index + 1 < len(words):
            return words[index + 1]
    return ""


def _unknown(word: str) -> int:
    text = f'unknown command {quoted(word)} for "pachctl"'
    if similar := suggestions(word):
        text += "\n\nDid you mean this?\n" + "".join(f"\t{name}\n" for name in similar)
    print(f"Error: {text}\nRun 'pachctl --help' for usage.\n{text.strip()}", file=sys.stderr)
    return 1


def _help(words: list[str], project: str) -> int:
    from workshop.pachctl.help import help_text, usage_text

    node, rest = find(words)
    if unknown_command(node, rest):
        print(f"Unknown help topic [{' '.join(f'`{word}`' for word in words)}]", file=sys.stderr)
        print(usage_text(ROOT, project), end="", file=sys.stderr)
        return 0
    print(help_text(node, project), end="")
    return 0
