"""Persistent maps against the plainest model of them: a dict."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop.pachd import errors
from workshop.pachd.store.blobs import digest
from workshop.pachd.store.maps import EMPTY, MOST, Maps
from workshop.pachd.store.nodes import Rows

KEYS = st.one_of(
    st.binary(min_size=1, max_size=3),
    st.integers(0, 3000).map(lambda n: b"file-%05d\0" % n),
    st.integers(0, 40).map(lambda n: b"name\0tag%d" % n),
)
EDITS = st.dictionaries(KEYS, st.one_of(st.none(), st.binary(max_size=6)), max_size=60)


def many(count: int, step: int = 1) -> dict[bytes, bytes]:
    return {b"f%06d\0" % (n * step): digest(b"%d" % n) for n in range(count)}


def apply(model: dict[bytes, bytes], edits) -> dict[bytes, bytes]:
    model = {**model, **{key: value for key, value in edits.items() if value is not None}}
    return {key: value for key, value in model.items() if edits.get(key, b"") is not None}


@given(st.lists(EDITS, max_size=6), st.integers(0, 2000))
@settings(max_examples=200, deadline=None)
def test_a_map_is_a_dict_and_its_root_depends_on_its_content_alone(history, size):
    maps = Maps({})
    model = many(size)
    root = maps.build(sorted(model.items()))
    for edits in history:
        root = maps.update(root, edits)
        model = apply(model, edits)
        entries = sorted(model.items())
        assert list(maps.items(root)) == entries
        assert root == Maps({}).build(entries)
        assert maps.count(root) == len(model)
    for key in [*list(model)[:20], b"", b"f000100\0", b"zzz"]:
        assert maps.get(root, key) == model.get(key)


@given(st.lists(st.integers(0, 400), max_size=80), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_any_order_of_single_edits_gives_the_same_root(numbers, shuffle):
    entries = {b"%d" % n: b"v%d" % n for n in numbers}
    maps = Maps({})
    order = list(entries)
    shuffle.shuffle(order)
    root = EMPTY
    for key in order:
        root = maps.update(root, {key: entries[key]})
    assert root == maps.build(sorted(entries.items()))
    for key in order:
        root = maps.update(root, {key: None})
    assert root == EMPTY


@given(st.integers(0, 1500), EDITS, st.one_of(st.just(b""), KEYS), st.one_of(st.none(), KEYS))
@settings(max_examples=150, deadline=None)
def test_ranges_and_comparisons_agree_with_sorted_dicts(size, edits, start, stop):
    maps = Maps({})
    old = many(size)
    new = apply(old, edits)
    a, b = maps.build(sorted(old.items())), maps.build(sorted(new.items()))
    wanted = [(key, old.get(key), new.get(key)) for key in sorted(old | new) if old.get(key) != new.get(key)]
    assert list(maps.diff(a, b)) == wanted
    assert list(maps.diff(b, a)) == [(key, right, left) for key, left, right in wanted]
    inside = [(key, new[key]) for key in sorted(new) if key >= start and (stop is None or key < stop)]
    assert list(maps.items(b, start, stop)) == inside
    assert list(maps.items(b, start, stop, reverse=True)) == inside[::-1]


def test_one_edit_touches_a_path_and_a_comparison_reads_a_path():
    class Counting(dict):
        reads = writes = 0

        def __getitem__(self, name):
            self.reads += 1
            return super().__getitem__(name)

        def __setitem__(self, name, data):
            self.writes += 1
            super().__setitem__(name, data)

    for size in (1000, 100_000):
        nodes = Counting()
        root = Maps(nodes).build(sorted(many(size).items()))
        nodes.reads = nodes.writes = 0
        new = Maps(nodes).update(root, {b"f000500\0": b"changed"})
        assert nodes.writes <= 8 and nodes.reads <= 10
        nodes.reads = 0
        assert [key for key, _, _ in Maps(nodes).diff(root, new)] == [b"f000500\0"]
        assert nodes.reads <= 20


def test_nodes_are_of_moderate_size_whatever_the_keys():
    sequences = {
        "sequential": [b"f%06d\0" % n for n in range(20_000)],
        "hashes": sorted(digest(b"%d" % n) for n in range(20_000)),
        "one name, many tags": sorted(b"name\0" + digest(b"%d" % n).hex().encode() for n in range(20_000)),
    }
    for label, keys in sequences.items():
        nodes: dict[bytes, bytes] = {}
        maps = Maps(nodes)
        root = maps.build((key, b"v") for key in keys)
        leaves = [node for _, node in maps.reachable(root, set()) if not node.level]
        assert max(len(node.keys) for node in leaves) <= MOST, label
        assert 15 <= len(keys) / len(leaves) <= MOST, label


def test_keys_that_all_end_nodes_make_a_tree_of_logarithmic_height():
    from workshop.pachd.store.maps import _is_end

    greedy = sorted(key for key in (b"%d" % n for n in range(400_000)) if all(_is_end(level, key) for level in (0, 1)))
    maps = Maps({})
    root = maps.build((key, b"") for key in greedy)
    assert len(greedy) > 50 and maps.node(root).level <= len(greedy).bit_length()
    shorter = maps.update(root, dict.fromkeys(greedy[::2]))
    assert shorter == maps.build((key, b"") for key in greedy[1::2])


def test_a_damaged_or_missing_node_is_refused(tmp_path):
    import sqlite3

    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE node (id INTEGER PRIMARY KEY, hash BLOB UNIQUE, data BLOB)")
    root = Maps(Rows(db)).build(sorted(many(500).items()))
    assert Maps(Rows(db)).count(root) == 500
    victim, data = random.Random(1).choice(db.execute("SELECT hash, data FROM node").fetchall())
    db.execute("UPDATE node SET data = ? WHERE hash = ?", (data[:-1] + bytes([data[-1] ^ 1]), victim))
    with pytest.raises(errors.DataLoss, match="damaged"):
        list(Maps(Rows(db)).items(root))
    db.execute("DELETE FROM node WHERE hash = ?", (victim,))
    with pytest.raises(errors.DataLoss, match="not stored"):
        list(Maps(Rows(db)).items(root))
