"""YAML 1.2's plain scalars, and YAML as pachctl writes it."""

from __future__ import annotations

import re
from typing import Any

from workshop.pachctl.golang import quoted

_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), "null"),
    **dict.fromkeys(("true", "True", "TRUE", "false", "False", "FALSE"), "bool"),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "-.inf", ".nan", ".NaN", ".NAN"), "float"),
    "<<": "merge",
}


def resolved(text: str) -> str:
    """The type that an unquoted YAML scalar has: str, int, float, bool, null, timestamp or merge."""
    if text in _WORDS:
        return _WORDS[text]
    if text[:1] in "+-0123456789.":
        plain = text.replace("_", "")
        if re.fullmatch(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)", plain):
            return "int"
        if _FLOAT.fullmatch(plain):
            return "float"
        if _DATE.fullmatch(text):
            return "timestamp"
    return "str"


def yaml_text(value: Any) -> str:
    """A JSON value as YAML: keys sorted, two spaces a level, text quoted only where it would read as something
    else.
    """
    if isinstance(value, dict | list) and value:
        return "\n".join(_block(value, 0)) + "\n"
    return _inline(value) + "\n"


def _block(value: Any, indent: int) -> list[str]:
    lines = []
    deeper = indent + 2
    if isinstance(value, list):
        for item in value:
            inner = (
                _block(item, indent + 2)
                if isinstance(item, dict | list) and item
                else [" " * indent + "  " + _inline(item)]
            )
            lines += [" " * indent + "- " + inner[0].lstrip(" "), *inner[1:]]
        return lines
    for key in sorted(value):
        item = value[key]
        name = " " * indent + _inline(key) + ":"
        if isinstance(item, dict | list) and item:
            lines += [name, *_block(item, deeper)]
        elif isinstance(item, str) and "\n" in item:
            ending = "" if item.endswith("\n") else "-"
            lines += [
                f"{name} |{ending}",
                *[" " * deeper + line if line else "" for line in item.rstrip("\n").split("\n")],
            ]
        else:
            lines.append(f"{name} {_inline(item)}")
    return lines


_PLAIN = re.compile(r"(?![-?:](?: |$))(?![,\[\]{}#&*!|>'\"%@`\s])(?!.*(?:: |:$| #|\s$))[^\x00-\x1f\x7f]+")


def _inline(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    if not isinstance(value, str):
        return str(value)
    if resolved(value) != "str" or value in (
        "y",
        "Y",
        "n",
        "N",
        "yes",
        "no",
        "on",
        "off",
        "Yes",
        "No",
        "On",
        "Off",
        "YES",
        "NO",
        "ON",
        "OFF",
    ):
        return quoted(value)
    if _PLAIN.fullmatch(value) and value not in ("-", "?", ":"):
        return value
    if any(ord(character) < 0x20 or character == "\x7f" for character in value):
        return quoted(value)
    return "'" + value.replace("'", "''") + "'"
