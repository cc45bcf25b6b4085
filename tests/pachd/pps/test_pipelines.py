"""Pipelines from creation to deletion: repos, branches, versions, salts, jobs, refusals that leave nothing."""

from __future__ import annotations

import pytest

from workshop.pachd.errors import AlreadyExists, NotFound, PachydermError
from workshop.pachd.model import META, SPEC, BranchName, PipelineName
from workshop.pachd.pfs import commits
from workshop.pachd.pps import control, creation, jobs, logs, pipelines
from workshop.pachd.pps.records import JobState, PipelineState

from .conftest import pfs_input

NAME = PipelineName("default", "p")


def stop(verbs, name: str = "p") -> None:
    with verbs.pfs.transaction() as tx:
        control.stop(tx, PipelineName("default", name))


def start(verbs, name: str = "p") -> None:
    with verbs.pfs.transaction() as tx:
        control.start(tx, PipelineName("default", name))


def delete(verbs, *names: str, **how) -> None:
    with verbs.pfs.transaction() as tx:
        control.delete(tx, [PipelineName("default", name) for name in names], **how)


# ---------------------------------------------------------------- created
def test_a_pipeline_has_three_repos_a_spec_commit_and_a_job_at_once(verbs):
    verbs.repo("in")
    made = verbs.create("p", pfs_input("in"))
    assert verbs.repos() == ["in.user", "p.meta", "p.spec", "p.user"]
    assert verbs.provenance("p") == verbs.provenance("p", META) == ["default/in@master", "default/p.spec@master"]
    (job,) = verbs.jobs("p")
    assert job.name.id == made.spec_commit == verbs.head("p").id == verbs.head("p", META).id
    assert (job.version, job.state) == (1, JobState.CREATED)
    assert verbs.head("p").finished is None
    assert verbs.head("p", SPEC).finished is not None


def test_one_commit_makes_the_jobs_of_the_whole_dag(verbs):
    verbs.repo("in", commits=1)
    for name, source in (("a", "in"), ("b", "a"), ("c", "b")):
        verbs.create(name, pfs_input(source))
    id = verbs.commit("in")
    assert [verbs.jobs(name)[0].name.id for name in "abc"] == [id] * 3
    assert [len(verbs.jobs(name)) for name in "abc"] == [2, 2, 2]


