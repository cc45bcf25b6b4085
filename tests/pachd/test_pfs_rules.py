"""Rules of projects, repos, branches, commits and triggers, as clients see them."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf import wrappers_pb2
from pachd.place import INTERNAL, NOT_FOUND, UNKNOWN, place
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pb
from python_pachyderm.proto.v2.transaction import transaction_pb2 as tx_pb

from workshop.pachd.wire.schema import metadata, pfs_v2

__all__ = ["place"]  # a fixture

# ------------------------------------------------------------------ repos


def test_the_size_of_a_repo_is_that_of_masters_head_and_nothing_while_that_is_open(place):
    place.repos("r")
    place.put("r", 5)
    place.put("r", 500, on="other")
    inspect = pb.InspectRepoRequest(repo=place.repo("r"))
    assert place.pfs.InspectRepo(inspect).details.size_bytes == 5
    (listed,) = place.pfs.ListRepo(pb.ListRepoRequest(type="user", projects=[pb.Project(name=place.project)]))
    assert (listed.size_bytes_upper_bound, listed.HasField("details")) == (5, False)
    place.pfs.StartCommit(pb.StartCommitRequest(branch=place.branch("r")))
    assert place.pfs.InspectRepo(inspect).details.size_bytes == 0
    place.finish("r", on="master", error="broken")
    assert place.pfs.InspectRepo(inspect).details.size_bytes == 0


def test_a_repo_that_others_depend_on_is_deleted_by_force_alone(place):
    place.repos("a", "b", "c")
    place.on("b", "a")
    place.on("c", "a")
    place.refused(
        place.pfs.DeleteRepo,
        pb.DeleteRepoRequest(repo=place.repo("a")),
        UNKNOWN,
        'delete repo: delete branch P/a@master: branch "P/a@master" cannot be deleted because '
        "it's in the direct provenance of [P/b@master P/c@master]",
    )
    place.pfs.DeleteRepo(pb.DeleteRepoRequest(repo=place.repo("a"), force=True))
    info = place.pfs.InspectBranch(pb.InspectBranchRequest(branch=place.branch("b")))
    assert not info.provenance
    assert not place.inspect("b", on="master").direct_provenance


def test_of_several_branches_that_hold_a_repo_back_the_oldest_is_named(place):
    place.repos("r")
    place.on("r", on="watched")
    place.on("r", on="follower", trigger=pb.Trigger(branch="watched", commits=1))
    place.refused(
        place.pfs.DeleteRepo,
        pb.DeleteRepoRequest(repo=place.repo("r")),
        UNKNOWN,
        'delete repo: delete branch P/r@watched: branch "P/r@watched" cannot be deleted because '
        "it is triggered by branches [P/r@follower]",
    )


def test_dependencies_within_one_deletion_do_not_matter(place):
    place.repos("a", "b")
    place.on("b", "a")
    deleted = place.pfs.DeleteRepos(pb.DeleteReposRequest(projects=[pb.Project(name=place.project)]))
    assert sorted(repo.name for repo in deleted.repos) == ["a", "b"]
    assert len(place.pfs.DeleteRepos(pb.DeleteReposRequest()).repos) == 0


def test_a_summary_counts_the_user_repos_of_projects_that_have_some(place):
    place.repos("a", "b")
    place.put("a", 7)
    request = pfs_v2.ReposSummaryRequest()
    for name in (place.project, "nowhere"):
        request.projects.add().name = name
    answer = pfs_v2.ReposSummaryResponse.FromString(place.wire("ReposSummary", request))
    assert [(s.project.name, s.user_repo_count, s.size_bytes) for s in answer.summaries] == [(place.project, 2, 7)]


def test_repos_come_in_pages_by_name(place):
    place.repos("c", "a", "b")
    request = pfs_v2.ListRepoRequest(type="user")
    request.projects.add().name = place.project
    request.page.page_size, request.page.page_index = 2, 1
    assert [pb.RepoInfo.FromString(m).repo.name for m in place.wire("ListRepo", request, stream=True)] == ["c"]


# ------------------------------------------------------------------ branches


def test_a_cycle_of_branches_is_refused(place):
    place.repos("a", "b", "c")
    place.on("b", "a")
    place.on("c", "b")
    place.refused(
        place.pfs.CreateBranch,
        pb.CreateBranchRequest(branch=place.branch("a"), provenance=[place.branch("c")]),
        INTERNAL,
        "create branch: update head: cycle detected because P/c.user@master is already in the subvenance of "
        "P/a.user@master",
    )


def test_a_branch_made_again_loses_its_provenance_and_keeps_its_trigger(place):
    place.repos("a", "b")
    place.on("b", "a")
    head = place.head("b")
    place.on("b")
    info = place.pfs.InspectBranch(pb.InspectBranchRequest(branch=place.branch("b")))
    assert (len(info.direct_provenance), info.head.id) == (0, head)
    place.on("a", on="watched")
    place.on("a", on="follows", trigger=pb.Trigger(branch="watched", commits=2))
    place.on("a", on="follows")
    info = place.pfs.InspectBranch(pb.InspectBranchRequest(branch=place.branch("a", "follows")))
    assert (info.trigger.branch, info.trigger.commits) == ("watched", 2)


def test_branches_tied_by_a_trigger_are_deleted_by_force_alone(place):
    place.repos("r")
    place.on("r", on="staging")
    place.on("r", trigger=pb.Trigger(branch="staging", commits=1))
    for name, words in (
        ("staging", "it is triggered by branches [P/r@master]"),
        ("master", "it triggers branches [P/r@staging]"),
    ):
        place.refused(
            place.pfs.DeleteBranch,
            pb.DeleteBranchRequest(branch=place.branch("r", name)),
            UNKNOWN,
            f'branch "P/r@{name}" cannot be deleted because {words}',
        )
    place.pfs.DeleteBranch(pb.DeleteBranchRequest(branch=place.branch("r", "staging"), force=True))
    info = place.pfs.InspectBranch(pb.InspectBranchRequest(branch=place.branch("r")))
    assert not info.HasField("trigger")


def test_moving_a_head_back_makes_new_commits_downstream(place):
    place.repos("a", "b")
    place.on("b", "a")
    place.finish("b", on="master")
    first = place.put("a", 1).commit.id
    place.finish("b", on="master")
    place.put("a", 2)
    place.finish("b", on="master")
    place.on("a", head=place.at("a", first))
    below = place.inspect("b", on="master")
    assert [up.id for up in below.direct_provenance] == [first]
    assert below.commit.id not in {info.commit.id for info in place.commits("a")}


def test_of_what_follows_a_commit_those_branches_that_depend_on_fewest_come_first(place):
    place.repos("a", "p", "q", "e", "b", "c")
    place.on("e", "a", "p", "q")
    place.on("b", "a")
    place.on("c", "b")
    id = place.put("a").commit.id
    (newest, *_) = place.pfs.ListCommitSet(pb.ListCommitSetRequest(project=pb.Project(name=place.project)))
    assert newest.commit_set.id == id
    assert [info.commit.repo.name for info in newest.commits if info.commit.id == id] == ["a", "b", "c", "e"]


def test_branches_are_listed_newest_first(place):
    place.repos("r")
    for name in ("b", "a", "c"):
        place.on("r", on=name)
    for reverse, expected in ((False, ["c", "a", "b"]), (True, ["b", "a", "c"])):
        found = place.pfs.ListBranch(pb.ListBranchRequest(repo=place.repo("r"), reverse=reverse))
        assert [info.branch.name for info in found] == expected


# ------------------------------------------------------------------ commits


def test_a_commit_is_named_by_id_branch_and_ancestry(place):
    place.repos("r")
    ids = [place.put("r", size).commit.id for size in (1, 2, 3, 4)]
    for id, on, expected in (
        ("", "master", 3),
        ("^", "master", 2),
        ("^^", "master", 1),
        ("~3", "master", 0),
        ("^0", "master", 3),
        ("master^2", "", 1),
        (".1", "master", 0),
        (".3", "master", 2),
        (".5", "master", 3),
        ("master.4^", "", 2),
        (ids[2] + "^", "", 1),
        (ids[2].upper(), "", 2),
        (ids[2] + "~2", "nothing", 0),
    ):
        assert place.inspect("r", id, on).commit.id == ids[expected], (id, on)
    for id, text in (
        ("master^~", "calculate offset P/r@master^~: count offset and clean: invalid ancestry format"),
        ("master^2^1", "calculate offset P/r@master^2^1: count offset and clean: invalid ancestry format"),
        ("master^x", "calculate offset P/r@master^x: count offset and clean: invalid ancestry format"),
        (
            ids[0] + ".1",
            f"unmarshal branch picker P/r@{ids[0]}.1: invalid branch picker: name refers to a commit, not a branch",
        ),
        (
            "master^5",
            f"picking commit: invalid offset for ancestor of commit: P/r.user@{ids[3]}, "
            "offset requested: 5, offset traversable: 3",
        ),
        (
            "master.6",
            f"picking commit: invalid offset from branch root for head commit: P/r.user@{ids[3]}, "
            "offset: 5, maximum depth: 4",
        ),
        (
            "master.0",
            f"picking commit: invalid offset from branch root for head commit: P/r.user@{ids[3]}, "
            "offset: 4294967295, maximum depth: 4",
        ),
        ("master.2^2", "calculate offset P/r@master.2^2: there should be less ancestors than descendants"),
    ):
        request = pb.InspectCommitRequest(commit=place.at("r", id))
        place.refused(place.pfs.InspectCommit, request, UNKNOWN, f"pick commit tx: {text}")
    request = pb.InspectCommitRequest(commit=place.at("r", "nothing"))
    place.refused(place.pfs.InspectCommit, request, NOT_FOUND, 'branch "nothing" not found in repo P/r')
    request = pb.InspectCommitRequest(commit=place.at("r", "nothing", on="master"))
    place.refused(place.pfs.InspectCommit, request, NOT_FOUND, 'branch "master" not found in repo P/r')


def test_an_id_of_a_set_names_the_commit_that_the_set_depends_on(place):
    place.repos("a", "b", "c")
    place.on("c", "a", "b")
    place.finish("c", on="master")
    old = place.put("a", 1).commit.id
    place.finish("c", on="master")
    set_id = place.put("b", 1).commit.id
    place.put("a", 2)
    assert place.inspect("a", set_id).commit.id == old
    members = place.pfs.InspectCommitSet(pb.InspectCommitSetRequest(commit_set=pb.CommitSet(id=set_id)))
    assert [(m.commit.repo.name, m.commit.id) for m in members] == [("a", old), ("b", set_id), ("c", set_id)]


def test_a_line_of_commits_ends_at_to_and_begins_after_from(place):
    place.repos("r", "s")
    ids = [place.put("r", size).commit.id for size in (1, 2, 3, 4)]
    place.put("s")
    line = place.commits("r", to=place.at("r", ids[2]), **{"from": place.at("r", ids[0])})
    assert [info.commit.id for info in line] == [ids[2], ids[1]]
    by_branch = place.commits("r", to=place.at("r", on="master"), number=2)
    assert [info.commit.id for info in by_branch] == [ids[3], ids[2]]
    base = {"repo": place.repo("r"), "all": True}
    for options, text in (
        ({"from": place.at("r", ids[0])}, "cannot use `from` commit without `to` commit"),
        ({"to": place.at("r", ids[1]), "reverse": True}, "cannot use 'Reverse' while also using 'From' or 'To'"),
        ({"to": place.at("s", on="master")}, "`from` and `to` commits need to be from repo P/r"),
    ):
        place.refused(place.pfs.ListCommit, pb.ListCommitRequest(**base, **options), UNKNOWN, text)


def test_who_touched_a_file_is_found_with_the_commits_searched(place):
    place.repos("r")
    ids = [place.put("r", size, path=path).commit.id for size, path in ((1, "/f"), (1, "/g"), (2, "/f"), (3, "/g"))]
    request = pb.FindCommitsRequest(start=place.at("r", on="master"), file_path="/f")
    found = list(place.pfs.FindCommits(request))
    assert [(m.found_commit.id, m.commits_searched) for m in found[:-1]] == [(ids[2], 1), (ids[0], 3)]
    assert (found[-1].last_searched_commit.id, found[-1].commits_searched) == (ids[0], 4)
    request.limit = 1
    found = list(place.pfs.FindCommits(request))
    assert (len(found), found[-1].last_searched_commit.id, found[-1].commits_searched) == (2, ids[2], 2)


def test_a_file_that_is_written_or_deleted_is_found_be_it_the_same_as_before(place):
    place.repos("r")

    def change(*operations):
        place.pfs.ModifyFile(iter([pb.ModifyFileRequest(set_commit=place.at("r", on="master")), *operations]))
        return place.head("r")

    def add(path, data=b"x"):
        return pb.ModifyFileRequest(add_file=pb.AddFile(path=path, raw=wrappers_pb2.BytesValue(value=data)))

    def delete(path):
        return pb.ModifyFileRequest(delete_file=pb.DeleteFile(path=path))

    wrote = change(add("/d/f"), add("/d/g"))
    again = change(delete("/d/f"), add("/d/f"))
    nothing_more = change(add("/d/f", b""))
    change(delete("/d/none/"), delete("/d/g"))
    made_again = change(delete("/d/"), add("/d/f"))
    copied = change(
        pb.ModifyFileRequest(copy_file=pb.CopyFile(src=pb.File(commit=place.at("r", made_again), path="/d"), dst="/d"))
    )
    gone = change(delete("/d/f"))
    absent = change(delete("/d/f"))
    request = pb.FindCommitsRequest(start=place.at("r", on="master"), file_path="/d/f")
    found = [answer.found_commit.id for answer in place.pfs.FindCommits(request) if answer.found_commit.id]
    assert found == [absent, gone, copied, made_again, nothing_more, again, wrote]
    commit = place.pfs.StartCommit(pb.StartCommitRequest(branch=place.branch("r")))
    change(delete("/d/f"))
    place.pfs.ClearCommit(pb.ClearCommitRequest(commit=commit))
    place.finish("r", commit.id)
    request = pb.FindCommitsRequest(start=place.at("r", on="master"), file_path="/d/f", limit=1)
    assert [answer.commits_searched for answer in place.pfs.FindCommits(request)] == [1, 2]


def test_a_set_of_no_id_is_refused_because_it_would_be_every_commit(place):
    place.repos("r")
    place.put("r")
    for method, kind in (("SquashCommitSet", pb.SquashCommitSetRequest), ("DropCommitSet", pb.DropCommitSetRequest)):
        with pytest.raises(grpc.RpcError, match=r"that would .* every commit"):
            getattr(place.pfs, method)(kind(commit_set=pb.CommitSet()))
    assert len(place.commits("r")) == 1


def test_squashing_a_set_takes_it_from_the_middle_of_each_line(place):
    place.repos("a", "b")
    place.on("b", "a")
    place.finish("b", on="master")
    ids = []
    for size in (1, 2, 3):
        ids.append(place.put("a", size, path=f"/{size}").commit.id)
        place.finish("b", on="master")
    place.pfs.SquashCommitSet(pb.SquashCommitSetRequest(commit_set=pb.CommitSet(id=ids[1])))
    for name in "ab":
        line = [info.commit.id for info in place.commits(name)]
        assert line[:2] == [ids[2], ids[0]]
        assert place.inspect(name, ids[2]).parent_commit.id == ids[0]
    assert place.inspect("a", ids[2]).details.size_bytes == 6


def test_a_waiting_inspection_tells_when_the_commit_is_taken_away(place):
    place.repos("r")
    place.put("r")
    commit = place.pfs.StartCommit(pb.StartCommitRequest(branch=place.branch("r")))
    waiting = place.pfs.InspectCommit.future(pb.InspectCommitRequest(commit=commit, wait=pb.FINISHED), timeout=20)
    subscribed = place.pfs.SubscribeCommit(
        pb.SubscribeCommitRequest(repo=place.repo("r"), state=pb.FINISHED), timeout=20
    )
    first = next(subscribed)
    place.pfs.DropCommitSet(pb.DropCommitSetRequest(commit_set=pb.CommitSet(id=commit.id)))
    with pytest.raises(grpc.RpcError, match="was deleted"):
        waiting.result()
    second = place.put("r")
    assert next(subscribed).commit.id == second.commit.id != first.commit.id
    subscribed.cancel()


# ------------------------------------------------------------------ triggers


def test_what_a_trigger_moves_downstream_is_a_set_of_its_own(place):
    place.repos("r", "below")
    place.on("r", on="staging")
    place.on("r", trigger=pb.Trigger(branch="staging", size="3"))
    place.on("below", "r")
    place.finish("below", on="master")
    before = place.head("below")
    place.put("r", 1, on="staging")
    assert place.head("below") == before
    fired = place.put("r", 5, on="staging")
    assert place.head("r") == fired.commit.id
    below = place.inspect("below", on="master")
    assert below.commit.id not in (before, fired.commit.id)
    assert [up.id for up in below.direct_provenance] == [fired.commit.id]


def test_chains_of_triggers_fire_in_one_step(place):
    place.repos("r")
    place.on("r", on="a")
    for name, watched in (("b", "a"), ("c", "b"), ("d", "c")):
        place.on("r", on=name, trigger=pb.Trigger(branch=watched, commits=2 if name == "d" else 1))
    first = place.put("r", 1, on="a").commit.id
    assert [place.head("r", on) == first for on in "abcd"] == [True, True, True, False]
    second = place.put("r", 2, on="a").commit.id
    assert [place.head("r", on) == second for on in "abcd"] == [True] * 4


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("-5B", "invalid size: '-5B'"),
        ("5XB", "invalid suffix: 'xb'"),
        ("B", "invalid size: 'B'"),
        ("1..2K", 'strconv.ParseFloat: parsing "1..2": invalid syntax'),
    ],
)
def test_a_trigger_with_a_wrong_size_is_refused_in_the_original_words(place, size, words):
    place.repos("r")
    place.on("r", on="staging")
    request = pb.CreateBranchRequest(branch=place.branch("r"), trigger=pb.Trigger(branch="staging", size=size))
    place.refused(place.pfs.CreateBranch, request, UNKNOWN, f"invalid trigger size: {words}")


# ------------------------------------------------------------------ transactions


def test_a_batch_is_one_set_and_all_or_nothing(place):
    place.repos("a", "b")
    place.on("b", "a")
    place.finish("b", on="master")
    start = tx_pb.TransactionRequest(start_commit=pb.StartCommitRequest(branch=place.branch("a")))
    finish = tx_pb.TransactionRequest(finish_commit=pb.FinishCommitRequest(commit=place.at("a", on="master")))
    info = place.transactions.BatchTransaction(tx_pb.BatchTransactionRequest(requests=[start, finish]))
    assert place.head("a") == place.head("b") == info.transaction.id == info.responses[0].commit.id
    again = tx_pb.BatchTransactionRequest(requests=[start, finish, finish])
    with pytest.raises(grpc.RpcError) as error:
        place.transactions.BatchTransaction(again)
    assert error.value.details().startswith("error running request 3 of 3: commit ")
    assert place.head("a") == info.transaction.id


# ------------------------------------------------------------------ metadata


def test_an_edit_of_what_is_not_there_says_step_by_step_what_was_looked_for(place):
    place.repos("r")

    def refused(kind, edit):
        edit.add_key.key = "k"
        with pytest.raises(grpc.RpcError) as error:
            place.wire("EditMetadata", metadata.EditMetadataRequest(edits=[edit]), "metadata.API")
        text = error.value.details()
        assert text.startswith(f"apply edits: edit #0: pick {kind}: picking ")
        return text.partition(f"pick {kind}: picking ")[2]

    edit = metadata.Edit()
    edit.repo.name.name, edit.repo.name.project.name = "none", place.project
    row = f"repo (id=0, project={place.project}, name=none, type=user) not found"
    assert refused("repo", edit) == f"repo: get repo info with id: {row}"
    edit = metadata.Edit()
    edit.branch.name.name = "b"
    edit.branch.name.repo.name.name, edit.branch.name.repo.name.project.name = "r", place.project
    assert refused("branch", edit) == f"branch: branch (id=0, branch={place.project}/r@b) not found"
    edit = metadata.Edit()
    edit.commit.branch_head.name.name = "b"
    edit.commit.branch_head.name.repo.name.name = "r"
    edit.commit.branch_head.name.repo.name.project.name = "no-project"
    chain = 'commit: picking branch: picking repo: picking project: project "no-project" not found'
    assert refused("commit", edit) == chain


def test_metadata_edits_are_all_made_or_none(place):
    place.repos("r")
    request = metadata.EditMetadataRequest()
    edit = request.edits.add()
    edit.repo.name.name, edit.repo.name.project.name = "r", place.project
    edit.add_key.key, edit.add_key.value = "kind", "input"
    place.wire("EditMetadata", request, "metadata.API")
    other = request.edits.add()
    other.project.name = place.project
    other.edit_key.key, other.edit_key.value = "team", "blue"
    with pytest.raises(grpc.RpcError) as error:
        place.wire("EditMetadata", request, "metadata.API")
    assert error.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert error.value.details() == (
        f'apply edits: edit #0: edit repo "{place.project}/r.user": '
        'add_key target key "kind" already exists; use edit_key instead'
    )
    data = place.wire(
        "InspectRepo",
        pfs_v2.InspectRepoRequest.FromString(pb.InspectRepoRequest(repo=place.repo("r")).SerializeToString()),
    )
    assert dict(pfs_v2.RepoInfo.FromString(data).metadata) == {"kind": "input"}
    inspect = pfs_v2.InspectProjectRequest()
    inspect.project.name = place.project
    assert not pfs_v2.ProjectInfo.FromString(place.wire("InspectProject", inspect)).metadata
