"""Graphs of branches and commits: orders, what is connected, and what may not be. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def sort(nodes: Iterable[Node], upstream: Mapping[Node, Iterable[Node]]) -> list[Node]:
    """The nodes, each after its upstream nodes, and otherwise in the order given. What lies outside is ignored.

    >>> sort("cab", {"c": "b", "b": "a"})
    ['a', 'b', 'c']
    """
    given = list(nodes)
    known, placed, order = set(given), set(), []
    for root in given:
        stack: list[tuple[Node, bool]] = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if ready:
                order.append(node)
            elif node in known and node not in placed:
                placed.add(node)
                stack.append((node, True))
                stack += [(up, False) for up in reversed(list(upstream.get(node, ())))]
    return order


def reachable(start: Node, neighbours: Callable[[Node], Iterable[Node]]) -> list[Node]:
    """The nodes reachable from `start`, nearest first, without the start itself unless a cycle leads back to it."""
    order: list[Node] = []
    seen: set[Node] = set()
    edge = [start]
    while edge:
        found = [node for near in edge for node in neighbours(near)]
        edge = []
        for node in found:
            if node not in seen:
                seen.add(node)
                order.append(node)
                edge.append(node)
    return order


def repeated(groups: Iterable[tuple[Node, Hashable]]) -> Node | None:
    """The first node whose group an earlier node has too: two branches of one repo in a DAG, say."""
    seen: set[Hashable] = set()
    for node, group in groups:
        if group in seen:
            return node
        seen.add(group)
    return None
