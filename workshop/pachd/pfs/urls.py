"""Files from URLs: http and https, and local files under folders that the daemon was started with."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from workshop.pachd import errors

_PIECE = 1 << 20
_TIMEOUT = 60  # seconds without a byte
_WEB = {"http", "https"}


class Sources:
    """What URLs may name. No folder is open to `file:` unless it, or one above it, is in `folders`."""

    def __init__(self, folders: tuple[Path, ...] = (), http: bool = True) -> None:
        self.folders = tuple(Path(folder).resolve() for folder in folders)
        self.http = http

    def files(self, url: str, recursive: bool) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The files that a URL stands for: (path below the one to be put, its bytes).

        A `file:` URL of a folder must be recursive; others stand for one file.
        PachydermError when it cannot be read, or must not be.
        """
        scheme = url.split(":", 1)[0].lower() if ":" in url else ""
        if scheme in _WEB:
            if not self.http:
                raise errors.PachydermError(f"this pachd was started without access to {scheme} URLs")
            yield "", _fetch(url)
        elif scheme == "file":
            yield from self._local(url, recursive)
        elif "://" in url and not scheme:
            raise errors.PachydermError(f"error parsing url {url}: missing protocol scheme")
        else:
            raise errors.PachydermError(f"unrecognized object store: {scheme}")

    def local(self, url: str) -> Path:
        """The place on this machine that a `file:` URL names, links followed. Refused outside of `folders`."""
        parts = urllib.parse.urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise errors.PachydermError(f"{url}: a file URL has three slashes: file:///folder/file")
        path = Path(os.path.realpath(urllib.parse.unquote(parts.path)))
        if not any(path == folder or folder in path.parents for folder in self.folders):
            raise errors.PachydermError(
                f"{url}: this pachd may not read or write there: start it with --allow-files FOLDER, one above"
            )
        return path

    def _local(self, url: str, recursive: bool) -> Iterator[tuple[str, Iterator[bytes]]]:
        path = self.local(url)
        if path.is_dir():
            if not recursive:
                raise errors.PachydermError(f"{url} is a folder: put it recursively")
            for folder, below, names in os.walk(path):
                below.sort()
                for name in sorted(names):
                    file = Path(folder, name)
                    if file.is_file() and not file.is_symlink():
                        yield file.relative_to(path).as_posix(), _read(file, url)
        elif path.is_file():
            yield "", _read(path, url)
        else:
            raise errors.PachydermError(f'error retrieving content from "{url}": no such file')


def _fetch(url: str) -> Iterator[bytes]:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            while data := answer.read(_PIECE):
                yield data
    except urllib.error.HTTPError as error:
        raise errors.PachydermError(f'error retrieving content from "{url}": {error.code} {error.reason}') from None
    except (OSError, ValueError) as error:  # names that cannot be looked up, refused connections, broken URLs
        raise errors.PachydermError(f'Get "{url}": {_cause(url, getattr(error, "reason", error))}') from None


def _cause(url: str, error: object) -> str:
    """What went wrong on the way to a server, as Go tells it."""
    if not isinstance(error, OSError) or not error.errno:
        return str(error)
    parts = urllib.parse.urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {host}: no such host"
    with suppress(OSError):
        host = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"dial tcp {address}: connect: {os.strerror(error.errno).lower()}"


def _read(path: Path, url: str) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while data := file.read(_PIECE):
                yield data
    except OSError as error:
        raise errors.PachydermError(f'error retrieving content from "{url}": {error.strerror}') from None
