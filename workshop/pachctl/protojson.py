"""Reading protobuf's JSON: strict, and with the error texts (and places) of Go's library, because pachctl's users
see them.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from workshop.pachctl.messages import Message
from workshop.pachctl.protocol import Field, schema

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![-+._a-zA-Z0-9])")
_WORD = re.compile(r"[-+._a-zA-Z0-9]{1,32}|.", re.S)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_LITERAL = re.compile(r"(?:null|true|false)(?![-+._a-zA-Z0-9])")
_RANGES = {"int32": (-(1 << 31), (1 << 31) - 1), "int64": (-(1 << 63), (1 << 63) - 1), "uint32": (0, (1 << 32) - 1)}
_RANGES |= {"uint64": (0, (1 << 64) - 1), "sint32": _RANGES["int32"], "sint64": _RANGES["int64"]}
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_LENGTH = re.compile(r"(-?)(\d+)(?:\.(\d{0,9}))?s")


class Token(NamedTuple):
    kind: str  # one of { } [ ] , : string number bool null end
    raw: str
    place: int


def parse(name: str, text: str) -> Message:
    """The message of that name in this JSON. Raises ValueError with the text that Go's protojson gives."""
    reader = _Reader(text)
    message = reader.message(name)
    last = reader.read()
    if last.kind != "end":
        raise reader.unexpected(last)
    return message


