"""A store with the verbs on it, in this process: no server, no workers. Jobs end when a test says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from workshop.pachd.model import USER, BranchName, JobName, PipelineName, RepoName
from workshop.pachd.pfs import Pfs, branches, commits, repos, rows
from workshop.pachd.pps import creation, defaults, jobs, pipelines
from workshop.pachd.pps.records import Job, JobState, Pipeline
from workshop.pachd.store import Store


def pfs_input(repo: str, **more) -> dict:
    return {"pfs": {"repo": repo, "glob": "/*", **more}}


class Verbs:
    """Short forms of the verbs, each in a transaction of its own."""

    def __init__(self, store: Store) -> None:
        self.store, self.pfs = store, Pfs(store)
        self.pfs.at_end += [jobs.create_for_set, jobs.kill_orphans]

    # -------------------------------------------------------- data
    def repo(self, *names: str, commits: int = 0) -> None:
        for name in names:
            with self.pfs.transaction() as tx:
                repos.create(tx, RepoName("default", name))
            for _ in range(commits):
                self.commit(name)

    def commit(self, repo: str, branch: str = "master") -> str:
        """An empty commit on a branch; its id."""
        with self.pfs.transaction() as tx:
            commits.finish(tx, commits.start(tx, BranchName(RepoName("default", repo), branch)))
            return tx.set_id

    def head(self, repo: str, type: str = USER, branch: str = "master") -> rows.Commit:
        with self.store.database.read() as db:
            found = rows.branch(db, BranchName(RepoName("default", repo, type), branch))
            return rows.commit_by_row(db, found.head)

    def repos(self) -> list[str]:
        with self.store.database.read() as db:
            return sorted(f"{repo.name.name}.{repo.name.type}" for repo in repos.list_(db))

    def provenance(self, repo: str, type: str = USER, branch: str = "master") -> list[str]:
        with self.store.database.read() as db:
            found = rows.branch(db, BranchName(RepoName("default", repo, type), branch))
            return sorted(str(upstream.name) for upstream, _ in branches.direct_provenance(db, found.row))

    # -------------------------------------------------------- pipelines
    def create(
        self, name: str, input: dict | None = None, update: bool = False, reprocess: bool = False, **more
    ) -> Pipeline:
        document = {"pipeline": {"name": name}, "transform": {"cmd": ["true"]}, **more}
        if input is not None:
            document["input"] = input
        with self.pfs.transaction() as tx:
            return creation.create(tx, defaults.effective(tx.db, json.dumps(document), update, reprocess))

    def pipeline(self, name: str) -> Pipeline:
        with self.store.database.read() as db:
            return pipelines.inspect(db, PipelineName("default", name))

    # -------------------------------------------------------- jobs
    def jobs(self, name: str) -> list[Job]:
        """Newest first."""
        with self.store.database.read() as db:
            return jobs.of_pipeline(db, PipelineName("default", name))

    def job(self, name: str, id: str) -> Job:
        with self.store.database.read() as db:
            return jobs.get(db, JobName(PipelineName("default", name), id))

    def finish(self, name: str, state: JobState = JobState.SUCCESS, reason: str = "") -> None:
        """End all jobs of a pipeline that are not over, oldest first."""
        with self.pfs.transaction() as tx:
            for job in jobs.unfinished(tx.db, PipelineName("default", name)):
                jobs.finish(tx, job, state, reason)


@pytest.fixture
def verbs(tmp_path: Path) -> Iterator[Verbs]:
    store = Store(tmp_path / "state")
    yield Verbs(store)
    store.close()
