"""What requests name, leave out, and gather in transactions: which words refuse them, and where each is checked."""

from __future__ import annotations

import grpc
import pytest
from pachd.place import GONE, INVALID, NOT_FOUND, UNKNOWN, place
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pb
from python_pachyderm.proto.v2.transaction import transaction_pb2 as tx_pb

from workshop.pachd.wire.schema import metadata, pfs_v2

__all__ = ["place"]  # a fixture
UUID_LIKE = "0123456789ab4def0123456789abcdef"
Step = tx_pb.TransactionRequest


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a b" * 20, f'project name "{"a b" * 20}" is 9 characters longer than the 51 max'),
        ("ä" * 26, f'project name "{"ä" * 26}" is 1 characters longer than the 51 max'),
        ("a b", "name (a b) invalid: only alphanumeric characters, underscores, and dashes are allowed"),
        ("_a", "project names must start with an alphanumeric character"),
    ],
)
def test_a_project_name_is_measured_in_bytes_before_its_letters_are_looked_at(place, name, words):
    request = pb.CreateProjectRequest(project=pb.Project(name=name))
    place.refused(place.pfs.CreateProject, request, UNKNOWN, f"invalid project name: {words}")


def test_a_new_branch_named_like_a_commit_is_refused_by_every_call_that_would_make_it(place):
    place.repos("r", "q")
    words = "update head: branch name cannot be a UUID V4"
    start = pb.StartCommitRequest(branch=place.branch("r", UUID_LIKE))
    place.refused(place.pfs.StartCommit, start, UNKNOWN, f"create commit: {words}")
    place.batch_refused(
        UNKNOWN,
        f"error running request 1 of 1: start commit in transaction: create commit: create commit: {words}",
        Step(start_commit=start),
    )
    create = pb.CreateBranchRequest(branch=place.branch("r", UUID_LIKE))
    place.refused(place.pfs.CreateBranch, create, UNKNOWN, f"create branch: {words}")
    fill = pb.CreateBranchRequest(branch=place.branch("q"), provenance=[place.branch("r", UUID_LIKE)])
    place.refused(place.pfs.CreateBranch, fill, UNKNOWN, f"fill new branches: upsert branch: {words}")


def test_every_call_names_the_repo_that_is_missing_not_its_branch(place):
    file = pb.File(commit=place.at("none", on="master"), path="/f")
    for call, request in (
        (place.pfs.InspectFile, pb.InspectFileRequest(file=file)),
        (place.pfs.ListFile, pb.ListFileRequest(file=file)),
        (place.pfs.InspectCommit, pb.InspectCommitRequest(commit=file.commit)),
        (place.pfs.ClearCommit, pb.ClearCommitRequest(commit=file.commit)),
    ):
        place.refused(call, request, NOT_FOUND, "repo P/none not found")


def test_a_project_left_out_of_a_filter_is_no_project(place):
    empty = [pb.Project()]
    assert not list(place.pfs.ListRepo(pb.ListRepoRequest(type="user", projects=empty)))
    assert not place.pfs.DeleteRepos(pb.DeleteReposRequest(projects=empty)).repos


def test_a_page_of_no_repos_is_empty(place):
    place.repos("a")
    request = pfs_v2.ListRepoRequest(type="user")
    request.projects.add().name = place.project
    request.page.SetInParent()
    assert place.wire("ListRepo", request, stream=True) == []


def test_branches_of_a_repo_without_a_name_are_those_of_its_project(place):
    place.repos("a", "b")
    place.on("a", on="x")
    place.on("b", on="y")
    nameless = pb.Repo(project=pb.Project(name=place.project))
    for reverse, expected in ((False, ["y", "x"]), (True, ["x", "y"])):
        found = place.pfs.ListBranch(pb.ListBranchRequest(repo=nameless, reverse=reverse))
        assert [info.branch.name for info in found] == expected


@pytest.mark.parametrize("method", ["SquashCommit", "DropCommit"])
def test_removing_one_commit_fills_in_neither_its_repo_nor_its_project(place, method):
    place.repos("r")
    request_of = getattr(pfs_v2, f"{method}Request")

    def refused(words, **commit):
        request = request_of.FromString(pb.DropCommitSetRequest().SerializeToString())
        request.commit.MergeFromString(pb.Commit(**commit).SerializeToString())
        place.refused(
            lambda message, timeout, metadata: place.wire(method, message), request, UNKNOWN, f"pick commit tx: {words}"
        )

    refused("cannot pick commit with no repo", branch=place.branch("r"))
    refused("cannot pick commit with no ID or branch", repo=place.repo("r"))
    nowhere = pb.Repo(name="r", type="user")
    refused("picking commit: picking repo: project picker cannot be nil", repo=nowhere, id=GONE)
    by_branch = pb.Branch(name="master", repo=nowhere)
    refused(
        "picking commit: picking branch: picking repo: project picker cannot be nil", repo=nowhere, branch=by_branch
    )


