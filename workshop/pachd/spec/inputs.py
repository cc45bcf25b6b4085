"""The input of a pipeline: walking it, its order, its defaults, and what is refused.

Pure functions over documents (pps.fields).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import Any

from workshop.pachd.errors import PachydermError
from workshop.pachd.model import USER, BranchName, RepoName
from workshop.pachd.spec.fields import Document

LISTS = ("cross", "join", "group", "union")
_CHECK_ORDER = ("cross", "join", "group", "union")


def arms(document: Document) -> list[Document]:
    """The inner inputs of a cross, join, group or union, in order; none of a pfs or cron input."""
    return next((document[kind] for kind in LISTS if document.get(kind)), [])


def visit(document: Document | None) -> Iterator[Document]:
    """Every input inside, the inner ones first."""
    if document is not None:
        for arm in arms(document):
            yield from visit(arm)
        yield document


def leaves(document: Document | None) -> Iterator[tuple[str, Document]]:
    """(`pfs` or `cron`, its document) for each, in order."""
    for each in visit(document):
        for kind in ("pfs", "cron"):
            if each.get(kind) is not None:
                yield kind, each[kind]


def first_name(document: Document) -> str:
    """The name that an input sorts by: its own, or its first arm's; a cron's counts as none."""
    if document.get("pfs") is not None:
        return document["pfs"].get("name", "")
    inner = arms(document)
    return first_name(inner[0]) if inner else ""


def sort(document: Document | None) -> None:
    """Sort the arms of every cross, join, group and union by the names that the user gave (in place, stable,
    inner lists first).
    """
    for each in visit(document):
        arms(each).sort(key=lambda arm: first_name(arm).encode())


def clean_glob(glob: str) -> str:
    """A glob with its leading slash, and without trailing ones, `.` and `//`."""
    return posixpath.normpath("/" + glob.lstrip("/"))


def fill_in(document: Document | None, pipeline: str, now: str) -> None:
    """Sort, then fill in what the user left out (in place): names, branches, types, cron repos.

    `now` is an RFC 3339 time.
    """
    sort(document)
    triggers: dict[str, int] = {}
    for kind, leaf in leaves(document):
        if kind == "cron":
            leaf.setdefault("start", now)
            leaf["repo"] = leaf.get("repo") or f"{pipeline}_{leaf.get('name', '')}"
            continue
        repo = leaf.get("repo", "")
        if not leaf.get("branch"):
            leaf["branch"] = "master"
            if leaf.get("trigger") is not None:
                triggers[repo] = triggers.get(repo, 0) + 1
                leaf["branch"] = f"{pipeline}-trigger-{triggers[repo]}"
                leaf["trigger"]["branch"] = leaf["trigger"].get("branch") or "master"
        if repo and not leaf.get("name"):
            leaf["name"] = repo
        leaf["repoType"] = leaf.get("repoType") or USER
        if leaf.get("glob"):
            leaf["glob"] = clean_glob(leaf["glob"])


# ---------------------------------------------------------------- what is refused
def validate(document: Document | None, project: str, check_cron: Callable[[str], Any]) -> None:
    """Refuse a filled-in input that cannot be; fills in the project of each (in place).

    `check_cron` raises on a bad schedule.
    """
    _validate_names(document, set())
    for each in visit(document):
        kinds = [kind for kind in ("pfs", *_CHECK_ORDER, "cron") if each.get(kind) is not None and each[kind] != []]
        if "pfs" in kinds:
            _validate_pfs(each["pfs"], project)
        if len(kinds) > 1:
            raise PachydermError("multiple input types set")
        if not kinds:
            raise PachydermError("no input set")
        kind = kinds[0]
        if kind in ("join", "group", "union") and any(leaf.get("s3") for type, leaf in leaves(each) if type == "pfs"):
            raise PachydermError(f"S3 inputs in {kind} expressions are not supported")
        if kind == "cron":
            each["cron"]["project"] = each["cron"].get("project") or project
            try:
                check_cron(each["cron"].get("spec", ""))
            except (PachydermError, ValueError) as fault:
                raise PachydermError(f"error parsing cron-spec: {fault}") from None


def _validate_names(document: Document | None, names: set[str]) -> None:
    if document is None:
        return
    for kind in ("pfs", "cron"):
        if document.get(kind) is not None:
            name = document[kind].get("name", "")
            if not name:
                raise PachydermError("input must specify a name")
            if name in ("out", ".env"):
                raise PachydermError(f"input cannot be named {name}")
            if name in names:
                raise PachydermError(f'name "{name}" was used more than once')
            names.add(name)
            return
    if document.get("union"):  # its arms may use the same names, but what stands beside it may not
        before, found = set(names), set[str]()
        for arm in document["union"]:
            inside = set(before)
            _validate_names(arm, inside)
            found |= inside
        names |= found
        return
    for arm in arms(document):
        _validate_names(arm, names)


def _validate_pfs(leaf: Document, project: str) -> None:
    leaf["project"] = leaf.get("project") or project
    if not leaf.get("repo"):
        raise PachydermError("input must specify a repo")
    if not leaf.get("s3") and not leaf.get("glob"):
        raise PachydermError("input must specify a glob")
    if leaf.get("s3"):
        if leaf.get("glob") != "/":
            raise PachydermError(
                "inputs that set 's3' to 'true' must also set 'glob', to \"/\", as the S3 gateway is only able to "
                "expose data at the commit level"
            )
        for flag, shown in (("lazy", "lazy"), ("emptyFiles", "empty_files")):
            if leaf.get(flag):
                raise PachydermError(
                    f"input cannot specify both 's3' and '{shown}', as 's3' requires input data to be accessed via "
                    "Pachyderm's S3 gateway"
                    " rather than the file system"
                )
    if leaf.get("commit"):
        raise PachydermError("input cannot come from a commit; use a branch with head pointing to the commit")


# ---------------------------------------------------------------- what it stands on
def branches(document: Document | None, project: str) -> list[tuple[BranchName, bool]]:
    """The branches that a pipeline with this input stands on, in order, each with whether new commits there
    make no job (`never`).
    """
    found = []
    for kind, leaf in leaves(document):
        repo = RepoName(leaf.get("project") or project, leaf.get("repo", ""), USER)  # whatever its type says
        never = bool(leaf.get("propagationSpec", {}).get("never")) if kind == "pfs" else False
        found.append((BranchName(repo, leaf.get("branch", "master") if kind == "pfs" else "master"), never))
    return found


def with_commit(document: Document | None, set_id: str) -> Document | None:
    """A copy in which every pfs and cron input names the commit (as JobInfo shows it)."""
    if document is None:
        return None
    copy = dict(document)
    for kind in ("pfs", "cron"):
        if copy.get(kind) is not None:
            copy[kind] = {**copy[kind], "commit": set_id}
    for kind in LISTS:
        if copy.get(kind):
            copy[kind] = [with_commit(arm, set_id) for arm in copy[kind]]
    return copy
