"""Ticks of cron inputs: an empty file named after its time, in a commit of the input's tick repo."""

from __future__ import annotations

from typing import Any

from workshop.pachd import ids
from workshop.pachd.errors import PachydermError
from workshop.pachd.model import BranchName, PipelineName, RepoName
from workshop.pachd.pfs import Pfs, commits
from workshop.pachd.pps import pipelines
from workshop.pachd.pps.records import Pipeline
from workshop.pachd.spec import inputs
from workshop.pachd.spec.fields import Document, timestamp_text
from workshop.pachd.store.blobs import EMPTY
from workshop.pachd.store.trees import Put


def of_pipeline(pipeline: Pipeline) -> list[Document]:
    """The cron inputs of a pipeline, in order."""
    return [leaf for kind, leaf in inputs.leaves(pipeline.details.get("input")) if kind == "cron"]


def branch_of(leaf: Document) -> BranchName:
    return BranchName(RepoName(leaf["project"], leaf["repo"]), "master")


def tick(tx: Any, leaf: Document, at: int) -> None:
    """Commit a tick of the time `at`; an input that overwrites loses its earlier ones."""
    commit = commits.start(tx, branch_of(leaf))
    trees = tx.store.trees(tx.db)
    root = trees.edit(None if leaf.get("overwrite") else commit.root, [Put(tick_path(at), "", EMPTY)])
    commits.set_content(tx, commit, root)
    commits.finish(tx, commit)


def tick_path(at: int) -> str:
    """Where the tick of a time lies: the time in RFC 3339, to the second."""
    return "/" + timestamp_text(at // 10**9 * 10**9)


def run_now(pfs: Pfs, name: PipelineName) -> None:
    """Tick every cron input of a pipeline now, in a commit set each."""
    with pfs.store.database.read() as db:
        found = of_pipeline(pipelines.inspect(db, name))
    if not found:
        raise PachydermError("pipeline doesn't have a cron input")
    now = ids.now()
    for leaf in found:
        with pfs.transaction() as tx:
            tick(tx, leaf, now)
