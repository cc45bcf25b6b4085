"""What a job has to do: which datums are new, changed, gone or as they were, compared with its base.

The base is the nearest job before it that ended well. Cost grows with what changed: equal inputs are recognised by
their roots without looking at a datum, and where the kind of input allows it only files that differ are looked at.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from workshop.pachd import datums, errors
from workshop.pachd.datums import Change, Datum, File, Source
from workshop.pachd.model import META, USER, CommitName, JobName, RepoName
from workshop.pachd.pfs import commits, rows
from workshop.pachd.pfs.rows import Commit
from workshop.pachd.pps import datums as records
from workshop.pachd.pps import jobs
from workshop.pachd.pps.content import Content
from workshop.pachd.pps.datums import DatumState
from workshop.pachd.pps.records import Job, JobState, Pipeline

SLICE = 2000  # datums looked at before other work gets its turn


@dataclass(slots=True)
class Task:
    """A datum that has to run."""

    id: bytes
    hash: bytes
    datum: Datum
    index: int
    set: int = 0  # number of the datum set that it is in, 0 when there are none


@dataclass
class Inputs:
    """The commits that a job reads, by the place of their leaf in the input."""

    node: datums.Node | None
    sources: list[Source]
    commits: dict[int, Commit]  # place -> commit; a leaf whose repo is gone has none

    def unfinished(self) -> list[Commit]:
        return [commit for commit in self.commits.values() if commit.finished is None]

    def failed(self) -> list[str]:
        """The names of inputs whose commit ended with an error, in stored order."""
        found = [s for s in self.sources if not s.cron and s.position in self.commits]
        return [source.name for source in found if self.commits[source.position].error]


@dataclass
class Plan:
    """`key` names all that decides which datums there are and what is in them; None where there is no telling."""

    key: str
    base: Job | None = None
    total: int = 0
    new: list[Task] = field(default_factory=list)
    changed: list[Task] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    same: int = 0


def inputs_of(db: sqlite3.Connection, pipeline: Pipeline, output: Commit) -> Inputs:
    """The commits that the job with this output commit reads: its direct provenance, by repo."""
    node = datums.parse(pipeline.details.get("input") or {})
    sources = datums.leaves(node)
    upstream: dict[RepoName, Commit] = {}
    for commit in commits.direct_provenance(db, output.row):
        upstream[commit.name.repo] = commit
    found = {}
    for source in sources:
        repo = RepoName(source.project or pipeline.name.project, source.repo, USER)
        if repo in upstream:
            found[source.position] = upstream[repo]
    return Inputs(node, sources, found)


def find_base(db: sqlite3.Connection, job: Job) -> Job | None:
    """The nearest ancestor job without an error on its commits, which is still there."""
    commit = rows.find_commit(db, job.commit(META))
    while commit is not None and commit.parent is not None:
        commit = rows.commit_by_row(db, commit.parent)
        if commit.origin != rows.AUTO or commit.error:
            continue
        output = rows.find_commit(db, CommitName(job.name.pipeline.repo(USER), commit.id))
        if output is None or output.error:
            continue
        found = jobs.find(db, JobName(job.name.pipeline, commit.id))
        if found is not None and found.state == JobState.SUCCESS:
            return found
    return None


class Planner:
    """Works a plan out, a slice at a time: `steps` yields between slices; `plan` is complete when it ends."""

    def __init__(self, content: Content, db: sqlite3.Connection, pipeline: Pipeline, job: Job, inputs: Inputs) -> None:
        self.content, self.db = content, db
        self.pipeline, self.job, self.inputs = pipeline, job, inputs
        self.roots = {place: self.content.root_of(db, commit) for place, commit in inputs.commits.items()}
        self.every_job = pipeline.details.get("reprocessSpec") == "every_job" or pipeline.details.get("s3Out")
        document = pipeline.details.get("input") or {}
        self.fixed = {"input": _essence(document), "salt": pipeline.salt}
        listed = [(self.roots.get(s.position) or b"").hex() for s in inputs.sources]
        self.plan = Plan(json.dumps({**self.fixed, "roots": listed}, sort_keys=True))

    def same(self) -> bool:
        """Whether the inputs are those of the base: then the plan is complete, and nothing is to be done."""
        plan = self.plan
        plan.base = base = find_base(self.db, self.job)
        if base is None or self.every_job or records.plan_of(self.db, base.row) != plan.key:
            return False
        plan.total = plan.same = base.counters.total
        return True

    def steps(self) -> Iterator[None]:
        if self.same():
            return
        base = self.plan.base
        if base is not None and not self.every_job:
            before = records.plan_of(self.db, base.row)
            if before and self._compare_changes(base, json.loads(before)):
                return
        yield from self._enumerate(base)

    # ---------------------------------------------------------------- from the changed files alone

    def _compare_changes(self, base: Job, before: dict[str, Any]) -> bool:
        """Plan from what differs between the inputs of two jobs; False when the kind of input does not allow it."""
        if {key: before.get(key) for key in self.fixed} != self.fixed:
            return False
        old = {
            s.position: bytes.fromhex(text) or None
            for s, text in zip(self.inputs.sources, before["roots"], strict=True)
        }

        def change(source: Source) -> Change:
            old_root, new_root = old[source.position], self.roots.get(source.position)
            removed, added = self.content.changed_files(self.db, source, old_root, new_root)
            return Change(
                removed,
                added,
                lambda: self.content.files(self.db, source, old_root),
                lambda: self.content.files(self.db, source, new_root),
            )

        try:
            found = datums.changed(self.inputs.node, change)
        except errors.DataLoss:  # the older tree was squashed and collected
            return False
        if found is None:
            return False
        gone = {datums.datum_id(datum) for datum in found[0]}
        come = {datums.datum_id(datum): datum for datum in found[1]}
        maps = self.content.maps(self.db)
        plan = self.plan
        for identity, datum in come.items():
            known = maps.get(base.datums, identity) if identity in gone and base.datums else None
            self._sort_in(identity, datum, records.verdict(known) if known is not None else None)
        plan.gone = [identity for identity in gone if identity not in come]
        new = sum(identity not in gone for identity in come)
        plan.total = base.counters.total - len(plan.gone) + new
        plan.same = plan.total - len(plan.new) - len(plan.changed)
        return True

    # ---------------------------------------------------------------- all of them

    def _enumerate(self, base: Job | None) -> Iterator[None]:
        known = records.verdicts(self.content.maps(self.db), base.datums) if base is not None else {}
        count = 0

        def files(source: Source) -> Iterator[File]:
            return self.content.files(self.db, source, self.roots.get(source.position))

        for identity, datum in datums.unique(self.inputs.node, files):
            self._sort_in(identity, datum, known.pop(identity, None))
            count += 1
            if count % SLICE == 0:
                yield
        self.plan.total = count
        self.plan.same = count - len(self.plan.new) - len(self.plan.changed)
        self.plan.gone = list(known)

    def _sort_in(self, identity: bytes, datum: Datum, before: tuple[bytes, int] | None) -> None:
        """A datum is new, changed (or not done well last time), or as it was."""
        plan = self.plan
        value = datums.datum_hash(identity, datum, self.pipeline.salt)
        task = Task(identity, value, datum, len(plan.new) + len(plan.changed))
        if before is None:
            plan.new.append(task)
        elif self.every_job or before[0] != value or before[1] != DatumState.SUCCESS:
            plan.changed.append(task)


def _essence(document: object) -> object:
    """An input document without what does not decide which datums there are."""
    if isinstance(document, dict):
        return {key: _essence(value) for key, value in document.items() if key not in _UNESSENTIAL}
    if isinstance(document, list):
        return [_essence(value) for value in document]
    return document


_UNESSENTIAL = {"trigger", "start", "spec", "overwrite", "lazy", "emptyFiles", "commit"}
