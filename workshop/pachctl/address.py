"""pachctl's ways to name things: repo[.type][@branch-or-commit[=commit]][:/path], pipeline@job, histories."""

from __future__ import annotations

import re
from typing import Any

from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import parse_plain_integer

_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_ID = re.compile(r"[0-9a-f]{12}4[0-9a-f]{19}")


def is_id(text: str) -> bool:
    """Whether this is the id of a commit or job: a UUID of version 4 without dashes."""
    return bool(_ID.fullmatch(text))


def repo(project: str, name: str) -> dict[str, Any]:
    """The repo called NAME or NAME.TYPE."""
    name, _, kind = name.partition(".")
    return {"name": name, "type": kind or "user", "project": {"name": project}}


def file(project: str, text: str) -> dict[str, Any]:
    """repo[@branch-or-commit[=commit]][:path] as a File message; what is not given is empty."""
    return _parse(project, text)[0]


def _parse(project: str, text: str) -> tuple[dict[str, Any], int]:
    name, at, rest = text.partition("@")
    if not name:
        raise Failure(f'invalid format "{text}": repo cannot be empty')
    branch = commit = path = ""
    parts = 1
    if at:
        rest, colon, path = rest.partition(":")
        parts = 3 if colon else 2
        first, equals, second = rest.partition("=")
        if equals:
            branch, commit = first, second
        elif is_id(first) or not _NAME.fullmatch(first):
            commit = first
        else:
            branch = first
    of = repo(project, name)
    return {"commit": {"repo": of, "id": commit, "branch": {"repo": of, "name": branch}}, "path": path}, parts


def commit(project: str, text: str) -> dict[str, Any]:
    """repo[@branch-or-commit] as a Commit message."""
    found, parts = _parse(project, text)
    if parts > 2:  # pachctl's own text, which has lost its argument: scripts match it
        raise Failure('invalid format "%!s(MISSING)": cannot specify a file path')
    return found["commit"]


def branch(project: str, text: str) -> dict[str, Any]:
    """repo[@branch] as a Branch message; an id or an ancestry is refused."""
    found = commit(project, text)
    if found["id"]:
        raise Failure(f'invalid branch "{text}": cannot specify a commit or ancestry')
    return found["branch"]


def commit_of(project: str, name: str, branch_name: str, identity: str) -> dict[str, Any]:
    """A Commit message from its parts."""
    of = repo(project, name)
    return {"repo": of, "id": identity, "branch": {"repo": of, "name": branch_name}}


def pipeline(project: str, name: str) -> dict[str, Any]:
    return {"name": name, "project": {"name": project}}


def job(project: str, text: str) -> dict[str, Any]:
    """pipeline@job-id as a Job message."""
    name, at, identity = text.partition("@")
    if not name:
        raise Failure(f'invalid format "{text}": pipeline must be specified')
    if not at:
        raise Failure(f'invalid format "{text}": expected pipeline@job-id')
    return {"pipeline": pipeline(project, name), "id": identity}


def history(text: str) -> int:
    """all = -1, none = 0, or a number of versions."""
    if text in ("all", "none"):
        return -1 if text == "all" else 0
    try:
        return parse_plain_integer(text)
    except ValueError as error:
        raise Failure(f"error parsing history flag: {error}") from None


# --- how messages are printed ---


def repo_text(of: Any) -> str:
    """project/name, with .type where it is not a user's repo."""
    suffix = f".{of.type}" if of.type not in ("", "user") else ""
    return f"{of.project.name}/{of.name}{suffix}" if of.project.name else f"{of.name}{suffix}"


def repo_name(of: Any) -> str:
    """name, or name.type where it is not a user's repo."""
    return of.name if of.type == "user" else f"{of.name}.{of.type}"


def branch_text(of: Any) -> str:
    return f"{repo_text(of.repo)}@{of.name}"


def pipeline_text(of: Any) -> str:
    return f"{of.project.name}/{of.name}"


def request_commit_text(asked: dict[str, Any]) -> str:
    """A commit of a request as pachctl names it in its own messages: project/repo@id, or @branch where there is no
    id.
    """
    of = asked["repo"]
    suffix = f".{of['type']}" if of["type"] not in ("", "user") else ""
    identity = asked["id"]
    if not identity or identity[0] in ".^~":
        identity = asked["branch"]["name"] + identity
    return f"{of['project']['name']}/{of['name']}{suffix}@{identity}"
