"""What a real Pachyderm 2.12 answered, our daemon answers: the quick scenarios, on one daemon, side by side."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import compare  # noqa: E402
import coverage  # noqa: E402
import recorder  # noqa: E402
import run  # noqa: E402

MODULES = sorted({name.split(".")[0] for name in recorder.load() if run.is_quick(name)})


@pytest.fixture(scope="module")
def outcomes(shared_pachd) -> dict[str, list[compare.Outcome]]:
    """All quick scenarios, run once; outcomes by module."""
    names = [name for name in recorder.load() if run.is_quick(name)]
    by_module: dict[str, list[compare.Outcome]] = {}
    for outcome, _, _ in run.run(names, shared_pachd.host, shared_pachd.port, processes=4):
        by_module.setdefault(outcome.name.split(".")[0], []).append(outcome)
    return by_module


@pytest.mark.parametrize("module", MODULES)
def test_the_daemon_answers_what_a_real_one_answered(outcomes, module):
    words = [f"{one.name}\n" + "\n".join(one.explain()) for one in outcomes[module] if not one.whole]
    assert not words, "\n".join(words)


def test_a_recording_with_one_word_changed_is_a_difference():
    """The comparison can fail: on an answer, on a code, on a text that is not the real one's end."""
    name = "pfs/repos.create_twice"
    real = json.loads((compare.RECORDINGS / f"{name}.json").read_text())
    assert compare.compare(name, real).whole
    for step in real["steps"]:
        if "error" in step:
            step["details"] += "s"
    assert not compare.compare(name, real).whole


def test_every_difference_kept_on_purpose_names_a_step_that_exists_and_a_reason():
    for scenario, steps in compare.exceptions().items():
        path = next(compare.RECORDINGS.glob(f"*/{scenario}.json"))
        labels = {step["step"] for step in json.loads(path.read_text())["steps"]}
        for label, reason in steps.items():
            assert label in labels, f"{scenario}: no step {label!r}"
            assert len(reason) > 20, f"{scenario}: {label!r} has no reason"


def test_the_coverage_page_is_the_codes_own():
    assert coverage.PAGE.read_text() == coverage.page(), "run `make coverage`"


def test_every_rpc_of_the_protocol_is_in_the_coverage_table():
    from workshop.pachd.wire.schema import METHODS

    assert len(coverage.rows()) == len(METHODS) > 150
