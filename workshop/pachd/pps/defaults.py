"""The cluster's and the projects' defaults for pipeline specifications, and what setting them changes."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from workshop.pachd import ids, spec
from workshop.pachd.errors import InvalidArgument, NotFound, PachydermError
from workshop.pachd.model import PipelineName
from workshop.pachd.pfs import rows
from workshop.pachd.pps import creation, pipelines
from workshop.pachd.spec.fields import Document, JsonFault, parse


@dataclass(frozen=True, slots=True)
class Defaults:
    """A defaults document as JSON text; `created` is None as long as nobody has set it."""

    document: str
    created: int | None = None


def of_cluster(db: sqlite3.Connection) -> Defaults:
    return _find(db, "") or Defaults(spec.CLUSTER_DEFAULTS)


def of_project(db: sqlite3.Connection, project: str) -> Defaults:
    """The defaults of a project that exists."""
    if rows.find_project(db, project) is None:
        raise NotFound(f'error getting project "{project}": get project by name: project "{project}" not found')
    return _find(db, project) or Defaults("{}")


def _find(db: sqlite3.Connection, project: str) -> Defaults | None:
    row = db.execute("SELECT document, created FROM defaults WHERE project = ?", (project,)).fetchone()
    return None if row is None else Defaults(row["document"], row["created"])


def effective(db: sqlite3.Connection, user: str, update: bool = False, reprocess: bool = False) -> spec.Spec:
    """The effective specification of a user's JSON text, on the defaults that are in force."""
    return spec.effective(
        user, of_cluster(db).document, lambda project: of_project(db, project).document, update, reprocess
    )


def set_cluster(
    tx: Any, document: str, regenerate: bool = False, reprocess: bool = False, dry_run: bool = False
) -> list[PipelineName]:
    """Set the cluster's defaults; with `regenerate` the pipelines that they change are updated. The changed ones.

    A dry run, which the caller undoes, looks for them and updates none.
    """
    try:
        spec.check_defaults(document)
    except JsonFault:
        raise InvalidArgument("invalid cluster defaults JSON") from None
    try:
        spec.check_merged(document)
    except (JsonFault, PachydermError):
        raise InvalidArgument(
            f"could not merge cluster defaults {document} into built-in defaults {spec.BUILT_IN_TEXT}"
        ) from None
    _store(tx, "", document)
    changed = _changed(tx, frozenset(), reprocess) if regenerate else {}
    if not dry_run:
        _update(tx, changed, "cluster")
    return list(changed)


def set_project(
    tx: Any, project: str, document: str, regenerate: bool = False, reprocess: bool = False, dry_run: bool = False
) -> list[PipelineName]:
    """As `set_cluster`, for a project; one that is yet to be made will have them."""
    cluster = of_cluster(tx.db).document
    try:
        spec.check_defaults(document)
        spec.check_merged(cluster, document)
    except (JsonFault, PachydermError):
        raise InvalidArgument(f"could not merge project defaults {document} into cluster defaults {cluster}") from None
    _store(tx, project, document)
    changed = _changed(tx, frozenset({project}), reprocess) if regenerate else {}
    if not dry_run:
        _update(tx, changed, "project")
    return list(changed)


def _store(tx: Any, project: str, document: str) -> None:
    tx.db.execute(
        "INSERT INTO defaults (project, document, created) VALUES (?, ?, ?)"
        " ON CONFLICT (project) DO UPDATE SET document = excluded.document, created = excluded.created",
        (project, document, ids.now()),
    )


def _changed(tx: Any, projects: frozenset[str], reprocess: bool) -> dict[PipelineName, spec.Spec]:
    """The pipelines (of some projects, or of all) whose effective specification is another one now, with that."""
    changed = {}
    try:
        for old in pipelines.listing(tx.db, projects=projects):
            made = effective(tx.db, old.user_spec, update=True, reprocess=reprocess)
            if _without_flags(made.effective) != _without_flags(old.effective_spec):
                changed[old.name] = made
    except PachydermError:
        raise PachydermError("unknown error: could not list pipelines") from None
    return changed


def _without_flags(effective_spec: str) -> Document:
    return {key: value for key, value in parse(effective_spec).items() if key not in ("update", "reprocess", "dryRun")}


def _update(tx: Any, changed: dict[PipelineName, spec.Spec], whose: str) -> None:
    try:
        for made in changed.values():
            creation.create(tx, made)
    except PachydermError:
        raise PachydermError(f"unknown error: could not write {whose} defaults") from None
