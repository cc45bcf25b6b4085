"""Rules of the calls on pipelines, over the wire: orders of checks and of lists, texts, what a refusal leaves."""

from __future__ import annotations

import grpc
import pytest
from pachd.pps_session import Session
from python_pachyderm.proto.v2.pps import pps_pb2 as pps
from python_pachyderm.proto.v2.transaction import transaction_pb2 as transaction

from workshop.pachd.wire.schema import pps_v2


@pytest.fixture
def session(shared_pachd):
    return Session(shared_pachd)


def refused(call, *arguments, **more) -> str:
    """The code and text of a refusal, as `CODE text`."""
    with pytest.raises(grpc.RpcError) as refusal:
        answer = call(*arguments, **more)
        if hasattr(answer, "__next__"):
            list(answer)
    return f"{refusal.value.code().name} {refusal.value.details()}"


def listed(session, **fields) -> list[str]:
    request = pps.ListPipelineRequest(projects=[session.project], **fields)
    return [info.pipeline.name for info in session.pps.ListPipeline(request)]


# ---------------------------------------------------------------- lists
def test_a_faulty_jq_program_is_named_before_anything_else(session):
    asked = {"pipeline": session.pipeline("nope"), "jqFilter": "("}
    sets = pps.ListJobSetRequest(projects=[session.project], jqFilter="(", number=-1)
    for call, request in (
        (session.pps.ListPipeline, pps.ListPipelineRequest(**asked)),
        (session.pps.ListJob, pps.ListJobRequest(**asked)),
        (session.pps.ListJobSet, sets),
    ):
        assert refused(call, request).startswith("UNKNOWN error creating message filter function: error parsing jq")


def test_pipelines_of_one_transaction_are_listed_by_name(session):
    session.make_repo("data")
    started = session.transaction.StartTransaction(transaction.StartTransactionRequest())
    for name in "bca":
        session.create(name, "data", metadata=[("pach-transaction", started.id)])
    session.transaction.FinishTransaction(transaction.FinishTransactionRequest(transaction=started))
    session.create("d", "data")
    assert listed(session) == ["d", "a", "b", "c"]


def test_jobs_of_one_set_are_listed_by_name_in_both_directions(session):
    session.make_repo("data")
    for name in "ba":
        session.create(name, "data")
    session.put("data", "/a")

    def names(reverse: bool) -> list[str]:
        request = pps.ListJobRequest(projects=[session.project], reverse=reverse)
        return [info.job.pipeline.name for info in session.pps.ListJob(request)]

    assert names(reverse=False) == ["a", "b", "a", "b"]
    assert names(reverse=True) == ["b", "a", "a", "b"]


@pytest.mark.parametrize(
    ("size", "index", "names"),
    [(2, 0, "cb"), (2, 1, "a"), (2, 2, ""), (0, 5, "cba"), (2, -1, "cb"), (-1, -1, "ba"), (2**62, 2**62, "")],
)
def test_a_page_begins_behind_its_size_times_its_index(session, size, index, names):
    session.make_repo("data")
    for name in "abc":
        session.create(name, "data")
    list_pipeline = session.channel.unary_stream(
        "/pps_v2.API/ListPipeline",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=pps.PipelineInfo.FromString,
    )
    request = pps_v2.ListPipelineRequest(page={"page_size": size, "page_index": index})
    request.projects.add(name=session.project.name)
    assert [info.pipeline.name for info in list_pipeline(request)] == list(names)
