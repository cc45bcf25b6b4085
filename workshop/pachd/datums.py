"""Datums: how the input of a pipeline falls into pieces, what each piece is called, and when it counts as changed.

Pure: what files a glob finds is asked of the caller. Facts of Pachyderm kept here:
a datum's id hashes, for each of its files in order, input name, repo, branch and path (no project, commit, content);
its hash covers the id, the content of its files (not those of reference inputs) and the pipeline's salt.
Everything is enumerated lazily: a cross of 1,000 x 1,000 holds 2,000 files, never a million datums.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any

HASH_SIZE = 32


@dataclass(frozen=True, slots=True)
class Source:
    """A leaf of an input: files of one branch that match one glob. A cron input is the glob `/*` of its tick repo.

    The branch is one of the user repo of that name, whatever type the input gives.
    """

    name: str
    project: str
    repo: str
    branch: str
    glob: str = "/"
    join_on: str = ""
    outer_join: bool = False
    group_by: str = ""
    lazy: bool = False
    empty_files: bool = False
    s3: bool = False
    reference: bool = False
    cron: bool = False
    position: int = 0  # its place among the input's leaves
    prefix: bytes = field(default=b"", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", b"".join(map(_measured, (self.name, self.repo, self.branch))))


@dataclass(slots=True)
class File:
    """One file or directory of a datum; `path` ends in `/` for a directory.

    `hash` names its content; `entry` is the caller's own.
    """

    source: Source
    path: str
    hash: bytes
    size: int = 0
    join_key: str = ""
    group_key: str = ""
    entry: Any = field(default=None, compare=False)

    @property
    def identity(self) -> bytes:
        return self.source.prefix + _measured(self.path)


Datum = tuple[File, ...]
Files = Callable[[Source], Iterable[File]]


@dataclass(frozen=True, slots=True)
class Cross:
    arms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Union:
    arms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Join:
    arms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Group:
    arms: tuple[Node, ...]


Node = Source | Cross | Union | Join | Group
_KINDS: dict[str, Any] = {"cross": Cross, "union": Union, "join": Join, "group": Group}


def _measured(text: str) -> bytes:
    data = text.encode()
    return data + len(data).to_bytes(8, "big")


# ------------------------------------------------------------------ reading an input document


def parse(document: dict[str, Any]) -> Node | None:
    """The tree of an input document (JSON form of pps_v2.Input, camelCase, defaults filled in); None when it is empty.

    Order is kept as stored: it decides the ids.
    """
    counter = iter(range(1 << 30))
    return _parse(document, counter)


def _parse(document: dict[str, Any], counter: Iterator[int]) -> Node | None:
    if not document:
        return None
    if pfs := document.get("pfs"):
        return Source(
            name=pfs.get("name", ""),
            project=pfs.get("project", ""),
            repo=pfs.get("repo", ""),
            branch=pfs.get("branch", ""),
            glob=pfs.get("glob", ""),
            join_on=pfs.get("joinOn", ""),
            outer_join=bool(pfs.get("outerJoin")),
            group_by=pfs.get("groupBy", ""),
            lazy=bool(pfs.get("lazy")),
            empty_files=bool(pfs.get("emptyFiles")),
            s3=bool(pfs.get("s3")),
            reference=bool(pfs.get("reference")),
            position=next(counter),
        )
    if cron := document.get("cron"):
        name, project, repo = cron.get("name", ""), cron.get("project", ""), cron.get("repo", "")
        return Source(name, project, repo, "master", "/*", cron=True, position=next(counter))
    for key, kind in _KINDS.items():
        if key in document:
            arms = (_parse(arm, counter) for arm in document[key])
            return kind(tuple(arm for arm in arms if arm is not None))
    return None


def leaves(node: Node | None) -> list[Source]:
    """The leaves of an input in stored order."""
    if node is None:
        return []
    if isinstance(node, Source):
        return [node]
    return [leaf for arm in node.arms for leaf in leaves(arm)]


# ------------------------------------------------------------------ names


def datum_id(datum: Datum) -> bytes:
    """32 bytes that name a datum; the same for the same paths in every commit."""
    return blake2b(b"".join([file.identity for file in datum]), digest_size=HASH_SIZE).digest()


def datum_hash(identity: bytes, datum: Datum, salt: str) -> bytes:
    """32 bytes that change when the content of a datum (reference inputs aside) or the pipeline's salt does."""
    content = b"".join([file.hash for file in datum if not file.source.reference])
    return blake2b(identity.hex().encode() + content + salt.encode(), digest_size=HASH_SIZE).digest()


