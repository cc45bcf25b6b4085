"""Starting, stopping and deleting pipelines."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from workshop.pachd.errors import NotFound
from workshop.pachd.model import META, SPEC, PipelineName, RepoName
from workshop.pachd.pfs import branches, repos, rows
from workshop.pachd.pps import creation, crons, jobs, pipelines
from workshop.pachd.pps.records import Pipeline


def stop(tx: Any, name: PipelineName, must_exist: bool = False) -> PipelineName:
    """Stop a pipeline: it gets no more commits, and its unfinished jobs are killed. Its name without ancestry.

    One that is not there is a fault only with `must_exist`.
    """
    try:
        pipeline = pipelines.inspect(tx.db, name)
    except NotFound:
        if must_exist:
            raise
        return pipelines.plain(name)
    _cut(tx, pipeline)
    pipelines.set_stopped(tx.db, pipeline.name, True)
    jobs.stop_all(tx, pipeline.name, "stopped")
    return pipeline.name


def start(tx: Any, name: PipelineName) -> None:
    """Start a stopped pipeline: one commit and job for the heads that its inputs have now."""
    pipeline = pipelines.inspect(tx.db, name)
    stands_on = creation.provenance(pipeline)
    branches.create(tx, pipeline.branch(), provenance=stands_on)
    if pipeline.has_meta:
        branches.create(tx, pipeline.branch(META), provenance=stands_on)
    pipelines.set_stopped(tx.db, pipeline.name, False)


def _cut(tx: Any, pipeline: Pipeline) -> None:
    """Take the provenance of its output and meta branches away."""
    for type in ("user", META):
        if rows.find_branch(tx.db, pipeline.branch(type)) is not None:
            branches.create(tx, pipeline.branch(type), provenance=[])


# ---------------------------------------------------------------- deleting
def delete(tx: Any, names: Iterable[PipelineName], force: bool = False, keep_repo: bool = False) -> None:
    """Delete pipelines with their jobs, repos and tick repos; refused while another pipeline reads one of them.

    `keep_repo` keeps the output repos, as repos of their own; `force` leaves readers without this input.
    """
    doomed: list[RepoName] = []
    for name in names:
        pipeline = pipelines.find(tx.db, name)
        if pipeline is not None:
            doomed += _forget(tx, pipeline, keep_repo)
    repos.delete_many(tx, [rows.repo(tx.db, repo) for repo in doomed], force)


def _forget(tx: Any, pipeline: Pipeline, keep_repo: bool) -> list[RepoName]:
    """Forget a pipeline and its jobs; the repos that go with it."""
    name = pipeline.name
    jobs.stop_all(tx, name, "stopped")
    _cut(tx, pipeline)
    for table, column in (("job", "pipeline"), ("pipeline", "name"), ("log", "pipeline")):
        tx.db.execute(f"DELETE FROM {table} WHERE project = ? AND {column} = ?", (name.project, name.name))
    doomed = [name.repo(SPEC), name.repo(META)] if keep_repo else [name.repo(), name.repo(SPEC), name.repo(META)]
    doomed += [crons.branch_of(leaf).repo for leaf in crons.of_pipeline(pipeline)]
    return [repo for repo in doomed if rows.find_repo(tx.db, repo) is not None]


def in_projects(db: sqlite3.Connection, projects: frozenset[str], all: bool = False) -> list[PipelineName]:
    """The pipelines of some projects, newest first (none when no project is named), or all there are."""
    if not all and not projects:
        return []
    return [found.name for found in pipelines.listing(db, projects=frozenset() if all else projects)]
