"""Rules of the calls on pipelines, over the wire: orders of checks and of lists, texts, what a refusal leaves."""

from __future__ import annotations

import json

import grpc
import pytest
from pachd.pps_session import Session
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pfs
from python_pachyderm.proto.v2.pps import pps_pb2 as pps
from python_pachyderm.proto.v2.transaction import transaction_pb2 as transaction

from workshop.pachd.wire.schema import pfs_v2, pps_v2


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


def test_a_project_without_a_name_has_no_pipelines_and_no_jobs(session):
    session.make_repo("data")
    session.create("p", "data")
    nameless = [pfs.Project()]
    assert list(session.pps.ListPipeline(pps.ListPipelineRequest(projects=nameless))) == []
    assert list(session.pps.ListJob(pps.ListJobRequest(projects=nameless))) == []
    assert list(session.pps.ListJobSet(pps.ListJobSetRequest(projects=nameless))) == []
    asked = pps.ListPipelineRequest(projects=[*nameless, session.project])
    assert [info.pipeline.name for info in session.pps.ListPipeline(asked)] == ["p"]


def test_a_jq_program_sees_pipelines_as_they_are_stored_and_now(session):
    session.make_repo("data")
    session.create("p", "data")
    then = session.jobs("p")[0].job.id
    session.create("p", "data", update=True, description="new")
    assert listed(session, jqFilter=".last_job_state") == []  # is looked up for the answer alone
    asked = pps.ListPipelineRequest(commit_set=pfs.CommitSet(id=then), jqFilter='.details.description == "new"')
    asked.projects.add(name=session.project.name)
    assert [info.version for info in session.pps.ListPipeline(asked)] == [1]


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


# ---------------------------------------------------------------- stopped and deleted
def versions(session, name: str) -> list[tuple[int, bool]]:
    request = pps.ListPipelineRequest(pipeline=session.pipeline(name), history=-1)
    return [(info.version, info.stopped) for info in session.pps.ListPipeline(request)]


def test_a_pipeline_whose_deletion_is_refused_stays_stopped(session):
    session.make_repo("data")
    session.put("data", "/a")
    session.create("p", "data", "sleep 60")
    session.create("q", "p")
    text = refused(session.pps.DeletePipeline, pps.DeletePipelineRequest(pipeline=session.pipeline("p")))
    assert "cannot be deleted because it's in the direct provenance of" in text
    assert versions(session, "p") == [(1, True)]
    assert session.jobs("p")[0].reason == "all jobs killed because pipeline was stopped for user unknown_username"


def test_a_name_with_ancestry_stops_starts_and_deletes_the_pipeline_itself(session):
    session.make_repo("data")
    session.create("p", "data")
    session.create("p", "data", update=True)
    session.pps.StopPipeline(pps.StopPipelineRequest(pipeline=session.pipeline("p^")))
    assert versions(session, "p") == [(2, True), (1, False)]
    session.pps.StartPipeline(pps.StartPipelineRequest(pipeline=session.pipeline("p^")))
    assert versions(session, "p") == [(2, False), (1, False)]
    request = pps.DeletePipelineRequest(pipeline=session.pipeline("p.1"))
    assert refused(session.pps.DeletePipeline, request) == (
        f"UNKNOWN error stopping pipeline {session.project.name}/p.1: cannot inspect future pipelines"
    )
    session.pps.DeletePipeline(pps.DeletePipelineRequest(pipeline=session.pipeline("p^")))
    assert listed(session) == []


def test_the_old_flag_for_all_pipelines_deletes_none(session):
    session.make_repo("data")
    session.create("p", "data")
    session.pps.DeletePipeline(pps.DeletePipelineRequest(pipeline=session.pipeline("p"), all=True))
    assert listed(session) == ["p"]
    text = refused(session.pps.DeletePipeline, pps.DeletePipelineRequest(all=True))
    assert text == "INVALID_ARGUMENT validate request: invalid DeletePipelineRequest.Pipeline: value is required"


