"""Sizes and spans in pachctl's words, and trees of provenance as text."""

from datetime import datetime, timedelta, timezone

import pytest

from workshop import words
from workshop.errors import WrongUsage
from workshop.lineage import Address, Node, Spec, document, parse_address, text


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0B"),
        (96, "96B"),
        (1023, "1023B"),
        (4411, "4.308KiB"),
        (10207, "9.968KiB"),
        (11077, "10.82KiB"),
        (5 << 30, "5GiB"),
    ],
)
def test_sizes_have_four_digits_as_pachctl_prints_them(count, said):
    assert words.size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "Less than a second"),
        (1.9, "1 second"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (150, "2 minutes"),
        (3600, "About an hour"),
        (5 * 3600, "5 hours"),
        (50 * 3600, "2 days"),
        (30 * 86400, "4 weeks"),
    ],
)
def test_spans_of_time_are_worded_as_pachctl_words_them(seconds, said):
    assert words.span(seconds) == said
    then = datetime.now(timezone.utc) - timedelta(seconds=seconds + 0.001)
    assert words.age(then).endswith(" ago")


def test_tables_are_padded_on_the_left_only():
    assert words.table(("A", "LONG"), [("one", "x"), ("2", "")]) == "A    LONG\none  x\n2"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("inference", Address("inference", "master")),
        ("inference@master^", Address("inference", "master^")),
        ("inference@master:/test1.csv", Address("inference", "master", "/test1.csv")),
        ("a-b_c@0123:folder/x y.csv", Address("a-b_c", "0123", "/folder/x y.csv")),
        ("inference:", Address("inference", "master", "/")),
    ],
)
def test_addresses_are_those_of_pachctl(given, expected):
    assert parse_address(given) == expected


@pytest.mark.parametrize("given", ["", "@master", "a b@master"])
def test_what_names_no_commit_is_refused(given):
    with pytest.raises(WrongUsage, match="names no commit or file"):
        parse_address(given)


TREE = Node(
    Address("inference", "3" * 32, "/a.csv"),
    85,
    ["/a.csv"],
    True,
    Spec("inference", 2, "s" * 32, 3),
    datum="d",
    hash="00ff",
    related=[
        Node(Address("attributes", "1" * 32, "/a.csv"), 96, ["/a.csv"], True),
        Node(
            Address("train", "2" * 32, "/"),
            4096,
            ["/w", "/x", "/y", "/z"],
            False,
            Spec("train", 1, "t" * 32),
            related=[Node(Address("training", "0" * 32, "/"), 5, ["/iris.csv"], True)],
        ),
    ],
)


def test_a_tree_is_drawn_with_sizes_files_and_makers():
    assert text(TREE) == "\n".join(
        [
            f"inference@{'3' * 32}:/a.csv   85B   by inference v2 (3 workers)",
            f"├─ attributes@{'1' * 32}:/a.csv   96B   put by hand",
            f"└─ train@{'2' * 32}:/   4KiB   4 files   by train v1 (1 worker)   not finished yet",
            f"   └─ training@{'0' * 32}:/   5B   iris.csv   put by hand",
        ]
    )


def test_what_occurs_twice_is_drawn_once():
    shared = TREE.related[1]
    tree = Node(Address("last", "4" * 32), 1, ["/x"], True, related=[shared, shared])
    lines = text(tree).splitlines()
    assert lines[1].startswith("├─ train@") and lines[2].startswith("│  └─ training@")
    assert lines[3] == f"└─ train@{'2' * 32}:/   see above" and len(lines) == 4


def test_the_same_tree_as_data_holds_hash_datum_and_spec():
    data = document(TREE)
    assert (data["hash"], data["datum"], data["spec"]["version"], data["spec"]["workers"]) == ("00ff", "d", 2, 3)
    assert [inner["repo"] for inner in data["related"]] == ["attributes", "train"]
    assert data["related"][1]["related"][0]["spec"] is None
