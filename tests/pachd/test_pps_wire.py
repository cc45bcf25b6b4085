"""Pipelines and jobs over the wire, on a real daemon: waiting, watching, transactions, races."""

from __future__ import annotations

import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from pachd.pps_session import Session
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pfs
from python_pachyderm.proto.v2.pps import pps_pb2 as pps
from python_pachyderm.proto.v2.transaction import transaction_pb2 as transaction

from workshop.pachd.wire.schema import pps_v2

OVER = (pps.JOB_SUCCESS, pps.JOB_FAILURE, pps.JOB_KILLED, pps.JOB_UNRUNNABLE)


@pytest.fixture
def session(shared_pachd):
    return Session(shared_pachd)


SLOW = "sleep 60"


# ---------------------------------------------------------------- waiting and watching
def test_waiting_for_a_job_ends_when_it_does(session):
    session.make_repo("data")
    session.put("data", "/a")
    session.create("p", "data")
    info = session.wait("p")
    assert (info.state, info.data_processed, info.data_total) == (pps.JOB_SUCCESS, 1, 1)
    assert info.details.input.pfs.commit == info.job.id
    assert info.details.transform.cmd == ["sh"]


def test_who_waits_for_a_job_that_is_deleted_gets_it_killed(session):
    session.make_repo("data")
    session.put("data", "/a")
    session.create("p", "data", SLOW)
    id = session.until("p", pps.JOB_RUNNING)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(session.wait, "p", id)
        time.sleep(0.3)
        session.pps.DeleteJob(pps.DeleteJobRequest(job=session.job("p", id)))
        info = waiting.result(10)
    assert (info.state, info.reason) == (pps.JOB_KILLED, "job deleted")
    assert session.jobs("p") == []


def test_a_wait_ends_with_its_client(session, shared_pachd):
    session.make_repo("data")
    session.put("data", "/a")
    session.create("p", "data", SLOW)
    with pytest.raises(grpc.RpcError) as refusal:
        session.wait("p", timeout=0.5)
    assert refusal.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_set_is_waited_for_job_by_job(session):
    session.make_repo("data")
    session.create("p", "data")
    session.create("q", "p")
    id = session.put("data", "/a")
    request = pps.InspectJobSetRequest(job_set=pps.JobSet(id=id), wait=True)
    found = [(info.job.pipeline.name, info.state) for info in session.pps.InspectJobSet(request, timeout=60)]
    assert found == [("p", pps.JOB_SUCCESS), ("q", pps.JOB_SUCCESS)]


def test_a_set_of_no_jobs_is_waited_for_too(session):
    session.make_repo("data")
    branch = pfs.Branch(repo=session.repo("data"), name="master")
    commit = session.pfs.StartCommit(pfs.StartCommitRequest(branch=branch))
    request = pps.InspectJobSetRequest(job_set=pps.JobSet(id=commit.id), wait=True)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(lambda: list(session.pps.InspectJobSet(request, timeout=30)))
        time.sleep(0.2)
        assert not waiting.done()
        session.pfs.FinishCommit(pfs.FinishCommitRequest(commit=pfs.Commit(branch=branch, repo=branch.repo)))
        assert waiting.result(10) == []


def test_subscribers_get_each_unfinished_job_once_and_new_ones_as_they_come(session):
    session.make_repo("data")
    session.put("data", "/a")
    session.create("p", "data")
    session.wait("p")
    stream = session.pps.SubscribeJob(pps.SubscribeJobRequest(pipeline=session.pipeline("p"), details=True))
    seen: list[str] = []
    over = threading.Event()

    def follow() -> None:
        try:
            for info in stream:
                seen.append(info.job.id)
                if len(seen) == 2:
                    over.set()
        except grpc.RpcError:
            pass

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    time.sleep(0.2)
    ids = [session.put("data", f"/{number}") for number in range(2)]
    assert over.wait(20)
    for id in ids:
        session.wait("p", id)
    time.sleep(0.2)
    stream.cancel()
    thread.join(10)
    assert seen == ids


# ---------------------------------------------------------------- CreatePipelineV2 and transactions
def v2(session, document: dict, metadata=(), **flags):
    call = session.channel.unary_unary(
        "/pps_v2.API/CreatePipelineV2",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=pps_v2.CreatePipelineV2Response.FromString,
    )
    request = pps_v2.CreatePipelineV2Request(create_pipeline_request_json=json.dumps(document), **flags)
    return json.loads(call(request, metadata=metadata).effective_create_pipeline_request_json or "null")


def document(session, name: str, source: str = "data") -> dict:
    pipeline = {"name": name, "project": {"name": session.project.name}}
    return {"pipeline": pipeline, "transform": {"cmd": ["true"]}, "input": {"pfs": {"repo": source, "glob": "/"}}}


