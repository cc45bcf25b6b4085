"""get file: to standard output, to a file, or a folder with -r."""

from __future__ import annotations

import io
import os
import posixpath
import sys
from collections.abc import Iterator
from typing import BinaryIO, cast

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command
from workshop.pachctl.errors import Failure, Refused
from workshop.pachctl.files import API, inspect
from workshop.pachctl.sources import go_error, is_url

_BYTES = "google.protobuf.BytesValue"


@command("get file")
def get_file(call: Call) -> None:
    file = address.file(call.project, call.args[0])
    if call.recursive:
        if not call.output:
            raise Failure("an output path needs to be specified when using the --recursive flag")
        _folder(call, file, call.output)
    elif call.output and is_url(call.output):
        for _ in call.pachd.stream(f"{API}/GetFile", _BYTES, {"file": file, "URL": call.output}):
            pass
    elif call.output:
        _to_path(call, file, call.output)
    else:
        _copy(call, file, sys.stdout.buffer, call.offset)


def content(call: Call, file: dict, offset: int = 0) -> Iterator[bytes]:
    """The bytes of a file, piece by piece."""
    for piece in call.pachd.stream(f"{API}/GetFile", _BYTES, {"file": file, "offset": offset}):
        yield piece.value


def _copy(call: Call, file: dict, out: BinaryIO, offset: int) -> None:
    try:
        for piece in content(call, file, offset):
            out.write(piece)
        out.flush()
    except Refused as error:
        text = error.text.replace("Use GetFileTAR instead", "Try again with the -r flag")
        where = address.request_commit_text(file["commit"])
        raise Failure(f"couldn't download {file['path']} from {where}: {text}") from None


def _to_path(call: Call, file: dict, path: str) -> None:
    inspect(call, file)  # a file that is not there leaves no empty one here
    offset, mode = call.offset, "wb"
    if call.retry and os.path.exists(path):
        offset, mode = offset or os.path.getsize(path), "ab"
    try:
        with open(path, mode) as out:
            _copy(call, file, cast(BinaryIO, out), offset)
    except OSError as error:
        raise Failure(go_error("open", path, error)) from None


class _Stream(io.RawIOBase):
    """The pieces of an answer as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]):
        self.pieces, self.rest = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self.rest:
            piece = next(self.pieces, None)
            if piece is None:
                return 0
            self.rest = piece
        taken = min(len(buffer), len(self.rest))
        buffer[:taken], self.rest = self.rest[:taken], self.rest[taken:]
        return taken


def _folder(call: Call, file: dict, output: str) -> None:
    """A file or a folder with all below it, at OUTPUT. Nothing is written outside of it."""
    import tarfile

    prefix = inspect(call, file).file.path
    pieces = (
        piece.value
        for piece in call.pachd.stream(f"{API}/GetFileTAR", _BYTES, {"file": file}, of="pfs_v2.GetFileRequest")
    )
    with tarfile.open(fileobj=io.BufferedReader(_Stream(pieces)), mode="r|") as archive:
        for member in archive:
            # a name may not climb out of the folder, whoever answers
            name = f"{member.name}/" if member.isdir() else member.name
            inside = posixpath.normpath("/" + name.removeprefix(prefix)).lstrip("/")
            path = os.path.join(output, inside) if inside else output
            try:
                if member.isdir():
                    os.makedirs(path, exist_ok=True)
                    continue
                os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
                source = archive.extractfile(member)
                with open(path, "wb") as out:
                    while source is not None and (data := source.read(1 << 20)):
                        out.write(data)
            except OSError as error:
                raise Failure(go_error("open", path, error)) from None
