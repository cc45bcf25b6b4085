"""What would spoil a workshop on this machine, and how to mend it: findings with an id, a level and perhaps a cure."""

import importlib.metadata
import json
import os
import shutil
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workshop import context, daemon, words
from workshop.errors import WorkshopError

GOOD, REMARK, PROBLEM = "good", "remark", "problem"
PACKAGES = ["torch", "numpy", "python-pachyderm", "grpcio", "protobuf", "click", "msgpack", "PyYAML"]
ROOM_NEEDED = 200 * 1024**2


@dataclass(frozen=True)
class Remark:
    """A finding. `level` is good, remark (works, but) or problem (will not work)."""

    id: str
    level: str
    text: str
    cure: str = ""

    def document(self) -> dict[str, str]:
        return vars(self)


def examine(state: Path, folder: Path, name: str | None) -> list[Remark]:
    """Look at everything; `state` is the daemon's folder, `folder` the checkout, `name` a context or None."""
    looks: list[Callable[[], Remark]] = [
        _python,
        _packages,
        lambda: _room(state),
        lambda: _pachd(state, name),
        _pfs,
        _bash,
        lambda: _readme(folder),
        _letters,
    ]
    return [look() for look in looks]


def _python() -> Remark:
    version, bits = ".".join(map(str, sys.version_info[:3])), struct.calcsize("P") * 8
    if sys.version_info < (3, 10) or bits != 64:
        return Remark("python", PROBLEM, f"Python {version}, {bits}-bit", "use a 64-bit Python of at least 3.10")
    return Remark("python", GOOD, f"Python {version}, {bits}-bit")


def _packages() -> Remark:
    found, lacking = [], []
    for name in PACKAGES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            lacking.append(name)
    if lacking:
        return Remark("packages", PROBLEM, f"not installed: {', '.join(lacking)}", "pip install -e . (or make run)")
    versions = dict(found)
    if int(versions["protobuf"].split(".")[0]) >= 4:
        problem = f"protobuf {versions['protobuf']}: python-pachyderm needs one before 4"
        return Remark("packages", PROBLEM, problem, "pip install -c constraints.txt -e .")
    return Remark("packages", GOOD, ", ".join(f"{name} {version}" for name, version in found[:4]))


def _room(state: Path) -> Remark:
    place = next(folder for folder in (state, *state.parents) if folder.exists())
    if not os.access(place, os.W_OK):
        return Remark("state", PROBLEM, f"{place} cannot be written", "choose another folder: WORKSHOP_STATE=DIR")
    free = shutil.disk_usage(place).free
    level = GOOD if free > ROOM_NEEDED else PROBLEM
    cure = "" if level == GOOD else "make room, or choose another folder: WORKSHOP_STATE=DIR"
    return Remark("state", level, f"{state}: {words.size(free)} free", cure)


def _pachd(state: Path, name: str | None) -> Remark:
    if name or context.named_address():
        try:
            target = context.resolve(name)
            return Remark(
                "pachd", GOOD, f"pachd {context.version(target)} answers on {target.address} ({target.source})"
            )
        except WorkshopError as error:
            problem, _, cure = error.message.partition("\n")
            return Remark("pachd", PROBLEM, problem, cure.strip())
    if ours := daemon.running(state):
        return Remark("pachd", GOOD, f"the embedded pachd {context.version(ours)} answers on {ours.address}")
    if daemon.is_free(context.DEFAULT_PORT):
        return Remark("pachd", GOOD, f"127.0.0.1:{context.DEFAULT_PORT} is free for the embedded pachd")
    taken = f"127.0.0.1:{context.DEFAULT_PORT} is taken; the embedded pachd will use another port"
    return Remark("pachd", REMARK, taken, "workshop up --port N chooses one")


def _pfs() -> Remark:
    """How user code will find /pfs: the daemon's own probe, tried for real."""
    try:
        found = json.loads(daemon.probe())
    except (WorkshopError, ValueError) as error:
        return Remark("pfs", PROBLEM, f"user code cannot be run here: {error}", "workshop up says more")
    engines = [name for name, fault in found["engines"].items() if not fault]
    real = f"; {' and '.join(engines)} can run real images: workshop up --runtime {engines[0]}" if engines else ""
    if found["mode"] == "paths":
        return Remark("pfs", REMARK, found["text"] + real, "write no /pfs inside scripts")
    return Remark("pfs", GOOD, found["text"] + real)


def _bash() -> Remark:
    if Path("/bin/bash").exists():
        return Remark("bash", GOOD, "/bin/bash is there for the specs that use it")
    return Remark("bash", PROBLEM, "/bin/bash is missing, and two of the specs start it", "install bash")


def _readme(folder: Path) -> Remark:
    from workshop import readme

    try:
        workshops = readme.load(folder / "README.md")
    except (OSError, readme.ReadmeError) as error:
        return Remark("readme", PROBLEM, f"README.md cannot be followed: {error}", "git checkout README.md")
    wanted = [
        f for f in ("specs/pre-process.json", "data/iris.csv", "pach-pytorch/train.py") if not (folder / f).is_file()
    ]
    if wanted:
        return Remark("readme", PROBLEM, f"missing in {folder}: {', '.join(wanted)}", "git status")
    return Remark("readme", GOOD, f"{folder}: workshops {', '.join(workshops)}")


def _letters() -> Remark:
    encoding = sys.stdout.encoding or "ascii"
    if encoding.lower().replace("-", "").startswith("utf8"):
        return Remark("letters", GOOD, f"the terminal shows {encoding}")
    return Remark("letters", REMARK, f"the terminal shows {encoding}: some signs will be missing", "PYTHONUTF8=1")


def text(remarks: list[Remark]) -> str:
    """A line for each finding, a second for its cure, and a summary."""
    signs = {GOOD: "ok", REMARK: "! ", PROBLEM: "!!"}
    lines = []
    for remark in remarks:
        lines.append(f" {signs[remark.level]} {remark.text}")
        if remark.cure:
            lines.append(f"      {remark.cure}")
    problems = sum(remark.level == PROBLEM for remark in remarks)
    notes = sum(remark.level == REMARK for remark in remarks)
    ready = "ready for the workshop" if not problems else "mend the problems first"
    return "\n".join([*lines, f" {words.count(problems, 'problem')}, {words.count(notes, 'remark')}: {ready}"])
