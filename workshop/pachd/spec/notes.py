"""Clear words about a specification that is accepted, but may not do what its author expects. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workshop.pachd import glob
from workshop.pachd.errors import PachydermError
from workshop.pachd.spec import inputs
from workshop.pachd.spec.fields import Document


def of_update(old: Document, new: Document, version: int) -> list[str]:
    """What an update without reprocessing will not do; `old` are the details of the version before."""
    changed = [key for key in _CODE if old.get("transform", {}).get(key) != new.get("transform", {}).get(key)]
    if not changed:
        return []
    what = ", ".join(f"transform.{key}" for key in changed)
    return [
        f"{what} changed, but datums that version {version} processed are skipped as long as their files do not change:"
        " their output stays as it is. To process all datums again update with --reprocess"
    ]


_CODE = ("image", "cmd", "stdin", "env", "user", "workingDir", "datumBatching")


def of_input(document: Document | None) -> list[str]:
    """What is odd about an input's globs and keys: it would match nothing, or put all files together."""
    found: list[str] = []
    for each in inputs.visit(document):
        for list_, key, verb in (("join", "joinOn", "joined"), ("group", "groupBy", "grouped")):
            for kind, leaf in (pair for arm in each.get(list_, []) for pair in inputs.leaves(arm)):
                if kind == "pfs":
                    found += _of_key(leaf, key, verb)
    for kind, leaf in inputs.leaves(document):
        if kind == "pfs" and captures(leaf.get("glob", "/")) is None:
            found.append(f"the glob {leaf['glob']!r} of input {leaf['name']!r} is malformed: no job can read it")
    return found


def _of_key(leaf: Document, key: str, verb: str) -> Iterator[str]:
    field = {"joinOn": "join_on", "groupBy": "group_by"}[key]
    template, pattern, name = leaf.get(key, ""), leaf.get("glob", "/"), leaf["name"]
    if not template:
        yield (
            f"input {name!r} has no {field}: all its files have the empty key and are {verb} with every file whose "
            "key is"
            f' empty. Put the part of the path that counts in brackets, such as /(*).txt, and name it: {field} "$1"'
        )
        return
    count = captures(pattern) or 0
    missing = sorted({int(number) for number in _REFERENCE.findall(template) if int(number) > count})
    if missing:
        names = ", ".join(f"${number}" for number in missing)
        yield (
            f"{field} {template!r} of input {name!r} names {names}, but its glob {pattern!r} captures "
            f"{count or 'nothing'}:"
            f" {names} is empty for every file, and files with equal keys are {verb}. Put the part of the path that "
            "counts"
            " in brackets, such as /(*).txt"
        )


_REFERENCE = re.compile(r"(?<!\$)\$\{?(\d+)")


def captures(pattern: str) -> int | None:
    """How many parts of a path a glob captures; None when it is malformed."""
    try:
        return glob.compile(pattern).groups
    except PachydermError:
        return None
