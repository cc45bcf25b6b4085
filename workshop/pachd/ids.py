"""Ids and times.

A commit, its commit set, its job and its transaction share one id: a UUID version 4 without dashes.
"""

from __future__ import annotations

import re
import time
import uuid

_ID = re.compile(r"[0-9a-f]{12}4[0-9a-f]{19}")


def new_id() -> str:
    """A fresh id: 32 lower-case hexadecimal digits, the 13th of which is 4."""
    return uuid.uuid4().hex


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def now() -> int:
    """Nanoseconds since the epoch, the unit of every stored time."""
    return time.time_ns()