def test_a_creation_names_no_version_that_is_not_there(session):
    session.make_repo("data")
    session.create("p", "data")
    assert refused(session.create, "p^", "data", update=True) == (
        f'UNKNOWN pipeline "{session.project.name}/p" has only 1 versions, not enough to find ancestor 1'
    )


# ---------------------------------------------------------------- created
def create_v2(session, document: dict, metadata=None, **flags) -> dict:
    """CreatePipelineV2 of a JSON document; the effective specification that it answers."""
    call = session.channel.unary_unary(
        "/pps_v2.API/CreatePipelineV2",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=pps_v2.CreatePipelineV2Response.FromString,
    )
    request = pps_v2.CreatePipelineV2Request(create_pipeline_request_json=json.dumps(document), **flags)
    return json.loads(call(request, metadata=metadata).effective_create_pipeline_request_json)


def plain(session, name: str = "p", **more) -> dict:
    pipeline = {"name": name, "project": {"name": session.project.name}}
    input = {"pfs": {"repo": "data", "glob": "/*"}}
    return {"pipeline": pipeline, "transform": {"cmd": ["true"]}, "input": input, **more}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"pipeline": {"name": ""}}, "invalid pipeline spec: request.Pipeline.Name cannot be empty"),
        ({"transform": None}, "pipeline must specify a transform"),
        ({"s3Out": True, "transform": None, "spout": {}}, "s3 output is not supported in spouts or services"),
        (
            {"egress": {"sqlDatabase": {"secret": {"name": "s"}}}},
            "egress.sql_database.secret.name and egress.sql_database.secret.key are required",
        ),
    ],
)
def test_what_only_the_creation_itself_refuses_passes_a_dry_run(session, more, text):
    session.make_repo("data")
    assert create_v2(session, plain(session, **more), dry_run=True)
    assert refused(create_v2, session, plain(session, **more)) == f"UNKNOWN {text}"


def test_every_toleration_without_an_operator_is_named_and_an_unknown_one_passes(session):
    session.make_repo("data")
    text = refused(create_v2, session, plain(session, tolerations=[{}, {"operator": 9}, {"key": "k"}]))
    faults = [line.rsplit(": toleration ")[-1].removeprefix("toleration ") for line in text.splitlines()]
    what = "cannot omit key/value comparison operator; specify EQUAL or EXISTS"
    assert faults == [f"1/3: {what}", f"3/3: {what}"]
    create_v2(session, plain(session, tolerations=[{"operator": 9}]))
    request = pps.InspectPipelineRequest(pipeline=session.pipeline("p"), details=True)
    assert session.pps.InspectPipeline(request).details.tolerations[0].operator == 9


def test_a_pipeline_for_determined_needs_a_user(session):
    session.make_repo("data")
    document = plain(session, determined={"workspaces": ["w"]})
    assert create_v2(session, document, dry_run=True)["determined"] == {"workspaces": ["w"]}
    assert refused(create_v2, session, document) == (
        "UNIMPLEMENTED create det pipeline side effects: who am i: rpc error: code = Unimplemented desc = the auth"
        " service is not activated"
    )


def begin(session) -> tuple[transaction.Transaction, list[tuple[str, str]]]:
    started = session.transaction.StartTransaction(transaction.StartTransactionRequest())
    return started, [("pach-transaction", started.id)]


def test_what_is_refused_before_a_transaction_is_no_request_of_it(session):
    session.make_repo("data")
    started, metadata = begin(session)
    faulty = plain(session, reprocessSpec="nope")
    assert refused(create_v2, session, faulty, metadata).startswith("INVALID_ARGUMENT could not make effective spec: ")
    secret = plain(session, transform={"cmd": ["true"], "secrets": [{"name": "nope"}]})
    assert refused(create_v2, session, secret, metadata) == "UNKNOWN missing Kubernetes secret nope"
    assert create_v2(session, plain(session, input={"pfs": {"repo": "gone"}}), metadata, dry_run=True)
    gone = plain(session, input={"pfs": {"repo": "gone", "glob": "/"}})
    assert refused(create_v2, session, gone, metadata) == (
        f"NOT_FOUND error running request 1 of 1: repo {session.project.name}/gone not found"
    )
    assert create_v2(session, plain(session), metadata)["datumTries"] == "3"
    request = transaction.FinishTransactionRequest(transaction=started)
    assert len(session.transaction.FinishTransaction(request).requests) == 1
    assert listed(session) == ["p"]


