"""The fields of a pipeline specification, and protobuf's JSON rules for them: text in, one canonical document out.

A document is a dict as protobuf's JSON mapping writes it: camelCase keys, 64-bit integers as text, enums by name,
durations as "90s", fields at their zero value left out. `parse` reads the looser forms that the mapping allows
(snake_case keys, numbers as text, `4.0` for 4, null for "not given"). The table below says which fields there are; a
test holds it against the protocol's own descriptors.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import struct
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

Document = dict[str, Any]

# A type is a scalar's name, a message's, an enum's, "[type]" for a list, or "{}" for a map of strings.
_TABLE = {
    "ClusterDefaults": "create_pipeline_request CreatePipelineRequest",
    "CreatePipelineRequest": "pipeline Pipeline, tf_job TFJob, transform Transform, parallelism_spec "
    "ParallelismSpec, egress Egress,"
    " update bool, output_branch string, s3_out bool, resource_requests ResourceSpec, resource_limits ResourceSpec,"
    " sidecar_resource_limits ResourceSpec, input Input, description string, reprocess bool, service Service, spout "
    "Spout,"
    " datum_set_spec DatumSetSpec, datum_timeout Duration, job_timeout Duration, salt string, datum_tries int64,"
    " scheduling_spec SchedulingSpec, pod_spec string, pod_patch string, spec_commit Commit, metadata Metadata, "
    "reprocess_spec string,"
    " autoscaling bool, tolerations [Toleration], sidecar_resource_requests ResourceSpec, dry_run bool, determined "
    "Determined,"
    " maximum_expected_uptime Duration",
    "Pipeline": "project Project, name string",
    "Project": "name string",
    "Repo": "name string, type string, project Project",
    "Branch": "repo Repo, name string",
    "Commit": "branch Branch, id string, repo Repo",
    "TFJob": "tf_job string",
    "Transform": "image string, cmd [string], err_cmd [string], env {}, secrets [SecretMount], image_pull_secrets "
    "[string],"
    " stdin [string], err_stdin [string], accept_return_code [int64], debug bool, user string, working_dir string, "
    "dockerfile string,"
    " memory_volume bool, datum_batching bool",
    "SecretMount": "name string, key string, mount_path string, env_var string",
    "ParallelismSpec": "constant uint64",
    "Egress": "URL string, object_storage ObjectStorageEgress, sql_database SQLDatabaseEgress",
    "ObjectStorageEgress": "url string",
    "SQLDatabaseEgress": "url string, file_format FileFormat, secret SQLSecret",
    "FileFormat": "type FileFormatType, columns [string]",
    "SQLSecret": "name string, key string",
    "ResourceSpec": "cpu float, memory string, gpu GPUSpec, disk string",
    "GPUSpec": "type string, number int64",
    "Input": "pfs PFSInput, join [Input], group [Input], cross [Input], union [Input], cron CronInput",
    "PFSInput": "project string, name string, repo string, repo_type string, branch string, commit string, glob string,"
    " join_on string, outer_join bool, group_by string, lazy bool, empty_files bool, s3 bool, trigger Trigger,"
    " propagation_spec PropagationSpec, reference bool",
    "CronInput": "name string, project string, repo string, commit string, spec string, overwrite bool, start "
    "Timestamp",
    "Trigger": "branch string, all bool, rate_limit_spec string, size string, commits int64, cron_spec string",
    "PropagationSpec": "never bool",
    "Service": "internal_port int32, external_port int32, ip string, type string",
    "Spout": "service Service",
    "DatumSetSpec": "number int64, size_bytes int64, per_worker int64",
    "SchedulingSpec": "node_selector {}, priority_class_name string",
    "Metadata": "annotations {}, labels {}",
    "Toleration": "key string, operator TolerationOperator, value string, effect TaintEffect, toleration_seconds "
    "Int64Value",
    "Determined": "workspaces [string]",
}
ENUMS = {
    "FileFormatType": ("UNKNOWN", "CSV", "JSON", "PARQUET"),
    "TolerationOperator": ("EMPTY", "EXISTS", "EQUAL"),
    "TaintEffect": ("ALL_EFFECTS", "NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"),
}
_ONEOFS = {("Egress", "objectStorage"): "target", ("Egress", "sqlDatabase"): "target"}
_RANGES = {
    "int32": (-(2**31), 2**31),
    "int64": (-(2**63), 2**63),
    "uint64": (0, 2**64),
    "Int64Value": (-(2**63), 2**63),
}
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(r"[\[\]{}]")
MOST_DEEP = 150  # levels of JSON: what comes later walks it by recursion
_LARGEST_FLOAT = 3.4028234663852886e38


class JsonFault(ValueError):
    """Why a text is not the JSON form of a message."""


def camel(name: str) -> str:
    """The JSON key of a field: `pod_patch` -> `podPatch`."""
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)


FIELDS: dict[str, dict[str, tuple[str, str]]] = {}  # message -> JSON key or field name -> (JSON key, type)
for _message, _fields in _TABLE.items():
    FIELDS[_message] = {}
    for _field in _fields.split(", "):
        _name, _kind = _field.split(" ")
        FIELDS[_message][_name] = FIELDS[_message][camel(_name)] = (camel(_name), _kind)


# ---------------------------------------------------------------- text
def load(text: str) -> Any:
    """The value of one JSON document.

    Duplicate keys, NaN and anything behind the document are faults; numbers keep their digits.
    """
    if not text.strip():
        raise JsonFault("proto: syntax error (line 1:1): unexpected token ")
    if _depth(text) > MOST_DEEP:
        raise JsonFault("proto: exceeded max recursion depth")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=Decimal, parse_constant=_constant)
    except json.JSONDecodeError as fault:
        raise JsonFault(f"proto: syntax error (line {fault.lineno}:{fault.colno}): {fault.msg}") from None


def _depth(text: str) -> int:
    """How deeply objects and lists are nested in a JSON text."""
    deepest = depth = 0
    for character in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if character in "{[" else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise JsonFault(f"proto: duplicate map key {json.dumps(next(key for key in keys if keys.count(key) > 1))}")
    return found


def _constant(word: str) -> Any:
    raise JsonFault(f"proto: syntax error (line 1:1): invalid value {word}")


def dump(value: Any) -> str:
    """Compact JSON as Go's encoding/json writes it: sorted keys, and `<`, `>` and `&` escaped."""
    return escaped(json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=_number))


