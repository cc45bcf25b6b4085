"""pfs_v2.API: Fsck and CheckStorage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workshop.pachd.pfs import Pfs, commits, fsck, rows, storage, zombies
from workshop.pachd.wire.names import picked_handle
from workshop.pachd.wire.schema import pfs_v2
from workshop.pachd.wire.serve import Call


class Fsck:
    """Consistency checks."""

    service = "pfs_v2.API"
    pfs: Pfs

    def Fsck(self, request: Any, call: Call) -> Iterator[Any]:
        """Nothing when all is well; else a message for each fault, and for each that was put right."""
        if request.fix:
            with self.pfs.transaction() as tx:
                found = list(fsck.repair(tx))
        else:
            with self.pfs.store.database.read() as db:
                found = [(fault.text, "") for fault in fsck.check(self.pfs.store, db)]
        for text, done in found:
            yield pfs_v2.FsckResponse(error=text)
            if done:
                yield pfs_v2.FsckResponse(fix=done)
        for text in storage.check(self.pfs):
            yield pfs_v2.FsckResponse(error=text)
        yield from self._zombies(request)

    def CheckStorage(self, request: Any, call: Call) -> Any:
        """The number of stored chunks; DATA_LOSS when one of those read is damaged."""
        found = storage.chunks(self.pfs, request.chunk_begin, request.chunk_end, request.read_chunk_data)
        return pfs_v2.CheckStorageResponse(chunk_object_count=found)

    def _zombies(self, request: Any) -> Iterator[Any]:
        store = self.pfs.store
        with store.database.read() as db:
            outputs: list[rows.Commit] = []
            if request.HasField("zombie_target"):
                outputs = [commits.resolve(db, picked_handle(request.zombie_target))]
            elif request.zombie_all:
                outputs = list(zombies.newest_outputs(db))
            found = [text for commit in outputs for text in zombies.find(store, db, commit)]
        for text in found:
            yield pfs_v2.FsckResponse(error=text)
