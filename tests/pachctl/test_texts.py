"""What pachctl's screens are made of: Go's texts, sizes, ages, columns, addresses."""

from __future__ import annotations

import io
import time

import pytest

from workshop.pachctl import address, tables
from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import (
    Number,
    duration_text,
    json_text,
    parse_bool,
    parse_duration,
    parse_integer,
    quoted,
    reindented,
)


@pytest.fixture(autouse=True)
def without_colours(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    tables.set_colours(True)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0B"), (96, "96B"), (1023, "1023B"), (2007, "1.96KiB"), (3000001, "2.861MiB"), (1 << 40, "1TiB")],
)
def test_sizes_have_four_significant_digits_in_powers_of_1024(number, text):
    assert tables.size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "Less than a second"),
        (1.9, "1 second"),
        (59, "59 seconds"),
        (119, "About a minute"),
        (3540, "59 minutes"),
        (3600, "About an hour"),
        (5400, "2 hours"),
        (47.4 * 3600, "47 hours"),
        (49 * 3600, "2 days"),
        (15 * 86400, "2 weeks"),
        (70 * 86400, "2 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_lengths_of_time_are_words_and_only_hours_are_rounded(seconds, text):
    assert tables.human_duration(seconds) == text


def test_an_age_is_a_dash_where_there_is_no_time_and_rfc_3339_in_full():
    info = {"started": {"seconds": int(time.time()) - 5, "nanos": 0}}
    assert tables.ago(info, "finished") == "-"
    assert tables.ago(info, "started") in ("5 seconds ago", "6 seconds ago")
    assert tables.ago({"at": {"seconds": 1700000000, "nanos": 9}}, "at", full=True) == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("shares", "bar"),
    [((1, 0, 0), "gggggggg"), ((1, 1, 0), "ggggyyyy"), ((99, 0, 1), "gggggggr"), ((0, 0, 3), "rrrrrrrr")],
)
def test_a_progress_bar_ends_in_red_as_soon_as_anything_failed(shares, bar, monkeypatch):
    monkeypatch.setattr(tables, "coloured", lambda text, colour: colour[0])
    assert tables.progress_bar(*shares) == bar


def test_a_column_is_as_wide_as_its_widest_cell_among_neighbours():
    lines = [["NAME", "SIZE", ""], ["a", "1", ""], ["", ""], ["longer", "2", ""]]
    assert tables.columns(lines) == "NAME   SIZE \na      1    \n       \nlonger 2 \n"


def test_colours_take_no_room_in_a_column(monkeypatch):
    monkeypatch.delenv("NO_COLOR")
    tables.set_colours(True)
    plain = tables.columns([["x", "y", ""], ["abc", "y", ""]])
    coloured = tables.columns([[tables.coloured("x", "red"), "y", ""], ["abc", "y", ""]])
    assert coloured == plain.replace("x", "\x1b[31mx\x1b[0m")


def test_a_table_repeats_its_header_after_fifty_lines():
    out = io.StringIO()
    with tables.Table("A\tB", out) as table:
        for number in range(100):
            table.add(str(number), "x")
    lines = out.getvalue().splitlines()
    assert [index for index, line in enumerate(lines) if line.startswith("A")] == [0, 50, 100]
    assert len(lines) == 103


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1h30m", 5400 * 10**9),
        ("-1.5s", -(10**9 * 3 // 2)),
        ("100ms", 10**8),
        ("1µs", 1000),
        (".5s", 5 * 10**8),
    ],
)
def test_durations_are_read_as_go_reads_them(text, nanoseconds):
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("soon", 'time: invalid duration "soon"'),
        ("", 'time: invalid duration ""'),
        ("5", 'time: missing unit in duration "5"'),
        ("5 s", 'time: unknown unit " s" in duration "5 s"'),
    ],
)
def test_what_is_no_duration_is_refused_with_gos_words(text, problem):
    with pytest.raises(ValueError, match=r"^time: ") as caught:
        parse_duration(text)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0s"), (1, "1ns"), (1500, "1.5µs"), (20 * 10**6, "20ms"), (3723 * 10**9, "1h2m3s"), (-(10**9), "-1s")],
)
def test_durations_are_printed_as_go_prints_them(nanoseconds, text):
    assert duration_text(nanoseconds) == text


