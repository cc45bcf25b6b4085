"""kill -9 of the daemon, of workers, of user code, at random moments: every job ends, every output appears once."""

import contextlib
import os
import random
import signal
import time

import pytest
from pachd.jobs.tools import counts, living, make, mounts, pfs_input, put, sandboxes, tree, until, wait, zombies


def three_stages(client):
    client.create_repo("in")
    make(client, "a", pfs_input("in"), "sleep 0.02; cp /pfs/in/* /pfs/out/", 2)
    make(client, "b", pfs_input("a"), 'for f in /pfs/a/*; do echo "b $(cat $f)" > /pfs/out/$(basename $f); done', 2)
    make(client, "c", pfs_input("b", "/"), "cat /pfs/b/* > /pfs/out/all")


def expected(files):
    ordered = sorted(files.items())
    return {
        "a": dict(ordered),
        "b": {path: f"b {content}\n" for path, content in ordered},
        "c": {"/all": "".join(f"b {content}\n" for _, content in ordered)} if files else {},
    }


def check(client, files, at):
    for name, wanted in expected(files).items():
        info = wait(client, name, at)
        assert info.state == 5, (name, info.state, info.reason)
        assert tree(client, name, at) == wanted
    assert list(client.fsck()) == []


@pytest.mark.parametrize("seed", range(2))
def test_jobs_survive_kills_of_the_daemon_of_workers_and_of_user_code(pachd, seed):
    run_with_kills(pachd, seed, rounds=3, kills=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
def test_jobs_survive_hundreds_of_kills(pachd, seed):
    run_with_kills(pachd, seed, rounds=5, kills=6)


def run_with_kills(pachd, seed, rounds, kills):
    chance = random.Random(seed)
    client = pachd.client()
    three_stages(client)
    files = {}
    for number in range(rounds):
        change = {f"/{chance.randrange(30)}": f"{seed}-{number}-{n}" for n in range(12)}
        gone = [path for path in list(files) if chance.random() < 0.2 and path not in change]
        at = put(client, "in", change, gone)
        files = {path: content for path, content in {**files, **change}.items() if path not in gone}
        for _ in range(kills):
            time.sleep(chance.random() * 0.3)
            victim = chance.choice(("daemon", "outer", "inner", "user"))
            if victim == "daemon":
                pachd.kill()
                until(lambda: not living(str(pachd.state)))
                pachd.start()
                client = pachd.client()
            else:
                outer, inner = sandboxes(pachd)
                choice = {"outer": outer, "inner": inner, "user": living("sleep\x000.02")}[victim]
                for pid in choice[:1]:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
        if chance.random() < 0.7:
            settle(client, at)
        heal(client, at)
    at = put(client, "in", {"/last": "last"})
    files["/last"] = "last"
    check(client, files, at)
    until(lambda: not zombies(pachd))
    pachd.stop()
    assert not mounts(str(pachd.state)) and not living(str(pachd.state))
    pachd.start()


def settle(client, at):
    for name in "abc":
        wait(client, name, at)


def heal(client, at):
    """User code that was killed counts as a failed try; three of them fail the datum, which a later commit heals."""
    settle(client, at)


def test_a_daemon_whose_probe_is_killed_probes_again(pachd):
    until(lambda: "workers have" in pachd.log.read_text())
    for _ in range(3):
        pachd.stop()
        pachd.log.write_text("")
        pachd.start()
        until(lambda: sandboxes(pachd)[0])
        for pid in sandboxes(pachd)[0]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: "workers have" in pachd.log.read_text())
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    job = make(client, "p", pfs_input("in"), "cp /pfs/in/* /pfs/out/")
    assert wait(client, "p", job).state == 5


def test_a_killed_daemon_takes_its_user_code_along_and_takes_the_job_up_again(pachd, tmp_path):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {f"/{n:02}": str(n) for n in range(40)})
    mark = tmp_path / "marks"
    mark.mkdir()
    script = f"touch {mark}/$PACH_DATUM_ID-$$; sleep 0.08; cp /pfs/in/* /pfs/out/; echo done"
    job = make(client, "p", pfs_input("in"), script, 2)
    until(lambda: len(os.listdir(mark)) > 15)
    pachd.kill()
    until(lambda: not living("sleep\x000.08"))
    pachd.start()
    client = pachd.client()
    info = wait(client, "p", job)
    assert info.state == 5 and counts(info) == (40, 0, 0, 40) and info.restart == 1
    assert tree(client, "p", job) == {f"/{n:02}": str(n) for n in range(40)}
    runs = [name.split("-")[0] for name in os.listdir(mark)]
    assert len(set(runs)) == 40 and len(runs) < 60, "what was over before the crash is not run again"


def test_pipelines_jobs_and_logs_are_there_after_a_restart(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    job = make(client, "p", pfs_input("in"), "echo hello; cp /pfs/in/* /pfs/out/")
    wait(client, "p", job)
    until(lambda: [m.message for m in client.get_job_logs("p", job) if m.user])
    pachd.stop()
    pachd.start()
    client = pachd.client()
    assert [p.pipeline.name for p in client.list_pipeline()] == ["p"]
    assert [m.message for m in client.get_job_logs("p", job) if m.user] == ["hello"]
    at = put(client, "in", {"/b": "2"})
    assert counts(wait(client, "p", at)) == (1, 1, 0, 2)
    assert tree(client, "p", at) == {"/a": "1", "/b": "2"}


def test_a_stopped_job_leaves_no_process_and_no_mount(pachd):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    job = make(client, "p", pfs_input("in"), "setsid sleep 91.5 & sleep 91.5")
    until(lambda: len(living("91.5")) >= 2)
    client.stop_job(job, "p")
    assert wait(client, "p", job).state == 6
    until(lambda: not living("91.5"))
    client.delete_pipeline("p")
    pachd.stop()
    assert not mounts(str(pachd.state))
    pachd.start()
