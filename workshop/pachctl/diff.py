"""diff file: two trees of files compared, by name or with a program for the contents."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import TextIO

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command
from workshop.pachctl.download import content
from workshop.pachctl.errors import Failure
from workshop.pachctl.files import API
from workshop.pachctl.messages import Message
from workshop.pachctl.output import paged
from workshop.pachctl.tables import Table, coloured, size

_GIT = ["git", "-c", "color.ui=always", "--no-pager", "diff", "--no-index"]
_NOTHING = "/dev/null"


@command("diff file")
def diff_file(call: Call) -> None:
    new = address.file(call.project, call.args[0])
    old = address.file(call.old_project or call.project, call.args[1]) if len(call.args) == 2 else None
    request = {"new_file": new, "old_file": old, "shallow": call.shallow}
    call.pachd  # noqa: B018 - connect before the header is printed

    def show(out: TextIO) -> None:
        if call.name_only:
            with Table("OP\tSIZE   \tNAME", out, tail=True) as table:
                for newer, older in _pairs(call, request):
                    for info, sign in ((newer, coloured("+", "green")), (older, coloured("-", "red"))):
                        if info is not None:
                            table.add(sign, size(info.size_bytes), info.file.path)
            return
        with tempfile.TemporaryDirectory(prefix="pachctl-diff-") as folder:
            for newer, older in _pairs(call, request):
                paths = [_fetched(call, older, folder, "old"), _fetched(call, newer, folder, "new")]
                if paths != [_NOTHING, _NOTHING]:
                    _compare(call.diff_command.split() or _program(), paths, out)

    paged(show, without=call.no_pager)


def _pairs(call: Call, request: dict) -> Iterator[tuple[Message | None, Message | None]]:
    """What differs, by path: the newer and the older file, or None where there is none."""
    answers = list(call.pachd.stream(f"{API}/DiffFile", "pfs_v2.DiffFileResponse", request))
    newer = [each.new_file for each in answers if "new_file" in each]
    older = [each.old_file for each in answers if "old_file" in each]
    while newer or older:
        if not older or (newer and newer[0].file.path < older[0].file.path):
            yield newer.pop(0), None
        elif not newer or older[0].file.path < newer[0].file.path:
            yield None, older.pop(0)
        else:
            yield newer.pop(0), older.pop(0)


def _fetched(call: Call, info: Message | None, folder: str, side: str) -> str:
    """A copy of a file, to hand to the program; the empty device for a folder or for nothing."""
    if info is None or info.file_type != "FILE":
        return _NOTHING
    path = os.path.join(folder, side, info.file.path.lstrip("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        for piece in content(call, info.file):
            file.write(piece)
    return path


def _program() -> list[str]:
    return _GIT if shutil.which("git") else ["diff"]


def _compare(program: list[str], paths: list[str], out: TextIO) -> None:
    sys.stdout.flush()
    if shutil.which(program[0]) is None:
        raise Failure(f'exec: "{program[0]}": executable file not found in $PATH')
    done = subprocess.run([*program, *paths], stdout=subprocess.PIPE, check=False)
    out.write(done.stdout.decode("utf-8", "replace"))
    out.flush()
    if done.returncode not in (0, 1):
        raise Failure(f"exit status {done.returncode}")
