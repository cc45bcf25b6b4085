"""The specs run unchanged on the embedded pachd: one exam is one datum, a model concerns only who reads it."""

from breast_cancer.helpers import make_sample  # isort: skip  (puts the stages on the path)

import csv
import io
import json
from pathlib import Path

import pytest
import python_pachyderm
from python_pachyderm.proto.v2.pfs.pfs_pb2 import CommitState
from python_pachyderm.proto.v2.pps import pps_pb2 as pps

ROOT = Path(__file__).resolve().parents[2]
SPECS = ROOT / "specs" / "breast_cancer"
STAGES = ["crop", "extract_centers", "generate_heatmaps", "visualize_heatmaps", "classify"]


def create(client, name: str, **transform: object) -> None:
    """Creates a pipeline of its committed spec; only the number of looks at an exam is lowered."""
    spec = json.loads((SPECS / f"{name}.json").read_text())
    if name in ("classify", "bc_classification"):
        spec["transform"].setdefault("env", {})["NUM_EPOCHS"] = "1"
    spec["transform"].update(transform)
    client.create_pipeline_from_request(python_pachyderm.parse_json_pipeline_spec(json.dumps(spec)))


def put_folder(client, repo: str, folder: Path) -> None:
    with client.commit(repo, "master") as commit:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                client.put_file_bytes(commit, f"/{path.relative_to(folder)}", path.read_bytes())


def counts(client, name: str) -> tuple[int, int, int, int]:
    """(processed, skipped, failed, recovered) of a pipeline's newest job, once its commit is finished."""
    list(client.inspect_commit((name, "master"), CommitState.FINISHED))
    [job] = client.inspect_job(next(iter(client.list_job(name))).job.id, name)
    return job.data_processed, job.data_skipped, job.data_failed, job.data_recovered


def jobs(client, name: str) -> int:
    return len(list(client.list_job(name)))


def predictions(client, repo: str, exam: str, kind: str = "imageheatmaps") -> list[dict[str, str]]:
    text = client.get_file((repo, "master"), f"/{exam}/{kind}_predictions_by_exam.csv").read().decode()
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.slow
def test_the_walk_from_two_exams_to_failing_ones(pachd, tmp_path):
    make_sample.main([str(tmp_path)])
    client = pachd.client()
    for repo in ("models", "sample_data"):
        client.create_repo(repo)
    put_folder(client, "models", tmp_path / "models")
    put_folder(client, "sample_data", tmp_path / "sample_data")

    # As committed: for GPUs. Where there is none the stages say so and take the CPU.
    for name in STAGES:
        create(client, name)
    assert [counts(client, name) for name in STAGES] == [(2, 0, 0, 0)] * 5
    before = predictions(client, "classify", "exam_small")
    assert before[0]["exam_id"] == "exam_small"
    assert [f.file.path for f in client.list_file(("visualize_heatmaps", "master"), "/exam_small")] == [
        f"/exam_small/{view}_{kind}.png"
        for view in ("L_CC", "L_MLO", "R_CC", "R_MLO")
        for kind in ("benign", "malignant")
    ]

    # All stages in one pipeline predict the same.
    create(client, "bc_classification")
    assert counts(client, "bc_classification") == (2, 0, 0, 0)
    for exam in ("exam_small", "exam_large"):
        for kind in ("image", "imageheatmaps"):
            ours = predictions(client, "bc_classification", exam, kind)
            assert ours == predictions(client, "classify", exam, kind)
    client.delete_pipeline("bc_classification")

    # One more exam: one datum a stage.
    put_folder(client, "sample_data", tmp_path / "one_more_exam")
    assert [counts(client, name) for name in STAGES] == [(1, 2, 0, 0)] * 5

    # Another patch model: those who read it do all exams again, the others have no job.
    earlier = {name: jobs(client, name) for name in STAGES}
    put_folder(client, "models", tmp_path / "new_model")
    assert [counts(client, name) for name in STAGES[2:]] == [(3, 0, 0, 0)] * 3
    assert {name: jobs(client, name) - earlier[name] for name in STAGES} == {
        **dict.fromkeys(STAGES[:2], 0),
        **dict.fromkeys(STAGES[2:], 1),
    }
    after = predictions(client, "classify", "exam_small")
    assert after != before
    # The exam models are the same ones; only the patch model changed, and provenance knows.
    assert after[0]["model"] == before[0]["model"]
    [commit] = client.inspect_commit(("classify", "master"))
    assert ("models", "master") in {(c.branch.repo.name, c.branch.name) for c in commit.direct_provenance}
    [newest] = client.inspect_commit(("models", "master"))
    assert newest.commit.id == commit.commit.id, "commits of one set bear one id"

    # Exams that fail do so each for itself, with one line that says why.
    put_folder(client, "sample_data", tmp_path / "broken_exams")
    assert counts(client, "crop")[2] == 3
    job = next(iter(client.list_job("crop")))
    assert job.state == pps.JOB_FAILURE
    states = {
        Path(datum.data[0].file.path).name: pps.DatumState.Name(datum.state)
        for datum in client.list_datum("crop", job.job.id)
    }
    assert states == {
        **dict.fromkeys(("exam_small", "exam_large", "exam_third"), "SKIPPED"),
        **dict.fromkeys(("exam_in_colour", "exam_of_nothing", "exam_without_a_view"), "FAILED"),
    }
    errors = {m.message for m in client.get_job_logs("crop", job.job.id) if m.message.startswith("error: ")}
    assert len(errors) == 3
    for words in (
        "L-CC: L_CC.png: its pixels are RGB",
        "R-MLO: nothing is left after cropping",
        "R_MLO.png: no such image",
    ):
        assert any(words in error for error in errors)

    # With an err_cmd they are set aside, and everybody else's results stand.
    spec = json.loads((SPECS / "crop.json").read_text())
    spec["transform"]["err_cmd"] = ["/bin/true"]
    request = python_pachyderm.parse_json_pipeline_spec(json.dumps(spec))
    request.update = True
    client.create_pipeline_from_request(request)
    assert counts(client, "crop") == (0, 3, 0, 3)
    assert counts(client, "classify")[1:] == (3, 0, 0)
    names = [Path(f.file.path).name for f in client.list_file(("classify", "master"), "/")]
    assert names == ["exam_large", "exam_small", "exam_third"]