def test_a_picker_without_a_choice_is_refused_with_the_name_of_what_is_missing(place):
    place.repos("r")

    def refused(words, **target):
        edit = metadata.Edit(**target)
        edit.add_key.key = "k"
        request = metadata.EditMetadataRequest(edits=[edit])
        place.refused(
            lambda message, timeout, metadata: place.wire("EditMetadata", message, "metadata.API"),
            *(request, UNKNOWN, f"apply edits: edit #0: {words}"),
        )

    refused("project picker cannot be nil", project=pfs_v2.ProjectPicker())
    refused("repo picker cannot be nil", repo=pfs_v2.RepoPicker())
    nowhere = pfs_v2.RepoPicker()
    nowhere.name.name = "r"
    refused("picking repo: project picker cannot be nil", repo=nowhere)
    summary = pfs_v2.ReposSummaryRequest(projects=[pfs_v2.ProjectPicker()])
    place.refused(
        lambda message, timeout, metadata: place.wire("ReposSummary", message),
        *(summary, UNKNOWN, "project picker is of an unknown type: <nil>"),
    )


def test_an_edit_needs_a_target_an_operation_and_a_key_with_a_name(place):
    def refused(words, **parts):
        request = metadata.EditMetadataRequest(edits=[metadata.Edit(**parts)])
        rule = f"invalid EditMetadataRequest.Edits[0]: embedded message failed validation | caused by: {words}"
        place.refused(
            lambda message, timeout, metadata: place.wire("EditMetadata", message, "metadata.API"),
            *(request, INVALID, f"validate request: {rule}"),
        )

    target = {"project": pfs_v2.ProjectPicker(name=place.project)}
    refused("invalid Edit.Target: value is required; invalid Edit.Op: value is required")
    refused("invalid Edit.Op: value is required", **target)
    short = "value length must be at least 1 runes"
    within = "embedded message failed validation | caused by: invalid Edit_"
    refused(f"invalid Edit.AddKey: {within}AddKey.Key: {short}", add_key={"value": "v"}, **target)
    refused(f"invalid Edit.DeleteKey: {within}DeleteKey.Key: {short}", delete_key={"key": ""}, **target)
    nameless = {"replacement": {"": "v"}}
    refused(f"invalid Edit.Replace: {within}Replace.Replacement[]: {short}", replace=nameless, **target)


def test_a_write_to_a_commit_named_by_its_branch_in_the_id_alone_is_no_write_to_the_branch(place):
    place.repos("r")
    head = place.put("r").commit.id

    def put(commit):
        return place.pfs.ModifyFile(
            iter([pb.ModifyFileRequest(set_commit=commit), pb.ModifyFileRequest(add_file=pb.AddFile(path="/g"))])
        )

    with pytest.raises(grpc.RpcError) as error:
        put(pb.Commit(repo=place.repo("r"), id="master"))
    assert error.value.details() == f"commit {place.project}/r@{head} has already finished"
    put(pb.Commit(branch=pb.Branch(repo=place.repo("r")), id="master"))
    assert place.inspect("r", on="master").parent_commit.id == head


# ------------------------------------------------------------------ branches


def test_a_head_of_a_like_named_repo_is_looked_for_there(place):
    place.repos("r", "q")
    place.put("r")
    same = "branch and head commit must belong to the same repo"

    def refused(code, words, head):
        request = pb.CreateBranchRequest(branch=place.branch("r", "b"), head=head)
        place.refused(place.pfs.CreateBranch, request, code, words)

    nowhere = pb.Repo(name="r", type="user", project=pb.Project(name=place.project + "-none"))
    refused(NOT_FOUND, "repo P/r.meta not found", pb.Commit(repo=place.repo("r", "meta"), id=GONE))
    missing = f'project "{place.project}-none" not found'
    refused(NOT_FOUND, missing, pb.Commit(repo=nowhere, branch=pb.Branch(repo=nowhere, name="master")))
    refused(UNKNOWN, same, place.at("q", on="master"))
    place.pfs.CreateRepo(pb.CreateRepoRequest(repo=place.repo("r", "meta")))
    place.pfs.CreateBranch(pb.CreateBranchRequest(branch=pb.Branch(repo=place.repo("r", "meta"), name="master")))
    meta = pb.Branch(repo=place.repo("r", "meta"), name="master")
    refused(UNKNOWN, same, pb.Commit(repo=meta.repo, branch=meta))


