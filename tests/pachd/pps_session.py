"""Raw stubs on a daemon, and a project of one's own: what the tests of pipelines over the wire begin with."""

from __future__ import annotations

import time
import uuid

import grpc
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pfs
from python_pachyderm.proto.v2.pfs import pfs_pb2_grpc
from python_pachyderm.proto.v2.pps import pps_pb2 as pps
from python_pachyderm.proto.v2.pps import pps_pb2_grpc
from python_pachyderm.proto.v2.transaction import transaction_pb2_grpc


class Session:
    """Raw stubs on a daemon, and a project of its own."""

    def __init__(self, daemon) -> None:
        self.channel = grpc.insecure_channel(daemon.address)
        self.pfs, self.pps = pfs_pb2_grpc.APIStub(self.channel), pps_pb2_grpc.APIStub(self.channel)
        self.transaction = transaction_pb2_grpc.APIStub(self.channel)
        self.project = pfs.Project(name="p" + uuid.uuid4().hex[:8])
        self.pfs.CreateProject(pfs.CreateProjectRequest(project=self.project))

    def repo(self, name: str) -> pfs.Repo:
        return pfs.Repo(name=name, type="user", project=self.project)

    def make_repo(self, name: str) -> None:
        self.pfs.CreateRepo(pfs.CreateRepoRequest(repo=self.repo(name)))

    def put(self, repo: str, path: str, content: bytes = b"x") -> str:
        commit = pfs.Commit(repo=self.repo(repo), branch=pfs.Branch(repo=self.repo(repo), name="master"))
        requests = [
            pfs.ModifyFileRequest(set_commit=commit),
            pfs.ModifyFileRequest(delete_file=pfs.DeleteFile(path=path)),
            pfs.ModifyFileRequest(add_file=pfs.AddFile(path=path, raw={"value": content})),
        ]
        self.pfs.ModifyFile(iter(requests))
        return self.pfs.InspectCommit(pfs.InspectCommitRequest(commit=commit)).commit.id

    def pipeline(self, name: str) -> pps.Pipeline:
        return pps.Pipeline(project=self.project, name=name)

    def job(self, name: str, id: str) -> pps.Job:
        return pps.Job(pipeline=self.pipeline(name), id=id)

    def input(self, repo: str, **more) -> pps.Input:
        return pps.Input(pfs=pps.PFSInput(**{"repo": repo, "project": self.project.name, "glob": "/*", **more}))

    def create(self, name: str, source: str, *lines: str, metadata=None, **more) -> None:
        request = pps.CreatePipelineRequest(
            pipeline=self.pipeline(name),
            transform=pps.Transform(image="any", cmd=["sh"], stdin=lines or ["cp /pfs/in/* /pfs/out/"]),
            input=more.pop("input", self.input(source, name="in")),
            **more,
        )
        self.pps.CreatePipeline(request, metadata=metadata)

    def jobs(self, name: str, history: int = -1) -> list[pps.JobInfo]:
        return list(self.pps.ListJob(pps.ListJobRequest(pipeline=self.pipeline(name), history=history)))

    def wait(self, name: str, id: str = "", timeout: float = 60) -> pps.JobInfo:
        request = pps.InspectJobRequest(job=self.job(name, id or self.jobs(name)[0].job.id), wait=True, details=True)
        return self.pps.InspectJob(request, timeout=timeout)

    def until(self, name: str, state: int, id: str = "") -> str:
        """Look until the newest job (or the one given) has the state; its id."""
        deadline = time.monotonic() + 30
        id = id or self.jobs(name)[0].job.id
        while self.pps.InspectJob(pps.InspectJobRequest(job=self.job(name, id))).state != state:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return id
