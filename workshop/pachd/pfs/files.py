"""Reading files: what lies at a path, below it, where a glob matches, and how two commits differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from workshop.pachd import errors, glob
from workshop.pachd.pfs import paths, scopes
from workshop.pachd.pfs.scopes import Page, Scope
from workshop.pachd.pfs.views import View
from workshop.pachd.store.trees import Entry, Root, Trees, unpack

Bounds = tuple[str, str] | None  # lower <= path < upper; "" is no bound
Pair = tuple[Entry | None, Entry | None]  # new, old

EVERYTHING = Page()


def inspect(view: View, path: str) -> Entry:
    """The file or directory at a literal path."""
    cleaned = paths.clean(path)
    found = list(scopes.sound(view, view.trees.lookup(view.root, cleaned), scopes.literal(cleaned)))
    if not found:
        raise view.missing(path)
    return found[-1]


def children(view: View, path: str, page: Page = EVERYTHING) -> Iterator[Entry]:
    """What a directory holds, or the file itself; nothing when there is neither."""
    page.check()
    cleaned = paths.clean(path)
    scope = page.scope(cleaned)

    def listed(reverse: bool) -> Iterator[Entry]:
        found = view.trees.lookup(view.root, cleaned)
        for entry in reversed(found) if reverse else found:
            if entry.is_directory:
                start = _name_below(entry.path, scope.upper if reverse else scope.lower)
                yield from view.trees.children(entry.value, entry.path, start, reverse)
            else:
                yield entry

    yield from page.cut(_in_turn(view, listed, page, scope))


def _name_below(folder: str, path: str) -> str:
    """What of a path lies in a folder, "" when it lies elsewhere."""
    return path[len(folder) :] if path.startswith(folder) else ""


def _in_turn(view: View, entries: Callable[[bool], Iterator[Entry]], page: Page, scope: Scope) -> Iterator[Entry]:
    """The entries of a page's scope in the page's order. Reversed, all of them are passed over first."""
    if page.reverse and not view.faults():
        return _held(entries(True), scope)
    sound = scopes.sound(view, _held(entries(False), scope), scope)
    return reversed(list(sound)) if page.reverse else sound


def _held(entries: Iterator[Entry], scope: Scope) -> Iterator[Entry]:
    return (entry for entry in entries if scope.holds(entry.path)) if scope.ranged else entries


def walk(view: View, path: str, page: Page = EVERYTHING) -> Iterator[Entry]:
    """A file, or a directory and everything below it. NotFound when a page's marker leaves nothing, but of the root."""
    page.check()
    cleaned = paths.clean(path)
    scope = page.scope(cleaned)

    def walked(reverse: bool) -> Iterator[Entry]:
        found = view.trees.lookup(view.root, cleaned)
        for entry in reversed(found) if reverse else found:
            yield from _whole(view.trees, entry, scope.upper if reverse else scope.lower, reverse)

    entries = _in_turn(view, walked, page, scope)
    first = next(entries, None)
    if first is not None:
        yield from page.cut(chain((first,), entries))
    elif cleaned != "/" or page.reverse:
        raise errors.NotFound(f"commit/{view.name.id} does not contain item: ({cleaned.rstrip('/')})")


def _whole(trees: Trees, entry: Entry, bound: str = "", reverse: bool = False) -> Iterator[Entry]:
    if not reverse:
        yield entry
    if entry.is_directory:
        yield from trees.walk(entry.value, entry.path, bound, reverse)
    if reverse:
        yield entry


# ------------------------------------------------------------------ globs


def globbed(view: View, pattern: str, bounds: Bounds = None) -> Iterator[Entry]:
    """Files and directories that a glob matches, in path order, within lower <= path < upper."""
    compiled = glob.compile(pattern)
    if compiled.escapes_early and bounds is None:
        return iter(())
    scope = scopes.within(compiled.prefix, bounds)
    return scopes.sound(view, _held(_matching(view, compiled), scope), scope)


def _matching(view: View, compiled: glob.Glob) -> Iterator[Entry]:
    if compiled.literal is not None:
        if compiled.matches(compiled.literal):
            yield from view.trees.lookup(view.root, compiled.literal)
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


def one_file(view: View, pattern: str, bounds: Bounds = None) -> Entry:
    """The one regular file that a glob matches."""
    one: Entry | None = None
    for entry in globbed(view, pattern, bounds):
        if entry.is_directory:
            raise errors.PachydermError("cannot get directory or non-regular file. Use GetFileTAR instead")
        if one is not None:
            raise errors.PachydermError("matched multiple files. Use GetFileTAR instead")
        one = entry
    if one is None:
        raise view.missing(pattern)
    return one


def archived(view: View, pattern: str, bounds: Bounds = None) -> Iterator[Entry]:
    """What GetFileTAR holds: all that a glob matches and everything below it, each once."""
    compiled = glob.compile(pattern)
    if compiled.escapes_early and bounds is None:
        raise view.missing(pattern)
    scope = scopes.within(compiled.prefix, bounds)

    def found() -> Iterator[Entry]:
        last = ""
        for entry in _matching(view, compiled):
            if not scope.holds(entry.path) or (last and entry.path.startswith(last)):
                continue  # the latter came with the directory above
            if entry.is_directory:
                last = entry.path
            yield from _held(_whole(view.trees, entry), scope)

    entries = scopes.sound(view, found(), scope)
    first = next(entries, None)
    if first is None:
        raise view.missing(pattern)
    return chain((first,), entries)


# ------------------------------------------------------------------ differences


def diff(new: View, new_path: str, old: View | None, old_path: str) -> Iterator[Pair]:
    """Files and directories whose hashes differ, by path."""
    new_path, old_path = paths.clean(new_path), paths.clean(old_path)
    for view, path in ((new, new_path), (old, old_path)):
        if view is not None:
            list(scopes.sound(view, (), scopes.literal(path)))
    if old is not None and new_path == old_path and new.stored and old.stored:
        yield from _paired(new.trees, _changed(new.trees, new.root, old.root, new_path))
    else:
        yield from _merged(new, _below(new, new_path), old or new, _below(old, old_path) if old else iter(()))


def _below(view: View, path: str) -> Iterator[Entry]:
    for entry in view.trees.lookup(view.root, path):
        yield from _whole(view.trees, entry)


def _merged(new: View, after: Iterator[Entry], old: View, before: Iterator[Entry]) -> Iterator[Pair]:
    """Entries of two readers put together by path, without those of equal hashes."""
    one, two = next(after, None), next(before, None)
    while one is not None or two is not None:
        if two is None or (one is not None and _bytes(one) < _bytes(two)):
            yield one, None
            one = next(after, None)
        elif one is None or _bytes(two) < _bytes(one):
            yield None, two
            two = next(before, None)
        else:
            if new.trees.hash(one) != old.trees.hash(two):
                yield one, two
            one, two = next(after, None), next(before, None)


def _bytes(entry: Entry) -> bytes:
    return entry.path.encode("utf-8", "surrogateescape")


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


def _path(pair: Pair) -> str:
    entry = pair[0] or pair[1]
    assert entry is not None
    return entry.path


def _if_different(trees: Trees, pair: Pair) -> Iterator[Pair]:
    new, old = pair
    if new is None or old is None or trees.hash(new) != trees.hash(old):
        yield pair


def is_empty(root: Root) -> bool:
    return not unpack(root).files
