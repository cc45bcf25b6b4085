"""Pipelines that go on, that are told to end, that write elsewhere or misbehave, through an unmodified client."""

import grp
import os
import pwd
import socket
import sqlite3
import sys
import time
from pathlib import Path

import grpc
import pytest
from conftest import Pachd
from pachd.jobs.tools import counts, living, make, pfs_input, put, tree, until, wait
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pfs
from python_pachyderm.proto.v2.pps import pps_pb2 as pps

from workshop.pachd.store import blobs

SPOUT = """
import python_pachyderm, time
client = python_pachyderm.Client.new_in_cluster()
for n in range(3):
    with client.commit("spout", "master") as commit:
        client.put_file_bytes(commit, f"/{n}", b"drop")
    time.sleep(0.05)
print("spouted", flush=True)
time.sleep(600)
"""


def test_a_spout_writes_to_its_output_and_nobody_else_may(pachd):
    client = pachd.client()
    transform = pps.Transform(cmd=[sys.executable, "-c", SPOUT], image="any")
    client.create_pipeline("spout", transform, spout=pps.Spout())
    last = make(client, "reader", pfs_input("spout"), "cp /pfs/spout/* /pfs/out/")
    until(lambda: [m for m in client.get_pipeline_logs("spout", master=True) if m.message == "spouted"])
    last = next(client.list_job("reader")).job.id
    assert counts(wait(client, "reader", last))[3] == 3
    assert tree(client, "reader", last) == {f"/{n}": "drop" for n in range(3)}
    with pytest.raises(grpc.RpcError, match="cannot start a commit on an output branch: default/spout@master"):
        client.put_file_bytes(("spout", "master"), "/x", b"1")
    client.stop_pipeline("spout")
    until(lambda: not living("spouted"))


def test_a_service_answers_on_its_port_and_the_next_job_brings_its_data(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "one"})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"cd /pfs/in && exec {sys.executable} -m http.server {port} --bind 127.0.0.1"
    make(client, "web", pfs_input("in", "/"), code, service=pps.Service(internal_port=port, external_port=port))
    assert until(lambda: fetch(port, "/a")) == b"one"
    put(client, "in", {"/a": "two"})
    until(lambda: fetch(port, "/a") == b"two")
    states = sorted(pps.JobState.Name(job.state) for job in client.list_job("web"))
    assert states == ["JOB_RUNNING", "JOB_SUCCESS"]
    client.delete_pipeline("web")
    until(lambda: fetch(port, "/a") is None)


def fetch(port, path):
    import urllib.request

    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return answer.read()
    except OSError:
        return None


