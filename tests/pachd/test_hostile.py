"""Whatever a client sends, to any RPC, is answered with a status: no traceback, no hang, no dead server."""

from __future__ import annotations

import contextlib

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from python_pachyderm.proto.v2.pps.pps_pb2 import Input, PFSInput, Transform

from workshop.pachd.wire import schema
from workshop.testing import Pachd

SERVICES = ("pfs_v2.API", "pps_v2.API", "transaction_v2.API", "metadata.API", "admin_v2.API", "license_v2.API")
METHODS = sorted((m for m in schema.METHODS.values() if m.service in SERVICES), key=lambda m: m.path)
WAITING = {  # these may wait for what never comes
    *("SubscribeCommit", "InspectCommit", "InspectCommitSet"),
    *("InspectJob", "InspectJobSet", "SubscribeJob", "GetLogs"),
}
DEPTH = 4  # of messages in messages; an input nests five deep before it names a repo

STRINGS = st.one_of(
    st.sampled_from(
        [
            "",
            "r",
            "master",
            "user",
            "hostile",
            "master^",
            "master^99999999999999999999",
            "master.0",
            ".",
            "a@b",
            "a" * 100_000,
            "\x00",
            "../../etc/passwd",
            "/" * 2000,
            "%s%n",
            "'; DROP TABLE commits; --",
            "\N{SNOWMAN}",
            "aaaaaaaaaaaa4aaaaaaaaaaaaaaaaaaa",
            "__filesets__",
            "[" * 500,
            "@every 1ns",
            "p",
            "/*",
            "$1",
            "true",
            "{}",
            "[",
            '{"pipeline": {"name": "p"}, "input": {"pfs": {"repo": "r", "glob": "/*"}}, "transform": {"cmd": ["no"]}}',
            '{"pipeline": {"name": "q"}, "input": {"cross": [{}, {"pfs": {}}, {"union": null}]}, "salt": 1e999}',
            '{"createPipelineRequest": {"datumTries": "many"}}',
            '{"metadata": {"name": "s"}, "data": {"k": "no base64"}}',
        ]
    ),
    st.text(max_size=20),
)
SCALARS = {
    FieldDescriptor.CPPTYPE_STRING: STRINGS,
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_INT32: st.one_of(st.integers(-2, 3), st.sampled_from([-(2**31), 2**31 - 1])),
    FieldDescriptor.CPPTYPE_INT64: st.one_of(st.integers(-2, 3), st.sampled_from([-(2**63), 2**63 - 1])),
    FieldDescriptor.CPPTYPE_UINT32: st.sampled_from([0, 1, 2**32 - 1]),
    FieldDescriptor.CPPTYPE_UINT64: st.sampled_from([0, 1, 2**64 - 1]),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(0, 9),
}

PIPELINE_INPUT = PFSInput(project="hostile", repo="r", glob="/*")
THERE = {
    "Project.name": "hostile",
    "Repo.name": "r",
    "Repo.type": "user",
    "Branch.name": "master",
    "Pipeline.name": "p",
    "PFSInput.project": "hostile",
    "PFSInput.repo": "r",
    "PFSInput.glob": "/*",
}


@st.composite
def messages(draw, full_name: str, depth: int = 0):
    """A message of a type with any of its fields set, to anything."""
    message = schema.message_class(full_name)()
    for field in message.DESCRIPTOR.fields:
        chance = draw(st.integers(0, 3))
        if chance == 0 or depth > DEPTH:
            continue
        repeated = field.label == FieldDescriptor.LABEL_REPEATED
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            if field.message_type.GetOptions().map_entry:
                continue
            for _ in range(draw(st.integers(1, 2)) if repeated else 1):
                part = draw(messages(field.message_type.full_name, depth + 1))
                if repeated:
                    getattr(message, field.name).append(part)
                else:
                    getattr(message, field.name).CopyFrom(part)
        else:
            values = st.binary(max_size=40) if field.type == FieldDescriptor.TYPE_BYTES else SCALARS[field.cpp_type]
            if repeated:
                getattr(message, field.name).extend(draw(st.lists(values, max_size=3)))
            else:
                real = THERE.get(f"{message.DESCRIPTOR.name}.{field.name}")
                setattr(message, field.name, real if real and draw(st.integers(0, 3)) else draw(values))
    return message


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with Pachd(tmp_path_factory.mktemp("hostile") / "state") as daemon:
        yield daemon


@pytest.fixture
def channel(daemon):
    """A channel to a daemon that has something to lose: earlier requests may have taken it away."""
    client = daemon.client()
    for step in (
        lambda: client.create_project("hostile"),
        lambda: client.create_repo("r", project_name="hostile"),
        lambda: client.finish_commit(client.start_commit("r", "master", project_name="hostile")),
        lambda: client.create_pipeline("p", Transform(cmd=["true"]), "hostile", input=Input(pfs=PIPELINE_INPUT)),
    ):
        with contextlib.suppress(grpc.RpcError):
            step()
    with grpc.insecure_channel(daemon.address) as channel:
        yield channel


def ask(channel, method: schema.Method, requests: list[bytes], timeout: float) -> grpc.RpcError | None:
    """The refusal of a call; None when it is answered."""
    kind = ("stream" if method.streams_in else "unary") + "_" + ("stream" if method.streams_out else "unary")
    call = getattr(channel, kind)(method.path)
    try:
        answer = call(iter(requests) if method.streams_in else requests[0], timeout=timeout)
        if method.streams_out:
            for _, _message in zip(range(20), answer, strict=False):
                pass
            answer.cancel()
    except grpc.RpcError as error:
        return error
    return None


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.path)
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # messages this large are not shrunk in minutes
)
@given(data=st.data())
def test_any_request_is_answered_with_a_status(channel, method, data):
    count = data.draw(st.integers(1, 3)) if method.streams_in else 1
    requests = [data.draw(messages(method.request)) for _ in range(count)]
    wire = [request.SerializeToString() for request in requests]
    error = ask(channel, method, wire, timeout=0.3 if method.name in WAITING else 20)
    if error is None:
        return
    assert error.details(), method.path
    assert "Traceback" not in error.details()
    assert "internal error" not in error.details(), f"{error.details()} for {requests}"
    if method.name not in WAITING:
        assert error.code() != grpc.StatusCode.DEADLINE_EXCEEDED, f"{method.path} hangs on {requests}"


def test_the_server_lives_on(daemon, channel):
    daemon.client().create_repo("lives", project_name="hostile")
    assert "Traceback" not in daemon.log.read_text()
