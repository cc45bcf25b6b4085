"""Many clients at once, and daemons that die in the middle: nothing torn, nothing lost, no deadlock."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf import wrappers_pb2
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pb
from python_pachyderm.proto.v2.pfs import pfs_pb2_grpc

CLIENTS = 32


def repo(name: str) -> pb.Repo:
    return pb.Repo(name=name, type="user", project=pb.Project(name="default"))


def branch(name: str, on: str = "master") -> pb.Branch:
    return pb.Branch(repo=repo(name), name=on)


def head(name: str, on: str = "master") -> pb.Commit:
    return pb.Commit(repo=repo(name), branch=branch(name, on))


def put(stub, commit: pb.Commit, path: str, data: bytes) -> None:
    raw = wrappers_pb2.BytesValue(value=data)
    messages = [
        pb.ModifyFileRequest(set_commit=commit),
        pb.ModifyFileRequest(add_file=pb.AddFile(path=path, raw=raw)),
    ]
    stub.ModifyFile(iter(messages), timeout=60)


def read(stub, commit: pb.Commit, path: str) -> bytes:
    return b"".join(
        m.value for m in stub.GetFile(pb.GetFileRequest(file=pb.File(commit=commit, path=path)), timeout=60)
    )


def fsck(stub) -> list[str]:
    return [answer.error for answer in stub.Fsck(pb.FsckRequest(), timeout=60)]


def at_once(address: str, work, count: int = CLIENTS) -> list:
    """Run work(stub, number) in as many threads, each with a connection of its own; answers or refusals' codes."""

    def one(number: int):
        with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = pfs_pb2_grpc.APIStub(channel)
            start.wait(30)
            try:
                return work(stub, number)
            except grpc.RpcError as error:
                return error

    start = threading.Barrier(count)
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@pytest.fixture
def stub(pachd):
    with grpc.insecure_channel(pachd.address) as channel:
        yield pfs_pb2_grpc.APIStub(channel)


def codes(answers) -> Counter:
    return Counter(a.code().name if isinstance(a, grpc.RpcError) else "OK" for a in answers)


def test_one_of_many_creates_a_repo_and_the_others_are_told_it_exists(pachd, stub):
    answers = at_once(pachd.address, lambda s, _: s.CreateRepo(pb.CreateRepoRequest(repo=repo("r")), timeout=60))
    assert codes(answers) == {"OK": 1, "ALREADY_EXISTS": CLIENTS - 1}


def test_one_of_many_starts_a_commit_and_the_others_are_told_why_not(pachd, stub):
    stub.CreateRepo(pb.CreateRepoRequest(repo=repo("r")))
    answers = at_once(pachd.address, lambda s, _: s.StartCommit(pb.StartCommitRequest(branch=branch("r")), timeout=60))
    started = [answer for answer in answers if not isinstance(answer, grpc.RpcError)]
    assert len(started) == 1
    for error in (answer for answer in answers if isinstance(answer, grpc.RpcError)):
        assert error.details().endswith(f"parent commit default/r@{started[0].id} has not been finished")


def test_puts_to_one_branch_become_a_commit_each_and_all_files_are_there(pachd, stub):
    stub.CreateRepo(pb.CreateRepoRequest(repo=repo("r")))
    answers = at_once(pachd.address, lambda s, number: put(s, head("r"), f"/{number:02}", b"%d" % number))
    assert codes(answers) == {"OK": CLIENTS}
    commits = list(stub.ListCommit(pb.ListCommitRequest(repo=repo("r"), all=True)))
    assert len({info.commit.id for info in commits}) == CLIENTS
    assert [info.details.size_bytes for info in commits] == sorted(
        (i.details.size_bytes for i in commits), reverse=True
    )
    for number in range(CLIENTS):
        assert read(stub, head("r"), f"/{number:02}") == b"%d" % number
    assert fsck(stub) == []


def test_appends_to_one_file_are_all_there_and_whole(pachd, stub):
    stub.CreateRepo(pb.CreateRepoRequest(repo=repo("r")))
    at_once(pachd.address, lambda s, number: put(s, head("r"), "/f", b"%03d," % number * 50))
    parts = read(stub, head("r"), "/f").split(b",")
    assert Counter(parts) == {**{b"%03d" % number: 50 for number in range(CLIENTS)}, b"": 1}
    runs = [part for previous, part in zip([b"", *parts], parts, strict=False) if part != previous]
    assert len(runs) == CLIENTS + 1, "an append was torn"


