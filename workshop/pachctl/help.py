"""What --help and a wrong command line print: the texts and the order that pachctl's own library gives them."""

from __future__ import annotations

import re

from workshop.pachctl.golang import quoted
from workshop.pachctl.tree import LISTS, PROJECT, ROOT, Command, Flag

_ACTIONS = [
    "copy",
    "create",
    "delete",
    "diff",
    "edit",
    "finish",
    "wait",
    "get",
    "glob",
    "inspect",
    "list",
    "put",
    "restart",
    "squash",
    "start",
    "stop",
    "subscribe",
    "update",
    "validate",
]
_ADMINISTRATION = ["auth", "enterprise", "extract", "idp"]
_WORDS = {"bool": "", "int64": "int", "time": "RF3339 date (with optional nanoseconds)"}
_ZEROS = {"[]string": "[]", "time": "0001-01-01T00:00:00Z"}
_DOCUMENTED = ["branch", "commit", "datum", "file", "job", "object", "pipeline", "repo", "tag"]


def help_text(node: Command, project: str) -> str:
    """The command's description and its usage."""
    described = (node.long or node.short).rstrip()
    return (f"{described}\n\n" if described else "") + usage_text(node, project)


def usage_text(node: Command, project: str) -> str:
    """How the command is called: its arguments, aliases, examples, commands below it, and options."""
    if node is ROOT:
        return _root_usage()
    if node.associated:
        return _associated(node)
    lines = ["Usage:"]
    if node.runs:
        before = f"{node.parent.path} " if node.parent else ""
        lines.append(f"  {before}{node.usage}" + ("" if "[flags]" in node.usage else " [flags]"))
    below = [child for child in sorted_children(node) if child.is_shown]
    if below:
        lines.append(f"  {node.path} [command]")
    if node.aliases:
        lines += ["", "Aliases:", "  " + ", ".join([node.name, *node.aliases])]
    if node.example:
        lines += ["", "Examples:", node.example]
    if below:
        width = max(11, *(len(child.name) for child in node.children.values()))
        lines += ["", "Available Commands:"] + [f"  {child.name:<{width}} {child.short}" for child in below]
    lines += ["", "Flags:", *_flags(node.own_flags(), project)]
    if node.inherited_flags():
        lines += ["", "Global Flags:", *_flags(node.inherited_flags(), project)]
    if below:
        lines += ["", f'Use "{node.path} [command] --help" for more information about a command.']
    return "\n".join(lines) + "\n"


def sorted_children(node: Command) -> list[Command]:
    return [node.children[name] for name in sorted(node.children)]


def _is_topic(node: Command) -> bool:
    """Whether it is there for its help alone."""
    return not node.runs and not node.hidden and all(_is_topic(child) for child in node.children.values())


def _flags(flags: list[Flag], project: str) -> list[str]:
    rows = []
    for flag in flags:
        if flag.hidden:
            continue
        name = f"  -{flag.short}, --{flag.name}" if flag.short else f"      --{flag.name}"
        word, usage = _WORDS.get(flag.kind, flag.kind), flag.usage
        if match := re.search(r"`([^`]*)`", usage):
            word, usage = match.group(1), usage.replace("`", "")
        rows.append((f"{name} {word}" if word else name, usage + _default(flag, project)))
    width = max(len(left) for left, _ in rows)
    return [f"{left:<{width}}   {right}".rstrip() for left, right in rows]


def _default(flag: Flag, project: str) -> str:
    value = project if flag.default == PROJECT else flag.default
    if flag.kind in _ZEROS:  # kinds of pachctl's own, whose zero the library does not know to leave out
        return f" (default {value or _ZEROS[flag.kind]})"
    if not value:
        return ""
    if flag.kind == "string":
        return f" (default {quoted(value)})"
    return f" (default [{','.join(value)}])" if flag.kind in LISTS else f" (default {str(value).lower()})"


def _associated(node: Command) -> str:
    """The commands on one noun, over the whole tree."""
    found = [each for each in ROOT.below() if each.runs and each is not node and re.search(node.associated, each.path)]
    width = max((len(each.path) for each in found), default=0) + 1
    shown = [f"  {each.path:<{width}} {each.short}" for each in found if each.is_shown]
    return "\n".join(["Associated Commands:", *shown]) + "\n"


def _root_usage() -> str:
    children = sorted_children(ROOT)
    width = max(11, *(len(child.name) for child in children))
    parts = {
        "Administration Commands:": [child for child in children if child.name in _ADMINISTRATION],
        "Commands by Action:": [child for child in children if child.name in _ACTIONS],
        "Other Commands:": [
            child for child in children if child.name not in (*_ADMINISTRATION, *_ACTIONS, *_DOCUMENTED)
        ],
    }
    lines = ["Usage:", "  pachctl [command]"]
    for title, nodes in parts.items():
        lines += ["", title] + [f"  {node.name:<{width}} {node.short}" for node in nodes if node.is_shown]
    topics = [child for child in children if _is_topic(child)]
    lines += ["", "Additional help topics:"] + [f"  {node.name:<{width}} {node.short}" for node in topics]
    lines += ["", 'Use "pachctl [command] --help" for more information about a command.']
    return "\n".join(lines) + "\n"
