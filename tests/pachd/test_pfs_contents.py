"""What a commit holds while its parents change, and what is wrong with it: verbs on a real store, without the wire."""

from __future__ import annotations

import sqlite3

import pytest

from workshop.pachd import errors
from workshop.pachd.model import BranchName, CommitHandle, RepoName
from workshop.pachd.pfs import Pfs, branches, commits, contents, fsck, modify, repos, rows, squash
from workshop.pachd.store import Store
from workshop.pachd.store.blobs import Content, digest
from workshop.pachd.store.trees import Delete, Put

A, B = (RepoName("default", name) for name in "ab")


@pytest.fixture
def pfs(tmp_path):
    store = Store(tmp_path / "state")
    yield Pfs(store)
    store.close()


def content(text: str) -> Content:
    return Content(len(text), (digest(text.encode()),) if text else ())


def write(tx, commit, *edits):
    """Edit an open commit: ("/path", "text") or ("/path", None)."""
    commit = rows.commit_by_row(tx.db, commit.row)
    changes = [Delete(p) if text is None else Put(p, tag[0] if tag else "", content(text)) for p, text, *tag in edits]
    commits.set_content(tx, commit, tx.store.trees(tx.db).edit(commit.root, changes))


def files(pfs, commit) -> dict[str, int]:
    with pfs.store.database.read() as db:
        root = commits.content(db, rows.commit_by_row(db, commit.row))
        walked = pfs.store.trees(db).walk(root)
        return {e.path: int.from_bytes(e.value[:8], "big") for e in walked if not e.is_directory}


def seen(pfs, commit) -> rows.Commit:
    with pfs.store.database.read() as db:
        return rows.commit_by_row(db, commit.row)


def start(pfs, repo=A, *edits, on="master", parent=None):
    with pfs.transaction() as tx:
        commit = commits.start(tx, BranchName(repo, on), parent)
        write(tx, commit, *edits)
        return commit


def finish(pfs, commit, error=""):
    with pfs.transaction() as tx:
        commits.finish(tx, commit, error)


def put(pfs, repo, *edits, on="master"):
    commit = start(pfs, repo, *edits, on=on)
    finish(pfs, commit)
    return commit


@pytest.fixture
def chained(pfs):
    """b@master depends on a@master; b's first commit is open."""
    with pfs.transaction() as tx:
        repos.create(tx, A)
        repos.create(tx, B)
        branches.create(tx, BranchName(B, "master"), [(BranchName(A, "master"), False)])
    with pfs.store.database.read() as db:
        return commits.resolve(db, CommitHandle(B, "master"))


def test_an_open_commit_shows_its_base_and_what_was_written(pfs, chained):
    put(pfs, A, ("/f", "one"))
    second = start(pfs, A, ("/g", "three"))
    assert files(pfs, second) == {"/f": 3, "/g": 5}
    assert seen(pfs, second).size == 0
    finish(pfs, second)
    assert seen(pfs, second).size == 8


def test_what_was_written_on_an_unfinished_base_is_put_on_top_of_what_that_becomes(pfs, chained):
    put(pfs, A, ("/f", "x"))
    with pfs.store.database.read() as db:
        second = commits.resolve(db, CommitHandle(B, "master"))
    assert second.row != chained.row
    with pfs.transaction() as tx:
        write(tx, second, ("/own", "four"))
    with pytest.raises(errors.PachydermError, match=f"base commit {chained.name} for commit {second.name} unfinished"):
        files(pfs, second)
    with pfs.transaction() as tx:
        write(tx, chained, ("/below", "five5"))
    finish(pfs, chained)
    assert files(pfs, second) == {"/below": 5, "/own": 4}


def test_a_directory_of_a_commit_on_an_unfinished_base_cannot_be_deleted_and_its_files_can(pfs, chained):
    put(pfs, A, ("/f", "x"))
    target = CommitHandle(B, "master")
    with pytest.raises(errors.PachydermError, match=f"base commit {chained.name} for commit .* unfinished"):
        modify.modify(pfs, target, lambda changes: changes.delete("/d/"))
    modify.modify(pfs, target, lambda changes: changes.delete("/d"))


