"""What a file may be called, and the one form in which paths are stored."""

from __future__ import annotations

import re
from functools import lru_cache

from workshop.pachd import errors, glob

MOST_LEVELS = 300
MOST_BYTES = 16_384
DEFAULT_TAG = "default"

_UNPRINTABLE = re.compile(r"[^ -~]")
_GLOBBING = re.compile(r"[*?\[\]{}!()@+^]")
_RELATIVE = re.compile(r"(?:^|/)\.\.?(?:/|$)")


@lru_cache(4096)
def check(path: str) -> None:
    """Refuse what no file may be called, in Pachyderm's words."""
    if not path or _UNPRINTABLE.search(path):
        raise errors.PachydermError(f"path ({path}) invalid: only printable ASCII characters allowed")
    found = _GLOBBING.search(path)
    if found:
        raise errors.PachydermError(f"path ({path}) invalid: globbing character ({found[0]}) not allowed in path")
    if _RELATIVE.search(path):
        raise errors.PachydermError(f"path ({path}) invalid: relative file paths are not allowed")
    if len(path) > MOST_BYTES or path.count("/") > MOST_LEVELS:
        raise errors.PachydermError(
            f"path ({path[:100]}...) invalid: more than {MOST_LEVELS} levels or {MOST_BYTES} characters"
        )


@lru_cache(4096)
def stored_file(path: str) -> str:
    """The stored path of a file to be written: absolute, without a trailing slash. Refused when it cannot be one."""
    check(path)
    name = "/" + "/".join(filter(None, path.split("/")))
    check_name(name)
    return name


def check_name(path: str) -> None:
    """Refuse a file in the root's place."""
    if path == "/":
        raise errors.PachydermError("path (/) invalid: a file needs a name")


def stored(path: str) -> str:
    """The stored path of what is to be deleted or written over: a trailing slash makes it a directory."""
    check(path)
    name = "/" + "/".join(filter(None, path.split("/")))
    return name + "/" if path.endswith("/") and name != "/" else name


def stored_target(path: str) -> str:
    """The stored path that something is copied to; "/" is the root, for directories."""
    if path.strip("/"):
        return stored_file(path)
    return "/"


def clean(path: str) -> str:
    """A path as it is looked up: absolute, without "." and "..", without a trailing slash; "/" is the root."""
    return glob.clean(path)


def tag(datum: str) -> str:
    """A datum tag as it is kept: the default one is empty."""
    return "" if datum == DEFAULT_TAG else datum
