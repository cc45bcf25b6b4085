"""What a reader passes over: which files, in which pages, and what happens when two of them collide.

Pachyderm reads files in order of path: those that begin with a call's path (or with what stands before a glob's first
wildcard), or, when the call gives a range or a marker, all in that range. A collision of two of these ends the call,
whether it asked for them or not: a directory's info needs all below it, and a reader sees what lies before the next
entry that it answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workshop.pachd import errors
from workshop.pachd.pfs import paths
from workshop.pachd.pfs.views import View
from workshop.pachd.store.collisions import Collision
from workshop.pachd.store.trees import Entry

MOST_PAGED = 100_000


@dataclass(frozen=True)
class Scope:
    """Files that begin with `prefix`, or, when `ranged`, those with lower <= path < upper (no upper: no bound)."""

    prefix: str = ""
    ranged: bool = False
    lower: str = ""
    upper: str = ""

    def holds(self, path: str) -> bool:
        """Whether a file or directory lies in the range, if there is one."""
        return not self.ranged or (path >= self.lower and self._before_end(path))

    def meets(self, fault: Collision) -> bool:
        """Whether both files of a collision may be passed over."""
        return fault.file >= self.lower if self.ranged else fault.file.startswith(self.prefix)

    def ends_after(self, fault: Collision) -> bool:
        """Whether a reader of all meets the collision, even when nothing that it answers lies there."""
        return self._before_end(fault.file)

    def _before_end(self, path: str) -> bool:
        return not self.upper or path < self.upper


def literal(path: str) -> Scope:
    """The scope of a cleaned path. The root is the beginning of all."""
    return Scope("" if path == "/" else path)


def within(prefix: str, bounds: tuple[str, str] | None) -> Scope:
    """A prefix's scope, or that of a range, when there is one."""
    return Scope(prefix) if bounds is None else Scope("", True, *bounds)


def sound(view: View, entries: Iterable[Entry], scope: Scope) -> Iterator[Entry]:
    """Entries of a scope in path order, up to the first collision, which is raised."""
    fault = next(filter(scope.meets, view.faults()), None)
    if fault is None:
        yield from entries
        return
    met = fault.tags is None  # of two files of one path, the first is answered
    for entry in entries:
        if entry.path > fault.path or (entry.is_directory and fault.path.startswith(entry.path)):
            break
        if entry.path == fault.path:
            if met:
                break
            met = True
        yield entry
    else:
        if not scope.ends_after(fault):
            return
    raise errors.PachydermError(str(fault))


# ------------------------------------------------------------------ pages


@dataclass(frozen=True)
class Page:
    """At most `number` entries (0 = all) from a marker on, or, reversed, before it; the marked one itself left out.

    The marker is compared as it is given. None is no marker: "" marks the root.
    """

    number: int = 0
    marker: str | None = None
    reverse: bool = False

    def check(self) -> None:
        if self.reverse and self.number <= 0:
            raise errors.PachydermError("number must be > 0 when reverse is true")
        if self.number > MOST_PAGED:
            raise errors.PachydermError(f"cannot return more than {MOST_PAGED} files at a time")

    def scope(self, path: str) -> Scope:
        """What a reader of a cleaned path passes over for this page."""
        if self.marker is None:
            return literal(path)
        return Scope("", True, "", self.marker) if self.reverse else Scope("", True, self.marker)

    def cut(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """The page of entries that lie in its scope, in its order."""
        marked = None if self.marker is None else paths.clean(self.marker)
        left = self.number
        for entry in entries:
            if marked is not None and paths.clean(entry.path) == marked:
                continue
            yield entry
            left -= 1
            if not left:
                if not entry.is_directory:
                    next(entries, None)  # a collision right behind a page's last file spoils the page
                return
