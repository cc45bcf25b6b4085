"""File sets over the wire: what the recorded scenarios do not ask."""

from __future__ import annotations

import uuid

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.wrappers_pb2 import StringValue
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pb
from python_pachyderm.proto.v2.pfs import pfs_pb2_grpc

from workshop.pachd.wire.schema import pfs_v2

GONE = "a" * 12 + "4" + "a" * 19


@pytest.fixture
def stub(shared_pachd):
    with grpc.insecure_channel(shared_pachd.address) as channel:
        yield pfs_pb2_grpc.APIStub(channel)


def add(path: str, data: bytes = b"x", datum: str = "") -> pb.ModifyFileRequest:
    request = pb.ModifyFileRequest()
    request.add_file.path, request.add_file.datum, request.add_file.raw.value = path, datum, data
    return request


def delete(path: str, datum: str = "") -> pb.ModifyFileRequest:
    return pb.ModifyFileRequest(delete_file=pb.DeleteFile(path=path, datum=datum))


def make(stub, *requests: pb.ModifyFileRequest) -> str:
    return stub.CreateFileSet(iter(requests), timeout=30).file_set_id


def compose(stub, *ids: str, **more) -> str:
    return stub.ComposeFileSet(
        pb.ComposeFileSetRequest(file_set_ids=ids, ttl_seconds=60, **more), timeout=30
    ).file_set_id


def inside(id: str) -> pb.Commit:
    repo = pb.Repo(name="__filesets__", type="user", project=pb.Project(name="default"))
    return pb.Commit(repo=repo, id=id)


def held(stub, commit: pb.Commit) -> dict[str, bytes]:
    infos = stub.WalkFile(pb.WalkFileRequest(file=pb.File(commit=commit, path="/")), timeout=30)
    files = [info.file.path for info in infos if info.file_type == pb.FILE]
    requests = {path: pb.GetFileRequest(file=pb.File(commit=commit, path=path)) for path in files}
    return {path: b"".join(m.value for m in stub.GetFile(request, timeout=30)) for path, request in requests.items()}


def shards(stub, id: str, **limits) -> list[tuple[str, str]]:
    newer = pfs_v2.ShardFileSetRequest(
        file_set_id=id, **limits
    ).SerializeToString()  # the limits are newer than the stub
    answer = stub.ShardFileSet(pb.ShardFileSetRequest.FromString(newer), timeout=30)
    return [(shard.lower, shard.upper) for shard in answer.shards]


def refusal(call) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        answer = call()
        list(answer) if hasattr(answer, "__next__") else None
    return f"{caught.value.code().name}: {caught.value.details()}"


def test_sets_are_composed_in_their_order(stub):
    one, two = make(stub, add("/f", b"1"), add("/g", b"1")), make(stub, delete("/g"), add("/f", b"2"), add("/h", b"2"))
    assert held(stub, inside(compose(stub, one, two))) == {"/f": b"12", "/h": b"2"}
    assert held(stub, inside(compose(stub, two, one))) == {"/f": b"21", "/g": b"1", "/h": b"2"}
    assert held(stub, inside(compose(stub, one, one, compact=True))) == {"/f": b"11", "/g": b"11"}
    assert held(stub, inside(compose(stub))) == {}


def test_a_set_takes_files_from_a_commit_by_name_but_no_directories(stub, shared_pachd):
    client = shared_pachd.client()
    name = f"filesets-{uuid.uuid4().hex[:8]}"
    client.create_repo(name)
    client.put_file_bytes((name, "master"), "/d/a", b"1")
    client.put_file_bytes((name, "master"), "/d/b", b"2")
    made = make(stub, add("/d/own"), delete("/d/"), delete("/d/b"), add("/d/c", b"3"))
    with client.commit(name, "master") as commit:
        target = pb.Commit(repo=pb.Repo(name=name, type="user", project=pb.Project(name="default")), id=commit.id)
        stub.AddFileSet(pb.AddFileSetRequest(commit=target, file_set_id=compose(stub, made)), timeout=30)
        assert held(stub, target) == {"/d/a": b"1", "/d/c": b"3"}
        stub.AddFileSet(pb.AddFileSetRequest(commit=target, file_set_id=made + "." + "ab" * 32), timeout=30)
        assert held(stub, target) == {"/d/a": b"1", "/d/c": b"33"}


def test_a_set_can_be_of_what_was_written_to_a_commit_alone(stub, shared_pachd):
    client = shared_pachd.client()
    name = f"filesets-{uuid.uuid4().hex[:8]}"
    client.create_repo(name)
    for path in ("/appended", "/replaced", "/deleted", "/kept"):
        client.put_file_bytes((name, "master"), path, b"old")
    base = client.inspect_branch(name, "master").head
    with client.modify_file_client((name, "master")) as put:
        put.put_file_from_bytes("/appended", b"+new", append=True)
        put.put_file_from_bytes("/replaced", b"new")
        put.put_file_from_bytes("/added", b"new")
        put.delete_file("/deleted")

    def of_head(kind):
        request = pfs_v2.GetFileSetRequest(type=kind)  # the type is newer than the stub
        request.commit.ParseFromString(client.inspect_branch(name, "master").head.SerializeToString())
        newer = pb.GetFileSetRequest.FromString(request.SerializeToString())
        return stub.GetFileSet(newer, timeout=30).file_set_id

    written = of_head(1)
    assert held(stub, inside(written)) == {"/added": b"new", "/appended": b"+new", "/replaced": b"new"}
    below = stub.GetFileSet(pb.GetFileSetRequest(commit=base), timeout=30).file_set_id
    assert held(stub, inside(compose(stub, below, written))) == held(stub, inside(of_head(0)))


