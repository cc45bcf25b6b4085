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
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from workshop.pachd import errors

SPECIAL = "*?[]{}!()@+^"
_CLASSES = {
    "alnum": string.ascii_letters + string.digits,
    "alpha": string.ascii_letters,
    "blank": " \t",
    "digit": string.digits,
    "graph": string.ascii_letters + string.digits + string.punctuation,
    "lower": string.ascii_lowercase,
    "print": string.ascii_letters + string.digits + string.punctuation + " ",
    "punct": string.punctuation,
    "space": string.whitespace,
    "upper": string.ascii_uppercase,
    "word": string.ascii_letters + string.digits + "_",
    "xdigit": string.hexdigits,
    "ascii": "".join(map(chr, range(128))),
    "cntrl": "".join(map(chr, range(32))) + "\x7f",
}


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Run:
    """`*`, or `**` when it may cross slashes."""

    slashes: bool


@dataclass(frozen=True, slots=True)
class One:
    """`?` or a class: one character in `chars`, or (negated) one that is not."""

    chars: frozenset[str]
    negated: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Alternatives, caught by a number, or not (0); `times` is one of @ * + ? !"""

    times: str
    number: int
    choices: tuple[tuple[object, ...], ...]


_NOT_SLASH = One(frozenset("/"), True)


def clean(pattern: str) -> str:
    """The pattern as it is compared: with a leading slash, without a trailing one."""
    return "/" + posixpath.normpath("/" + pattern).lstrip("/")


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.text, self.at, self.groups = pattern, 0, 0

    def sequence(self, stops: str) -> tuple[object, ...]:
        nodes: list[object] = []
        words: list[str] = []
        text = self.text

        def end_of_word() -> None:
            if words:
                nodes.append(Text("".join(words)))
                words.clear()

        while self.at < len(text) and text[self.at] not in stops:
            char, after = text[self.at], text[self.at + 1 : self.at + 2]
            self.at += 1
            if char == "\\":
                words.append(after)
                self.at += len(after)
                continue
            if char == "(" or (char in "*+?@!" and after == "("):
                end_of_word()
                self.at += char != "("
                nodes.append(self.group("@" if char == "(" else char))
            elif char == "^" and after == "(":
                raise errors.PachydermError("unimplemented quatifier ^")
            elif char == "{":
                end_of_word()
                nodes.append(Group("@", 0, self.choices(",", "}")))
            elif char == "[":
                end_of_word()
                nodes.append(self.one())
            elif char == "*":
                end_of_word()
                twice = after == "*" and text[self.at + 1 : self.at + 2] != "("
                self.at += twice
                nodes.append(Run(twice))
            elif char == "?":
                end_of_word()
                nodes.append(_NOT_SLASH)
            else:
                words.append(char)
        end_of_word()
        return tuple(nodes)

    def group(self, times: str) -> Group:
        self.groups += 1
        number = self.groups
        return Group(times, number, self.choices("|", ")"))

    def choices(self, between: str, close: str) -> tuple[tuple[object, ...], ...]:
        found = [self.sequence(between + close)]
        while self.at < len(self.text) and self.text[self.at] == between:
            self.at += 1
            found.append(self.sequence(between + close))
        self.at += self.at < len(self.text)  # one that is not closed ends with the pattern
        return tuple(found)

    def one(self) -> One:
        text, chars, negated = self.text, set[str](), False
        if text[self.at : self.at + 1] in ("!", "^"):
            negated = True
            self.at += 1
        while True:
            char = self._char()
            if char == "]":
                break
            posix = re.match(r"\[:(\w+):\]", text[self.at - 1 :]) if char == "[" else None
            if posix:
                if posix[1] not in _CLASSES:
                    raise errors.PachydermError(f"invalid character class range: `{posix[0]}`")
                chars.update(_CLASSES[posix[1]])
                self.at += posix.end() - 1
                continue
            if char == "\\":
                char = self._char()
            if text[self.at : self.at + 1] == "-" and text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                last = self._char()
                last = self._char() if last == "\\" else last
                if last < char:
                    raise errors.PachydermError(f"[{char}-{last}] range in reverse order")
                chars.update(map(chr, range(ord(char), min(ord(last), ord(char) + 0xFFFF) + 1)))
            else:
                chars.add(char)
        if not chars:
            raise errors.PachydermError("unterminated [] set")
        return One(frozenset(chars), negated)

    def _char(self) -> str:
        if self.at >= len(self.text):
            raise errors.PachydermError("unexpected end of input")
        self.at += 1
        return self.text[self.at - 1]


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


class Glob:
    """A compiled pattern. PachydermError when it is none."""

    def __init__(self, pattern: str) -> None:
        self.pattern = clean(pattern)
        if len(self.pattern) > 10_000:
            raise errors.PachydermError("the pattern is longer than 10000 characters")
        parser = _Parser(self.pattern)
        try:
            self._nodes = parser.sequence("")
            self.groups = parser.groups
            first = next((at for at, char in enumerate(self.pattern) if char in SPECIAL), len(self.pattern))
            plain = self.pattern[:first]
            self._nothing = "\\" in plain  # so Pachyderm: it compares what is before the first wildcard as it stands
            self.literal = plain if first == len(self.pattern) else None
            self.folder = plain[: plain.rindex("/") + 1]  # every match lies in this directory (or is it)
            self.depth = _slashes(self._nodes)  # of "/" in a match, at most; None = no bound
            self.prefix = plain
            begins = _begins_rule(self._nodes)
            loops = list(_loops(self._nodes))
            self._program: list[tuple] | None = None
            if any(loops) or len(loops) > (2 if self.depth is None else 1 + self.depth):
                self._program = _assemble(self._nodes, begins, self.groups)
            else:
                self._regex = re.compile(_regex(self._nodes, begins), re.DOTALL)
        except RecursionError:
            raise errors.PachydermError("the pattern's groups are nested too deeply") from None

    def match(self, path: str) -> list[str] | None:
        """What the whole match and each group caught ("" for a group without a part in it); None without a match."""
        path = path if path == "/" else path.rstrip("/")
        if self._nothing or not path.startswith(self.prefix):
            return None
        if self._program is not None:
            return _run(self._program, path, 0, self.groups)
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


# ------------------------------------------------------------------ as a machine


@dataclass(slots=True)
class _Code:
    steps: list[tuple] = field(default_factory=list)

    def add(self, *step: object) -> int:
        self.steps.append(step)
        return len(self.steps) - 1


def _assemble(nodes: tuple[object, ...], begins: bool, groups: int) -> list[tuple]:
    code = _Code()
    _sequence(code, nodes, begins)
    code.add("end")
    return code.steps


def _sequence(code: _Code, nodes: tuple[object, ...], begins: bool) -> None:
    for node in nodes:
        if isinstance(node, Text):
            for char in node.text:
                code.add("one", frozenset(char), False)
        elif isinstance(node, One):
            code.add("one", node.chars, node.negated)
        elif isinstance(node, Run):
            _run_of(code, frozenset() if node.slashes else frozenset("/"))
        elif isinstance(node, Group):
            if node.number:
                code.add("save", 2 * node.number)
            if node.times == "!":
                jump = code.add()
                _choices(code, node.choices, begins)
                code.add("end" if not begins else "begun")
                code.steps[jump] = ("not", jump + 1, len(code.steps))
                _run_of(code, frozenset("/"))
            elif node.times == "@":
                _choices(code, node.choices, begins)
            else:
                _repeat(code, node, begins)
            if node.number:
                code.add("save", 2 * node.number + 1)


def _run_of(code: _Code, without: frozenset[str]) -> None:
    split = code.add()
    code.add("one", without, True)
    code.add("go", split)
    code.steps[split] = ("try", split + 1, len(code.steps))


def _repeat(code: _Code, node: Group, begins: bool) -> None:
    if node.times == "+":
        start = len(code.steps)
        _choices(code, node.choices, begins)
        code.add("try", start, len(code.steps) + 1)
        return
    split = code.add()
    _choices(code, node.choices, begins)
    if node.times == "*":
        code.add("go", split)
    code.steps[split] = ("try", split + 1, len(code.steps))


def _choices(code: _Code, choices: tuple[tuple[object, ...], ...], begins: bool) -> None:
    exits = []
    for choice in choices[:-1]:
        split = code.add()
        _sequence(code, choice, begins)
        exits.append(code.add())
        code.steps[split] = ("try", split + 1, len(code.steps))
    _sequence(code, choices[-1], begins)
    for at in exits:
        code.steps[at] = ("go", len(code.steps))


def _run(program: list[tuple], path: str, start: int, groups: int) -> list[str] | None:
    """What the groups caught by the first way, in order of preference, that takes the program to its end."""
    slots = _search(program, path, 0, start, [start, 0] + [-1] * (2 * groups))
    if slots is None:
        return None
    slots[1] = len(path)
    return [path[a:b] if 0 <= a <= b else "" for a, b in zip(slots[::2], slots[1::2], strict=True)]


def _search(program: list[tuple], path: str, counter: int, position: int, slots: list[int]) -> list[int] | None:
    seen: set[tuple[int, int]] = set()
    stack: list[tuple[int, int, list[int]]] = [(counter, position, slots)]
    while stack:
        counter, position, slots = stack.pop()
        while (counter, position) not in seen:
            seen.add((counter, position))
            step = program[counter]
            kind = step[0]
            if kind == "one":
                if position == len(path) or (path[position] in step[1]) == step[2]:
                    break
                counter, position = counter + 1, position + 1
            elif kind == "go":
                counter = step[1]
            elif kind == "try":
                stack.append((step[2], position, slots))
                counter = step[1]
            elif kind == "save":
                slots = list(slots)
                slots[step[1]] = position
                counter += 1
            elif kind == "not":
                if _search(program, path, step[1], position, slots) is not None:
                    break
                counter = step[2]
            elif kind == "begun" or position == len(path):
                return slots
            else:
                break
    return None
