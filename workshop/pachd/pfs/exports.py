"""Files sent to URLs: by a pipeline's egress, by Egress, and by GetFile with a URL.

`file:///folder`, and `s3://bucket/prefix` through boto3: its own settings (AWS_ACCESS_KEY_ID ...) in the daemon's
environment hold the keys, and the URL names an S3-compatible service as on a cluster:
`s3://bucket/prefix?endpoint=HOST:PORT&disableSSL=true&region=NAME&s3ForcePathStyle=true`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from workshop.pachd.errors import PachydermError
from workshop.pachd.pfs import Pfs, files
from workshop.pachd.pfs.views import View
from workshop.pachd.store.trees import entry_size

Put = Callable[[str, int, Iterator[bytes]], None]  # path, size, content


def target(url: str) -> Put:
    """What writes a file below a URL. PachydermError when nothing here can."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _folder(Path(unquote(parts.netloc + parts.path)))
    if parts.scheme == "s3":
        return _bucket(parts.netloc, unquote(parts.path).strip("/"), dict(parse_qsl(parts.query)))
    raise PachydermError(f"unrecognized object store: {parts.scheme}")


def _folder(root: Path) -> Put:
    def put(path: str, size: int, content: Iterator[bytes]) -> None:
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f".{place.name}.{os.getpid()}.part")
        with part.open("wb") as handle:
            for data in content:
                handle.write(data)
        part.replace(place)

    return put


def _bucket(bucket: str, prefix: str, options: dict[str, str]) -> Put:
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise PachydermError("egress to s3:// needs the Python package boto3: pip install boto3") from None
    endpoint = options.get("endpoint", "")
    if endpoint and "://" not in endpoint:
        endpoint = ("http://" if _yes(options, "disableSSL", "disable_https") else "https://") + endpoint
    style = "path" if _yes(options, "s3ForcePathStyle", "use_path_style") else "auto"
    config = Config(s3={"addressing_style": style}, retries={"max_attempts": 2}, connect_timeout=10)
    client = boto3.client("s3", endpoint_url=endpoint or None, region_name=options.get("region") or None, config=config)

    def put(path: str, size: int, content: Iterator[bytes]) -> None:
        client.upload_fileobj(_Reader(content), bucket, f"{prefix}{path}".lstrip("/"))

    return put


def _yes(options: dict[str, str], *names: str) -> bool:
    return any(options.get(name, "").lower() in ("true", "1", "t") for name in names)


class _Reader:
    """An iterator of bytes as a file that is read once."""

    def __init__(self, content: Iterator[bytes]) -> None:
        self._content, self._rest = content, b""

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            data = next(self._content, b"")
            if not data:
                break
            self._rest += data
        size = len(self._rest) if size < 0 else size
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


def export(pfs: Pfs, view: View, pattern: str, url: str, bounds: files.Bounds = None) -> tuple[int, int]:
    """Send the files that a glob matches, and those below, to their own paths under a URL: how many, and their bytes.

    A client may name folders of this machine only where the daemon was told so.
    """
    if urlsplit(url).scheme == "file":
        pfs.sources.local(url)
    put = target(url)
    number = total = 0
    for entry in files.archived(view, pattern, bounds):
        if not entry.is_directory:
            content = view.trees.content(entry.value)
            put(entry.path, content.size, pfs.store.blobs.pieces(pfs.store.database.read, content))
            number, total = number + 1, total + entry_size(entry)
    return number, total
