"""Trees of files as pipelines use them: what an input's glob finds, what lies in a datum, what a datum wrote."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from workshop.pachd import glob
from workshop.pachd.datums import File, Source
from workshop.pachd.pfs import commits
from workshop.pachd.pfs.rows import Commit
from workshop.pachd.pps.datums import Output, Record, encode
from workshop.pachd.store import Store
from workshop.pachd.store import blobs as stored
from workshop.pachd.store.maps import Maps
from workshop.pachd.store.trees import Entry, Put, Trees, entry_size

INLINE = 8  # files of an output that its record holds itself
Edits = dict[tuple[str, str], bytes | None]


class Content:
    """Reads and writes trees for datums. A root is a commit's content."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def maps(self, db: sqlite3.Connection) -> Maps:
        return self.store.maps(db)

    def root_of(self, db: sqlite3.Connection, commit: Commit) -> bytes | None:
        """What a reader of the commit sees."""
        return commits.content(db, commit) or None

    # ---------------------------------------------------------------- inputs

    def files(self, db: sqlite3.Connection, source: Source, root: bytes | None) -> Iterator[File]:
        """The files and directories that a leaf's glob finds, in path order."""
        if not root:
            return
        trees, find = self.store.trees(db), _Finder(source)
        for entry in find.walk(trees, root):
            file = find.file(trees, entry)
            if file is not None:
                yield file

    def changed_files(
        self, db: sqlite3.Connection, source: Source, old: bytes | None, new: bytes | None
    ) -> tuple[list[File], list[File]]:
        """(what the glob found in `old` and finds no longer or changed, what it finds in `new` new or changed)."""
        if (old or b"") == (new or b""):
            return [], []
        trees, find = self.store.trees(db), _Finder(source)
        before: dict[str, File] = {}
        after: dict[str, File] = {}
        pairs: Iterable[tuple[Entry | None, Entry | None]] = trees.diff(old, new)
        if find.whole:
            pairs = [(Entry("/", "", old) if old else None, Entry("/", "", new) if new else None)]
        for pair in pairs:
            for entry, found in zip(pair, (before, after), strict=True):
                file = find.file(trees, entry) if entry is not None else None
                if file is not None:
                    found[file.path] = file
        for path in [p for p in before if p in after and before[p].hash == after[p].hash]:
            del before[path], after[path]  # only datum tags differ
        return list(before.values()), list(after.values())

    def lay_out(self, db: sqlite3.Connection, files: list[File]) -> list[list[Any]]:
        """For each file or directory of a datum: the (path, size, [(pack, offset, length)]) of all files in it."""
        trees = self.store.trees(db)
        listed = [list(self._below(trees, file.entry)) for file in files]
        names = [chunk for some in listed for _, _, chunks in some for chunk in chunks]
        places = iter(self.store.blobs.locate(db, names) if names else ())
        return [[(path, size, [next(places)[:3] for _ in chunks]) for path, size, chunks in some] for some in listed]

    def below(self, db: sqlite3.Connection, file: File) -> Iterator[Output]:
        """The files of a directory, or a file itself."""
        yield from self._below(self.store.trees(db), file.entry)

    def _below(self, trees: Trees, entry: Entry) -> Iterator[Output]:
        entries = trees.walk(entry.value, entry.path) if entry.is_directory else (entry,)
        for each in entries:
            if not each.is_directory:
                content = trees.content(each.value)
                yield each.path, content.size, content.chunks

    def files_of(self, db: sqlite3.Connection, entry: Entry) -> Iterator[Output]:
        """The files of an entry of a tree."""
        yield from self._below(self.store.trees(db), entry)

    def all_files(self, db: sqlite3.Connection, root: bytes | None) -> Iterator[Output]:
        if root:
            yield from self._below(self.store.trees(db), Entry("/", "", root))

    def pieces(self, size: int, chunks: tuple[bytes, ...]) -> Iterator[bytes]:
        """The bytes of a file."""
        return self.store.blobs.pieces(self.store.database.read, stored.Content(size, chunks))

    def tag_of(self, file: File) -> str:
        """The datum tag that a FileInfo shows."""
        return "" if file.path.endswith("/") else file.entry.tag or "default"

    # ---------------------------------------------------------------- outputs

    def edits(self) -> Edits:
        return {}

    def take_out(self, db: sqlite3.Connection, edits: Edits, identity: bytes, record: Record) -> None:
        """Have the files removed that a datum wrote."""
        tag = identity.hex()
        for path, _, _ in self.outputs(db, record):
            edits[path, tag] = None

    def put_in(self, db: sqlite3.Connection, edits: Edits, identity: bytes, record: Record) -> None:
        """Have the files put in that a datum wrote, if it succeeded."""
        if not record.processed:
            return
        trees, tag = self.store.trees(db), identity.hex()
        for path, size, chunks in record.outputs:
            edits[path, tag] = trees.value(stored.Content(size, chunks))

    def write(self, tx: Any, output: Commit, root: bytes | None, edits: Edits) -> None:
        """Make the edits to a root and let the open output commit hold the result."""
        written = sum(int.from_bytes(value[:8], "big") for value in edits.values() if value is not None)
        commits.set_content(tx, output, self.store.trees(tx.db).edit_files(root, edits) or None, written)

    def outputs(self, db: sqlite3.Connection, record: Record) -> Iterable[Output]:
        """The files that a datum wrote."""
        return self.all_files(db, record.out_root) if record.out_root else record.outputs

    def compact(self, db: sqlite3.Connection, record: Record, encoded: bytes) -> bytes:
        """The encoded record as a job's map keeps it: with a long list of outputs as a tree of its own."""
        if len(record.outputs) <= INLINE and all(len(chunks) <= INLINE for _, _, chunks in record.outputs):
            return encoded
        trees = self.store.trees(db)
        puts = [Put(path, "", stored.Content(size, chunks)) for path, size, chunks in record.outputs]
        return encode(replace(record, out_root=trees.edit(None, puts), outputs=[]))

    def without_datums(self, db: sqlite3.Connection, root: bytes) -> bytes | None:
        """A tree without the files of any datum: what users wrote themselves."""
        trees = self.store.trees(db)
        tagged: Edits = {(e.path, e.tag): None for e in trees.walk(root) if e.tag and not e.is_directory}
        return trees.edit_files(root, tagged) or None


