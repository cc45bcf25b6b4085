"""Jobs: states, ends, stops, deletions, what squash and drop do to them, and their lists."""

from __future__ import annotations

import pytest

from workshop.pachd.errors import NotFound, PachydermError
from workshop.pachd.model import META, USER, CommitName, JobName, PipelineName, RepoName
from workshop.pachd.pfs import rows, squash
from workshop.pachd.pps import jobs, jobsets
from workshop.pachd.pps.records import Counters, JobState

from .conftest import pfs_input

P = PipelineName("default", "p")


@pytest.fixture
def job(verbs):
    """The first job of a pipeline p over an input with one commit."""
    verbs.repo("in", commits=1)
    verbs.create("p", pfs_input("in"))
    return verbs.jobs("p")[0]


def commit(verbs, job, type=USER):
    with verbs.store.database.read() as db:
        return rows.find_commit(db, job.commit(type))


def test_a_job_goes_from_state_to_state_and_remembers_when(verbs, job):
    for state in (JobState.STARTING, JobState.RUNNING, JobState.FINISHING):
        with verbs.pfs.transaction() as tx:
            assert jobs.set_state(tx, job, state)
    found = verbs.job("p", job.name.id)
    assert found.state == JobState.FINISHING
    assert found.started is not None and found.finished is None


def test_a_job_that_ends_before_it_ran_has_started_when_it_ended(verbs, job):
    with verbs.pfs.transaction() as tx:
        jobs.stop(tx, job.name)
    found = verbs.job("p", job.name.id)
    assert found.started == found.finished == tx.now


def test_a_worker_of_its_own_tells_counters_and_statistics(verbs, job):
    with verbs.pfs.transaction() as tx:
        stats = {"process_time": 7, "upload_bytes": 5}
        jobs.update_state(tx, job.name, JobState.RUNNING, "why", Counters(total=3), 2, stats)
    found = verbs.job("p", job.name.id)
    assert (found.state, found.reason, found.restart) == (JobState.RUNNING, "why", 2)
    assert (found.counters.total, found.stats) == (3, stats)


def test_a_success_finishes_both_commits_without_error(verbs, job):
    with verbs.pfs.transaction() as tx:
        jobs.set_counters(tx, job, Counters(processed=2, total=3, skipped=1), {"upload_bytes": 5})
        assert jobs.finish(tx, job, JobState.SUCCESS)
    found = verbs.job("p", job.name.id)
    assert (found.state, found.counters.processed, found.stats) == (JobState.SUCCESS, 2, {"upload_bytes": 5})
    for type in (USER, META):
        assert commit(verbs, job, type).finished is not None
        assert commit(verbs, job, type).error == ""


def test_a_failure_is_the_error_of_both_commits(verbs, job):
    verbs.finish("p", JobState.FAILURE, "datum x failed")
    assert verbs.job("p", job.name.id).reason == "datum x failed"
    assert {commit(verbs, job, type).error for type in (USER, META)} == {"datum x failed"}


def test_whoever_ends_a_job_first_decides(verbs, job):
    with verbs.pfs.transaction() as tx:
        jobs.stop(tx, job.name)
    with verbs.pfs.transaction() as tx:
        assert not jobs.finish(tx, job, JobState.SUCCESS)
        assert not jobs.set_state(tx, job, JobState.RUNNING)
    found = verbs.job("p", job.name.id)
    assert (found.state, found.reason) == (JobState.KILLED, "job stopped")


def test_stopping_a_job_that_is_over_changes_nothing(verbs, job):
    verbs.finish("p")
    with verbs.pfs.transaction() as tx:
        jobs.stop(tx, job.name, "too late")
    assert verbs.job("p", job.name.id).state == JobState.SUCCESS


def test_a_deleted_job_is_gone_and_its_commits_are_finished(verbs, job):
    with verbs.pfs.transaction() as tx:
        jobs.delete(tx, job.name)
    assert commit(verbs, job).error == "job deleted"
    with pytest.raises(NotFound) as refusal:
        verbs.job("p", job.name.id)
    assert refusal.value.text == f"jobs default/p@{job.name.id} not found"


