"""What readers see of a commit: a root, who it belongs to, and what is wrong with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from workshop.pachd import errors, glob
from workshop.pachd.model import META, CommitHandle, CommitName
from workshop.pachd.pfs import Pfs, commits, filesets, paths, rows
from workshop.pachd.store import collisions
from workshop.pachd.store.collisions import Collision
from workshop.pachd.store.trees import Root, Trees, unpack

Wait = Callable[[Callable[[], Any]], Any]


@dataclass
class View:
    """A commit (or file set) to read from. It does not change any more, whatever is written meanwhile."""

    name: CommitName
    branch: str
    root: Root
    committed: int | None  # when it was finished, ns
    trees: Trees
    _base: Root = None
    _suspect: bool = False
    _faults: list[Collision] | None = field(default=None, repr=False)
    _whole: View | None = field(default=None, repr=False)  # what a view of one tag was made from, and stands on

    @property
    def stored(self) -> bool:
        """Whether every node of it lies in the store, where all trees find it."""
        return self._whole is None

    def missing(self, path: str) -> errors.NotFound:
        return errors.NotFound(f"file {path} not found in repo {self.name.repo} at commit {self.name.id}")

    def faults(self) -> list[Collision]:
        """What collides, by path. Only open commits and those with an error can have any."""
        if self._faults is None:
            found = collisions.find(self.trees.maps, self._base, self.root) if self._suspect else ()
            self._faults = sorted(found, key=lambda collision: collision.path.encode())
        return self._faults

    def of_datum(self, datum: str, path: str) -> View:
        """What the reader of a path or glob sees that names a datum: its files, and the directories that hold any."""
        tag = paths.tag(datum)
        if not datum or (not tag and not unpack(self.root).tagged):
            return self
        folder = glob.literal_folder(paths.clean(path))
        trees = Trees(self.trees.maps.apart())
        directory = trees.directory(self.root, folder)
        others = (entry for entry in trees.walk(directory) if not entry.is_directory and entry.tag != tag)
        kept = trees.edit_files(directory, {(entry.path, entry.tag): None for entry in others})
        root = trees.graft(b"", folder, kept)
        return replace(self, root=root, trees=trees, _base=None, _faults=None, _whole=self)


def see(pfs: Pfs, handle: CommitHandle, wait: Wait | None = None) -> View:
    """The view of a commit; one that is FINISHING is waited for, by `wait` (Changes.wait_for)."""

    def look() -> tuple[View, rows.Commit | None] | None:
        with pfs.store.database.read() as db:
            return _see(pfs, db, handle)

    found = (wait or pfs.store.changes.wait_for)(look)
    if found is None:
        raise errors.Cancelled("the call was cancelled")
    view, commit = found
    if commit is not None and handle.repo.type == META and pfs.meta_content is not None:
        view.root = pfs.meta_content(commit)
        pfs.store.stand_on(view.trees, view.root)
    return view


def _see(pfs: Pfs, db: sqlite3.Connection, handle: CommitHandle) -> tuple[View, rows.Commit | None] | None:
    if handle.repo.name == filesets.REPO:
        found = filesets.find(db, handle.id)
        trees = pfs.store.standing_trees(found.root)
        return View(CommitName(handle.repo, handle.id), "", found.root, None, trees, None, True), None
    commit = commits.resolve(db, handle)
    if commit.finishing is not None and commit.finished is None:
        return None
    root = commits.content(db, commit)
    suspect = commit.finished is None or bool(commit.error)
    trees = pfs.store.standing_trees(root)
    return View(commit.name, commit.branch, root, commit.finishing, trees, commit.base, suspect), commit


def root_of(db: sqlite3.Connection, handle: CommitHandle) -> Callable[[sqlite3.Connection], Root]:
    """What reads the content of the commit (or file set) that a handle means now, in a later transaction."""
    if handle.repo.name == filesets.REPO:
        filesets.find(db, handle.id)
        return lambda later: filesets.find(later, handle.id).root
    name = commits.resolve(db, handle).name
    exact = CommitHandle(name.repo, "", name.id)
    return lambda later: commits.content(later, commits.resolve(later, exact))


def parent(pfs: Pfs, handle: CommitHandle) -> CommitHandle | None:
    """The commit that a commit is compared to: its parent, even one with an error. A file set has none."""
    if handle.repo.name == filesets.REPO:
        return None
    with pfs.store.database.read() as db:
        commit = commits.resolve(db, handle)
        above = rows.commit_by_row(db, commit.parent) if commit.parent is not None else None
        return CommitHandle(above.name.repo, above.branch, above.id) if above else None
