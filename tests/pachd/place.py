"""A project of a test's own on the shared daemon, and short words for what is done in it."""

from __future__ import annotations

import uuid

import grpc
import pytest
from google.protobuf import wrappers_pb2
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pb
from python_pachyderm.proto.v2.pfs import pfs_pb2_grpc
from python_pachyderm.proto.v2.transaction import transaction_pb2 as tx_pb
from python_pachyderm.proto.v2.transaction import transaction_pb2_grpc

GONE = "aaaaaaaaaaaa4aaaaaaaaaaaaaaaaaaa"


class Place:
    """A project of its own on the shared daemon, and short words for what is done in it."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self.pfs = pfs_pb2_grpc.APIStub(self.channel)
        self.transactions = transaction_pb2_grpc.APIStub(self.channel)
        self.project = "t" + uuid.uuid4().hex[:8]
        self.pfs.CreateProject(pb.CreateProjectRequest(project=pb.Project(name=self.project)))

    def repo(self, name, type="user"):
        return pb.Repo(name=name, type=type, project=pb.Project(name=self.project))

    def branch(self, name, on="master"):
        return pb.Branch(repo=self.repo(name), name=on)

    def at(self, name, id="", on=""):
        return pb.Commit(repo=self.repo(name), branch=self.branch(name, on), id=id)

    def repos(self, *names):
        for name in names:
            self.pfs.CreateRepo(pb.CreateRepoRequest(repo=self.repo(name)))

    def on(self, name, *upstream, on="master", **options):
        ups = [self.branch(*up) if isinstance(up, tuple) else self.branch(up) for up in upstream]
        self.pfs.CreateBranch(pb.CreateBranchRequest(branch=self.branch(name, on), provenance=ups, **options))

    def put(self, name, size=1, on="master", path="/f"):
        raw = wrappers_pb2.BytesValue(value=b"x" * size)
        messages = [
            pb.ModifyFileRequest(set_commit=self.at(name, on=on)),
            pb.ModifyFileRequest(delete_file=pb.DeleteFile(path=path)),
            pb.ModifyFileRequest(add_file=pb.AddFile(path=path, raw=raw)),
        ]
        self.pfs.ModifyFile(iter(messages))
        return self.inspect(name, on=on)

    def finish(self, name, id="", on="", **options):
        self.pfs.FinishCommit(pb.FinishCommitRequest(commit=self.at(name, id, on), **options))

    def inspect(self, name, id="", on=""):
        return self.pfs.InspectCommit(pb.InspectCommitRequest(commit=self.at(name, id, on)))

    def head(self, name, on="master"):
        return self.pfs.InspectBranch(pb.InspectBranchRequest(branch=self.branch(name, on))).head.id

    def commits(self, name, **options):
        options.setdefault("all", True)
        return list(self.pfs.ListCommit(pb.ListCommitRequest(repo=self.repo(name), **options)))

    def refused(self, call, request, code, text, metadata=()):
        with pytest.raises(grpc.RpcError) as error:
            answer = call(request, timeout=20, metadata=metadata)
            if hasattr(answer, "__next__"):
                list(answer)
        assert (error.value.code(), error.value.details()) == (code, text.replace("P/", f"{self.project}/"))

    def batch(self, *requests):
        return self.transactions.BatchTransaction(tx_pb.BatchTransactionRequest(requests=requests))

    def batch_refused(self, code, text, *requests):
        self.refused(self.transactions.BatchTransaction, tx_pb.BatchTransactionRequest(requests=requests), code, text)

    def wire(self, method, request, service="pfs_v2.API", stream=False):
        kind = self.channel.unary_stream if stream else self.channel.unary_unary
        answer = kind(f"/{service}/{method}")(request.SerializeToString(), timeout=20)
        return list(answer) if stream else answer


@pytest.fixture
def place(shared_pachd):
    place = Place(shared_pachd.address)
    yield place
    place.channel.close()


UNKNOWN, NOT_FOUND, INTERNAL = grpc.StatusCode.UNKNOWN, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INTERNAL
INVALID = grpc.StatusCode.INVALID_ARGUMENT
