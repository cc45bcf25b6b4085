"""File sets: changes without a commit, kept for a while, readable under the repo `__filesets__` of project default.

A set is what it deletes, and then a tree of what it adds. Adding it to a commit appends what it adds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgpack

from workshop.pachd import errors, ids
from workshop.pachd.model import CommitHandle
from workshop.pachd.pfs import Pfs, commits, modify
from workshop.pachd.pfs.modify import Changes, Deletes
from workshop.pachd.store import Store, collection, trees
from workshop.pachd.store.trees import Delete, Root, Trees

REPO = "__filesets__"
LIFETIME = 600  # seconds that a new set is kept
MOST_SECONDS = 1800


@dataclass(frozen=True)
class FileSet:
    id: str
    root: Root
    deletes: Deletes


def find(db: sqlite3.Connection, id: str) -> FileSet:
    """The set of this id, while it lives."""
    row = db.execute("SELECT root, deletes FROM fileset WHERE id = ? AND expires > ?", (id, ids.now())).fetchone()
    if row is None:
        if not ids.is_id(id):
            raise errors.PachydermError(f"invalid file set id: {id!r}")
        raise errors.NotFound(f"file set {id} not found")
    folders, files = msgpack.unpackb(row["deletes"]) if row["deletes"] else ((), ())
    return FileSet(id, row["root"], Deletes([tuple(key) for key in folders], {tuple(key) for key in files}))


def create(pfs: Pfs, fill: Callable[[Changes], None]) -> str:
    """A set of the changes that `fill` takes in; its id."""
    with modify.writing(pfs.store) as changes:
        fill(changes)
        changes.flush()
        with pfs.store.database.write() as db:
            _forget_expired(db)
            deletes = Deletes()
            root = changes.make(db, None, deletes)
            return _keep(db, root, deletes, LIFETIME)


def of_commit(pfs: Pfs, handle: CommitHandle) -> str:
    """A set of all that a commit holds."""
    with pfs.store.database.write() as db:
        commit = commits.resolve(db, handle)
        return _keep(db, commits.content(db, commit), Deletes(), LIFETIME)


def add(pfs: Pfs, handle: CommitHandle, id: str) -> None:
    """Make a set's changes to an open commit."""
    with modify.writing(pfs.store) as changes:
        with pfs.transaction() as tx:
            commit = commits.resolve(tx.db, handle)
            if commit.finishing is not None:
                raise commits.finished(commit)
            try:
                found = find(tx.db, id)
            except errors.NotFound as error:
                raise errors.PachydermError(str(error)) from None
            root = _apply(pfs.store.trees(tx.db), changes, commit.root or b"", found)
            changes.make(tx.db, None)  # records chunks that were cut anew
            commits.set_content(tx, commit, root or None, trees.size(found.root))


def renew(store: Store, id: str, seconds: int) -> None:
    """Keep a set for so many seconds from now."""
    _check_lifetime(seconds)
    with store.database.write() as db:
        find(db, id)
        db.execute("UPDATE fileset SET expires = ? WHERE id = ?", (ids.now() + seconds * 10**9, id))


def compose(store: Store, many: Sequence[str], seconds: int) -> str:
    """A set that makes the changes of sets one after another."""
    if seconds:
        _check_lifetime(seconds)
    with modify.writing(store) as changes, store.database.write() as db:
        root, deletes = b"", Deletes()
        for id in many:
            found = find(db, id)
            root = _apply(store.trees(db), changes, root, found)
            deletes.folders += found.deletes.folders
            deletes.files |= found.deletes.files
        changes.make(db, None)
        return _keep(db, root, deletes, seconds or LIFETIME)


def shards(store: Store, id: str, files: int = 0, size: int = 0) -> list[tuple[str, str]]:
    """Ranges of paths (lower, upper) that cut a set into parts of at most so many files or bytes; "" is no bound."""
    with store.database.read() as db:
        found = find(db, id)
        tree = store.trees(db)
        bounds, count, total = [""], 0, 0
        if files > 0 or size > 0:
            for entry in tree.walk(found.root):
                if entry.is_directory:
                    continue
                length = int.from_bytes(entry.value[:8], "big")
                if count and ((files > 0 and count >= files) or (size > 0 and total + length > size)):
                    bounds.append(entry.path)
                    count, total = 0, 0
                count += 1
                total += length
    return list(zip(bounds, [*bounds[1:], ""], strict=True))


def _apply(tree: Trees, changes: Changes, root: bytes, added: FileSet) -> bytes:
    edits = [Delete(path, tag) for path, tag in (*added.deletes.folders, *sorted(added.deletes.files))]
    root = tree.edit(root, edits)
    if not root:
        return added.root or b""
    entries = (((e.path, e.tag), e.value) for e in tree.walk(added.root) if not e.is_directory)
    return changes.append_files(tree, root, entries)


def _keep(db: sqlite3.Connection, root: Root, deletes: Deletes, seconds: int) -> str:
    id = ids.new_id()
    packed = msgpack.packb((deletes.folders, sorted(deletes.files)))
    db.execute(
        "INSERT INTO fileset (id, root, deletes, expires) VALUES (?, ?, ?, ?)",
        (id, root or None, packed, ids.now() + seconds * 10**9),
    )
    return id


def _check_lifetime(seconds: int) -> None:
    if seconds < 1:
        raise errors.PachydermError(f"ttl ({seconds * 10**9}) must be at least one second")
    if seconds > MOST_SECONDS:
        raise errors.PachydermError(f"ttl ({seconds * 10**9}) exceeds max ttl ({MOST_SECONDS * 10**9})")


def _forget_expired(db: sqlite3.Connection) -> None:
    if db.execute("DELETE FROM fileset WHERE expires < ?", (ids.now(),)).rowcount:
        collection.note(db)


# ------------------------------------------------------------------ the cache


def cache_put(store: Store, key: str, value: bytes, sets: Sequence[str], tag: str) -> None:
    """Keep a value (and the file sets that it names) under a key until its tag is cleared."""
    with store.database.write() as db:
        db.execute("INSERT OR REPLACE INTO cache (key, value, tag) VALUES (?, ?, ?)", (key, value, tag))
        db.executemany("UPDATE fileset SET expires = ? WHERE id = ?", [((1 << 63) - 1, id) for id in sets])


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