def test_a_rerun_does_not_ask_for_the_secrets_again(session):
    session.make_repo("data")
    name = f"s-{session.project.name}"
    secret = json.dumps({"kind": "Secret", "metadata": {"name": name}, "stringData": {"k": "v"}}).encode()
    session.pps.CreateSecret(pps.CreateSecretRequest(file=secret))
    mount = {"name": name, "mountPath": "/s"}
    create_v2(session, plain(session, transform={"cmd": ["true"], "secrets": [mount]}))
    session.pps.DeleteSecret(pps.DeleteSecretRequest(secret=pps.Secret(name=name)))
    rerun = session.channel.unary_unary(
        "/pps_v2.API/RerunPipeline",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=lambda answer: answer,
    )
    rerun(pps_v2.RerunPipelineRequest(pipeline={"name": "p", "project": {"name": session.project.name}}))
    assert versions(session, "p")[0] == (2, False)


# ---------------------------------------------------------------- datums of an input
def paths(session, input: pps.Input, **more) -> list[str]:
    infos = session.pps.ListDatum(pps.ListDatumRequest(input=input, **more))
    return sorted(file.file.path for info in infos for file in info.data)


def test_previewed_datums_are_those_of_the_head_whatever_commit_is_given(session):
    session.make_repo("data")
    first = session.put("data", "/a")
    session.put("data", "/b")
    for commit in (first, "1" * 12 + "4" + "1" * 19, "x"):
        assert paths(session, session.input("data", commit=commit)) == ["/a", "/b"]


def test_an_input_is_looked_through_in_its_order(session):
    session.make_repo("data")
    session.put("data", "/a")
    gone, cron = session.input("gone"), pps.Input(cron=pps.CronInput(name="tick", spec="@never"))
    missing = f"UNKNOWN pick commit tx: commit {session.project.name}/gone@ not found"
    for arms, text in (
        ([gone, cron], missing),
        ([cron, gone], "UNKNOWN can't list datums with a cron input"),
        ([gone, pps.Input()], missing),
        ([session.input("data"), pps.Input()], "UNKNOWN unrecognized input type: "),
    ):
        assert refused(paths, session, pps.Input(cross=arms)).startswith(text)


def created_datums(session, *requests) -> list[str]:
    call = session.channel.stream_stream(
        "/pps_v2.API/CreateDatum",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=pps.DatumInfo.FromString,
    )
    return [info.datum.id for info in call(map(pps_v2.CreateDatumRequest.FromString, requests))]


def start(input: pps.Input, number: int = 0) -> bytes:
    message = pps_v2.CreateDatumRequest()
    message.start.input.ParseFromString(input.SerializeToString())
    message.start.number = number
    return message.SerializeToString()


def test_datums_are_created_a_hundred_at_a_time_unless_asked_otherwise(session):
    session.make_repo("data")
    for number in range(3):
        session.put("data", f"/{number}")
    files, everything = session.input("data"), created_datums(session, start(session.input("data")))
    assert len(everything) == 3
    assert created_datums(session, start(files, -1)) == everything
    assert created_datums(session, start(files, 2)) == everything[:2]
    assert created_datums(session, start(files, 3), start(files)) == everything  # nobody asks for more: none is left
    text = refused(created_datums, session, start(files, 2), start(files))
    assert text == "UNKNOWN subsequent messages must be a ContinueCreateDatumRequest message"
    assert created_datums(session, start(pps.Input(union=[files, files]))) == everything * 2


