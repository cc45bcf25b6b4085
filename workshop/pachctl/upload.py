"""put file: from a path, a folder, a list of paths, a tar, a URL or standard input; all of it in one stream, so
all or nothing.
"""

from __future__ import annotations

import os
import posixpath
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import Failure, Refused
from workshop.pachctl.files import API
from workshop.pachctl.messages import encode
from workshop.pachctl.sources import go_error, is_url, open_url, remind_of_stdin

_CHUNK = 4 << 20  # bytes in a message; pachd takes up to 20 MiB
_REQUEST = "pfs_v2.ModifyFileRequest"


@command("put file")
def put_file(call: Call) -> None:
    file = address.file(call.project, call.args[0])
    commit = file["commit"]
    repo = {**commit["repo"], "type": "user"}
    try:
        call.pachd.call(f"{API}/InspectRepo", "pfs_v2.RepoInfo", {"repo": repo})
    except Refused as error:
        if error.is_missing:
            raise
        raise Failure(f"could not inspect repo {repo['name']}: {error.text}") from None
    sources = list(_listed(call.input_file)) if call.input_file else call.file
    show = call.progress if "progress" in call.given else sys.stdout.isatty()
    upload = _Upload(commit, call.append, call.recursive, call.untar, _Progress() if show else None)
    items = list(_planned(_targets(sources, file["path"], call.full_path, call.recursive), call.recursive))
    requests = _Guarded(upload.requests(items))
    try:
        call.pachd.upload(f"{API}/ModifyFile", EMPTY, requests, compressed=call.compress, about={"set_commit": commit})
    except Failure:
        if requests.failure is not None:
            raise requests.failure from None
        raise
    finally:
        if upload.progress:
            upload.progress.done()


class _Guarded:
    """An iterator that remembers why it broke: gRPC tells only that it did."""

    def __init__(self, items: Iterator[bytes]):
        self.items = items
        self.failure: Exception | None = None

    def __iter__(self) -> _Guarded:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self.items)
        except StopIteration:
            raise
        except Exception as error:
            self.failure = error
            raise


class _Progress:
    """How much of a large file has gone, on one line of the terminal."""

    def __init__(self) -> None:
        self.shown = False

    def tell(self, name: str, sent: int, total: int) -> None:
        if total > _CHUNK:
            print(f"\r{name}  {100 * sent // total:3d}%", end="", file=sys.stderr, flush=True)
            self.shown = True

    def done(self) -> None:
        if self.shown:
            print(file=sys.stderr)


def _listed(path: str) -> Iterator[str]:
    """The lines of a file (or URL, or standard input) that lists what to put."""
    if path == "-":
        data = sys.stdin.buffer.read()
    elif is_url(path):
        with open_url(path, explained=False) as answer:
            data = answer.read()
    else:
        try:
            with open(path, "rb") as file:
                data = file.read()
        except IsADirectoryError:
            data = b""  # pachctl reads no line of a folder, and does not ask why
        except OSError as error:
            raise Failure(go_error("open", path, error)) from None
    yield from (line for line in os.fsdecode(data).splitlines() if line)


def _joined(prefix: str, path: str) -> str:
    """PREFIX/PATH, cleaned; of a URL only the path counts, and of a pfs:// one what follows repo and branch."""
    if is_url(path):
        parts = urlsplit(path)
        path = parts.path.lstrip("/")
        if parts.scheme == "pfs":
            rest = path.split("/")
            return prefix if len(rest) < 3 else _clean("/".join([prefix, *rest[2:]]))
    if not prefix and not path:
        return ""
    return _clean(f"{prefix}/{path}" if prefix else path)


def _clean(path: str) -> str:
    """The shortest path that means the same; "" is "."."""
    cleaned = posixpath.normpath(path)
    return "/" + cleaned.lstrip("/") if cleaned.startswith("/") else cleaned


def _targets(sources: list[str], path: str, full_path: bool, recursive: bool) -> Iterator[tuple[str, str]]:
    """Each source and the path in the repo where it goes."""
    for source in sources:
        target = source if full_path else posixpath.basename(source.rstrip("/")) or "/"
        if not path:
            if source == "-":
                raise Failure("must specify filename when reading data from stdin")
            yield source, _joined("", target)
        elif len(sources) == 1:
            below = (recursive and full_path) or (not recursive and path.endswith("/"))
            yield source, _joined(path, target) if below else path
        else:
            yield source, _joined(path, target)


