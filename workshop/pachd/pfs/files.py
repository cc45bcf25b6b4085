"""Verbs on files: change a commit's content, read it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from workshop.pachd import errors, glob
from workshop.pachd.model import CommitHandle
from workshop.pachd.pfs import Pfs, commits
from workshop.pachd.pfs.rows import Commit
from workshop.pachd.pfs.transaction import Transaction
from workshop.pachd.store import Store
from workshop.pachd.store.blobs import CHUNK, EMPTY, Content, Cutter
from workshop.pachd.store.trees import Delete, Entry, Put, Root, Trees

GLOBBING = set("*?[]{}!()@+^")


def check_path(path: str) -> str:
    """The stored form of a path that is written to; refuses what PFS cannot store."""
    if not path or not all(" " <= character <= "~" for character in path):
        raise errors.PachydermError(f"path ({path}) invalid: only printable ASCII characters allowed")
    for character in path:
        if character in GLOBBING:
            raise errors.PachydermError(f"path ({path}) invalid: globbing character ({character}) not allowed in path")
    parts = path.split("/")
    if "." in parts or ".." in parts:
        raise errors.PachydermError(f"path ({path}) invalid: relative file paths are not allowed")
    return "/" + "/".join(part for part in parts if part)


def clean(path: str) -> str:
    """The path that a reader means: absolute, without empty and dot elements, and without a slash at its end."""
    return glob.clean(path)


# ------------------------------------------------------------------ writing


@dataclass
class Files:
    """Files to set or extend, in one run of edits."""

    cutters: dict[tuple[str, str], tuple[bool, Cutter | None]] = field(default_factory=dict)  # (replace, bytes)


@dataclass
class CopyFrom:
    """A copy, made when the edits are applied."""

    source: CommitHandle
    path: str
    tag: str
    target: str
    append: bool
    target_tag: str


class Modification:
    """What one ModifyFile call does, gathered while its messages come and applied in one transaction."""

    def __init__(self, store: Store, add: Callable[[bytes | bytearray | memoryview], bytes]) -> None:
        self._store, self._add = store, add
        self._steps: list[Files | Delete | CopyFrom] = []
        self.written = 0

    def _files(self) -> dict[tuple[str, str], tuple[bool, Cutter | None]]:
        if not self._steps or not isinstance(self._steps[-1], Files):
            self._steps.append(Files())
        return self._steps[-1].cutters  # type: ignore[union-attr]

    def add(self, path: str, tag: str, data: bytes) -> None:
        """Append bytes to a file, which begins to exist."""
        path = check_path(path)
        files = self._files()
        found = files.get((path, tag))
        if found is None or found[1] is None:
            found = files[path, tag] = (found is not None, Cutter(self._add))
        if data:
            found[1].write(data)  # type: ignore[union-attr]
            self.written += len(data)

    def delete(self, path: str, tag: str) -> None:
        """Remove a file, or with a slash at the end everything below a directory."""
        stored = check_path(path)
        if path.endswith("/"):
            self._steps.append(Delete(stored.rstrip("/") + "/", tag))
        else:
            self._files()[stored, tag] = (True, None)

    def copy(self, copy: CopyFrom) -> None:
        self._steps.append(copy)

    def apply(self, tx: Transaction, trees: Trees, root: Root) -> Root:
        """The root with everything done to it, in order."""
        for step in self._steps:
            if isinstance(step, Files):
                values: dict[tuple[str, str], bytes | None] = {}
                for (path, tag), (replace, cutter) in step.cutters.items():
                    if cutter is None:
                        values[path, tag] = None
                        continue
                    content = cutter.content()
                    old = None if replace else trees.file(root, path, tag)
                    if old is not None:
                        content = self._joined(tx.db, trees.content(old), content)
                    values[path, tag] = trees.value(content)
                root = trees.edit_files(root, values)
            elif isinstance(step, Delete):
                root = trees.edit(root, [step])
            else:
                root = self._copied(tx, trees, root, step)
        return root

    def _joined(self, db: sqlite3.Connection, old: Content, new: Content) -> Content:
        """Two contents one after the other; chunks are cut anew where the first does not end at a boundary."""
        if not old.size:
            return new
        if old.size % CHUNK == 0:
            return Content(old.size + new.size, old.chunks + new.chunks)
        blobs = self._store.blobs
        self.flush()
        tail = blobs.read(blobs.locate(db, old.chunks[-1:])[0], old.chunks[-1])
        cutter = Cutter(self._add, old, tail)
        for name in new.chunks:
            cutter.write(self.read(db, name))
        return cutter.content()

    flush: Callable[[], None]
    read: Callable[[sqlite3.Connection, bytes], bytes]

    def _copied(self, tx: Transaction, trees: Trees, root: Root, copy: CopyFrom) -> Root:
        commit = commits.resolve(tx.db, copy.source)
        source = root if commit.row == self.target else commits.content(tx.db, commit)
        target = check_path(copy.target)
        edits: list = [] if copy.append else [Delete(target, copy.target_tag), Delete(target + "/", copy.target_tag)]
        for entry in trees.lookup(source, clean(copy.path), copy.tag or None):
            if entry.is_directory:
                found = ((target + one.path[len(entry.path) - 1 :], one) for one in trees.walk(entry.value, entry.path))
                pairs = [(path, one) for path, one in found if not one.is_directory]
            else:
                pairs = [(target, entry)]
            for path, one in pairs:
                content = trees.content(one.value)
                if copy.append:
                    old = trees.file(root, path, copy.target_tag)
                    content = self._joined(tx.db, trees.content(old) if old else EMPTY, content)
                edits.append(Put(path, copy.target_tag, content))
        return trees.edit(root, edits)

    target = -1


def modify(pfs: Pfs, handle: CommitHandle, fill: Callable[[Modification], None]) -> None:
    """All that `fill` says, in one commit of its own or in an open one; all of it or nothing."""
    store = pfs.store
    with store.database.read() as db, store.blobs.writer(db) as writer:
        modification = Modification(store, writer.add)
        rows: list = []

        def flush() -> None:
            writer.flush()

        modification.flush = flush
        fill(modification)
        db.execute("COMMIT")
        db.execute("BEGIN")
        writer.flush()
        with pfs.transaction() as tx:
            rows = writer.rows()
            store.blobs.record(tx.db, rows)

            def record() -> None:
                writer.flush()
                store.blobs.record(tx.db, writer.rows())

            modification.flush = record
            modification.read = lambda at, name: store.blobs.read(store.blobs.locate(at, [name])[0], name)
            target, one_shot = commits.write_target(tx, handle)
            modification.target = target.row
            trees = store.trees(tx.db)
            root = modification.apply(tx, trees, target.root)
            writer.flush()
            store.blobs.record(tx.db, writer.rows())
            commits.set_content(tx, target, root, modification.written)
            if one_shot:
                commits.finish(tx, target)


# ------------------------------------------------------------------ reading


@dataclass
class View:
    """A commit as a reader sees it."""

    commit: Commit
    root: Root
    trees: Trees

    def missing(self, path: str) -> errors.NotFound:
        name = self.commit.name
        return errors.NotFound(f"file {path} not found in repo {name.repo} at commit {name.id}")

    def lookup(self, path: str, tag: str = "") -> Entry | None:
        """What lies at a literal path; refuses what collides."""
        found = self.trees.lookup(self.root, clean(path), None if not tag else ("" if tag == "default" else tag))
        return _single(self.trees, found)

    def glob(self, pattern: str, tag: str = "") -> Iterator[Entry]:
        """Files and directories that match, in order of paths."""
        compiled = glob.compile(pattern)
        if compiled.pattern == "/":
            yield from self.trees.lookup(self.root, "/")
            return
        above = self.trees.directory(self.root, compiled.folder)
        if not above:
            return
        wanted = None if not tag else ("" if tag == "default" else tag)
        base = compiled.folder if compiled.folder == "/" else compiled.folder.rstrip("/") + "/"
        for entry in _checked(self.trees, _matching(self.trees, above, base, compiled)):
            if entry.is_directory or wanted is None or entry.tag == wanted:
                yield entry


def _matching(trees: Trees, value: bytes, base: str, compiled: glob.Glob) -> Iterator[Entry]:
    depth = compiled.depth
    for entry in trees.children(value, base):
        if compiled.match(entry.path):
            yield entry
        if entry.is_directory and (depth is None or entry.path.count("/") - 1 < depth):
            yield from _matching(trees, entry.value, entry.path, compiled)


def _checked(trees: Trees, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Entries as they come, until two share a path."""
    last = ""
    for entry in entries:
        plain = entry.path.rstrip("/") or "/"
        if plain == last:
            raise errors.PachydermError(f"duplicate path ({plain})")
        last = plain
        yield entry


def _single(trees: Trees, found: list[Entry]) -> Entry | None:
    if len(found) > 1:
        raise errors.PachydermError(f"duplicate path ({found[0].path})")
    return found[0] if found else None


def view(store: Store, db: sqlite3.Connection, handle: CommitHandle) -> View:
    commit = commits.resolve(db, handle)
    return View(commit, commits.content(db, commit), store.trees(db))