def test_an_upstream_given_twice_is_another_provenance_than_given_once(place):
    place.repos("a", "b")
    place.on("b", "a")
    before = place.head("b")
    place.on("b", "a")
    assert place.head("b") == before
    place.on("b", "a", "a")
    assert place.head("b") != before


# ------------------------------------------------------------------ transactions


def test_what_a_call_itself_requires_is_checked_before_its_transaction(place):
    place.repos("r")
    id = place.transactions.StartTransaction(tx_pb.StartTransactionRequest()).id
    inside = {"metadata": [("pach-transaction", id)]}
    for call, request, code, words in (
        (place.pfs.DeleteRepo, pb.DeleteRepoRequest(), INVALID, "no repo specified"),
        (
            place.pfs.DeleteBranch,
            pb.DeleteBranchRequest(),
            *(INVALID, "validate request: invalid DeleteBranchRequest.Branch: value is required"),
        ),
        (place.pfs.SquashCommitSet, pb.SquashCommitSetRequest(), UNKNOWN, "commitset cannot be nil"),
        (
            place.pfs.StartCommit,
            pb.StartCommitRequest(branch=place.branch("r"), parent=pb.Commit(id=GONE)),
            *(UNKNOWN, "commit must have a repo"),
        ),
        (
            place.pfs.StartCommit,
            pb.StartCommitRequest(),
            *(UNKNOWN, "error running request 1 of 1: start commit in transaction: branch must be specified"),
        ),
    ):
        place.refused(call, request, code, words, **inside)
    place.transactions.DeleteTransaction(tx_pb.DeleteTransactionRequest(transaction=tx_pb.Transaction(id=id)))


def test_a_deletion_that_is_only_gathered_answers_as_if_there_were_something_to_delete(place):
    id = place.transactions.StartTransaction(tx_pb.StartTransactionRequest()).id
    request = pb.DeleteRepoRequest(repo=place.repo("none")).SerializeToString()
    call = place.channel.unary_unary("/pfs_v2.API/DeleteRepo")
    for headers, deleted in (((), False), ((("pach-transaction", id),), True)):
        answer = pfs_v2.DeleteRepoResponse.FromString(call(request, timeout=20, metadata=headers))
        assert answer.deleted == deleted
    place.transactions.FinishTransaction(tx_pb.FinishTransactionRequest(transaction=tx_pb.Transaction(id=id)))


def test_a_batch_is_checked_as_a_whole_by_the_protocols_rules_and_then_request_by_request(place):
    place.repos("r", "q")
    rule = (
        "validate request: invalid BatchTransactionRequest.Requests[1]: embedded message failed validation | "
        "caused by: "
        "invalid TransactionRequest.DeleteBranch: embedded message failed validation | caused by: "
        "invalid DeleteBranchRequest.Branch: value is required"
    )
    create = Step(create_repo=pb.CreateRepoRequest(repo=place.repo("new")))
    place.batch_refused(INVALID, rule, create, Step(delete_branch=pb.DeleteBranchRequest()))
    running = "error running request 1 of 1: "
    place.batch_refused(UNKNOWN, f"{running}unrecognized transaction request type", Step())
    place.batch_refused(UNKNOWN, f"{running}must specify repo", Step(delete_repo=pb.DeleteRepoRequest()))
    assert not list(place.pfs.ListBranch(pb.ListBranchRequest(repo=place.repo("r"))))


def test_a_second_new_upstream_branch_of_a_repo_in_a_transaction_is_named_as_the_empty_commit_that_it_needs(place):
    place.repos("a", "b", "c")
    steps = [
        Step(create_branch=pb.CreateBranchRequest(branch=place.branch(down), provenance=[place.branch("a", up)]))
        for down, up in (("b", "x"), ("c", "y"))
    ]
    with pytest.raises(Exception) as error:
        place.batch(*steps)
    first, second = error.value.details().splitlines()
    assert first.startswith(f"error running request 2 of 2: create empty commit: commit {place.project}/a.user@")
    assert second.startswith("inconsistent dependencies: cannot create commit from ")
    missing = pb.FinishCommitRequest(commit=place.at("a", on="none"))
    place.batch_refused(
        NOT_FOUND,
        "error running request 1 of 1: finish commit in transaction: pick commit tx: "
        'commit P/a@ not found\nbranch "none" not found in repo P/a',
        Step(finish_commit=missing),
    )
