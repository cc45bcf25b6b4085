"""What leaves a commit (Egress, GetFile with a URL) and what a commit gives up (ForgetCommit), over the wire."""

from __future__ import annotations

import grpc
import pytest
from conftest import Pachd

from workshop.pachd.wire.schema import pfs_v2

FILES = {"/a": b"one", "/d/b": b"two" * 1000, "/d/deep/c": b""}


class Place:
    """A daemon, and calls to it by the messages of 2.12."""

    def __init__(self, daemon: Pachd, channel: grpc.Channel) -> None:
        self.daemon, self.client, self._channel = daemon, daemon.client(), channel

    def stream(self, method: str, request) -> list[bytes]:
        return list(self._channel.unary_stream(f"/pfs_v2.API/{method}")(request.SerializeToString(), timeout=30))

    def call(self, method: str, request) -> bytes:
        return self._channel.unary_unary(f"/pfs_v2.API/{method}")(request.SerializeToString(), timeout=30)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "open").mkdir()
    with Pachd(tmp_path / "state", "--allow-files", str(tmp_path / "open")) as daemon:
        with grpc.insecure_channel(daemon.address) as channel:
            yield Place(daemon, channel)


def commit(repo: str, id: str = "", branch: str = "master"):
    made = pfs_v2.Commit(id=id)
    made.branch.name = branch
    for named in (made.branch.repo, made.repo):
        named.name, named.type, named.project.name = repo, "user", "default"
    return made


def refusal(call, *arguments) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as refused:
        call(*arguments)
    return refused.value.code().name, refused.value.details()


def fill(place: Place) -> None:
    place.client.create_repo("r")
    with place.client.commit("r", "master") as made, place.client.modify_file_client(made) as changes:
        for path, data in FILES.items():
            changes.put_file_from_bytes(path, data)