def test_a_datum_that_succeeds_after_its_handler_is_processed_but_stays_recovered(pachd, tmp_path):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    script = f"test -e {tmp_path}/tried && cp /pfs/in/a /pfs/out/ && exit; touch {tmp_path}/tried; exit 1"
    job = make(client, "p", pfs_input("in"), script, transform={"err_cmd": ["true"]})
    info = wait(client, "p", job)
    assert info.state == pps.JOB_SUCCESS and counts(info) == (1, 0, 0, 1) and info.data_recovered == 0
    assert [datum.state for datum in client.list_datum("p", job)] == [pps.RECOVERED]
    assert tree(client, "p", job) == {"/a": "1"}
    again = put(client, "in", {})
    assert counts(wait(client, "p", again)) == (1, 0, 0, 1), "only what succeeded at once is skipped"
    assert [datum.state for datum in client.list_datum("p", again)] == [pps.SUCCESS]
    assert tree(client, "p", again) == {"/a": "1"}
    last = put(client, "in", {})
    assert counts(wait(client, "p", last)) == (0, 1, 0, 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_users_are_named_as_docker_names_them_and_must_be_known(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    nobody, group = pwd.getpwnam("nobody"), grp.getgrgid(0).gr_name
    known = {
        "nobody": (nobody.pw_uid, nobody.pw_gid),
        str(nobody.pw_uid): (nobody.pw_uid, nobody.pw_gid),
        f"{nobody.pw_uid}:7": (nobody.pw_uid, 7),
        f"nobody:{group}": (nobody.pw_uid, 0),
    }
    unknown = {
        "1001234": "guess uid from transform user by reading /etc/passwd: user 1001234 not found",
        "1001234:5": "guess uid from transform user by reading /etc/passwd: user 1001234:5 not found",
        "nobody:no-such": "lookup group for group no-such (for user id nobody): guess gid from transform user: group "
        "no-such not found",
    }
    jobs = {
        user: make(
            client, f"p{n}", pfs_input("in"), "id -u >/pfs/out/ids; id -g >>/pfs/out/ids", transform={"user": user}
        )
        for n, user in enumerate((*known, *unknown))
    }
    for number, (user, ids) in enumerate(known.items()):
        assert wait(client, f"p{number}", jobs[user]).state == pps.JOB_SUCCESS
        assert tree(client, f"p{number}", jobs[user]) == {"/ids": "{}\n{}\n".format(*ids)}
    for number, (user, reason) in enumerate(unknown.items(), len(known)):
        assert wait(client, f"p{number}", jobs[user]).state == pps.JOB_KILLED
        assert next(client.inspect_pipeline(f"p{number}")).reason == reason


def test_egress_copies_the_output_to_a_folder(pachd, tmp_path):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/d/a": "1", "/b": "2"})
    target = tmp_path / "out"
    job = make(
        client, "p", pfs_input("in", "/"), "cp -r /pfs/in/. /pfs/out/", egress=pps.Egress(URL=f"file://{target}")
    )
    assert wait(client, "p", job).state == pps.JOB_SUCCESS
    assert (target / "d" / "a").read_text() == "1" and (target / "b").read_text() == "2"
    again = put(client, "in", {})
    assert counts(wait(client, "p", again)) == (0, 1, 0, 1)


def test_egress_goes_to_a_bucket_of_an_s3_service_in_parts_and_is_tried_until_it_works(tmp_path):
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    service = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    try:
        with Pachd(tmp_path / "state", env=keys) as pachd:
            client = pachd.client()
            client.create_repo("in")
            put(client, "in", {"/d/a": "1", "/empty": "", "/big": b"0123456789abcdef" * (1 << 20)})
            url = f"s3://drop/some/where?endpoint={host}:{port}&disableSSL=true&region=us-east-1&s3ForcePathStyle=true"
            code = "cp -r /pfs/in/. /pfs/out/"
            job = make(client, "p", pfs_input("in", "/"), code, egress=pps.Egress(URL=url))
            until(lambda: [m for m in client.get_pipeline_logs("p", master=True) if "NoSuchBucket" in m.message])
            assert next(iter(client.inspect_job(job, "p"))).state == pps.JOB_EGRESSING
            service.create_bucket(Bucket="drop")
            assert wait(client, "p", job).state == pps.JOB_SUCCESS
        listed = service.list_objects_v2(Bucket="drop")["Contents"]
        assert {found["Key"]: found["Size"] for found in listed} == {
            "some/where/d/a": 1,
            "some/where/empty": 0,
            "some/where/big": 16 << 20,
        }
        body = service.get_object(Bucket="drop", Key="some/where/big")["Body"].read()
        assert body == b"0123456789abcdef" * (1 << 20)
    finally:
        server.stop()


def test_egress_to_a_database_says_that_it_is_not_done_here_until_the_job_is_stopped(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    egress = pps.Egress()
    egress.sql_database.url = "mysql://u@localhost:1/db"
    egress.sql_database.secret.name, egress.sql_database.secret.key = "s", "k"
    job = make(client, "p", pfs_input("in"), "cp /pfs/in/a /pfs/out/", egress=egress)
    words = "egress to a database (mysql://u@localhost:1/db) is not done here: use file:// or s3://"
    until(lambda: [m for m in client.get_pipeline_logs("p", master=True) if words in m.message])
    client.stop_job(job, "p")
    assert wait(client, "p", job).state == pps.JOB_KILLED


def test_lazy_inputs_are_pipes_and_links_to_them_stand_for_their_content(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "one", "/d/b": "two"})
    script = "test -p /pfs/in/a && cat /pfs/in/a > /pfs/out/read; ln -s /pfs/in/d /pfs/out/linked"
    job = make(client, "p", pfs_input("in", "/", lazy=True), script)
    info = wait(client, "p", job)
    assert info.state == pps.JOB_SUCCESS and info.stats.download_bytes == 3
    assert tree(client, "p", job) == {"/read": "one", "/linked/b": "two"}
    batched = {"cmd": [sys.executable, "-c", BATCH], "datum_batching": True}
    transform = pps.Transform(image="any", **batched)
    client.create_pipeline("q", transform, input=pfs_input("in", "/*", lazy=True))
    job = next(client.list_job("q")).job.id
    assert wait(client, "q", job).state == pps.JOB_SUCCESS
    assert tree(client, "q", job) == {"/a": "one", "/b": "two"}


BATCH = """
import os, pathlib
from python_pachyderm import Client
worker = Client().worker
while True:
    with worker.batch_datum():
        for folder, _, names in os.walk("/pfs/in"):
            for name in names:
                pathlib.Path("/pfs/out", name).write_text(pathlib.Path(folder, name).read_text())
"""


def test_the_variable_of_a_directory_or_a_whole_repo_has_no_slash_at_its_end(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/d/a": "1"})
    for name, glob, expected in (("p", "/*", "/pfs/in/d"), ("q", "/", "/pfs/in")):
        job = make(client, name, pfs_input("in", glob), "echo $in > /pfs/out/in; grep ^in= /pfs/.env > /pfs/out/env")
        assert wait(client, name, job).state == pps.JOB_SUCCESS
        assert tree(client, name, job) == {"/in": f"{expected}\n", "/env": f"in={expected}\n"}


def test_what_a_failed_datum_left_is_in_the_meta_repo_and_nowhere_else(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "good", "/b": "bad"})
    script = "echo part > /pfs/out/$(basename $in); cat $in; grep -q bad $in && exit 3; true"
    job = make(client, "p", pfs_input("in"), script, datum_tries=2)
    info = wait(client, "p", job)
    assert info.state == pps.JOB_FAILURE and info.stats.upload_bytes == 5
    assert tree(client, "p", job) == {"/a": "part\n"}
    datums = {info.data[0].file.path: info.datum.id for info in client.list_datum("p", job)}
    meta = pfs.Commit(repo=pfs.Repo(name="p", type="meta", project=pfs.Project(name="default")), id=job)
    for path in "/a", "/b":
        assert client.get_file(meta, f"/pfs/{datums[path]}/out{path}").read() == b"part\n"
    at = put(client, "in", {"/b": "better"})
    assert counts(wait(client, "p", at)) == (2, 0, 0, 2), "there is no good job to compare with"
    assert tree(client, "p", at) == {"/a": "part\n", "/b": "part\n"}


def test_a_datum_of_thousands_of_files_and_a_long_standard_input_reach_the_worker(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {f"/{'directory' * 5}/{n}": "x" for n in range(1200)})
    script = "find -L /pfs/in -type f | wc -l > /pfs/out/count #" + "x" * 200_000
    job = make(client, "p", pfs_input("in", "/"), script)
    assert wait(client, "p", job).state == pps.JOB_SUCCESS
    assert tree(client, "p", job) == {"/count": "1200\n"}


def test_a_job_whose_input_is_lost_fails_with_the_reason_and_others_go_on(pachd):
    client = pachd.client()
    for name in ("good", "bad"):
        client.create_repo(name)
    put(client, "good", {"/a": "kept"})
    put(client, "bad", {"/a": "lost"})
    lost = blobs.digest(b"lost")
    with sqlite3.connect(pachd.state / "pachd.sqlite") as database:
        database.execute("DELETE FROM chunk WHERE hash = ?", (lost,))
    first = make(client, "reader", pfs_input("bad"), "cp /pfs/bad/a /pfs/out/a")
    second = make(client, "other", pfs_input("good"), "cp /pfs/good/a /pfs/out/a")
    info = wait(client, "reader", first)
    assert info.state == pps.JOB_FAILURE
    assert info.reason == f"chunk {lost.hex()} is not stored: run fsck to see which files it belongs to"
    assert wait(client, "other", second).state == pps.JOB_SUCCESS
    again = put(client, "bad", {"/a": "found"})
    assert wait(client, "reader", again).state == pps.JOB_SUCCESS


def test_parallel_workers_really_run_at_once(pachd, tmp_path):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {f"/{n}": "x" for n in range(3)})
    all_here = f"test $(ls {tmp_path} | grep -c here-) = 3 && exit 0"
    meet = f"touch {tmp_path}/here-$PACH_DATUM_ID; for n in $(seq 400); do {all_here}; sleep 0.05; done; exit 1"
    job = make(client, "p", pfs_input("in"), meet, workers=3, datum_tries=1)
    assert wait(client, "p", job).state == pps.JOB_SUCCESS


def test_a_running_datum_is_shown_and_restarted(pachd, tmp_path):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1", "/b": "2"})
    script = f"test -e {tmp_path}/again || sleep 300; cp /pfs/in/* /pfs/out/"
    job = make(client, "p", pfs_input("in"), script)

    def status():
        info = next(iter(client.inspect_job(job, "p", details=True)))
        return [file.path for worker in info.details.worker_status for file in worker.datum_status.data]

    (path,) = until(status)
    with pytest.raises(grpc.RpcError, match=r"datum matching filter \[/nothing\] could not be found for job ID"):
        client.restart_datum("p", job, ["/nothing"])
    (tmp_path / "again").touch()
    client.restart_datum("p", job, [path])
    assert counts(wait(client, "p", job)) == (2, 0, 0, 2)


def test_secrets_are_files_and_variables(pachd):
    client = pachd.client()
    client.create_secret("s", {"key": "secret", "other": "x"})
    secrets = [
        pps.SecretMount(name="s", key="key", env_var="MINE"),
        pps.SecretMount(name="s", mount_path="/secrets/s"),
        pps.SecretMount(name="s", mount_path="/etc/made-up/deep"),
    ]
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    script = 'echo "$MINE $(cat /secrets/s/key) $(cat /etc/made-up/deep/other) $(test -e /etc/passwd && echo whole)"'
    job = make(client, "p", pfs_input("in"), script, transform={"secrets": secrets})
    assert wait(client, "p", job).state == pps.JOB_SUCCESS
    messages = until(lambda: [m.message for m in client.get_job_logs("p", job) if m.user])
    if not Path("/etc/made-up").exists():
        assert messages == ["secret secret x whole"]
    assert not os.path.exists("/etc/made-up"), "the machine's own folders stay as they are"


def test_user_code_of_all_kinds_of_bad_manners_ends_in_one_clear_reason(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    scripts = {
        "loop": "ln -s loop /pfs/out/loop",
        "outside": "ln -s /etc/shadow-nowhere /pfs/out/x",
        "socket": f"cd /pfs/out; {sys.executable} -c \"import socket; socket.socket(socket.AF_UNIX).bind('s')\"",
        "star": "touch '/pfs/out/a*b'",
        "flood": "yes | head -c 50000000; exit 3",
        "deaf": "trap '' TERM INT HUP; sleep 0.2; exit 3",
    }
    jobs = {name: make(client, name, pfs_input("in"), script, datum_tries=1) for name, script in scripts.items()}
    for name, job in jobs.items():
        info = wait(client, name, job)
        assert info.state == pps.JOB_FAILURE and info.reason.startswith("datum "), name
        assert (info.stats.download_bytes, info.stats.upload_bytes) == (1, 0), name  # what it read counts all the same
        text = "\n".join(m.message for m in client.get_pipeline_logs(name, master=True))
        expected = {
            "loop": "too many levels",
            "outside": "no such file",
            "socket": "sockets not supported",
            "star": "globbing character (*)",
        }.get(name, "exit status 3")
        assert expected in text, (name, text)


def test_a_stopped_a_deleted_and_an_updated_pipeline_race_with_their_jobs(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {f"/{n}": "x" for n in range(20)})
    for round in range(6):
        make(client, "p", pfs_input("in"), f"sleep 0.0{round}; cp /pfs/in/* /pfs/out/", 2)
        time.sleep(0.04 * round)
        if round % 3 == 0:
            client.delete_pipeline("p")
            continue
        if round % 3 == 1:
            client.stop_pipeline("p")
            client.start_pipeline("p")
        else:
            transform = pps.Transform(cmd=["sh"], stdin=["cp /pfs/in/* /pfs/out/"], image="any")
            client.create_pipeline("p", transform, input=pfs_input("in"), update=True)
        last = next(client.list_job("p")).job.id
        assert wait(client, "p", last).state == pps.JOB_SUCCESS
        assert len(tree(client, "p", last)) == 20
        client.delete_pipeline("p")
    assert list(client.list_job()) == []


@pytest.mark.slow
def test_fifty_pipelines_with_twenty_commits_in_flight(pachd):
    client = pachd.client()
    client.create_repo("in")
    for number in range(50):
        make(client, f"p{number}", pfs_input("in"), "cp /pfs/in/* /pfs/out/")
    commits = [put(client, "in", {f"/{n}": str(n)}) for n in range(20)]
    for number in range(50):
        info = wait(client, f"p{number}", commits[-1], 300)
        assert info.state == pps.JOB_SUCCESS and len(tree(client, f"p{number}", commits[-1])) == 20


@pytest.mark.slow
def test_a_chain_of_thirty_pipelines(pachd):
    client = pachd.client()
    client.create_repo("p0")
    for number in range(1, 31):
        make(client, f"p{number}", pfs_input(f"p{number - 1}", name="in"), "cp /pfs/in/* /pfs/out/")
    at = put(client, "p0", {"/a": "1"})
    assert wait(client, "p30", at, 120).state == pps.JOB_SUCCESS
    assert tree(client, "p30", at) == {"/a": "1"}