class _Finder:
    """A leaf's glob over a tree: looks no deeper than it has to."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.glob = glob.compile(source.glob)
        self.whole = self.glob.pattern == "/"
        flat = self.glob.depth is not None and not set("({!\\[") & set(self.glob.pattern)
        self._parts = self.glob.pattern.strip("/").split("/") if flat else []

    def file(self, trees: Trees, entry: Entry) -> File | None:
        """The entry as a file of the leaf, if the glob finds it."""
        source, path = self.source, entry.path
        if self.glob.match(path) is None:
            return None
        join = self.glob.expand(source.join_on, path) if source.join_on else ""
        group = self.glob.expand(source.group_by, path) if source.group_by else ""
        return File(source, path, trees.hash(entry), entry_size(entry), join, group, entry)

    def walk(self, trees: Trees, root: bytes) -> Iterator[Entry]:
        """The entries that the glob may find, in path order."""
        if self.whole:
            return iter((Entry("/", "", root),))
        if not self._parts:
            folder = self.glob.folder
            return trees.walk(trees.directory(root, folder), folder)
        return self._level(trees, Entry("/", "", root), 0)

    def _level(self, trees: Trees, folder: Entry, depth: int) -> Iterator[Entry]:
        part, last = self._parts[depth], depth == len(self._parts) - 1
        found: Iterable[Entry]
        if not set(glob.SPECIAL) & set(part):
            found = [e._replace(path=folder.path + e.path[1:]) for e in trees.lookup(folder.value, f"/{part}")]
        else:
            found = trees.children(folder.value, folder.path)
        for entry in found:
            if last:
                yield entry
            elif entry.is_directory:
                yield from self._level(trees, entry, depth + 1)