def test_a_second_creation_is_refused_and_changes_nothing(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"), description="first")
    with pytest.raises(AlreadyExists, match='pipeline "default/p" already exists'):
        verbs.create("p", pfs_input("in"), description="second")
    assert verbs.pipeline("p").details["description"] == "first"
    assert len(verbs.jobs("p")) == 1


@pytest.mark.parametrize(
    ("input", "text"),
    [
        ({"cross": [pfs_input("in"), pfs_input("gone")]}, "repo default/gone not found"),
        (pfs_input("in", branch="a b"), "could not create/update output branch: name (a b) invalid: only"),
        (pfs_input("in", trigger={"size": "lots"}), "could not create/update trigger branch: invalid trigger size"),
        (
            {"cross": [pfs_input("in"), {"cron": {"name": "t", "spec": "x"}}]},
            "error parsing cron-spec: Expected exactly 5",
        ),
        ({"cross": [pfs_input("in"), pfs_input("in", name="o", branch="b")]}, "multiple branches from the same repo"),
    ],
)
def test_a_refusal_leaves_nothing(verbs, input, text):
    verbs.repo("in", commits=1)
    with pytest.raises(PachydermError) as refusal:
        verbs.create("p", input)
    assert text in refusal.value.text
    assert verbs.repos() == ["in.user"]
    assert verbs.jobs("p") == []


def test_a_name_that_a_repo_has_is_refused(verbs):
    verbs.repo("in", "p")
    with pytest.raises(PachydermError, match='"p" cannot be created because a repo with the same name already exists'):
        verbs.create("p", pfs_input("in"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.b", 'invalid ancestry syntax "a.b", cannot mix . and b characters'),
        ("a^", "error creating output repo for a^: name (a^) invalid: only alphanumeric characters"),
        ("a/b", "invalid pipeline name: name (a/b) invalid: only alphanumeric characters"),
    ],
)
def test_names_with_marks_of_ancestry(verbs, name, text):
    verbs.repo("in")
    with pytest.raises(PachydermError) as refusal:
        verbs.create(name, pfs_input("in"))
    assert refusal.value.text.startswith(text)


def test_a_missing_input_branch_is_made_in_the_jobs_commit_set(verbs):
    verbs.repo("in")
    made = verbs.create("p", pfs_input("in", branch="dev"))
    assert verbs.head("in", branch="dev").id == made.spec_commit


def test_a_cron_input_gets_its_tick_repo_which_goes_with_the_pipeline(verbs):
    verbs.create("p", {"cron": {"name": "tick", "spec": "@never"}})
    assert "p_tick.user" in verbs.repos()
    delete(verbs, "p")
    assert verbs.repos() == []


def test_a_spout_has_neither_meta_repo_nor_job_and_its_first_commit_is_finished(verbs):
    verbs.create("p", spout={})
    assert verbs.repos() == ["p.spec", "p.user"]
    assert verbs.jobs("p") == []
    assert verbs.head("p").finished is not None


def test_a_trigger_makes_the_branch_that_the_input_follows(verbs):
    verbs.repo("in", commits=1)
    verbs.create("p", pfs_input("in", trigger={"commits": 2}))
    assert "default/in@p-trigger-1" in verbs.provenance("p")
    counts = []
    for _ in range(4):
        verbs.commit("in")
        counts.append(len(verbs.jobs("p")))
    assert counts == [2, 2, 3, 3]  # the commit before the pipeline counts too


# ---------------------------------------------------------------- updated
def test_an_update_is_a_new_version_with_a_job_and_kills_the_old_ones(verbs):
    verbs.repo("in")
    first = verbs.create("p", pfs_input("in"))
    second = verbs.create("p", pfs_input("in", glob="/"), update=True)
    assert (first.version, second.version) == (1, 2)
    new, old = verbs.jobs("p")
    assert (new.version, new.state) == (2, JobState.CREATED)
    assert (old.state, old.reason) == (
        JobState.KILLED,
        "all jobs killed because pipeline was updated for user unknown_username",
    )
    assert verbs.head("p").id == new.name.id != old.name.id


def test_an_update_keeps_the_salt_and_reprocess_changes_it(verbs):
    verbs.repo("in")
    salts = [
        verbs.create("p", pfs_input("in"), update=True, **how).salt
        for how in ({}, {}, {"reprocess": True}, {"salt": "pepper"}, {"salt": "pepper", "reprocess": True})
    ]
    assert salts[0] == salts[1] != salts[2] == salts[3] != salts[4] != "pepper"
    assert verbs.create("q", pfs_input("in"), salt="pepper").salt == "pepper"


def test_an_update_of_a_stopped_pipeline_stays_stopped_and_makes_no_job(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    stop(verbs)
    made = verbs.create("p", pfs_input("in"), update=True)
    assert (made.stopped, made.state) == (True, PipelineState.PAUSED)
    assert len(verbs.jobs("p")) == 1
    start(verbs)
    assert [job.version for job in verbs.jobs("p")] == [2, 1]


def test_an_update_to_another_output_branch_is_refused(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    with pytest.raises(PachydermError, match=r"multiple branches from the same repo, \"default/p.*cannot participate"):
        verbs.create("p", pfs_input("in"), update=True, outputBranch="dev")
    assert verbs.pipeline("p").version == 1


def test_a_pipeline_cannot_read_itself(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    with pytest.raises(PachydermError, match="repo default/p cannot be in the provenance of its own branch"):
        verbs.create("p", pfs_input("p"), update=True)
    verbs.create("q", pfs_input("p"))
    with pytest.raises(PachydermError, match=r"cycle detected because default/q\.user@master is already in"):
        verbs.create("p", pfs_input("q"), update=True)


def test_a_transform_that_becomes_a_service_gets_no_more_meta_commits(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    verbs.create("p", pfs_input("in"), update=True, service={"internalPort": 80})
    before = verbs.head("p", META).id
    verbs.commit("in")
    assert verbs.head("p", META).id == before
    verbs.create("p", pfs_input("in"), update=True)
    assert verbs.head("p", META).id == verbs.head("p").id


def test_a_rerun_is_a_version_of_the_same_specification(verbs):
    verbs.repo("in")
    old = verbs.create("p", pfs_input("in"), description="d", datumTries=7)
    with verbs.pfs.transaction() as tx:
        new = creation.rerun(tx, NAME, reprocess=False)
    with verbs.pfs.transaction() as tx:
        again = creation.rerun(tx, NAME, reprocess=True)
    ignored = ("createdAt", "updatedAt", "salt")
    assert {k: v for k, v in new.details.items() if k not in ignored} == {
        k: v for k, v in old.details.items() if k not in ignored
    }
    assert new.salt == old.salt != again.salt
    assert (new.version, again.version) == (2, 3)


# ---------------------------------------------------------------- inspected and listed
def test_names_with_ancestry_name_older_versions(verbs):
    verbs.repo("in")
    for number in range(3):
        verbs.create("p", pfs_input("in"), update=True, description=str(number))
    assert [verbs.pipeline(name).version for name in ("p", "p^", "p^^", "p~2", "p^0", "p.0")] == [3, 2, 1, 1, 3, 3]
    for name, text in (
        ("p^3", 'pipeline "default/p" has only 3 versions, not enough to find ancestor 3'),
        ("p.1", "cannot inspect future pipelines"),
        ("p^~", 'invalid ancestry syntax "p^~", cannot mix ^ and ~ characters'),
    ):
        with pytest.raises(PachydermError) as refusal:
            verbs.pipeline(name)
        assert refusal.value.text == text


def test_a_pipeline_that_is_not_there_is_named_in_the_last_line(verbs):
    with pytest.raises(NotFound) as refusal:
        verbs.pipeline("nope")
    assert refusal.value.text.splitlines()[-1] == 'pipeline "default/nope" not found'


@pytest.mark.parametrize(
    ("history", "versions"), [(0, [3]), (1, [3, 2]), (2, [3, 2, 1]), (9, [3, 2, 1]), (-1, [3, 2, 1])]
)
def test_history_is_counted_from_the_newest_version(verbs, history, versions):
    verbs.repo("in")
    for _ in range(3):
        verbs.create("p", pfs_input("in"), update=True)
    with verbs.store.database.read() as db:
        assert [found.version for found in pipelines.listing(db, NAME, history)] == versions


def test_pipelines_are_listed_by_their_last_update_newest_first(verbs):
    verbs.repo("in")
    for name in "bac":
        verbs.create(name, pfs_input("in"))
    verbs.create("b", pfs_input("in"), update=True)
    with verbs.store.database.read() as db:
        assert [found.name.name for found in pipelines.listing(db)] == ["b", "c", "a"]


def test_the_version_at_a_commit_set(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    id = verbs.commit("in")
    verbs.create("p", pfs_input("in"), update=True)
    with verbs.store.database.read() as db:
        then = pipelines.at_commit_set(db, NAME, id)
        assert then is not None and then.version == 1
        assert pipelines.at_commit_set(db, NAME, "1" * 12 + "4" + "1" * 19) is None


# ---------------------------------------------------------------- stopped and started
def test_a_stopped_pipeline_gets_no_jobs_and_one_when_it_starts(verbs):
    verbs.repo("in", commits=1)
    verbs.create("p", pfs_input("in"))
    stop(verbs)
    assert [job.state for job in verbs.jobs("p")] == [JobState.KILLED]
    assert verbs.jobs("p")[0].reason == "all jobs killed because pipeline was stopped for user unknown_username"
    verbs.commit("in")
    verbs.commit("in")
    assert len(verbs.jobs("p")) == 1
    start(verbs)
    assert len(verbs.jobs("p")) == 2
    assert verbs.pipeline("p").stopped is False


def test_starting_without_a_change_makes_a_job_all_the_same(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    stop(verbs)
    start(verbs)
    assert len(verbs.jobs("p")) == 2


def test_stopping_what_is_not_there_is_no_fault_unless_it_must_exist(verbs):
    stop(verbs, "nope")
    with pytest.raises(NotFound), verbs.pfs.transaction() as tx:
        control.stop(tx, PipelineName("default", "nope"), must_exist=True)
    with pytest.raises(NotFound):
        start(verbs, "nope")


def test_a_commit_of_a_user_on_a_stopped_pipelines_output_makes_a_job(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    stop(verbs)
    with verbs.pfs.transaction() as tx:
        commits.start(tx, BranchName(NAME.repo(), "master"))
    assert verbs.jobs("p")[0].name.id == tx.set_id


def test_the_reader_of_a_stopped_pipeline_gets_no_jobs(verbs):
    verbs.repo("in")
    for name, source in (("a", "in"), ("b", "a"), ("c", "b")):
        verbs.create(name, pfs_input(source))
    stop(verbs, "b")
    verbs.commit("in")
    assert [len(verbs.jobs(name)) for name in "abc"] == [2, 1, 1]
    start(verbs, "b")
    assert [len(verbs.jobs(name)) for name in "abc"] == [2, 2, 2]


# ---------------------------------------------------------------- deleted
def test_deleting_takes_repos_jobs_and_the_inputs_subvenance(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    delete(verbs, "p")
    assert verbs.repos() == ["in.user"]
    assert verbs.jobs("p") == []
    assert verbs.create("p", pfs_input("in")).version == 1


def test_a_pipeline_with_a_reader_cannot_be_deleted_and_stays_whole(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    verbs.create("q", pfs_input("p"))
    with pytest.raises(PachydermError) as refusal:
        delete(verbs, "p")
    assert refusal.value.text == (
        'delete branch default/p@master: branch "default/p@master" cannot be deleted because it\'s in the direct'
        " provenance of [default/q@master default/q.meta@master]"
    )
    assert verbs.pipeline("p").stopped is False
    assert [job.state for job in verbs.jobs("p")] == [JobState.CREATED]


def test_force_leaves_the_reader_without_that_input(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    verbs.create("q", pfs_input("p"))
    delete(verbs, "p", force=True)
    assert verbs.provenance("q") == ["default/q.spec@master"]
    assert verbs.pipeline("q").details["input"]["pfs"]["repo"] == "p"


def test_keep_repo_keeps_the_output_as_a_plain_repo(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    verbs.create("q", pfs_input("p"))
    delete(verbs, "p", keep_repo=True)
    assert verbs.repos() == ["in.user", "p.user", "q.meta", "q.spec", "q.user"]
    assert verbs.provenance("p") == []
    before = len(verbs.jobs("q"))
    verbs.commit("p")
    assert len(verbs.jobs("q")) == before + 1


def test_pipelines_that_read_each_other_are_deleted_together(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    verbs.create("q", pfs_input("p"))
    delete(verbs, "p", "q")
    assert verbs.repos() == ["in.user"]


# ---------------------------------------------------------------- states
def test_a_state_that_comes_too_late_is_not_taken(verbs):
    verbs.repo("in")
    old = verbs.create("p", pfs_input("in"))
    new = verbs.create("p", pfs_input("in"), update=True)
    with verbs.pfs.transaction() as tx:
        assert not pipelines.set_state(tx.db, old, PipelineState.RUNNING)
        assert pipelines.set_state(tx.db, new, PipelineState.RUNNING)
    stop(verbs)
    with verbs.pfs.transaction() as tx:
        assert not pipelines.set_state(tx.db, new, PipelineState.RUNNING)
    assert verbs.pipeline("p").state == PipelineState.PAUSED


def test_two_pipelines_in_one_transaction_share_a_commit_set(verbs):
    verbs.repo("in", commits=1)
    from workshop.pachd.pps import defaults

    texts = (
        '{"pipeline": {"name": "p"}, "input": {"pfs": {"repo": "in", "glob": "/"}}}',
        '{"pipeline": {"name": "q"}, "input": {"pfs": {"repo": "p", "glob": "/"}}}',
    )
    with verbs.pfs.transaction() as tx:
        for text in texts:
            creation.create(tx, defaults.effective(tx.db, text))
    assert [job.name.id for name in "pq" for job in verbs.jobs(name)] == [tx.set_id] * 2
    with verbs.store.database.read() as db:
        assert len(jobs.unfinished(db)) == 2


# ---------------------------------------------------------------- words
def notes(verbs, name: str = "p") -> list[str]:
    with verbs.store.database.read() as db:
        return [line.message for line in logs.read(db, PipelineName("default", name), master=True)]


def test_an_update_of_the_code_without_reprocess_is_explained_in_the_log(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    verbs.create("p", pfs_input("in"), update=True, reprocess=True, transform={"cmd": ["false"]})
    assert notes(verbs) == []
    verbs.create("p", pfs_input("in"), update=True, transform={"cmd": ["sh"]})
    (text,) = notes(verbs)
    assert text.startswith("note: transform.cmd changed, but datums that version 2 processed are skipped")


def test_translations_and_empty_keys_are_explained_in_the_log(verbs):
    verbs.repo("a", "b")
    verbs.create("p", {"join": [{"atom": {"repo": name, "glob": "/*"}} for name in "ab"]}, standby=True)
    found = notes(verbs)
    assert sum("translated" in text for text in found) == 3
    assert sum("has no join_on" in text for text in found) == 2