def test_a_commit_stays_finishing_until_its_base_is_finished(pfs, chained):
    put(pfs, A, ("/f", "x"))
    with pfs.store.database.read() as db:
        second = commits.resolve(db, CommitHandle(B, "master"))
    finish(pfs, second)
    assert (seen(pfs, second).finishing is not None, seen(pfs, second).finished) == (True, None)
    with pfs.transaction() as tx:
        write(tx, chained, ("/below", "five5"))
    finish(pfs, chained)
    assert seen(pfs, second).finished is not None
    assert files(pfs, second) == {"/below": 5}
    with pfs.store.database.read() as db:
        assert list(fsck.check(pfs.store, db)) == []


def test_children_do_not_build_on_a_commit_with_an_error(pfs, chained):
    put(pfs, A, ("/f", "good"))
    bad = start(pfs, A, ("/bad", "worse"))
    finish(pfs, bad, "broken")
    assert (seen(pfs, bad).size, seen(pfs, bad).compacting) == (0, None)
    assert files(pfs, bad) == {"/f": 4, "/bad": 5}
    assert files(pfs, put(pfs, A, ("/g", "x"))) == {"/f": 4, "/g": 1}


def test_validation_names_the_first_collision_by_path(pfs, chained):
    commit = put(pfs, A, ("/z", "1"), ("/z/x", "2"), ("/b", "1"), ("/b/c", "2"))
    assert seen(pfs, commit).error == "file / directory path collision (/b/c)"
    assert seen(pfs, commit).size == 4
    again = put(pfs, A, ("/d", "1", "one"), ("/d", "2", "two"))
    assert seen(pfs, again).error == "duplicate path output by different datums (/d from one and /d from two)"
    assert files(pfs, put(pfs, A, ("/ok", "1"))) == {"/ok": 1}


def test_a_squash_leaves_the_children_their_content_and_their_own_changes(pfs, chained):
    first = put(pfs, A, ("/f", "1"), on="side")
    second = put(pfs, A, ("/f", None), ("/g", "22"), on="side")
    third = put(pfs, A, ("/h", "333"), on="side")
    with pfs.transaction() as tx:
        squash.squash_set(tx, second.id)
    assert files(pfs, third) == {"/g": 2, "/h": 3}
    after = seen(pfs, third)
    assert after.parent == first.row
    with pfs.store.database.read() as db:
        assert contents.differs(pfs.store, db, after.base, after.root, "/h")
        assert not contents.differs(pfs.store, db, after.base, after.root, "/g")


def test_what_was_built_through_an_error_is_built_anew_when_its_base_is_squashed(pfs, chained):
    """A commit with an error, and an open one on top of it, show what their base holds, and lose it with the base."""
    put(pfs, A, ("/f", "1"), on="side")
    base = put(pfs, A, ("/g", "22"), on="side")
    bad = start(pfs, A, ("/bad", "333"), on="side")
    finish(pfs, bad, "broken")
    last = start(pfs, A, ("/h", "4444"), on="side")
    assert (files(pfs, bad), files(pfs, last)) == ({"/f": 1, "/g": 2, "/bad": 3}, {"/f": 1, "/g": 2, "/h": 4})
    with pfs.transaction() as tx:
        squash.squash_set(tx, base.id)
    assert (files(pfs, bad), files(pfs, last)) == ({"/f": 1, "/bad": 3}, {"/f": 1, "/h": 4})
    with pfs.store.database.read() as db:
        assert list(fsck.check(pfs.store, db)) == []


def test_an_open_commit_loses_a_base_in_a_repo_that_is_deleted(pfs, chained):
    other = RepoName("default", "other")
    with pfs.transaction() as tx:
        repos.create(tx, other)
    put(pfs, other, ("/f", "1"))
    last = start(pfs, A, ("/g", "22"), on="side", parent=CommitHandle(other, "master"))
    assert files(pfs, last) == {"/f": 1, "/g": 2}
    with pfs.transaction() as tx:
        repos.delete(tx, other)
    assert files(pfs, last) == {"/g": 2}
    with pfs.store.database.read() as db:
        assert list(fsck.check(pfs.store, db)) == []


