"""CreatePipeline: a new pipeline or a new version of one, with its repos, branches, spec commit and first job."""

from __future__ import annotations

from typing import Any

from workshop.pachd import cron, ids, spec
from workshop.pachd.errors import AlreadyExists, NotFound, PachydermError
from workshop.pachd.model import (
    DEFAULT_PROJECT,
    META,
    SPEC,
    USER,
    BranchName,
    CommitHandle,
    CommitName,
    PipelineName,
    RepoName,
)
from workshop.pachd.pfs import branches, commits, repos, rows
from workshop.pachd.pps import jobs, logs, pipelines
from workshop.pachd.pps.records import Pipeline, PipelineState
from workshop.pachd.spec import inputs, notes
from workshop.pachd.spec.fields import Document, dump, parse, timestamp_text


def create(tx: Any, made: spec.Spec) -> Pipeline:
    """Create or update the pipeline of a specification; refused as a whole or done as a whole."""
    request = made.request
    pipeline = request.get("pipeline", {})
    given = PipelineName(pipeline.get("project", {}).get("name") or DEFAULT_PROJECT, pipeline.get("name", ""))
    try:
        old = pipelines.inspect(tx.db, given)
    except NotFound:
        old = None
    name = pipelines.plain(given)
    if old is not None and not request.get("update"):
        raise AlreadyExists(f'pipeline "{name}" already exists')
    request = {**request, "pipeline": {"name": name.name, "project": {"name": name.project}}}
    details = spec.describe(request, timestamp_text(tx.now), cron.parse)
    _check_inputs(tx, name, details)
    if old is None:
        _create_repos(tx, given)
    spec_commit = _spec_commit(tx, given, request.get("specCommit"), old)
    pipeline = _store(tx, name, old, made, details, spec_commit)
    if old is not None:
        jobs.stop_all(tx, name, "updated")
    connect(tx, pipeline, [] if pipeline.stopped else provenance(pipeline))
    _log_notes(tx, old, pipeline, made.warnings)
    return pipeline


def _log_notes(tx: Any, old: Pipeline | None, new: Pipeline, warnings: list[str]) -> None:
    """Say in the pipeline's log what its author may not expect."""
    texts = [*warnings, *notes.of_input(new.details.get("input"))]
    if old is not None and old.salt == new.salt:
        texts += notes.of_update(old.details, new.details, old.version)
    lines = [logs.Line(new.name, f"note: {text}", tx.now, job=tx.set_id, master=True) for text in texts]
    logs.write(tx.db, lines)


def rerun(tx: Any, name: PipelineName, reprocess: bool) -> Pipeline:
    """A new version of a pipeline with the specification that it has."""
    try:
        old = pipelines.inspect(tx.db, name)
    except PachydermError as fault:
        raise fault.wrapped(f'inspect pipeline "{name}": ') from None
    request = parse(old.effective_spec)
    request["pipeline"] = {"name": old.name.name, "project": {"name": old.name.project}}
    request |= {"update": True, "reprocess": reprocess}
    return create(tx, spec.Spec(request, old.effective_spec, old.user_spec))


# ---------------------------------------------------------------- its steps
def _check_inputs(tx: Any, name: PipelineName, details: Document) -> None:
    """Every input repo must be there; the tick repos of crons are made."""
    for kind, leaf in inputs.leaves(details.get("input")):
        if kind == "pfs":
            rows.repo(tx.db, RepoName(leaf["project"], leaf["repo"], leaf["repoType"]))
        else:
            repo = RepoName(name.project, leaf["repo"])
            if rows.find_repo(tx.db, repo) is None:
                repos.create(tx, repo, description=f"Cron tick repo for pipeline {name}.")


def _create_repos(tx: Any, name: PipelineName) -> None:
    if rows.find_repo(tx.db, name.repo()) is not None:
        raise PachydermError(
            f'pipeline "{name.name}" cannot be created because a repo with the same name already exists'
        )
    try:
        repos.create(tx, name.repo(), description=f"Output repo for pipeline {name}.")
    except PachydermError as fault:
        raise fault.wrapped(f"error creating output repo for {name.name}: ") from None
    if rows.find_repo(tx.db, name.repo(SPEC)) is None:
        repos.create(tx, name.repo(SPEC), description=f"Spec repo for pipeline {name}.")


