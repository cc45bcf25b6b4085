"""pfs_v2.API: file sets and the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workshop.pachd import errors
from workshop.pachd.pfs import Pfs, filesets
from workshop.pachd.wire.files import fill
from workshop.pachd.wire.names import required_commit
from workshop.pachd.wire.schema import google, pfs_v2
from workshop.pachd.wire.serve import Call, raw_request


class FileSets:
    """File sets: changes without a commit."""

    service = "pfs_v2.API"
    pfs: Pfs

    @raw_request
    def CreateFileSet(self, requests: Iterator[bytes], call: Call) -> Any:
        id = filesets.create(self.pfs, lambda changes: fill(self.pfs, changes, requests))
        return pfs_v2.CreateFileSetResponse(file_set_id=id)

    def GetFileSet(self, request: Any, call: Call) -> Any:
        try:
            id = filesets.of_commit(self.pfs, required_commit(request), written=bool(request.type))
        except errors.PachydermError as error:
            raise error.within("get file set: ") from None
        return pfs_v2.CreateFileSetResponse(file_set_id=id)

    def AddFileSet(self, request: Any, call: Call) -> Any:
        filesets.add(self.pfs, required_commit(request), request.file_set_id)
        return google.Empty()

    def RenewFileSet(self, request: Any, call: Call) -> Any:
        filesets.renew(self.pfs.store, request.file_set_id, request.ttl_seconds)
        return google.Empty()

    def ComposeFileSet(self, request: Any, call: Call) -> Any:
        id = filesets.compose(self.pfs.store, request.file_set_ids, request.ttl_seconds, request.compact)
        return pfs_v2.CreateFileSetResponse(file_set_id=id)

    def ShardFileSet(self, request: Any, call: Call) -> Any:
        bounds = filesets.shards(self.pfs.store, request.file_set_id, request.num_files, request.size_bytes)
        return pfs_v2.ShardFileSetResponse(shards=[pfs_v2.PathRange(lower=low, upper=high) for low, high in bounds])

    def PutCache(self, request: Any, call: Call) -> Any:
        filesets.cache_put(
            self.pfs.store, request.key, request.value.SerializeToString(), request.file_set_ids, request.tag
        )
        return google.Empty()

    def GetCache(self, request: Any, call: Call) -> Any:
        value = google.Any.FromString(filesets.cache_get(self.pfs.store, request.key))
        return pfs_v2.GetCacheResponse(value=value)

    def ClearCache(self, request: Any, call: Call) -> Any:
        filesets.cache_clear(self.pfs.store, request.tag_prefix)
        return google.Empty()
