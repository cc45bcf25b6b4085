"""Real containers: how docker or podman is asked to run user code in its image, and to end it.

Standard library only: the sandbox process uses it as well as the daemon.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

ENGINES = ("docker", "podman")
STATE, WORKER = "pachd.state", "pachd.worker"  # labels by which what was left over is found
PATIENCE = 20.0  # seconds an engine may take for a question
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class EngineFault(Exception):
    """The engine is not there, or does not do what it was asked; the text says why."""


class Engine:
    """One container engine; `name` is docker or podman, `program` the path of its command."""

    def __init__(self, name: str, program: str) -> None:
        self.name, self.program = name, program

    def ask(self, *arguments: str) -> str:
        """What the engine answers. Raises EngineFault with its own words."""
        try:
            done = subprocess.run(
                [self.program, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EngineFault(f"{self.name} did not answer within {PATIENCE:g} s") from None
        except OSError as error:
            raise EngineFault(f"{self.program}: {error.strerror}") from None
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip()]
            raise EngineFault(said[0] if said else f"{self.name} ended with status {done.returncode}")
        return done.stdout

    def has(self, image: str) -> bool:
        """Whether this machine has the image. EngineFault when the engine does not answer at all."""
        if not image or image.startswith("-"):
            return False
        try:
            self.ask("image", "inspect", "--format", "{{.Id}}", image)
        except EngineFault:
            self.ask("version")
            return False
        return True

    def run(
        self,
        image: str,
        name: str,
        command: list[str],
        env: dict[str, str],
        mounts: dict[str, str],
        labels: dict[str, str],
        stdin: bool = False,
        folder: str = "",
        user: str = "",
    ) -> tuple[list[str], dict[str, str]]:
        """The command that runs `command` in a new container, and the environment to give that command itself.

        `mounts` maps places of the container to folders of this machine: /pfs can be written, all others only read.
        The image's entry point is not used, as on a cluster. It shares this machine's network, so that user code
        finds the daemon. Variables go by name, so that no list of processes shows a secret; by value where the
        engine's own command needs the name for itself.
        """
        words = [self.program, "run", "--rm", "--pull", "never", "--network", "host"]
        words += ["--security-opt", "label=disable", "--name", name]
        words += [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        for place, source in mounts.items():
            words += ["--volume", f"{os.path.abspath(source)}:{place}" + ("" if place == "/pfs" else ":ro")]
        own = dict(os.environ)
        for key, value in env.items():
            if key in os.environ or not PLAIN_NAME.fullmatch(key):
                words += ["--env", f"{key}={value}"]
            else:
                words += ["--env", key]
                own[key] = value
        words += ["--interactive"] if stdin else []
        words += ["--workdir", folder] if folder else []
        words += ["--user", user] if user else []
        return [*words, f"--entrypoint={command[0]}", image, *command[1:]], own

    def end(self, container: str) -> None:
        """Kill and remove a container; it may be gone."""
        for arguments in (("kill", container), ("rm", "--force", container)):
            try:
                self.ask(*arguments)
            except EngineFault:
                continue

    def sweep(self, label: str, value: str) -> None:
        """End all containers that carry a label."""
        try:
            found = self.ask("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={label}={value}").split()
        except EngineFault:
            return
        for container in found:
            self.end(container)


def find(name: str) -> Engine:
    """The engine of that name, once it has answered. Raises EngineFault."""
    program = shutil.which(name)
    if program is None:
        raise EngineFault(f"there is no program {name} on the PATH: install it, or leave --runtime out")
    engine = Engine(name, program)
    try:
        engine.ask("ps", "--quiet")  # other than `version`, it needs the engine itself
    except EngineFault as fault:
        raise EngineFault(f"{name} is installed but does not answer: {fault}") from None
    return engine
