"""What the tests of the Iris scripts share: the scripts run as their containers run them, by a Python of their own."""

import contextlib
import io
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "pach-pytorch"
DATA = ROOT / "data"


def run_script(name, *arguments, check=True):
    """Run a script of pach-pytorch as its container would; returns the finished process with its text."""
    command = [sys.executable, str(SCRIPTS / name), *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, check=check, timeout=120)


@pytest.fixture(scope="session")
def script():
    return run_script


@pytest.fixture
def quick_script(monkeypatch):
    """Like `script`, but in this process, which has imported torch already: for the many ways to be refused."""

    def run(name, *arguments):
        monkeypatch.syspath_prepend(str(SCRIPTS))
        monkeypatch.setattr(sys, "argv", [str(SCRIPTS / name), *map(str, arguments)])
        for sibling in ("rows", "model"):  # other folders of scripts may have siblings of the same names
            monkeypatch.delitem(sys.modules, sibling, raising=False)
        stdout, stderr, status = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            try:
                runpy.run_path(sys.argv[0], run_name="__main__")
            except SystemExit as end:
                status = end.code
        for sibling in ("rows", "model"):
            sys.modules.pop(sibling, None)
        return subprocess.CompletedProcess(sys.argv, status, stdout.getvalue(), stderr.getvalue())

    return run


@pytest.fixture(scope="session")
def data():
    return DATA


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """The folder that pre_process.py makes of data/iris.csv."""
    folder = tmp_path_factory.mktemp("pre_process")
    run_script("pre_process.py", DATA / "iris.csv", folder)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory, prepared):
    """(folder, process): model.pt as train.py makes it with its defaults, and what it said meanwhile."""
    folder = tmp_path_factory.mktemp("train")
    return folder, run_script("train.py", prepared, folder)


@pytest.fixture(scope="session")
def model(trained):
    return trained[0] / "model.pt"
