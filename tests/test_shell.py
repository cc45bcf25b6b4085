"""README lines as a shell runs them: our own commands in this process, the rest in a shell, pipes between the two."""

import os
import sys

import pytest

from workshop.cli import main
from workshop.shell import Shell, own_words, split_pipeline


@pytest.fixture
def shell(tmp_path):
    (tmp_path / "work").mkdir()
    return Shell(tmp_path / "work", tmp_path / "bin", main)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("pachctl list repo", ["pachctl list repo"]),
        ("sed 's/a|b/c/' x | pachctl update pipeline -f -", ["sed 's/a|b/c/' x", "pachctl update pipeline -f -"]),
        ('echo "a | b" | wc -l', ['echo "a | b"', "wc -l"]),
        ("a; b", None),
        ("a && b", None),
        ("a > file", None),
        ("a $(b)", None),
        ("a `b`", None),
        ('a "$HOME"', None),
        ("a '$HOME'", ["a '$HOME'"]),
        ("a | | b", None),
        ("a 'b", None),
        ("a \\| b", None),
    ],
)
def test_only_plain_pipelines_are_taken_apart(line, parts):
    assert split_pipeline(line) == parts


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("pachctl list file a@master", ["pachctl", "list", "file", "a@master"]),
        ("pachctl glob file 'a@master:/*'", ["pachctl", "glob", "file", "a@master:/*"]),
        ("pachctl glob file a@master:/*", None),
        ("workshop up", ["workshop", "up"]),
        ("grep pachctl", None),
        ("X=1 pachctl version", None),
    ],
)
def test_only_words_that_a_shell_would_not_change_run_in_this_process(command, words):
    assert own_words(command) == words


def test_our_commands_take_part_in_pipes_at_either_end(shell):
    (shell.folder / "README.md").write_text("")
    assert shell.run("workshop --help | head -1").stdout == b"Usage: workshop [OPTIONS] [COMMAND] [ARGS]...\n"
    assert shell.run("echo ignored | workshop step --help | grep -c dry-run").stdout == b"2\n"


def test_the_shell_finds_our_commands_too(shell):
    result = shell.run("workshop --help > out.txt && head -1 out.txt")
    assert (result.status, result.stdout) == (0, b"Usage: workshop [OPTIONS] [COMMAND] [ARGS]...\n")
    assert (shell.folder / "out.txt").exists()


def test_python3_in_a_line_is_the_python_of_this_environment(shell, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    printed = shell.run("python3 -c 'import sys; print(sys.prefix)'").stdout.decode().strip()
    assert printed == sys.prefix


def test_the_first_failure_of_a_pipeline_is_its_status(shell):
    assert shell.run("workshop nonsense | cat").status == 2
    assert b"No such command 'nonsense'" in shell.run("workshop nonsense | cat").stderr
    assert shell.run("false | cat").status == 1
    assert shell.run("exit 7").status == 7
    assert shell.run("true | cat").status == 0


def test_the_environment_and_folder_are_those_of_the_line_and_do_not_stay(shell, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shell.environment["WORKSHOP_TEST_VARIABLE"] = "here"
    assert shell.run("echo $WORKSHOP_TEST_VARIABLE; pwd").stdout.decode().split() == ["here", str(shell.folder)]
    shell.run("workshop --help")
    assert "WORKSHOP_TEST_VARIABLE" not in os.environ and os.getcwd() == str(tmp_path)
