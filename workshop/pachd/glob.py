"""Pachyderm's glob language, as a regular expression: pipeline inputs, GlobFile and GetFile use it.

    *  any run without a slash      **  any run      ?  one character but a slash      [a-z] [!a-z] [[:digit:]]  a class
    {a,b}  alternatives      \\x  the character x
    (a|b) @(a|b)  exactly one, captured      *(…) any number      +(…) one or more      ?(…) zero or one      !(…) anything but

A glob matches whole paths, which begin with a slash and have none at their end; `/` matches the root alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from workshop.pachd.errors import PachydermError

SPECIAL = "*?[]{}!()@+^"
POSIX = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "ascii": r"\x00-\x7f",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
}


class Glob:
    """A compiled glob. Raises PachydermError when it is malformed."""

    def __init__(self, pattern: str) -> None:
        self.pattern = clean(pattern)
        self.prefix = literal_prefix(self.pattern)
        self.regex = re.compile(_Translator(self.pattern).whole(), re.DOTALL)

    def match(self, path: str) -> re.Match[str] | None:
        """The match of a path, a directory's with or without its slash; its groups are the captures."""
        path = path.rstrip("/") if len(path) > 1 else path
        return self.regex.fullmatch(path) if path.startswith(self.prefix) else None

    def captures(self, path: str) -> tuple[str, ...]:
        """The captured texts of a path that matches; a group that took no part is empty."""
        match = self.match(path)
        return tuple(group or "" for group in match.groups()) if match else ()

    def replace(self, path: str, template: str) -> str:
        """A join or group key: `$1` and `${1}` are captures, `$0` the whole path, `$$` a dollar."""
        texts = (path.rstrip("/") or "/", *self.captures(path))

        def fill(match: re.Match[str]) -> str:
            word = match.group(1) or match.group(2)
            if match.group(0) == "$$":
                return "$"
            return texts[int(word)] if int(word) < len(texts) else ""

        return re.sub(r"\$\$|\$(\d+)|\$\{(\d+)\}", fill, template)

    @property
    def is_literal(self) -> bool:
        """Whether it names one path, without wildcards."""
        return self.prefix == self.pattern and "\\" not in self.pattern

    @property
    def depth(self) -> int | None:
        """How many elements every match has; None when that depends."""
        if self.pattern == "/":
            return 0
        return None if "**" in self.pattern or re.search(r"[({!\\]|\[[^]]*/", self.pattern) else self.pattern.count("/")

    @property
    def folder(self) -> str:
        """The directory below which every match lies (or which is the only match)."""
        if "\\" in self.prefix:
            return "/"
        return self.prefix[: self.prefix.rfind("/") + 1] or "/"


@lru_cache(maxsize=1024)
def compile(pattern: str) -> Glob:
    """A Glob, remembered."""
    return Glob(pattern)


def clean(pattern: str) -> str:
    """With a slash before it and none after it, and no empty or dot elements."""
    out: list[str] = []
    for part in pattern.split("/"):
        if part == ".." and out:
            out.pop()
        elif part not in ("", ".", ".."):
            out.append(part)
    return "/" + "/".join(out)


def literal_prefix(pattern: str) -> str:
    """The text before the first character that may mean something: every match begins with it, backslashes included."""
    for at, character in enumerate(pattern):
        if character in SPECIAL:
            return pattern[:at]
    return pattern


class _Translator:
    """Turns a glob into a regular expression, from left to right."""

    def __init__(self, pattern: str) -> None:
        self._text, self._at = pattern, 0

    def whole(self) -> str:
        parts = []
        while self._at < len(self._text):
            parts.append(self._piece(")}|,"))
        return "".join(parts)

    def _piece(self, literal: str) -> str:
        """The next piece; the characters of `literal` mean nothing here."""
        text, at = self._text, self._at
        character = text[at]
        self._at += 1
        if character == "\\":
            if self._at == len(text):
                return re.escape("\\")
            self._at += 1
            return re.escape(text[at + 1])
        if character in "*?+@!" and text[at + 1 : at + 2] == "(":
            self._at += 1
            return self._group(character)
        if character == "(":
            return self._group("@")
        if character == "*":
            if text[at + 1 : at + 2] == "*":
                self._at += 1
                return ".*"
            return "[^/]*"
        if character == "?":
            return "[^/]"
        if character == "[":
            return self._class()
        if character == "{":
            return "(?:" + self._alternatives(",", "}") + ")"
        return re.escape(character)

    def _alternatives(self, separator: str, end: str) -> str:
        """Alternatives up to the closing character (or the end of the pattern), joined by |."""
        parts = [""]
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == end:
                self._at += 1
                break
            if character == separator:
                self._at += 1
                parts.append("")
            else:
                parts[-1] += self._piece("")
        return "|".join(parts)

    def _group(self, kind: str) -> str:
        inner = self._alternatives("|", ")")
        if kind == "!":
            rest = self._text[self._at :]
            followed = any(part for part in _plain(rest))
            return f"((?!(?:{inner}){'' if followed else '$'})[^/]*)"
        return f"({inner})" if kind == "@" else f"((?:{inner}){kind})"

    def _class(self) -> str:
        """A character class; the opening bracket is consumed."""
        text, begin = self._text, self._at
        if text[begin : begin + 1] in ("!", "^"):
            begin += 1
        at, parts = begin, []
        while at < len(text) and (text[at] != "]" or at == begin):
            if text.startswith("[:", at):
                end = text.find(":]", at)
                name = text[at + 2 : end].lstrip("^") if end > 0 else ""
                if name not in POSIX:
                    raise PachydermError("unexpected end of input")
                parts.append(POSIX[name])
                at = end + 2
            elif text[at] == "\\" and at + 1 < len(text):
                parts.append(re.escape(text[at + 1]))
                at += 2
            else:
                parts.append("-" if text[at] == "-" else re.escape(text[at]))
                at += 1
        if at >= len(text) or not parts:
            raise PachydermError("unexpected end of input")
        negated = "^" if begin > self._at else ""
        self._at = at + 1
        made = f"[{negated}{''.join(parts)}]"
        try:
            re.compile(made)
        except re.error:
            raise PachydermError("unexpected end of input") from None
        return made


def _plain(rest: str) -> Iterator[str]:
    """Pieces after a negated group that are literal text, * or ** (not further groups)."""
    depth = 0
    for at, character in enumerate(rest):
        if character == "(":
            depth += 1
        elif character == ")":
            depth = max(0, depth - 1)
        elif not depth and not (character in "*?+@!" and rest[at + 1 : at + 2] == "("):
            yield character
