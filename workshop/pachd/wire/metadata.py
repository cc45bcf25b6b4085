"""metadata.API: edits of key and value pairs, all of a request or none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workshop.pachd import errors
from workshop.pachd.model import SPEC, PipelineName, RepoName
from workshop.pachd.pfs import Pfs, Transaction, metadata
from workshop.pachd.wire import schema
from workshop.pachd.wire.names import (
    invalid,
    missing_repo_row,
    picked_branch,
    picked_commit,
    picked_project,
    picked_repo,
    title,
)
from workshop.pachd.wire.serve import Call


class Metadata:
    """Key and value pairs on things."""

    service = "metadata.API"

    def __init__(self, pfs: Pfs) -> None:
        self._pfs = pfs

    def EditMetadata(self, request: Any, call: Call) -> Any:
        _check(request)
        with self._pfs.transaction() as tx:
            wrong = [text for number, edit in enumerate(request.edits) if (text := _edit(tx, number, edit))]
            if wrong:
                text = "apply edits: " + "\n".join(wrong)
                raise (errors.FailedPrecondition if "already exists" in text else errors.PachydermError)(text)
        return schema.metadata.EditMetadataResponse()


def _check(request: Any) -> None:
    """Refuse edits of nothing, edits that do nothing, and keys without a name."""
    wrong = [
        invalid("EditMetadataRequest", f"Edits[{number}]", within="; ".join(faults))
        for number, faults in enumerate(map(list, map(_faults, request.edits)))
        if faults
    ]
    if wrong:
        raise errors.InvalidArgument("validate request: " + "; ".join(wrong))


def _faults(edit: Any) -> Iterator[str]:
    for choice in ("target", "op"):
        if edit.WhichOneof(choice) is None:
            yield invalid("Edit", title(choice))
    kind = edit.WhichOneof("op")
    if kind is None:
        return
    field = "Replacement[]" if kind == "replace" else "Key"
    if "" in (edit.replace.replacement if kind == "replace" else [getattr(edit, kind).key]):
        cause = invalid(f"Edit_{title(kind)}", field, "value length must be at least 1 runes")
        yield invalid("Edit", title(kind), within=cause)


def _edit(tx: Transaction, number: int, edit: Any) -> str:
    """Make one edit; what was wrong with it, or ''."""
    try:
        _target(tx, edit).edit(tx, _change(edit))
    except errors.PachydermError as error:
        return f"edit #{number}: {error}"
    return ""


def _target(tx: Transaction, edit: Any) -> metadata.Target:
    kind = edit.WhichOneof("target")
    try:
        if kind == "project":
            return metadata.project(picked_project(tx.db, edit.project))
        if kind == "repo":
            return metadata.repo(picked_repo(tx.db, edit.repo))
        if kind == "branch":
            return metadata.branch(picked_branch(tx.db, edit.branch))
        if kind == "commit":
            return metadata.commit(picked_commit(tx.db, edit.commit))
        if kind == "pipeline":
            return _pipeline(tx, edit.pipeline.name)
    except errors.NotFound as error:
        raise error.wrapped(f"pick {kind}: ") from None
    return metadata.Cluster()


def _pipeline(tx: Transaction, picked: Any) -> metadata.Target:
    try:
        project = picked_project(tx.db, picked.project)
    except errors.NotFound as error:
        raise error.wrapped("picking project: ") from None
    name = PipelineName(project.name, picked.name)
    found = metadata.pipeline(tx, name)
    if found is None:
        row = missing_repo_row(RepoName(name.project, name.name, SPEC))
        missing = f"getting branch: {row}\nbranch (id=0, branch={name}.{SPEC}@master) not found"
        raise errors.NotFound(f"getting pipeline: {missing}")
    return found


def _change(edit: Any) -> metadata.Change:
    kind = edit.WhichOneof("op")
    if kind == "add_key":
        return metadata.add_key(edit.add_key.key, edit.add_key.value)
    if kind == "edit_key":
        return metadata.edit_key(edit.edit_key.key, edit.edit_key.value)
    if kind == "delete_key":
        return metadata.delete_key(edit.delete_key.key)
    return metadata.replace(dict(edit.replace.replacement))