# ------------------------------------------------------------------ enumeration


def remembered(files: Files) -> Files:
    """`files`, asked once for each leaf."""
    known: dict[Source, list[File]] = {}

    def lookup(source: Source) -> list[File]:
        found = known.get(source)
        if found is None:
            found = known[source] = list(files(source))
        return found

    return lookup


def enumerate_datums(node: Node | None, files: Files) -> Iterator[Datum]:
    """Every datum in the order in which the input produces them; a datum may come twice (see `unique`)."""
    return _walk(node, remembered(files))


def _walk(node: Node | None, files: Files) -> Iterator[Datum]:
    if node is None:
        return
    if isinstance(node, Source):
        for file in files(node):
            yield (file,)
    elif isinstance(node, Union):
        for arm in node.arms:
            yield from _walk(arm, files)
    elif isinstance(node, Cross):
        if node.arms:
            yield from _product([partial(_walk, arm, files) for arm in node.arms])
    elif isinstance(node, Join):
        yield from _joined(node, files)
    else:
        yield from _grouped(node, files)


def _product(arms: list[Callable[[], Iterable[Datum]]]) -> Iterator[Datum]:
    """The product of re-iterable arms, the last turning fastest; holds one datum of each arm at a time."""
    if len(arms) == 1:
        yield from arms[0]()
        return
    for left in arms[0]():
        for right in _product(arms[1:]):
            yield left + right


def _singles(files: list[File]) -> list[Datum]:
    return [(file,) for file in files]


def _by_key(arm: Node, files: Files, key: Callable[[File], str]) -> dict[str, list[File]]:
    """The files of an arm by key, in the order of their datums' ids. Each file of a nested datum counts for itself."""
    found: dict[str, list[File]] = {}
    datums = dict(_first((datum_id(datum), datum) for datum in _walk(arm, files)))
    for identity in sorted(datums):
        for file in datums[identity]:
            found.setdefault(key(file), []).append(file)
    return found


def _joined(node: Join, files: Files) -> Iterator[Datum]:
    arms = [_by_key(arm, files, lambda file: file.join_key) for arm in node.arms]
    for key in dict.fromkeys(key for arm in arms for key in arm):
        present = [arm[key] for arm in arms if key in arm]
        for datum in _product([partial(_singles, side) for side in present]):
            if len(present) == len(arms):
                yield datum
            # an arm has no partner: what is left are the files whose own input asked for an outer join
            elif outer := tuple(file for file in datum if file.source.outer_join):
                yield outer


def _grouped(node: Group, files: Files) -> Iterator[Datum]:
    arms = [_by_key(arm, files, lambda file: file.group_key) for arm in node.arms]
    for key in dict.fromkeys(key for arm in arms for key in arm):
        yield tuple(file for arm in arms for file in arm.get(key, ()))


def may_repeat(node: Node | None) -> bool:
    """Whether one id can come from two places of the input (a union of a repo with itself, a join of crosses)."""
    if node is None or isinstance(node, Source):
        return False
    if isinstance(node, Cross):
        return any(map(may_repeat, node.arms))
    if isinstance(node, Union):
        return not _apart(node)
    return True


def _apart(node: Union) -> bool:
    """Whether the arms of a union are plain leaves that cannot produce the same id."""
    plain = [arm for arm in node.arms if isinstance(arm, Source)]
    return len(plain) == len(node.arms) and len({leaf.prefix for leaf in plain}) == len(plain)


