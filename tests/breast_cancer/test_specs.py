"""The specs are the seeds', their CPU variants differ by the device alone, and their commands are in their images."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPECS = ROOT / "specs" / "breast_cancer"
CODE = ROOT / "pach-pytorch" / "breast_cancer"
NAMES = sorted(path.stem for path in SPECS.glob("*.json"))
STAGES = ["crop", "extract_centers", "generate_heatmaps", "visualize_heatmaps", "classify"]
GPU = ["bc_classification", "classify", "generate_heatmaps"]


def spec(name: str) -> dict:
    return json.loads((SPECS / f"{name}.json").read_text())


def for_device(device: str, name: str) -> dict:
    done = subprocess.run(
        [sys.executable, SPECS / "for_device.py", device, SPECS / f"{name}.json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def inputs(node: dict) -> list[tuple]:
    """(how, repo, glob, join) of every pfs input, in order."""
    found = []
    for how, inner in node.items():
        if how == "pfs":
            found.append((inner["repo"], inner["glob"], inner.get("join_on")))
        else:
            found.append((how, [one for child in inner for one in inputs(child)]))
    return found


def test_there_are_the_seven_pipelines_of_the_seeds():
    assert sorted(["bc_classification", "bc_classification_cpu", *STAGES]) == NAMES
    assert all(spec(name)["pipeline"] == {"name": name} for name in NAMES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bc_classification", [("cross", [("sample_data", "/*", None), ("models", "/", None)])]),
        ("bc_classification_cpu", [("cross", [("sample_data", "/*", None), ("models", "/", None)])]),
        ("crop", [("sample_data", "/*", None)]),
        ("extract_centers", [("crop", "/*", None)]),
        (
            "generate_heatmaps",
            [
                (
                    "cross",
                    [("join", [("crop", "/(*)", "$1"), ("extract_centers", "/(*)", "$1")]), ("models", "/", None)],
                )
            ],
        ),
        ("visualize_heatmaps", [("join", [("crop", "/(*)", "$1"), ("generate_heatmaps", "/(*)", "$1")])]),
        (
            "classify",
            [
                (
                    "cross",
                    [
                        (
                            "join",
                            [
                                ("crop", "/(*)", "$1"),
                                ("extract_centers", "/(*)", "$1"),
                                ("generate_heatmaps", "/(*)", "$1"),
                            ],
                        ),
                        ("models", "/", None),
                    ],
                )
            ],
        ),
    ],
)
def test_inputs_are_crossed_and_joined_as_in_the_seeds(name, expected):
    assert inputs(spec(name)["input"]) == expected


def test_gpus_memory_and_parallelism_are_the_seeds():
    for name in NAMES:
        limits = spec(name).get("resource_limits")
        assert limits == ({"gpu": {"type": "nvidia.com/gpu", "number": 1}} if name in GPU else None)
        assert spec(name).get("resource_requests") == ({"memory": "4G", "cpu": 1} if name in GPU else None)
        constant = {"bc_classification": 8, "bc_classification_cpu": 4, "visualize_heatmaps": 4}.get(name)
        assert spec(name).get("parallelism_spec") == ({"constant": constant} if constant else None)
        assert spec(name).get("autoscaling", False) is not name.startswith("bc_")


@pytest.mark.parametrize("name", NAMES)
def test_the_cpu_variant_differs_by_the_device_alone(name):
    original, changed = spec(name), for_device("cpu", name)
    assert for_device("gpu", name) == original
    assert (changed == original) is (name not in GPU)
    assert not re.search("gpu", json.dumps(changed))
    for one in (original, changed):
        one.pop("resource_limits", None)
        one["transform"].pop("image")
        one["transform"].pop("cmd")
        one["transform"].pop("env", None)
    assert changed == original


@pytest.mark.parametrize("name", NAMES)
def test_the_command_is_a_script_of_the_image_and_starts_only_files_that_exist(name):
    table = json.loads(next(path for path in tables() if "breast-cancer" in path.read_text()).read_text())
    transform = spec(name)["transform"]
    assert table[transform["image"]]["code"] == {"/code": [str(CODE.relative_to(ROOT))]}
    dockerfile = (ROOT / table[transform["image"]]["dockerfile"]).read_text()
    assert f"COPY {CODE.relative_to(ROOT)} /code/" in dockerfile
    assert "USER learner" in dockerfile
    script = CODE / transform["cmd"][1].removeprefix("/code/")
    assert transform["cmd"][0] == "/bin/bash"
    subprocess.run(["/bin/bash", "-n", str(script)], check=True)
    started = re.findall(r'\$CODE/(\w+\.py)"', script.read_text())
    assert started
    assert all((CODE / file).is_file() for file in started)


def tables() -> list[Path]:
    """The table of images; in two files as long as the one is not merged into the other."""
    return sorted((ROOT / "docker").glob("images*.json"))


def test_for_device_says_what_is_no_spec(tmp_path):
    (tmp_path / "x.json").write_text("[1]")
    done = subprocess.run(
        [sys.executable, SPECS / "for_device.py", "cpu", tmp_path / "x.json"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "not a pipeline spec" in done.stderr
    assert "Traceback" not in done.stderr


def test_stages_import_nothing_of_the_workshop():
    for path in CODE.glob("*.py"):
        assert not re.search(r"^\s*(from|import) workshop", path.read_text(), re.MULTILINE), path
