"""Specs, images and code agree: what a spec starts is in its image, and what a script imports lies beside it."""

import ast
import json
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGES = json.loads((ROOT / "docker" / "images.json").read_text())
SPECS = sorted((ROOT / "specs").rglob("*.json"))
DOCKERFILES = {image: ROOT / entry["dockerfile"] for image, entry in IMAGES.items()}
IRIS = [image for image in IMAGES if "/iris-" in image]


def code_of(image):
    """{path in the image: file of the repository} for every file the table puts into the image."""
    placed = {}
    for folder, sources in IMAGES[image]["code"].items():
        for source in sources:
            path = ROOT / source
            files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
            placed |= {f"{folder}/{file.relative_to(path.parent if path.is_file() else path)}": file for file in files}
    return placed


def copies_of(dockerfile):
    """{(source, destination)} of each COPY line."""
    text = dockerfile.read_text().replace("\\\n", " ")
    lines = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("COPY ")]
    return {(source, words[-1].rstrip("/")) for words in lines for source in words[:-1]}


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_the_command_of_a_spec_starts_a_script_that_its_image_holds(spec):
    transform = json.loads(spec.read_text())["transform"]
    assert transform["image"] in IMAGES
    placed = code_of(transform["image"])
    scripts = re.findall(r"/code/\S+\.(?:py|sh)", " ".join([*transform["cmd"], *transform.get("stdin", [])]))
    assert scripts, "the command starts no script"
    assert all(placed[script].is_file() for script in scripts)


@pytest.mark.parametrize("image", IMAGES)
def test_a_dockerfile_copies_exactly_what_the_table_says(image):
    table = {(source, folder) for folder, sources in IMAGES[image]["code"].items() for source in sources}
    assert {pair for pair in copies_of(DOCKERFILES[image]) if pair[0].startswith("pach-pytorch")} == table


@pytest.mark.parametrize("image", IRIS)
def test_what_a_script_imports_from_its_own_folder_is_in_the_image_too(image):
    files = set(code_of(image).values())
    for file in files:
        tree = ast.parse(file.read_text())
        wanted = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        siblings = {sibling for name in wanted if (sibling := file.with_name(f"{name}.py")).is_file()}
        assert siblings <= files, f"{file.name} imports {siblings - files}"
        assert not any(name.split(".")[0] == "workshop" for name in wanted)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_pinned_and_runs_as_an_ordinary_user(image):
    text = DOCKERFILES[image].read_text()
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    assert all(
        ":" in words[1] or words[1] in {w[3] for w in lines if w[0] == "FROM" and len(w) > 3}
        for words in lines
        if words[0] == "FROM"
    )
    users = [words[1] for words in lines if words[0] == "USER"]
    assert users and users[-1] not in {"root", "0"}
    installs = re.findall(r"pip install ([^\n]*)", text.replace("\\\n", " "))
    packages = [word for line in installs for word in line.split() if not word.startswith("-")]
    assert all("==" in package or package.endswith(".txt") for package in packages)
    assert re.search(r":\d+\.\d+", image)


@pytest.mark.parametrize(
    ("name", "pipeline", "pfs_inputs"),
    [
        ("pre-process", "pre_process", [("training", "/*")]),
        ("train", "train", [("pre_process", "/")]),
        ("infer", "inference", [("attributes", "/*"), ("train", "/")]),
    ],
)
def test_the_specs_have_the_names_and_globs_of_the_workshop(name, pipeline, pfs_inputs):
    spec = json.loads((ROOT / "specs" / f"{name}.json").read_text())
    assert spec["pipeline"] == {"name": pipeline}
    assert spec["parallelism_spec"] == {"constant": "1"}
    inputs = spec["input"].get("cross", [spec["input"]])
    assert [(entry["pfs"]["repo"], entry["pfs"]["glob"]) for entry in inputs] == pfs_inputs
