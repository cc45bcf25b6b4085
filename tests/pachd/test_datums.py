"""Datums against tables of a real cluster's ids and against brute force."""

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workshop.pachd.datums import (
    Change,
    Cross,
    File,
    Group,
    Join,
    Source,
    Union,
    by_id,
    changed,
    datum_hash,
    datum_id,
    enumerate_datums,
    leaves,
    may_repeat,
    parse,
    unique,
)


def leaf(repo, name="", **more):
    return Source(name or repo, "default", repo, "master", "/*", **more)


def listing(**repos):
    """A `files` callable over {repo: paths or (path, key) pairs}; the content of a file is its path."""

    def files(source):
        for item in repos[source.repo]:
            path, key = item if isinstance(item, tuple) else (item, "")
            yield File(source, path, path.encode(), 1, key, key)

    return files


def shown(node, files):
    """Datums as the recordings of a real cluster show them: first 12 digits of the id, files; in the order of ids."""
    return [(i.hex()[:12], [f"{f.source.repo}:{f.path}" for f in d]) for i, d in by_id(node, files)]


def keyed(*paths):
    return [(path, path[1:]) for path in paths]


A, B = keyed("/1", "/2", "/3"), keyed("/2", "/3", "/4")


def test_ids_are_those_of_a_real_cluster():
    assert shown(leaf("in"), listing(**{"in": ["/a", "/b"]})) == [
        ("226fabcdca6d", ["in:/b"]),
        ("6420ed0ce644", ["in:/a"]),
    ]
    assert shown(leaf("in"), listing(**{"in": ["/", "/d/", "/d/f/g.csv"]})) == [
        ("6a62bd203a54", ["in:/d/f/g.csv"]),
        ("83dc029e8c82", ["in:/d/"]),
        ("97a6f28e0d33", ["in:/"]),
    ]


@pytest.mark.parametrize(
    "node, expected",
    [
        (
            Join((leaf("a"), leaf("b"))),
            [("01d16acdce55", ["a:/3", "b:/3"]), ("52911af8c2ac", ["a:/2", "b:/2"])],
        ),
        (
            Join((leaf("b"), leaf("a"))),
            [("291a89b55915", ["b:/2", "a:/2"]), ("7d065965620e", ["b:/3", "a:/3"])],
        ),
        (
            Group((Group((leaf("a"),)), leaf("b"))),
            [
                ("01d16acdce55", ["a:/3", "b:/3"]),
                ("52911af8c2ac", ["a:/2", "b:/2"]),
                ("56900c5c4ba1", ["b:/4"]),
                ("9df871c4e7c8", ["a:/1"]),
            ],
        ),
        (
            Group((Cross((leaf("a"), leaf("c"))),)),
            [
                ("00e877a0c630", ["a:/1", "a:/1"]),
                ("51e1f50c7ff3", ["c:/3", "a:/3", "c:/3", "a:/3", "c:/3"]),
                ("675928ae8428", ["a:/2", "c:/2", "c:/2", "a:/2", "c:/2"]),
            ],
        ),
        (
            Join((Cross((leaf("a"), leaf("c"))), leaf("b"))),
            [
                ("01d16acdce55", ["a:/3", "b:/3"]),
                ("52911af8c2ac", ["a:/2", "b:/2"]),
                ("5c8913aa560d", ["c:/3", "b:/3"]),
                ("8a8018835b48", ["c:/2", "b:/2"]),
            ],
        ),
    ],
)
def test_joins_groups_and_nests_are_those_of_a_real_cluster(node, expected):
    assert shown(node, listing(a=A, b=B, c=keyed("/2", "/3"))) == expected


def test_files_of_a_group_come_arm_by_arm_in_the_order_of_ids():
    files = listing(a=["/1", "/2", "/3"], b=["/2", "/3", "/4"])
    assert shown(Group((leaf("a"), leaf("b"))), files) == [
        ("4229f338a985", ["a:/2", "a:/3", "a:/1", "b:/4", "b:/3", "b:/2"])
    ]


def test_an_outer_join_keeps_only_the_files_that_asked_for_it():
    files = listing(a=keyed("/1", "/2"), b=keyed("/2", "/3"))
    both = Join((leaf("a", outer_join=True), leaf("b", outer_join=True)))
    left = Join((leaf("a", outer_join=True), leaf("b")))
    assert sorted(paths for _, paths in shown(both, files)) == [["a:/1"], ["a:/2", "b:/2"], ["b:/3"]]
    assert sorted(paths for _, paths in shown(left, files)) == [["a:/1"], ["a:/2", "b:/2"]]


def test_a_union_of_a_repo_with_itself_gives_each_file_once():
    node = Union((leaf("a"), leaf("a")))
    assert may_repeat(node)
    assert len(list(enumerate_datums(node, listing(a=["/1", "/2"])))) == 4
    assert len(list(unique(node, listing(a=["/1", "/2"])))) == 2
    assert [len(d) for d in enumerate_datums(Group((node,)), listing(a=["/1", "/2"]))] == [2]


def test_the_hash_follows_content_and_salt_but_not_reference_inputs():
    plain, reference = leaf("a"), leaf("r", reference=True)
    base = (File(plain, "/1", b"x"), File(reference, "/m", b"x"))
    identity = datum_id(base)
    same = datum_hash(identity, base, "s")
    assert same == datum_hash(identity, (File(plain, "/1", b"x"), File(reference, "/m", b"other")), "s")
    assert same != datum_hash(identity, (File(plain, "/1", b"y"), File(reference, "/m", b"x")), "s")
    assert same != datum_hash(identity, base, "t")