def test_faults_of_a_datum_stream_say_how_far_it_came(session):
    assert refused(created_datums, session) == "UNKNOWN server receive: EOF"
    empty = "UNKNOWN streaming iterate: streamingCreate: unrecognized input type: "
    assert refused(created_datums, session, start(pps.Input())) == empty
    session.make_repo("data")
    session.put("data", "/a")
    assert refused(created_datums, session, start(session.input("data", glob="/["))) == (
        "UNKNOWN streaming iterate: streamingCreate: streamingCreatePFS: do task: rpc error: code = Unknown desc ="
        " unexpected end of input"
    )
    text = refused(created_datums, session, start(session.input("gone")))
    assert text.startswith("UNKNOWN getting streaming iterator: pick commit tx: commit")


def test_an_input_of_another_repo_type_stands_on_the_user_repo(session):
    session.make_repo("data")
    session.create("p", "data")
    session.create("q", "p", input=session.input("p", repo_type="meta"))
    branch = pfs.Branch(repo=session.repo("q"), name="master")
    found = session.pfs.InspectBranch(pfs.InspectBranchRequest(branch=branch)).direct_provenance
    assert sorted((each.repo.name, each.repo.type) for each in found) == [("p", "user"), ("q", "spec")]


# ---------------------------------------------------------------- jobs
def test_a_job_without_a_pipeline_is_named_by_its_id_alone(session):
    id = "1" * 12 + "4" + "1" * 19
    text = refused(session.pps.InspectJob, pps.InspectJobRequest(job=pps.Job(id=id)))
    assert text == f"NOT_FOUND jobs @{id} not found"


def test_a_job_whose_output_commit_is_gone_is_no_member_of_its_set(session):
    session.make_repo("data")
    session.create("p", "data")
    session.create("q", "data")
    id, later = session.put("data", "/a"), session.put("data", "/b")
    for each in (id, later):
        list(session.pps.InspectJobSet(pps.InspectJobSetRequest(job_set=pps.JobSet(id=each), wait=True), timeout=60))
    squash = session.channel.unary_unary(
        "/pfs_v2.API/SquashCommit",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=lambda answer: answer,
    )
    commit = {"repo": {"name": "p", "type": "user", "project": {"name": session.project.name}}, "id": id}
    squash(pfs_v2.SquashCommitRequest(commit=commit, recursive=True))
    members = session.pps.InspectJobSet(pps.InspectJobSetRequest(job_set=pps.JobSet(id=id)))
    assert [info.job.pipeline.name for info in members] == ["q"]
    assert session.pps.InspectJob(pps.InspectJobRequest(job=session.job("p", id))).state == pps.JOB_SUCCESS


# ---------------------------------------------------------------- calls that do little
def test_a_summary_of_a_project_that_is_picked_by_nothing_is_refused(session):
    summary = session.channel.unary_unary(
        "/pps_v2.API/PipelinesSummary",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=pps_v2.PipelinesSummaryResponse.FromString,
    )
    request = pps_v2.PipelinesSummaryRequest(projects=[{}])
    assert refused(summary, request) == "UNKNOWN project picker is of an unknown type: <nil>"


def test_running_a_pipeline_is_refused_after_its_name_was_looked_at(session):
    assert refused(session.pps.RunPipeline, pps.RunPipelineRequest()) == "UNKNOWN unimplemented"
    text = refused(session.pps.RunPipeline, pps.RunPipelineRequest(pipeline=pps.Pipeline()))
    assert text.startswith("INVALID_ARGUMENT validate request: invalid RunPipelineRequest.Pipeline: embedded message")


@pytest.mark.parametrize("method", ["GetKubeEvents", "QueryLoki"])
def test_what_is_asked_of_loki_is_refused_where_there_is_none(session, method):
    call = session.channel.unary_stream(
        f"/pps_v2.API/{method}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=lambda answer: answer,
    )
    text = "UNKNOWN loki not configured, is it running in the same namespace as pachd?"
    assert refused(call, pps_v2.LokiRequest()) == text