def test_clients_that_make_fill_read_and_delete_the_same_repo_leave_it_consistent(pachd, stub):
    """Each refusal is one that a client alone would get too; no answer is missing, none is an internal error."""

    def work(s, number):
        seen = Counter()
        chance = random.Random(number)
        for turn in range(12):
            step = chance.choice(["create", "put", "put", "read", "list", "branch", "delete", "squash"])
            try:
                if step == "create":
                    s.CreateRepo(pb.CreateRepoRequest(repo=repo("r"), update=True), timeout=60)
                elif step == "put":
                    put(s, head("r", chance.choice(["master", "side"])), f"/{number}", b"x" * turn)
                elif step == "read":
                    read(s, head("r"), f"/{number}")
                elif step == "list":
                    list(s.ListCommit(pb.ListCommitRequest(repo=repo("r"), all=True), timeout=60))
                elif step == "branch":
                    s.CreateBranch(pb.CreateBranchRequest(branch=branch("r", "side"), head=head("r")), timeout=60)
                elif step == "squash":
                    info = s.InspectCommit(pb.InspectCommitRequest(commit=head("r")), timeout=60)
                    chosen = pb.CommitSet(id=info.parent_commit.id or info.commit.id)
                    s.SquashCommitSet(pb.SquashCommitSetRequest(commit_set=chosen), timeout=60)
                elif chance.random() < 0.3:
                    s.DeleteRepo(pb.DeleteRepoRequest(repo=repo("r"), force=True), timeout=60)
                seen["OK"] += 1
            except grpc.RpcError as error:
                seen[error.code().name] += 1
                assert error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNKNOWN), error.details()
        return seen

    total = sum(at_once(pachd.address, work), Counter())
    assert total["OK"] > CLIENTS
    assert fsck(stub) == []


def test_waiters_for_one_commit_are_all_woken(pachd, stub):
    stub.CreateRepo(pb.CreateRepoRequest(repo=repo("r")))
    commit = stub.StartCommit(pb.StartCommitRequest(branch=branch("r")))
    ready = threading.Semaphore(0)

    def work(s, number):
        if number:
            ready.release()
            return s.InspectCommit(pb.InspectCommitRequest(commit=commit, wait=pb.FINISHED), timeout=60)
        for _ in range(CLIENTS - 1):
            ready.acquire(timeout=30)
        return s.FinishCommit(pb.FinishCommitRequest(commit=commit), timeout=60)

    answers = at_once(pachd.address, work)
    assert codes(answers) == {"OK": CLIENTS}
    assert all(answer.HasField("finished") for answer in answers[1:])


def test_a_waiter_that_gives_up_leaves_no_thread_behind(pachd, stub):
    """More waiters than the server has threads come and go; afterwards it still answers."""
    stub.CreateRepo(pb.CreateRepoRequest(repo=repo("r")))
    commit = stub.StartCommit(pb.StartCommitRequest(branch=branch("r")))
    for _ in range(10):
        waiters = [
            stub.InspectCommit.future(pb.InspectCommitRequest(commit=commit, wait=pb.FINISHED), timeout=0.2)
            for _ in range(40)
        ]
        for waiter in waiters:
            assert waiter.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    stub.FinishCommit(pb.FinishCommitRequest(commit=commit), timeout=10)


def test_however_many_calls_wait_others_are_answered(pachd, stub):
    stub.CreateRepo(pb.CreateRepoRequest(repo=repo("r")))
    commit = stub.StartCommit(pb.StartCommitRequest(branch=branch("r")))
    forever = pb.InspectCommitRequest(commit=commit, wait=pb.FINISHED)
    waiters = [stub.InspectCommit.future(forever, timeout=60) for _ in range(300)]
    stub.FinishCommit(pb.FinishCommitRequest(commit=commit), timeout=30)
    ends = Counter(waiter.code().name for waiter in waiters)
    assert set(ends) <= {"OK", "RESOURCE_EXHAUSTED"}
    assert ends["OK"] >= 190


# ------------------------------------------------------------------ kill -9


