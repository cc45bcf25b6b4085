"""The glob language by tables, and its two engines against each other."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop.pachd import errors, glob
from workshop.pachd.glob import Glob, machine

PATHS = [
    "/",
    "/a",
    "/b",
    "/ab",
    "/abc",
    "/a.txt",
    "/b.txt",
    "/c.csv",
    "/1",
    "/12",
    "/123",
    "/x-y.txt",
    "/A",
    "/aa",
    "/aba",
    "/d",
    "/d/a",
    "/d/b.txt",
    "/d/e",
    "/d/e/f",
    "/dir2",
    "/dir2/a",
    "/dir2/deep/er/x.txt",
    "/h,i",
    "/b$c",
    "/f.g",
    "/fxg",
]

TABLE = [
    ("", "/"),
    ("/", "/"),
    (".", "/"),
    ("//", "/"),
    ("a", "/a"),
    ("/a/", "/a"),
    ("/d//a", "/d/a"),
    ("/d/../a", "/a"),
    ("?", "/a /b /1 /A /d"),
    ("/??", "/ab /12 /aa"),
    ("/d?a", ""),
    ("/?/?", "/d/a /d/e"),
    ("/{a,b}", "/a /b"),
    ("/{a,b,d/a}", "/a /b /d/a"),
    ("/{,a}b", "/b /ab"),
    ("/{a,{b,c}}.*", "/a.txt /b.txt /c.csv"),
    ("{/a,/b}", ""),
    ("/{a,b", "/a /b"),
    ("/a}", ""),
    ("/(a|b)", "/a /b"),
    ("/@(a|b)", "/a /b"),
    ("/(*)-(*).txt", "/x-y.txt"),
    ("/(a|b", "/a /b"),
    ("/a)", ""),
    ("/(**)/a", "/d/a /dir2/a"),
    ("/**/a", "/d/a /dir2/a"),
    ("/(a|)b", "/b /ab"),
    ("/*(a)", "/ /a /aa"),  # "/" only because this table has it: a tree's root is asked for by "/" alone
    ("/+(a|b)", "/a /b /ab /aa /aba"),
    ("/?(a)b", "/b /ab"),
    ("/?(ab)a", "/a /aba"),
    ("/+([0-9])", "/1 /12 /123"),
    ("/a*(b)a", "/aa /aba"),
    ("/d/+(a|e)", "/d/a /d/e"),
    ("/!(a)", "/ /b /ab /abc /a.txt /b.txt /c.csv /1 /12 /123 /x-y.txt /A /aa /aba /d /dir2 /h,i /b$c /f.g /fxg"),
    ("/!(a).txt", "/b.txt /x-y.txt"),
    ("/!(a|*.txt|[0-9]*|d*)", "/ /b /ab /abc /c.csv /A /aa /aba /h,i /b$c /f.g /fxg"),
    ("/[ab]", "/a /b"),
    ("/[!a]", "/b /1 /A /d"),
    ("/[a-c]*.[ct]*", "/a.txt /b.txt /c.csv"),
    ("/[[:digit:]]", "/1"),
    ("/[[:upper:]]", "/A"),
    ("/f.g", "/f.g"),
    ("/*\\.g", "/f.g"),
    ("/b$c", "/b$c"),
    ("/{h\\,i}", "/h,i"),
    ("/h,i", "/h,i"),
    ("/{", "/"),
    ("/]", ""),
    ("/[:digit:]", "/1"),  # the inner brackets may be left out
    ("/[[:nope:]]", ""),  # a class of no meaning is its letters
    ("/[a!b]", "/1 /A /d"),  # a "not" may stand anywhere
    ("/[a\\-c]", "/a /b"),  # a backslash keeps no range away
    ("/a\\", "/a"),
]


@pytest.mark.parametrize(("pattern", "wanted"), TABLE, ids=[pattern or "empty" for pattern, _ in TABLE])
def test_patterns_match_what_pachyderm_says(pattern, wanted):
    compiled = Glob(pattern)
    assert [path for path in PATHS if compiled.matches(path)] == wanted.split()


@pytest.mark.parametrize("pattern", ["/[", "/[a", "/[]", "/[!]", "/[z-a]", "/a[", "/(a[)", "/^(a)", "/[a[b]"])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(errors.PachydermError):
        Glob(pattern)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/(a@b|c)", "/a@b|c)"),  # text that begins with a sign runs on over what would end it
        ("/{a,!b,c}", "/!b,c}"),
        ("/({a*)b},c)", "/axb,c)"),  # what closes closes the innermost group, whichever it is
        ("/({a,b|c)d}", "/b|c)d"),  # in braces, only they end text
        ("/@a", "/@a"),
        ("/***(a)", "/x/ya"),
        ("/[!a-]x", "/bx"),
        ("/[+-.]", "/,"),
    ],
)
def test_patterns_are_cut_where_pachyderm_cuts_them(pattern, path):
    assert Glob(pattern).matches(path)


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [("../a", "/../a"), ("a/../../b", "/../b"), ("/../a", "/a"), ("//a//", "/a"), ("./a/.", "/a"), ("..", "/..")],
)
def test_a_pattern_is_cleaned_before_its_slash_is_added(pattern, wanted):
    assert glob.clean(pattern) == wanted


def test_a_backslash_escapes_before_and_after_the_first_wildcard():
    assert Glob("/b\\$c*").matches("/b$c") and Glob("/?\\$c").matches("/b$c")
    assert Glob("/a\\*").matches("/a*") and not Glob("/a\\*").matches("/ab")


def test_a_backslash_in_a_pattern_without_wildcards_escapes():
    assert Glob("/\\a.csv").matches("/a.csv") and not Glob("/\\a.csv").matches("/\\a.csv")


def test_a_trailing_slash_of_the_path_does_not_count():
    assert Glob("/*").matches("/d/") and not Glob("/*").matches("/d/e/") and Glob("/").matches("/")


@pytest.mark.parametrize(
    ("pattern", "path", "template", "wanted"),
    [
        ("/(*)-(*).txt", "/x-y.txt", "$2$1", "yx"),
        ("/(*)-(*).txt", "/x-y.txt", "${1}0$$$0", "x0$/x-y.txt"),
        ("/(*).txt", "/x.txt", "$2", ""),
        ("/(*).txt", "/x.txt", "$ ${ $x ${1", "$ ${ $x ${1"),
        ("/*(a|b)c", "/abac", "$1", "aba"),
        ("/?(a)b", "/b", "<$1>", "<>"),
        ("/+(+(a)b)", "/aabab", "$1,$2", "aabab,a"),
        ("/x", "/y", "$0", ""),
    ],
)
def test_templates_are_filled_with_what_groups_caught(pattern, path, template, wanted):
    assert Glob(pattern).expand(template, path) == wanted


def test_bounds_of_where_to_look():
    for pattern, folder, depth in [
        ("/", "/", 1),
        ("/a/b*", "/a/", 2),
        ("/a/*/c", "/a/", 3),
        ("/{a,b/c}/d", "/", 3),
        ("/d/**", "/d/", None),
        ("/+(a/b)", "/", None),
        ("/[!a]", "/", 2),
    ]:
        compiled = Glob(pattern)
        assert (compiled.folder, compiled.depth) == (folder, depth), pattern
    assert Glob("/a/b").literal == "/a/b" and Glob("/a*").literal is None


PIECES = st.recursive(
    st.sampled_from(["a", "b", "/", "*", "**", "?", "[ab]", "[!a]", "ab"]),
    lambda inner: st.builds(
        lambda kind, choices: kind + "(" + "|".join(choices) + ")",
        st.sampled_from(["", "@", "*", "+", "?", "!"]),
        st.lists(inner, min_size=1, max_size=2),
    ),
    max_leaves=3,
)


@given(st.lists(PIECES, max_size=3).map("".join), st.lists(st.text("ab/", max_size=5), max_size=6))
@settings(max_examples=600, deadline=None)
def test_both_engines_agree(pattern, paths):
    compiled = Glob(pattern)
    begins = glob._begins_rule(compiled._nodes)
    program = machine.assemble(compiled._nodes, begins, compiled.groups)
    regex = re.compile(glob._regex(compiled._nodes, begins), re.DOTALL)
    for path in ("/" + path for path in paths):
        assert (machine.run(program, path, 0, compiled.groups) is not None) == (regex.fullmatch(path) is not None), path


@pytest.mark.parametrize("pattern", ["/+(+(a))b", "/*a*a*a*a*a*a*a*a*a*b", "/*(a|aa)*(a|aa)!(b)d", "/**a**a**a**b"])
def test_no_pattern_takes_for_ever(pattern):
    begun = time.monotonic()
    assert not Glob(pattern).matches("/" + "a" * 300 + "c")
    assert time.monotonic() - begun < 5


def test_hostile_nesting_is_refused_in_words():
    with pytest.raises(errors.PachydermError, match=r"nested too deeply|longer than"):
        Glob("/" + "+(" * 4000)
