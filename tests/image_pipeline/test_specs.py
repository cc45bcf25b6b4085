"""The pipelines' specs and the images they run in: what is joined and read, and that scripts stand alone."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPECS = ROOT / "specs" / "image_pipeline"
SCRIPTS = ROOT / "pach-pytorch" / "image_pipeline"


def spec(name):
    return json.loads((SPECS / f"{name}.json").read_text())


def test_images_and_annotations_are_joined_by_class_and_no_class_is_lost():
    first, second = (entry["pfs"] for entry in spec("index-and-pack")["input"]["join"])
    assert (first["repo"], second["repo"]) == ("images", "annotations")
    assert first["glob"] == second["glob"] == "/(*)" and first["join_on"] == second["join_on"] == "$1"
    assert first["outer_join"] is True and "outer_join" not in second


def test_the_manifest_reads_no_shard():
    assert spec("manifest")["input"]["pfs"]["glob"] == "/index"


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.json")), ids=lambda path: path.stem)
def test_every_path_a_script_uses_is_in_the_command(path):
    """Where /pfs cannot be made true, the runner replaces it in the command; it cannot do so inside a script."""
    command = json.loads(path.read_text())["transform"]["cmd"]
    script = SCRIPTS / Path(command[1]).name
    told = {word for word in command if word.startswith("--")}
    tree = ast.parse(script.read_text())
    options = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument"
    ]
    with_pfs = {node.args[0].value for node in options if "/pfs" in ast.unparse(node)}
    assert with_pfs and with_pfs <= told


@pytest.mark.parametrize("name", ["pack.py", "manifest.py", "train_step.py"])
def test_a_scripts_mistake_is_answered_in_one_line(name, tmp_path):
    options = {
        "pack.py": ["--images", tmp_path / "none"],
        "manifest.py": ["--index", tmp_path],
        "train_step.py": ["--manifest", tmp_path / "none.parquet", "--shards", tmp_path],
    }[name]
    command = [sys.executable, SCRIPTS / name, *options, "--out", tmp_path / "out"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and done.stderr.strip() and "Traceback" not in done.stderr


def test_the_scripts_import_nothing_from_the_workshop():
    for file in SCRIPTS.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "workshop" for name in names), file.name


def test_no_module_has_the_name_of_one_of_pythons_own():
    """A script's folder comes first on the path: a sibling named like a standard module would take its place."""
    assert not {file.stem for file in SCRIPTS.glob("*.py")} & set(sys.stdlib_module_names)
