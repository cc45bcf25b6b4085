"""The daemon's side of one sandbox: start it, send it datums, read what it says, end it.

`Sandbox` is not thread-safe: one thread (the scheduler's) owns it. `probe` finds out, by trying, which kind of private
/pfs this machine allows.
"""

from __future__ import annotations

import contextlib
import logging
import marshal
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workshop.pachd.containers import Engine

log = logging.getLogger(__name__)

MAIN = Path(__file__).with_name("sandbox") / "main.py"
MODES = ("processes", "mounts", "paths")  # from the strictest to the one that works everywhere
TRIES = 5
START_LIMIT = 20.0  # seconds for a sandbox to say that it is ready


class SandboxLost(Exception):
    """The sandbox ended or does not answer; the text says what is known."""


@dataclass(frozen=True)
class Isolation:
    """What this machine allows: see `describe`."""

    mode: str
    refused: tuple[str, ...] = ()
    engine: Engine | None = None

    def describe(self) -> str:
        """One line for people: how /pfs is made private, and why not better."""
        if self.engine is not None:
            return f"{self.engine.name} containers: each run of user code is a container of the pipeline's image"
        what = {
            "processes": "private mounts and processes: every worker has its own /pfs and /code",
            "mounts": "private mounts: every worker has its own /pfs and /code",
            "paths": "no private mounts: /pfs and /code are replaced in commands, standard input and variables",
        }[self.mode]
        return what + (f" ({'; '.join(self.refused)})" if self.refused else "")


