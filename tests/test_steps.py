"""Steps as a learner meets them: nothing is touched before its time, done is done, drift is told, failure stops."""

import json

import pytest
from click.testing import CliRunner

from workshop.cli import main

README = """\
# Workshop: Small

## 1. Look

Have a look.

```console
$ workshop up
pachd 2.12.0 is ready on 127.0.0.1:30650
```

## 2. Make a repo

```console
$ pachctl create repo first
$ pachctl list repo | tail -1
default first 2 seconds ago ≤ 0B
$ echo drifted
something else
```

## 3. Build on it

<!-- check: repo second -->

```console
$ pachctl put file first@master:/a.txt -f data/a.txt
$ pachctl list file first@master
$ false
$ pachctl create repo never
```
"""


@pytest.fixture
def workshop(tmp_path, monkeypatch, pachd):
    """A checkout with a small README on a fresh daemon; returns a function that runs `workshop ...` in it."""
    for folder in ("specs", "pach-pytorch", "data"):
        (tmp_path / "checkout" / folder).mkdir(parents=True)
    (tmp_path / "checkout" / "README.md").write_text(README)
    (tmp_path / "checkout" / "data" / "a.txt").write_text("a\n")
    monkeypatch.chdir(tmp_path / "checkout")
    monkeypatch.setenv("PACHD_ADDRESS", pachd.address)
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "command"))

    def call(*arguments, **options):
        return CliRunner().invoke(
            main, [*arguments, *(["-w", "small"] if arguments[0] != "pachctl" else [])], **options
        )

    return call


def repos(pachd):
    return {info.repo.name for info in pachd.client().list_repo()}


def test_a_step_that_is_not_ready_names_the_missing_one_and_touches_nothing(workshop, pachd):
    result = workshop("step", "3")
    assert result.exit_code == 1 and result.stdout == ""
    assert "step 3 needs step 2 (Make a repo) first" in result.stderr
    assert "workshop step --workshop small 2" in result.stderr
    assert repos(pachd) == set()


def test_stdout_is_the_readmes_block_and_the_rest_goes_to_stderr(workshop, pachd):
    result = workshop("step", "2")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("$")] == [
        "$ pachctl create repo first",
        "$ pachctl list repo | tail -1",
        "$ echo drifted",
    ]
    assert lines[2].startswith("default first") and lines[4] == "drifted"
    assert "(the README shows another output for this command: line 18)" in result.stderr
    assert "line 16" not in result.stderr
    assert repos(pachd) == {"first"}


def test_a_step_that_is_done_is_passed_over_whoever_did_it(workshop, pachd):
    pachd.client().create_repo("first")
    result = workshop("step", "2")
    assert (result.exit_code, result.stdout) == (0, "") and "done already" in result.stderr
    assert workshop("check", "2").exit_code == 0


def test_a_step_that_only_looks_is_done_once_it_was_looked_at(workshop):
    def done():
        return [step["done"] for step in json.loads(workshop("steps", "--json").stdout)["steps"]]

    assert done() == [False, False, False]
    assert workshop("step", "1").exit_code == 0
    assert done() == [True, False, False]


def test_check_says_what_is_missing_and_fails(workshop):
    result = workshop("check")
    assert result.exit_code == 1
    assert "not done: steps 2, 3" in result.stderr
    document = json.loads(workshop("check", "3", "--json").stdout)
    assert document["steps"][0]["findings"][0]["fact"] == "first@master:/a.txt exists"
    assert document["steps"][0]["findings"][0]["problem"]


def test_a_failing_line_stops_the_step_and_is_named(workshop, pachd):
    workshop("step", "2")
    result = workshop("step", "3")
    assert result.exit_code == 4
    assert "line 29 of the README failed with status 1: false" in result.stderr
    assert "never" not in repos(pachd) and "$ pachctl create repo never" not in result.stdout


def test_run_passes_over_what_is_done_and_ends_with_a_tick_for_each_step(workshop):
    assert workshop("step", "2").exit_code == 0
    result = workshop("run", "--to", "2")
    assert result.exit_code == 0
    ticks = [line for line in result.stderr.splitlines() if line.startswith(" ✓")]
    assert ticks == [" ✓  1  Look", " ✓  2  Make a repo (it was done before)"]


def test_reset_asks_and_deletes_only_what_the_workshop_makes(workshop, pachd):
    workshop("step", "2")
    pachd.client().create_repo("mine")
    refused = workshop("reset")
    assert refused.exit_code == 2 and "workshop reset --yes" in refused.stderr
    assert repos(pachd) == {"first", "mine"}
    assert workshop("reset", "--yes").exit_code == 0
    assert repos(pachd) == {"mine"}
    assert "nothing of this workshop to delete" in workshop("reset", "--yes").stdout
