"""Secrets: Kubernetes' JSON objects, kept in the store and given to user code as files or variables."""

from __future__ import annotations

import base64
import binascii
import json
import re
import sqlite3
from dataclasses import dataclass
from typing import Any

from workshop.pachd import ids
from workshop.pachd.errors import PachydermError
from workshop.pachd.spec.fields import Document


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret; `data` maps keys to bytes."""

    name: str
    type: str
    data: dict[str, bytes]
    created: int


def _of(row: sqlite3.Row) -> Secret:
    data = {key: base64.b64decode(value) for key, value in json.loads(row["data"]).items()}
    return Secret(row["name"], row["type"], data, row["created"])


def parse(file: bytes) -> tuple[str, str, dict[str, str]]:
    """Name, type and data (key to base64) of a secret's JSON; `data` is base64 already, `stringData` is plain text."""
    try:
        document = json.loads(file)
        if not isinstance(document, dict):
            raise ValueError(f"json: cannot unmarshal {_kind(document)} into Go value of type v1.Secret")
        meta = document.get("metadata") or {}
        name, type = meta.get("name", ""), document.get("type") or "Opaque"
        suite = (meta.get("labels") or {}).get("suite", "")
        if not isinstance(name, str) or not isinstance(type, str):
            raise ValueError("name and type of a secret are text")
        data = {}
        for key, value in (document.get("data") or {}).items():
            base64.b64decode(value or "", validate=True)
            data[key] = value or ""
        for key, value in (document.get("stringData") or {}).items():
            data[key] = base64.b64encode(value.encode()).decode()
    except (ValueError, AttributeError, TypeError, binascii.Error) as fault:
        raise PachydermError(f"failed to unmarshal secret: {fault}") from None
    if suite not in ("", "pachyderm"):
        raise PachydermError(f"invalid suite label set on secret: suite={suite}")
    return name, type, data


_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_KEY = r"[-._a-zA-Z0-9]+"


def _check(name: str, data: dict[str, str]) -> None:
    """Refuse the names that Kubernetes refuses, in its words."""
    fault = ""
    if not name:
        fault = "metadata.name: Required value: name or generateName is required"
    elif not re.fullmatch(_NAME, name) or len(name) > 253:
        fault = (
            f'metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case'
            " alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
            f" (e.g. 'example.com', regex used for validation is '{_NAME}')"
        )
    for key in data:
        if not re.fullmatch(_KEY, key):
            fault = fault or (
                f'data[{key}]: Invalid value: "{key}": a valid config key must consist of alphanumeric characters,'
                " '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is"
                f" '{_KEY}')"
            )
    if fault:
        raise PachydermError(f'failed to create secret: Secret "{name}" is invalid: {fault}')


def _kind(value: Any) -> str:
    return {list: "array", str: "string", bool: "bool", int: "number", float: "number"}.get(type(value), "null")


def create(db: sqlite3.Connection, file: bytes) -> None:
    name, type, data = parse(file)
    _check(name, data)
    if db.execute("SELECT 1 FROM secret WHERE name = ?", (name,)).fetchone():
        raise PachydermError(f'failed to create secret: secrets "{name}" already exists')
    seconds = ids.now() // 10**9 * 10**9  # as Kubernetes keeps it
    db.execute(
        "INSERT INTO secret (name, type, data, created) VALUES (?, ?, ?, ?)", (name, type, json.dumps(data), seconds)
    )


def find(db: sqlite3.Connection, name: str) -> Secret | None:
    row = db.execute("SELECT * FROM secret WHERE name = ?", (name,)).fetchone()
    return None if row is None else _of(row)


def get(db: sqlite3.Connection, name: str) -> Secret:
    """The secret of that name, as InspectSecret finds it."""
    if not name:
        raise PachydermError("failed to get secret: resource name may not be empty")
    found = find(db, name)
    if found is None:
        raise PachydermError(f'failed to get secret: secrets "{name}" not found')
    return found


def listing(db: sqlite3.Connection) -> list[Secret]:
    """All secrets by name."""
    return [_of(row) for row in db.execute("SELECT * FROM secret ORDER BY name")]


def delete(db: sqlite3.Connection, name: str) -> None:
    if not name:
        raise PachydermError("failed to delete secret: resource name may not be empty")
    if not db.execute("DELETE FROM secret WHERE name = ?", (name,)).rowcount:
        raise PachydermError(f'failed to delete secret: secrets "{name}" not found')


def delete_all(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM secret")


def check(db: sqlite3.Connection, mounts: list[Document]) -> None:
    """Refuse a transform whose secrets, or the keys that it names for variables, are not there."""
    for mount in mounts:
        name, key = mount.get("name", ""), mount.get("key", "")
        if mount.get("envVar") and not key:
            raise PachydermError(f"secret {name} has env_var set but is missing key")
        if not name:
            raise PachydermError(f"could not get Kubernetes secret {name}: resource name may not be empty")
        found = find(db, name)
        if found is None:
            raise PachydermError(f"missing Kubernetes secret {name}")
        if mount.get("envVar") and key not in found.data:
            raise PachydermError(f"Kubernetes secret {name} missing key {key}")
