"""Reading command lines: options, arguments, help, mistakes. None of these reaches a pachd."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workshop.pachctl import former
from workshop.pachctl.commands import ROOT, UsageError, find, parse
from workshop.pachctl.help import is_shown, usage_text
from workshop.pachctl.main import load_rooms

ROOT_FOLDER = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True, scope="module")
def tree():
    load_rooms()


def _commands(node=ROOT):
    if node.run:
        yield node
    for child in node.children.values():
        yield from _commands(child)


def test_options_stand_anywhere_and_short_ones_share_a_dash():
    node, rest = find(["--no-color", "put", "file", "-rf", "dir", "--project=x", "r@b", "-a=true", "-f", "two,three"])
    assert node.path == "pachctl put file"
    arguments, flags, given = parse(node, rest)
    assert arguments == ["r@b"]
    assert (flags["recursive"], flags["append"], flags["project"]) == (True, True, "x")
    assert flags["file"] == ["dir", "two", "three"]
    assert given == {"no-color", "recursive", "file", "project", "append"}


def test_a_double_dash_ends_the_options():
    node, rest = find(["create", "project", "--", "-dash"])
    assert parse(node, rest)[0] == ["-dash"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("list repo --frobnicate", "unknown flag: --frobnicate"),
        ("list repo -z", "unknown shorthand flag: 'z' in -z"),
        ("list repo --project", "flag needs an argument: --project"),
        ("put file -f", "flag needs an argument: 'f' in -f"),
        (
            "list commit -n many",
            'invalid argument "many" for "-n, --number" flag: strconv.ParseInt: parsing "many": invalid syntax',
        ),
        (
            "list repo --raw=maybe",
            'invalid argument "maybe" for "--raw" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
    ],
)
def test_an_option_that_cannot_be_read_is_named(words, problem):
    node, rest = find(words.split())
    with pytest.raises(UsageError) as caught:
        parse(node, rest)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("create repo", "expected 1 arguments, got 0"),
        ("list job a b", "expected 0 to 1 arguments, got 2"),
        ("run cron", "expected at least 1 arguments, got 0"),
        ("version x", "expected 0 arguments, got 1"),
    ],
)
def test_a_wrong_number_of_arguments_shows_the_usage_on_standard_error(pachctl, words, problem):
    ran = pachctl(*words.split())
    assert ran.status == 1
    assert ran.err.startswith(f"{problem}\n\nUsage:\n  pachctl ")
    assert ran.out == ""


def test_an_unknown_verb_is_an_error_with_what_was_perhaps_meant(pachctl):
    ran = pachctl("crate", "repo")
    assert ran.status == 1
    assert "Did you mean this?\n\tcreate\n" in ran.err


def test_an_unknown_noun_shows_the_verbs_help_and_succeeds(pachctl):
    ran = pachctl.ok("list", "frobnicate")
    assert ran.out.startswith(
        "Print a list of Pachyderm resources of a specific type.\n\nUsage:\n  pachctl list [command]"
    )


def test_a_nouns_help_lists_its_commands_over_all_verbs(pachctl):
    out = pachctl.ok("repo").out
    assert "\n  pachctl create repo" in out
    assert "pachctl list commit" not in out


@pytest.mark.parametrize("words", [("create", "repo", "--help"), ("create", "repos", "-h"), ("help", "create", "repo")])
def test_help_is_the_same_by_option_by_verb_and_by_plural(pachctl, words):
    out = pachctl.ok(*words).out
    assert "Usage:\n  pachctl create repo <repo> [flags]\n\nAliases:\n  repo, repos\n" in out


def test_every_command_has_a_usage_that_names_it_and_all_its_options():
    for node in _commands():
        text = usage_text(node, "default")
        assert node.path in text
        for flag in node.own_flags():
            assert f"--{flag.name}" in text
        assert len({flag.short for flag in node.own_flags() if flag.short}) == len(
            [flag for flag in node.own_flags() if flag.short]
        )


def test_every_command_that_help_lists_says_what_it_is():
    assert [node.path for node in _commands() if is_shown(node) and not node.short] == []


def _python(code: str) -> list[str]:
    """The words that a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT_FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_nothing_of_the_daemon_is_imported():
    code = "import sys, workshop.pachctl.main as m; m.load_rooms(); print([x for x in sys.modules if '.pachd' in x])"
    assert _python(code) == ["[]"]


def test_what_needs_no_pachd_imports_neither_grpc_nor_protobuf(pachctl):
    code = "import sys; from workshop.pachctl.main import main; main(['version', '--client-only']); "
    code += "print([x for x in ('grpc', 'google.protobuf', 'python_pachyderm', 'yaml', 'click') if x in sys.modules])"
    assert _python(code) == ["2.12.0", "[]"]


@pytest.mark.parametrize(
    ("words", "today"),
    [
        ("create-repo training", "create repo training"),
        ("list-job -p train", "list job -p train"),
        ("put-file training master iris.csv -c -f data/iris.csv", "put file training@master:iris.csv -f data/iris.csv"),
        ("put-file training master -r -f dir", "put file training@master -r -f dir"),
        ("get-file model master a/b -o x", "get file model@master:a/b -o x"),
        ("list-file r master", "list file r@master"),
        ("copy-file a m p b n q", "copy file a@m:p b@n:q"),
        ("start-commit r master", "start commit r@master"),
        ("list-commit r", "list commit r"),
        ("set-branch r abc master", "create branch r@master --head abc"),
        ("get-logs --job p@1", "logs --job p@1"),
        ("inspect-job abc", "list job abc"),
        ("inspect-job p@abc", "inspect job p@abc"),
        ("flush-commit r/abc", "wait commit r@abc"),
        ("create-pipeline -f x.json", "create pipeline -f x.json"),
    ],
)
def test_the_commands_of_1_7_are_read_as_those_of_today(words, today):
    assert former.is_former(words.split()[0])
    assert former.modern(words.split()) == [today.split()]


def test_what_is_gone_or_lacks_arguments_is_said_in_one_line(pachctl):
    assert "there is none today" in pachctl.fails("garbage-collect")
    assert pachctl.fails("put-file", "r") == "`put-file` needs more arguments: today it is `put file {0}@{1}[:{2}]`"
    assert "--split is gone" in pachctl.fails("put-file", "r", "b", "--split", "line")
