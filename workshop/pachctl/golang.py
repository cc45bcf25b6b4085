"""What Go prints and reads: quoted text, durations, numbers, JSON. pachctl's users match these texts, so they are
kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\v": "\\v",
}
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_LONGEST = (1 << 63) - 1


def quoted(text: str) -> str:
    """The text as Go's %q writes it."""
    out = []
    for character in text:
        if character in _ESCAPES:
            out.append(_ESCAPES[character])
        elif character.isprintable():
            out.append(character)
        else:
            point = ord(character)
            form = r"\x{:02x}" if point < 0x80 else r"\u{:04x}" if point < 0x10000 else r"\U{:08x}"
            out.append(form.format(point))
    return '"' + "".join(out) + '"'


def parse_duration(text: str) -> int:
    """Nanoseconds of a duration such as 1h30m or -1.5s. Raises ValueError with Go's text."""
    from decimal import Decimal

    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError(f"time: invalid duration {quoted(text)}")
    total = 0
    while rest:
        match = re.match(r"(\d*)(?:\.(\d*))?", rest)
        whole, fraction = match.groups() if match else ("", None)
        if not whole and not fraction:
            raise ValueError(f"time: invalid duration {quoted(text)}")
        rest = rest[match.end() :] if match else rest
        unit = re.match(r"[^.\d]*", rest).group()  # type: ignore[union-attr]
        if not unit:
            raise ValueError(f"time: missing unit in duration {quoted(text)}")
        if unit not in _UNITS:
            raise ValueError(f"time: unknown unit {quoted(unit)} in duration {quoted(text)}")
        total += int(Decimal(f"{whole or 0}.{fraction or 0}") * _UNITS[unit])
        if total > _LONGEST:
            raise ValueError(f"time: invalid duration {quoted(text)}")
        rest = rest[len(unit) :]
    return -total if text.startswith("-") else total


def duration_text(nanoseconds: int) -> str:
    """A duration as Go prints it: 1h2m3s, 1.5s, 20ms, 0s."""
    from decimal import Decimal

    sign, left = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if left < 10**9:
        for unit, size in (("ms", 10**6), ("µs", 10**3), ("ns", 1)):
            if left >= size:
                return f"{sign}{_plain(Decimal(left) / size)}{unit}"
        return "0s"
    minutes, rest = divmod(left, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{_plain(Decimal(rest) / 10**9)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return sign + (f"{hours}h{text}" if hours else text)


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_integer(text: str, bits: int = 64, signed: bool = True) -> int:
    """An integer in Go's notations. Raises ValueError with the text of strconv."""
    name = "ParseInt" if signed else "ParseUint"
    if not re.fullmatch(
        r"[+-]?(0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]*|0[bB][01_]+|[1-9][0-9_]*)" if signed else r"\d+", text
    ):
        raise ValueError(f"strconv.{name}: parsing {quoted(text)}: invalid syntax")
    plain = re.sub(r"^([+-]?)0(\d)", r"\g<1>0o\2", text)
    value = int(plain, 0)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if not low <= value <= high:
        raise ValueError(f"strconv.{name}: parsing {quoted(text)}: value out of range")
    return value


def parse_plain_integer(text: str) -> int:
    """A decimal integer; ValueError has the text of strconv.Atoi."""
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(f"strconv.Atoi: parsing {quoted(text)}: invalid syntax")
    value = int(text)
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"strconv.Atoi: parsing {quoted(text)}: value out of range")
    return value


def parse_bool(text: str) -> bool:
    """One of Go's words for true and false. Raises ValueError with the text of strconv."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise ValueError(f"strconv.ParseBool: parsing {quoted(text)}: invalid syntax")


class Number(str):
    """A number of JSON or YAML kept as it was written."""


def json_text(value: Any, indent: int = 0, escape_html: bool = True, sort: bool = True, prefix: str = "") -> str:
    """JSON as encoding/json writes it: keys sorted, no spaces (or indented), <, > and & escaped."""
    text = _json(value, indent, sort, "\n" + prefix)
    if escape_html:
        text = text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
        text = text.replace("\u2028", r"\u2028").replace("\u2029", r"\u2029")
    return text


def _json(value: Any, indent: int, sort: bool, line: str) -> str:
    import json

    if isinstance(value, dict | list):
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        if not value:
            return opening + closing
        inner = line + " " * indent
        if isinstance(value, dict):
            colon = ": " if indent else ":"
            keys = sorted(value) if sort else value
            items = [
                json.dumps(key, ensure_ascii=False) + colon + _json(value[key], indent, sort, inner) for key in keys
            ]
        else:
            items = [_json(item, indent, sort, inner) for item in value]
        if indent:
            return opening + inner + ("," + inner).join(items) + line + closing
        return opening + ",".join(items) + closing
    if isinstance(value, Number):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def reindented(text: str, indent: int = 2, prefix: str = "") -> str:
    """A JSON text with new white space and nothing else changed: order of keys, numbers and escapes stay."""
    out: list[str] = []
    depth, inside, escaped, start = 0, False, False, True
    for character in text:
        if inside:
            out.append(character)
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
            continue
        if character in " \t\r\n":
            continue
        if start and depth and character not in "}]":
            out.append("\n" + prefix + " " * indent * depth)
        if character == '"':
            inside = True
        if character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
            if not start:
                out.append("\n" + prefix + " " * indent * depth)
        out.append(": " if character == ":" else character)
        start = character in "{[" or character == ","
        if character == ",":
            start = True
    return "".join(out)
