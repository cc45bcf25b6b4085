"""The parts of a glob, and how a pattern is read into them.

The reader follows Pachyderm's in its turns too: text that begins with one of @ ! ^ + runs on over `|`, `)`, `,` and `}`
of the group that it stands in; closing signs close the innermost group, whichever it is; and a class takes `!` or `^`
anywhere as a "not", and a backslash away before it looks for ranges.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workshop.pachd import errors

_CLASSES = {
    ":alnum:": "0-9A-Za-z",
    ":alpha:": "A-Za-z",
    ":ascii:": "\x00-\x7f",
    ":blank:": "\t ",
    ":cntrl:": "\x00-\x1f\x7f",
    ":digit:": "0-9",
    ":graph:": "!-~]",
    ":lower:": "a-z",
    ":print:": " -~",
    ":punct:": "!-/:-@[-`{-~",
    ":space:": "\t\n\v\f\r ",
    ":upper:": "A-Z",
    ":word:": "0-9A-Za-z_",
    ":xdigit:": "0-9A-Fa-f",
}
_SIGNS = "@!^+"  # what begins a group when "(" follows, and else text
_END_SIGNED = "?*[{("  # what ends text that begins with a sign
_END_TEXT = _END_SIGNED + _SIGNS
_END_IN_BRACES = _END_TEXT + "},"
_END_IN_GROUP = _END_TEXT + ")|"


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


NOT_SLASH = One(frozenset("/"), True)


@dataclass(slots=True)
class _Open:
    """A group that is being read."""

    times: str
    number: int
    choices: list[list[object]] = field(default_factory=lambda: [[]])

    def closed(self) -> Group:
        return Group(self.times, self.number, tuple(map(tuple, self.choices)))


class Parser:
    """Reads a pattern once: `nodes`, and how many `groups` catch."""

    def __init__(self, pattern: str) -> None:
        self._text, self._at = pattern.partition("\0")[0], 0
        self._open = [_Open("@", 0)]
        self._braces = self._brackets = 0  # groups of each kind that are still to be closed
        self._unknown = False  # whether a group began with ^
        self.groups = 0
        while self._at < len(self._text):
            self._part()
        while len(self._open) > 1:  # what is not closed ends with the pattern
            self._close()
        if self._unknown:
            raise errors.PachydermError("unimplemented quatifier ^")
        self.nodes: tuple[object, ...] = tuple(self._open[0].choices[0])

    def _part(self) -> None:
        char, after = self._text[self._at], self._text[self._at + 1 : self._at + 2]
        if char == "{":
            self._braces += 1
            self._begin("@", 0, 1)
        elif (char == "," and self._braces) or (char == "|" and self._brackets):
            self._at += 1
            self._open[-1].choices.append([])
        elif char == "}" and self._braces:
            self._braces -= 1
            self._at += 1
            self._close()
        elif char == "[":
            self._at += 1
            self._add(self._one())
        elif char == "(" or (char in "@!^+?*" and after == "("):
            self._brackets += 1
            self.groups += 1
            self._unknown |= char == "^"
            self._begin("@" if char == "(" else char, self.groups, 1 + (char != "("))
        elif char in _SIGNS:
            self._word(_END_SIGNED)
        elif char == ")" and self._brackets:
            self._brackets -= 1
            self._at += 1
            self._close()
        elif char == "?":
            self._at += 1
            self._add(NOT_SLASH)
        elif char == "*":
            twice = after == "*" and self._text[self._at + 2 : self._at + 3] != "("
            self._at += 1 + twice
            self._add(Run(twice))
        else:
            self._word(_END_IN_BRACES if self._braces else _END_IN_GROUP if self._brackets else _END_TEXT)

    def _add(self, node: object) -> None:
        self._open[-1].choices[-1].append(node)

    def _begin(self, times: str, number: int, length: int) -> None:
        self._at += length
        self._open.append(_Open(times, number))

    def _close(self) -> None:
        self._add(self._open.pop().closed())

    def _word(self, ends: str) -> None:
        """Text up to one of these characters that no backslash stands before."""
        chars = []
        while self._at < len(self._text) and (char := self._text[self._at]) not in ends:
            self._at += 1
            if char == "\\":
                char = self._text[self._at : self._at + 1]
                self._at += 1
            chars.append(char)
        if any(chars):
            self._add(Text("".join(chars)))

    def _one(self) -> One:
        """A class, whose opening bracket has been read."""
        chars: list[str] = []
        negated = inner = False
        while (char := self._char()) != "]" or inner:
            if char == "\\":
                char = self._char()
            elif char in "!^" and not negated:
                negated = True
                continue
            elif char in "[]":
                inner = char == "["
            chars.append(char)
        listed = "".join(chars)
        for name, meant in _CLASSES.items():
            listed = listed.replace(name, meant)
        if not listed:
            raise errors.PachydermError("unterminated [] set")
        return One(_members(listed), negated)

    def _char(self) -> str:
        if self._at >= len(self._text):
            raise errors.PachydermError("unexpected end of input")
        self._at += 1
        return self._text[self._at - 1]


def _members(listed: str) -> frozenset[str]:
    """The characters of a class, with its ranges written out."""
    members: set[str] = set()
    at = 0
    while at < len(listed):
        first = last = listed[at]
        if listed[at + 1 : at + 2] == "-" and at + 2 < len(listed):
            last = listed[at + 2]
            if last < first:
                raise errors.PachydermError(f"[{first}-{last}] range in reverse order")
            at += 2
        at += 1
        members.update(map(chr, range(ord(first), min(ord(last), ord(first) + 0xFFFF) + 1)))
    return frozenset(members)
