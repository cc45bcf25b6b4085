"""The README is the programme: every `$` line of every workshop runs here, in order, and prints what the README says.

Ids, ages, durations and addresses are compared by class, everything else exactly. When an output has changed for a good
reason, `workshop run --write-readme` on a fresh daemon writes the new one.
"""

import difflib
import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from workshop import readme
from workshop.cli import main
from workshop.cli_common import find_guide

ROOT = Path(__file__).resolve().parents[1]
WORKSHOPS = readme.load(ROOT / "README.md")
# Workshops whose steps take minutes: part of the full run only.
LONG = {"breast-cancer", "image-pipeline"}
STEPS = [
    pytest.param(name, step.number, marks=[pytest.mark.slow] if name in LONG else [], id=f"{name}-{step.number}")
    for name, workshop in WORKSHOPS.items()
    for step in workshop.steps
]


@pytest.fixture(scope="module")
def guides(tmp_path_factory):
    """A guide for each workshop, each on a daemon of its own that starts with the first step."""
    from workshop.testing import Pachd

    made, daemons, patch = {}, {}, pytest.MonkeyPatch()

    def guide(name):
        folder = tmp_path_factory.getbasetemp() / name
        if name not in daemons:
            daemons[name] = Pachd(tmp_path_factory.mktemp(name, numbered=False) / "state").start()
        patch.setenv("PACHD_ADDRESS", daemons[name].address)
        patch.setenv("WORKSHOP_STATE", str(folder / "command"))
        patch.chdir(ROOT)
        if name not in made:
            with click.Context(main):
                made[name] = find_guide(None, name, quiet=True)
        return made[name]

    yield guide
    for daemon in daemons.values():
        daemon.stop()
    patch.undo()


@pytest.mark.parametrize(("name", "number"), STEPS)
def test_every_line_of_a_step_prints_what_the_readme_says(guides, name, number):
    guide = guides(name)
    step = guide.workshop.step(number)
    before = len(guide.outcomes)
    guide.run(step)
    outcomes = guide.outcomes[before:]
    assert [outcome.command.text for outcome in outcomes] == [command.text for command in step.commands]
    for outcome in outcomes:
        vary = outcome.command.numbers_vary
        expected = readme.classed("\n".join(outcome.command.output), vary).splitlines()
        printed = readme.classed(outcome.printed, vary).splitlines()
        difference = "\n".join(difflib.unified_diff(expected, printed, "README", "printed", lineterm="", n=1))
        assert not difference, f"README.md:{outcome.command.line} $ {outcome.command.text}\n{difference}"
    assert guide.is_done(step)


def test_links_and_paths_in_the_readme_exist():
    text = (ROOT / "README.md").read_text()
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert targets and all((ROOT / target).exists() for target in targets), targets
    named = re.findall(r"`((?:specs|data|docker|pach-pytorch|tests|workshop)/[\w./-]*)`", text)
    assert named and all((ROOT / name).exists() for name in named), named


def test_the_workshop_has_the_eleven_steps_of_its_original():
    assert [step.number for step in WORKSHOPS["iris"].steps] == list(range(1, 12))
    assert all(step.blocks and step.blocks[0].prose for step in WORKSHOPS["iris"].steps)


def test_the_screens_agree_with_what_the_workshop_did_and_reset_takes_it_back(guides, tmp_path):
    guide = guides("iris")
    if not all(guide.is_done(step) for step in guide.workshop.steps):
        pytest.skip("needs the eleven steps above")

    def call(*arguments):
        result = CliRunner().invoke(main, list(arguments))
        assert result.exit_code == 0, result.output
        return result.stdout

    assert call("check").count("✓") > 20
    assert "all done" in CliRunner().invoke(main, []).stderr
    status = json.loads(call("status", "--json"))
    assert all(step["done"] for step in status["steps"])
    assert {pipeline["name"]: pipeline["workers"] for pipeline in status["pipelines"]} == {
        "pre_process": 1,
        "train": 1,
        "inference": 3,
    }
    assert {repo["name"] for repo in status["repos"]} == {"training", "attributes", "pre_process", "train", "inference"}
    screen = call("status")
    assert "attributes:/* × train:/" in screen
    assert "steps   11 of 11 done" in screen and "success, 14 run" in screen
    workers = json.loads(call("workers", "inference", "--json"))
    assert len(workers["workers"]) == 3 and sum(len(worker["datums"]) for worker in workers["workers"]) == 14
    tree = json.loads(call("lineage", "--json", "inference@master:/test1.csv"))
    assert tree["spec"]["stdin"] == ["python3 /code/infer.py /pfs/train/model.pt $attributes /pfs/out"]
    assert tree["spec"]["workers"] == 3 and len(tree["hash"]) == 64
    call("dag", "--svg", str(tmp_path / "dag.svg"))
    assert "pre_process" in (tmp_path / "dag.svg").read_text()
    assert 'attributes -->|"/*"| inference' in call("dag", "--mermaid")
    assert "pipeline inference" in call("reset", "--yes")
    document = json.loads(call("status", "--json"))
    assert (document["pipelines"], document["repos"]) == ([], [])
    assert not any(step["done"] for step in document["steps"])
