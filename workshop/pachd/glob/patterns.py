"""The parts of a glob, and how a pattern is read into them."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass

from workshop.pachd import errors

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


NOT_SLASH = One(frozenset("/"), True)


class Parser:
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
                nodes.append(NOT_SLASH)
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
