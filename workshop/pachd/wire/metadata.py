"""metadata.API: all edits of a request, or none."""

from __future__ import annotations

import sqlite3
from typing import Any

from workshop.pachd.errors import InvalidArgument, NotFound, PachydermError
from workshop.pachd.model import DEFAULT_PROJECT, PipelineName
from workshop.pachd.pfs import Pfs, rows
from workshop.pachd.pps import pipelines
from workshop.pachd.pps.metadata import CLUSTER, Edit, Target, apply
from workshop.pachd.wire.names import picked_branch, picked_commit, picked_repo
from workshop.pachd.wire.schema import metadata
from workshop.pachd.wire.serve import Call


class Metadata:
    """The service."""

    service = "metadata.API"

    def __init__(self, pfs: Pfs) -> None:
        self._pfs = pfs

    def EditMetadata(self, request: Any, call: Call) -> Any:
        with self._pfs.store.database.write() as db:
            for number, message in enumerate(request.edits):
                kind = message.WhichOneof("op")
                if kind is None:
                    raise InvalidArgument(
                        f"validate request: invalid EditMetadataRequest.Edits[{number}]: embedded message failed"
                        " validation | caused by: invalid Edit.Op: value is required"
                    )
                try:
                    apply(db, _target(db, message), _edit(kind, getattr(message, kind)))
                except PachydermError as fault:
                    raise fault.wrapped(f"apply edits: edit #{number}: ") from None
        return metadata.EditMetadataResponse()


def _edit(kind: str, message: Any) -> Edit:
    if kind == "replace":
        return Edit(kind, all=dict(message.replacement))
    if not message.key:
        raise InvalidArgument("the key of a metadata edit cannot be empty")
    return Edit(kind, message.key, getattr(message, "value", ""))


def _target(db: sqlite3.Connection, message: Any) -> Target:
    kind = message.WhichOneof("target")
    if kind is None:
        raise PachydermError("unknown target <nil>")
    try:
        return _found(db, kind, getattr(message, kind))
    except NotFound as fault:  # a real pachd answers UNKNOWN here
        raise PachydermError(f"pick {kind}: {fault}") from None


def _found(db: sqlite3.Connection, kind: str, picker: Any) -> Target:
    if kind == "project":
        project = rows.find_project(db, picker.name)
        if project is None:
            raise NotFound(f'picking project: project "{picker.name}" not found')
        return Target("project", project.row, f'project "{project.name}"')
    if kind == "repo":
        repo = rows.repo(db, picked_repo(picker))
        name = repo.name
        return Target("repo", repo.row, f'repo "{name.project}/{name.name}.{name.type}"')
    if kind == "branch":
        branch = picked_branch(db, picker)
        return Target("branch", branch.row, f'branch "{branch.name}"')
    if kind == "commit":
        commit = picked_commit(db, picker)
        return Target("commits", commit.row, f'commit "{commit.name}"')
    if kind == "pipeline":
        found = pipelines.get(db, PipelineName(picker.name.project.name or DEFAULT_PROJECT, picker.name.name))
        return Target("pipeline", found.row, f'repo "{found.name.repo()}.user"')
    return Target(CLUSTER, 0, "cluster metadata")
