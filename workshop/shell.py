"""One `$` line of the README, run as a shell would run it, with `pachctl` and `workshop` standing for this program.

A line is a pipeline `a | b | c` of commands. Those that begin with `pachctl` or `workshop` run in this process, because
starting Python and importing gRPC for each would take longer than most of them; all others run in a shell. A line with
more syntax than pipes (`;`, `&&`, `$(...)`, `>`) goes to the shell whole, which finds both commands on its PATH.
"""

import contextlib
import io
import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from workshop.pachctl.cli import pachctl

OWN = ("pachctl", "workshop")
SYNTAX = re.compile(r"[;&<>()`$]")
EXPANDED = re.compile(r"[*?\[\]{}~!#]")


@dataclass
class Result:
    """What a line printed on its two streams, and how it ended (0 is well)."""

    status: int
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass
class Shell:
    """Runs lines in `folder` with `environment` added to this process's own; `bin` is a folder for the two commands.

    `workshop` is the command of that name, which a line may call.
    """

    folder: Path
    bin: Path
    workshop: click.Command
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, line: str) -> Result:
        """Run a line; the status is that of the first command of its pipeline that failed, else 0."""
        commands = split_pipeline(line)
        if commands is None or not any(own_words(command) for command in commands):
            return self._in_shell(line, b"")
        status, data, errors = 0, b"", b""
        for command in commands:
            words = own_words(command)
            result = self._in_process(words, data) if words else self._in_shell(command, data)
            status = status or result.status
            data, errors = result.stdout, errors + result.stderr
        return Result(status, data, errors)

    def _in_shell(self, line: str, data: bytes) -> Result:
        self._put_commands_on_path()
        shell = "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"
        prefix = "set -o pipefail; " if shell.endswith("bash") else ""
        environment = os.environ | self.environment
        python = Path(sys.executable).parent  # `python3` in a line is the one with torch, also when no venv is active
        environment["PATH"] = os.pathsep.join([str(self.bin), str(python), environment.get("PATH", os.defpath)])
        done = subprocess.run(
            [shell, "-c", prefix + line], input=data, cwd=self.folder, env=environment, capture_output=True, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def _put_commands_on_path(self) -> None:
        """Write small `pachctl` and `workshop` programs for the shell's own use; they are on no other PATH."""
        self.bin.mkdir(parents=True, exist_ok=True)
        root = Path(__file__).resolve().parents[1]
        for name in OWN:
            path = self.bin / name
            module = "workshop pachctl" if name == "pachctl" else "workshop"
            python = (
                f"PYTHONPATH={shlex.quote(str(root))}${{PYTHONPATH:+:$PYTHONPATH}} exec {shlex.quote(sys.executable)}"
            )
            content = f'#!/bin/sh\n{python} -m {module} "$@"\n'
            if not path.exists() or path.read_text() != content:
                path.write_text(content)
                path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    def _in_process(self, words: list[str], data: bytes) -> Result:
        with _streams(data) as (stdout, stderr), _environment(self.environment), _inside(self.folder):
            status = invoke(pachctl if words[0] == "pachctl" else self.workshop, words)
        return Result(status, stdout.getvalue(), stderr.getvalue())


def split_pipeline(line: str) -> list[str] | None:
    """The commands between a line's `|`, or None if it holds other syntax that only a shell understands."""
    parts, current, quote, plain = [], "", "", ""
    for character in line:
        if quote:
            quote = "" if character == quote else quote
            if quote == '"' and character in "$`\\":
                return None
        elif character in "'\"":
            quote = character
        elif character == "|":
            parts.append(current.strip())
            current = ""
            continue
        else:
            plain += character
        current += character
    parts.append(current.strip())
    if quote or "\\" in plain or SYNTAX.search(plain) or not all(parts):
        return None
    return parts


def own_words(command: str) -> list[str] | None:
    """The words of a `pachctl` or `workshop` command that a shell would pass on unchanged, else None."""
    words = shlex.split(command)
    unquoted = re.sub(r"'[^']*'|\"[^\"]*\"", "", command)
    return words if words and words[0] in OWN and not EXPANDED.search(unquoted) else None


def invoke(command: click.Command, words: list[str]) -> int:
    """Call a click command by these words, its name first; every way it may end becomes an exit status."""
    try:
        status: object = command.main(words[1:], prog_name=words[0])
        return status if isinstance(status, int) else 0
    except SystemExit as end:
        if isinstance(end.code, str):
            click.echo(end.code, err=True)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except click.Abort:
        return 130


@contextlib.contextmanager
def _streams(data: bytes) -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    """Standard input that reads `data`, and standard output and error that fill two buffers."""
    out, err = io.BytesIO(), io.BytesIO()
    saved = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(err, encoding="utf-8", write_through=True)
    streams = sys.stdin, sys.stdout, sys.stderr
    try:
        yield out, err
    finally:
        sys.stdin, sys.stdout, sys.stderr = saved
        for stream in streams[1:]:
            stream.flush()
            stream.detach()


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """The process's working directory, changed for a while (contextlib.chdir is newer than Python 3.10)."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _environment(added: dict[str, str]) -> Iterator[None]:
    """The process's environment with some variables added for a while."""
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
