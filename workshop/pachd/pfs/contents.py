"""What a commit holds, as far as metadata needs to know: what it builds on, its size, and what is wrong with it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

from workshop.pachd import errors
from workshop.pachd.model import META
from workshop.pachd.pfs import rows
from workshop.pachd.pfs.rows import Commit
from workshop.pachd.store import collisions, trees

if TYPE_CHECKING:
    from workshop.pachd.pfs.transaction import Transaction
    from workshop.pachd.store import Store


def base_of(db: sqlite3.Connection, parent: Commit | None) -> tuple[Commit | None, bytes | None]:
    """What a child of `parent` builds on: the nearest ancestor without an error, and its content."""
    while parent is not None and parent.error:
        parent = rows.commit_by_row(db, parent.parent) if parent.parent is not None else None
    if parent is None:
        return None, None
    check_kept(parent)
    return parent, None if parent.name.repo.type == META else parent.root  # each meta commit stands for itself


def check_kept(commit: Commit) -> None:
    """Refuse what needs the content of a commit that gave it up."""
    if commit.forgotten:
        raise errors.PachydermError("the commit is forgotten")


def rebase(tx: Transaction, commit: Commit) -> Commit:
    """Put what was written to an unfinished commit on top of what its base holds now."""
    parent = rows.commit_by_row(tx.db, commit.parent) if commit.parent is not None else None
    base = base_of(tx.db, parent)[1]
    if (base or b"") == (commit.base or b""):
        return commit
    root = (
        base
        if (commit.root or b"") == (commit.base or b"")
        else carry_over(tx.store, tx.db, commit.base, commit.root, base)
    )
    tx.db.execute("UPDATE commits SET root = ?, base = ? WHERE id = ?", (root, base, commit.row))
    return replace(commit, root=root, base=base)


def carry_over(
    store: Store, db: sqlite3.Connection, old: bytes | None, new: bytes | None, onto: bytes | None
) -> bytes | None:
    """The content `onto` with the changes of files from `old` to `new` made to it."""
    tree = store.trees(db)
    files: dict[tuple[str, str], bytes | None] = {}
    for before, after in tree.diff(old, new):
        entry = after or before
        if entry is not None and not entry.is_directory:
            files[entry.path, entry.tag] = after.value if after else None
    return tree.edit_files(onto, files)


def size(root: bytes | None) -> int:
    """Bytes of all files below a root."""
    return trees.size(root)


def fault(store: Store, db: sqlite3.Connection, base: bytes | None, root: bytes | None) -> str:
    """What validation finds wrong in a root that was built on a valid `base`, the first by path; '' when nothing is."""
    found = min(
        collisions.find(store.maps(db), base, root), key=lambda collision: collision.path.encode(), default=None
    )
    return str(found) if found else ""


def differs(store: Store, db: sqlite3.Connection, old: bytes | None, new: bytes | None, path: str) -> bool:
    """Whether the file of exactly this stored path (`/d/f`) is not the same in two roots."""
    if not path.startswith("/") or path.endswith("/"):
        return False
    tree = store.trees(db)
    before, after = ([e for e in tree.lookup(root, path) if not e.is_directory] for root in (old, new))
    return before != after
