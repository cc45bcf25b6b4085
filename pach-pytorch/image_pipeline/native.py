"""Build and load the small C files beside this one, where a C compiler is found; do without them elsewhere.

The library is kept in the user's cache folder under a name made of the source's hash, so it is built once per version
and machine. IMAGE_PIPELINE_NATIVE=0 turns it off; IMAGE_PIPELINE_NATIVE=DIR keeps the libraries in DIR (the
Dockerfile's way).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

FLAGS = ("-O3", "-std=gnu11", "-ffp-contract=off", "-shared", "-fPIC")
SWITCH = "IMAGE_PIPELINE_NATIVE"


def cache_folder() -> Path:
    """The folder that built libraries are kept in."""
    told = os.environ.get(SWITCH, "")
    if told not in ("", "0", "1"):
        return Path(told)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "image_pipeline"


def compiler() -> str | None:
    """The C compiler on the path, or None."""
    return os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def built(source: Path) -> Path | None:
    """The shared library of a C file, built if it was not; None where that cannot be done."""
    content = source.read_bytes() + " ".join(FLAGS).encode() + platform.platform().encode()
    name = f"{source.stem}-{hashlib.sha256(content).hexdigest()[:16]}.so"
    library = cache_folder() / name
    if library.exists():
        return library
    program = compiler()
    if program is None:
        return None
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=library.parent, suffix=".so")
        os.close(handle)
        command = [program, *FLAGS, str(source), "-o", draft]
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120).returncode:
            os.unlink(draft)
            return None
        os.replace(draft, library)
    except (OSError, subprocess.SubprocessError):
        return None
    return library


@lru_cache(maxsize=4)
def load(name: str) -> ctypes.CDLL | None:
    """The C file `name` of this folder as a library, or None: then its caller does the work another way."""
    if os.environ.get(SWITCH) == "0" or sys.platform == "win32":
        return None
    library = built(Path(__file__).with_name(name))
    if library is None:
        return None
    try:
        return ctypes.CDLL(str(library))
    except OSError:
        return None


if __name__ == "__main__":
    for file in sorted(Path(__file__).parent.glob("*.c")):
        path = built(file)
        print(f"{file.name}: {path or 'not built: no C compiler was found, or it failed'}")
        if path is None:
            sys.exit(1)
