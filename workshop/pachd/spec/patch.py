"""Specification texts laid over each other: JSON merge patches (RFC 7396) of objects with canonical keys. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from workshop.pachd.spec.fields import ENUMS, FIELDS, Document, JsonFault, plain

_SNAKE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\s+')


def canonical_keys(value: Document, message: str) -> Document:
    """The object with every key in camelCase and enums by name; all else as it was written.

    It must have passed `fields.canonical`. JsonFault: a null where a list or a map belongs, which only this step minds.
    """
    return {FIELDS[message][key][0]: _canonical(item, message, key) for key, item in value.items()}


def _canonical(item: Any, message: str, key: str) -> Any:
    name, kind = FIELDS[message][key]
    full = f"pps_v2.{message}.{_SNAKE.sub('_', name).lower()}"
    if kind == "{}" and item is None:
        raise JsonFault(f"expected map[string]any; got <nil> in {full}")
    if kind.startswith("["):
        if item is None:
            raise JsonFault(f"expected []any; got <nil> in {full}")
        return [_inside(each, kind[1:-1], f"couldn’t canonicalize {full}") for each in item]
    return _inside(item, kind, f"could not canonicalize field {full} ({shown(item)})")


def _inside(item: Any, kind: str, where: str) -> Any:
    if kind in FIELDS and item is not None:
        try:
            return canonical_keys(item, kind)
        except JsonFault as fault:
            raise JsonFault(f"{where}: {fault}") from None
    if kind in ENUMS and isinstance(item, (int, Decimal)) and 0 <= item < len(ENUMS[kind]):
        return ENUMS[kind][int(item)]
    return item


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396: an object patches an object key by key, null removes, anything else replaces.

    Arguments stay as they are.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def rounded(value: Any) -> Any:
    """The value with its numbers as 64-bit floats hold them: what Go's JSON reader keeps of them."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return plain(value)
    return value


def compact(text: str) -> str:
    """A JSON text without the blanks between its tokens."""
    return _TOKEN.sub(lambda token: token[0] if token[0].startswith('"') else "", text)


def shown(value: Any) -> str:
    """A JSON value as Go's fmt prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{shown(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(shown, value))}]"
    words = {None: "<nil>", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
