"""Key and value pairs on the cluster, projects, repos, branches, commits and pipelines."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workshop.pachd import errors
from workshop.pachd.pfs import rows

if TYPE_CHECKING:
    from workshop.pachd.model import PipelineName
    from workshop.pachd.pfs.transaction import Transaction

Change = Callable[[dict[str, str]], dict[str, str]]


def add_key(key: str, value: str) -> Change:
    def change(pairs: dict[str, str]) -> dict[str, str]:
        if key in pairs:
            raise errors.PachydermError(f"add_key target key {json.dumps(key)} already exists; use edit_key instead")
        return {**pairs, key: value}

    return change


def edit_key(key: str, value: str) -> Change:
    return lambda pairs: {**pairs, key: value}


def delete_key(key: str) -> Change:
    return lambda pairs: {name: value for name, value in pairs.items() if name != key}


def replace(replacement: dict[str, str]) -> Change:
    return lambda _: replacement


@dataclass(frozen=True)
class Target:
    """What is edited: a row of a table, and its words in refusals."""

    table: str
    row: int
    label: str

    def edit(self, tx: Transaction, change: Change) -> None:
        found = tx.db.execute(f"SELECT metadata FROM {self.table} WHERE id = ?", (self.row,)).fetchone()
        try:
            pairs = change(json.loads(found["metadata"]))
        except errors.PachydermError as error:
            raise error.wrapped(f"edit {self.label}: ") from None
        document = json.dumps(pairs, sort_keys=True)
        tx.db.execute(f"UPDATE {self.table} SET metadata = ? WHERE id = ?", (document, self.row))


class Cluster(Target):
    """The cluster's own pairs, a setting."""

    def __init__(self) -> None:
        super().__init__("setting", 0, "cluster metadata")

    def edit(self, tx: Transaction, change: Change) -> None:
        found = tx.db.execute("SELECT value FROM setting WHERE key = 'metadata'").fetchone()
        try:
            pairs = change(json.loads(found["value"]) if found else {})
        except errors.PachydermError as error:
            raise error.wrapped(f"edit {self.label}: ") from None
        tx.db.execute(
            "INSERT OR REPLACE INTO setting (key, value) VALUES ('metadata', ?)", (json.dumps(pairs, sort_keys=True),)
        )


def project(found: rows.Project) -> Target:
    return Target("project", found.row, f'project "{found.name}"')


def repo(found: rows.Repo) -> Target:
    name = found.name
    return Target("repo", found.row, f'repo "{name.project}/{name.name}.{name.type}"')


def branch(found: rows.Branch) -> Target:
    repo = found.name.repo
    return Target("branch", found.row, f'branch "{repo.project}/{repo.name}.{repo.type}@{found.name.name}"')


def commit(found: rows.Commit) -> Target:
    repo = found.name.repo
    return Target("commits", found.row, f'commit "{repo.project}/{repo.name}.{repo.type}@{found.id}"')


def pipeline(tx: Transaction, name: PipelineName) -> Target | None:
    query = "SELECT id FROM pipeline WHERE project = ? AND name = ? AND current = 1"
    found = tx.db.execute(query, (name.project, name.name)).fetchone()
    return found and Target("pipeline", found["id"], f'repo "{name.project}/{name.name}.user"')