@dataclass(frozen=True)
class _Item:
    """One source and where it goes; `kind` says how it is read: url, stdin or file."""

    kind: str
    source: str
    path: str


def _planned(targets: Iterator[tuple[str, str]], recursive: bool) -> Iterator[_Item]:
    """Every file that is to be put, each looked at first: what is missing is found before anything is sent."""
    for source, target in targets:
        path = _clean(target)
        if is_url(source):
            yield _Item("url", source, path)
        elif source == "-":
            if recursive:
                raise Failure("cannot set -r and read from stdin (must also set -f or -i)")
            yield _Item("stdin", source, path)
        elif recursive:
            yield from _below(_clean(source), path)
        else:
            yield _local(_clean(source), path)


def _below(folder: str, path: str) -> Iterator[_Item]:
    """Every file below a folder, in the order of their names; links are files."""
    try:
        mode = os.lstat(folder).st_mode
    except OSError:
        raise Failure(f"{folder} doesn't exist") from None
    if not stat.S_ISDIR(mode):
        yield _local(folder, path)
        return
    for name in sorted(os.listdir(folder)):
        yield from _below(f"{folder}/{name}", f"{path.rstrip('/')}/{name}")


def _local(source: str, path: str) -> _Item:
    _opened(source).close()
    return _Item("file", source, path)


def _opened(source: str) -> BinaryIO:
    try:
        return open(source, "rb", buffering=0)  # type: ignore[return-value]
    except IsADirectoryError as error:
        raise Failure(go_error("read", source, error)) from None
    except OSError as error:
        raise Failure(go_error("open", source, error)) from None


class _Upload:
    """The messages of one ModifyFile stream."""

    def __init__(self, commit: dict, append: bool, recursive: bool, untar: bool, progress: _Progress | None):
        self.commit, self.append, self.recursive, self.untar, self.progress = commit, append, recursive, untar, progress

    def requests(self, items: list[_Item]) -> Iterator[bytes]:
        yield encode(_REQUEST, {"set_commit": self.commit})
        for item in items:
            if item.kind == "url":
                yield from self._overwritten(item.path)
                yield self._add({"path": item.path, "url": {"URL": item.source, "recursive": self.recursive}})
            elif item.kind == "stdin":
                remind_of_stdin()
                yield from self._file(sys.stdin.buffer, item.path)
            else:
                with _opened(item.source) as file:
                    if self.untar and item.source.endswith((".tar", ".tar.gz", ".tgz")):
                        yield from self._archive(file, item.source)
                    else:
                        yield from self._file(file, item.path, item.source)

    def _archive(self, file: BinaryIO, source: str) -> Iterator[bytes]:
        import tarfile

        mode: Any = "r|" if source.endswith(".tar") else "r|gz"
        try:
            with tarfile.open(fileobj=file, mode=mode) as archive:
                for member in archive:
                    if not member.isdir():
                        content = archive.extractfile(member)
                        yield from self._file(content, member.name)  # type: ignore[arg-type]
        except (tarfile.TarError, EOFError, OSError):
            raise Failure("unexpected EOF") from None

    def _file(self, file: BinaryIO | None, path: str, source: str = "") -> Iterator[bytes]:
        yield from self._overwritten(path)
        total = os.fstat(file.fileno()).st_size if source and file is not None else 0
        sent = 0
        while file is not None and (data := file.read(_CHUNK)):
            yield self._add({"path": path, "raw": {"value": data}})
            sent += len(data)
            if self.progress and source:
                self.progress.tell(source, sent, total)
        if not sent:
            yield self._add({"path": path})

    def _overwritten(self, path: str) -> Iterator[bytes]:
        if not self.append:
            yield encode(_REQUEST, {"delete_file": {"path": path}})

    @staticmethod
    def _add(file: dict[str, Any]) -> bytes:
        return encode(_REQUEST, {"add_file": file})
