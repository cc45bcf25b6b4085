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


def limit_memory(kind: str) -> None:
    """Die rather than take more memory. jsonnet's runtime is Go's, which reserves far more addresses than it uses."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit = resource.RLIMIT_AS if kind == "jq" else resource.RLIMIT_DATA
        resource.setrlimit(limit, (MEMORY, MEMORY))


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
    text = json.loads(sys.stdin.readline())
    try:
        try:
            program = jq.compile(text)
        except ValueError as fault:
            if "Top-level program not given" not in str(fault):
                raise
            program = jq.compile(f"{text}\n.")  # definitions and comments alone stand for `.`
        answer({})
    except ValueError as fault:
        text = str(fault).removeprefix("jq: error: ").split("\n")[0]
        late = " is not defined" in text or text.startswith("module not found")
        return answer({"fault": "compiling" if late else "parsing", "text": text})
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
        import _gojsonnet
    except ImportError:
        return answer({"text": "this daemon has no jsonnet: install the Python package gojsonnet"})
    template, arguments = json.loads(sys.stdin.readline())
    refused: list[str] = []

    def refuse(_folder: str, name: str) -> tuple[str, bytes]:
        refused.append(name)
        raise RuntimeError(name)

    try:
        answer({"json": _gojsonnet.evaluate_snippet("main", template, tla_vars=arguments, import_callback=refuse)})
    except Exception as fault:  # a refused import comes back as whatever the binding makes of it
        text = f"RUNTIME ERROR: couldn't open import {json.dumps(refused[0])}" if refused else str(fault).rstrip()
        answer({"text": text})
    return None


if __name__ == "__main__":
    limit_memory(sys.argv[1])
    {"jq": serve_jq, "jsonnet": serve_jsonnet}[sys.argv[1]]()