def unique(node: Node | None, files: Files) -> Iterator[tuple[bytes, Datum]]:
    """(id, datum) of every datum, each id once, in the order of the input."""
    seen: set[bytes] | None = set() if may_repeat(node) else None
    for datum in enumerate_datums(node, files):
        identity = datum_id(datum)
        if seen is not None:
            if identity in seen:
                continue
            seen.add(identity)
        yield identity, datum


# ------------------------------------------------------------------ listing by id


def by_id(
    node: Node | None, files: Files, after: bytes = b"", number: int = 0, reverse: bool = False, window: int = 65536
) -> Iterator[tuple[bytes, Datum]]:
    """(id, datum) in the order of ids, from the one after `after` (before it with `reverse`); `number` 0 means all.

    Memory stays bounded by `window` datums: larger inputs are enumerated again for each range of ids.
    """
    files = remembered(files)

    def wanted() -> Iterator[tuple[bytes, Datum]]:
        for datum in _walk(node, files):
            identity = datum_id(datum)
            if not after or (identity < after if reverse else identity > after):
                yield identity, datum

    if 0 < number <= window:
        pick = heapq.nlargest if reverse else heapq.nsmallest
        yield from pick(number, dict(_first(wanted())).items() if may_repeat(node) else wanted(), key=_identity)
        return
    total = sum(1 for _ in _walk(node, files))
    parts = max(1, -(-total // window))
    sent = 0
    for part in reversed(range(parts)) if reverse else range(parts):
        found: dict[bytes, Datum] = {}
        for identity, datum in wanted():
            if int.from_bytes(identity[:4], "big") * parts >> 32 == part:
                found.setdefault(identity, datum)
        for identity in sorted(found, reverse=reverse):
            yield identity, found[identity]
            sent += 1
            if sent == number:
                return


def _first(pairs: Iterable[tuple[bytes, Datum]]) -> Iterator[tuple[bytes, Datum]]:
    seen = set()
    for identity, datum in pairs:
        if identity not in seen:
            seen.add(identity)
            yield identity, datum


def _identity(pair: tuple[bytes, Datum]) -> bytes:
    return pair[0]


# ------------------------------------------------------------------ what changed between two commits


@dataclass(frozen=True, slots=True)
class Change:
    """How the files of one leaf differ between two commits; `old` and `new` list all, asked only when needed."""

    removed: list[File]
    added: list[File]  # a changed file is in both lists
    old: Callable[[], Iterable[File]]
    new: Callable[[], Iterable[File]]


def changed(node: Node | None, change: Callable[[Source], Change]) -> tuple[list[Datum], list[Datum]] | None:
    """(datums gone or changed, datums new or changed) between two commits; the cost grows with the change.

    None when the kind of input does not allow it (joins, groups, unions that may repeat): enumerate both sides then.
    """
    if node is None:
        return [], []
    if isinstance(node, Source):
        of = change(node)
        return _singles(of.removed), _singles(of.added)
    if isinstance(node, Union) and _apart(node):
        parts = [changed(arm, change) for arm in node.arms]
        return [d for p in parts if p for d in p[0]], [d for p in parts if p for d in p[1]]
    if isinstance(node, Cross) and all(isinstance(arm, Source) for arm in node.arms):
        sides = [change(arm) for arm in node.arms if isinstance(arm, Source)]
        gone = _touched([(side.removed, side.old) for side in sides])
        come = _touched([(side.added, side.new) for side in sides])
        return gone, come
    return None


def _touched(sides: list[tuple[list[File], Callable[[], Iterable[File]]]]) -> list[Datum]:
    """The members of a product with a touched part: each is found at its first touched part, those before are not."""
    found: list[Datum] = []
    for position, (touched, _) in enumerate(sides):
        if not touched:
            continue
        arms: list[Callable[[], Iterable[Datum]]] = []
        for place, (other, everything) in enumerate(sides):
            if place == position:
                arms.append(partial(_singles, touched))
                continue
            files = list(everything())
            if place < position:
                paths = {file.path for file in other}
                files = [file for file in files if file.path not in paths]
            arms.append(partial(_singles, files))
        found += _product(arms)
    return found
