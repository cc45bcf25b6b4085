"""Where a command reads from: a file, standard input, or a URL; with the texts that Go gives when it cannot."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any
from urllib.parse import urlsplit

from workshop.pachctl.errors import Failure

_WORDS = {
    errno.ENOENT: "no such file or directory",
    errno.EISDIR: "is a directory",
    errno.EACCES: "permission denied",
    errno.ENOTDIR: "not a directory",
    errno.ECONNREFUSED: "connection refused",
    errno.EEXIST: "file exists",
}


def reason(error: OSError) -> str:
    """The operating system's word for an error, as Go writes it."""
    number = error.errno or 0
    return _WORDS.get(number, (os.strerror(number) if number else str(error)).lower())


def go_error(verb: str, path: str, error: OSError) -> str:
    """`open PATH: no such file or directory`."""
    return f"{verb} {path}: {reason(error)}"


def read_error(path: str, error: OSError) -> str:
    """Why a file cannot be read: Go opens a folder, too, and fails only to read it."""
    return go_error("read" if isinstance(error, IsADirectoryError) else "open", path, error)


def is_url(text: str) -> bool:
    """Whether this has a scheme, as net/url sees it."""
    scheme = urlsplit(text).scheme if ":" in text else ""
    return bool(scheme)


# what pachctl's reader of specs says before a file that opens but cannot be read
UNREADABLE_SPEC = "malformed pipeline spec: yaml: input error: "


def open_source(indicator: str, before: str = "", unreadable: str = UNREADABLE_SPEC) -> str:
    """The text of a file, of a URL, or of standard input for "-". BEFORE is what is said before the failure to open it;
    UNREADABLE, before the failure to read it.
    """
    if indicator == "-":
        remind_of_stdin()
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    if is_url(indicator):
        return _fetch(indicator).decode("utf-8", "replace")
    try:
        with open(indicator, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except IsADirectoryError as error:
        raise Failure(unreadable + read_error(indicator, error)) from None
    except OSError as error:
        text = f'could not open path "{indicator}": {go_error("open", indicator, error)}'
        raise Failure(before + text) from None


def remind_of_stdin() -> None:
    """Tell a user at a terminal that the command waits for what they type."""
    if sys.stdin.isatty():
        print("Reading from stdin.", file=sys.stderr)


def _fetch(url: str) -> bytes:
    with open_url(url) as answer:
        return answer.read()


def open_url(url: str, explained: bool = True) -> Any:
    """The open answer of a web server. `explained` puts "could not retrieve URL" before what goes wrong."""
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    before = f"could not retrieve URL {url}: " if explained else ""
    try:
        return urlopen(url, timeout=60)
    except HTTPError as error:
        raise Failure(f"cannot handle HTTP status code {error.code} {error.reason} ({error.code})") from None
    except URLError as error:
        cause = error.reason
        if isinstance(cause, OSError) and cause.errno:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            text = f"dial tcp {parts.hostname}:{port}: connect: {reason(cause)}"
        else:
            text = str(cause)
        raise Failure(f'{before}Get "{url}": {text}') from None
    except ValueError as error:
        raise Failure(f'{before}Get "{url}": {error}') from None