def test_a_dry_run_answers_and_makes_nothing(session):
    answer = v2(session, document(session, "p", "not-there"), dry_run=True)
    assert answer["transform"]["image"] == "ubuntu:20.04"
    with pytest.raises(grpc.RpcError) as refusal:
        session.jobs("p")
    assert refusal.value.code() == grpc.StatusCode.NOT_FOUND


def test_both_forms_of_creation_go_into_one_transaction(session):
    session.make_repo("data")
    started = session.transaction.StartTransaction(transaction.StartTransactionRequest())
    joined = [("pach-transaction", started.id)]
    v2(session, document(session, "p"), metadata=joined)
    session.pps.CreatePipeline(
        pps.CreatePipelineRequest(
            pipeline=session.pipeline("q"),
            transform=pps.Transform(cmd=["true"]),
            input=pps.Input(pfs=pps.PFSInput(repo="p", project=session.project.name, glob="/")),
        ),
        metadata=joined,
    )
    with pytest.raises(grpc.RpcError):
        session.jobs("p")
    info = session.transaction.FinishTransaction(transaction.FinishTransactionRequest(transaction=started))
    assert len(info.requests) == 2
    assert [session.jobs(name)[0].job.id for name in "pq"] == [started.id] * 2


def test_a_refused_creation_in_a_transaction_is_not_kept(session):
    session.make_repo("data")
    started = session.transaction.StartTransaction(transaction.StartTransactionRequest())
    with pytest.raises(grpc.RpcError) as refusal:
        v2(session, document(session, "p", "gone"), metadata=[("pach-transaction", started.id)])
    assert refusal.value.details() == f"error running request 1 of 1: repo {session.project.name}/gone not found"
    info = session.transaction.FinishTransaction(transaction.FinishTransactionRequest(transaction=started))
    assert len(info.requests) == 0


# ---------------------------------------------------------------- races
@pytest.mark.slow
def test_updates_stops_and_deletions_raced_against_running_jobs_leave_no_job_behind(session):
    """Whatever is called while jobs run, every job ends, and the pipeline works afterwards."""
    session.make_repo("data")
    session.put("data", "/a")
    session.create("p", "data", "sleep 0.05; cp /pfs/in/* /pfs/out/")
    end = time.monotonic() + 12
    faults: list[str] = []

    def repeat(call) -> None:
        while time.monotonic() < end:
            try:
                call()
            except grpc.RpcError as problem:
                if problem.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE):
                    faults.append(problem.details())
            time.sleep(0.02)

    def stop_newest() -> None:
        jobs = session.jobs("p", 0)
        if jobs:
            session.pps.StopJob(pps.StopJobRequest(job=jobs[0].job))

    counter = iter(range(10**6))
    calls = [
        lambda: session.put("data", f"/{next(counter) % 7}", uuid.uuid4().hex.encode()),
        lambda: session.create("p", "data", "sleep 0.05; cp /pfs/in/* /pfs/out/", update=True),
        stop_newest,
        lambda: session.pps.StopPipeline(pps.StopPipelineRequest(pipeline=session.pipeline("p"))),
        lambda: session.pps.StartPipeline(pps.StartPipelineRequest(pipeline=session.pipeline("p"))),
        lambda: session.pps.DeletePipeline(pps.DeletePipelineRequest(pipeline=session.pipeline("p"))),
    ]
    weights = [2, 1, 1, 1, 2, 1]
    threads = [
        threading.Thread(target=repeat, args=(call,))
        for call, count in zip(calls, weights, strict=True)
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert faults == []
    session.create("p", "data", "cp /pfs/in/* /pfs/out/", update=True)
    session.pps.StartPipeline(pps.StartPipelineRequest(pipeline=session.pipeline("p")))
    session.put("data", "/last", b"last")
    assert session.wait("p").state == pps.JOB_SUCCESS
    for info in session.jobs("p"):
        assert info.state in OVER, info
    commits = session.pfs.ListCommit(pfs.ListCommitRequest(repo=session.repo("p"), all=True))
    assert all(commit.HasField("finished") for commit in commits)


@pytest.mark.slow
def test_fifty_pipelines_and_twenty_commits_in_flight_all_end(session):
    session.make_repo("data")
    for number in range(50):
        session.create(f"p{number}", "data" if number % 5 == 0 else f"p{number - 1}", "cp /pfs/in/* /pfs/out/")
    ids = [session.put("data", "/a", str(number).encode()) for number in range(20)]
    request = pps.InspectJobSetRequest(job_set=pps.JobSet(id=ids[-1]), wait=True)
    last = [info.state for info in session.pps.InspectJobSet(request, timeout=300)]
    assert last == [pps.JOB_SUCCESS] * 50
    for id in ids:
        states = {info.state for info in session.pps.InspectJobSet(pps.InspectJobSetRequest(job_set=pps.JobSet(id=id)))}
        assert states == {pps.JOB_SUCCESS}
