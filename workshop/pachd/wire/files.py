"""pfs_v2.API: files. What comes or goes by the thousand is handled as wire bytes (fast)."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from itertools import chain
from typing import Any

from workshop.pachd import errors
from workshop.pachd.model import CommitHandle
from workshop.pachd.pfs import Pfs, files, modify, paths, views
from workshop.pachd.pfs.exports import export
from workshop.pachd.pfs.modify import Changes, Copied
from workshop.pachd.pfs.scopes import Page
from workshop.pachd.store.blobs import Content
from workshop.pachd.store.trees import Entry, entry_size
from workshop.pachd.wire import encode, fast, names, schema
from workshop.pachd.wire.ahead import Beside, ahead
from workshop.pachd.wire.schema import google, pfs_v2
from workshop.pachd.wire.serve import Call, raw_answer, raw_request

LARGE = 2 << 20  # bytes from which threads pay


class Files:
    """Changing and reading files."""

    service = "pfs_v2.API"
    pfs: Pfs

    # ------------------------------------------------------------------ changing

    @raw_request
    def ModifyFile(self, requests: Iterator[bytes], call: Call) -> Any:
        first = next(requests, None)
        if first is None:
            raise errors.PachydermError("EOF")
        kind, part = fast.body(first)
        if kind != fast.SET_COMMIT:
            raise errors.PachydermError("first message must be a commit")
        handle = names.commit_handle(fast_message(pfs_v2.Commit, part))
        modify.modify(self.pfs, handle, lambda changes: fill(self.pfs, changes, requests), call.cancelled)
        return google.Empty()

    # ------------------------------------------------------------------ reading

    def _see(self, handle: CommitHandle, call: Call) -> views.View:
        return views.see(self.pfs, handle, lambda look: call.wait_for(self.pfs.store.changes, look))

    def _view(self, file: Any, call: Call) -> views.View:
        """What the reader of a File sees."""
        return self._see(names.required_commit(file), call).of_datum(file.datum, file.path)

    @raw_answer
    def InspectFile(self, request: Any, call: Call) -> bytes:
        file = _file(request)
        view = self._view(file, call)
        return fast.Infos(view).info(files.inspect(view, file.path))

    @raw_answer
    def ListFile(self, request: Any, call: Call) -> Iterator[bytes]:
        return self._listed(files.children, request, call)

    @raw_answer
    def WalkFile(self, request: Any, call: Call) -> Iterator[bytes]:
        return self._listed(files.walk, request, call)

    def _listed(self, verb: Any, request: Any, call: Call) -> Iterator[bytes]:
        file = _file(request)
        marker = request.paginationMarker.path if request.HasField("paginationMarker") else None
        page = Page(request.number, marker, request.reverse)
        names.required_commit(file)
        page.check()
        view = self._view(file, call)
        return map(fast.Infos(view).info, verb(view, file.path, page))

    @raw_answer
    def GlobFile(self, request: Any, call: Call) -> Iterator[bytes]:
        view = self._see(names.required_commit(request), call)
        return map(fast.Infos(view).info, files.globbed(view, request.pattern, _bounds(request)))

    @raw_answer
    def DiffFile(self, request: Any, call: Call) -> Iterator[bytes]:
        new = _file(request, "new_file")
        new_handle = _commit_of(new, "check new file commit: ")
        old_handle: CommitHandle | None = None
        old_path = new.path
        if request.HasField("old_file"):
            old_handle, old_path = _commit_of(request.old_file, "check old file commit: "), request.old_file.path
        parent = views.parent(self.pfs, new_handle)
        old_handle = old_handle or parent
        before = self._see(old_handle, call).of_datum(request.old_file.datum, old_path) if old_handle else None
        after = self._see(new_handle, call).of_datum(new.datum, new.path)
        new_infos = fast.Infos(after)
        old_infos = fast.Infos(before) if before else new_infos
        for one, two in files.diff(after, new.path, before, old_path):
            yield (encode.part(1, new_infos.info(one)) if one else b"") + (
                encode.part(2, old_infos.info(two)) if two else b""
            )

    @raw_answer
    def GetFile(self, request: Any, call: Call) -> Iterator[bytes]:
        file = _file(request)
        view = self._view_to_get(file, call)
        if request.URL:
            yield self._export(view, request)
            return
        entry = files.one_file(view, file.path, _bounds(request))
        content = view.trees.content(entry.value)
        if not content.size:
            yield b""  # python-pachyderm waits for a first message, whatever the size
        messages = map(fast.bytes_value, self._pieces(content, max(0, request.offset)))
        yield from ahead(messages) if content.size > LARGE else messages

    def _export(self, view: views.View, request: Any) -> bytes:
        """Send files to the request's URL instead of an answer: b""."""
        export(self.pfs, view, request.file.path, request.URL, _bounds(request))
        return b""

    def Egress(self, request: Any, call: Call) -> Any:
        target = request.WhichOneof("target")
        view = self._see(names.required_commit(request), call)
        if target == "object_storage":
            _, sent = export(self.pfs, view, "/", request.object_storage.url)
            return pfs_v2.EgressResponse(object_storage={"bytes_written": sent})
        if target == "sql_database":
            raise errors.Unimplemented(
                f"egress to a database ({request.sql_database.url}) is not implemented by the embedded pachd"
            )
        raise errors.PachydermError("egress failed")

    def _view_to_get(self, file: Any, call: Call) -> views.View:
        try:
            return self._view(file, call)
        except errors.PachydermError as error:
            raise error.within("get file: ") from None

    def _pieces(self, content: Content, start: int = 0) -> Iterator[bytes]:
        return self.pfs.store.blobs.pieces(self.pfs.store.database.read, content, start)

    @raw_answer
    def GetFileTAR(self, request: Any, call: Call) -> Iterator[bytes]:
        file = _file(request)
        view = self._view_to_get(file, call)
        if request.URL:
            yield self._export(view, request)
            return
        waiting: list[bytes] = []
        size = 0
        for entry in files.archived(view, file.path, _bounds(request)):
            pieces: Iterator[bytes] = iter(())
            padding = b""
            if not entry.is_directory:
                pieces = self._pieces(view.trees.content(entry.value))
                padding = b"\0" * (-entry_size(entry) % 512)
            for data in chain((_header(entry),), pieces, (padding,)):
                waiting.append(data)
                size += len(data)
                if size >= 1 << 20:
                    yield fast.bytes_value(b"".join(waiting))
                    waiting, size = [], 0
        yield fast.bytes_value(b"".join((*waiting, b"\0" * 1024)))


