"""How a command line is read: as pachctl's own library (cobra) reads it, to the texts of its errors.

Each room says with `@command("create repo")` which function does a command of the tree; the function gets a `Call`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workshop.pachctl.errors import Failure
from workshop.pachctl.tree import LISTS, ROOT, Command, Flag, UsageError

if TYPE_CHECKING:
    from workshop.pachctl.config import Config
    from workshop.pachctl.connection import Pachd


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

            if self._is_enterprise:
                self.config.enterprise = True
                print(f"Using enterprise context: {self.config.active(enterprise=True)[0]}", file=sys.stderr)
            self._pachd = connect(self.config, self.timeout)
        return self._pachd

    @property
    def _is_enterprise(self) -> bool:
        """Whether the enterprise context is meant: for identities, its own roles, and where --enterprise says so."""
        words = self.command.words
        return self.flags.get("enterprise", False) or words.startswith("idp ") or words.endswith(" enterprise")

    def close(self) -> None:
        if self._pachd is not None:
            self._pachd.close()

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["flags"][name.replace("_", "-")]
        except KeyError:
            raise AttributeError(name) from None


Run = Callable[[Call], Any]


def command(path: str) -> Callable[[Run], Run]:
    """Say which function does the command at PATH ("create repo")."""

    def declare(run: Run) -> Run:
        node = ROOT
        for word in path.split():
            node = node.children[word]
        node.run = run
        return run

    return declare


def find(words: list[str]) -> tuple[Command, list[str]]:
    """The command that these words name, and the words left for it. Options may stand anywhere."""
    node, rest = ROOT, list(words)
    while places := _arguments(node, rest):
        child = node.child(rest[places[0]])
        if child is None:
            break
        node, rest = child, rest[: places[0]] + rest[places[0] + 1 :]
    return node, rest


def unknown_command(node: Command, words: list[str]) -> str:
    """The word that names no command, where FIND stayed at the root for it; or ""."""
    places = _arguments(node, words) if node is ROOT else []
    return words[places[0]] if places else ""


def _arguments(node: Command, words: list[str]) -> list[int]:
    """Where the words stand that are neither options nor their values, as the library sees it before it knows the
    command: an option that this node does not know (--help, too) takes the word after it along.
    """
    known = {flag.name: flag for flag in (*node.flags, *node.inherited_flags())}
    short = {flag.short: flag for flag in known.values() if flag.short}
    places = []
    index = 0
    while index < len(words) and words[index] != "--":
        word = words[index]
        index += 1
        if word.startswith("--") and "=" not in word:
            flag = known.get(word[2:])
        elif word.startswith("-") and "=" not in word and len(word) == 2:
            flag = short.get(word[1:])
        else:
            if word and not word.startswith("-"):
                places.append(index - 1)
            continue
        if flag is None or flag.kind != "bool":
            if len(words) - index <= 1:
                break
            index += 1
    return places


def parse(node: Command, words: list[str]) -> tuple[list[str], dict[str, Any], set[str]]:
    """The arguments, the options' values and the options given. Raises UsageError with the library's texts."""
    known = {flag.name: flag for flag in (*node.own_flags(), *node.inherited_flags())}
    short = {flag.short: flag for flag in known.values() if flag.short}
    values = {name: flag.initial() for name, flag in known.items()}
    arguments: list[str] = []
    given: set[str] = set()
    queue = list(words)

    def put(flag: Flag, text: str) -> None:
        if flag.kind in LISTS:
            import csv

            items = next(csv.reader([text]), []) if flag.kind == "strings" else [text]
            values[flag.name] = (values[flag.name] if flag.name in given else []) + items
        else:
            values[flag.sets or flag.name] = flag.parse(text)
        given.add(flag.name)

    while queue:
        word = queue.pop(0)
        if word == "--":
            arguments += queue
            break
        if word.startswith("--"):
            name, equals, text = word[2:].partition("=")
            if not name or name[0] == "-":
                raise UsageError(f"bad flag syntax: {word}")
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
                if letters.startswith("=") and len(letters) > 1:
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
    low, high = node.arguments
    got = len(arguments)
    assert low is not None
    if low <= got and (high is None or got <= high):
        return ""
    expected = f"at least {low}" if high is None else f"{low}" if low == high else f"{low} to {high}"
    return f"expected {expected} arguments, got {got}"


def suggestions(word: str) -> list[str]:
    """Commands whose names are like this word: within two edits, or beginning with it."""
    return [
        name
        for name, child in sorted(ROOT.children.items())
        if child.is_shown and (_distance(word.lower(), name) <= 2 or name.startswith(word.lower()))
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
