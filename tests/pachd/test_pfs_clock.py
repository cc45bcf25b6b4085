"""Branches that follow by the clock; the time is the test's."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from workshop.pachd.model import BranchName, CommitHandle, RepoName
from workshop.pachd.pfs import Pfs, branches, commits, repos, rows
from workshop.pachd.pfs.clock import LONGEST_SLEEP, Clock
from workshop.pachd.store import Store

R, BELOW = RepoName("default", "r"), RepoName("default", "below")
STAGING, MASTER = BranchName(R, "staging"), BranchName(R, "master")


@pytest.fixture
def pfs(tmp_path):
    store = Store(tmp_path / "state")
    pfs = Pfs(store)
    with pfs.transaction() as tx:
        repos.create(tx, R)
        repos.create(tx, BELOW)
    with pfs.transaction() as tx:
        branches.create(tx, STAGING)
    trigger(pfs, "@every 1h")
    yield pfs
    store.close()


def trigger(pfs, spec):
    with pfs.transaction() as tx:
        branches.create(tx, MASTER, trigger={"branch": "staging", "cron_spec": spec})


def put(pfs) -> int:
    with pfs.transaction() as tx:
        commit, _ = commits.write_target(tx, CommitHandle(R, "staging"))
        commits.finish(tx, commit)
        return commit.row


def head(pfs, name=MASTER) -> rows.Commit:
    with pfs.store.database.read() as db:
        return rows.commit_by_row(db, rows.branch(db, name).head)


def later(pfs, **delta) -> datetime:
    """A time after the start of master's first commit."""
    with pfs.store.database.read() as db:
        first = next(rows.commits(db, "WHERE commits.branch = 'master' ORDER BY commits.id"))
    return datetime.fromtimestamp(first.started / 1e9, timezone.utc) + timedelta(**delta)


def test_a_branch_follows_at_the_tick_and_not_before(pfs):
    clock, new = Clock(pfs), put(pfs)
    before = head(pfs).row
    pause = clock.tick(later(pfs, minutes=59))
    assert head(pfs).row == before != new
    assert 0 < pause <= 60
    clock.tick(later(pfs, minutes=60, seconds=1))
    assert head(pfs).row == new


def test_ticks_that_were_missed_come_as_one_at_once(pfs):
    clock, new = Clock(pfs), put(pfs)
    pause = clock.tick(later(pfs, days=3, minutes=10))
    assert head(pfs).row == new
    assert pause <= 3600
    put(pfs)
    clock.tick(later(pfs, days=3, minutes=20))
    assert head(pfs).row == new, "the next tick is counted from now on"


def test_a_tick_without_news_makes_no_commits_downstream(pfs):
    with pfs.transaction() as tx:
        branches.create(tx, BranchName(BELOW, "master"), [(MASTER, False)])
    clock = Clock(pfs)
    put(pfs)
    clock.tick(later(pfs, hours=2))
    below = head(pfs, BranchName(BELOW, "master"))
    assert below.id != head(pfs).id, "what a trigger moves downstream is a set of its own"
    clock.tick(later(pfs, hours=4))
    assert head(pfs, BranchName(BELOW, "master")) == below


def test_a_new_spec_counts_and_the_old_one_is_forgotten(pfs):
    clock, new = Clock(pfs), put(pfs)
    clock.tick(later(pfs, minutes=1))
    trigger(pfs, "@yearly")
    clock.tick(later(pfs, hours=2))
    assert head(pfs).row != new
    trigger(pfs, "@every 1h")
    clock.tick(later(pfs, hours=2))
    assert head(pfs).row == new


def test_without_cron_triggers_the_clock_sleeps(pfs):
    with pfs.transaction() as tx:
        branches.delete(tx, MASTER, force=True)
    assert Clock(pfs).tick(datetime.now(timezone.utc)) == LONGEST_SLEEP


def test_the_thread_wakes_for_a_trigger_that_is_made_while_it_sleeps(pfs):
    clock = Clock(pfs)
    clock.start()
    try:
        new = put(pfs)
        trigger(pfs, "@every 1s")
        moved = pfs.store.changes.wait_for(lambda: True if head(pfs).row == new else None, timeout=20)
        assert moved
    finally:
        clock.stop()
    assert not clock.is_alive()