class _Reader:
    def __init__(self, text: str):
        self.text, self.place = text, 0
        self.ahead: Token | None = None

    def error(self, place: int, text: str, syntax: bool = False) -> ValueError:
        before = self.text[:place].encode()
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        return ValueError(f"proto: {'syntax error ' if syntax else ''}(line {line}:{column}): {text}")

    def unexpected(self, token: Token) -> ValueError:
        return self.error(token.place, f"unexpected token {token.raw}", syntax=True)

    def peek(self) -> Token:
        if self.ahead is None:
            self.ahead = self._next()
        return self.ahead

    def read(self) -> Token:
        token, self.ahead = self.peek(), None
        return token

    def _next(self) -> Token:
        while self.place < len(self.text) and self.text[self.place] in " \t\r\n":
            self.place += 1
        place = self.place
        if place == len(self.text):
            return Token("end", "", place)
        first = self.text[place]
        if first in "{}[],:":
            kind, raw = first, first
        elif match := _STRING.match(self.text, place):
            kind, raw = "string", match.group()
        elif first == '"':
            raise self.error(place, "unexpected EOF", syntax=True)
        elif match := _LITERAL.match(self.text, place):
            raw = match.group()
            kind = "null" if raw == "null" else "bool"
        elif match := _NUMBER.match(self.text, place):
            kind, raw = "number", match.group()
        else:
            raise self.error(place, f"invalid value {_WORD.match(self.text, place).group()}", syntax=True)  # type: ignore[union-attr]
        self.place = place + len(raw)
        return Token(kind, raw, place)

    def _string(self, token: Token) -> str:
        try:
            return json.loads(token.raw)
        except ValueError:
            raise self.error(token.place, f"invalid escape code in string {token.raw}", syntax=True) from None

    def _separated(self, closing: str) -> Any:
        """Yield before each item of an object or list; stops after the closing bracket."""
        first = True
        while True:
            token = self.peek()
            if token.kind == closing:
                self.read()
                return
            if not first:
                if token.kind != ",":
                    raise self.unexpected(self.read())
                self.read()
                if self.peek().kind == closing:
                    raise self.unexpected(self.read())
            first = False
            yield

    def _name(self) -> Token:
        token = self.read()
        if token.kind != "string":
            raise self.unexpected(token)
        colon = self.read()
        if colon.kind != ":":
            raise self.error(
                colon.place, f'unexpected character {colon.raw[:1]}, missing ":" after field name', syntax=True
            )
        return token

    def message(self, name: str) -> Message:
        if name.startswith("google.protobuf."):
            return self._well_known(name)
        opening = self.read()
        if opening.kind != "{":
            raise self.unexpected(opening)
        of, result, oneofs = schema(name), Message(name), set()
        for _ in self._separated("}"):
            token = self._name()
            known = of.by_any_name.get(self._string(token))
            if known is None:
                raise self.error(token.place, f"unknown field {token.raw}")
            if self.peek().kind == "null":
                self.read()
                continue
            if known.name in result:
                raise self.error(token.place, f"duplicate field {token.raw}")
            if known.oneof and known.oneof in oneofs:
                raise self.error(token.place, f"error parsing {token.raw}, oneof {name}.{known.oneof} is already set")
            oneofs |= {known.oneof} if known.oneof else set()
            result[known.name] = self._field(known)
        return result

    def _field(self, known: Field) -> Any:
        if known.map:
            opening = self.read()
            if opening.kind != "{":
                raise self.unexpected(opening)
            entries: dict[str, Any] = {}
            for _ in self._separated("}"):
                token = self._name()
                key = self._string(token)
                if key in entries:
                    raise self.error(token.place, f"duplicate map key {token.raw}")
                entries[key] = self._value(known)
            return entries
        if known.repeated:
            opening = self.read()
            if opening.kind != "[":
                raise self.unexpected(opening)
            return [self._value(known) for _ in self._separated("]")]
        return self._value(known)

    def _value(self, known: Field) -> Any:
        if known.kind == "message":
            return self.message(known.type)
        token = self.read()
        value = self._scalar(known, token)
        if value is None:
            if token.kind in "{}[],:" or token.kind == "end":
                raise self.unexpected(token)
            raise self.error(token.place, f"invalid value for {known.kind} type: {token.raw}")
        return value

    def _scalar(self, known: Field, token: Token) -> Any:
        """The value, or None if the token is none of the field's kind."""
        kind = known.kind
        if kind == "bool":
            return token.raw == "true" if token.kind == "bool" else None
        if kind == "string":
            return self._string(token) if token.kind == "string" else None
        if kind == "bytes":
            return _base64(self._string(token)) if token.kind == "string" else None
        if kind == "enum":
            if token.kind == "number":
                return known.enum.get(int(token.raw), int(token.raw)) if token.raw.lstrip("-").isdigit() else None
            word = self._string(token) if token.kind == "string" else None
            return word if word in known.enum.values() else None
        number = self._string(token) if token.kind == "string" else token.raw if token.kind == "number" else ""
        if kind in ("float", "double"):
            if number in ("NaN", "Infinity", "-Infinity"):
                return float(number.replace("Infinity", "inf"))
            return float(number) if _NUMBER.fullmatch(number) else None
        return _integer(number, kind)

    def _well_known(self, name: str) -> Message:
        known = schema(name)
        if "value" in known.by_name:
            return Message(name, {"value": self._value(known.by_name["value"])})
        token = self.read()
        if name == "google.protobuf.Empty":
            closing = self.read()
            if token.kind != "{" or closing.kind != "}":
                raise self.unexpected(token)
            return Message(name)
        if token.kind != "string":
            raise self.unexpected(token)
        read = _timestamp if name.endswith("Timestamp") else _duration
        found = read(self._string(token))
        if found is None:
            raise self.error(token.place, f"invalid {name} value {token.raw}")
        return Message(name, found)


def _integer(text: str, kind: str) -> int | None:
    from decimal import Decimal

    if not _NUMBER.fullmatch(text):
        return None
    value = Decimal(text)
    low, high = _RANGES[kind]
    return int(value) if value == value.to_integral_value() and low <= value <= high else None


def _base64(text: str) -> bytes | None:
    import base64
    import binascii

    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None


def _timestamp(text: str) -> dict[str, int] | None:
    import calendar
    from datetime import datetime

    match = _INSTANT.fullmatch(text)
    if not match:
        return None
    day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime.strptime(f"{day}T{hour}:{minute}:{second}", "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return None
    shift = 0
    if zone != "Z":
        shift = (int(zone[1:3]) * 60 + int(zone[4:6])) * (60 if zone[0] == "+" else -60)
    return {"seconds": calendar.timegm(moment.timetuple()) - shift, "nanos": int((fraction or "").ljust(9, "0") or 0)}


def _duration(text: str) -> dict[str, int] | None:
    match = _LENGTH.fullmatch(text)
    if not match:
        return None
    sign, whole, fraction = match.groups()
    factor = -1 if sign else 1
    return {"seconds": factor * int(whole), "nanos": factor * int((fraction or "").ljust(9, "0") or 0)}
