"""The tree of commands, and how a command line is read: as pachctl's own library (cobra) reads it, to the texts of
its errors.

Each room declares its commands with `@command(...)` on the function that does the work; the function gets a `Call`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import parse_bool, parse_duration, parse_integer, quoted

if TYPE_CHECKING:
    from workshop.pachctl.config import Config
    from workshop.pachctl.connection import Pachd

_PARSERS: dict[str, Callable[[str], Any]] = {
    "bool": parse_bool,
    "int": parse_integer,
    "uint32": lambda text: parse_integer(text, 32, signed=False),
    "duration": parse_duration,
}
_LISTS = ("stringArray", "strings", "[]string")


@dataclass(frozen=True)
class Flag:
    """One option. `kind` is the word that help prints (bool prints none); "project" as default means the context's
    project.
    """

    name: str
    usage: str
    kind: str = "string"
    short: str = ""
    default: Any = None
    hidden: bool = False

    @property
    def label(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"

    def initial(self) -> Any:
        if self.default is not None:
            return list(self.default) if self.kind in _LISTS else self.default
        return {"bool": False, "int": 0, "uint32": 0, "duration": 0}.get(self.kind, [] if self.kind in _LISTS else "")

    def parse(self, text: str) -> Any:
        try:
            return _PARSERS[self.kind](text)
        except ValueError as error:
            raise UsageError(f"invalid argument {quoted(text)} for {quoted(self.label)} flag: {error}") from None


class UsageError(Exception):
    """A command line that cannot be read; printed with the command's usage."""


@dataclass
class Call:
    """One reading of a command: its arguments, its options, and the way to pachd."""

    command: Command
    args: list[str]
    flags: dict[str, Any]
    given: set[str]
    config: Config
    timeout: float | None = None
    _pachd: Any = None

    @property
    def project(self) -> str:
        """The project that --project or the context names."""
        return self.flags.get("project", self.config.project)

    @property
    def pachd(self) -> Pachd:
        """The connection; made when it is first needed."""
        if self._pachd is None:
            from workshop.pachctl.connection import connect

            self._pachd = connect(self.config, self.timeout)
        return self._pachd

    def close(self) -> None:
        if self._pachd is not None:
            self._pachd.close()

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["flags"][name.replace("_", "-")]
        except KeyError:
            raise AttributeError(name) from None


Run = Callable[[Call], Any]


@dataclass
class Command:
    """A node of the tree: a verb, a noun, or a command that runs."""

    name: str
    short: str = ""
    long: str = ""
    usage: str = ""
    example: str = ""
    aliases: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    arguments: tuple[int, int | None] | None = None
    run: Run | None = None
    parent: Command | None = None
    children: dict[str, Command] = field(default_factory=dict)
    associated: str = ""
    hidden: bool = False

    @cached_property
    def path(self) -> str:
        return f"{self.parent.path} {self.name}" if self.parent else self.name

    def ancestors(self) -> Iterator[Command]:
        node: Command | None = self
        while node is not None:
            yield node
            node = node.parent

    def own_flags(self) -> list[Flag]:
        return sorted([*self.flags, Flag("help", f"help for {self.name}", "bool", "h")], key=lambda flag: flag.name)

    def inherited_flags(self) -> list[Flag]:
        return [] if self.parent is None else list(next(node for node in self.ancestors() if not node.parent).flags)

    def child(self, word: str) -> Command | None:
        if word in self.children:
            return self.children[word]
        return next((child for child in self.children.values() if word in child.aliases), None)


PROJECT = "project"
RAW = (
    Flag("raw", "Disable pretty printing; serialize data structures to an encoding such as json or yaml", "bool"),
    Flag("output", 'Output format when --raw is set: "json" or "yaml" (default "json")', short="o"),
)
FULL_TIMESTAMPS = Flag(
    "full-timestamps", "Return absolute timestamps (as opposed to the default, relative timestamps).", "bool"
)
NO_PAGER = Flag("no-pager", "Don't pipe output into a pager (i.e. less).", "bool")
GLOBAL = (
    Flag("no-color", "Turn off colors.", "bool"),
    Flag("rpc-timeout", "If non-zero, perform all client operations with this RPC deadline.", "duration"),
    Flag("verbose", "Output verbose logs.", "bool", "v"),
    Flag("context", "Use this context of pachctl's configuration, whichever is active.", hidden=True),
)

ROOT = Command("pachctl", flags=GLOBAL)


def project_flag(usage: str) -> Flag:
    """--project, which defaults to the context's project."""
    return Flag("project", usage, default=PROJECT)


def command(
    path: str,
    short: str,
    arguments: tuple[int, int | None] | int | None = None,
    usage: str = "",
    flags: tuple[Flag, ...] = (),
    long: str = "",
    example: str = "",
    plural: str = "s",
    hidden: bool = False,
) -> Callable[[Run], Run]:
    """Declare the command at PATH ("create repo"). `arguments`: how many it takes, a number, a range, or None for any.

    `plural` names its alias: an ending ("s", "es"), a word, or "" for none.
    """

    def declare(run: Run) -> Run:
        *groups, name = path.split()
        parent = ROOT
        for word in groups:
            parent = parent.children.setdefault(word, Command(word, parent=parent))
        alias = name + plural if plural in ("s", "es") else plural
        node = parent.children.setdefault(name, Command(name, parent=parent))
        node.short, node.long, node.usage, node.run = short, long or _sentence(short), usage or name, run
        node.example = example.replace("{{alias}}", f"pachctl {path}")
        node.flags = flags
        node.arguments = (arguments, arguments) if isinstance(arguments, int) else arguments
        node.aliases = (alias,) if alias else ()
        node.hidden = hidden
        return run

    return declare


