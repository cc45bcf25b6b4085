"""The three pipelines on the embedded daemon: packed by class, counted, trained on; only what changed is done again."""

import csv
import hashlib
import json
from pathlib import Path

import pytest
from loader import Loader
from shards import open_shards

pachyderm = pytest.importorskip("python_pachyderm")
ROOT = Path(__file__).resolve().parents[2]
SPECS = ROOT / "specs" / "image_pipeline"
PIPELINES = ["index-and-pack", "manifest", "train-step"]


def put(client, repo, folder, below=""):
    """Put a folder's files into a repo in one commit."""
    with client.commit(repo, "master") as commit:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            client.put_file_bytes(commit, f"{below}/{file.relative_to(folder)}", file.read_bytes())


def fetch(client, repo, target):
    """Bring a repo's master here."""
    for info in client.walk_file((repo, "master"), "/"):
        if not info.file.path.endswith("/"):
            place = target / info.file.path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(client.get_file((repo, "master"), info.file.path).read())


def run_of(client, pipeline):
    """(processed, skipped) of a pipeline's newest job, once it has ended well."""
    head = client.inspect_branch(pipeline, "master").head
    (job,) = client.inspect_job(head.id, pipeline, wait=True)
    assert pachyderm.service.pps_proto.JobState.Name(job.state) == "JOB_SUCCESS", job.reason
    return job.data_processed, job.data_skipped


@pytest.mark.slow
def test_a_class_is_packed_once_counted_and_trained_on_from_a_commit(image_set, pachd, tmp_path):
    client = pachd.client()
    tree = image_set / "ILSVRC"
    for repo, folder in (("images", "Data"), ("annotations", "Annotations")):
        client.create_repo(repo)
        put(client, repo, tree / folder / "CLS-LOC" / "train")
    for name in PIPELINES:
        spec = json.loads((SPECS / f"{name}.json").read_text())
        client.create_pipeline_from_request(pachyderm.parse_dict_pipeline_spec(spec))
    assert [run_of(client, name) for name in PIPELINES] == [(3, 0), (1, 0), (1, 0)]

    # A consumer outside reads the same commit, and gets the bytes that the training step recorded.
    fetch(client, "index-and-pack", tmp_path)
    fetch(client, "manifest", tmp_path)
    fetch(client, "train-step", tmp_path / "trained")
    source = open_shards(tmp_path / "manifest.parquet", tmp_path / "shards")
    assert source.index.images == 45 and len(source.index.classes) == 3
    loader = Loader(source, 16, shuffle="samples", last="wrap")
    digests = [hashlib.sha256(batch.images).hexdigest() for _ in range(8) for batch in loader][:8]
    steps = list(csv.DictReader((tmp_path / "trained" / "steps.csv").open()))
    assert [row["sha256"] for row in steps] == digests
    commits = json.loads((tmp_path / "trained" / "provenance.json").read_text())["commits"]
    assert commits == {name: client.inspect_branch(name, "master").head.id for name in ("index-and-pack", "manifest")}

    # The odd files join one class: that class alone is packed again, nothing fails, and each is counted.
    wnid = source.index.classes[0]
    put(client, "annotations", tree / "Annotations" / "CLS-LOC" / "odd" / wnid, f"/{wnid}")
    put(client, "images", tree / "Data" / "CLS-LOC" / "odd" / wnid, f"/{wnid}")
    assert run_of(client, "index-and-pack") == (1, 2)
    assert run_of(client, "manifest") == (1, 0)
    report = client.get_file(("manifest", "master"), "/report.txt").read().decode()
    assert report.startswith("64 files: 61 used with") and "3 quarantined" in report.splitlines()[0]
    listed = client.get_file(("index-and-pack", "master"), f"/quarantine/{wnid}.txt").read().decode()
    assert len(listed.splitlines()) == 3 and "the file is empty" in listed

    # A class without annotations is no reason to leave it out.
    put(client, "images", tree / "Data" / "CLS-LOC" / "val" / source.index.classes[1], "/n00000001")
    assert run_of(client, "index-and-pack") == (1, 3)
    assert run_of(client, "train-step") == (1, 0)