def _spec_commit(tx: Any, name: PipelineName, given: Document | None, old: Pipeline | None) -> str:
    """The id of the version's spec commit: a new, empty one, or (restoring) one that is there already."""
    if given is None:
        commit = commits.start(tx, BranchName(name.repo(SPEC), "master"))
        commits.finish(tx, commit)
        return commit.id
    if old is not None:
        raise PachydermError("Cannot update a pipeline and provide a spec commit at the same time")
    repo = given.get("repo") or given.get("branch", {}).get("repo")
    if repo is None:
        raise PachydermError("error inspecting spec commit: pick commit tx: cannot pick commit with no repo")
    project = repo.get("project", {}).get("name") or name.project
    handle = CommitHandle(
        RepoName(project, repo.get("name", ""), repo.get("type") or USER),
        given.get("branch", {}).get("name", ""),
        given.get("id", ""),
    )
    prefix = "error inspecting spec commit: "
    try:
        return commits.resolve(tx.db, handle).id
    except NotFound as fault:
        raise fault.wrapped(f"{prefix}pick commit tx: commit {handle.repo}@{handle.id} not found\n") from None
    except PachydermError as fault:
        raise fault.wrapped(prefix) from None


def _store(
    tx: Any, name: PipelineName, old: Pipeline | None, made: spec.Spec, details: Document, spec_commit: str
) -> Pipeline:
    request = made.request
    if old is not None and not request.get("reprocess"):
        salt = old.salt
    else:
        salt = ids.new_id() if request.get("reprocess") else request.get("salt") or ids.new_id()
    stopped = old is not None and old.stopped
    created = old.details["createdAt"] if old is not None else timestamp_text(tx.now)
    details = {**details, "salt": salt, "createdAt": created, "updatedAt": timestamp_text(tx.now)}
    tx.db.execute("UPDATE pipeline SET current = 0 WHERE project = ? AND name = ?", (name.project, name.name))
    tx.db.execute(
        "INSERT INTO pipeline (project, name, version, current, spec_commit, type, state, stopped, output_branch,"
        " parallelism, salt, user_spec, effective_spec, details, metadata, created, updated)"
        " VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            name.project,
            name.name,
            old.version + 1 if old is not None else 1,
            spec_commit,
            spec.type_of(details),
            PipelineState.PAUSED if stopped else PipelineState.STARTING,
            stopped,
            details["outputBranch"],
            spec.parallelism_of(details),
            salt,
            made.user,
            made.effective,
            dump(details),
            old.metadata_text if old is not None else "{}",
            tx.now,
            tx.now,
        ),
    )
    return pipelines.get(tx.db, name)


# ---------------------------------------------------------------- its branches
def provenance(pipeline: Pipeline) -> list[tuple[BranchName, bool]]:
    """What the output branch of a running pipeline stands on: its inputs and its specification."""
    found = inputs.branches(pipeline.details.get("input"), pipeline.name.project)
    return [*found, (pipeline.branch(SPEC), False)]


def connect(tx: Any, pipeline: Pipeline, stands_on: list[tuple[BranchName, bool]]) -> None:
    """Give the output and meta branches their provenance, and make the branches that inputs with triggers follow."""
    try:
        branches.create(tx, pipeline.branch(), provenance=stands_on)
    except PachydermError as fault:
        raise fault.wrapped("could not create/update output branch: ") from None
    if pipeline.type == spec.SPOUT:
        commit = rows.find_commit(tx.db, CommitName(pipeline.name.repo(), tx.set_id))
        if commit is not None and commit.finishing is None and commit.finished is None:
            commits.finish(tx, commit, description="close spout commit", force=True)
    for kind, leaf in inputs.leaves(pipeline.details.get("input")):
        if kind == "pfs" and "trigger" in leaf:
            _follow(tx, leaf)
    if pipeline.has_meta:
        if rows.find_repo(tx.db, pipeline.name.repo(META)) is None:
            repos.create(tx, pipeline.name.repo(META), description=f"Meta repo for pipeline {pipeline.name.name}")
        branches.create(tx, pipeline.branch(META), provenance=stands_on)
    elif rows.find_branch(tx.db, pipeline.branch(META)) is not None:
        branches.create(tx, pipeline.branch(META), provenance=[])  # it was a transform once


def _follow(tx: Any, leaf: Document) -> None:
    branch = BranchName(RepoName(leaf["project"], leaf["repo"]), leaf["branch"])
    there = rows.find_branch(tx.db, branch)
    head = CommitHandle(branch.repo, id=rows.commit_by_row(tx.db, there.head).id) if there is not None else None
    try:
        branches.create(tx, branch, head=head, trigger=trigger_row(leaf["trigger"]))
    except PachydermError as fault:
        raise fault.wrapped("could not create/update trigger branch: ") from None


def trigger_row(document: Document) -> Document:
    """A trigger as a branch keeps it: the protocol's field names, numbers as numbers."""
    names = {"rateLimitSpec": "rate_limit_spec", "cronSpec": "cron_spec"}
    kept = {names.get(key, key): value for key, value in document.items()}
    if "commits" in kept:
        kept["commits"] = int(kept["commits"])
    return kept
