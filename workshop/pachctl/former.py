"""Pachyderm 1.7's hyphenated commands (`put-file training master iris.csv -f …`), read as what they are called
today.
"""

from __future__ import annotations

from contextlib import suppress

from workshop.pachctl.commands import find
from workshop.pachctl.errors import Failure

# options of 1.7 that mean nothing now: put-file's -c (commit) and -o (overwrite) are what happens anyway
_DROPPED = {"put-file": ("-c", "--commit", "-o", "--overwrite"), "copy-file": ("-o", "--overwrite")}
_GONE = {"garbage-collect", "deploy", "undeploy", "extract", "restore", "factor", "incremental"}
_PLAIN = [
    "create-repo",
    "update-repo",
    "inspect-repo",
    "list-repo",
    "delete-repo",
    "list-branch",
    "create-pipeline",
    "update-pipeline",
    "inspect-pipeline",
    "list-pipeline",
    "delete-pipeline",
    "start-pipeline",
    "stop-pipeline",
    "edit-pipeline",
    "list-job",
    "wait-job",
    "delete-job",
    "stop-job",
    "list-datum",
    "inspect-datum",
    "restart-datum",
    "delete-all",
    "port-forward",
]
# name: (the command today, how its arguments are put together)
_SHAPES = {
    "put-file": ("put file", "{0}@{1}[:{2}]"),
    "get-file": ("get file", "{0}@{1}:{2}"),
    "list-file": ("list file", "{0}@{1}[:{2}]"),
    "glob-file": ("glob file", "{0}@{1}:{2}"),
    "inspect-file": ("inspect file", "{0}@{1}:{2}"),
    "delete-file": ("delete file", "{0}@{1}:{2}"),
    "copy-file": ("copy file", "{0}@{1}:{2} {3}@{4}:{5}"),
    "diff-file": ("diff file", "{0}@{1}:{2}[ {3}@{4}:{5}]"),
    "start-commit": ("start commit", "{0}@{1}"),
    "finish-commit": ("finish commit", "{0}@{1}"),
    "inspect-commit": ("inspect commit", "{0}@{1}"),
    "list-commit": ("list commit", "{0}[@{1}]"),
    "delete-commit": ("delete commit", "{1}"),
    "subscribe-commit": ("subscribe commit", "{0}@{1}"),
    "create-branch": ("create branch", "{0}@{1}"),
    "set-branch": ("create branch", "{0}@{2} --head {1}"),
    "delete-branch": ("delete branch", "{0}@{1}"),
    "inspect-job": ("list job", "{0}"),
    "get-logs": ("logs", ""),
    "extract-pipeline": ("list pipeline", "{0} --spec"),
}


def is_former(word: str) -> bool:
    return word in _PLAIN or word in _SHAPES or word in _GONE or word == "flush-commit"


def modern(words: list[str]) -> list[list[str]]:
    """The command lines of today for one of 1.7. Raises Failure for what is gone, or for arguments that are missing."""
    name, rest = words[0], words[1:]
    if name in _GONE:
        raise Failure(f"`{name}` was a command of Pachyderm 1.x; there is none today")
    if name in _PLAIN:
        return [[*name.split("-", 1), *rest]]
    if name == "flush-commit":
        return [["wait", "commit", text.replace("/", "@", 1)] for text in rest]
    today, shape = _SHAPES[name]
    if name == "inspect-job" and rest and "@" in rest[0]:
        today = "inspect job"
    dropped = _DROPPED.get(name, ())
    arguments, options = _split(today.split(), [word for word in rest if word not in dropped])
    return [[*today.split(), *_filled(name, shape, arguments), *options]]


def _split(today: list[str], words: list[str]) -> tuple[list[str], list[str]]:
    """The arguments and, apart, the options with their values."""
    node, _ = find(today)
    flags = {f"--{flag.name}": flag for flag in node.own_flags()} | {
        f"-{flag.short}": flag for flag in node.own_flags() if flag.short
    }
    arguments: list[str] = []
    options: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word.startswith("--split"):
            raise Failure("put-file --split is gone since Pachyderm 2: split the file first, then put its parts")
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            continue
        options.append(word)
        flag = flags.get(word)
        if flag is not None and flag.kind != "bool" and queue:
            options.append(queue.pop(0))
    return arguments, options


def _filled(name: str, shape: str, arguments: list[str]) -> list[str]:
    """The shape with the arguments in their places; a part in [] is left out where they end before it."""
    before, _, rest = shape.partition("[")
    optional, _, after = rest.partition("]")
    try:
        text = before.format(*arguments)
    except IndexError:
        raise Failure(f"`{name}` needs more arguments: today it is `{_SHAPES[name][0]} {shape}`") from None
    with suppress(IndexError):
        text += optional.format(*arguments)
    return (text + after).split(" ") if text + after else []
