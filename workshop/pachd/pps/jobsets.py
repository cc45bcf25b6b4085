"""Job sets, and jobs chosen by the history of their pipelines or by what they read."""

from __future__ import annotations

import sqlite3

from workshop.pachd.model import USER, CommitName, PipelineName
from workshop.pachd.pfs import commits
from workshop.pachd.pps import jobs, pipelines
from workshop.pachd.pps.records import Job


def inspect(db: sqlite3.Connection, set_id: str) -> list[Job]:
    """The jobs of a set, upstream first; none when there is no such set.

    Those whose output commit is gone are among them only when nothing is left of the commit set; then they come by
    name.
    """
    found = {job.name.pipeline: job for job in jobs.of_set(db, set_id)}
    members = [commit.name.repo for commit in commits.of_set(db, set_id)] if found else []
    if not members:
        return sorted(found.values(), key=lambda job: (job.name.pipeline.project, job.name.pipeline.name))
    names = [PipelineName(repo.project, repo.name) for repo in members if repo.type == USER]
    return [found[name] for name in names if name in found]


def has_open_commits(db: sqlite3.Connection, set_id: str) -> bool:
    """Whether a commit of the set is not finished."""
    query = "SELECT 1 FROM commits WHERE set_id = ? AND finished IS NULL LIMIT 1"
    return db.execute(query, (set_id,)).fetchone() is not None


def listing(
    db: sqlite3.Connection, projects: frozenset[str] = frozenset(), marker: int | None = None, reverse: bool = False
) -> list[str]:
    """Ids of job sets by their newest job, newest first (`reverse`: by their oldest, oldest first)."""
    values: list[object] = [*sorted(projects)]
    where = f"WHERE project IN ({', '.join('?' * len(projects))})" if projects else ""
    which, order, behind = ("min", "ASC", ">") if reverse else ("max", "DESC", "<")
    having = ""
    if marker is not None:
        having = f"HAVING {which}(created) {behind} ?"
        values.append(marker)
    query = f"SELECT set_id FROM job {where} GROUP BY set_id {having} ORDER BY {which}(id) {order}"
    return [row["set_id"] for row in db.execute(query, values)]


def jobs_in_history(
    db: sqlite3.Connection,
    pipeline: PipelineName | None,
    history: int,
    projects: frozenset[str] = frozenset(),
    marker: int | None = None,
    reverse: bool = False,
) -> list[Job]:
    """Jobs of the current versions of pipelines and of `history` versions before each (negative: all), newest first."""
    if pipeline is not None:
        pipelines.get(db, pipeline)
    current = {
        PipelineName(row["project"], row["name"]): row["version"]
        for row in db.execute("SELECT project, name, version FROM pipeline WHERE current = 1")
    }
    found = []
    for job in jobs.listing(db, pipeline, marker, reverse):
        name = job.name.pipeline
        if projects and name.project not in projects:
            continue
        if name in current and (history < 0 or job.version >= current[name] - history):
            found.append(job)
    return found


def reads_all(db: sqlite3.Connection, job: Job, inputs: list[CommitName]) -> bool:
    """Whether each of the commits is in the direct provenance of a commit of the job's set."""
    query = (
        "SELECT 1 FROM commits c JOIN commit_provenance p ON p.downstream = c.id JOIN commits u ON u.id = p.upstream"
        " JOIN repo r ON r.id = u.repo"
        " WHERE c.set_id = ? AND u.set_id = ? AND r.project = ? AND r.name = ? AND r.type = ? LIMIT 1"
    )
    return all(
        db.execute(query, (job.name.id, name.id, name.repo.project, name.repo.name, name.repo.type)).fetchone()
        for name in inputs
    )