def escaped(text: str) -> str:
    """A JSON text in which no character is left that Go's encoding/json escapes for HTML."""
    for character in "<>&\u2028\u2029":
        if character in text:
            text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def plain(value: Decimal | int | float) -> int | float:
    """A number as a 64-bit float would print it: `4.0` as 4, and no digits beyond its precision."""
    number = float(value)
    return int(Decimal(repr(number))) if number.is_integer() and abs(number) < 1e21 else number


def single(number: float) -> int | float:
    """The shortest number that a 32-bit float holds as it holds this one."""
    held = struct.pack("f", number)
    (exact,) = struct.unpack("f", held)
    shorts = (float(f"{exact:.{digits}g}") for digits in range(6, 10))
    return plain(next(short for short in shorts if struct.pack("f", short) == held))


# ---------------------------------------------------------------- documents
def parse(text: str, message: str = "CreatePipelineRequest") -> Document:
    """The canonical document of a JSON text; JsonFault says what is wrong and where."""
    return canonical(load(text), message)


def canonical(value: Any, message: str, path: str = "") -> Document:
    """The canonical document of a JSON value: what a message holds that was read from it."""
    if not isinstance(value, dict):
        raise JsonFault(f"proto: {_place(path)}expected an object, found {_shown(value)}")
    found: Document = {}
    for key, item in value.items():
        name, kind = _field_of(message, key, path)
        if name in found:
            raise JsonFault(f"proto: {_place(path)}duplicate field {json.dumps(key)}")
        oneof = _ONEOFS.get((message, name))
        if oneof and item is not None and any(_ONEOFS.get((message, other)) == oneof for other in found):
            raise JsonFault(
                f"proto: {_place(path)}error parsing {json.dumps(key)}, oneof {message}.{oneof} is already set"
            )
        found[name] = None if item is None else _value(item, kind, f"{path}.{name}".lstrip("."))
    kinds = dict(FIELDS[message].values())
    return {name: item for name, item in found.items() if not _is_zero(item, kinds[name])}


def _is_zero(item: Any, kind: str) -> bool:
    """Whether a field is left out: never a message that was given, nor a wrapped number."""
    if item is None:
        return True
    if kind in FIELDS or kind in ("Int64Value", "Duration", "Timestamp"):
        return False
    return item == "0" if kind in _RANGES and isinstance(item, str) else item in ({}, [], "", False, 0)


def _field_of(message: str, key: str, path: str) -> tuple[str, str]:
    known = FIELDS[message]
    if key in known:
        return known[key]
    near = difflib.get_close_matches(key, known, 1)
    hint = f" (did you mean {json.dumps(near[0])}?)" if near else ""
    raise JsonFault(f"proto: {_place(path)}unknown field {json.dumps(key)}{hint}")


