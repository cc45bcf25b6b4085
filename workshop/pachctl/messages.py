"""Pachyderm's messages as dictionaries: protobuf's binary form both ways, and its JSON form outwards.

A decoded `Message` holds only the fields that were sent; reading another one as an attribute gives its default, so
`info.commit.repo.name` never fails, and `"details" in info` says whether details came. Enums are their names, int64 are
numbers, timestamps and durations are messages with `seconds` and `nanos`. Fields that the schema does not know are
dropped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from workshop.pachctl.protocol import Field, Schema, schema

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {"double": "<d", "fixed64": "<Q", "sfixed64": "<q", "float": "<f", "fixed32": "<I", "sfixed32": "<i"}
_WIDE = {"double", "fixed64", "sfixed64"}
_LENGTH = {"string", "bytes", "message"}
_ZERO = {"string": "", "bytes": b"", "bool": False, "double": 0.0, "float": 0.0}
_AS_TEXT = {"int64", "uint64", "fixed64", "sfixed64", "sint64"}


class Message(dict):
    """A decoded message: the fields that were sent, by name; attributes also give defaults."""

    def __init__(self, name: str, values: Mapping[str, Any] | None = None):
        super().__init__(values or {})
        self.__dict__["of"] = name

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        known = schema(self.__dict__["of"]).by_name.get(name)
        if known is None:
            raise AttributeError(f"{self.__dict__['of']} has no field {name}")
        return default(known)


def default(known: Field) -> Any:
    """What a reader sees where the field is not set."""
    if known.map:
        return {}
    if known.repeated:
        return []
    if known.kind == "message":
        return Message(known.type)
    return known.enum.get(0, "") if known.kind == "enum" else _ZERO.get(known.kind, 0)


def decode(name: str, data: bytes) -> Message:
    """The message of that name in these bytes. Raises ValueError for bytes that are no such message."""
    of, message = schema(name), Message(name)
    for number, wire, value in _fields(data):
        known = of.by_number.get(number)
        if known is None:
            continue
        if known.map:
            entry = dict(_entry(known, value))
            message.setdefault(known.name, {}).update(entry)
        elif known.repeated:
            items = message.setdefault(known.name, [])
            if wire == _BYTES and known.kind not in _LENGTH:
                items.extend(_packed(known, value))
            else:
                items.append(_value(known, value))
        else:
            for other in of.fields if known.oneof else ():
                if other.oneof == known.oneof:
                    message.pop(other.name, None)
            message[known.name] = _value(known, value)
    return message


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Each field on the wire: its number, wire type, and its raw value (a number or bytes)."""
    view, position, end = memoryview(data), 0, len(data)
    while position < end:
        tag, position = _varint(view, position)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, position = _varint(view, position)
            yield number, wire, value
        elif wire == _BYTES:
            length, position = _varint(view, position)
            if position + length > end:
                raise ValueError("message ends in the middle of a field")
            yield number, wire, bytes(view[position : position + length])
            position += length
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
            yield number, wire, bytes(view[position : position + length])
            position += length
        else:
            raise ValueError(f"unknown wire type {wire}")


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if position >= len(view):
            raise ValueError("message ends in the middle of a number")
        byte = view[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7


def _value(known: Field, raw: Any) -> Any:
    kind = known.kind
    if kind == "message":
        return decode(known.type, raw)
    if kind == "string":
        return raw.decode("utf-8", "replace")
    if kind == "bytes":
        return raw
    if kind in _FIXED:
        return struct.unpack(_FIXED[kind], raw)[0]
    if kind == "bool":
        return bool(raw)
    if kind == "enum":
        return known.enum.get(raw, raw)
    if kind in ("int64", "int32"):
        return raw - (1 << 64) if raw >> 63 else raw
    if kind in ("sint64", "sint32"):
        return (raw >> 1) ^ -(raw & 1)
    return raw


def _packed(known: Field, data: bytes) -> Iterator[Any]:
    if known.kind in _FIXED:
        width = 8 if known.kind in _WIDE else 4
        for start in range(0, len(data), width):
            yield _value(known, data[start : start + width])
        return
    view, position = memoryview(data), 0
    while position < len(view):
        raw, position = _varint(view, position)
        yield _value(known, raw)


def _entry(known: Field, data: bytes) -> Iterator[tuple[str, Any]]:
    key: str = ""
    value = Field("value", 2, known.kind, known.type, enum=known.enum)
    found = default(value)
    for number, _, raw in _fields(data):
        if number == 1:
            key = raw.decode() if isinstance(raw, bytes) else str(raw)
        elif number == 2:
            found = _value(value, raw)
    yield key, found


def encode(name: str, values: Mapping[str, Any]) -> bytes:
    """The bytes of a message, from a dictionary of its fields. Raises KeyError for a field that the message has not."""
    of = schema(name)
    unknown = set(values) - set(of.by_name)
    if unknown:
        raise KeyError(f"{name} has no field {sorted(unknown)[0]}")
    out = bytearray()
    for known in of.fields:
        value = values.get(known.name)
        if value is None:
            continue
        if known.map:
            for key, item in value.items():
                entry = _one(Field("key", 1, "string"), key) + _one(Field("value", 2, known.kind, known.type), item)
                out += _tag(known.number, _BYTES) + _number(len(entry)) + entry
        elif known.repeated:
            for item in value:
                out += _one(known, item)
        elif known.oneof or known.kind == "message" or value not in ("", b"", 0, False):
            out += _one(known, value)
    return bytes(out)


def _one(known: Field, value: Any) -> bytes:
    kind, number = known.kind, known.number
    if kind in _LENGTH:
        data = encode(known.type, value) if kind == "message" else value.encode() if isinstance(value, str) else value
        return _tag(number, _BYTES) + _number(len(data)) + data
    if kind in _FIXED:
        return _tag(number, _FIXED64 if kind in _WIDE else _FIXED32) + struct.pack(_FIXED[kind], value)
    if kind == "enum" and isinstance(value, str):
        value = next(key for key, word in known.enum.items() if word == value)
    if kind in ("sint64", "sint32"):
        value = (value << 1) ^ (value >> 63)
    return _tag(number, _VARINT) + _number(int(value) & ((1 << 64) - 1))


def _tag(number: int, wire: int) -> bytes:
    return _number(number << 3 | wire)


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# --- JSON ---


def to_json(message: Message, original_names: bool = True) -> Any:
    """The message in protobuf's JSON mapping: fields in declared order, int64 as text, bytes in base 64, enums by
    name.
    """
    of: Schema = schema(message.__dict__["of"])
    if of.name in _SPECIAL:
        return _SPECIAL[of.name](message)
    result: dict[str, Any] = {}
    for known in of.fields:
        if known.name not in message:
            continue
        value = message[known.name]
        if not (known.oneof or known.kind == "message") and not value and not isinstance(value, list | dict):
            continue
        if (known.repeated or known.map) and not value:
            continue
        name = known.name if original_names else known.json_name
        if known.map:
            result[name] = {key: _json(known, value[key], original_names) for key in sorted(value)}
        elif known.repeated:
            result[name] = [_json(known, item, original_names) for item in value]
        else:
            result[name] = _json(known, value, original_names)
    return result


def _json(known: Field, value: Any, original_names: bool) -> Any:
    if known.kind == "message":
        return to_json(value, original_names)
    if known.kind in _AS_TEXT:
        return str(value)
    if known.kind == "bytes":
        import base64

        return base64.b64encode(value).decode()
    if known.kind in ("float", "double"):
        return number(value, single=known.kind == "float")
    return value


def number(value: float, single: bool = False) -> int | float:
    """The shortest number that reads back as this one: 1 rather than 1.0, 0.1 rather than 0.10000000149011612."""
    if single:
        value = next(short for digits in range(6, 10) if _same(short := float(f"{value:.{digits}g}"), value))
    return int(value) if value == int(value) and abs(value) < 1e21 else value


def _same(short: float, value: float) -> bool:
    return struct.pack("<f", short) == struct.pack("<f", value)


def timestamp_text(message: Mapping[str, Any]) -> str:
    """RFC 3339 in UTC, with as many groups of three decimals as needed."""
    from datetime import datetime, timezone

    moment = datetime.fromtimestamp(message.get("seconds", 0), timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + _decimals(message.get("nanos", 0)) + "Z"


def duration_text(message: Mapping[str, Any]) -> str:
    """Seconds with their decimals and an s, as in protobuf's JSON."""
    seconds, nanos = message.get("seconds", 0), message.get("nanos", 0)
    sign = "-" if seconds < 0 or nanos < 0 else ""
    return f"{sign}{abs(seconds)}{_decimals(abs(nanos))}s"


def _decimals(nanos: int) -> str:
    text = f"{nanos:09d}"
    for places in (0, 3, 6):
        if not text[places:].strip("0"):
            return f".{text[:places]}" if places else ""
    return f".{text}"


def _wrapped(message: Message) -> Any:
    return _json(schema(message.__dict__["of"]).by_name["value"], message.value, True)


_SPECIAL: dict[str, Any] = {
    "google.protobuf.Timestamp": timestamp_text,
    "google.protobuf.Duration": duration_text,
    **{f"google.protobuf.{kind}Value": _wrapped for kind in ("Bytes", "String", "Bool", "Int64", "UInt64", "Int32")},
}
