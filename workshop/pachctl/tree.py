"""The tree of pachctl's commands: their words, options and texts, as `reference.json` holds them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from workshop.pachctl.golang import parse_bool, parse_duration, parse_integer, quoted

PROJECT = "PROJECT"  # in place of the default of --project: the context's project
LISTS = ("stringArray", "strings", "[]string")
_PARSERS: dict[str, Callable[[str], Any]] = {
    "bool": parse_bool,
    "int": parse_integer,
    "int64": parse_integer,
    "uint": lambda text: parse_integer(text, 64, signed=False),
    "uint16": lambda text: parse_integer(text, 16, signed=False),
    "uint32": lambda text: parse_integer(text, 32, signed=False),
    "duration": parse_duration,
}


class UsageError(Exception):
    """A command line that cannot be read; printed with the command's usage."""


@dataclass(frozen=True)
class Flag:
    """One option; `default` is none where the kind's zero is meant.

    `sets`: the value that it shares with another option (the last one given counts); it is empty at first, whatever
    default help shows.
    """

    name: str
    usage: str
    kind: str = "string"
    short: str = ""
    default: Any = None
    hidden: bool = False
    sets: str = ""

    @property
    def label(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"

    def initial(self) -> Any:
        if self.kind in LISTS:
            return list(self.default or [])
        if self.default is not None and not self.sets:
            return self.parse(self.default) if self.kind == "duration" else self.default
        return "" if self.kind in ("string", "time") else 0 if self.kind != "bool" else False

    def parse(self, text: str) -> Any:
        if self.kind not in _PARSERS:
            return text
        try:
            return _PARSERS[self.kind](text)
        except ValueError as error:
            raise UsageError(f"invalid argument {quoted(text)} for {quoted(self.label)} flag: {error}") from None


@dataclass
class Command:
    """A node of the tree: a verb, a noun, or a command that runs.

    `arguments`: how many it takes, the least and the most (None: any number); empty where the node runs nothing.
    `associated`: for a noun, which commands its help lists. `run` is set by the room that does it.
    """

    name: str
    short: str = ""
    long: str = ""
    usage: str = ""
    example: str = ""
    aliases: list[str] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    arguments: list[int | None] = field(default_factory=list)
    associated: str = ""
    hidden: bool = False
    parent: Command | None = None
    children: dict[str, Command] = field(default_factory=dict)
    run: Callable[[Any], Any] | None = None

    @cached_property
    def path(self) -> str:
        return f"{self.parent.path} {self.name}" if self.parent else self.name

    @cached_property
    def flags(self) -> tuple[Flag, ...]:
        return tuple(Flag(**option) for option in self.options)

    @property
    def words(self) -> str:
        """The path without the program's name."""
        return self.path.partition(" ")[2]

    @property
    def runs(self) -> bool:
        return bool(self.arguments)

    @property
    def is_shown(self) -> bool:
        """Whether help lists it: it runs, or something below it does."""
        return not self.hidden and (self.runs or any(child.is_shown for child in self.children.values()))

    def own_flags(self) -> list[Flag]:
        return sorted([*self.flags, Flag("help", f"help for {self.name}", "bool", "h")], key=lambda flag: flag.name)

    def inherited_flags(self) -> list[Flag]:
        return [] if self.parent is None else list(ROOT.flags)

    def child(self, word: str) -> Command | None:
        if word in self.children:
            return self.children[word]
        return next((child for child in self.children.values() if word in child.aliases), None)

    def below(self) -> Iterator[Command]:
        """This node and all below it, by name."""
        yield self
        for name in sorted(self.children):
            yield from self.children[name].below()


_GLOBAL: list[dict[str, Any]] = [
    {"name": "no-color", "kind": "bool", "usage": "Turn off colors."},
    {
        "name": "rpc-timeout",
        "kind": "duration",
        "usage": "If non-zero, perform all client operations with this RPC deadline.",
    },
    {"name": "verbose", "short": "v", "kind": "bool", "usage": "Output verbose logs."},
    {"name": "context", "hidden": True, "usage": "Use this context of pachctl's configuration, whichever is active."},
]


def _read() -> Command:
    described = json.loads(Path(__file__).with_name("reference.json").read_text(encoding="utf-8"))
    root = Command("pachctl", long=described["long"], options=_GLOBAL)
    for path, entry in described["commands"].items():
        *groups, name = path.split()
        parent = root
        for word in groups:
            parent = parent.children[word]
        node = Command(name, **{"usage": name, "long": entry["short"]} | entry, parent=parent)
        node.example = node.example.replace("{{alias}}", node.path)
        parent.children[name] = node
    return root


ROOT = _read()
