"""The daemon against the model: random operations over the wire, and after each everything must be the same.

A longer run:  PFS_MODEL_SECONDS=3600 pytest -s tests/pachd/test_pfs_model.py -m slow
"""

from __future__ import annotations

import os
import time
from collections import Counter

import grpc
import pytest
from google.protobuf import empty_pb2, wrappers_pb2
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pachd.pfs_model import Commit, Model, Refused
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pb
from python_pachyderm.proto.v2.pfs import pfs_pb2_grpc

from workshop.testing import Pachd

REPOS, BRANCHES = ("a", "b", "c", "d"), ("master", "side")
repos, branch_names = st.sampled_from(REPOS), st.sampled_from(BRANCHES)
paths = st.sampled_from(["/f", "/g", "/d/x", "/d/y", "/d/e/z"])
upstreams = st.lists(st.tuples(repos, branch_names), max_size=2)
COUNTS: Counter[str] = Counter()


def real(commit: pb.Commit) -> tuple[str, str]:
    return commit.repo.name, commit.id


class PfsMachine(RuleBasedStateMachine):
    """Each rule does one thing to the daemon and to the model; `compare` then looks at all there is."""

    pachd: Pachd  # one daemon for all examples: each begins with DeleteAll

    def __init__(self) -> None:
        super().__init__()
        self.connect()
        self.pfs.DeleteAll(empty_pb2.Empty(), timeout=60)
        self.model = Model()
        self.ids: dict[int, str] = {}  # the number of a write -> the set id that the daemon gave it
        self.unique = 0

    def connect(self) -> None:
        self.channel = grpc.insecure_channel(self.pachd.address)
        self.pfs = pfs_pb2_grpc.APIStub(self.channel)

    def teardown(self) -> None:
        self.channel.close()

    # ------------------------------------------------------------------ names

    def repo(self, name: str) -> pb.Repo:
        return pb.Repo(name=name, type="user", project=pb.Project(name="default"))

    def branch(self, repo: str, name: str) -> pb.Branch:
        return pb.Branch(repo=self.repo(repo), name=name)

    def head(self, repo: str, name: str) -> pb.Commit:
        return pb.Commit(repo=self.repo(repo), branch=self.branch(repo, name))

    def named(self, commit: Commit) -> pb.Commit:
        return pb.Commit(repo=self.repo(commit.repo), id=self.ids[commit.set])

    def newer(self, method: str, request: bytes) -> bytes:
        return self.channel.unary_unary(f"/pfs_v2.API/{method}")(request, timeout=30)

    # ------------------------------------------------------------------ both at once

    def both(self, label: str, call, operation: str, *arguments, **options) -> None:
        """Do the same to the model and to the daemon; both agree on whether it is possible."""
        try:
            self.model.write(operation, *arguments, **options)
            refused = None
        except Refused as reason:
            refused = str(reason)
        try:
            call()
            assert refused is None, f"{label} was to be refused: {refused}"
        except grpc.RpcError as error:
            assert refused is not None, f"{label}: {error.code()} {error.details()}"
            assert error.code() != grpc.StatusCode.INTERNAL or "cycle" in error.details(), error.details()
        COUNTS[label if refused is None else f"{label} (refused)"] += 1
        self.bind()

    def bind(self) -> None:
        """Learn the id of the set that the last write made."""
        if any(commit.set == self.model.writes for commit in self.model.commits):
            everything = self.pfs.ListCommit(pb.ListCommitRequest(repo=pb.Repo(), all=True), timeout=30)
            fresh = {info.commit.id for info in everything} - set(self.ids.values())
            assert len(fresh) == 1, f"one set was to be made, not {len(fresh)}"
            self.ids[self.model.writes] = fresh.pop()

    def pick(self, data, wanted=lambda commit: True) -> Commit | None:
        found = [commit for commit in self.model.commits if wanted(commit)]
        return data.draw(st.sampled_from(found)) if found else None

    # ------------------------------------------------------------------ rules

    @initialize()
    def begin(self) -> None:
        for name in REPOS[:3]:
            self.create_repo(name)

    @precondition(lambda self: len(self.model.repos) < len(REPOS))
    @rule(name=repos)
    def create_repo(self, name) -> None:
        request = pb.CreateRepoRequest(repo=self.repo(name))
        self.both("create repo", lambda: self.pfs.CreateRepo(request, timeout=30), "create_repo", name)

    @rule(name=repos, force=st.booleans(), sure=st.integers(0, 5))
    def delete_repo(self, name, force, sure) -> None:
        if sure == 0:
            request = pb.DeleteRepoRequest(repo=self.repo(name), force=force)
            self.both("delete repo", lambda: self.pfs.DeleteRepo(request, timeout=30), "delete_repo", name, force)

    @rule(
        data=st.data(),
        repo=repos,
        name=branch_names,
        upstream=st.lists(st.tuples(repos, branch_names), max_size=2),
        move=st.integers(0, 2),
    )
    def create_branch(self, data, repo, name, upstream, move) -> None:
        head = self.pick(data, lambda commit: commit.repo == repo) if move == 0 else None
        if move == 1:  # mostly what is possible
            upstream = [up for up in upstream if up[0] != repo and up[0] in self.model.repos]
        request = pb.CreateBranchRequest(
            branch=self.branch(repo, name),
            provenance=[self.branch(*up) for up in upstream],
            head=self.named(head) if head else None,
        )
        call = lambda: self.pfs.CreateBranch(request, timeout=30)  # noqa: E731
        self.both("create branch", call, "create_branch", repo, name, upstream, head)

    @rule(repo=repos, name=branch_names, force=st.booleans())
    def delete_branch(self, repo, name, force) -> None:
        request = pb.DeleteBranchRequest(branch=self.branch(repo, name), force=force)
        self.both(
            "delete branch", lambda: self.pfs.DeleteBranch(request, timeout=30), "delete_branch", repo, name, force
        )

    @rule(data=st.data(), repo=repos, name=branch_names, fork=st.integers(0, 3))
    def start(self, data, repo, name, fork) -> None:
        parent = self.pick(data, lambda commit: commit.repo == repo) if fork == 0 else None
        request = pb.StartCommitRequest(branch=self.branch(repo, name), parent=self.named(parent) if parent else None)
        self.both("start commit", lambda: self.pfs.StartCommit(request, timeout=30), "start", repo, name, parent)

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data(), any=st.integers(0, 5), error=st.sampled_from(["", "", "broken"]))
    def finish(self, data, any, error) -> None:
        commit = self.pick(data, lambda commit: any == 0 or commit.state == "open")
        if commit:
            request = pb.FinishCommitRequest(commit=self.named(commit), error=error)
            self.both("finish commit", lambda: self.pfs.FinishCommit(request, timeout=30), "finish", commit, error)

    @precondition(lambda self: not os.environ.get("PFS_MODEL_NO_FILES"))
    @rule(data=st.data(), repo=repos, name=branch_names, count=st.integers(0, 3))
    def modify(self, data, repo, name, count) -> None:
        branch = self.model.repos.get(repo, {}).get(name)
        # what is deleted from, or appended to, content that is not there yet has no one answer
        blind = branch is not None and branch.head.content() is None
        operations, messages = [], [pb.ModifyFileRequest(set_commit=self.head(repo, name))]
        for _ in range(count):
            path = data.draw(paths)
            kind = "put" if blind else data.draw(st.sampled_from(["put", "append", "delete", "delete directory"]))
            self.unique += 1
            value = b"%d\n" % self.unique * data.draw(st.sampled_from([1, 3]))
            if kind == "delete directory":
                kind, path = "delete", data.draw(st.sampled_from(["/d/", "/d/e/", "/"]))
            operations.append((kind, path, value))
            if kind != "append":
                messages.append(pb.ModifyFileRequest(delete_file=pb.DeleteFile(path=path)))
            if kind != "delete":
                raw = wrappers_pb2.BytesValue(value=value)
                messages.append(pb.ModifyFileRequest(add_file=pb.AddFile(path=path, raw=raw)))
        call = lambda: self.pfs.ModifyFile(iter(messages), timeout=30)  # noqa: E731
        self.both("modify file", call, "modify", repo, name, operations)

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data())
    def clear(self, data) -> None:
        commit = self.pick(data)
        request = pb.ClearCommitRequest(commit=self.named(commit))
        self.both("clear commit", lambda: self.pfs.ClearCommit(request, timeout=30), "clear", commit)

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data(), how=st.sampled_from(["squash", "drop"]))
    def remove_set(self, data, how) -> None:
        number = self.pick(data).set
        chosen = pb.CommitSet(id=self.ids[number])
        if how == "squash":
            request = pb.SquashCommitSetRequest(commit_set=chosen)
            call = lambda: self.pfs.SquashCommitSet(request, timeout=30)  # noqa: E731
        else:
            call = lambda: self.pfs.DropCommitSet(pb.DropCommitSetRequest(commit_set=chosen), timeout=30)  # noqa: E731
        self.both(f"{how} set", call, "remove_set", number, how)

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data(), how=st.sampled_from(["squash", "drop"]), recursive=st.booleans())
    def remove_one(self, data, how, recursive) -> None:
        commit = self.pick(data)
        name = self.named(commit).SerializeToString()
        wire = b"\x0a" + bytes([len(name)]) + name + (b"\x10\x01" if recursive else b"")
        call = lambda: self.newer(f"{how.title()}Commit", wire)  # noqa: E731
        self.both(f"{how} commit", call, "remove_one", commit, recursive, how)

    @rule(sure=st.integers(0, 9), hard=st.booleans())
    def restart(self, sure, hard) -> None:
        if sure == 0:
            self.channel.close()
            (self.pachd.kill if hard else self.pachd.stop)()
            self.pachd.start()
            self.connect()
            COUNTS["kill -9 and restart" if hard else "restart"] += 1

    # ------------------------------------------------------------------ all there is

    @invariant()
    def compare(self) -> None:
        assert [answer.error + answer.fix for answer in self.pfs.Fsck(pb.FsckRequest(), timeout=60)] == []
        names = [info.repo.name for info in self.pfs.ListRepo(pb.ListRepoRequest(type="user"), timeout=30)]
        assert names == sorted(self.model.repos)
        for repo, branches in self.model.repos.items():
            self.compare_branches(repo, branches)
            self.compare_commits(repo)
        for commit in self.model.commits[-6:]:
            self.compare_files(commit)

    def key(self, commit: Commit | None) -> tuple[str, str] | None:
        return (commit.repo, self.ids[commit.set]) if commit else None

    def compare_branches(self, repo: str, branches: dict) -> None:
        listed = self.pfs.ListBranch(pb.ListBranchRequest(repo=self.repo(repo)), timeout=30)
        found = {info.branch.name: info for info in listed}
        assert set(found) == set(branches)
        for name, branch in branches.items():
            info = found[name]
            assert real(info.head) == self.key(branch.head)
            pairs = (
                (info.direct_provenance, branch.upstream),
                (info.provenance, self.model.closure(branch, lambda b: b.upstream)),
                (info.subvenance, self.model.closure(branch, self.model.downstream)),
            )
            for ours, expected in pairs:
                assert sorted((b.repo.name, b.name) for b in ours) == sorted((b.repo, b.name) for b in expected)

    def compare_commits(self, repo: str) -> None:
        listed = list(self.pfs.ListCommit(pb.ListCommitRequest(repo=self.repo(repo), all=True), timeout=30))
        expected = [commit for commit in reversed(self.model.commits) if commit.repo == repo]
        assert [real(info.commit) for info in listed] == [self.key(commit) for commit in expected]
        for info, commit in zip(listed, expected, strict=True):
            state = "open"
            if info.HasField("finishing"):
                state = "finished" if info.HasField("finished") else "finishing"
            assert (state, info.error, info.origin.kind) == (commit.state, commit.error, commit.origin)
            assert (real(info.parent_commit) if info.HasField("parent_commit") else None) == self.key(commit.parent)
            children = [self.key(child) for child in self.model.children(commit)]
            assert [real(child) for child in info.child_commits] == children
            assert sorted(map(real, info.direct_provenance)) == sorted({self.key(up) for up in commit.provenance})
            done = commit.state == "finished" and not commit.error
            assert info.details.size_bytes == (sum(map(len, commit.files.values())) if done else 0)

    def compare_files(self, commit: Commit) -> None:
        expected = commit.content() if commit.state != "finishing" else None
        request = pb.WalkFileRequest(file=pb.File(commit=self.named(commit), path="/"))
        if commit.state == "finishing" or os.environ.get("PFS_MODEL_NO_FILES"):
            return  # reading waits until the base is finished
        try:
            found = [info for info in self.pfs.WalkFile(request, timeout=30) if info.file_type == pb.FILE]
        except grpc.RpcError as error:
            assert expected is None and "unfinished" in error.details(), error.details()
            return
        assert expected is not None, "content was read whose base is unfinished"
        assert {info.file.path: info.size_bytes for info in found} == {
            path: len(data) for path, data in expected.items()
        }
        for path, data in expected.items():
            stream = self.pfs.GetFile(pb.GetFileRequest(file=pb.File(commit=self.named(commit), path=path)), timeout=30)
            assert b"".join(part.value for part in stream) == data


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        PfsMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_the_daemon_does_what_the_model_does_for_a_while(pachd):
    PfsMachine.pachd = pachd
    run(examples=4, steps=20)


@pytest.mark.slow
def test_the_daemon_does_what_the_model_does(pachd):
    PfsMachine.pachd = pachd
    end = time.monotonic() + float(os.environ.get("PFS_MODEL_SECONDS", "60"))
    while time.monotonic() < end:
        run(examples=10, steps=50)
        print(f"\n{sum(COUNTS.values())} operations:", dict(COUNTS.most_common()), flush=True)
