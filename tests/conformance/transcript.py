"""Runs pachctl transcripts: lines `$ command`, one bash for a whole file, and what each command printed in normal form.

$P is a fresh project, already created and made the context's. Ages and durations become <age> and <duration>; a run of
blanks becomes one.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from recorder import SCENARIOS_FOLDER, Normalizer

AGE = re.compile(
    r"\b(Less than a second|About (?:a minute|an hour)|\d+ (?:second|minute|hour|day|week|month|year)s?)( ago)?\b"
)
DURATION = re.compile(r"\b\d+(?:\.\d+)?(?:ns|µs|ms|s)\b")


class Shell:
    """One bash for a whole transcript, so that its variables and files last."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._folder = folder
        nowhere = subprocess.DEVNULL
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=nowhere,
            stderr=nowhere,
            text=True,
        )

    @property
    def alive(self) -> bool:
        return self._bash.poll() is None

    def run(self, command: str, timeout: float = 400) -> tuple[int | None, str, str]:
        """Exit status (None = no end in time), standard output and standard error of one command."""
        out, err, done = (self._folder.parent / name for name in ("out", "err", "done"))
        done.unlink(missing_ok=True)
        assert self._bash.stdin is not None
        to_out, to_err, to_done = (shlex.quote(str(path)) for path in (out, err, done))
        self._bash.stdin.write(f"{{ {command}\n}} >{to_out} 2>{to_err} </dev/null\n")
        self._bash.stdin.write(f"echo $? >{to_done}.new; mv {to_done}.new {to_done}\n")
        self._bash.stdin.flush()
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.alive:
            if done.exists():
                return int(done.read_text()), _text(out), _text(err)
            time.sleep(0.01)
        self.close()
        return None, _text(out), "TIMEOUT"

    def close(self) -> None:
        self._bash.kill()
        self._bash.wait()
        assert self._bash.stdin is not None
        self._bash.stdin.close()


def _text(path: Path) -> str:
    return path.read_text(errors="backslashreplace") if path.exists() else ""


def squeeze(text: str, normal: Normalizer) -> list[str]:
    text = AGE.sub(lambda match: "<age>" if match.group(2) else "<duration>", text)
    text = DURATION.sub("<duration>", text)
    return [re.sub(r"[ \t]+", " ", normal.text(line)).rstrip() for line in text.splitlines()]


def load(names: list[str] | None = None) -> list[str]:
    """The transcripts wanted, as cli/cli.NAME."""
    stems = [path.stem for path in sorted((SCENARIOS_FOLDER / "cli").glob("*.txt"))]
    wanted = {"cli"} & set(names or ["cli"])
    return [
        f"cli/cli.{stem}"
        for stem in stems
        if wanted or any(name in (stem, f"cli.{stem}", f"cli/cli.{stem}") for name in names or [])
    ]


def record(name: str, pachctl: str, host: str, port: int) -> dict[str, Any]:
    """Run one transcript with a command in pachctl's place."""
    path = SCENARIOS_FOLDER / "cli" / f"{name.removeprefix('cli/cli.')}.txt"
    with tempfile.TemporaryDirectory() as root:
        folder, programs = Path(root) / "here", Path(root) / "bin"
        folder.mkdir()
        programs.mkdir()
        (programs / "pachctl").write_text(f'#!/bin/bash\nexec -a pachctl {pachctl} "$@"\n')
        (programs / "pachctl").chmod(0o755)
        project = "p" + uuid.uuid4().hex[:10]
        env = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PACH_CONFIG": str(Path(root) / "config.json"),
            "P": project,
            "NO_COLOR": "1",
            "COLUMNS": "200",
            "HOME": root,
        }
        shell, normal, steps = Shell(folder, env), Normalizer(project), []
        shell.run(f"pachctl connect grpc://{host}:{port}")
        shell.run("pachctl create project $P; pachctl config update context --project $P")
        for line in path.read_text().splitlines():
            if not line.startswith("$ "):
                continue
            code, out, err = shell.run(line[2:])
            steps.append(
                {"step": line[2:], "exit": code, "stdout": squeeze(out, normal), "stderr": squeeze(err, normal)}
            )
            if code is None:
                break
        if not shell.alive:
            shell = Shell(folder, env)
        shell.run("pachctl delete pipeline --all -f; pachctl delete repo --all -f; yes | pachctl delete project $P -f")
        shell.close()
    return {"scenario": name.removeprefix("cli/"), "steps": steps}
