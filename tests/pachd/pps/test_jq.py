"""jq filters and jsonnet templates, in their child process."""

from __future__ import annotations

import json
import time

import pytest

from workshop.pachd.errors import DeadlineExceeded, PachydermError
from workshop.pachd.pps import jq

ROWS = [{"name": "a", "version": "1"}, {"name": "b", "version": "2", "details": {"autoscaling": True}}]


def keep(program: str, prefix: str = "") -> list[str]:
    return [row["name"] for row in jq.Filter(program, "pipeline", prefix).keep(ROWS, json.dumps)]


@pytest.mark.parametrize(
    ("program", "kept"),
    [
        ("", ["a", "b"]),
        ('.name == "a"', ["a"]),
        ('.name == "a" or .version == "2"', ["a", "b"]),
        (".version == 2", []),
        (".version > 1", ["a", "b"]),
        (".details.autoscaling", ["b"]),
        (".nothing", []),
        ("empty", []),
        ("null", []),
        (".name", ["a", "b"]),
        ('select(.name == "b")', ["b"]),
        (".version, .nothing", ["a", "b"]),
        (".nothing, .version", []),
        (" ", ["a", "b"]),
        ("# a comment", ["a", "b"]),
        ("def f: 1;", ["a", "b"]),
    ],
)
def test_the_first_result_decides(program, kept):
    assert keep(program) == kept


APPLY = "apply function to list row element: error filtering pipeline: error applying jq filter on proto message: "


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (".name ==", "error creating message filter function: error parsing jq filter: "),
        ("1 2", "error creating message filter function: error parsing jq filter: "),
        ("nofunction", "error creating message filter function: error compiling jq filter: "),
        ('import "a" as a; .', "error creating message filter function: error compiling jq filter: "),
        (".name.x", f"could not: {APPLY}"),
        ('error("x")', f"could not: {APPLY}x"),
    ],
)
def test_faulty_programs(program, text):
    with pytest.raises(PachydermError) as refusal:
        keep(program, "could not: ")
    assert refusal.value.text.startswith(text)


def test_an_endless_program_is_cut_off(monkeypatch):
    monkeypatch.setattr(jq, "LIMIT", 0.3)
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded) as refusal:
        keep("def f: f; f", "not in front of this one: ")
    assert refusal.value.text == f"{APPLY}context deadline exceeded"
    assert time.monotonic() - begun < 5


def test_a_greedy_program_does_not_take_the_memory_of_the_machine():
    with pytest.raises(PachydermError, match="needs too much memory"):
        keep('"x" * 900000000 | length')


def test_a_filter_does_not_see_the_daemons_environment(monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_DAEMON", "x")
    assert keep('$ENV | has("SECRET_OF_THE_DAEMON")') == []


TEMPLATE = "function(name, n='1') { pipeline: { name: name }, n: n }"


def test_a_template_is_rendered_with_its_arguments():
    assert json.loads(jq.render(TEMPLATE, {"name": "p"})) == {"pipeline": {"name": "p"}, "n": "1"}


@pytest.mark.parametrize(
    ("template", "arguments", "text"),
    [
        (TEMPLATE, {}, "RUNTIME ERROR: Missing argument: name"),
        (TEMPLATE, {"name": "p", "z": "1"}, "RUNTIME ERROR: function has no parameter z"),
        ("not jsonnet {", {}, 'main:1:5-12 Did not expect: (IDENTIFIER, "jsonnet")'),
        ("importstr '/etc/passwd'", {}, 'RUNTIME ERROR: couldn\'t open import "/etc/passwd"'),
    ],
)
def test_faulty_templates(template, arguments, text):
    with pytest.raises(PachydermError) as refusal:
        jq.render(template, arguments)
    assert refusal.value.text.startswith(f"template err: {text}")


@pytest.mark.slow
def test_a_greedy_template_does_not_take_the_memory_of_the_machine():
    with pytest.raises(PachydermError, match="template err: it needs too much memory"):
        jq.render("std.repeat('x', 2000000000)", {})
