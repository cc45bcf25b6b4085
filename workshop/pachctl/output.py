"""--raw output in JSON or YAML, the pager, and the question before something is destroyed."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import json_text, quoted
from workshop.pachctl.messages import Message, to_json


class Encoder:
    """Writes messages or plain values one after another, in the format that --output names."""

    def __init__(self, form: str, out: TextIO | None = None):
        self.form = form.lower() or "json"
        if self.form not in ("json", "yaml"):
            raise Failure(f'unrecognized encoding: {quoted(form.lower())} (must be "yaml" or "json")')
        self.out = out or sys.stdout
        self.count = 0

    def write(self, value: Any) -> None:
        """A message in protobuf's JSON with the original names, or a plain value with its keys sorted."""
        plain = to_json(_without_branches(value)) if isinstance(value, Message) else value
        if self.form == "yaml":
            from workshop.pachctl.yamltext import yaml_text

            self.out.write(("---\n" if self.count else "") + yaml_text(plain))
        else:
            own = isinstance(value, Message)
            self.out.write(json_text(plain, indent=2, escape_html=not own, sort=not own) + "\n")
        self.count += 1
        self.out.flush()

    def write_all(self, values: Iterable[Any]) -> None:
        """Each value as it comes."""
        for value in values:
            self.write(value)


# Commits that pachd 2.12 answers without their branch, for a branch tells nothing beside an id; others keep it.
_BARE_COMMITS = {
    "pfs_v2.CommitInfo": ("commit", "parent_commit", "child_commits"),
    "pfs_v2.BranchInfo": ("head",),
    "pfs_v2.FileInfo": ("file",),
}


def _without_branches(message: Message) -> Message:
    """The message as pachd 2.12 would answer it: other pachds put a branch beside the id of every commit."""
    name = message.__dict__["of"]
    made = Message(name)
    for field, value in message.items():
        items = value if isinstance(value, list) else [value]
        done = [_without_branches(item) if isinstance(item, Message) else item for item in items]
        if field in _BARE_COMMITS.get(name, ()):
            for item in done:
                commit = item.commit if field == "file" else item
                if commit.id and "repo" in commit:
                    commit.pop("branch", None)
        made[field] = done if isinstance(value, list) else done[0]
    return made


def paged(show: Callable[[TextIO], None], without: bool = False) -> None:
    """Show through $PAGER, or less, at a terminal; elsewhere as it is. A failure is told by the pager's line, too."""
    pager = os.environ.get("PAGER", "").split() or ["less", "-RFX"]
    if without:
        show(sys.stdout)
        return
    try:
        if sys.stdout.isatty():
            text = io.StringIO()
            try:
                show(text)
            finally:
                _page(pager, text.getvalue())
        else:
            show(sys.stdout)
    except Failure as error:
        sys.stdout.flush()
        print(f"unable to run pager {quoted(pager[0])}: {error.text}", file=sys.stderr)
        raise


def _page(pager: list[str], text: str) -> None:
    import subprocess

    try:
        subprocess.run(pager, input=text.encode(), check=False)
    except OSError as error:
        print(f"unable to run pager {quoted(pager[0])}: {error.strerror}", file=sys.stderr)
        sys.stdout.write(text)


def confirmed() -> bool:
    """Ask whether to go on; the answer is one line of standard input. Raises Failure at its end."""
    sys.stdout.flush()
    print("Are you sure you want to do this? (y/N): ", end="", file=sys.stderr, flush=True)
    line = read_line()
    print(f"got confirm result: {line}")
    return line[:1] in ("y", "Y")


def read_line() -> str:
    """One line of standard input and nothing beyond it, so that a second question finds the next one."""
    try:
        number = sys.stdin.fileno()
    except OSError:  # not a file of the system: nobody else reads from it
        number = -1
    line = b""
    while not line.endswith(b"\n"):
        one = os.read(number, 1) if number >= 0 else sys.stdin.buffer.read(1)
        if not one:
            raise Failure("EOF")
        line += one
    return line.decode("utf-8", "replace")
