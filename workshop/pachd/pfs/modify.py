"""Changing files: a stream of additions, deletions and copies is taken in, then made at once in a transaction.

What is added goes to a pack while it comes, and is cut into chunks on top of what its file held when it came. Nothing
of it is visible before `commit`, which makes all changes in their order to the content that there is then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workshop.pachd import errors
from workshop.pachd.model import CommitHandle
from workshop.pachd.pfs import Pfs, ancestry, commits, paths, rows
from workshop.pachd.store.blobs import CHUNK, EMPTY, Content, Cutter, PackWriter
from workshop.pachd.store.packs import Place
from workshop.pachd.store.trees import Delete, Entry, Root, Trees, unpack

if TYPE_CHECKING:
    import sqlite3

    from workshop.pachd.store import Store

_HELD = 32 << 20  # bytes of unfinished chunks kept in memory

Key = tuple[str, str]  # path, tag


@dataclass(slots=True)
class Written:
    """What becomes of one file. `content` is None when it is only deleted."""

    replaces: bool
    assumed: Content = EMPTY  # what the file held when the first bytes for it came
    content: Content | None = None
    cutter: Cutter | None = None


@dataclass(frozen=True, slots=True)
class Copied:
    """`path` of a commit, to be copied to `target`; `root` reads the commit's content when the copy is made."""

    root: Callable[[sqlite3.Connection], Root]
    path: str
    target: str
    tag: str
    append: bool
    source_tag: str | None


Step = dict[Key, Written] | Delete | Copied


@dataclass(frozen=True)
class Target:
    """What changes are made to, as it is now."""

    current: Callable[[str, str], Content] = lambda path, tag: EMPTY  # what a file holds, for additions to it
    unreadable: errors.PachydermError | None = None  # why it cannot be listed, as the deletion of a directory needs


