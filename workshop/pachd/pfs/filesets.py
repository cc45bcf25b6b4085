"""File sets: changes without a commit, kept for a while, readable under the repo `__filesets__` of project default.

A set is the files that it deletes, and then a tree of what it adds. Adding it to a commit appends what it adds. A
directory that it deletes is one of its own: it takes nothing from what the set is added to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgpack

from workshop.pachd import errors, ids
from workshop.pachd.model import CommitHandle
from workshop.pachd.pfs import Pfs, commits, modify
from workshop.pachd.pfs.modify import Changes, Key
from workshop.pachd.store import Store, collection, trees
from workshop.pachd.store.trees import Delete, Root, Trees

REPO = "__filesets__"
LIFETIME = 600  # seconds that a new set is kept
MOST_SECONDS = 1800
FOR_EVER = (1 << 63) - 1  # ns
_DIGITS = 32
_SHARD_FILES, _SHARD_BYTES = 1_000_000, 10**9


@dataclass(frozen=True)
class FileSet:
    root: Root
    deletes: set[Key]
    first: Root  # what the first of the sets adds that this one is composed of


def parsed(id: str) -> str:
    """The key of a set: an id without dashes, and without the hash that may follow a dot."""
    key = id.partition(".")[0].replace("-", "")
    if len(key) != _DIGITS:
        what = "short" if len(key) < _DIGITS else "long"
        raise errors.PachydermError(f"parsing fileset.Token: too {what} to be Token len={len(key)}")
    odd = next((char for char in key if char not in "0123456789abcdefABCDEF"), "")
    if odd:
        raise errors.PachydermError(f"encoding/hex: invalid byte: U+{ord(odd):04X} {odd!r}")
    return key.lower()


def find(db: sqlite3.Connection, id: str) -> FileSet:
    """The set of this id, while it lives."""
    found = _look_up(db, parsed(id))
    if found is None:
        raise errors.PachydermError("path does not exist")
    return found


def _look_up(db: sqlite3.Connection, key: str) -> FileSet | None:
    row = db.execute(
        "SELECT root, deletes, first FROM fileset WHERE id = ? AND expires > ?", (key, ids.now())
    ).fetchone()
    if row is None:
        return None
    _, files = msgpack.unpackb(row["deletes"]) if row["deletes"] else ((), ())
    return FileSet(row["root"], {tuple(key) for key in files}, row["root"] if row["first"] is None else row["first"])


def create(pfs: Pfs, fill: Callable[[Changes], None]) -> str:
    """A set of the changes that `fill` takes in; its id."""
    with modify.writing(pfs.store) as changes:
        fill(changes)
        changes.flush()
        with pfs.store.database.write() as db:
            _forget_expired(db)
            deletes: set[Key] = set()
            root = changes.make(db, None, deletes)
            return _keep(db, FileSet(root, deletes, root), LIFETIME)


def of_commit(pfs: Pfs, handle: CommitHandle, written: bool = False) -> str:
    """A set of all that a commit holds, or of what was written to it alone."""
    with modify.writing(pfs.store) as changes, pfs.store.database.write() as db:
        commit = commits.resolve(db, handle)
        root = commits.content(db, commit)
        made = _difference(pfs.store.trees(db), changes, commit.base, root) if written else FileSet(root, set(), root)
        changes.make(db, None)  # records chunks that were cut anew
        return _keep(db, made, LIFETIME)


def _difference(tree: Trees, changes: Changes, base: Root, root: Root) -> FileSet:
    """What makes a root of its base. A file that begins as it did before was appended to."""
    values: dict[Key, bytes | None] = {}
    deletes: set[Key] = set()
    for before, after in tree.diff(base, root):
        entry = after or before
        if entry is None or entry.is_directory:
            continue
        key = entry.path, entry.tag
        rest = None
        if before is not None and after is not None:
            rest = changes.rest(tree.content(before.value), tree.content(after.value))
        if before is not None and rest is None:
            deletes.add(key)
        if after is not None:
            values[key] = after.value if rest is None else tree.value(rest)
    added = tree.edit_files(b"", values)
    return FileSet(added, deletes, added)


def add(pfs: Pfs, handle: CommitHandle, id: str) -> None:
    """Make a set's changes to an open commit."""
    parsed(id)
    with modify.writing(pfs.store) as changes:
        with pfs.transaction() as tx:
            commit = commits.resolve(tx.db, handle)
            if commit.finishing is not None:
                raise commits.finished(commit)
            found = find(tx.db, id)
            root = _apply(pfs.store.trees(tx.db), changes, commit.root or b"", found)
            changes.make(tx.db, None)  # records chunks that were cut anew
            commits.set_content(tx, commit, root or None, trees.size(found.root))


