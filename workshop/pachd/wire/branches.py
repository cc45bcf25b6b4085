"""pfs_v2.API: branches."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from workshop.pachd import errors
from workshop.pachd.pfs import Pfs, Transaction, branches, rows
from workshop.pachd.wire import infos
from workshop.pachd.wire.names import (
    bounded,
    branch_name,
    optional_commit,
    picked_branch,
    repo_name,
    required,
    required_branch,
)
from workshop.pachd.wire.schema import google
from workshop.pachd.wire.serve import Call, raw_answer, transactional


class Branches:
    """Branches and their provenance."""

    service = "pfs_v2.API"
    pfs: Pfs

    @transactional("create_branch")
    def CreateBranch(self, request: Any, tx: Transaction) -> Any:
        head = optional_commit(request, "head")
        name = required_branch(request)
        if head is not None and head.repo.name != name.repo.name:
            raise errors.PachydermError("branch and head commit must belong to the same repo")
        trigger = None
        if request.HasField("trigger"):
            trigger = {field.name: value for field, value in request.trigger.ListFields()}
        branches.create(
            tx,
            name,
            [(branch_name(upstream), False) for upstream in request.provenance],
            head,
            trigger,
            [(branch_name(spec.branch), spec.propagation_spec.never) for spec in request.branch_propagation_specs],
        )
        return google.Empty()

    @raw_answer
    def InspectBranch(self, request: Any, call: Call) -> bytes:
        name = required_branch(request)
        with self.pfs.store.database.read() as db:
            return infos.branch_info(db, branches.inspect(db, name))

    @raw_answer
    def ListBranch(self, request: Any, call: Call) -> list[bytes]:
        with self.pfs.store.database.read() as db:
            return [infos.branch_info(db, branch) for branch in _listed(db, request)]

    @transactional("delete_branch", check=lambda request: required(request, "branch"))
    def DeleteBranch(self, request: Any, tx: Transaction) -> Any:
        branches.delete(tx, branch_name(request.branch), request.force)
        return google.Empty()

    @raw_answer
    def WalkBranchProvenance(self, request: Any, call: Call) -> list[bytes]:
        return list(self._walk_branches(request, "provenance"))

    @raw_answer
    def WalkBranchSubvenance(self, request: Any, call: Call) -> list[bytes]:
        return list(self._walk_branches(request, "subvenance"))

    def _walk_branches(self, request: Any, direction: str) -> Iterator[bytes]:
        with self.pfs.store.database.read() as db:
            for start in [picked_branch(db, picker) for picker in request.start]:
                limit, depth = bounded(request.max_branches), bounded(request.max_depth)
                found = branches.walk(db, start.row, direction, limit, depth)
                for row, _ in list(found):
                    yield infos.branch_info(db, rows.branch_by_row(db, row), with_head=False)


def _listed(db: sqlite3.Connection, request: Any) -> list[rows.Branch]:
    """The branches that a ListBranch asks for: of a repo, of a project when its name is left out, or all."""
    if not request.HasField("repo"):
        return branches.list_of_many(db, reverse=request.reverse)
    name = repo_name(request.repo)
    if not name.name:
        return branches.list_of_many(db, name.project, request.repo.type, request.reverse)
    return branches.list_(db, rows.repo(db, name), request.reverse)
