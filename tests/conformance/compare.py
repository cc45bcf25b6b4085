"""Holds what our daemon answered against what a real Pachyderm 2.12 answered, step by step."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parent / "recordings"
EXCEPTIONS = Path(__file__).parent / "exceptions.json"
Step = dict[str, Any]


def agree(real: Step, ours: Step) -> bool:
    """Whether two steps say the same.

    Of an error the code must be equal, and our text the real one or its end, cut at a ": " or a line: the real one
    wraps its texts in the calls that they went through. Texts that end in rows of its database are compared by code.
    """
    if real == ours or "error" not in real or real.get("error") != ours.get("error"):
        return real == ours
    theirs, text = (re.sub(r"(at commit )\S*", r"\1", step.get("details", "")).strip() for step in (real, ours))
    if re.search(r"\((int_)?id=", (theirs.splitlines() or [""])[-1]):
        return bool(text)
    return bool(text) and any(theirs == text or theirs.endswith(edge + text) for edge in (": ", "\n"))


@dataclass
class Outcome:
    """One scenario compared. `chosen` are differences kept on purpose, with their reasons."""

    name: str
    steps: int
    equal: int
    chosen: dict[str, str] = field(default_factory=dict)
    differences: list[tuple[Step, Step]] = field(default_factory=list)
    crash: str = ""

    @property
    def whole(self) -> bool:
        return not self.differences and not self.crash

    def explain(self, limit: int = 40) -> Iterator[str]:
        """The differences in words, as unified diffs."""
        if self.crash:
            yield f"    {self.crash.strip().splitlines()[-1]}"
        for real, ours in self.differences:
            texts = [
                json.dumps(step, indent=1, sort_keys=True, ensure_ascii=False).splitlines() for step in (real, ours)
            ]
            lines = list(difflib.unified_diff(*texts, "real", "ours", lineterm="", n=1))
            yield from ("    " + line for line in lines[:limit])


def exceptions() -> dict[str, dict[str, str]]:
    """Differences kept on purpose: scenario -> step label -> reason."""
    return json.loads(EXCEPTIONS.read_text())


def compare(name: str, ours: dict[str, Any]) -> Outcome:
    """Compare one scenario's result (`folder/module.function`) with its recording."""
    folder, scenario = name.split("/")
    real = json.loads((RECORDINGS / folder / f"{scenario}.json").read_text())["steps"]
    mine = ours["steps"] + [{"step": "nothing more"}] * max(0, len(real) - len(ours["steps"]))
    reasons = exceptions().get(scenario, {})
    outcome = Outcome(name, len(real), 0, crash=ours.get("crash", ""))
    for theirs, answer in zip(real, mine, strict=False):
        if agree(theirs, answer):
            outcome.equal += 1
        elif theirs["step"] in reasons:
            outcome.chosen[theirs["step"]] = reasons[theirs["step"]]
        else:
            outcome.differences.append((theirs, answer))
    outcome.differences += [({"step": "nothing more"}, extra) for extra in ours["steps"][len(real) :]]
    return outcome