def test_a_cleared_commit_is_as_at_its_start(pfs, chained):
    put(pfs, A, ("/f", "1"))
    commit = start(pfs, A, ("/f", None), ("/g", "2"))
    with pfs.transaction() as tx:
        commits.clear(tx, CommitHandle(A, id=commit.id))
    assert files(pfs, commit) == {"/f": 1}


def test_a_file_differs_by_its_exact_path_alone(pfs, chained):
    first = put(pfs, A, ("/d/f", "1"), ("/e", "1"))
    second = put(pfs, A, ("/d/f", "2"))
    with pfs.store.database.read() as db:
        old, new = (rows.commit_by_row(db, commit.row).root for commit in (first, second))
        found = [p for p in ("/d/f", "d/f", "/d", "/d/", "/", "", "/e") if contents.differs(pfs.store, db, old, new, p)]
    assert found == ["/d/f"]


def test_a_write_that_fails_leaves_nothing_behind(pfs, chained):
    with pytest.raises(errors.PachydermError, match="output branch"):
        with pfs.transaction() as tx:
            commits.start(tx, BranchName(A, "master"))
            finish_first = rows.commit_by_row(tx.db, chained.row)
            commits.finish(tx, finish_first)
            commits.start(tx, BranchName(B, "master"))
    assert seen(pfs, chained).finished is None
    with pfs.store.database.read() as db:
        assert rows.find_branch(db, BranchName(A, "master")).head != 0
        assert [c.origin for c in rows.commits(db, "WHERE repo.name = 'a'")] == [rows.AUTO]


# ------------------------------------------------------------------ fsck


DAMAGE = {
    "the parent of a commit is gone": "UPDATE commits SET parent = 999 WHERE id = :last",
    "a commit is its own ancestor": "UPDATE commits SET parent = :last WHERE id = :first",
    "a branch's head is gone": "UPDATE branch SET head = 999 WHERE name = 'master' AND repo = 1",
    "a branch's head is of another repo": "UPDATE branch SET head = :other WHERE name = 'master' AND repo = 1",
    "provenance names a commit that is gone": "INSERT INTO commit_provenance VALUES (:last, 999)",
    "a branch depends on one that is gone": "INSERT INTO branch_provenance VALUES (1, 999, 0, 0)",
    "a trigger watches a branch that is gone": """UPDATE branch SET trigger = '{"branch": "gone"}' WHERE id = 1""",
    "a size is wrong": "UPDATE commits SET size = 77 WHERE id = :last",
    "a commit was left finishing": "UPDATE commits SET finished = NULL WHERE id = :last",
    "a finished commit was never finishing": "UPDATE commits SET finishing = NULL WHERE id = :last",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_fsck_finds_damage_and_puts_it_right(pfs, chained, damage):
    first, last = put(pfs, A, ("/f", "1")), put(pfs, A, ("/g", "22"))
    with pfs.store.database.read() as db:
        assert list(fsck.check(pfs.store, db)) == []
    raw = sqlite3.connect(pfs.store.folder / "pachd.sqlite")
    raw.execute(DAMAGE[damage], {"first": first.row, "last": last.row, "other": chained.row})
    raw.commit()
    raw.close()
    with pfs.store.database.read() as db:
        found = [fault.text for fault in fsck.check(pfs.store, db)]
    assert found
    assert all(text.startswith("consistency error: ") for text in found)
    with pfs.transaction() as tx:
        assert all(done for _, done in fsck.repair(tx))
    with pfs.store.database.read() as db:
        assert [fault.text for fault in fsck.check(pfs.store, db)] == []


def test_fsck_tells_of_a_cycle_that_only_a_person_can_cut(pfs, chained):
    raw = sqlite3.connect(pfs.store.folder / "pachd.sqlite")
    raw.execute("INSERT INTO branch_provenance SELECT upstream, downstream, 0, 0 FROM branch_provenance")
    raw.commit()
    raw.close()
    with pfs.store.database.read() as db:
        found = list(fsck.check(pfs.store, db))
    assert {fault.text for fault in found} == {
        "consistency error: branch default/a@master is in its own provenance",
        "consistency error: branch default/b@master is in its own provenance",
    }
    assert not any(fault.fix for fault in found)
