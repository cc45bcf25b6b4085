"""The forms of a datum: what a sandbox is told of it, and what its record keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workshop.pachd.datums import Datum, File
from workshop.pachd.pps.content import Content
from workshop.pachd.pps.datums import InputFile
from workshop.pachd.scheduler.plan import Inputs


def variables(identity: bytes, datum: Datum, inputs: Inputs) -> dict[str, str]:
    """The variables of a datum: for each input a path and a commit, join and group keys, its id."""
    env: dict[str, str] = {}
    for file in datum:
        name = file.source.name
        env[name] = f"/pfs/{name}{file.path}".rstrip("/")
        env[f"{name}_COMMIT"] = inputs.commits[file.source.position].id
        if file.join_key:
            env[f"PACH_DATUM_{name}_JOIN_ON"] = file.join_key
        if file.group_key:
            env[f"PACH_DATUM_{name}_GROUP_BY"] = file.group_key
    env["PACH_DATUM_ID"] = identity.hex()
    return env


def by_name(datum: Datum, laid: Iterator[list[Any]]) -> list[tuple[str, int, list[Any]]]:
    """The files of a datum as a sandbox lays them out, by input name; what overlaps comes once."""
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    for file in datum:
        flags = (1 if file.source.empty_files else 0) | (2 if file.source.lazy else 0)
        found.setdefault(file.source.name, (flags, {}))[1].update((entry[0], entry) for entry in next(laid))
    return [(name, flags, list(files.values())) for name, (flags, files) in found.items()]


def input_file(file: File, inputs: Inputs, content: Content) -> InputFile:
    """A file of a datum as its record keeps it."""
    source, commit = file.source, inputs.commits[file.source.position]
    flags = (
        (1 if source.empty_files else 0)
        | (2 if source.lazy else 0)
        | (4 if source.outer_join else 0)
        | (8 if source.reference else 0)
        | (16 if source.s3 else 0)
    )
    repo = commit.name.repo
    return InputFile(
        source.name,
        *(repo.project, repo.name, repo.type, source.branch, commit.id),
        *(file.path, file.hash, file.size, content.tag_of(file)),
        *(file.join_key, file.group_key, flags),
    )
