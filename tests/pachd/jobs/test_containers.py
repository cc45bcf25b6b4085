"""--runtime docker and --runtime podman: a spec's own image, its /pfs bound in, and nothing left running.

Where a real engine answers (`docker ps`, `podman ps`) and has the image example.org/tiny:1 (anything with a shell), it
is used too; everywhere else the small engine of tests/pachd/engine.py, under both names.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pachd.jobs.tools import counts, living, make, pfs_input, put, tree, until, wait
from python_pachyderm.proto.v2.pps import pps_pb2 as pps

from workshop.testing import Pachd

IMAGE = "example.org/tiny:1"
SMALL = Path(__file__).parents[1] / "engine.py"


def real(name):
    """Whether a real engine of that name answers here and has the image."""
    if shutil.which(name) is None:
        return False
    done = subprocess.run([name, "image", "inspect", IMAGE], capture_output=True, check=False)
    return done.returncode == 0


class Engine:
    def __init__(self, name, folder, is_real):
        self.name, self.is_real, self.env = name, is_real, {}
        if not is_real:
            folder.mkdir()
            (folder / "containers").mkdir()
            program = folder / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} {SMALL} "$@"\n')
            program.chmod(0o755)
            path = f"{folder}{os.pathsep}{os.environ['PATH']}"
            self.env = {"TINY_ENGINE": str(folder / "containers"), "PATH": path}

    def containers(self, state):
        words = ["ps", "--all", "--quiet", "--filter", f"label=pachd.state={state}"]
        done = subprocess.run([self.name, *words], capture_output=True, text=True, env={**os.environ, **self.env})
        assert done.returncode == 0, done.stderr
        return done.stdout.split()


ENGINES = [
    pytest.param(("docker", False), id="small docker"),
    pytest.param(("podman", False), id="small podman", marks=pytest.mark.slow),
    *(
        pytest.param((name, True), id=f"real {name}", marks=pytest.mark.slow)
        for name in ("docker", "podman")
        if real(name)
    ),
]


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    name, is_real = request.param
    if not is_real and subprocess.run(["unshare", "-mpf", "true"], capture_output=True, check=False).returncode:
        pytest.skip("the small engine needs namespaces")
    return Engine(name, tmp_path / "engine", is_real)


@pytest.fixture
def pachd(tmp_path, engine):
    with Pachd(tmp_path / "state", "--runtime", engine.name, env=engine.env) as daemon:
        yield daemon
    assert engine.containers(tmp_path / "state") == []


def contained(client, name, source, script, **more):
    transform = pps.Transform(cmd=["sh"], stdin=[script], image=IMAGE, **more.pop("transform", {}))
    client.create_pipeline(name, transform, input=source, **more)
    return next(client.list_job(name)).job.id


def says(client, name):
    return until(lambda: [m.message for m in client.get_pipeline_logs(name) if m.user])


def test_user_code_runs_in_its_image_with_its_own_pfs(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "one", "/d/b": "two"})
    script = "cp -r /pfs/in/. /pfs/out/; ln -s /pfs/in/a /pfs/out/linked 2>/dev/null; cat /pfs/.env >/pfs/out/env"
    job = contained(client, "p", pfs_input("in", "/"), script)
    info = wait(client, "p", job)
    assert info.state == pps.JOB_SUCCESS and counts(info) == (1, 0, 0, 1), info.reason
    found = tree(client, "p", job)
    assert "PACH_DATUM_ID=" in found.pop("/env")
    assert found == {"/a": "one", "/d/b": "two", "/linked": "one"}


def test_variables_come_from_the_image_the_spec_and_secrets_and_nothing_from_this_machine(pachd, monkeypatch):
    client = pachd.client()
    client.create_secret("s", {"key": "hidden value", "file": "in a file"})
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    secrets = [pps.SecretMount(name="s", key="key", env_var="MINE"), pps.SecretMount(name="s", mount_path="/secrets")]
    env = {"SAID": "two\nlines", "HOME": "/elsewhere"}
    script = 'echo "$FROM_IMAGE/$SAID/$HOME/$MINE/$(cat /secrets/file)/$in/${PYTHONPATH:-none}"'
    contained(client, "p", pfs_input("in"), script, transform={"env": env, "secrets": secrets})
    image = says(client, "p")[0].partition("/")[0]
    assert "\n".join(says(client, "p")) == f"{image}/two\nlines//elsewhere/hidden value/in a file//pfs/in/a/none"
    assert image == "yes"


def test_the_working_directory_and_the_user_are_the_spec_s(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    transform = {"working_dir": "/tmp", "user": "nobody"}
    job = contained(client, "p", pfs_input("in"), "pwd; id -un; echo x > /pfs/out/x", transform=transform)
    info = wait(client, "p", job)
    assert info.state == pps.JOB_SUCCESS, info.reason
    assert says(client, "p") == ["/tmp", "nobody"]
    assert tree(client, "p", job) == {"/x": "x\n"}


def test_exit_codes_tries_and_handlers_count_as_without_containers(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    jobs = {
        "fails": contained(client, "fails", pfs_input("in"), "echo no; exit 4", datum_tries=2),
        "accepted": contained(client, "accepted", pfs_input("in"), "exit 4", transform={"accept_return_code": [4]}),
        "recovers": contained(client, "recovers", pfs_input("in"), "exit 4", transform={"err_cmd": ["true"]}),
        "lost": contained(client, "lost", pfs_input("in"), "ln -s /image-marker /pfs/out/x", datum_tries=1),
    }
    infos = {name: wait(client, name, job) for name, job in jobs.items()}
    assert infos["accepted"].state == pps.JOB_SUCCESS and infos["recovers"].data_recovered == 1
    assert infos["fails"].state == pps.JOB_FAILURE and says(client, "fails") == ["no", "no"]
    assert infos["lost"].state == pps.JOB_FAILURE
    words = "\n".join(m.message for m in client.get_pipeline_logs("lost", master=True))
    assert "/image-marker is the container's own file, which went with it: copy it to /pfs/out" in words


def test_stopping_a_job_a_pipeline_or_the_daemon_ends_the_container(pachd, engine):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    job = contained(client, "p", pfs_input("in"), "sleep 92.5 & sleep 92.5")
    until(lambda: living("92.5") and engine.containers(pachd.state))
    client.stop_job(job, "p")
    until(lambda: not living("92.5") and not engine.containers(pachd.state))
    put(client, "in", {"/a": "2"})
    until(lambda: living("92.5"))
    client.delete_pipeline("p")
    until(lambda: not living("92.5") and not engine.containers(pachd.state))
    contained(client, "q", pfs_input("in"), "sleep 92.5")
    until(lambda: living("92.5"))
    pachd.stop()
    assert not living("92.5") and not engine.containers(pachd.state)
    pachd.start()


def test_a_killed_daemon_leaves_no_container_behind_and_the_job_is_taken_up_again(pachd, engine, tmp_path):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    job = contained(client, "p", pfs_input("in"), "sleep 1.25; cp /pfs/in/a /pfs/out/")
    until(lambda: living("sleep\x001.25"))
    pachd.kill()
    pachd.start()
    client = pachd.client()
    info = wait(client, "p", job)
    assert info.state == pps.JOB_SUCCESS and tree(client, "p", job) == {"/a": "1"}


def test_a_datum_over_its_time_ends_with_its_container(pachd, engine):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    from google.protobuf.duration_pb2 import Duration

    job = contained(client, "p", pfs_input("in"), "sleep 93.5", datum_tries=1, datum_timeout=Duration(seconds=1))
    assert wait(client, "p", job).state == pps.JOB_FAILURE
    until(lambda: not living("93.5") and not engine.containers(pachd.state))


def test_an_image_that_this_machine_does_not_have_fails_the_pipeline_until_it_is_there(pachd, engine):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    make(client, "p", pfs_input("in"), "true")
    until(lambda: next(client.inspect_pipeline("p")).state == pps.PIPELINE_FAILURE)
    reason = next(client.inspect_pipeline("p")).reason
    assert reason.startswith("image any is one that this machine does not have: `"), reason
    assert f"`{engine.name} pull any`" in reason and "pachctl rerun pipeline p" in reason
    transform = pps.Transform(cmd=["sh"], stdin=["cp /pfs/in/* /pfs/out/"], image=IMAGE)
    client.create_pipeline("p", transform, input=pfs_input("in"), update=True)
    job = next(client.list_job("p")).job.id
    assert wait(client, "p", job).state == pps.JOB_SUCCESS


def test_an_engine_that_is_not_there_is_said_before_the_daemon_is_ready(tmp_path):
    command = [sys.executable, "-m", "workshop.pachd", "--state", str(tmp_path / "s"), "--runtime", "podman"]
    root = str(Path(__file__).parents[3])
    env = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": root}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 1
    assert done.stderr == "pachd: there is no program podman on the PATH: install it, or leave --runtime out\n"


def test_a_missing_program_fails_the_datum(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    transform = pps.Transform(cmd=["no-such-program"], image=IMAGE)
    client.create_pipeline("p", transform, input=pfs_input("in"), datum_tries=1)
    job = next(client.list_job("p")).job.id
    info = wait(client, "p", job)
    assert info.state == pps.JOB_FAILURE and info.reason.startswith("datum ")
    assert "no-such-program" in "\n".join(m.message for m in client.get_pipeline_logs("p"))
