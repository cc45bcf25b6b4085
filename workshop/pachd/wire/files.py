"""Files over the wire: ModifyFile, reading, listing. Messages that come or go by the thousand are handled as wire bytes."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from typing import Any

from workshop.pachd import errors
from workshop.pachd.model import CommitHandle
from workshop.pachd.pfs import Pfs, files
from workshop.pachd.pfs.files import View
from workshop.pachd.store.trees import Entry, entry_size
from workshop.pachd.wire import encode, names
from workshop.pachd.wire.schema import google, pfs_v2
from workshop.pachd.wire.serve import Call, raw_answer, raw_request


class Files:
    """The file RPCs of pfs_v2.API."""

    pfs: Pfs

    @raw_request
    def ModifyFile(self, requests: Iterator[bytes], call: Call) -> Any:
        first = next(requests, None)
        if first is None:
            raise errors.PachydermError("EOF")
        message = pfs_v2.ModifyFileRequest.FromString(first)
        if message.WhichOneof("body") != "set_commit":
            raise errors.PachydermError("first message must be a commit")
        files.modify(self.pfs, names.commit_handle(message.set_commit), lambda edit: _fill(edit, requests))
        return google.Empty()

    def GetFile(self, request: Any, call: Call) -> Iterator[Any]:
        with self.pfs.store.database.read() as db:
            view, file = self._one_file(db, request)
            content = view.trees.content(file.value)
        sent = False
        for data in self.pfs.store.blobs.pieces(self.pfs.store.database.read, content, request.offset):
            sent = True
            yield google.BytesValue(value=data)
        if not sent:
            yield google.BytesValue()

    def _one_file(self, db: Any, request: Any) -> tuple[View, Entry]:
        view = files.view(self.pfs.store, db, names.commit_handle(request.file.commit))
        found = list(view.glob(request.file.path, request.file.datum))
        if not found:
            raise view.missing(request.file.path)
        if len(found) > 1:
            raise errors.PachydermError("get file: matched multiple files. Use GetFileTAR instead")
        if found[0].is_directory:
            raise errors.PachydermError("get file: cannot get directory or non-regular file. Use GetFileTAR instead")
        return view, found[0]

    def GetFileTAR(self, request: Any, call: Call) -> Iterator[Any]:
        store = self.pfs.store
        with store.database.read() as db:
            view = files.view(store, db, names.commit_handle(request.file.commit))
            found = list(view.glob(request.file.path, request.file.datum))
            if not found:
                raise view.missing(request.file.path)
            for entry in found:
                members = [entry]
                if entry.is_directory:
                    members += view.trees.walk(entry.value, entry.path)
                for member in members:
                    yield google.BytesValue(value=_header(member))
                    if not member.is_directory:
                        content = view.trees.content(member.value)
                        for data in store.blobs.pieces(store.database.read, content):
                            yield google.BytesValue(value=data)
                        yield google.BytesValue(value=b"\0" * (-content.size % 512))
        yield google.BytesValue(value=b"\0" * 1024)

    @raw_answer
    def InspectFile(self, request: Any, call: Call) -> bytes:
        with self.pfs.store.database.read() as db:
            view = files.view(self.pfs.store, db, names.commit_handle(request.file.commit))
            entry = view.lookup(request.file.path, request.file.datum)
            if entry is None:
                raise view.missing(request.file.path)
            return _info(view, entry)

    @raw_answer
    def ListFile(self, request: Any, call: Call) -> Iterator[bytes]:
        with self.pfs.store.database.read() as db:
            view = files.view(self.pfs.store, db, names.commit_handle(request.file.commit))
            entry = view.lookup(request.file.path, request.file.datum)
            if entry is None:
                return
            found: Iterable[Entry] = [entry]
            if entry.is_directory:
                found = view.trees.children(entry.value, entry.path, reverse=request.reverse)
            for one in _page(found, request):
                yield _info(view, one)

    @raw_answer
    def WalkFile(self, request: Any, call: Call) -> Iterator[bytes]:
        with self.pfs.store.database.read() as db:
            view = files.view(self.pfs.store, db, names.commit_handle(request.file.commit))
            entry = view.lookup(request.file.path, request.file.datum)
            if entry is None:
                if files.clean(request.file.path) == "/":
                    return
                path = files.clean(request.file.path)
                raise errors.NotFound(f"commit/{view.commit.id} does not contain item: ({path})")
            found = [entry]
            if entry.is_directory:
                found += view.trees.walk(entry.value, entry.path)
            for one in _page(reversed(found) if request.reverse else found, request):
                yield _info(view, one)

    @raw_answer
    def GlobFile(self, request: Any, call: Call) -> Iterator[bytes]:
        with self.pfs.store.database.read() as db:
            view = files.view(self.pfs.store, db, names.required_commit(request))
            for entry in view.glob(request.pattern):
                lower, upper = request.path_range.lower, request.path_range.upper
                if entry.path >= lower and (not upper or entry.path < upper):
                    yield _info(view, entry)


def _fill(edit: files.Modification, requests: Iterator[bytes]) -> None:
    for data in requests:
        message = pfs_v2.ModifyFileRequest.FromString(data)
        kind = message.WhichOneof("body")
        if kind == "add_file":
            edit.add(message.add_file.path, _tag(message.add_file.datum), message.add_file.raw.value)
        elif kind == "delete_file":
            edit.delete(message.delete_file.path, _tag(message.delete_file.datum))
        elif kind == "copy_file":
            copy = message.copy_file
            handle: CommitHandle = names.commit_handle(copy.src.commit)
            edit.copy(
                files.CopyFrom(handle, copy.src.path, _tag(copy.src.datum), copy.dst, copy.append, _tag(copy.datum))
            )
        elif kind == "set_commit":
            raise errors.PachydermError("cannot set commit")
        else:
            raise errors.PachydermError("unrecognized message type")


def _tag(datum: str) -> str:
    return "" if datum == "default" else datum


def _page(entries: Iterable[Entry], request: Any) -> Iterator[Entry]:
    if request.reverse and request.number <= 0:
        raise errors.PachydermError("number must be > 0 when reverse is true")
    marker, sent = request.paginationMarker.path, 0
    for entry in entries:
        if marker and not (entry.path < marker if request.reverse else entry.path > marker):
            continue
        yield entry
        sent += 1
        if request.number and sent == request.number:
            return


def _info(view: View, entry: Entry) -> bytes:
    """pfs_v2.FileInfo"""
    commit = encode.commit(view.commit.name, view.commit.branch)
    tag = "" if entry.is_directory else entry.tag or "default"
    file = encode.part(1, commit) + encode.text(2, entry.path) + encode.text(3, tag)
    kind = pfs_v2.DIR if entry.is_directory else pfs_v2.FILE
    return (
        encode.part(1, file)
        + encode.number(2, kind)
        + encode.time(3, view.commit.finishing)
        + encode.number(4, entry_size(entry))
        + encode.part(5, view.trees.hash(entry))
    )


def _header(entry: Entry) -> bytes:
    member = tarfile.TarInfo(entry.path)
    member.mode = 0
    if entry.is_directory:
        member.type = tarfile.DIRTYPE
    else:
        member.size = entry_size(entry)
    return member.tobuf(tarfile.PAX_FORMAT)
