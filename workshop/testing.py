"""A real pachd for tests of pipelines: a process of its own, on any free port, with a state folder that the test owns.

@pytest.fixture
def pachd(tmp_path):
    with Pachd(tmp_path / "state") as daemon:
        yield daemon
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import python_pachyderm

ROOT = Path(__file__).resolve().parent.parent
READY = "pachd ready on "
PATIENCE = 30  # seconds for the daemon to end in order


class Pachd:
    """An embedded pachd on `state`, a folder that is made if it is not there, started with `arguments` added.

    `with Pachd(folder) as daemon` starts and stops it. `kill()` is kill -9; `start()` begins again on the same folder.
    What it logs goes to a file beside the folder. `env` adds to the environment, which user code also sees.
    """

    def __init__(self, state: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.state, self.arguments, self.env = state, arguments, env or {}
        self.log = state.with_suffix(".log")
        self.process: subprocess.Popen[str] | None = None
        self.host, self.port = "127.0.0.1", 0

    def start(self) -> Pachd:
        """Returns once the daemon answers. RuntimeError, with the end of its log, if it does not come up."""
        command = [sys.executable, "-m", "workshop.pachd", "--state", str(self.state), "--port", "0", *self.arguments]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": path, **self.env},
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith(READY):
            self.stop()
            raise RuntimeError(f"pachd did not start; its log ends with:\n{self.log.read_text()[-3000:]}")
        self.port = int(line.strip().rsplit(":", 1)[1])
        return self

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def client(self) -> python_pachyderm.Client:
        """A new, unmodified python_pachyderm.Client on this daemon."""
        import python_pachyderm

        return python_pachyderm.Client(self.host, self.port)

    def stop(self) -> None:
        """End the daemon in order; its data stay."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the daemon as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(PATIENCE)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def __enter__(self) -> Pachd:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()