def found(folder) -> dict[str, bytes]:
    return {f"/{file.relative_to(folder)}": file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_commit_goes_to_a_folder_that_the_daemon_may_write_to(place, tmp_path):
    fill(place)
    request = pfs_v2.EgressRequest(commit=commit("r"))
    request.object_storage.url = f"file://{tmp_path}/open/out"
    answer = pfs_v2.EgressResponse.FromString(place.call("Egress", request))
    assert answer.object_storage.bytes_written == sum(map(len, FILES.values()))
    assert found(tmp_path / "open" / "out") == FILES


@pytest.mark.parametrize("method", ["GetFile", "GetFileTAR"])
def test_files_are_sent_to_a_url_instead_of_an_answer(place, tmp_path, method):
    fill(place)
    request = pfs_v2.GetFileRequest(file=pfs_v2.File(commit=commit("r"), path="/d/*"))
    request.URL = f"file://{tmp_path}/open/some"
    assert b"".join(place.stream(method, request)) == b""
    assert found(tmp_path / "open" / "some") == {path: data for path, data in FILES.items() if path.startswith("/d/")}
    request.file.path = "/none"
    assert "not found" in refusal(place.stream, method, request)[1]


def test_nothing_is_written_where_the_daemon_was_not_told_to(place, tmp_path):
    fill(place)
    (tmp_path / "open" / "away").symlink_to(tmp_path)
    request = pfs_v2.EgressRequest(commit=commit("r"))
    for where in (f"{tmp_path}/closed", f"{tmp_path}/open/../closed", f"{tmp_path}/open/away/closed"):
        request.object_storage.url = f"file://{where}"
        assert "--allow-files" in refusal(place.call, "Egress", request)[1]
    request.object_storage.url = "odd://place"
    assert refusal(place.call, "Egress", request) == ("UNKNOWN", "unrecognized object store: odd")
    request.sql_database.url = "postgres://place"
    assert refusal(place.call, "Egress", request)[0] == "UNIMPLEMENTED"
    assert refusal(place.call, "Egress", pfs_v2.EgressRequest(commit=commit("r"))) == ("UNKNOWN", "egress failed")
    assert not (tmp_path / "closed").exists()


def picked(repo: str, id: str):
    request = pfs_v2.ForgetCommitRequest()
    request.commit.id.id = id
    named = request.commit.id.repo.name
    named.name, named.type, named.project.name = repo, "user", "default"
    return request


def chain(place: Place) -> list[str]:
    """in@master and out@master below it, two commits each; the ids, oldest first."""
    client, made = place.client, []
    client.create_repo("in")
    client.create_repo("out")
    client.create_branch("out", "master", provenance=[branch("in")])
    for number in range(2):
        if number:
            client.start_commit("in", "master")
            client.finish_commit(("in", "master"))
        id = client.inspect_branch("out", "master").head.id  # the branch was made with an open commit
        client.put_file_bytes(("out", "master", id), f"/{number}", b"made from it")
        client.finish_commit(("out", "master"))
        made.append(id)
    return made


def branch(repo: str):
    from python_pachyderm.proto.v2.pfs import pfs_pb2 as pb

    return pb.Branch(repo=pb.Repo(name=repo, type="user", project=pb.Project(name="default")), name="master")


def test_a_forgotten_commit_has_a_place_in_history_and_no_content(place):
    first, second = chain(place)
    place.call("ForgetCommit", picked("out", first))
    gone = commit("out", first)
    file = pfs_v2.GetFileRequest(file=pfs_v2.File(commit=gone, path="/0"))
    assert refusal(place.stream, "GetFile", file) == ("UNKNOWN", "the commit is forgotten")
    files = pfs_v2.GetFileSetRequest(commit=gone)
    assert refusal(place.call, "GetFileSet", files) == ("UNKNOWN", "the commit is forgotten")
    listed = {info.file.path for info in place.client.list_file(("out", "master"), "/")}
    assert listed == {"/0", "/1"}  # the child keeps what it has
    assert [info.commit.id for info in place.client.list_commit("out", all=True)] == [second, first]
    assert list(place.client.fsck()) == []
    place.daemon.kill()
    with place.daemon:
        assert list(place.daemon.client().fsck()) == []


def test_what_must_not_be_forgotten_is_not(place):
    first, second = chain(place)
    words = "Forget Commit: the commit to be forgotten must be in an output repo"
    assert refusal(place.call, "ForgetCommit", picked("in", first)) == ("UNKNOWN", words)
    head = "list branch in transaction: for each branch: the branch head cannot be a forgotten commit"
    assert refusal(place.call, "ForgetCommit", picked("out", second)) == ("UNKNOWN", f"Forget Commit: {head}")
    place.client.start_commit("out", "side", parent=first)
    words = "Forget Commit: direct descendants must be closed"
    assert refusal(place.call, "ForgetCommit", picked("out", first)) == ("UNKNOWN", words)
    place.client.finish_commit(("out", "side"))
    place.call("ForgetCommit", picked("out", first))
    assert refusal(place.client.create_branch, "out", "late", ("out", first))[1] == head
    assert "the commit is forgotten" in refusal(lambda: place.client.start_commit("out", "later", parent=first))[1]


def test_no_work_is_cut_into_tasks(place):
    for service in ("pfs_v2", "pps_v2"):
        assert list(place._channel.unary_stream(f"/{service}.API/ListTask")(b"", timeout=10)) == []


def test_a_file_set_counts_for_the_size_of_the_open_commit_that_it_is_added_to(place):
    place.client.create_repo("r")
    place.client.start_commit("r", "master")
    adding = pfs_v2.ModifyFileRequest()
    adding.add_file.path, adding.add_file.raw.value = "/f", b"x" * 5000
    create = place._channel.stream_unary("/pfs_v2.API/CreateFileSet")
    made = pfs_v2.CreateFileSetResponse.FromString(create(iter([adding.SerializeToString()]), timeout=30))
    place.call("AddFileSet", pfs_v2.AddFileSetRequest(commit=commit("r"), file_set_id=made.file_set_id))
    (listed,) = place.stream("ListCommit", pfs_v2.ListCommitRequest(repo=commit("r").repo))
    assert pfs_v2.CommitInfo.FromString(listed).size_bytes_upper_bound == 5000
