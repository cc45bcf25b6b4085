"""jq filters over listed rows, and jsonnet templates: both run in a child process that is ended when it takes too
long.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from workshop.pachd.errors import DeadlineExceeded, PachydermError

LIMIT = 10.0  # seconds that one row may take
START = 30.0  # seconds that the child may take to come up on a busy machine
CHILD = Path(__file__).with_name("child.py")

T = TypeVar("T")


class _TooLong(Exception):
    pass


class _Child:
    """The child process; a line in, a line out. Use as a context manager."""

    def __init__(self, kind: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(CHILD), kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
        )

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()

    def ask(self, line: str, limit: float) -> dict[str, Any]:
        """The answer to a line; {} with a fault when the child died (it had too little memory), _TooLong
        after LIMIT.
        """
        given, taken = self._process.stdin, self._process.stdout
        assert given is not None and taken is not None
        try:
            given.write(line.encode() + b"\n")
            given.flush()
        except BrokenPipeError:
            return {"fault": "applying", "text": "it ended unexpectedly"}
        if not select.select([taken], [], [], limit)[0]:
            raise _TooLong
        answer = taken.readline()
        if not answer:
            return {"fault": "applying", "text": "it needs too much memory"}
        return json.loads(answer)


class Filter:
    """A jq program, which keeps a row when its first result is neither null nor false. No program keeps all."""

    def __init__(self, program: str, noun: str, prefix: str = "") -> None:
        self._program, self._noun, self._prefix = program, noun, prefix

    def keep(self, rows: Iterable[T], json_of: Callable[[T], str]) -> Iterator[T]:
        """The rows that it keeps; `json_of` gives the JSON of a row. Faults carry the texts of a real pachd."""
        if not self._program:
            yield from rows
            return
        with _Child("jq") as child:
            try:
                verdict = child.ask(json.dumps(self._program), START)
            except _TooLong:
                raise PachydermError(
                    "error creating message filter function: error compiling jq filter: timeout"
                ) from None
            if "fault" in verdict:
                raise PachydermError(
                    f"error creating message filter function: error {verdict['fault']} jq filter: {verdict['text']}"
                )
            where = (
                f"apply function to list row element: error filtering {self._noun}: error applying jq filter on "
                "proto message: "
            )
            for row in rows:
                try:
                    verdict = child.ask(json_of(row), LIMIT)
                except _TooLong:
                    raise DeadlineExceeded(f"{where}context deadline exceeded") from None
                if "fault" in verdict:
                    raise PachydermError(f"{self._prefix}{where}{verdict['text']}")
                if verdict["keep"]:
                    yield row


def render(template: str, arguments: dict[str, str]) -> str:
    """The JSON of a jsonnet template: a function whose parameters are the arguments, or a plain value."""
    with _Child("jsonnet") as child:
        try:
            answer = child.ask(json.dumps([template, arguments]), START)
        except _TooLong:
            raise PachydermError(f"template err: no result within {START:.0f} s") from None
    if "json" not in answer:
        raise PachydermError(f"template err: {answer['text']}")
    return answer["json"]
