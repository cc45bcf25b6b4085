"""What jobs, datums, services and spouts say of themselves, through an unmodified client."""

import base64
import json
import sys

import grpc
import pytest
from pachd.jobs.tools import counts, make, pfs_input, put, tree, until, wait
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pfs
from python_pachyderm.proto.v2.pps import pps_pb2 as pps
from python_pachyderm.proto.v2.pps import pps_pb2_grpc


def meta_of(client, name, job, datum):
    commit = pfs.Commit(repo=pfs.Repo(name=name, type="meta", project=pfs.Project(name="default")), id=job)
    return json.loads(client.get_file(commit, f"/meta/{datum}/meta").read())


def test_a_datum_names_the_job_that_ran_it_and_is_skipped_in_every_other(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "recovers"})
    script = "grep -q bad $in && exit 1; grep -q recovers $in && exit 2; true"
    transform = {"err_cmd": ["sh"], "err_stdin": ["grep -q bad $in && exit 1; true"]}
    first = make(client, "p", pfs_input("in"), script, transform=transform, datum_tries=1)
    assert wait(client, "p", first).state == pps.JOB_SUCCESS
    second = put(client, "in", {"/b": "bad"})
    assert wait(client, "p", second).state == pps.JOB_FAILURE
    states = {info.data[0].file.path: (info.datum.job.id, info.state) for info in client.list_datum("p", second)}
    assert states == {"/a": (first, pps.SKIPPED), "/b": (second, pps.FAILED)}
    inspected = client.inspect_datum("p", second, next(iter(client.list_datum("p", first))).datum.id)
    assert (inspected.datum.job.id, inspected.state) == (first, pps.SKIPPED)


def test_what_a_failed_datum_did_not_do_has_no_time(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "good", "/b": "bad"})
    job = make(client, "p", pfs_input("in"), "grep -q good $in", datum_tries=1)
    wait(client, "p", job)
    datums = {info.data[0].file.path: info for info in client.list_datum("p", job)}
    assert datums["/a"].stats.HasField("upload_time") and not datums["/b"].stats.HasField("upload_time")
    good, bad = (meta_of(client, "p", job, datums[path].datum.id) for path in ("/a", "/b"))
    assert "uploadTime" in good["stats"] and "uploadTime" not in bad["stats"] and "processTime" in bad["stats"]
    assert (bad["state"], bad["reason"]) == ("FAILED", "exit status 1") and "state" not in good
    file, shown = good["inputs"][0]["fileInfo"], datums["/a"].data[0]
    assert (
        base64.b64decode(file["hash"]) == shown.hash and file["committed"][:19] == shown.committed.ToJsonString()[:19]
    )


