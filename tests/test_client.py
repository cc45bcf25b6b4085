"""The Iris workshop through an unmodified python_pachyderm.Client, with the daemon killed in the middle of step 7."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from python_pachyderm import Client
from python_pachyderm.proto.v2.pfs.pfs_pb2 import CommitState
from python_pachyderm.proto.v2.pps.pps_pb2 import DatumState, JobState
from python_pachyderm.util import parse_json_pipeline_spec

from workshop import daemon

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = {
    "/test1.csv": "Iris-versicolor\nIris-virginica\nIris-virginica\nIris-virginica\nIris-setosa\nIris-setosa\n",
    "/test2.csv": "Iris-virginica\nIris-virginica\nIris-setosa\nIris-setosa\n",
}


class World:
    """A daemon on one state folder, and the client that talks to it now."""

    def __init__(self, state):
        self.state = state
        self.start()

    def start(self):
        target = daemon.start(self.state, port=0)
        self.client = Client(target.host, target.port)

    def kill(self):
        pid = daemon.pid_of(self.state)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def create_pipeline(self, name, update=False, **changes):
        document = json.loads((ROOT / "specs" / name).read_text()) | changes
        request = parse_json_pipeline_spec(json.dumps(document))
        request.update = update
        self.client.create_pipeline_from_request(request)

    def finished(self, repo):
        """The newest commit of a repo, once it is finished."""
        (commit,) = self.client.inspect_commit((repo, "master"), CommitState.FINISHED)
        return commit

    def job(self, pipeline):
        return next(iter(self.client.list_job(pipeline)))

    def files(self, repo, commit="master"):
        return {f.file.path: self.client.get_file((repo, commit), f.file.path).read() for f in self.walk(repo, commit)}

    def walk(self, repo, commit="master"):
        return [info for info in self.client.walk_file((repo, commit), "/") if not info.file.path.endswith("/")]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("client") / "state")
    yield made
    daemon.stop(made.state)


def test_steps_1_to_6_data_features_and_a_model(world):
    assert world.client.get_remote_version().major == 2
    for repo in ("training", "attributes"):
        world.client.create_repo(repo)
    world.client.put_file_bytes(("training", "master"), "/iris.csv", (ROOT / "data" / "iris.csv").read_bytes())
    world.create_pipeline("pre-process.json")
    world.create_pipeline("train.json")
    assert {f.file.path: f.size_bytes for f in world.walk("training")} == {"/iris.csv": 4411}
    assert not world.finished("pre_process").error
    assert {f.file.path: f.size_bytes for f in world.walk("pre_process")} == {
        "/scaling.json": 294,
        "/x_train.csv": 10207,
        "/y_train.csv": 870,
    }
    assert not world.finished("train").error
    assert [f.file.path for f in world.walk("train")] == ["/model.pt"]
    for name in ("test1.csv", "test2.csv"):
        world.client.put_file_bytes(("attributes", "master"), f"/{name}", (ROOT / "data" / name).read_bytes())
    assert {f.file.path: f.size_bytes for f in world.walk("attributes")} == {"/test1.csv": 96, "/test2.csv": 64}


def test_step_7_a_daemon_killed_in_the_middle_of_a_job_finishes_it_after_its_restart(world):
    world.create_pipeline("infer.json")
    deadline = time.monotonic() + 30
    while world.job("inference").state != JobState.JOB_RUNNING:
        assert time.monotonic() < deadline, world.job("inference")
        time.sleep(0.01)
    before = world.job("inference").job.id
    world.kill()
    world.start()
    assert not world.finished("inference").error
    (job,) = world.client.list_job("inference", history=-1)  # the same job, and no second one
    assert (job.job.id, job.state) == (before, JobState.JOB_SUCCESS)
    assert (job.data_processed, job.data_skipped, job.data_failed, job.data_total) == (2, 0, 0, 2)
    assert {path: text.decode() for path, text in world.files("inference").items()} == ANSWERS
    assert len(list(world.client.list_commit("inference", all=True))) == 1
    datums = list(world.client.list_datum("inference", before))
    assert [datum.state for datum in datums] == [DatumState.SUCCESS] * 2


def test_step_9_three_workers_share_the_datums(world):
    world.create_pipeline("infer.json", update=True, parallelism_spec={"constant": 3})
    world.finished("inference")
    job = world.job("inference")
    assert (job.data_processed, job.data_skipped, job.data_total) == (0, 2, 2)
    with world.client.modify_file_client(("attributes", "master")) as transaction:
        for path in sorted((ROOT / "data" / "field" / "tuesday").iterdir()):
            transaction.put_file_from_bytes(f"/{path.name}", path.read_bytes())
    world.finished("inference")
    job = world.job("inference")
    assert (job.data_processed, job.data_skipped, job.data_total) == (6, 2, 8)
    busy = {line.worker_id for line in world.client.get_job_logs("inference", job.job.id) if line.datum_id}
    assert len(busy) == 3


def test_step_10_new_training_data_make_a_new_model_and_new_answers_by_themselves(world):
    old = world.files("train")["/model.pt"]
    rows = (ROOT / "data" / "iris.csv").read_text().splitlines(keepends=True)
    world.client.put_file_bytes(("training", "master"), "/iris.csv", "".join(rows[2:]).encode())
    commit = world.finished("inference").commit
    assert commit.id == world.finished("training").commit.id
    assert world.files("train")["/model.pt"] != old
    assert world.files("train", "master^")["/model.pt"] == old
    jobs = {job.job.pipeline.name: job for job in world.client.inspect_job(commit.id)}
    assert set(jobs) == {"pre_process", "train", "inference"}
    assert all(job.state == JobState.JOB_SUCCESS for job in jobs.values())


def test_step_11_provenance_leads_from_the_answers_to_one_training_commit(world):
    from workshop import lineage

    newest = lineage.trace(world.client, lineage.parse_address("inference@master:/test1.csv"))
    before = lineage.trace(world.client, lineage.parse_address("inference@master^:/test1.csv"))
    for tree, training in ((newest, "master"), (before, "master^")):
        (commit,) = world.client.inspect_commit(("training", training))
        attributes, train = tree.related
        (features,) = train.related
        (source,) = features.related
        assert (attributes.address.path, attributes.spec) == ("/test1.csv", None)
        assert (train.spec.pipeline, features.spec.pipeline) == ("train", "pre_process")
        assert (source.address.repo, source.address.commit) == ("training", commit.commit.id)
        assert source.address.path == "/iris.csv"
    downstream = lineage.trace(world.client, lineage.parse_address("training@master^"), downstream=True)
    made = {node.address.repo for node in walk(downstream)}
    assert made == {"training", "pre_process", "train", "inference"}
    commits = {(node.address.repo, node.address.commit) for node in walk(newest)}
    assert not commits & {(node.address.repo, node.address.commit) for node in walk(downstream)}


def walk(node):
    yield node
    for inner in node.related:
        yield from walk(inner)