def renew(store: Store, id: str, seconds: int) -> None:
    """Keep a set for so many seconds from now."""
    key = parsed(id)
    if seconds < 1:
        raise errors.PachydermError(f"ttl ({seconds * 10**9}) must be at least one second")
    if seconds > MOST_SECONDS:
        raise errors.PachydermError(f"ttl ({seconds * 10**9}) exceeds max ttl ({MOST_SECONDS * 10**9})")
    with store.database.write() as db:
        if _look_up(db, key) is None:
            raise errors.NotFound(f"tracker does not contain item: (fileset/{key})")
        db.execute("UPDATE fileset SET expires = ? WHERE id = ?", (ids.now() + seconds * 10**9, key))


def compose(store: Store, many: Sequence[str], seconds: int, compact: bool = False) -> str:
    """A set that makes the changes of sets one after another, kept for so many seconds (0: for ever)."""
    keys = [parsed(id) for id in many]
    with modify.writing(store) as changes, store.database.write() as db:
        sets = [found for key in keys if (found := _look_up(db, key))]
        if len(sets) < len(keys):
            missing = "path does not exist" if compact else "the operation would create a dangling reference"
            raise errors.PachydermError(missing)
        root = b""
        for found in sets:
            root = _apply(store.trees(db), changes, root, found)
        changes.make(db, None)
        deletes = set().union(*(found.deletes for found in sets))
        first = root if compact else next((found.first for found in sets if found.root or found.deletes), root)
        return _keep(db, FileSet(root, deletes, first), LIFETIME if compact else seconds)


def shards(store: Store, id: str, files: int = 0, size: int = 0) -> list[tuple[str, str]]:
    """Ranges of paths (lower, upper; "" is no bound), each closed once it has so many files or bytes.

    Where a set is composed of others, the first of them decides.
    """
    with store.database.read() as db:
        found = find(db, id)
        bounds, count, total = [""], 0, 0
        for entry in store.trees(db).walk(found.first):
            if entry.is_directory:
                continue
            if count >= (files if files > 0 else _SHARD_FILES) or total >= (size if size > 0 else _SHARD_BYTES):
                bounds.append(entry.path)
                count, total = 0, 0
            count += 1
            total += trees.entry_size(entry)
    return list(zip(bounds, [*bounds[1:], ""], strict=True))


def _apply(tree: Trees, changes: Changes, root: bytes, added: FileSet) -> bytes:
    root = tree.edit(root, [Delete(path, tag) for path, tag in sorted(added.deletes)])
    if not root:
        return added.root or b""
    entries = (((e.path, e.tag), e.value) for e in tree.walk(added.root) if not e.is_directory)
    return changes.append_files(tree, root, entries)


def _keep(db: sqlite3.Connection, kept: FileSet, seconds: int) -> str:
    id = ids.new_id()
    packed = msgpack.packb(((), sorted(kept.deletes)))
    first = None if kept.first == kept.root else kept.first or b""
    expires = ids.now() + seconds * 10**9 if seconds else FOR_EVER
    db.execute(
        "INSERT INTO fileset (id, root, deletes, first, expires) VALUES (?, ?, ?, ?, ?)",
        (id, kept.root or None, packed, first, max(-FOR_EVER, min(FOR_EVER, expires))),
    )
    return id


def _forget_expired(db: sqlite3.Connection) -> None:
    if db.execute("DELETE FROM fileset WHERE expires < ?", (ids.now(),)).rowcount:
        collection.note(db)


# ------------------------------------------------------------------ the cache


def cache_put(store: Store, key: str, value: bytes, sets: Sequence[str], tag: str) -> None:
    """Keep a value (and the file sets that it names) under a key until its tag is cleared; the first one stays."""
    keys = [parsed(id) for id in sets]
    with store.database.write() as db:
        if any(_look_up(db, set_key) is None for set_key in keys):
            raise errors.PachydermError("the operation would create a dangling reference")
        db.execute("INSERT OR IGNORE INTO cache (key, value, tag) VALUES (?, ?, ?)", (key, value, tag))
        db.executemany("UPDATE fileset SET expires = ? WHERE id = ?", [(FOR_EVER, set_key) for set_key in keys])


def cache_get(store: Store, key: str) -> bytes:
    with store.database.read() as db:
        row = db.execute("SELECT value FROM cache WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise errors.PachydermError(f"cache key {key} not found")
    return row["value"]


def cache_clear(store: Store, prefix: str) -> None:
    """Forget what has a tag that begins so."""
    with store.database.write() as db:
        db.execute("DELETE FROM cache WHERE substr(tag, 1, length(?)) = ?", (prefix, prefix))