class Changes:
    """Takes changes in."""

    def __init__(self, store: Store, writer: PackWriter, target: Target) -> None:
        self._store, self._writer, self._target = store, writer, target
        self._steps: list[Step] = []
        self._files: dict[Key, Written] = {}
        self._folders: list[Key] = []
        self._last: tuple[Key, Written] | None = None
        self._open: list[Written] = []
        self._held = 0
        self.added = 0  # bytes
        self.same: set[str] = set()  # paths that were written or deleted, and are as they were before
        self._places: dict[bytes, Place] = {}
        self._unrecorded: list = []

    def add(self, path: str, tag: str, data: bytes | memoryview) -> None:
        """Append to a file, which is made when it is not there."""
        last = self._last
        if last is not None and last[0] == (path, tag):
            written = last[1]
        else:
            written = self._turn_to((paths.stored_file(path), paths.tag(tag)))
            self._last = ((path, tag), written)
        if data:
            assert written.cutter is not None
            written.cutter.write(data)
            self.added += len(data)

    def add_file(self, path: str, tag: str, pieces: Iterable[bytes]) -> None:
        """Append all of what comes."""
        self.add(path, tag, b"")
        for data in pieces:
            self.add(path, tag, data)

    def delete(self, path: str, tag: str = "") -> None:
        """Take a file of this tag away; a path with a trailing slash is a directory."""
        path, tag = paths.stored(path), paths.tag(tag)
        self._last = None
        if path.endswith("/"):
            if self._target.unreadable is not None:
                raise self._target.unreadable
            self._next_step(Delete(path, tag))
            self._folders.append((path, tag))
        else:
            old = self._files.get((path, tag))
            if old is not None:
                old.cutter = None
            self._files[path, tag] = Written(True)

    def copy(self, copied: Copied) -> None:
        self._last = None
        self._next_step(copied)

    def _next_step(self, step: Step) -> None:
        self._seal()
        if self._files:
            self._steps.append(self._files)
            self._files = {}
        self._steps.append(step)

    def _turn_to(self, key: Key) -> Written:
        """The file that bytes come for now, with an open cutter."""
        if self._last is not None:
            cutter = self._last[1].cutter
            self._held += cutter.waiting if cutter else 0
            if self._held > _HELD:
                self._seal()
        written = self._files.get(key)
        if written is None:
            deleted = any(key[0].startswith(folder) and key[1] == tag for folder, tag in self._folders)
            written = self._files[key] = Written(False, EMPTY if deleted else self._target.current(*key))
        if written.cutter is None:
            content = written.content or written.assumed
            written.cutter = Cutter(self._writer, content, self._tail(content))
            self._open.append(written)
        else:
            self._held -= min(self._held, written.cutter.waiting)
        return written

    def _seal(self) -> None:
        """Turn what is held in memory into chunks."""
        for written in self._open:
            if written.cutter is not None:
                written.content = written.cutter.content()
                written.cutter = None
        self._open.clear()
        self._held = 0

    def _tail(self, content: Content) -> bytes:
        return b"".join(self.read(content, content.size // CHUNK * CHUNK)) if content.size % CHUNK else b""

    def read(self, content: Content, start: int) -> Iterator[bytes]:
        """The bytes of a file from `start` on, whether its chunks are recorded already or not."""
        self._writer.push()
        self._take_rows()
        for index in range(start // CHUNK, len(content.chunks)):
            data = self._chunk(content.chunks[index])
            yield data[max(0, start - index * CHUNK) :]

    def _chunk(self, name: bytes) -> bytes:
        blobs = self._store.blobs
        if name in self._places:
            return blobs.read(self._places[name], name)
        return next(blobs.pieces(self._store.database.read, Content(CHUNK, (name,))))

    def _take_rows(self) -> None:
        fresh = self._writer.rows()
        self._unrecorded += fresh
        self._places.update((name, place) for name, *place in fresh)

    # -------------------------------------------------------------- making the changes

    def flush(self) -> None:
        """Put all bytes on the disk; to be called before the transaction."""
        self._seal()
        if self._files:
            self._steps.append(self._files)
            self._files = {}
        self._writer.flush()

    def make(self, db: sqlite3.Connection, root: Root, deletes: set[Key] | None = None) -> bytes:
        """The content with all changes made; the files that they take away by name are noted in `deletes`."""
        trees = self._store.trees(db)
        before = root = root or b""
        for step in self._steps:
            if isinstance(step, Delete):
                root = trees.edit(root, [step])
            elif isinstance(step, Copied):
                root = self._copy(trees, db, root, step, deletes)
            else:
                root = self._write(trees, root, step)
                if deletes is not None:
                    deletes.update(key for key, written in step.items() if written.replaces)
        if len(self._steps) > 1:  # what is deleted by one and made again by another
            keys = {key for step in self._steps if isinstance(step, dict) for key in step}
            self.same |= {key[0] for key in keys if trees.file(before, *key) == trees.file(root, *key)}
        self._record(db)
        return root

    def _record(self, db: sqlite3.Connection) -> None:
        self._writer.flush()  # appends to content that changed meanwhile are cut again
        self._take_rows()
        self._store.blobs.record(db, self._unrecorded)

    def _write(self, trees: Trees, root: bytes, files: dict[Key, Written]) -> bytes:
        values: dict[Key, bytes | None] = {}
        for key, written in files.items():
            content = written.content
            if content is not None and not written.replaces:
                value = trees.file(root, *key)
                there = trees.content(value) if value is not None else EMPTY
                if there != written.assumed:
                    content = self._append(there, content, written.assumed.size)
            values[key] = None if content is None else trees.value(content)
        return trees.edit_files(root, values, self.same)

    def _append(self, there: Content, content: Content, start: int = 0) -> Content:
        """`there`, followed by the bytes of `content` from `start` on."""
        if there.size % CHUNK == 0 and start % CHUNK == 0:
            return Content(there.size + content.size - start, there.chunks + content.chunks[start // CHUNK :])
        cutter = Cutter(self._writer, there, self._tail(there))
        for data in self.read(content, start):
            cutter.write(data)
        return cutter.content()

    def rest(self, old: Content, new: Content) -> Content | None:
        """What follows when `new` begins with all of `old`; None when it does not."""
        whole = old.size // CHUNK
        if new.size < old.size or new.chunks[:whole] != old.chunks[:whole]:
            return None
        tail = self._tail(old)
        if not next(self.read(new, whole * CHUNK), b"").startswith(tail):
            return None
        return self._append(EMPTY, new, old.size)

    def append_files(self, trees: Trees, root: bytes, entries: Iterator[tuple[Key, bytes]]) -> bytes:
        """The content with files added to what is there."""
        values: dict[Key, bytes | None] = {}
        for key, value in entries:
            there = trees.file(root, *key)
            content = self._append(trees.content(there), trees.content(value)) if there is not None else None
            values[key] = value if content is None else trees.value(content)
        return trees.edit_files(root, values, self.same)

    def _copy(self, trees: Trees, db: sqlite3.Connection, root: bytes, step: Copied, deletes: set[Key] | None) -> bytes:
        found = trees.lookup(step.root(db), step.path, step.source_tag)
        for entry in found:
            if not entry.is_directory:
                paths.check_name(step.target)
                if deletes is not None and not step.append:
                    deletes.add((step.target, step.tag))
                files = iter([((step.target, step.tag), entry.value)])
            elif (deletes is None or step.append) and self._by_reference(trees, root, entry, step):
                return trees.graft(root, step.target, entry.value)
            else:
                below = [e for e in trees.walk(entry.value, entry.path) if not e.is_directory]
                below = [e for e in below if step.source_tag in (None, e.tag)]
                cut = len(entry.path.rstrip("/"))
                moved = [((step.target.rstrip("/") + e.path[cut:], step.tag), e.value) for e in below]
                if deletes is not None and not step.append:
                    deletes.update(key for key, _ in moved)
                files = iter(moved)
            if step.append:
                root = self.append_files(trees, root, files)
            else:
                root = trees.edit_files(root, dict(files), self.same)
        return root

    def _by_reference(self, trees: Trees, root: bytes, entry: Entry, step: Copied) -> bool:
        plain = not step.tag and not step.source_tag and not unpack(entry.value).tagged
        return plain and not trees.directory(root, step.target)


# ------------------------------------------------------------------ calls


def modify(
    pfs: Pfs, handle: CommitHandle, fill: Callable[[Changes], None], broken: Callable[[], bool] = lambda: False
) -> None:
    """Make all changes that `fill` takes in: to an open commit, or as a commit of their own. All or nothing.

    broken: whether the sender has gone. A stream that it broke off can look as if it had ended, for a moment; so it is
    asked last, before all becomes visible.
    """
    store = pfs.store
    with store.database.read() as db:
        target = _target_now(store, db, handle)
    with writing(store, target) as changes:
        fill(changes)
        changes.flush()
        with pfs.transaction() as tx:
            commit, one_shot = commits.write_target(tx, handle)
            commits.set_content(tx, commit, changes.make(tx.db, commit.root) or None, changes.added)
            commits.touch(tx, commit, changes.same)
            if one_shot:
                commits.finish(tx, commit)
            if broken():
                raise errors.Cancelled("the client's stream broke")


@contextmanager
def writing(store: Store, target: Target = Target()) -> Iterator[Changes]:
    """Changes with a pack to write to. What they count on as stored already stays stored meanwhile."""
    lookup = store.database.connect()
    try:
        with store.blobs.writer(lookup) as writer:
            yield Changes(store, writer, target)
    finally:
        lookup.close()


def _target_now(store: Store, db: sqlite3.Connection, handle: CommitHandle) -> Target:
    """What a write to `handle` goes to. Refuses at once what `write_target` would refuse in the end."""
    branch, id = ancestry.written_to(handle)
    try:
        commit = commits.resolve(db, handle)
    except errors.NotFound:
        if not branch:
            raise
        rows.repo(db, handle.repo)
        return Target()
    if commit.finishing is not None and id:
        raise commits.finished(commit)
    unreadable = None
    try:
        commits.content(db, commit)
    except errors.PachydermError as error:
        unreadable = error
    if not commit.root:
        return Target(unreadable=unreadable)
    trees, root = store.standing_trees(commit.root), commit.root

    def current(path: str, tag: str) -> Content:
        value = trees.file(root, path, tag)
        return trees.content(value) if value is not None else EMPTY

    return Target(current, unreadable)
