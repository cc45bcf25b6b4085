"""What Go's encoding/json and base64 packages find wrong with a text, in their words, which clients match."""

from __future__ import annotations

import re

_BLANKS = " \t\r\n"
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_ESCAPES = 'bfnrt\\/"'


class _Wrong(Exception):
    """The first character that does not fit, and where it stands."""


def fault(text: str) -> str:
    """Why this is not one JSON value, or ""."""
    scanner = _Scanner(text)
    try:
        scanner.value()
        scanner.blanks()
        if scanner.at < len(text):
            scanner.refuse("after top-level value")
    except _Wrong as wrong:
        return str(wrong)
    return ""


def base64_fault(text: str) -> str:
    """Why this is not padded base64, or ""."""
    plain = text.replace("\r", "").replace("\n", "")
    bad = re.search(r"[^A-Za-z0-9+/]", plain)
    place = bad.start() if bad else len(plain) // 4 * 4
    rest = plain[place:]
    if (not bad and len(plain) % 4 == 0) or (place % 4 == 2 and rest == "==") or (place % 4 == 3 and rest == "="):
        return ""
    return f"illegal base64 data at input byte {place}"


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def refuse(self, context: str) -> None:
        if self.at >= len(self.text):
            raise _Wrong("unexpected end of JSON input")
        raise _Wrong(f"invalid character {_quoted(self.text[self.at])} {context}")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def blanks(self) -> str:
        """Go over blanks; the character after them, "" at the end."""
        while self.peek() and self.peek() in _BLANKS:
            self.at += 1
        return self.peek()

    def value(self) -> None:
        containers: list[str] = []  # the brackets that close what is open; a loop, for depth has no limit here
        while True:
            char = self.blanks()
            if char and char in "{[":
                self.at += 1
                closing = "}" if char == "{" else "]"
                if self.blanks() != closing:
                    containers.append(closing)
                    if closing == "}":
                        self._key("looking for beginning of object key string")
                    continue
                self.at += 1
            else:
                self._scalar(char)
            while containers:
                char = self.blanks()
                if char == containers[-1]:
                    self.at += 1
                    containers.pop()
                    continue
                inside = containers[-1] == "}"
                if char != ",":
                    self.refuse("after object key:value pair" if inside else "after array element")
                self.at += 1
                if inside:
                    self._key("looking for beginning of object key string")
                break
            else:
                return

    def _key(self, context: str) -> None:
        if self.blanks() != '"':
            self.refuse(context)
        self._string()
        if self.blanks() != ":":
            self.refuse("after object key")
        self.at += 1

    def _scalar(self, char: str) -> None:
        if char == '"':
            self._string()
        elif char in _LITERALS:
            word = _LITERALS[char]
            for expected in word:
                if self.peek() != expected:
                    self.refuse(f"in literal {word} (expecting {_quoted(expected)})")
                self.at += 1
        elif char and char in "-0123456789":
            self._number()
        else:
            self.refuse("looking for beginning of value")

    def _string(self) -> None:
        self.at += 1
        while True:
            char = self.peek()
            if char == '"':
                self.at += 1
                return
            if not char or char < " ":
                self.refuse("in string literal")
            self.at += 1
            if char != "\\":
                continue
            if self.peek() == "u":
                self.at += 1
                for _ in range(4):
                    if not re.fullmatch("[0-9a-fA-F]", self.peek()):
                        self.refuse("in \\u hexadecimal character escape")
                    self.at += 1
            elif self.peek() and self.peek() in _ESCAPES:
                self.at += 1
            else:
                self.refuse("in string escape code")

    def _number(self) -> None:
        if self.peek() == "-":
            self.at += 1
        if self.peek() == "0":
            self.at += 1
        else:
            self._digits("in numeric literal")
        if self.peek() == ".":
            self.at += 1
            self._digits("after decimal point in numeric literal")
        if self.peek() in ("e", "E"):
            self.at += 1
            if self.peek() in ("+", "-"):
                self.at += 1
            self._digits("in exponent of numeric literal")

    def _digits(self, context: str) -> None:
        found = re.compile("[0-9]+").match(self.text, self.at)
        if found is None:
            return self.refuse(context)
        self.at = found.end()
        return None


def _quoted(char: str) -> str:
    """A character as Go's error texts quote it."""
    if char == "'":
        return r"'\''"
    if char == '"':
        return "'\"'"
    escapes = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "\\": r"\\"}
    plain = escapes.get(char) or (char if char.isprintable() else f"\\x{ord(char):02x}")
    return f"'{plain}'"
