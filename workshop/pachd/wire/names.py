"""Names in requests: messages to the values of `model`, with Pachyderm's words for what is left out."""

from __future__ import annotations

import sqlite3
from typing import Any

from workshop.pachd import errors
from workshop.pachd.model import DEFAULT_PROJECT, USER, BranchName, CommitHandle, CommitName, RepoName
from workshop.pachd.pfs import ancestry, rows
from workshop.pachd.wire.schema import pfs_v2

MOST = (1 << 63) - 1


def repo_name(message: Any) -> RepoName:
    """A repo; no project is the default one, and no type is a user's."""
    return RepoName(message.project.name or DEFAULT_PROJECT, message.name, message.type or USER)


def required_repo(request: Any, field: str = "repo") -> RepoName:
    if not request.HasField(field):
        raise errors.PachydermError("repo cannot be nil")
    return repo_name(getattr(request, field))


def branch_name(message: Any) -> BranchName:
    return BranchName(repo_name(message.repo), message.name)


def required_branch(request: Any, field: str = "branch") -> BranchName:
    if not request.HasField(field):
        raise errors.PachydermError("branch cannot be nil")
    if not getattr(request, field).HasField("repo"):
        raise errors.PachydermError("branch repo cannot be nil")
    return branch_name(getattr(request, field))


def commit_handle(message: Any) -> CommitHandle:
    """What a Commit message names. Its repo may stand beside its branch or within it."""
    if message.HasField("repo"):
        repo = message.repo
    elif message.branch.HasField("repo"):
        repo = message.branch.repo
    else:
        raise errors.PachydermError("commit must have a repo")
    return CommitHandle(repo_name(repo), message.branch.name, message.id, message.HasField("branch"))


def picked_handle(message: Any) -> CommitHandle:
    """What a Commit message names where nothing has looked at it before it is looked up."""
    try:
        return commit_handle(message)
    except errors.PachydermError:
        raise errors.PachydermError("pick commit tx: cannot pick commit with no repo") from None


def required_commit(request: Any, field: str = "commit") -> CommitHandle:
    if not request.HasField(field):
        raise errors.PachydermError("commit cannot be nil")
    return commit_handle(getattr(request, field))


def optional_commit(request: Any, field: str) -> CommitHandle | None:
    return commit_handle(getattr(request, field)) if request.HasField(field) else None


def required(request: Any, field: str, call: str = "validate request") -> Any:
    """A message that the protocol's own rules require."""
    if not request.HasField(field):
        raise errors.InvalidArgument(f"{call}: {invalid(request.DESCRIPTOR.name, title(field))}")
    return getattr(request, field)


def invalid(kind: str, field: str, reason: str = "value is required", within: str = "") -> str:
    """The words of the protocol's own rules for a field; `within`: what is wrong in the message that it holds."""
    if within:
        reason = f"embedded message failed validation | caused by: {within}"
    return f"invalid {kind}.{field}: {reason}"


def title(field: str) -> str:
    """A field's name as the rules write it: commit_set is CommitSet."""
    return "".join(word.title() for word in field.split("_"))


def bounded(number: int) -> int:
    """A number from a request, cut to what the store can hold."""
    return max(-MOST, min(MOST, number))


def required_project(request: Any) -> str:
    if not request.HasField("project"):
        raise errors.PachydermError("invalid project name: nil project")
    return request.project.name


# ------------------------------------------------------------------ pickers


def picked_project(db: sqlite3.Connection, picker: Any) -> rows.Project:
    if picker.WhichOneof("picker") is None:
        raise errors.PachydermError("project picker cannot be nil")
    found = rows.find_project(db, picker.name)
    if found is None:
        missing = f'project "{picker.name}" not found' if picker.name else "project not found"
        raise errors.NotFound(f"picking project: {missing}")
    return found


def picked_repo(db: sqlite3.Connection, picker: Any) -> rows.Repo:
    if picker.WhichOneof("picker") is None:
        raise errors.PachydermError("repo picker cannot be nil")
    try:
        project = picked_project(db, picker.name.project)
    except errors.PachydermError as error:
        raise error.wrapped("picking repo: ") from None
    name = RepoName(project.name, picker.name.name, picker.name.type or USER)
    found = rows.find_repo(db, name)
    if found is None:
        raise errors.NotFound(f"picking repo: get repo info with id: {missing_repo_row(name)}")
    return found


def missing_repo_row(name: RepoName) -> str:
    return f"repo (id=0, project={name.project}, name={name.name}, type={name.type}) not found"


def picked_branch(db: sqlite3.Connection, picker: Any) -> rows.Branch:
    if picker.WhichOneof("picker") is None:
        raise errors.PachydermError("branch picker cannot be nil")
    try:
        repo = picked_repo(db, picker.name.repo).name
    except errors.PachydermError as error:
        raise error.wrapped("picking branch: ") from None
    found = rows.find_branch(db, BranchName(repo, picker.name.name))
    if found is None:
        raise errors.NotFound(f"picking branch: branch (id=0, branch={repo}@{picker.name.name}) not found")
    return found


def picked_commit(db: sqlite3.Connection, picker: Any) -> rows.Commit:
    """The commit that a CommitPicker means: of a set, a branch's head, its n-th, or an ancestor of another."""
    try:
        return _picked_commit(db, picker)
    except errors.NotFound as error:
        raise error.wrapped("picking commit: ") from None


def _picked_commit(db: sqlite3.Connection, picker: Any) -> rows.Commit:
    kind = picker.WhichOneof("picker")
    if kind == "id":
        name = CommitName(picked_repo(db, picker.id.repo).name, picker.id.id)
        found = rows.find_commit(db, name)
        if found is None:
            key = f"{name.repo.project}/{name.repo.name}.{name.repo.type}@{name.id}"
            raise errors.NotFound(f"get commit by commit key: commit (int_id=0, commit_id={key}) not found")
        return found
    if kind == "branch_head":
        return rows.commit_by_row(db, picked_branch(db, picker.branch_head).head)
    if kind == "branch_root":
        head = rows.commit_by_row(db, picked_branch(db, picker.branch_root.branch).head)
        return ancestry.from_root(db, head, picker.branch_root.offset)
    if kind == "ancestor":
        ancestors, start = 0, picker
        while start.WhichOneof("picker") == "ancestor":
            ancestors += start.ancestor.offset
            start = start.ancestor.start
        return ancestry.back(db, picked_commit(db, start), ancestors)
    raise errors.PachydermError("commit picker cannot be nil")


# ------------------------------------------------------------------ names in answers


def repo_message(name: RepoName) -> Any:
    return pfs_v2.Repo(name=name.name, type=name.type, project=pfs_v2.Project(name=name.project))


def branch_message(name: BranchName) -> Any:
    return pfs_v2.Branch(repo=repo_message(name.repo), name=name.name)


def commit_message(commit: rows.Commit) -> Any:
    """A Commit with its repo twice, as its own and as its branch's: clients read either."""
    return pfs_v2.Commit(repo=repo_message(commit.name.repo), id=commit.id, branch=branch_message(commit.branch_name))
