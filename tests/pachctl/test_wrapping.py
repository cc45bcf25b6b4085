"""What is said around the cause of a refusal."""

from __future__ import annotations

import pytest

from workshop.pachctl import address
from workshop.pachctl.wrapping import surrounded

ID = "0123456789ab40123456789abcdef012"


def told(text: str, target: str, source: str = "") -> str:
    about = {"set_commit": address.commit("p", target), "source": address.commit("p", source) if source else None}
    return surrounded("pfs_v2.API/ModifyFile", about, text, "NotFound")


@pytest.mark.parametrize("source", ["", "data@master"])
def test_a_branch_to_be_changed_need_not_be_there_so_its_repo_is_missed_without_a_step(source):
    assert told("repo p/gone not found", "gone@master", source) == "repo p/gone not found"


def test_a_commit_to_be_changed_is_picked_first():
    text = f"commit p/data@{ID} not found"
    assert told(text, f"data@{ID}") == f"pick commit tx: {text}\n{text}"


def test_what_is_copied_from_is_picked_whatever_it_is_copied_to():
    text = 'branch "gone" not found in repo p/data'
    assert told(text, "other@master", "data@gone") == f"pick commit tx: commit p/data@ not found\n{text}"
    text = "repo p/gone not found"
    assert told(text, "other@master", "gone@master") == f"pick commit tx: commit p/gone@ not found\n{text}"
    text = 'project "p" not found'
    step = "pick commit tx: picking commit: picking branch: picking repo: picking project: "
    assert told(text, "other@master", "data@master") == step + text


@pytest.mark.parametrize(
    ("method", "request_", "text", "said"),
    [
        (
            "StartCommit",
            {"branch": address.branch("p", "gone@b")},
            "start commit in transaction: repo p/gone not found",
            "error running request 2 of 2: start commit in transaction: repo p/gone not found",
        ),
        (
            "DeleteBranch",
            {"branch": address.branch("p", "r@gone")},
            'branch "gone" not found in repo p/r',
            'error running request 2 of 2: get branch "p/r.user@gone": branch (id=0, branch=p/r@gone) not found',
        ),
        (
            "DeleteRepo",
            {"repo": address.repo("p", "r")},
            "delete repo: delete branch p/r@b: it cannot be",
            "delete repo: error running request 2 of 2: delete branch p/r@b: it cannot be",
        ),
        (
            "CreateBranch",
            {"branch": address.branch("p", "r@b"), "head": {"repo": address.repo("p", "r"), "id": "gone"}},
            "unable to inspect p/r@gone: pick commit tx: commit p/r@gone not found\n"
            'branch "gone" not found in repo p/r',
            "error running request 2 of 2: unable to inspect p/r@gone: pick commit tx: commit p/r@gone not found\n"
            'branch "" not found in repo p/r',
        ),
        ("FinishTransaction", {}, "repo p/b already exists", "error running request 2 of 2: repo p/b already exists"),
    ],
)
def test_what_fails_in_a_transaction_is_surrounded_behind_its_number(method, request_, text, said):
    text = f"error running request 2 of 2: {text}"
    assert surrounded(f"pfs_v2.API/{method}", request_, text, "NotFound") == said


def test_an_earlier_request_that_fails_now_is_not_taken_for_the_one_asked():
    text = "error running request 1 of 2: repo p/b already exists"
    assert surrounded("pfs_v2.API/CreateBranch", {"branch": address.branch("p", "b@x")}, text, "AlreadyExists") == text