def test_integers_and_booleans_are_refused_with_gos_words():
    assert parse_integer("0x10") == 16
    assert parse_integer("-7") == -7
    assert parse_bool("T") is True
    for parse, text, problem in (
        (parse_integer, "many", 'strconv.ParseInt: parsing "many": invalid syntax'),
        (parse_integer, "9" * 20, f'strconv.ParseInt: parsing "{"9" * 20}": value out of range'),
        (parse_bool, "maybe", 'strconv.ParseBool: parsing "maybe": invalid syntax'),
    ):
        with pytest.raises(ValueError, match="strconv") as caught:
            parse(text)
        assert str(caught.value) == problem


def test_json_is_gos_keys_sorted_html_escaped_numbers_as_written():
    assert json_text({"b": [1, Number("1.50")], "a": "<é&>"}) == r'{"a":"\u003cé\u0026\u003e","b":[1,1.50]}'
    assert json_text({"a": {}, "b": [True, None]}, indent=2) == '{\n  "a": {},\n  "b": [\n    true,\n    null\n  ]\n}'
    assert quoted('a"\n\x00') == r'"a\"\n\x00"'


def test_reindenting_changes_white_space_alone():
    text = '{"b":{"x":"a, {b}: \\" c"},"a":[1,{}],"n":1e9}'
    shown = '{\n    "b": {\n      "x": "a, {b}: \\" c"\n    },\n    "a": [\n      1,\n      {}\n    ],\n'
    assert reindented(text, 2, "  ") == shown + '    "n": 1e9\n  }'


@pytest.mark.parametrize(
    ("text", "branch", "identity", "path"),
    [
        ("r", "", "", ""),
        ("r@b", "b", "", ""),
        ("r@b:/p:q", "b", "", "/p:q"),
        ("r@b=c:/p", "b", "c", "/p"),
        ("r@b^2", "", "b^2", ""),
        ("r@00000000000040008000000000000000", "", "00000000000040008000000000000000", ""),
        ("r:/p", "", "", ""),
    ],
)
def test_a_file_is_named_by_repo_branch_or_commit_and_path(text, branch, identity, path):
    file = address.file("proj", text)
    commit = file["commit"]
    assert (commit["branch"]["name"], commit["id"], file["path"]) == (branch, identity, path)
    assert commit["repo"]["project"]["name"] == "proj"


def test_repos_of_other_types_carry_their_type():
    assert address.repo("p", "data.meta") == {"name": "data", "type": "meta", "project": {"name": "p"}}


@pytest.mark.parametrize(
    ("read", "text", "problem"),
    [
        (address.commit, "@b", 'invalid format "@b": repo cannot be empty'),
        (address.branch, "r@b^", 'invalid branch "r@b^": cannot specify a commit or ancestry'),
        (address.branch, "r@b c", 'invalid branch "r@b c": cannot specify a commit or ancestry'),
        (address.job, "@x", 'invalid format "@x": pipeline must be specified'),
        (address.job, "p", 'invalid format "p": expected pipeline@job-id'),
    ],
)
def test_what_is_no_address_is_refused_before_any_call(read, text, problem):
    with pytest.raises(Failure) as caught:
        read("proj", text)
    assert caught.value.text == problem


def test_history_is_none_all_or_a_number():
    assert [address.history(text) for text in ("none", "all", "3")] == [0, -1, 3]
    with pytest.raises(Failure, match=r"error parsing history flag: strconv\.Atoi"):
        address.history("some")


def test_colours_are_off_when_no_color_is_set_to_whatever(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "")
    tables.set_colours(True)
    assert tables.coloured("running", "green") == "running"
    monkeypatch.delenv("NO_COLOR")
    tables.set_colours(True)
    assert tables.coloured("running", "green") == "\x1b[32mrunning\x1b[0m"
