"""pfs_v2.API, composed of its parts."""

from __future__ import annotations

from workshop.pachd.pfs import Pfs
from workshop.pachd.wire.branches import Branches
from workshop.pachd.wire.commits import Commits
from workshop.pachd.wire.files import Files
from workshop.pachd.wire.filesets import FileSets
from workshop.pachd.wire.fsck import Fsck
from workshop.pachd.wire.repos import Repos
from workshop.pachd.wire.tasks import Tasks


class PfsService(Repos, Branches, Commits, Files, FileSets, Fsck, Tasks):
    """The versioned file system, as served."""

    def __init__(self, pfs: Pfs) -> None:
        self.pfs = pfs
