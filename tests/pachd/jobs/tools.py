"""Short forms for tests that run pipelines through an unmodified client."""

from __future__ import annotations

import os
import time
from pathlib import Path

from python_pachyderm.proto.v2.pps import pps_pb2 as pps

OVER = (pps.JOB_SUCCESS, pps.JOB_FAILURE, pps.JOB_KILLED, pps.JOB_UNRUNNABLE)


def pfs_input(repo, glob="/*", **more):
    return pps.Input(pfs=pps.PFSInput(repo=repo, glob=glob, **more))


def put(client, repo, files, delete=()):
    """One commit that deletes and replaces files; its id, which is the jobs' too."""
    with client.commit(repo, "master") as commit:
        with client.modify_file_client(commit) as change:
            for path in delete:
                change.delete_file(path)
            for path, content in files.items():
                change.put_file_from_bytes(path, content.encode() if isinstance(content, str) else content)
    return commit.id


def make(client, name, source, script, workers=1, **more):
    """A pipeline that runs a shell script on each datum; the id of its first job."""
    transform = pps.Transform(cmd=["sh"], stdin=[script], image="any", **more.pop("transform", {}))
    constant = pps.ParallelismSpec(constant=workers)
    client.create_pipeline(name, transform, input=source, parallelism_spec=constant, **more)
    return next(client.list_job(name)).job.id


def wait(client, name, job, limit=60):
    """The JobInfo of a job that is over."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        info = next(iter(client.inspect_job(job, name)))
        if info.state in OVER:
            return info
        time.sleep(0.01)
    raise AssertionError(f"job {name}@{job} is not over after {limit} s: {info}")


def tree(client, repo, at):
    """{path: content} of a commit."""
    found = {}
    for info in client.walk_file((repo, at), "/"):
        if not info.file.path.endswith("/"):
            found[info.file.path] = client.get_file((repo, at), info.file.path).read().decode()
    return found


def counts(info):
    return info.data_processed, info.data_skipped, info.data_failed, info.data_total


def living(word):
    """Process ids of this machine whose command line holds a word."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                text = Path(f"/proc/{name}/cmdline").read_bytes()
                state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if word.encode() in text and state != "Z":
                found.append(int(name))
    return found


def sandboxes(daemon):
    """Process ids of the sandboxes of a daemon, the outer and the inner ones."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    outer = [pid for pid, parent in parents.items() if parent == daemon.process.pid]
    return outer, [pid for pid, parent in parents.items() if parent in outer]


def zombies(daemon):
    """Children of a daemon that have ended and were not collected."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                state, parent = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            found += [int(name)] if state == "Z" and int(parent) == daemon.process.pid else []
    return found


def mounts(word):
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if word in line]


def until(check, limit=20):
    """The first true answer of a check."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        answer = check()
        if answer:
            return answer
        time.sleep(0.01)
    raise AssertionError("it did not come true in time")
