"""Metadata: the words that users pin to projects, repos, branches, commits, pipelines and the cluster."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field

from workshop.pachd.errors import FailedPrecondition

CLUSTER = "cluster"
_TABLES = ("project", "repo", "branch", "commits", "pipeline")


@dataclass(frozen=True, slots=True)
class Target:
    """A row that has metadata: its table (or `cluster`), its id, and how a refusal names it (`repo
    "default/a.user"`).
    """

    table: str
    row: int
    shown: str


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: add (refused when the key is there), edit, delete, or replace all."""

    kind: str
    key: str = ""
    value: str = ""
    all: dict[str, str] = field(default_factory=dict)

    def applied(self, found: dict[str, str]) -> dict[str, str]:
        if self.kind == "replace":
            return dict(self.all)
        if self.kind == "delete_key":
            return {key: value for key, value in found.items() if key != self.key}
        if self.kind == "add_key" and self.key in found:
            raise FailedPrecondition(f'add_key target key "{self.key}" already exists; use edit_key instead')
        return {**found, self.key: self.value}


def apply(db: sqlite3.Connection, target: Target, edit: Edit) -> None:
    """Change the metadata of a target."""
    try:
        after = json.dumps(edit.applied(_read(db, target)), sort_keys=True)
    except FailedPrecondition as fault:
        raise fault.wrapped(f"edit {target.shown}: ") from None
    if target.table == CLUSTER:
        db.execute("INSERT OR REPLACE INTO setting (key, value) VALUES ('metadata', ?)", (after,))
    else:
        assert target.table in _TABLES
        db.execute(f"UPDATE {target.table} SET metadata = ? WHERE id = ?", (after, target.row))


def _read(db: sqlite3.Connection, target: Target) -> dict[str, str]:
    if target.table == CLUSTER:
        row = db.execute("SELECT value AS metadata FROM setting WHERE key = 'metadata'").fetchone()
    else:
        row = db.execute(f"SELECT metadata FROM {target.table} WHERE id = ?", (target.row,)).fetchone()
    return json.loads(row["metadata"]) if row else {}
