"""Provenance both ways over 100 commits, by gRPC: milliseconds (median of 50 calls).

    python tests/benchmarks/provenance.py [--files 10000]

A chain of 100 repos, each branch on the one before; the first holds the files. One write makes 100 commits. Asked: all
99 that the last one depends on (WalkCommitProvenance), and all 99 that depend on the first one (WalkCommitSubvenance).
The time is that of the call until the last message has arrived as bytes; beside it the time of an answer of the same
bytes that needs no work (as the floor of gRPC for Python on this machine).
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from concurrent import futures
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from workshop.pachd.wire.schema import pfs_v2
from workshop.testing import Pachd

LENGTH, CALLS = 100, 50


def repo(number: int):
    return pfs_v2.Repo(name=f"r{number:03}", type="user", project=pfs_v2.Project(name="default"))


def build(channel: grpc.Channel, client, files: int) -> str:
    """The chain and one write to its first repo; the id of the set."""

    def call(method: str, request) -> bytes:
        return channel.unary_unary(f"/pfs_v2.API/{method}")(request.SerializeToString(), timeout=60)

    for number in range(LENGTH):
        call("CreateRepo", pfs_v2.CreateRepoRequest(repo=repo(number)))
    branches = [pfs_v2.Branch(repo=repo(number), name="master") for number in range(LENGTH)]
    call("CreateBranch", pfs_v2.CreateBranchRequest(branch=branches[0]))
    for upstream, branch in itertools.pairwise(branches):
        call("CreateBranch", pfs_v2.CreateBranchRequest(branch=branch, provenance=[upstream]))
    commit = client.start_commit("r000", "master")
    if files:
        with client.modify_file_client(commit) as writer:
            for number in range(files):
                writer.put_file_from_bytes(f"/{number // 100:03}/{number:06}", b"x" * 1024)
    client.finish_commit(commit)
    return commit.id


def measure(ask) -> float:
    """Median milliseconds of a call."""
    times = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        ask()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


def floor(messages: list[bytes]) -> float:
    """Median milliseconds of a stream of the same bytes from a server that does nothing else."""

    class Echo(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_stream_rpc_method_handler(lambda request, context: iter(messages))

    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            return measure(lambda: list(channel.unary_stream("/x/y")(b"")))
    finally:
        server.stop(None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Pachd(Path(folder) / "state") as daemon:
        with grpc.insecure_channel(daemon.address) as channel:
            id = build(channel, daemon.client(), options.files)
            for method, number in (("WalkCommitProvenance", LENGTH - 1), ("WalkCommitSubvenance", 0)):
                wanted = getattr(pfs_v2, f"{method}Request")()
                picked = wanted.start.add().id
                picked.id = id
                picked.repo.name.name, picked.repo.name.type = f"r{number:03}", "user"
                picked.repo.name.project.name = "default"
                request = wanted.SerializeToString()
                stub = channel.unary_stream(f"/pfs_v2.API/{method}")
                answer = list(stub(request))
                assert len(answer) == LENGTH - 1
                took, least = measure(lambda s=stub, r=request: list(s(r))), floor(answer)
                print(f"{method}: {took:.1f} ms for {len(answer)} commits (bare gRPC: {least:.1f} ms)")


if __name__ == "__main__":
    main()
