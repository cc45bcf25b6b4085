"""Messages as dictionaries: the same bytes and the same JSON as python_pachyderm's own classes, and what 2.12 added."""

from __future__ import annotations

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from python_pachyderm.proto.v2.pfs import pfs_pb2
from python_pachyderm.proto.v2.pps import pps_pb2

from workshop.pachctl import protocol
from workshop.pachctl.messages import Message, decode, encode, number, to_json

_texts = st.text(max_size=8)
_numbers = st.integers(-(1 << 63), (1 << 63) - 1)


@given(
    _texts,
    _numbers,
    st.lists(_texts, max_size=3),
    st.integers(0, 10**9),
    st.integers(0, 999_999_999),
    st.sampled_from([0, 1, 2, 3]),
)
def test_commits_read_and_write_like_python_pachyderms(name, size, children, seconds, nanos, kind):
    theirs = pfs_pb2.CommitInfo(description=name, size_bytes_upper_bound=size)
    theirs.commit.repo.name = name
    theirs.origin.kind = kind
    theirs.started.seconds, theirs.started.nanos = seconds, nanos
    theirs.details.compacting_time.nanos = nanos
    for child in children:
        theirs.child_commits.add().id = child
    ours = decode("pfs_v2.CommitInfo", theirs.SerializeToString())
    assert to_json(ours) == MessageToDict(theirs, preserving_proto_field_name=True)
    assert pfs_pb2.CommitInfo.FromString(encode("pfs_v2.CommitInfo", ours)) == theirs


@given(
    st.dictionaries(st.text(min_size=1, max_size=4), _texts, max_size=3),
    st.lists(st.integers(-5, 300), max_size=4),
    st.floats(0, 64, width=32),
    st.binary(max_size=8),
)
def test_maps_packed_lists_floats_and_bytes_read_and_write_like_python_pachyderms(env, codes, cpu, data):
    theirs = pps_pb2.CreatePipelineRequest()
    theirs.transform.env.update(env)
    theirs.transform.accept_return_code.extend(codes)
    theirs.resource_requests.cpu = cpu
    ours = decode("pps_v2.CreatePipelineRequest", theirs.SerializeToString())
    assert to_json(ours) == MessageToDict(theirs, preserving_proto_field_name=True)
    assert pps_pb2.CreatePipelineRequest.FromString(encode("pps_v2.CreatePipelineRequest", ours)) == theirs
    assert (
        encode("pps_v2.CreateSecretRequest", {"file": data})
        == pps_pb2.CreateSecretRequest(file=data).SerializeToString()
    )


@pytest.mark.parametrize("name", list(protocol._newer()))
def test_every_message_of_the_table_resolves_with_distinct_numbers_and_types_that_exist(name):
    fields = protocol.schema(name).fields
    assert len({field.number for field in fields}) == len(fields)
    for field in fields:
        if field.kind == "message":
            protocol.schema(field.type)


def test_what_is_not_set_reads_as_its_default_and_is_told_from_what_is():
    info = Message("pfs_v2.CommitInfo", {"description": "x"})
    assert (info.commit.repo.project.name, info.child_commits, info.size_bytes_upper_bound) == ("", [], 0)
    assert "details" not in info
    with pytest.raises(AttributeError):
        _ = info.nonsense


def test_fields_that_2_12_added_come_by_name_in_its_order():
    wire = encode("pfs_v2.CommitInfo", {"created_by": "ada", "direct_subvenance": [{"id": "x"}], "error": "e"})
    assert list(to_json(decode("pfs_v2.CommitInfo", wire))) == ["direct_subvenance", "error", "created_by"]


def test_a_misspelt_field_is_an_error_of_the_caller():
    with pytest.raises(KeyError, match="has no field nam"):
        encode("pfs_v2.Repo", {"nam": "x"})


@pytest.mark.parametrize("data", [b"\x0a\x05ab", b"\x0a", b"\x80", b"\x0b"])
def test_bytes_that_are_no_message_are_refused(data):
    with pytest.raises(ValueError, match=r"message ends|unknown wire type"):
        decode("pfs_v2.Repo", data)


def test_numbers_are_the_shortest_that_read_back():
    assert [number(value) for value in (1.0, 0.5)] == [1, 0.5]
    assert number(0.10000000149011612, single=True) == 0.1
