"""pachctl as its users run it: words in; exit status, standard output and standard error out."""

from __future__ import annotations

import io
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from workshop.pachctl.main import main


@dataclass
class Ran:
    """What one command line gave."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The lines of a table as words."""
        return [line.split() for line in self.out.splitlines()]


class Pachctl:
    """Runs command lines in this process, with a configuration file and a project of the test's own."""

    def __init__(self, capfdbinary, monkeypatch, folder: Path):
        self.capture, self.patch, self.folder = capfdbinary, monkeypatch, folder

    def __call__(self, *words: str, stdin: bytes = b"") -> Ran:
        source = self.folder / "stdin"
        source.write_bytes(stdin)
        self.capture.readouterr()
        with source.open("rb") as file:
            self.patch.setattr(sys, "stdin", io.TextIOWrapper(file))
            status = main([str(word) for word in words])
        sys.stdout.flush()
        out, err = self.capture.readouterr()
        return Ran(status, out.decode(), err.decode())

    def ok(self, *words: str, stdin: bytes = b"") -> Ran:
        ran = self(*words, stdin=stdin)
        assert ran.status == 0, ran.err
        return ran

    def fails(self, *words: str, stdin: bytes = b"") -> str:
        """The text of a command that must fail with status 1, without a trace of Python."""
        ran = self(*words, stdin=stdin)
        assert ran.status == 1, ran
        assert "Traceback" not in ran.err
        return ran.err.rstrip("\n")


@pytest.fixture
def pachctl(capfdbinary, monkeypatch, tmp_path: Path) -> Pachctl:
    monkeypatch.setenv("PACH_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("PACH_CONTEXT", "PACHD_ADDRESS", "WORKSHOP_STATE", "PAGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return Pachctl(capfdbinary, monkeypatch, tmp_path)


@pytest.fixture
def connected(pachctl: Pachctl, shared_pachd) -> Pachctl:
    """pachctl on a real daemon, in a new project."""
    project = f"p{uuid.uuid4().hex[:10]}"
    pachctl.ok("connect", f"grpc://{shared_pachd.address}")
    pachctl.ok("create", "project", project)
    pachctl.ok("config", "update", "context", "--project", project)
    pachctl.project = project  # type: ignore[attr-defined]
    return pachctl
