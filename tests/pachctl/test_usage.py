"""Reading command lines: options, arguments, help, mistakes. None of these reaches a pachd."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workshop.pachctl import former
from workshop.pachctl.commands import find, parse
from workshop.pachctl.help import usage_text
from workshop.pachctl.main import load_room
from workshop.pachctl.tree import ROOT, UsageError

ROOT_FOLDER = Path(__file__).resolve().parents[2]


def _commands():
    return [node for node in ROOT.below() if node.runs]


def test_options_stand_anywhere_and_short_ones_share_a_dash():
    node, rest = find(["--no-color", "put", "file", "-rf", "dir", "--project=x", "r@b", "-a=true", "-f", "two,three"])
    assert node.path == "pachctl put file"
    arguments, flags, given = parse(node, rest)
    assert arguments == ["r@b"]
    assert (flags["recursive"], flags["append"], flags["project"]) == (True, True, "x")
    assert flags["file"] == ["dir", "two", "three"]
    assert given == {"no-color", "recursive", "file", "project", "append"}


def test_of_two_options_with_one_meaning_the_last_counts():
    node, rest = find(["start", "commit", "r@b", "--description", "first", "-m", "second"])
    assert parse(node, rest)[1]["description"] == "second"
    assert parse(node, [])[1]["description"] == ""
    assert '(default "d")' in usage_text(node, "default")


def test_a_double_dash_ends_the_options():
    node, rest = find(["create", "project", "--", "-dash"])
    assert parse(node, rest)[0] == ["-dash"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("list repo --frobnicate", "unknown flag: --frobnicate"),
        ("list repo -z", "unknown shorthand flag: 'z' in -z"),
        ("list repo --project", "flag needs an argument: --project"),
        ("list repo --=x", "bad flag syntax: --=x"),
        ("list repo ---raw", "bad flag syntax: ---raw"),
        ("put file -f= -a=", "unknown shorthand flag: '=' in -="),
        (
            "find commit r@b:/f --limit -1",
            'invalid argument "-1" for "--limit" flag: strconv.ParseUint: parsing "-1": invalid syntax',
        ),
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
    assert "Did you mean this?\n\trestart\n\nRun" in pachctl("resta").err
    assert "\tnext\n" not in pachctl("nextt").err, "nothing below `next` is for users"


def test_an_option_before_its_command_takes_the_word_after_it_along_unless_it_is_known_there():
    assert find(["--bogus", "list", "repo", "data"])[0].path == "pachctl repo"
    assert find(["list", "--project", "x", "repo"])[0].path == "pachctl list repo"
    assert find(["list", "--raw", "repo"])[0].path == "pachctl list"
    assert find(["-v", "--rpc-timeout=1s", "list", "repo"])[0].path == "pachctl list repo"


def test_an_unknown_verb_is_told_before_any_option(pachctl):
    assert pachctl("frobnicate", "--bogus").err.startswith('Error: unknown command "frobnicate" for "pachctl"\n')
    assert pachctl("--bogus").err.startswith("Error: unknown flag: --bogus\nUsage:\n  pachctl [command]\n")


def test_help_shows_kinds_and_defaults_as_pachctls_library_does():
    def shown(words: str) -> str:
        return usage_text(find(words.split())[0], "lab")

    assert (
        "  -p, --provenance []string   Set the provenance for the branch. format: <repo>@<branch> (default [])\n"
        in (shown("create branch"))
    )
    assert "      --offset int       Set the number of bytes" in shown("get file")
    assert '(default "lab")\n' in shown("list repo")
    assert "Specify a duration for compiling a CPU profile. (default 1m0s)\n" in shown("debug profile")
    assert "(default [email,profile,groups,openid])\n" in shown("auth activate")
    assert "--from RF3339 date (with optional nanoseconds)" in shown("logs2")


def test_help_topics_are_the_nouns_and_hidden_commands_are_no_one_s(pachctl):
    topics = pachctl.ok().out.partition("Additional help topics:\n")[2]
    assert "  repo " in topics
    assert "  next " not in topics
    assert "  misc" not in pachctl.ok().out


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


def test_every_command_of_the_reference_is_done_or_said_to_be_a_clusters():
    done = []
    for node in _commands():
        load_room(node)
        done.append(node.run is not None)
    assert sum(done) > 90


def test_every_command_that_help_lists_says_what_it_is():
    assert [node.path for node in _commands() if node.is_shown and not node.short] == []


def _python(code: str) -> list[str]:
    """The words that a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT_FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_nothing_of_the_daemon_is_imported():
    code = "import sys; from workshop.pachctl.main import ROOT, load_room; [load_room(node) for node in ROOT.below()]; "
    code += "print([x for x in sys.modules if '.pachd' in x])"
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