def test_a_document_is_read_with_its_order_and_its_flags():
    document = {
        "cross": [
            {"pfs": {"name": "m", "project": "p", "repo": "r", "branch": "b", "glob": "/", "lazy": True}},
            {"join": [{"pfs": {"name": "x", "repo": "q", "branch": "b", "joinOn": "$1", "outerJoin": True}}]},
            {"cron": {"name": "tick", "project": "p", "repo": "p_tick", "spec": "@never"}},
        ]
    }
    first, second, third = leaves(parse(document))
    assert (first.name, first.project, first.repo, first.lazy) == ("m", "p", "r", True)
    assert (second.join_on, second.outer_join) == ("$1", True)
    assert (third.repo, third.branch, third.glob, third.cron) == ("p_tick", "master", "/*", True)
    assert [s.position for s in (first, second, third)] == [0, 1, 2]
    assert parse({}) is None


def test_a_cross_of_a_thousand_by_a_thousand_is_listed_in_bounded_memory():
    node = Cross((leaf("a"), leaf("b")))
    files = listing(a=[f"/{n:04}" for n in range(1000)], b=[f"/{n:04}" for n in range(1000)])
    tracemalloc.start()
    first = list(itertools.islice(enumerate_datums(node, files), 5000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(first) == 5000 and [f.path for f in first[1]] == ["/0000", "/0001"]
    assert peak < 4_000_000


@pytest.mark.parametrize("window", [3, 7, 1000])
def test_pages_by_id_are_the_same_for_every_window(window):
    node = Union((leaf("a"), leaf("b"), leaf("a")))
    files = listing(a=[f"/{n}" for n in range(20)], b=[f"/{n}" for n in range(9)])
    every = sorted({datum_id(d) for d in enumerate_datums(node, files)})

    def page(**how):
        return [i for i, _ in by_id(node, files, window=window, **how)]

    assert page() == every
    assert page(number=5) == every[:5]
    assert page(after=every[10]) == every[11:]
    assert page(after=every[10], number=4, reverse=True) == every[6:10][::-1]
    assert page(number=25, reverse=True) == every[::-1][:25]


# ------------------------------------------------------------------ Hypothesis against brute force

REPOS = ("a", "b", "c")
paths = st.lists(st.sampled_from("123456"), unique=True, max_size=4).map(lambda names: [f"/{n}" for n in sorted(names)])
keys = st.sampled_from(("", "x", "y"))
contents = st.fixed_dictionaries({repo: st.dictionaries(st.sampled_from("1234"), keys, max_size=4) for repo in REPOS})
sources = st.builds(leaf, st.sampled_from(REPOS), st.sampled_from(("", "n")), outer_join=st.booleans())
nodes = st.recursive(
    sources,
    lambda inner: st.builds(
        lambda kind, arms: kind(tuple(arms)),
        st.sampled_from((Cross, Union, Join, Group)),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=4,
)


def brute(node, files):
    """All datums of a node as a set, written from the definitions without regard to cost or order of enumeration."""
    if isinstance(node, Source):
        return [(f,) for f in files(node)]
    arms = [brute(arm, files) for arm in node.arms]
    if isinstance(node, Union):
        return [d for arm in arms for d in arm]
    if isinstance(node, Cross):
        return [tuple(f for d in combination for f in d) for combination in itertools.product(*arms)]
    flat = [[f for d in sorted(first_of_each_id(arm), key=datum_id) for f in d] for arm in arms]
    every = {f.join_key for arm in flat for f in arm}
    if isinstance(node, Group):
        return [tuple(f for arm in flat for f in arm if f.group_key == key) for key in every]
    found = []
    for key in every:
        sides = [[f for f in arm if f.join_key == key] for arm in flat]
        whole = all(sides)
        for combination in itertools.product(*[side for side in sides if side]):
            kept = combination if whole else tuple(f for f in combination if f.source.outer_join)
            if kept:
                found.append(kept)
    return found


def first_of_each_id(found):
    return list({datum_id(d): d for d in reversed(found)}.values())


@given(nodes, contents)
def test_enumeration_finds_what_the_definitions_say(node, content):
    files = listing(**{repo: [(f"/{n}", key) for n, key in sorted(content[repo].items())] for repo in REPOS})
    expected = {datum_id(d) for d in brute(node, files)}
    assert {i for i, _ in unique(node, files)} == expected
    assert [i for i, _ in by_id(node, files)] == sorted(expected)


versions = st.dictionaries(st.sampled_from("12345"), st.sampled_from("xyz"), max_size=5)
flat_nodes = st.one_of(
    sources,
    st.lists(sources, min_size=1, max_size=3).map(lambda arms: Cross(tuple(arms))),
    st.lists(sources, min_size=1, max_size=3).map(lambda arms: Union(tuple(arms))),
)


@given(flat_nodes, st.fixed_dictionaries({r: st.tuples(versions, versions) for r in REPOS}))
def test_what_changed_is_the_difference_of_two_enumerations(node, repos):
    def side(which):
        def files(source):
            return [File(source, f"/{n}", c.encode()) for n, c in sorted(repos[source.repo][which].items())]

        return files

    def change(source):
        old, new = ({f.path: f for f in side(which)(source)} for which in (0, 1))
        return Change(
            [f for p, f in old.items() if p not in new or new[p].hash != f.hash],
            [f for p, f in new.items() if p not in old or old[p].hash != f.hash],
            lambda: side(0)(source),
            lambda: side(1)(source),
        )

    def hashes(which):
        return {datum_hash(i, d, "") for i, d in unique(node, side(which))}

    found = changed(node, change)
    if found is None:
        assert may_repeat(node)
        return
    gone, come = ({datum_hash(datum_id(d), d, "") for d in datums} for datums in found)
    assert gone == hashes(0) - hashes(1)
    assert come == hashes(1) - hashes(0)