def _sentence(short: str) -> str:
    return short


def group(
    path: str, short: str, long: str = "", aliases: tuple[str, ...] = (), associated: str = "", hidden: bool = False
) -> None:
    """Declare a node that runs nothing: a verb ("create"), or a noun whose help lists the commands on it
    (`associated`).
    """
    parent = ROOT
    *groups, name = path.split()
    for word in groups:
        parent = parent.children.setdefault(word, Command(word, parent=parent))
    node = parent.children.setdefault(name, Command(name, parent=parent))
    node.short, node.long, node.aliases, node.associated, node.hidden = (
        short,
        long or short,
        aliases,
        associated,
        hidden,
    )


def find(words: list[str]) -> tuple[Command, list[str]]:
    """The command that these words name, and the words left for it. Options may stand anywhere."""
    node, rest = ROOT, list(words)
    while node.children:
        place = _first_argument(node, rest)
        if place is None:
            break
        child = node.child(rest[place])
        if child is None:
            break
        node, rest = child, rest[:place] + rest[place + 1 :]
    return node, rest


def _first_argument(node: Command, words: list[str]) -> int | None:
    """The index of the first word that is neither an option nor an option's value."""
    known = {flag.name: flag for flag in (*node.own_flags(), *node.inherited_flags())}
    short = {flag.short: flag for flag in known.values() if flag.short}
    index = 0
    while index < len(words):
        word = words[index]
        if word == "--":
            return None
        if word.startswith("--"):
            flag = known.get(word[2:])
            index += 1 if "=" in word or flag is None or flag.kind == "bool" else 2
        elif word.startswith("-") and len(word) > 1:
            flag = short.get(word[1:]) if len(word) == 2 else None
            index += 2 if flag is not None and flag.kind != "bool" else 1
        else:
            return index
    return None


def parse(node: Command, words: list[str]) -> tuple[list[str], dict[str, Any], set[str]]:
    """The arguments, the options' values and the options given. Raises UsageError with the library's texts."""
    known = {flag.name: flag for flag in (*node.own_flags(), *node.inherited_flags())}
    short = {flag.short: flag for flag in known.values() if flag.short}
    values = {name: flag.initial() for name, flag in known.items()}
    arguments: list[str] = []
    given: set[str] = set()
    queue = list(words)

    def put(flag: Flag, text: str) -> None:
        if flag.kind in _LISTS:
            import csv

            items = next(csv.reader([text]), []) if flag.kind == "strings" else [text]
            values[flag.name] = (values[flag.name] if flag.name in given else []) + items
        else:
            values[flag.name] = text if flag.kind == "string" else flag.parse(text)
        given.add(flag.name)

    while queue:
        word = queue.pop(0)
        if word == "--":
            arguments += queue
            break
        if word.startswith("--"):
            name, equals, text = word[2:].partition("=")
            if name not in known:
                raise UsageError(f"unknown flag: --{name}")
            if equals:
                put(known[name], text)
            elif known[name].kind == "bool":
                put(known[name], "true")
            elif queue:
                put(known[name], queue.pop(0))
            else:
                raise UsageError(f"flag needs an argument: --{name}")
        elif word.startswith("-") and len(word) > 1:
            letters = word[1:]
            while letters:
                letter, letters = letters[0], letters[1:]
                if letter not in short:
                    raise UsageError(f"unknown shorthand flag: '{letter}' in -{letter}{letters}")
                flag = short[letter]
                if letters.startswith("="):
                    put(flag, letters[1:])
                    break
                if flag.kind == "bool":
                    put(flag, "true")
                elif letters:
                    put(flag, letters)
                    break
                elif queue:
                    put(flag, queue.pop(0))
                else:
                    raise UsageError(f"flag needs an argument: '{letter}' in -{letter}")
        else:
            arguments.append(word)
    return arguments, values, given


def count_problem(node: Command, arguments: list[str]) -> str:
    """What is wrong with the number of arguments, or ""."""
    if node.arguments is None:
        return ""
    low, high = node.arguments
    got = len(arguments)
    if low <= got and (high is None or got <= high):
        return ""
    expected = f"at least {low}" if high is None else f"{low}" if low == high else f"{low} to {high}"
    return f"expected {expected} arguments, got {got}"


def suggestions(word: str) -> list[str]:
    """Commands whose names are like this word: within two edits, or beginning with it."""
    return [
        name
        for name, child in sorted(ROOT.children.items())
        if not child.hidden
        and (child.run or child.children)
        and (_distance(word.lower(), name) <= 2 or name.startswith(word.lower()))
    ]


def _distance(first: str, second: str) -> int:
    row = list(range(len(second) + 1))
    for index, left in enumerate(first, 1):
        previous, row[0] = row[0], index
        for place, right in enumerate(second, 1):
            previous, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, previous + (left != right))
    return row[-1]


def require_raw(call: Call) -> bool:
    """Whether --raw is set; --output without it is refused."""
    if not call.raw and call.output:
        raise Failure("cannot set --output (-o) without --raw")
    return call.raw
