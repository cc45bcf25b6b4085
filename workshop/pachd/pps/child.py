"""A program of its own that runs other people's jq filters and jsonnet templates, so that an endless one can be ended.

    child.py jq          reads lines of JSON: the program, then a document each; answers each with a line of JSON
    child.py jsonnet     reads one line of JSON, [template, arguments]; answers with one

Standard library, jq and jsonnet only: it is started by its path.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

MEMORY = 512 << 20


def limit_memory() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def answer(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def serve_jq() -> None:
    """Answers {"fault": kind, "text": ...} or {} to the program, then {"keep": bool} or {"fault": ...} to each
    document.
    """
    try:
        import jq
    except ImportError:
        return answer({"fault": "compiling", "text": "this daemon has no jq: install the Python package jq"})
    try:
        program = jq.compile(json.loads(sys.stdin.readline()))
        answer({})
    except ValueError as fault:
        text = str(fault).removeprefix("jq: error: ").split("\n")[0]
        return answer({"fault": "compiling" if " is not defined" in text else "parsing", "text": text})
    for line in sys.stdin:
        try:
            first = next(iter(program.input_text(line)), None)
            answer({"keep": first is not None and first is not False})
        except ValueError as fault:
            answer({"fault": "applying", "text": str(fault)})
    return None


def serve_jsonnet() -> None:
    """Answers {"json": text} or {"text": fault}."""
    try:
        import _jsonnet
    except ImportError:
        return answer({"text": "this daemon has no jsonnet: install the Python package jsonnet"})
    template, arguments = json.loads(sys.stdin.readline())

    def refuse(_folder: str, name: str) -> tuple[str, bytes]:
        raise RuntimeError(f"import of {name}: a template cannot import anything here")

    try:
        answer({"json": _jsonnet.evaluate_snippet("main", template, tla_vars=arguments, import_callback=refuse)})
    except RuntimeError as fault:
        answer({"text": str(fault).strip()})
    return None


if __name__ == "__main__":
    limit_memory()
    {"jq": serve_jq, "jsonnet": serve_jsonnet}[sys.argv[1]]()
