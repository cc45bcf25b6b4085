"""The command line's own promises: help with examples, streams, exit statuses, and a quick start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from workshop import context, readme
from workshop.cli import main

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No pachd, no config file, an empty state folder: nothing of this machine's leaks in."""
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PACH_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.delenv("PACHD_ADDRESS", raising=False)
    monkeypatch.chdir(ROOT)


def call(*arguments):
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_with_an_example(name):
    command = main.commands[name]
    assert command.help and f"workshop {name}" in command.help
    first = command.help.splitlines()[0]
    assert first.endswith((".", ")."))
    assert len(first.split()) <= 14


def test_the_readme_names_every_command_a_learner_needs():
    text = (ROOT / "README.md").read_text()
    for name in ("up", "down", "step", "check", "reset", "doctor", "lineage", "dag", "workers", "why", "run"):
        assert f"workshop {name}" in text or f"workshop --context NAME {name}" in text, name


def test_a_dry_run_prints_the_steps_lines_and_nothing_else_and_needs_no_pachd():
    result = call("step", "7", "--dry-run")
    expected = [command.text for command in readme.load(ROOT / "README.md")["iris"].step(7).commands]
    assert (result.exit_code, result.stdout.splitlines(), result.stderr) == (0, expected, "")
    assert expected[0] == "pachctl create pipeline -f specs/infer.json"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["steps"], 0, "next: workshop step 1"),
        (["step", "12"], 2, "Iris has no step 12: its steps are 1 to 11"),
        (["step", "seven"], 2, "'seven' is not a valid integer"),
        (["step", "1", "--workshop", "knitting"], 2, "there is no workshop 'knitting'\n  there are: iris"),
        (["check", "2"], 3, "pachd is not running\n  start it: workshop up"),
        (["status"], 3, "pachd is not running"),
        (["dag"], 3, "pachd is not running"),
        (["lineage", "inference@master"], 3, "pachd is not running"),
        (["workers", "inference"], 3, "pachd is not running"),
        (["reset"], 3, "pachd is not running"),
        (["--context", "away", "up"], 2, "config.json cannot be read: No such file or directory"),
        (["nonsense"], 2, "No such command 'nonsense'"),
        (["down"], 0, ""),
    ],
)
def test_exit_statuses_say_what_kind_of_failure_it_was(arguments, status, words):
    result = call(*arguments)
    assert result.exit_code == status, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_an_address_where_nothing_answers_is_told_with_where_it_came_from(monkeypatch):
    monkeypatch.setenv("PACHD_ADDRESS", "grpc://127.0.0.1:1")
    result = call("status")
    assert result.exit_code == 3
    assert "pachd does not answer on 127.0.0.1:1\n  it was looked for because of $PACHD_ADDRESS" in result.stderr


def test_steps_without_pachd_are_listed_as_not_done_and_as_json_too():
    plain = call("steps")
    assert [line.split()[1] for line in plain.stdout.splitlines() if line] == [str(n) for n in range(1, 12)]
    document = json.loads(call("steps", "--json").stdout)
    assert document["schema"] == 1 and document["pachd"] is False
    assert [step["done"] for step in document["steps"]] == [False] * 11


def test_doctor_finds_nothing_wrong_where_the_tests_run_and_a_broken_readme_is_a_problem(tmp_path, monkeypatch):
    result = call("doctor", "--json")
    remarks = {remark["id"]: remark for remark in json.loads(result.stdout)["remarks"]}
    assert set(remarks) == {"python", "packages", "state", "pachd", "pfs", "bash", "readme", "letters"}
    assert not [remark for remark in remarks.values() if remark["level"] == "problem"], result.stdout
    for folder in ("specs", "pach-pytorch"):
        (tmp_path / "broken" / folder).mkdir(parents=True)
    (tmp_path / "broken" / "README.md").write_text("# Workshop: X\n## 2. Y\n")
    monkeypatch.chdir(tmp_path / "broken")
    result = call("doctor")
    assert result.exit_code == 1 and "README.md cannot be followed: line 2: step 2 follows step 0 of X" in result.stdout


def test_help_does_not_import_what_is_slow():
    code = (
        "import sys, workshop.cli; print([m for m in ('grpc', 'torch', 'google.protobuf', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_module_and_the_command_are_the_same():
    done = subprocess.run([sys.executable, "-m", "workshop", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == CliRunner().invoke(main, ["--help"], prog_name="workshop").stdout.split()


def test_the_checkout_is_found_from_a_folder_within_it(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT / "data" / "field")
    assert context.checkout() == ROOT
    monkeypatch.chdir(tmp_path)
    assert context.checkout() == ROOT  # elsewhere: the one this program belongs to
    assert os.environ["WORKSHOP_STATE"] == str(context.state_folder())
