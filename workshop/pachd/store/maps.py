"""Persistent sorted maps from bytes to bytes, named by the hash of their root.

A map is a tree of nodes cut where the keys say so (a prolly tree): a node ends after a key whose mixed CRC has five
zero bits, about every 32 entries, or when it is full. Where nodes end depends on the keys alone, so the same content is
the same root by whatever history, maps that share content share nodes, an edit rewrites one path from leaf to root, and
a comparison skips what is equal. What follows the first NUL of a key does not count for the cuts (trees keep tags
there).

Nodes are immutable and live in table `node`; an empty map is the root b"".
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from zlib import crc32

import msgpack

from workshop.pachd.store.blobs import digest
from workshop.pachd.store.nodes import Apart, Cache, Node, Nodes

EMPTY = b""
MOST = 128  # entries of a node
_LARGE = 20_000  # bytes; larger nodes (lists of chunks) are not cached
_FEWEST_INNER = 2  # so that every level is at most half as long as the one below

Edits = Mapping[bytes, bytes | None]
Change = tuple[bytes, bytes | None, int]  # key, value or None, entries below (0 on level 0)


class Maps:
    """Reads and writes maps in `nodes`. Safe to use from one thread at a time, as its connection is."""

    def __init__(self, nodes: Nodes, cache: Cache | None = None) -> None:
        self._nodes = nodes
        self._cache = cache if cache is not None else Cache()

    def apart(self) -> Maps:
        """The same maps; what is written to them is kept in memory."""
        return Maps(Apart(self._nodes), self._cache)

    def node(self, name: bytes) -> Node:
        """The node of this name, decoded; not to be changed."""
        node = self._cache.get(name)
        if node is None:
            data = self._nodes[name]
            level, keys, values, counts = msgpack.unpackb(data)
            node = Node(level, keys, values, counts)
            if len(data) <= _LARGE:
                self._cache.put(name, node)
        return node

    # -------------------------------------------------------------- reading

    def count(self, root: bytes | None) -> int:
        """Number of entries."""
        return self.node(root).entries if root else 0

    def get(self, root: bytes | None, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        name = root
        while name:
            level, keys, values, _ = self.node(name)
            index = bisect_left(keys, key)
            if index == len(keys):
                return None
            if not level:
                return values[index] if keys[index] == key else None
            name = values[index]
        return None

    def items(
        self, root: bytes | None, start: bytes = b"", stop: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Entries with start <= key < stop in order (from the end when reversed)."""
        if root:
            yield from (self._backward if reverse else self._forward)(root, start, stop)

    def _forward(self, name: bytes, start: bytes, stop: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        stack = [(name, start)]
        while stack:
            name, start = stack.pop()
            level, keys, values, _ = self.node(name)
            index = bisect_left(keys, start) if start else 0
            if level:
                if stop is not None:  # a child's first key lies after the last of the child before it
                    last = min(bisect_left(keys, stop), len(keys) - 1)
                else:
                    last = len(keys) - 1
                for other in range(last, index, -1):
                    stack.append((values[other], b""))
                if index <= last:
                    stack.append((values[index], start))
            elif stop is None:
                yield from zip(keys[index:], values[index:], strict=True) if index else zip(keys, values, strict=True)
            else:
                end = bisect_left(keys, stop, index)
                yield from zip(keys[index:end], values[index:end], strict=True)

    def _backward(self, name: bytes, start: bytes, stop: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        level, keys, values, _ = self.node(name)
        first = bisect_left(keys, start) if start else 0
        last = len(keys) if stop is None else bisect_left(keys, stop)
        if level:
            for index in range(min(last, len(keys) - 1), first - 1, -1):
                yield from self._backward(values[index], start, stop)
        else:
            for index in range(last - 1, first - 1, -1):
                yield keys[index], values[index]

    def diff(self, old: bytes | None, new: bytes | None) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
        """(key, old value, new value) of all entries that differ, in order; equal subtrees are not looked at."""
        if (old or EMPTY) == (new or EMPTY):
            return
        left, right = _Walk(self, old), _Walk(self, new)
        while True:
            a, b = left.head, right.head
            if a is None and b is None:
                return
            if a is not None and b is not None:
                if a[2] is not None and a[2] == b[2]:  # the same subtree on both sides
                    left.skip()
                    right.skip()
                    continue
                if a[0] or b[0]:
                    # Open the higher of the two, so that equal subtrees of one level meet.
                    if a[0] > b[0]:
                        left.enter()
                    elif b[0] > a[0]:
                        right.enter()
                    elif a[1] < b[1]:
                        left.enter()
                    elif b[1] < a[1]:
                        right.enter()
                    else:
                        left.enter()
                        right.enter()
                    continue
                if a[1] == b[1]:
                    if a[3] != b[3]:
                        yield a[1], a[3], b[3]
                    left.skip()
                    right.skip()
                elif a[1] < b[1]:
                    yield a[1], a[3], None
                    left.skip()
                else:
                    yield b[1], None, b[3]
                    right.skip()
            elif a is not None:
                if a[0]:
                    left.enter()
                else:
                    yield a[1], a[3], None
                    left.skip()
            else:
                assert b is not None
                if b[0]:
                    right.enter()
                else:
                    yield b[1], None, b[3]
                    right.skip()

    def reachable(self, root: bytes | None, seen: set[bytes]) -> Iterator[tuple[bytes, Node]]:
        """All nodes of a map that are not in `seen`, which they are added to. For marking and checking."""
        stack = [root] if root else []
        while stack:
            name = stack.pop()
            if name not in seen:
                seen.add(name)
                node = self.node(name)
                if node.level:
                    stack.extend(node.values)
                yield name, node

    # -------------------------------------------------------------- writing

    def build(self, entries: Iterable[tuple[bytes, bytes]]) -> bytes:
        """A map of entries that come in order, without repeats."""
        keys, values = [], []
        for key, value in entries:
            keys.append(key)
            values.append(value)
        return self._raise(0, self._cut(0, keys, values, [])) if keys else EMPTY

    def update(self, root: bytes | None, edits: Edits) -> bytes:
        """The root of the map with some keys set (or removed: None). Costs O(edits × log n)."""
        if not edits:
            return root or EMPTY
        changes = sorted(edits.items())
        if not root:
            return self.build((key, value) for key, value in changes if value is not None)
        path = self.node(root)
        levels = _Levels(self, root, path.level)
        refs: list[Change] = [(key, value, 0) for key, value in changes]
        for level in range(path.level):
            refs = levels.splice(level, refs)
            if not refs:
                return root
        keys, values, counts = _merge(path, refs)
        if not keys:
            return EMPTY
        return self._raise(path.level, self._cut(path.level, keys, values, counts))

    def _raise(self, level: int, refs: list[tuple[bytes, bytes, int]]) -> bytes:
        """The root above all nodes of a level."""
        while len(refs) > 1:
            level += 1
            refs = self._cut(level, [ref[0] for ref in refs], [ref[1] for ref in refs], [ref[2] for ref in refs])
        name = refs[0][1]
        node = self.node(name)
        while node.level and len(node.values) == 1:  # a root has more than one child
            name = node.values[0]
            node = self.node(name)
        return name

    def _cut(
        self, level: int, keys: list[bytes], values: list[bytes], counts: list[int]
    ) -> list[tuple[bytes, bytes, int]]:
        """Cut entries that begin where a node begins into nodes, and store these: (last key, name, count) of each."""
        refs, begin = [], 0
        for end in _ends(level, keys):
            refs.append(self._store(Node(level, keys[begin:end], values[begin:end], counts[begin:end])))
            begin = end
        return refs

    def _store(self, node: Node) -> tuple[bytes, bytes, int]:
        data = msgpack.packb((node.level, node.keys, node.values, node.counts))
        name = digest(data)
        self._nodes[name] = data
        if len(data) <= _LARGE:
            self._cache.put(name, node)
        return node.keys[-1], name, node.entries


def _is_end(level: int, key: bytes) -> bool:
    """Whether a node of this level ends after this key. Each level looks at other bits."""
    nul = key.find(0)
    mixed = ((crc32(key if nul < 0 else key[:nul]) ^ level * 0x85EBCA6B) * 0x9E3779B1) & 0xFFFFFFFF
    return not (mixed ^ mixed >> 15) >> 7 & 31


def _ends(level: int, keys: list[bytes]) -> Iterator[int]:
    """Where nodes end in a run of keys that begins with a node: indices past their last entries."""
    begin, fewest = 0, _FEWEST_INNER if level else 1
    for index, key in enumerate(keys, 1):
        if (_is_end(level, key) and index - begin >= fewest) or index - begin == MOST:
            yield index
            begin = index
    if begin < len(keys):
        yield len(keys)


def _merge(node: Node, changes: list[Change]) -> tuple[list[bytes], list[bytes], list[int]]:
    """The entries of a node with changes made."""
    keys, values, counts = [], [], []
    position = 0
    for key, value, count in changes:
        index = bisect_left(node.keys, key, position)
        keys += node.keys[position:index]
        values += node.values[position:index]
        counts += node.counts[position:index]
        position = index + (index < len(node.keys) and node.keys[index] == key)
        if value is not None:
            keys.append(key)
            values.append(value)
            if node.level:
                counts.append(count)
    keys += node.keys[position:]
    values += node.values[position:]
    counts += node.counts[position:]
    return keys, values, counts


class _Levels:
    """The nodes of one level of a map as a row, walked from left to right while it is spliced."""

    def __init__(self, maps: Maps, root: bytes, top: int) -> None:
        self._maps, self._root, self._top = maps, root, top

    def splice(self, level: int, changes: list[Change]) -> list[Change]:
        """Make changes to the entries of a level; what changes for it on the level above."""
        maps = self._maps
        above: dict[bytes, tuple[bytes, bytes, int] | None] = {}
        position, total = 0, len(changes)
        while position < total:
            path = self._find(level, changes[position][0])
            keys: list[bytes] = []
            values: list[bytes] = []
            counts: list[int] = []
            while True:
                last, name = path[-1][0].keys[path[-1][1]], path[-1][0].values[path[-1][1]]
                final = not self._has_next(path)
                end = position
                while end < total and (final or changes[end][0] <= last):
                    end += 1
                old = maps.node(name)
                if end > position:
                    merged = _merge(old, changes[position:end])
                    position = end
                else:
                    merged = (old.keys, old.values, old.counts)
                keys += merged[0]
                values += merged[1]
                counts += merged[2]
                above.setdefault(last, None)
                if final or not keys:
                    break
                *_, (begin, stop) = _runs(level, keys)
                if _closed(level, keys, begin, stop):
                    break
                if begin:  # all nodes but the open one are done
                    for ref in maps._cut(level, keys[:begin], values[:begin], counts[:begin]):
                        above[ref[0]] = ref
                    keys, values, counts = keys[begin:], values[begin:], counts[begin:]
                self._next(path)
            if keys:
                for ref in maps._cut(level, keys, values, counts):
                    above[ref[0]] = ref
        return [(key, ref[1], ref[2]) if ref else (key, None, 0) for key, ref in sorted(above.items())]

    def _find(self, level: int, key: bytes) -> list[list]:
        """The way down to the node of this level that holds, or would hold, a key: [node, index] of each above."""
        path, node = [], self._maps.node(self._root)
        while True:
            index = min(bisect_left(node.keys, key), len(node.keys) - 1)
            path.append([node, index])
            if node.level == level + 1:
                return path
            node = self._maps.node(node.values[index])

    def _has_next(self, path: list[list]) -> bool:
        return any(index + 1 < len(node.keys) for node, index in path)

    def _next(self, path: list[list]) -> None:
        depth = len(path)
        while path[-1][1] + 1 == len(path[-1][0].keys):
            path.pop()
        path[-1][1] += 1
        while len(path) < depth:
            node, index = path[-1]
            path.append([self._maps.node(node.values[index]), 0])


def _runs(level: int, keys: list[bytes]) -> Iterator[tuple[int, int]]:
    begin = 0
    for end in _ends(level, keys):
        yield begin, end
        begin = end


def _closed(level: int, keys: list[bytes], begin: int, end: int) -> bool:
    """Whether a run is a node whatever follows it."""
    length = end - begin
    return length == MOST or (_is_end(level, keys[end - 1]) and length >= (_FEWEST_INNER if level else 1))


class _Walk:
    """One side of a comparison.

    `head` is the next subtree (level, last key, name, None) or entry (0, key, None, value).
    """

    def __init__(self, maps: Maps, root: bytes | None) -> None:
        self._maps = maps
        self._stack: list[list] = []
        self.head: tuple[int, bytes, bytes | None, bytes | None] | None = None
        if root:
            node = maps.node(root)
            self.head = (node.level + 1, node.keys[-1], root, None)

    def _show(self) -> None:
        while self._stack and self._stack[-1][1] == len(self._stack[-1][0].keys):
            self._stack.pop()
        if not self._stack:
            self.head = None
            return
        node, index = self._stack[-1]
        if node.level:
            self.head = (node.level, node.keys[index], node.values[index], None)
        else:
            self.head = (0, node.keys[index], None, node.values[index])

    def enter(self) -> None:
        assert self.head is not None and self.head[2] is not None
        if self._stack:
            self._stack[-1][1] += 1
        self._stack.append([self._maps.node(self.head[2]), 0])
        self._show()

    def skip(self) -> None:
        if self._stack:
            self._stack[-1][1] += 1
        self._show()