@dataclass
class Place:
    """Where one worker lives: STATE/workers/<pipeline>/<number>."""

    folder: Path
    packs: Path
    code: dict[str, Path] = field(default_factory=dict)  # /code -> a folder of this machine
    engine: dict[str, str] | None = None  # name, program, image and state folder: user code runs in containers

    @property
    def pfs(self) -> Path:
        return self.folder / "pfs"

    def make(self) -> None:
        for path in (self.pfs, self.folder / "root"):
            path.mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def launch(log: Any = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """A sandbox process that waits to be told where it is to work."""
    command = [sys.executable, "-S", "-E", "-s", str(MAIN)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0, start_new_session=True
    )


class Spares:
    """Sandbox processes started ahead, so that a pipeline's first datum does not wait for an interpreter to come up."""

    def __init__(self, log: Path, number: int = 4) -> None:
        self._log, self.number = log, number
        self._ready: list[subprocess.Popen[bytes]] = []

    @property
    def standing(self) -> int:
        """How many processes stand ready."""
        return len(self._ready)

    def _launch(self) -> subprocess.Popen[bytes]:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            return launch(log)

    def take(self) -> subprocess.Popen[bytes]:
        """A process, started now if none is ready."""
        while self._ready:
            process = self._ready.pop()
            if process.poll() is None:
                return process
        return self._launch()

    def refill(self) -> bool:
        """Start one more if there is room; whether there is still. One that was killed is collected and replaced."""
        self._ready = [process for process in self._ready if process.poll() is None]
        if len(self._ready) < self.number:
            self._ready.append(self._launch())
        return len(self._ready) < self.number

    def close(self) -> None:
        for process in self._ready:
            process.kill()
            process.wait()
        self._ready.clear()


class Sandbox:
    """A running sandbox process. Raises SandboxLost wherever it turns out to be gone."""

    def __init__(
        self,
        place: Place,
        pack: int,
        modes: Iterable[str] = MODES,
        batching: bool = False,
        open_to_all: bool = False,
        process: subprocess.Popen[bytes] | None = None,
    ) -> None:
        place.make()
        self.place = place
        self.pack = pack
        self._process = process or launch()
        assert self._process.stdin and self._process.stdout
        self._commands, self._events = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._commands, False)
        os.set_blocking(self._events, False)
        self._outgoing = bytearray()
        self._partial = bytearray()
        self.blocked: Callable[[], None] = lambda: None  # called when a command does not fit into the pipe
        self.facts: dict[str, Any] = {}  # what it said when it was ready
        modes = list(modes)
        self.mode = modes[0] if len(modes) == 1 else ""
        self.port = 0
        self._due = time.monotonic() + START_LIMIT
        settings = {
            "folder": str(place.folder),
            "pfs": str(place.pfs),
            "root": str(place.folder / "root"),
            "packs": str(place.packs),
            "code": {where: str(folder) for where, folder in place.code.items()},
            "modes": modes,
            "pack": pack,
            "batching": batching,
            "open_to_all": open_to_all,
            "engine": place.engine,
        }
        self.send(settings)

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        return self._events

    # ---------------------------------------------------------------- commands

    def send(self, command: Any) -> None:
        """Queue a command and write what fits; `flush` writes the rest, once the pipe has room again."""
        data = marshal.dumps(command)
        self._outgoing += len(data).to_bytes(4, "big") + data
        if self.flush():
            self.blocked()

    def flush(self) -> bool:
        """Write queued commands without waiting; whether some are left (watch `writable` then)."""
        while self._outgoing:
            try:
                sent = os.write(self._commands, memoryview(self._outgoing)[: 1 << 20])
            except BlockingIOError:
                return True
            except (BrokenPipeError, ValueError):
                raise SandboxLost(self._fate()) from None
            del self._outgoing[:sent]
        return False

    @property
    def writable(self) -> int:
        return self._commands

    # ---------------------------------------------------------------- events

    def receive(self) -> list[tuple[Any, ...]]:
        """The events that arrived since the last call; never waits."""
        events: list[tuple[Any, ...]] = []
        while True:
            try:
                data = os.read(self._events, 1 << 20)
            except BlockingIOError:
                break
            if not data:
                if events:
                    break
                raise SandboxLost(self._fate())
            self._partial += data
            events += self._frames()
            if len(data) < 65536:
                break
        for event in events:
            if event[0] == "ready":
                self.facts = event[1]
                self.mode, self.port = self.facts["mode"], self.facts["port"]
        return events

    def _frames(self) -> list[tuple[Any, ...]]:
        events: list[tuple[Any, ...]] = []
        at = 0
        while len(self._partial) - at >= 4:
            size = int.from_bytes(self._partial[at : at + 4], "big")
            if len(self._partial) - at - 4 < size:
                break
            events += marshal.loads(memoryview(self._partial)[at + 4 : at + 4 + size])
            at += 4 + size
        del self._partial[:at]
        return events

    def wait_for(self, kind: str, limit: float = START_LIMIT) -> list[tuple[Any, ...]]:
        """Events up to and with the first of a kind. For start-up and tests: it waits."""
        found: list[tuple[Any, ...]] = []
        end = time.monotonic() + limit
        with selectors.DefaultSelector() as selector:
            selector.register(self._events, selectors.EVENT_READ)
            while not any(event[0] == kind for event in found):
                left = end - time.monotonic()
                if left <= 0:
                    raise SandboxLost(f"the sandbox did not say {kind!r} within {limit:g} s")
                if self._outgoing:
                    self.flush()
                if selector.select(min(left, 0.2)):
                    found += self.receive()
        return found

    # ---------------------------------------------------------------- ends

    def late(self) -> bool:
        """Whether it should have been ready by now and is not."""
        return not self.facts and time.monotonic() > self._due

    def alive(self) -> bool:
        return self._process.poll() is None

    def _fate(self) -> str:
        try:
            code = self._process.wait(2)
        except subprocess.TimeoutExpired:
            return "the worker's sandbox closed its pipe"
        return f"the worker's sandbox ended ({f'signal {-code}' if code < 0 else f'exit status {code}'})"

    def close(self) -> None:
        """End the sandbox and all user code in it; returns when they are gone."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()


def probe(modes: Iterable[str] = MODES) -> Isolation:
    """Try what this machine allows, for real: run a command that reads an input from /pfs and writes to /pfs/out.

    A sandbox that somebody kills meanwhile tells nothing about the machine: another one is asked.
    """
    words = ""
    for _ in range(TRIES):
        try:
            return _probe(modes)
        except (SandboxLost, OSError) as lost:
            words = str(lost)
            log.warning("the probe is tried again: %s", words)
    return Isolation("paths", (words,))


def _probe(modes: Iterable[str]) -> Isolation:
    with tempfile.TemporaryDirectory(prefix="pachd-probe-") as name:
        folder = Path(name)
        packs = folder / "packs"
        code = folder / "code"
        for path in (packs, code):
            path.mkdir()
        (packs / "00000001.pack").write_bytes(b"probe")
        (code / "probe").write_text("")
        sandbox = Sandbox(Place(folder / "worker", packs, {"/code": code}), 2, modes)
        try:
            facts = sandbox.wait_for("ready")[0][1]
            mode = facts["mode"]
            replace = paths_replacer(sandbox)
            script = replace("cat /pfs/in/a > /pfs/out/b && test -e /code/probe")
            sandbox.send(("job", "probe", {"cmd": ["/bin/sh", "-c", script], "env": {}, "tries": 1, "timeout": 10.0}))
            sandbox.send(("datums", "probe", [(0, {}, [("in", 0, [("/a", 5, [(1, 0, 5)])])])], False))
            done = next(event for event in sandbox.wait_for("done") if event[0] == "done")
            if done[3] != "success":
                weaker = [other for other in modes if other != mode]
                refused = (*facts["refused"], f"{mode}: {done[5] or 'user code did not find /pfs'}")
                if not weaker:
                    raise SandboxLost("; ".join(refused))
                found = _probe(weaker)
                return Isolation(found.mode, (*refused, *found.refused))
            return Isolation(mode, tuple(facts["refused"]))
        finally:
            sandbox.close()


def paths_replacer(sandbox: Sandbox) -> Callable[[str], str]:
    """What makes a text of a spec true inside a sandbox: itself, or itself with /pfs and /code replaced."""
    if sandbox.mode != "paths":
        return lambda text: text
    places = {"/pfs": str(sandbox.place.pfs), **{where: str(folder) for where, folder in sandbox.place.code.items()}}
    return lambda text: replace_places(text, places)


def replace_places(text: str, places: dict[str, str]) -> str:
    """`text` with each place (`/pfs`) replaced where it stands as a whole path: not within a longer name."""
    out, at = [], 0
    while at < len(text):
        for place, real in places.items():
            if text.startswith(place, at) and not _goes_on(text, at - 1) and not _goes_on(text, at + len(place)):
                out.append(real)
                at += len(place)
                break
        else:
            out.append(text[at])
            at += 1
    return "".join(out)


def _goes_on(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] in "_-.") and text[at] != "/"
