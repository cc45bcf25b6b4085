"""Reading files: what lies at a path, below it, where a glob matches, and how two commits differ."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from workshop.pachd import errors, glob
from workshop.pachd.pfs import paths
from workshop.pachd.pfs.views import View
from workshop.pachd.store.collisions import Collision
from workshop.pachd.store.trees import Entry, Root, Trees, unpack

MOST_PAGED = 100_000

Pair = tuple[Entry | None, Entry | None]  # new, old


def _tag(datum: str) -> str | None:
    return paths.tag(datum) if datum else None


def inspect(view: View, path: str, datum: str = "") -> Entry:
    """The file or directory at a literal path."""
    cleaned = paths.clean(path)
    view.check(cleaned)
    found = view.trees.lookup(view.root, cleaned, _tag(datum))
    if not found:
        raise view.missing(path)
    return found[0]


def children(
    view: View, path: str, datum: str = "", marker: str = "", number: int = 0, reverse: bool = False
) -> Iterator[Entry]:
    """What a directory holds, or the file itself; nothing when there is neither. Where something collides, what comes
    before it.
    """
    check_page(number, reverse)
    cleaned = paths.clean(path)
    if reverse:
        view.check(cleaned)
    found = view.trees.lookup(view.root, cleaned, _tag(datum))
    if not found:
        return
    entry = found[0]
    if entry.is_directory:
        start = marker[len(entry.path) :] if marker.startswith(entry.path) else ""
        entries: Iterable[Entry] = view.trees.children(entry.value, entry.path, start, reverse)
    else:
        entries = [entry]
    sound = _before(entries, next((fault for fault in view.faults() if fault.lies_below(cleaned)), None))
    yield from page(_of_tag(sound, _tag(datum)), marker, number, reverse)


def _before(entries: Iterable[Entry], fault: Collision | None) -> Iterator[Entry]:
    """Entries in path order until the first that a collision spoils, which is raised."""
    if fault is None:
        yield from entries
        return
    for entry in entries:
        if entry.path > fault.path or (entry.is_directory and fault.path.startswith(entry.path)):
            break
        yield entry
        if entry.path == fault.path:
            break
    raise errors.PachydermError(str(fault))


def walk(
    view: View, path: str, datum: str = "", marker: str = "", number: int = 0, reverse: bool = False
) -> Iterator[Entry]:
    """A file, or a directory and everything below it."""
    check_page(number, reverse)
    cleaned = paths.clean(path)
    view.check(cleaned)
    found = view.trees.lookup(view.root, cleaned, _tag(datum))
    if not found:
        if cleaned == "/":
            return
        raise errors.NotFound(f"commit/{view.name.id} does not contain item: ({cleaned})")
    yield from page(_of_tag(_whole(view.trees, found[0], marker, reverse), _tag(datum)), marker, number, reverse)


def _whole(trees: Trees, entry: Entry, marker: str = "", reverse: bool = False) -> Iterator[Entry]:
    if not reverse:
        yield entry
    if entry.is_directory:
        yield from trees.walk(entry.value, entry.path, marker, reverse)
    if reverse:
        yield entry


def _of_tag(entries: Iterable[Entry], tag: str | None) -> Iterable[Entry]:
    return entries if tag is None else (entry for entry in entries if entry.is_directory or entry.tag == tag)


def check_page(number: int, reverse: bool) -> None:
    if number > MOST_PAGED:
        raise errors.PachydermError(f"cannot return more than {MOST_PAGED} files at a time")
    if reverse and number <= 0:
        raise errors.PachydermError("number must be > 0 when reverse is true")


def page(entries: Iterable[Entry], marker: str, number: int, reverse: bool) -> Iterator[Entry]:
    """At most `number` entries (0 = all) that come after the marker, which is compared as it is given."""
    for entry in entries:
        if marker and not (entry.path < marker if reverse else entry.path > marker):
            continue
        yield entry
        number -= 1
        if not number:
            return


# ------------------------------------------------------------------ globs


def matching(view: View, pattern: str, datum: str = "", lower: str = "", upper: str = "") -> Iterator[Entry]:
    """Files and directories that a glob matches, in path order, within lower <= path < upper."""
    compiled = glob.compile(pattern)
    if compiled.escapes_early and not (lower or upper):
        return
    for entry in _of_tag(_matching(view, compiled, _tag(datum)), _tag(datum)):
        if entry.path >= lower and (not upper or entry.path < upper):
            yield entry


def globbed(view: View, pattern: str, lower: str = "", upper: str = "") -> Iterator[Entry]:
    """What GlobFile answers: refused when anything collides where the glob looks."""
    view.check(glob.compile(pattern).folder.rstrip("/") or "/")
    return matching(view, pattern, "", lower, upper)


def _matching(view: View, compiled: glob.Glob, tag: str | None) -> Iterator[Entry]:
    if compiled.literal is not None:
        if compiled.matches(compiled.literal):
            yield from view.trees.lookup(view.root, compiled.literal, tag)
        return
    above = view.trees.directory(view.root, compiled.folder)
    if above:
        yield from _search(view.trees, above, compiled.folder, compiled, compiled.prefix)


def _search(trees: Trees, value: bytes, folder: str, compiled: glob.Glob, prefix: str = "") -> Iterator[Entry]:
    start = prefix[len(folder) :]
    deeper = compiled.depth is None or folder.count("/") < compiled.depth
    for entry in trees.children(value, folder, start):
        if start and not entry.path.startswith(prefix):
            return
        if compiled.matches(entry.path):
            yield entry
        if deeper and entry.is_directory:
            yield from _search(trees, entry.value, entry.path, compiled)


def one_file(view: View, pattern: str, datum: str = "") -> Entry:
    """The one regular file that a glob matches."""
    found: list[Entry] = []
    for entry in matching(view, pattern, datum):
        found.append(entry)
        if len(found) > 2:
            break
    if not found:
        raise view.missing(pattern)
    for entry in found:
        clashing = [
            f
            for f in view.faults()
            if (f.tags is not None and f.path == entry.path)
            or (f.tags is None and not entry.is_directory and f.path.startswith(entry.path + "/"))
        ]
        if clashing and not datum:
            raise errors.PachydermError(str(clashing[0]))
    if len(found) > 1:
        raise errors.PachydermError("matched multiple files. Use GetFileTAR instead")
    if found[0].is_directory:
        raise errors.PachydermError("cannot get directory or non-regular file. Use GetFileTAR instead")
    return found[0]


def archived(view: View, pattern: str, datum: str = "", lower: str = "", upper: str = "") -> Iterator[Entry]:
    """What GetFileTAR holds: all that a glob matches and everything below it, each once."""
    found = False
    last = ""
    for entry in matching(view, pattern, datum, lower, upper):
        found = True
        if last and entry.path.startswith(last):
            continue  # it came with the directory above
        view.check(entry.path.rstrip("/") or "/")
        if entry.is_directory:
            last = entry.path
        for below in _of_tag(_whole(view.trees, entry), _tag(datum)):
            if below.path >= lower and (not upper or below.path < upper):
                yield below
    if not found:
        raise view.missing(pattern)


# ------------------------------------------------------------------ differences


def diff(new: View, new_path: str, old: View | None, old_path: str) -> Iterator[Pair]:
    """Files and directories whose hashes differ, by path. Two different paths have nothing in common."""
    new_path, old_path = paths.clean(new_path), paths.clean(old_path)
    new.check(new_path)
    if old is None:
        yield from ((entry, None) for entry in _below(new.trees, new.root, new_path))
        return
    old.check(old_path)
    if new_path != old_path:
        added: Iterator[Pair] = ((entry, None) for entry in _below(new.trees, new.root, new_path))
        removed: Iterator[Pair] = ((None, entry) for entry in _below(old.trees, old.root, old_path))
        yield from heapq.merge(added, removed, key=_path)
        return
    yield from _paired(new.trees, _changed(new.trees, new.root, old.root, new_path))


def _path(pair: Pair) -> bytes:
    entry = pair[0] or pair[1]
    assert entry is not None
    return entry.path.encode("utf-8", "surrogateescape")


def _below(trees: Trees, root: Root, path: str) -> Iterator[Entry]:
    for entry in trees.lookup(root, path):
        yield from _whole(trees, entry)


def _changed(trees: Trees, new: Root, old: Root, path: str) -> Iterator[Pair]:
    after, before = ({entry.path: entry for entry in trees.lookup(root, path)} for root in (new, old))
    for name in sorted(after.keys() | before.keys()):
        one, two = after.get(name), before.get(name)
        yield one, two
        if name.endswith("/"):
            inner = trees.diff(two.value if two else b"", one.value if one else b"", name)
            yield from ((b, a) for a, b in inner)


def _paired(trees: Trees, pairs: Iterator[Pair]) -> Iterator[Pair]:
    """Pairs of one path put together (a file may have changed its tag), without those of equal hashes."""
    waiting: Pair | None = None
    for pair in pairs:
        if waiting is not None and _path(waiting) == _path(pair) and (waiting[0] is None) != (pair[0] is None):
            pair = (waiting[0] or pair[0], waiting[1] or pair[1])
            waiting = None
        if waiting is not None:
            yield from _if_different(trees, waiting)
        waiting = pair
    if waiting is not None:
        yield from _if_different(trees, waiting)


def _if_different(trees: Trees, pair: Pair) -> Iterator[Pair]:
    new, old = pair
    if new is None or old is None or trees.hash(new) != trees.hash(old):
        yield pair


def is_empty(root: Root) -> bool:
    return not unpack(root).files