def test_a_set_that_copies_a_directory_replaces_its_files(stub, shared_pachd):
    client = shared_pachd.client()
    name = f"filesets-{uuid.uuid4().hex[:8]}"
    client.create_repo(name)
    client.put_file_bytes((name, "master"), "/d/a", b"new")
    client.put_file_bytes((name, "copy"), "/d/a", b"old")
    source = pb.File(path="/d", commit=client.inspect_branch(name, "master").head)
    made = make(stub, pb.ModifyFileRequest(copy_file=pb.CopyFile(dst="/d", src=source)))
    with client.commit(name, "copy") as commit:
        target = pb.Commit(repo=pb.Repo(name=name, type="user", project=pb.Project(name="default")), id=commit.id)
        stub.AddFileSet(pb.AddFileSetRequest(commit=target, file_set_id=made), timeout=30)
        assert held(stub, target) == {"/d/a": b"new"}


def test_a_shard_is_closed_once_it_has_its_files_or_bytes(stub):
    made = make(stub, *[add(f"/f{number}", b"xyz") for number in range(5)])
    assert shards(stub, made) == shards(stub, made, num_files=5) == [("", "")]
    assert shards(stub, made, num_files=2) == [("", "/f2"), ("/f2", "/f4"), ("/f4", "")]
    assert shards(stub, made, size_bytes=5) == [("", "/f2"), ("/f2", "/f4"), ("/f4", "")]
    assert shards(stub, made, size_bytes=6) == shards(stub, made, num_files=4, size_bytes=4)
    assert shards(stub, made, size_bytes=1, num_files=100) == shards(stub, made, num_files=1)
    assert shards(stub, make(stub), num_files=1) == shards(stub, make(stub, delete("/f")), num_files=1) == [("", "")]


def test_the_first_of_composed_sets_decides_on_the_shards(stub):
    one, two = make(stub, add("/a"), add("/b")), make(stub, add("/c"), add("/d"))
    assert shards(stub, compose(stub, make(stub), one, two), num_files=1) == [("", "/b"), ("/b", "")]
    assert len(shards(stub, compose(stub, one, two, compact=True), num_files=1)) == 4


def test_what_is_no_set_is_refused_in_the_words_of_each_call(stub):
    short = "UNKNOWN: parsing fileset.Token: too short to be Token len=1"
    calls = {
        "UNKNOWN: path does not exist": (
            lambda id: shards(stub, id),
            lambda id: held(stub, inside(id)),
            lambda id: compose(stub, id, compact=True),
        ),
        "UNKNOWN: the operation would create a dangling reference": (
            lambda id: compose(stub, id),
            lambda id: stub.PutCache(pb.PutCacheRequest(key="none", file_set_ids=[id]), timeout=30),
        ),
        f"NOT_FOUND: tracker does not contain item: (fileset/{GONE})": (
            lambda id: stub.RenewFileSet(pb.RenewFileSetRequest(file_set_id=id, ttl_seconds=60), timeout=30),
        ),
    }
    for words, several in calls.items():
        for call in several:
            assert refusal(lambda call=call: call(GONE)) == words
            assert refusal(lambda call=call: call("x")) == short
    assert refusal(lambda: shards(stub, GONE + "f")).endswith("too long to be Token len=33")
    assert refusal(lambda: shards(stub, "z" + GONE[1:])) == "UNKNOWN: encoding/hex: invalid byte: U+007A 'z'"


def test_a_set_is_a_finished_commit_without_a_parent(stub):
    made = make(stub, add("/d/f", b"1"))
    for id in (made, GONE):  # nobody looks
        info = stub.InspectCommit(pb.InspectCommitRequest(commit=inside(id), wait=pb.FINISHED), timeout=30)
        assert (info.commit.id, info.description) == (id, "FileSet - Virtual Commit")
        assert info.HasField("finished") and not info.HasField("started") and not info.HasField("details")
    new = pb.File(commit=inside(made), path="/")
    pairs = list(stub.DiffFile(pb.DiffFileRequest(new_file=new), timeout=30))
    assert [pair.new_file.file.path for pair in pairs] == ["/", "/d/", "/d/f"]
    assert not any(pair.HasField("old_file") for pair in pairs)
    same = pb.File(commit=inside(make(stub, add("/d/f", b"1"))), path="/")
    assert not list(stub.DiffFile(pb.DiffFileRequest(new_file=new, old_file=same), timeout=30))


def test_a_cached_value_stays_until_its_tag_is_cleared(stub):
    key = uuid.uuid4().hex

    def put(text):
        value = Any()
        value.Pack(StringValue(value=text))
        stub.PutCache(pb.PutCacheRequest(key=key, value=value, tag=key), timeout=30)

    def kept():
        return StringValue.FromString(stub.GetCache(pb.GetCacheRequest(key=key), timeout=30).value.value).value

    put("one")
    put("two")
    assert kept() == "one"
    stub.ClearCache(pb.ClearCacheRequest(tag_prefix=key[:8]), timeout=30)
    put("two")
    assert kept() == "two"