def fill(pfs: Pfs, changes: Changes, requests: Iterator[bytes]) -> None:
    """Take in the messages of a ModifyFile or CreateFileSet call."""
    beside = Beside()
    try:
        _fill(pfs, changes, requests, beside)
        beside.done()
    finally:
        beside.settle()


def _fill(pfs: Pfs, changes: Changes, requests: Iterator[bytes], beside: Beside) -> None:
    message: bytes | None
    part: memoryview | None
    while (message := next(requests, None)) is not None:
        kind, part = fast.body(message)
        if kind == fast.ADD:
            added = fast.added(part)
            if len(added.data) >= LARGE:  # hashed and written while the next message comes
                beside.run(changes.add, added.path, added.datum, added.data)
                message = part = added = None  # type: ignore[assignment]  # messages may be of 20 MiB: few at a time
                continue
            beside.done()
            if added.url is None:
                changes.add(added.path, added.datum, added.data)
            else:
                _add_url(pfs, changes, added.path, added.datum, added.url)
            continue
        beside.done()
        if kind == fast.DELETE:
            changes.delete(*fast.deleted(part))
        elif kind == fast.COPY:
            changes.copy(_copy(pfs, fast_message(pfs_v2.CopyFile, part)))
        elif kind == fast.SET_COMMIT:
            raise errors.PachydermError("cannot set commit")
        else:
            raise errors.PachydermError("unrecognized message type")


def fast_message(kind: Any, part: memoryview) -> Any:
    try:
        return kind.FromString(bytes(part))
    except Exception:
        raise fast.malformed() from None


def _add_url(pfs: Pfs, changes: Changes, path: str, datum: str, part: memoryview) -> None:
    source = fast_message(schema.message_class("pfs_v2.AddFile.URLSource"), part)
    paths.stored_target(path)
    for below, pieces in pfs.sources.files(source.URL, source.recursive):
        changes.add_file(f"{path.rstrip('/')}/{below}" if below else path, datum, pieces)


def _copy(pfs: Pfs, message: Any) -> Copied:
    if not message.HasField("src"):
        raise errors.InvalidArgument(
            "validate recv: invalid ModifyFileRequest.CopyFile: embedded message failed validation | caused by: "
            "invalid CopyFile.Src: value is required"
        )
    if not message.src.HasField("commit"):
        raise errors.PachydermError("pick commit tx: cannot pick nil commit")
    handle = names.picked_handle(message.src.commit)
    with pfs.store.database.read() as db:
        found = views.root_of(db, handle)
    return Copied(
        found,
        paths.clean(message.src.path),
        paths.stored_target(message.dst),
        paths.tag(message.datum),
        message.append,
        paths.tag(message.src.datum) if message.src.datum else None,
    )


def _file(request: Any, field: str = "file") -> Any:
    if not request.HasField(field):
        raise errors.PachydermError("file cannot be nil")
    return getattr(request, field)


def _bounds(request: Any) -> files.Bounds:
    """The path range of a request; one that is given without bounds is one still."""
    within = request.path_range
    return (within.lower, within.upper) if request.HasField("path_range") else None


def _commit_of(file: Any, prefix: str) -> CommitHandle:
    try:
        return names.required_commit(file)
    except errors.PachydermError as error:
        raise error.wrapped(prefix) from None


def _header(entry: Entry) -> bytes:
    member = tarfile.TarInfo(entry.path)
    member.mode = 0
    if entry.is_directory:
        member.type = tarfile.DIRTYPE
    else:
        member.size = entry_size(entry)
    return member.tobuf(tarfile.PAX_FORMAT)
