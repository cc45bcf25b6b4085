"""Writes COVERAGE.md: every RPC of Pachyderm 2.12 with what the embedded pachd makes of it, from the code itself.

python tests/conformance/coverage.py            print the page
python tests/conformance/coverage.py --write    write COVERAGE.md
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT)]

import compare  # noqa: E402

from workshop.pachd.server import Daemon  # noqa: E402
from workshop.pachd.wire.schema import METHODS  # noqa: E402

PAGE = ROOT / "COVERAGE.md"
SCORE = HERE / "score.txt"  # written by `make conformance` when all of it ran

WORKS, PARTLY, INACTIVE, ABSENT = "works", "partly", "not activated", "unimplemented"


def rows() -> list[tuple[str, str, str, str]]:
    """(service, method, state, words) of every RPC, in the protocol's order."""
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder) / "state")
        try:
            servicers = {servicer.service: servicer for servicer in daemon.servicers}
        finally:
            daemon.stop()
    table = []
    for method in METHODS.values():
        servicer = servicers.get(method.service)
        function = getattr(servicer, method.name, None)
        if function is None:
            state, words = ABSENT, ""
        elif getattr(servicer, "inactive", False):
            state, words = INACTIVE, "answers that the auth service is not activated, as a cluster without it does"
        elif missing := getattr(function, "missing", ""):
            state, words = PARTLY, missing
        else:
            state, words = WORKS, ""
        table.append((method.service, method.name, state, words))
    return table


def page() -> str:
    table = rows()
    counts = Counter(state for _, _, state, _ in table)
    lines = [
        "# Coverage",
        "",
        "What the embedded pachd makes of each RPC of Pachyderm 2.12. This page is generated from the code"
        " (`make coverage`) and a test compares the two.",
        "",
        f"{len(table)} RPCs: "
        + ", ".join(f"{counts[state]} {state}" for state in (WORKS, PARTLY, INACTIVE, ABSENT))
        + ".",
        "An unimplemented one answers `UNIMPLEMENTED` with its name.",
        "",
        "## Conformance",
        "",
        "What a real Pachyderm 2.12 cluster answered, step by step, against what this daemon answers"
        " (`make conformance` measures it again; CHOSEN are differences kept on purpose, below):",
        "",
        "```",
        SCORE.read_text().strip() if SCORE.exists() else "not measured yet",
        "```",
        "",
    ]
    kept = compare.exceptions()
    if kept:
        lines += ["Differences kept on purpose:", "", "| scenario | step | why |", "|---|---|---|"]
        lines += [
            f"| {scenario} | {step.replace('|', chr(92) + '|')} | {reason} |"
            for scenario, steps in sorted(kept.items())
            for step, reason in steps.items()
        ]
        lines.append("")
    for service in dict.fromkeys(service for service, *_ in table):
        lines += [f"## {service}", "", "| RPC | state | |", "|---|---|---|"]
        lines += [f"| {name} | {state} | {words} |" for owner, name, state, words in table if owner == service]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page())
    elif "--json" in sys.argv:
        print(json.dumps(rows()))
    else:
        print(page())
