"""The protocol as served: every RPC has an answer, newer fields arrive, and nothing a client sends stops the daemon."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from workshop.pachd.wire import schema


@pytest.fixture(scope="module")
def channel(shared_pachd):
    with grpc.insecure_channel(shared_pachd.address) as channel:
        yield channel


def ask(channel, method: schema.Method, data: bytes) -> grpc.StatusCode:
    kind = ("stream" if method.streams_in else "unary") + "_" + ("stream" if method.streams_out else "unary")
    call = getattr(channel, kind)(method.path)
    request = iter([data]) if method.streams_in else data
    try:
        answer = call(request, timeout=3)
        if method.streams_out:
            list(answer)
        return grpc.StatusCode.OK
    except grpc.RpcError as error:
        assert error.details(), f"{method.path}: no words"
        assert "Traceback" not in error.details()
        return error.code()


def test_the_schema_is_pachyderm_2_12s():
    assert schema.pfs_v2.DeleteRepoResponse(deleted=True).SerializeToString() == b"\x08\x01"
    assert schema.METHODS["/pps_v2.API/CreateDatum"].streams_in
    assert "/pfs_v2.API/RunLoadTest" not in schema.METHODS
    assert schema.pps_v2.PipelineInfo.DESCRIPTOR.fields_by_number[14].name == "effective_spec_json"
    assert schema.pfs_v2.BranchInfo.DESCRIPTOR.fields_by_name["created_by"].number == 8


def test_every_field_of_the_installed_client_keeps_its_number_and_kind():
    """What python-pachyderm sends and reads means the same here, but for the fields 2.12 took away or renamed."""
    from python_pachyderm.proto.v2.pfs import pfs_pb2
    from python_pachyderm.proto.v2.pps import pps_pb2

    changed = set()
    for module in (pfs_pb2, pps_pb2):
        for name, message in module.DESCRIPTOR.message_types_by_name.items():
            ours = schema.message_class(message.full_name).DESCRIPTOR
            for field in message.fields:
                twin = ours.fields_by_number.get(field.number)
                if twin is None or (twin.name, twin.type, twin.label) != (field.name, field.type, field.label):
                    changed.add(f"{name}.{field.name}")
    assert changed == {
        "ClusterDefaults.details_json",
        "ClusterDefaults.effective_details_json",
        "CreatePipelineRequest.details_json",
        "GetClusterDefaultsResponse.cluster_defaults",
        "PipelineInfo.details_json",
        "SetClusterDefaultsRequest.cluster_defaults",
        "SetClusterDefaultsResponse.effective_details_json",
    }


@pytest.mark.parametrize("path", ["/pjs.API/CreateJob", "/snapshot.API/ListSnapshot", "/storage.Fileset/CreateFileset"])
def test_an_rpc_that_is_not_there_says_so_by_name(channel, path):
    method = schema.METHODS[path]
    kind = ("stream" if method.streams_in else "unary") + "_" + ("stream" if method.streams_out else "unary")
    with pytest.raises(grpc.RpcError) as caught:
        answer = getattr(channel, kind)(path)(iter([b""]) if method.streams_in else b"", timeout=5)
        list(answer) if method.streams_out else answer
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert path.strip("/") in caught.value.details()


def test_random_bytes_get_a_status_from_every_rpc_and_the_daemon_lives(channel, shared_pachd):
    for data in (b"\xff\xff\xff\xff\xff", b"\x0a\x7f" + b"a" * 10, bytes(range(256)) * 4):
        for method in schema.METHODS.values():
            if method.name not in ("SubscribeCommit", "SubscribeJob", "DeleteAll"):
                ask(channel, method, data)
    assert shared_pachd.client().get_remote_version().major == 2


def test_nothing_of_the_enterprise_kind_is_activated(shared_pachd):
    client = shared_pachd.client()
    with pytest.raises(Exception, match="the auth service is not activated"):
        client.who_am_i()
    assert client.health_check().status == 1


def test_two_daemons_cannot_share_a_state_folder(shared_pachd):
    import subprocess
    import sys

    command = [sys.executable, "-m", "workshop.pachd", "--state", str(shared_pachd.state), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "in use by another pachd" in done.stderr and "Traceback" not in done.stderr


def test_listening_beyond_loopback_demands_a_token(tmp_path):
    import subprocess
    import sys

    command = [
        sys.executable,
        "-m",
        "workshop.pachd",
        "--state",
        str(tmp_path / "s"),
        "--port",
        "0",
        "--host",
        "0.0.0.0",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "needs a token" in done.stderr


def test_an_upload_that_breaks_off_leaves_no_commit(shared_pachd):
    """However early or late: what the client did not finish sending was never sent."""
    from python_pachyderm.proto.v2.pfs import pfs_pb2 as pb
    from python_pachyderm.proto.v2.pfs.pfs_pb2_grpc import APIStub

    client = shared_pachd.client()
    client.create_repo("broken-off")
    target = pb.Commit(branch=pb.Branch(repo=pb.Repo(name="broken-off", type="user"), name="master"))

    def requests(messages):
        yield pb.ModifyFileRequest(set_commit=target)
        for number in range(messages):
            yield pb.ModifyFileRequest(add_file=pb.AddFile(path=f"/{number}", raw={"value": b"x" * 1000}))
        raise OSError("the disk went away")

    def break_off(messages):
        with grpc.insecure_channel(shared_pachd.address) as channel, pytest.raises(grpc.RpcError):
            APIStub(channel).ModifyFile(requests(messages), timeout=10)

    with ThreadPoolExecutor(8) as senders:
        list(senders.map(break_off, [number % 5 for number in range(400)]))
    assert list(client.list_commit("broken-off")) == []
    client.put_file_bytes(("broken-off", "master"), "/whole", b"1")
    assert [info.file.path for info in client.list_file(("broken-off", "master"), "/")] == ["/whole"]
    client.delete_repo("broken-off")