def _value(item: Any, kind: str, path: str) -> Any:
    if kind.startswith("["):
        if not isinstance(item, list):
            raise JsonFault(f"proto: {_place(path)}expected a list, found {_shown(item)}")
        return [_value(each, kind[1:-1], f"{path}[{index}]") for index, each in enumerate(item)]
    if kind == "{}":
        if not isinstance(item, dict):
            raise JsonFault(f"proto: {_place(path)}expected an object, found {_shown(item)}")
        return {key: _value(each, "string", f"{path}.{key}") for key, each in item.items()}
    if kind in FIELDS:
        return canonical(item, kind, path)
    if kind in ENUMS:
        return _enum(item, kind, path)
    if kind in _RANGES:
        return _integer(item, kind, path)
    if kind == "bool" and isinstance(item, bool):
        return item
    if kind == "string" and isinstance(item, str):
        if any("\ud800" <= character <= "\udfff" for character in item):
            raise JsonFault(f"proto: {_place(path)}invalid UTF-8 in text")
        return item
    if kind == "float":
        return _float(item, path)
    if kind == "Duration" and isinstance(item, str):
        return duration_text(duration(item, path))
    if kind == "Timestamp" and isinstance(item, str):
        return _timestamp(item, path)
    raise JsonFault(f"proto: {_place(path)}invalid value for {kind} field: {_shown(item)}")


def _enum(item: Any, kind: str, path: str) -> str | int:
    names = ENUMS[kind]
    if isinstance(item, str) and item in names:
        return "" if item == names[0] else item  # the zero value is left out, as elsewhere
    if isinstance(item, (int, Decimal)) and not isinstance(item, bool) and item == int(item):
        number = int(item)
        if 0 <= number < len(names):
            return names[number] if number else ""
        if -(2**31) <= number < 2**31:  # a name that is yet to be given
            return number
    raise JsonFault(f"proto: {_place(path)}invalid value for enum field: {_shown(item)} (one of {', '.join(names)})")


def _integer(item: Any, kind: str, path: str) -> str | int:
    low, high = _RANGES[kind]
    try:
        if (
            isinstance(item, bool)
            or not isinstance(item, (int, str, Decimal))
            or (isinstance(item, str) and not _NUMBER.fullmatch(item))
        ):
            raise ValueError
        number = Decimal(item)
        if number != number.to_integral_value() or not low <= number < high:
            raise ValueError
    except (ValueError, InvalidOperation, OverflowError):
        raise JsonFault(
            f"proto: {_place(path)}invalid value for {kind.removesuffix('Value').lower()} field: {_shown(item)}"
        ) from None
    return int(number) if kind == "int32" else str(int(number))


_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?")
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _float(item: Any, path: str) -> int | float | str:
    if isinstance(item, str) and item in _WORDS:
        return item
    if isinstance(item, bool) or not (
        isinstance(item, (int, Decimal)) or (isinstance(item, str) and _NUMBER.fullmatch(item))
    ):
        raise JsonFault(f"proto: {_place(path)}invalid value for float field: {_shown(item)}")
    if abs(Decimal(item)) > Decimal(_LARGEST_FLOAT):
        raise JsonFault(f"proto: {_place(path)}invalid value for float field: {_shown(item)}")
    return single(float(Decimal(item)))


_DURATION = re.compile(r"([-+]?)(?=\.?\d)(\d*)(?:\.(\d{0,9}))?s")
_LONGEST = 315_576_000_000


def duration(text: str, path: str = "") -> int:
    """Nanoseconds of a protobuf duration such as `90s` or `1.500s`."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[2] or 0) if match else _LONGEST + 1
    if match is None or seconds > _LONGEST:
        raise JsonFault(
            f"proto: {_place(path)}invalid google.protobuf.Duration value {json.dumps(text)} (write seconds, such as "
            '"90s")'
        )
    nanoseconds = seconds * 10**9 + int((match[3] or "").ljust(9, "0"))
    return -nanoseconds if match[1] == "-" else nanoseconds


def duration_text(nanoseconds: int) -> str:
    """A protobuf duration with no, three, six or nine decimals."""
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    return f"{sign}{rest // 10**9}{_fraction(rest % 10**9)}s"


def _fraction(nanoseconds: int) -> str:
    if not nanoseconds:
        return ""
    digits = f"{nanoseconds:09d}"
    return "." + (digits[:3] if digits.endswith("000000") else digits[:6] if digits.endswith("000") else digits)


_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


def _timestamp(text: str, path: str) -> str:
    try:
        return timestamp_text(timestamp(text))
    except (ValueError, OverflowError):
        raise JsonFault(f"proto: {_place(path)}invalid google.protobuf.Timestamp value {json.dumps(text)}") from None


def timestamp(text: str) -> int:
    """Nanoseconds since the epoch of an RFC 3339 time; ValueError when it is none."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(text)
    at = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00")) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (at.days * 86400 + at.seconds) * 10**9 + int((match[2] or "").ljust(9, "0"))


def timestamp_text(nanoseconds: int) -> str:
    """A time since the epoch as RFC 3339 in UTC with no, three, six or nine decimals."""
    at = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=nanoseconds // 10**9)
    return at.isoformat()[:19] + _fraction(nanoseconds % 10**9) + "Z"


def _place(path: str) -> str:
    return f"({path}): " if path else ""


def _shown(item: Any) -> str:
    text = json.dumps(item, ensure_ascii=False, default=lambda number: plain(number))
    return text if len(text) <= 60 else text[:57] + "..."
