"""The daemon for tests of one's own pipelines: the README's example passes as it stands, one's own table is read."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workshop.testing import ROOT, Pachd


def test_the_readmes_example_of_a_test_passes(tmp_path):
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "test_example.py").write_text(example)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_an_image_holds_the_code_that_ones_own_table_says(tmp_path):
    (tmp_path / "docker").mkdir()
    (tmp_path / "greet.sh").write_text("echo $GREETING > /pfs/out/greeting\n")
    table = tmp_path / "docker" / "images.json"
    table.write_text(json.dumps({"greeter:1": {"code": {"/code": ["greet.sh"]}, "env": {"GREETING": "hello"}}}))
    with Pachd(tmp_path / "state", "--images", str(table)) as daemon:
        client = daemon.client()
        client.create_repo("names")
        client.put_file_bytes(("names", "master"), "/ada", b"")
        from python_pachyderm import parse_json_pipeline_spec

        spec = {
            "pipeline": {"name": "greet"},
            "input": {"pfs": {"repo": "names", "glob": "/*"}},
            "transform": {"image": "greeter:1", "cmd": ["sh", "/code/greet.sh"]},
        }
        client.create_pipeline_from_request(parse_json_pipeline_spec(json.dumps(spec)))
        client.wait_commit(("greet", "master"))
        assert client.get_file(("greet", "master"), "/greeting").read() == b"hello\n"


@pytest.mark.parametrize("content", [None, "{", "[]", '{"image": {"code": ["greet.sh"]}}'])
def test_a_table_that_cannot_be_read_is_told_in_one_line(tmp_path, content):
    table: Path = tmp_path / "images.json"
    if content is not None:
        table.write_text(content)
    command = [sys.executable, "-m", "workshop.pachd", "--state", str(tmp_path / "state"), "--port", "0"]
    done = subprocess.run([*command, "--images", str(table)], capture_output=True, text=True, cwd=ROOT, timeout=60)
    said = [line for line in done.stderr.splitlines() if line.startswith("pachd: ")]
    assert done.returncode == 1 and len(said) == 1 and "images.json cannot be read" in said[0], done.stderr
    assert "Traceback" not in done.stderr
