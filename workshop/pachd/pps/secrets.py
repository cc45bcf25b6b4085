"""Secrets: Kubernetes' JSON objects, kept in the store and given to user code as files or variables."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from dataclasses import dataclass
from typing import Any

from workshop.pachd import gojson, ids
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


NAMESPACE = "default"  # of the cluster that this stands in for


def parse(file: bytes) -> tuple[str, str, dict[str, str]]:
    """Name, type and data (key to base64) of a secret's JSON; `data` is base64 already, `stringData` is plain text."""
    try:
        text = file.decode("utf-8", "replace")
        if fault := gojson.fault(text):
            raise ValueError(fault)
        document = _of_kind(dict, json.loads(text), "Go value of type v1.Secret")
        meta = _field(document, "metadata", dict, "Secret.metadata of type v1.ObjectMeta")
        name = _field(meta, "name", str, "ObjectMeta.metadata.name of type string")
        type = _field(document, "type", str, "Secret.type of type v1.SecretType") or "Opaque"
        namespace = _field(meta, "namespace", str, "ObjectMeta.metadata.namespace of type string")
        labels, annotations = (_texts(meta, key) for key in ("labels", "annotations"))
        data: dict[str, str] = {}
        encoded = _field(document, "data", dict, "Secret.data of type map[string][]uint8")
        for key in encoded:
            data[key] = _field(encoded, key, str, "Secret.data of type []uint8")
            if fault := gojson.base64_fault(data[key]):
                raise ValueError(fault)
        plain = _field(document, "stringData", dict, "Secret.stringData of type map[string]string")
        for key in plain:
            value = _field(plain, key, str, "Secret.stringData of type string")
            data[key] = base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()
    except (ValueError, RecursionError) as error:
        raise PachydermError(f"failed to unmarshal secret: {error}") from None
    suite = labels.get("suite", "")
    if suite not in ("", "pachyderm"):
        raise PachydermError(f"invalid suite label set on secret: suite={suite}")
    if namespace not in ("", NAMESPACE):
        raise PachydermError(
            "failed to create secret: the namespace of the provided object does not match the namespace sent on the"
            " request"
        )
    _check(name, type, data, annotations)
    return name, type, data


def _texts(meta: dict[str, Any], key: str) -> dict[str, str]:
    place = f"ObjectMeta.metadata.{key} of type"
    found = _field(meta, key, dict, f"{place} map[string]string")
    return {name: _field(found, name, str, f"{place} string") for name in found}


def _field(document: dict[str, Any], key: str, kind: Any, place: str) -> Any:
    """What a document says under a key; an empty value where it says nothing."""
    return _of_kind(kind, document.get(key), f"Go struct field {place}")


def _of_kind(kind: Any, value: Any, place: str) -> Any:
    if value is None:
        return kind()
    if not isinstance(value, kind):
        found = {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(value), "number")
        raise ValueError(f"json: cannot unmarshal {found} into {place}")
    return value


_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_KEY = r"[-._a-zA-Z0-9]+"


_JSON_KEYS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
_ACCOUNT = "kubernetes.io/service-account.name"


def _check(name: str, type: str, data: dict[str, str], annotations: dict[str, str]) -> None:
    """Refuse the secrets that Kubernetes refuses, in its words."""
    faults = []
    if not name:
        faults.append("metadata.name: Required value: name or generateName is required")
    elif not re.fullmatch(_NAME, name) or len(name) > 253:
        faults.append(
            f'metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case'
            " alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
            f" (e.g. 'example.com', regex used for validation is '{_NAME}')"
        )
    faults += [
        f'data[{key}]: Invalid value: "{key}": a valid config key must consist of alphanumeric characters,'
        " '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is"
        f" '{_KEY}')"
        for key in data
        if not re.fullmatch(_KEY, key)
    ]
    faults += _faults_of_type(type, data, annotations)
    if faults:
        text = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
        raise PachydermError(f'failed to create secret: Secret "{name}" is invalid: {text}')


def _faults_of_type(type: str, data: dict[str, str], annotations: dict[str, str]) -> list[str]:
    """What a secret lacks for being of one of Kubernetes' own types."""
    if type == "kubernetes.io/service-account-token" and not annotations.get(_ACCOUNT):
        return [f"metadata.annotations[{_ACCOUNT}]: Required value"]
    key = _JSON_KEYS.get(type)
    if key in data:
        fault = gojson.fault(base64.b64decode(data[key]).decode("utf-8", "replace"))
        return [f'data[{key}]: Invalid value: "<secret contents redacted>": {fault}'] if fault else []
    required = {
        "kubernetes.io/basic-auth": [] if {"username", "password"} & data.keys() else ["username", "password"],
        "kubernetes.io/ssh-auth": [] if data.get("ssh-privatekey") else ["ssh-privatekey"],
        "kubernetes.io/tls": [each for each in ("tls.crt", "tls.key") if each not in data],
    }
    missing = [key] if key else required.get(type, [])
    return [f"data[{each}]: Required value" for each in missing]


def create(db: sqlite3.Connection, file: bytes) -> None:
    name, type, data = parse(file)
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
