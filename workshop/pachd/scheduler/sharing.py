"""How datums are shared out: in sets, when the pipeline says so, and among workers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

AIM = 0.04  # seconds of work that one message to a worker should hold
MOST = 64  # datums in one message


def set_numbers(sizes: Iterable[int], spec: dict[str, Any]) -> Iterator[int]:
    """The number of the set, from 1, that each datum belongs to; 0 when `spec` (a DatumSetSpec) asks for none.

    `sizes` are the bytes that the datums read, in order. A set is full with so many datums, or so many bytes, which
    count alone when both are given.
    """
    most, bytes_ = int(spec.get("number", 0)), int(spec.get("sizeBytes", 0))
    number, datums, read = 1 if most > 0 or bytes_ > 0 else 0, 0, 0
    for size in sizes:
        if read >= bytes_ if bytes_ > 0 else 0 < most <= datums:
            number, datums, read = number + 1, 0, 0
        datums, read = datums + 1, read + size
        yield number


def shares(queued: int, loads: list[tuple[int, int]]) -> list[int]:
    """How many of the queued datums each worker is sent now: who has least comes first, so that few are shared evenly.

    A load is (datums that the worker has, datums that one message to it should hold).
    """
    sent = [0] * len(loads)
    for place in sorted(range(len(loads)), key=lambda place: loads[place][0]):
        waiting, chunk = loads[place]
        ahead = 0 if chunk == 1 else chunk // 2
        if queued and waiting <= ahead:
            sent[place] = max(1, min(chunk, -(-queued // (2 * len(loads)))))
            queued -= sent[place]
    return sent


def better_chunk(chunk: int, seconds: float) -> int:
    """How many datums to send at once, when one took so long: a message should hold about AIM seconds of work."""
    fitting = AIM / max(seconds, 1e-5)
    return max(1, min(MOST, int(fitting), chunk * 2))