def test_a_running_worker_shows_the_hash_of_what_it_reads(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    job = make(client, "p", pfs_input("in"), "sleep 300")
    status = until(lambda: next(iter(client.inspect_job(job, "p", details=True))).details.worker_status)
    (file,) = status[0].datum_status.data
    assert file.hash == client.inspect_file(("in", "master"), "/a").hash


def test_a_job_killed_before_it_ran_has_started_when_it_ended(pachd):
    client = pachd.client()
    client.create_repo("in")
    wait(client, "p", make(client, "p", pfs_input("in"), "true"))
    commit = client.start_commit("in", "master")
    client.stop_job(commit.id, "p")
    info = wait(client, "p", commit.id)
    assert info.state == pps.JOB_KILLED and info.started == info.finished
    client.finish_commit(commit)


def test_egress_of_nothing_succeeds_wherever_it_was_to_go(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    job = make(client, "p", pfs_input("in"), "true", egress=pps.Egress(URL="nope://bucket/place"))
    assert wait(client, "p", job).state == pps.JOB_SUCCESS


COUNT = """
import os, time
from python_pachyderm import Client
worker, taken = Client().worker, 0
while True:
    with worker.batch_datum():
        if os.environ["in"] == "/pfs/in/4":
            while not os.path.exists(GATE):
                time.sleep(0.01)
        taken += 1
        open("/pfs/out/" + os.path.basename(os.environ["in"]), "w").write(f"{taken} {'FILESET_ID' in os.environ}")
"""


@pytest.mark.parametrize("batching", [True, False])
def test_a_datum_set_has_a_batching_process_of_its_own_and_counts_when_it_is_over(pachd, tmp_path, batching):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {f"/{n}": "x" for n in range(6)})
    gate = tmp_path / "gate"
    plain = f"test $in = /pfs/in/4 && while ! test -e {gate}; do sleep 0.01; done; touch {tmp_path}/$(basename $in)"
    code = [sys.executable, "-c", f"GATE = {str(gate)!r}\n{COUNT}"] if batching else ["sh", "-c", plain]
    transform = pps.Transform(image="any", cmd=code, datum_batching=batching)
    client.create_pipeline("p", transform, input=pfs_input("in"), datum_set_spec=pps.DatumSetSpec(number=3))
    job = next(client.list_job("p")).job.id
    until(lambda: counts(next(iter(client.inspect_job(job, "p"))))[0] == 3)
    if not batching:
        until((tmp_path / "3").exists)
        put(client, "in", {})  # a write has the scheduler look around
    assert counts(next(iter(client.inspect_job(job, "p")))) == (3, 0, 0, 6)
    gate.touch()
    assert counts(wait(client, "p", job)) == (6, 0, 0, 6)
    if batching:
        assert tree(client, "p", job) == {f"/{n}": f"{n % 3 + 1} False" for n in range(6)}


def test_a_service_has_one_datum_with_its_variables_and_four_tries(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1", "/b": "2"})
    service = pps.Service(internal_port=80, external_port=80)
    job = make(client, "p", pfs_input("in", "/a"), "echo $in $PACH_DATUM_ID; exit 1", service=service)

    def said(name, user):
        return [line.message for line in client.get_pipeline_logs(name, master=True) if line.user == user]

    until(lambda: any("ended" in text for text in said("p", False)))
    datum = next(iter(client.list_datum(input=pfs_input("in", "/a")))).datum.id
    assert said("p", True) == [f"/pfs/in/a {datum}"] * 4
    info = next(iter(client.inspect_job(job, "p")))
    assert info.state == pps.JOB_RUNNING and not info.HasField("started")
    job = make(client, "q", pfs_input("in"), "echo never", service=service)
    until(lambda: any("services must have a single datum" in text for text in said("q", False)))
    assert next(iter(client.inspect_job(job, "q"))).state == pps.JOB_RUNNING and said("q", True) == []


def test_a_spout_that_ended_well_is_over_and_its_lines_are_the_master_s(pachd):
    client = pachd.client()
    client.create_pipeline("p", pps.Transform(cmd=["echo", "once"], image="any"), spout=pps.Spout())
    until(lambda: [line for line in client.get_pipeline_logs("p", master=True) if "ended" in line.message])
    lines = [(line.message, line.job_id) for line in client.get_pipeline_logs("p", master=True) if line.job_id]
    assert lines == [("once", "spout"), ("user code of the spout ended (exit status 0)", "spout")]
    assert [line for line in client.get_pipeline_logs("p") if line.user] == []


def datums_of(client, job):
    return sorted(
        (info.data[0].file.path, pps.DatumState.Name(info.state), info.datum.job.id)
        for info in client.list_datum("p", job)
    )


def test_a_job_that_is_under_way_or_killed_shows_what_it_has_done_upon_what_it_builds_on(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    script = "cp $in /pfs/out/; grep -q long $in && sleep 300; true"
    first = make(client, "p", pfs_input("in"), script)
    wait(client, "p", first)
    second = put(client, "in", {"/b": "2", "/c": "long", "/a": "11"})
    until(lambda: counts(next(iter(client.inspect_job(second, "p"))))[0] == 1)
    so_far = [("/a", "SKIPPED", first), ("/b", "SUCCESS", second)]
    assert datums_of(client, second) == so_far
    listed = [info.datum.id for info in client.list_datum("p", second)]
    job = pps.Job(pipeline=pps.Pipeline(name="p"), id=second)
    with grpc.insecure_channel(pachd.address) as channel:
        stub = pps_pb2_grpc.APIStub(channel)
        after = stub.ListDatum(pps.ListDatumRequest(job=job, paginationMarker=listed[0]))
        assert [info.datum.id for info in after] == listed[1:]
        before = stub.ListDatum(pps.ListDatumRequest(job=job, number=9, reverse=True))
        assert [info.datum.id for info in before] == listed[::-1]
    assert all(client.inspect_datum("p", second, identity).datum.id == identity for identity in listed)
    client.stop_job(second, "p")
    assert wait(client, "p", second).state == pps.JOB_KILLED
    assert datums_of(client, second) == so_far
    assert tree(client, "p", second) == {"/a": "1", "/b": "2"}
    third = put(client, "in", {"/c": "3"})
    assert counts(wait(client, "p", third)) == (3, 0, 0, 3)
    assert tree(client, "p", third) == {"/a": "11", "/b": "2", "/c": "3"}


def test_a_failed_pipeline_stays_so_until_it_is_updated_and_its_new_jobs_are_stopped(pachd):
    client = pachd.client()
    client.create_repo("in")
    client.create_pipeline("p", pps.Transform(image="any"), input=pfs_input("in"))

    def state():
        info = next(client.inspect_pipeline("p"))
        return pps.PipelineState.Name(info.state), info.reason, info.stopped

    until(lambda: state()[0] == "PIPELINE_FAILURE")
    for stopped, act in ((True, client.stop_pipeline), (False, client.start_pipeline)):
        act("p")
        assert state() == ("PIPELINE_FAILURE", "nothing to run: no transform.cmd", stopped)
    info = wait(client, "p", put(client, "in", {"/a": "1"}))
    assert (info.state, info.reason) == (pps.JOB_KILLED, "job stopped")
    job = make(client, "p", pfs_input("in"), "true", update=True)
    assert wait(client, "p", job).state == pps.JOB_SUCCESS and state()[0] == "PIPELINE_RUNNING"


def test_a_variable_s_name_ends_at_an_equals_sign_and_no_zero_byte_reaches_a_process(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/x": "1"})
    at = client.inspect_branch("in", "master").head.id
    job = make(client, "p", pfs_input("in", name="a=b"), "echo $a > /pfs/out/a; cat /pfs/a=b/x >> /pfs/out/a")
    assert wait(client, "p", job).state == pps.JOB_SUCCESS
    assert tree(client, "p", job) == {"/a": f"b_COMMIT={at}\n1"}, "which comes after a=b=/pfs/a=b/x"
    job = make(client, "q", pfs_input("in"), "true", transform={"env": {"A": "a\0b"}}, datum_tries=1)
    info = wait(client, "q", job)
    assert info.state == pps.JOB_FAILURE and info.reason.startswith("datum ")
