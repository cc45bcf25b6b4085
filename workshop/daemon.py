"""The embedded pachd as a process of its own: start it, stop it, find it again.

Its state folder holds `address` and `pid` beside the daemon's data, so that every command finds it, and its logs.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from workshop.context import DEFAULT_PORT, ROOT, Target, embedded_address, parse_address, version
from workshop.errors import NoPachd, WorkshopError

READY = "pachd ready on "
START_SECONDS = 60.0
STOP_SECONDS = 15.0


def pid_of(folder: Path) -> int | None:
    """The process id of this state folder's daemon if it is alive, and is a pachd, not a later process of that id."""
    try:
        pid = int((folder / "pid").read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid if "workshop.pachd" in _command_of(pid) else None


def _command_of(pid: int) -> str:
    """The command line of a process: from /proc where there is one (small images lack ps), else from ps."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        listing = subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False)
        return listing.stdout


def running(folder: Path) -> Target | None:
    """Where this folder's daemon answers, or None."""
    address = embedded_address(folder)
    if address is None or pid_of(folder) is None:
        return None
    target = parse_address(address, "the embedded pachd")
    target = Target(target.host, target.port, target.source, embedded=True)
    try:
        version(target)
    except NoPachd:
        return None
    return target


def start(folder: Path, port: int | None = None, runtime: str = "", images: Path | None = None) -> Target:
    """Start the daemon, or find it running; returns once it answers. Port None is 30650, or any if that is taken.

    `runtime` is docker or podman: user code runs in containers. `images` is a table in place of docker/images.json.
    A daemon that runs already keeps what it was started with.
    """
    if (target := running(folder)) is not None:
        if runtime or images:
            kept = "runtime" if runtime else "table of images"
            raise WorkshopError(f"pachd is running already, and keeps its {kept}", "workshop down, and start it again")
        return target
    if pid_of(folder) is not None:
        stop(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if port is None:
        port = DEFAULT_PORT if is_free(DEFAULT_PORT) else 0
    output, log = folder / "pachd.out", folder / "pachd.log"
    command = [sys.executable, "-m", "workshop.pachd", "--state", str(folder), "--port", str(port)]
    command += ["--runtime", runtime] if runtime else []
    command += ["--images", str(images.resolve())] if images else []
    with output.open("wb") as out, log.open("ab") as err:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    address = _wait_until_ready(process, output, log)
    (folder / "pid").write_text(f"{process.pid}\n")
    (folder / "address").write_text(f"{address}\n")
    target = parse_address(address, "the embedded pachd")
    return Target(target.host, target.port, target.source, embedded=True)


def probe() -> str:
    """What `pachd probe` prints: how user code would run on this machine, as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "workshop.pachd", "probe"], cwd=ROOT, env=_environment(), capture_output=True, text=True
    )
    if done.returncode:
        raise WorkshopError((done.stderr.strip().splitlines() or ["the probe ended without a word"])[-1])
    return done.stdout


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}


def _wait_until_ready(process: subprocess.Popen, output: Path, log: Path) -> str:
    """The address in the daemon's first line; an early end, or silence, is told with the end of its log."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for line in output.read_text(errors="replace").splitlines(keepends=True):
            if line.startswith(READY) and line.endswith("\n"):
                return line.removeprefix(READY).strip()
        if process.poll() is not None:
            break
        time.sleep(0.02)
    reason = "did not get ready" if process.poll() is None else f"ended with status {process.returncode}"
    if process.poll() is None:
        process.kill()
    last = next((line for line in reversed(log.read_text(errors="replace").splitlines()) if line.strip()), "")
    raise WorkshopError(f"pachd {reason}: {last}" if last else f"pachd {reason}", f"its log is {log}")


def stop(folder: Path) -> bool:
    """Stop this folder's daemon and wait for its end; False if there was none. Its data stay."""
    pid = pid_of(folder)
    if pid is None:
        (folder / "pid").unlink(missing_ok=True)
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _alive(pid):
        if time.monotonic() > deadline:
            raise WorkshopError(f"pachd (process {pid}) does not stop", f"its log is {folder / 'pachd.log'}")
        time.sleep(0.02)
    (folder / "pid").unlink(missing_ok=True)
    return True


def _alive(pid: int) -> bool:
    """Is the process there? One of our own children that has ended is collected on the way."""
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_free(port: int) -> bool:
    """Can the port be listened on at 127.0.0.1?"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
