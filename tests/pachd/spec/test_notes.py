"""Clear words about what is accepted but may surprise."""

from __future__ import annotations

import pytest

from workshop.pachd.spec import notes


def pfs(name: str = "in", glob: str = "/(*)", **more) -> dict:
    return {"pfs": {"name": name, "glob": glob, **more}}


def test_an_update_of_the_code_says_that_unchanged_datums_are_skipped():
    old = {"transform": {"cmd": ["sh"], "stdin": ["echo 1"]}}
    new = {"transform": {"cmd": ["sh"], "stdin": ["echo 2"], "image": "x"}}
    (text,) = notes.of_update(old, new, 3)
    assert text.startswith("transform.image, transform.stdin changed, but datums that version 3 processed are skipped")
    assert text.endswith("update with --reprocess")


def test_an_update_of_anything_else_says_nothing():
    old = {"transform": {"cmd": ["sh"]}, "parallelismSpec": {"constant": "1"}}
    assert notes.of_update(old, {"transform": {"cmd": ["sh"]}, "parallelismSpec": {"constant": "3"}}, 1) == []


@pytest.mark.parametrize(
    ("arm", "word"),
    [
        (pfs(), "has no join_on"),
        (pfs(glob="/*", joinOn="$1"), "captures nothing: $1 is empty"),
        (pfs(joinOn="$1-${2}"), "captures 1: $2 is empty"),
        (pfs(joinOn="$1"), None),
        (pfs(joinOn="$0"), None),
        (pfs(glob="/*", joinOn="$$1"), None),
    ],
)
def test_empty_join_keys_are_named(arm, word):
    found = notes.of_input({"join": [arm]})
    assert (word is None and found == []) or (len(found) == 1 and word in found[0])


def test_keys_count_in_joins_and_groups_alone():
    assert "has no group_by" in notes.of_input({"group": [pfs()]})[0]
    assert notes.of_input({"cross": [pfs()]}) == []
    assert notes.of_input(None) == []


def test_a_malformed_glob_is_named():
    assert notes.of_input(pfs(glob="/[")) == ["the glob '/[' of input 'in' is malformed: no job can read it"]
