"""Two things at one path: files of several datum tags, or a file where a directory is. A finished commit has none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from workshop.pachd.store.maps import Maps
from workshop.pachd.store.trees import Root, name_of, unpack

_CLEAN: set[bytes] = set()  # map roots of directories found without collisions
_MOST_CLEAN = 100_000


class Collision(NamedTuple):
    """A path that two files (of these tags) have, or (tags is None) that lies below a file, `file`."""

    path: str
    tags: tuple[str, str] | None
    file: str

    def __str__(self) -> str:
        if self.tags is None:
            return f"file / directory path collision ({self.path})"
        one, two = self.tags
        return f"duplicate path output by different datums ({self.path} from {one} and {self.path} from {two})"


def find(maps: Maps, base: Root, root: Root, path: str = "/") -> Iterator[Collision]:
    """What collides in `root`, looking only at what is not in `base`, which has no collisions. In no fixed order."""
    path = path.rstrip("/") + "/"
    old, (new, _, _, tagged) = unpack(base).map, unpack(root)
    if old == new or new in _CLEAN:
        return
    clean = True
    for collision in _changed(maps, old, new, bool(tagged), path):
        clean = False
        yield collision
    if clean:
        if len(_CLEAN) >= _MOST_CLEAN:
            _CLEAN.clear()
        _CLEAN.add(new)


def _changed(maps: Maps, old: bytes, new: bytes, tagged: bool, path: str) -> Iterator[Collision]:
    previous: bytes | None = None
    for key, before, after in maps.diff(old, new):
        if after is None:
            continue
        name = key[: key.index(0)]
        if name.endswith(b"/"):
            plain = name[:-1]
            if next(maps.items(new, plain + b"\0", plain + b"\1"), None) is not None:
                yield Collision(path + _first_below(maps, after, plain), None, path + _text(plain))
            yield from find(maps, before, after, path + _text(name))
            continue
        again, previous = name == previous, name
        if tagged and again is not bool(old):  # without an old map every key comes by: two of a name are neighbours
            tags = [name_of(other)[1] or "default" for other, _ in maps.items(new, name + b"\0", name + b"\1")]
            if len(tags) > 1:
                one, two, *_ = sorted(tags)
                yield Collision(path + _text(name), (one, two), path + _text(name))
        if old and not again:
            below = maps.get(new, name + b"/\0")
            if below is not None and maps.get(old, name + b"/\0") == below:  # else its own turn comes
                yield Collision(path + _first_below(maps, below, name), None, path + _text(name))


def _first_below(maps: Maps, value: bytes, name: bytes) -> str:
    """The path of a directory's first file."""
    while True:
        key, value = next(maps.items(unpack(value).map))
        name += b"/" + key[: key.index(0)]
        if not name.endswith(b"/"):
            return _text(name)
        name = name[:-1]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