class Storm:
    """What clients do until the daemon dies, and what it has acknowledged: branch -> paths."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, set[str]] = {}
        self.over = threading.Event()
        self.writes = threading.Semaphore(0)  # one for each write that was answered

    def note(self, place: str, path: str) -> None:
        self.acknowledged.setdefault(place, set()).add(path)
        self.writes.release()


def _client(address: str, storm: Storm, seed: int) -> None:
    """Puts, starts, finishes and squashes until the daemon dies; what it acknowledged is noted."""
    chance = random.Random()
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = pfs_pb2_grpc.APIStub(channel)
        name, number = f"r{seed % 4}", 0
        while not storm.over.is_set():
            number += 1
            path = f"/{seed}-{number}-{chance.randrange(10**9)}"
            try:
                step = chance.choice(["put", "put", "commit", "squash"])
                if step == "put":
                    put(stub, head(name), path, path.encode())
                    storm.note(name, path)
                elif step == "commit":
                    on = f"b{seed}"
                    with contextlib.suppress(grpc.RpcError):  # one left open by an earlier life
                        stub.FinishCommit(pb.FinishCommitRequest(commit=head(name, on)), timeout=10)
                    commit = stub.StartCommit(pb.StartCommitRequest(branch=branch(name, on)), timeout=10)
                    put(stub, commit, path, path.encode())
                    stub.FinishCommit(pb.FinishCommitRequest(commit=commit), timeout=10)
                    storm.note(f"{name}@{on}", path)
                else:
                    info = stub.InspectCommit(pb.InspectCommitRequest(commit=head(name)), timeout=10)
                    if info.parent_commit.id:
                        chosen = pb.CommitSet(id=info.parent_commit.id)
                        stub.SquashCommitSet(pb.SquashCommitSetRequest(commit_set=chosen), timeout=10)
                        storm.writes.release()
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.UNAVAILABLE:
                    return


def _collector(address: str, storm: Storm) -> None:
    """Has garbage collected, again and again, until the daemon dies."""
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        with contextlib.suppress(grpc.RpcError):
            while not storm.over.is_set():
                channel.unary_unary("/workshop.Storage/Collect")(b"", timeout=30)


def survive(pachd, kills: int) -> int:
    """Kill the daemon at random moments of a storm; each time all that was acknowledged is there and fsck is silent."""
    chance = random.Random()
    names = [f"r{number}" for number in range(4)]
    storm = Storm()
    with grpc.insecure_channel(pachd.address) as channel:
        stub = pfs_pb2_grpc.APIStub(channel)
        for name in names:
            stub.CreateRepo(pb.CreateRepoRequest(repo=repo(name)))
        for name in names[:2]:  # the others' commits can be squashed: no open commit depends on them
            stub.CreateRepo(pb.CreateRepoRequest(repo=repo(f"{name}-down")))
            request = pb.CreateBranchRequest(branch=branch(f"{name}-down"), provenance=[branch(name)])
            stub.CreateBranch(request)
    for number in range(kills):
        if number % 50 == 49:
            print(f"\n{number + 1} kills", end="", flush=True)
        storm.over.clear()
        clients = [
            threading.Thread(target=_client, args=(pachd.address, storm, seed), daemon=True) for seed in range(8)
        ]
        clients.append(threading.Thread(target=_collector, args=(pachd.address, storm), daemon=True))
        for client in clients:
            client.start()
        for _ in range(chance.randint(1, 25)):
            storm.writes.acquire(timeout=5)
        time.sleep(chance.uniform(0, 0.03))  # anywhere between two writes
        pachd.kill()
        storm.over.set()
        for client in clients:
            client.join(30)
            assert not client.is_alive()
        pachd.start()
        with grpc.insecure_channel(pachd.address) as channel:
            _check(pfs_pb2_grpc.APIStub(channel), storm.acknowledged)
    return sum(map(len, storm.acknowledged.values()))


def _check(stub, acknowledged: dict[str, set[str]]) -> None:
    assert fsck(stub) == []
    for place, paths in acknowledged.items():
        name, _, on = place.partition("@")
        if not paths:
            continue
        request = pb.WalkFileRequest(file=pb.File(commit=head(name, on or "master"), path="/"))
        found = {info.file.path for info in stub.WalkFile(request, timeout=60)}
        assert paths <= found, f"lost: {sorted(paths - found)[:5]}"
        for info in stub.ListCommit(pb.ListCommitRequest(repo=repo(name), all=True), timeout=60):
            assert info.HasField("finishing") == info.HasField("finished"), "half a commit"
    for name in ("r0", "r1"):  # upstream and downstream of one set come together
        ups = {info.commit.id for info in stub.ListCommit(pb.ListCommitRequest(repo=repo(name), all=True))}
        for info in stub.ListCommit(pb.ListCommitRequest(repo=repo(f"{name}-down"), all=True)):
            assert all(up.id in ups for up in info.direct_provenance)


def test_kill_9_loses_nothing_that_was_acknowledged(pachd):
    survive(pachd, 1)


@pytest.mark.slow
def test_kill_9_many_times_loses_nothing_that_was_acknowledged(pachd):
    kills = int(os.environ.get("PFS_KILLS", "15"))
    print(f"\n{kills} kills, {survive(pachd, kills)} acknowledged writes, none lost")