def test_a_worker_cannot_change_a_job_that_is_over(verbs, job):
    verbs.finish("p")
    with pytest.raises(PachydermError, match=r"job default/p@\w+ has already finished"), verbs.pfs.transaction() as tx:
        jobs.update_state(tx, job.name, JobState.RUNNING, "", Counters(), 0)


def test_dropping_a_commit_set_kills_its_jobs_which_stay_listed(verbs, job):
    verbs.finish("p")
    id = verbs.commit("in")
    with verbs.pfs.transaction() as tx:
        squash.drop_set(tx, id)
    killed = verbs.job("p", id)
    assert (killed.state, killed.reason) == (JobState.KILLED, "output commit removed")
    with verbs.store.database.read() as db:
        assert [found.name.id for found in jobsets.inspect(db, id)] == [id]
        assert jobs.unfinished(db) == []


# ---------------------------------------------------------------- lists
def test_jobs_are_listed_newest_first_and_behind_a_marker(verbs, job):
    ids = [job.name.id] + [verbs.commit("in") for _ in range(4)]
    newest_first = ids[::-1]
    with verbs.store.database.read() as db:
        found = list(jobs.listing(db, P))
        marker = found[2].created

        def listed(**how) -> list[str]:
            return [each.name.id for each in jobs.listing(db, P, **how)]

        assert listed() == newest_first
        assert listed(reverse=True) == ids
        assert listed(marker=marker) == newest_first[3:]
        assert listed(marker=marker, reverse=True) == ids[3:]
        assert jobsets.listing(db) == newest_first
        assert jobsets.listing(db, reverse=True) == ids
        assert jobsets.listing(db, marker=marker) == newest_first[3:]
        assert jobsets.listing(db, marker=marker, reverse=True) == ids[3:]
        assert jobsets.listing(db, frozenset({"elsewhere"})) == []


def test_jobs_of_older_versions_are_listed_by_history(verbs, job):
    for _ in range(2):
        verbs.create("p", pfs_input("in"), update=True)
    with verbs.store.database.read() as db:
        for history, versions in ((0, [3]), (1, [3, 2]), (9, [3, 2, 1]), (-1, [3, 2, 1])):
            assert [found.version for found in jobsets.jobs_in_history(db, P, history)] == versions
        with pytest.raises(NotFound, match='pipeline "default/nope" not found'):
            jobsets.jobs_in_history(db, PipelineName("default", "nope"), 0)


def test_jobs_of_a_set_come_upstream_first_whatever_the_pipelines_are_called(verbs):
    verbs.repo("in", commits=1)
    for name, source in (("c", "in"), ("a", "c"), ("b", "a")):
        verbs.create(name, pfs_input(source))
    id = verbs.commit("in")
    with verbs.store.database.read() as db:
        assert [found.name.pipeline.name for found in jobsets.inspect(db, id)] == ["c", "a", "b"]
        assert jobsets.inspect(db, "nope") == []


def test_jobs_chosen_by_the_commits_that_they_read(verbs):
    verbs.repo("a", "b", commits=1)
    verbs.create("p", {"cross": [pfs_input("a"), pfs_input("b")]})
    first = verbs.commit("a")
    second = verbs.commit("b")
    a, b = (CommitName(RepoName("default", repo), id) for repo, id in (("a", first), ("b", second)))
    with verbs.store.database.read() as db:

        def reading(*names) -> list[str]:
            return [found.name.id for found in jobs.listing(db, P) if jobsets.reads_all(db, found, list(names))]

        assert reading(a) == [second, first]
        assert reading(b) == [second]
        assert reading(a, b) == [second]
        assert reading(CommitName(RepoName("default", "nope"), first)) == []


def test_the_state_of_the_last_job(verbs, job):
    verbs.finish("p")
    verbs.commit("in")
    verbs.finish("p", JobState.FAILURE, "x")
    with verbs.store.database.read() as db:
        assert jobs.latest_state(db, P) == JobState.FAILURE
        assert jobs.latest_state(db, PipelineName("default", "nope")) == 0
        assert jobs.find(db, JobName(P, "nope")) is None
