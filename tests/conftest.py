"""A real daemon for tests: a process of its own, on any free port, with a state folder that the test owns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


class Pachd:
    """An embedded pachd as a process. `kill()` is kill -9; `start()` begins again on the same state folder."""

    def __init__(self, state: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.state, self.arguments, self.env = state, arguments, env or {}
        self.log = state.with_suffix(".log")
        self.process: subprocess.Popen[str] | None = None
        self.host, self.port = "127.0.0.1", 0

    def start(self) -> Pachd:
        command = [sys.executable, "-m", "workshop.pachd", "--state", str(self.state), "--port", "0", *self.arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **self.env}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT, env=environment
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("pachd ready on "), f"no daemon: {line!r}\n{self.log.read_text()[-3000:]}"
        self.port = int(line.strip().rsplit(":", 1)[1])
        return self

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def client(self):
        """An unmodified python_pachyderm.Client on this daemon."""
        import python_pachyderm

        return python_pachyderm.Client(self.host, self.port)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def __enter__(self) -> Pachd:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()


@pytest.fixture(scope="session")
def shared_pachd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pachd]:
    """One daemon for all tests that keep to a project of their own."""
    with Pachd(tmp_path_factory.mktemp("shared") / "state") as daemon:
        yield daemon


@pytest.fixture
def pachd(tmp_path: Path) -> Iterator[Pachd]:
    """A fresh daemon for one test."""
    with Pachd(tmp_path / "state") as daemon:
        yield daemon
