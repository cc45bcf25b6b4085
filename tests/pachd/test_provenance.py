"""Graphs, by rule."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workshop.pachd import provenance


@st.composite
def graphs(draw):
    """A DAG as node -> upstream nodes, with its nodes in any order."""
    size = draw(st.integers(0, 12))
    upstream = {node: draw(st.lists(st.sampled_from(range(node)), unique=True)) if node else [] for node in range(size)}
    return draw(st.permutations(range(size))), upstream


@given(graphs())
def test_sorting_puts_each_node_after_its_upstream_once(graph):
    nodes, upstream = graph
    order = provenance.sort(nodes, upstream)
    assert sorted(order) == sorted(nodes)
    for node in nodes:
        assert all(order.index(up) < order.index(node) for up in upstream[node])


def test_sorting_keeps_the_order_given_where_nothing_depends():
    assert provenance.sort([3, 1, 2], {}) == [3, 1, 2]
    assert provenance.sort(["b", "a"], {"b": ["a", "outside"]}) == ["a", "b"]


@given(graphs())
def test_reachable_is_the_transitive_closure_nearest_first(graph):
    _, upstream = graph

    def depth(start, node):
        return 0 if start == node else 1 + min((depth(up, node) for up in upstream[start]), default=99)

    for start in upstream:
        found = provenance.reachable(start, lambda node: upstream[node])
        assert sorted(found) == [node for node in upstream if node != start and depth(start, node) < 99]
        distances = [depth(start, node) for node in found]
        assert distances == sorted(distances)


def test_a_cycle_leads_back_to_the_start():
    assert provenance.reachable(1, {1: [2], 2: [1]}.__getitem__) == [2, 1]


def test_the_first_node_of_a_group_seen_before_is_repeated():
    assert provenance.repeated([("a", 1), ("b", 2), ("c", 1), ("d", 2)]) == "c"
    assert provenance.repeated([("a", 1), ("b", 2)]) is None
