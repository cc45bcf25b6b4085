"""Pachyderm's glob language: which paths a pattern matches, what its groups catch, and where in a tree to look.

    *  any run without "/"      **  any run      ?  one character but "/"      [a-z] [!a-z] [[:alpha:]]  classes
    {a,b}  alternatives         (a|b) @(a|b)  exactly one, caught               \\x  x itself
    *(a|b)  any number    +(a|b)  one or more    ?(a|b)  at most one    !(a|b)  a run without "/" that is none of these

A pattern matches whole paths without their trailing slash, directories too. `$1` in a template is what group 1 caught.
Patterns that could take a regular expression for ever are run by a machine that visits each state once a position.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import lru_cache

from workshop.pachd import errors
from workshop.pachd.glob import machine
from workshop.pachd.glob.patterns import Group, One, Parser, Run, Text

SPECIAL = "*?[]{}!()@+^"


def clean(pattern: str) -> str:
    """The pattern as it is compared: with a leading slash, without a trailing one."""
    cleaned = posixpath.normpath(pattern)
    return "/" if cleaned == "." else "/" + cleaned.strip("/")


def literal_start(pattern: str) -> str:
    """What stands before the first wildcard."""
    return pattern[: next((at for at, char in enumerate(pattern) if char in SPECIAL), len(pattern))]


def literal_folder(pattern: str) -> str:
    """The directory ("/" or "/a/") in which all lies that a cleaned path or pattern can mean; the root is in itself."""
    return literal_start(pattern).rpartition("/")[0] + "/"


# ------------------------------------------------------------------ what a pattern says of paths


def _slashes(nodes: tuple[object, ...]) -> int | None:
    """How many slashes a match has at most; None = any number."""
    total = 0
    for node in nodes:
        if isinstance(node, Text):
            total += node.text.count("/")
        elif isinstance(node, Run):
            if node.slashes:
                return None
        elif isinstance(node, One):
            total += ("/" in node.chars) != node.negated
        elif isinstance(node, Group) and node.times != "!":
            most = [_slashes(choice) for choice in node.choices]
            if None in most or (node.times in "*+" and any(most)):
                return None
            total += max(filter(None, most), default=0)
    return total


def _loops(nodes: tuple[object, ...], inner: bool = False) -> Iterator[bool]:
    """For each part of a pattern that can take any length: whether it lies within another."""
    for node in nodes:
        if isinstance(node, Run):
            yield inner
        elif isinstance(node, Group):
            repeats = node.times in "*+!"
            if repeats:
                yield inner
            for choice in node.choices:
                yield from _loops(choice, inner or repeats)


def _repeats_groups(nodes: tuple[object, ...]) -> bool:
    """Whether a group may be taken any number of times: one text can then be read in very many ways."""
    return any(
        isinstance(node, Group) and (node.times in "*+" or any(map(_repeats_groups, node.choices))) for node in nodes
    )


class Glob:
    """A compiled pattern. PachydermError when it is none."""

    def __init__(self, pattern: str) -> None:
        self.pattern = clean(pattern)
        if len(self.pattern) > 10_000:
            raise errors.PachydermError("the pattern is longer than 10000 characters")
        parser = Parser(self.pattern)
        try:
            self._nodes, self.groups = parser.nodes, parser.groups
            # Pachyderm's calls on files look below what is before the first wildcard as it stands, backslashes too
            start = literal_start(self.pattern)
            self.escapes_early = "\\" in start
            plain = re.sub(r"\\(.?)", r"\1", start)
            self.literal = plain if start == self.pattern else None
            self.folder = plain[: plain.rindex("/") + 1]  # every match lies in this directory (or is it)
            self.depth = _slashes(self._nodes)  # of "/" in a match, at most; None = no bound
            self.prefix = plain
            begins = _begins_rule(self._nodes)
            loops = list(_loops(self._nodes))
            self._program: list[tuple] | None = None
            many = len(loops) > (2 if self.depth is None else 1 + self.depth)
            if many or any(loops) or _repeats_groups(self._nodes):  # what backtracking may need for ever
                self._program = machine.assemble(self._nodes, begins, self.groups)
            else:
                self._regex = re.compile(_regex(self._nodes, begins), re.DOTALL)
        except RecursionError:
            raise errors.PachydermError("the pattern's groups are nested too deeply") from None

    def match(self, path: str) -> list[str] | None:
        """What the whole match and each group caught ("" for a group without a part in it); None without a match."""
        path = path if path == "/" else path.rstrip("/")
        if not path.startswith(self.prefix):
            return None
        if self._program is not None:
            return machine.run(self._program, path, 0, self.groups)
        found = self._regex.fullmatch(path)
        return [found[0], *(group or "" for group in found.groups())] if found else None

    def matches(self, path: str) -> bool:
        """Whether a file or directory (with or without its trailing slash) matches."""
        return self.match(path) is not None

    def expand(self, template: str, path: str) -> str:
        """A join_on or group_by template with `$1`, `${2}`, `$0`, `$$` filled in; "" when the path does not match."""
        caught = self.match(path)
        return "" if caught is None else expand(template, caught)


@lru_cache(1024)
def compile(pattern: str) -> Glob:
    return Glob(pattern)


def expand(template: str, caught: list[str]) -> str:
    """`template` with what the groups caught; a group that there is not is empty, a malformed `$` stands for itself."""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        number = match[1] or match[2]
        return caught[int(number)] if len(number) < 10 and int(number) < len(caught) else ""

    return re.sub(r"\$\$|\$(\d+)|\$\{(\d+)\}", replace, template, flags=re.ASCII)


def _begins_rule(nodes: tuple[object, ...]) -> bool:
    """Whether negated groups refuse what *begins* with an alternative: when text, * or ** follows the first of them."""
    flat = list(_flat(nodes))
    first = next((at for at, kind in enumerate(flat) if kind == "!"), len(flat))
    return "." in flat[first:]


def _flat(nodes: tuple[object, ...]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, (Text, Run)):
            yield "."
        elif isinstance(node, Group):
            for choice in node.choices:
                yield from _flat(choice)
            if node.times == "!":
                yield "!"


# ------------------------------------------------------------------ as a regular expression


def _regex(nodes: tuple[object, ...], begins: bool) -> str:
    parts = []
    for node in nodes:
        if isinstance(node, Text):
            parts.append(re.escape(node.text))
        elif isinstance(node, Run):
            parts.append(".*" if node.slashes else "[^/]*")
        elif isinstance(node, One):
            chars = "".join(map(re.escape, sorted(node.chars)))
            parts.append(f"[{'^' if node.negated else ''}{chars}]")
        elif isinstance(node, Group):
            choices = "(?:" + "|".join(_regex(choice, begins) for choice in node.choices) + ")"
            if node.times == "!":
                choices = f"(?!{choices}{'' if begins else chr(92) + 'Z'})[^/]*"
            elif node.times != "@":
                choices += node.times
            parts.append(f"({choices})" if node.number else choices)
    return "".join(parts)
