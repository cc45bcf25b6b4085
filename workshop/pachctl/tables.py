"""What pachctl's screens are made of: columns, sizes, ages, durations, progress bars, colours."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from workshop.pachctl.messages import timestamp_text

_ESCAPE = re.compile("\x1b\\[[0-9;]*m")
_HEIGHT = 50  # lines after which a table prints its header again

_colours = {"on": True}
_CODES = {"red": 31, "green": 32, "yellow": 33, "bright green": 92, "bright red": 91}


def set_colours(on: bool) -> None:
    """Colours are on unless --no-color or $NO_COLOR says otherwise; also into a pipe, as pachctl has it."""
    _colours["on"] = on and "NO_COLOR" not in os.environ


def coloured(text: str, colour: str) -> str:
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if _colours["on"] and colour else text


def columns(lines: list[list[str]], minimum: int = 0, padding: int = 1) -> str:
    """Lines of cells as aligned text. A line's last cell is its tail: it belongs to no column.

    The rule is that of Go's text/tabwriter: a column is as wide as its widest cell in a run of consecutive lines
    that have it.
    """
    widths: list[list[int]] = [[0] * max(len(line) - 1, 0) for line in lines]
    for column in range(max((len(line) for line in lines), default=0)):
        start = 0
        while start < len(lines):
            if len(widths[start]) <= column:
                start += 1
                continue
            end = start
            while end < len(lines) and len(widths[end]) > column:
                end += 1
            widest = max(max(visible(lines[row][column]) + padding for row in range(start, end)), minimum)
            for row in range(start, end):
                widths[row][column] = widest
            start = end
    text = []
    for line, wide in zip(lines, widths, strict=True):
        cells = [cell + " " * (width - visible(cell)) for cell, width in zip(line, wide, strict=False)]
        text.append("".join(cells) + (line[-1] if line else "") + "\n")
    return "".join(text)


def visible(text: str) -> int:
    """The number of characters a terminal shows: colours do not count."""
    return len(_ESCAPE.sub("", text))


class Table:
    """A table that prints its header first, and again after every fifty lines.

    `tail` is true where pachctl ends a row without a closing tab, so that the last cell carries no space after it.
    """

    def __init__(self, header: str, out: TextIO | None = None, tail: bool = False, minimum: int = 0, padding: int = 1):
        self.out = out or sys.stdout
        self.tail, self.minimum, self.padding = tail, minimum, padding
        self.header = header.split("\t")
        self.lines: list[list[str]] = []
        self.add(*self.header)

    def add(self, *cells: str) -> None:
        if len(self.lines) >= _HEIGHT:
            self.flush()
            self.add(*self.header)
        self.lines.append(list(cells) if self.tail else [*cells, ""])

    def flush(self) -> None:
        if self.lines:
            self.out.write(columns(self.lines, self.minimum, self.padding))
            self.out.flush()
        self.lines = []

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *error: object) -> None:
        self.flush()


def size(number: int | float) -> str:
    """Bytes with four significant digits in powers of 1,024: 0B, 4.308KiB, 1.5MiB."""
    value, unit = float(number), 0
    units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]
    while value >= 1024.0 and unit < len(units) - 1:
        value, unit = value / 1024.0, unit + 1
    return f"{value:.4g}{units[unit]}"


def human_duration(seconds: float) -> str:
    """A length of time in words: Less than a second, 5 seconds, About an hour, 3 weeks."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    minutes = int(seconds / 60)
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    for limit, unit, name in (
        (48, 1, "hours"),
        (24 * 14, 24, "days"),
        (24 * 60, 24 * 7, "weeks"),
        (24 * 730, 24 * 30, "months"),
    ):
        if hours < limit:
            return f"{hours // unit} {name}"
    return f"{int(seconds / 3600) // 24 // 365} years"


def seconds_of(moment: Mapping[str, Any]) -> float:
    """A timestamp or duration message in seconds."""
    return moment.get("seconds", 0) + moment.get("nanos", 0) / 1e9


def ago(info: Mapping[str, Any], name: str, full: bool = False) -> str:
    """How long ago the field `name` of a message was, or its time if `full`; "-" where there is none."""
    if name not in info:
        return "-"
    return timestamp(info[name]) if full else f"{human_duration(time.time() - seconds_of(info[name]))} ago"


def timestamp(moment: Mapping[str, Any]) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return timestamp_text({"seconds": moment.get("seconds", 0)})


def local_timestamp(moment: Mapping[str, Any]) -> str:
    """RFC 3339 in this machine's time zone, whole seconds."""
    from datetime import datetime, timezone

    local = datetime.fromtimestamp(moment.get("seconds", 0), timezone.utc).astimezone()
    text = local.isoformat(timespec="seconds")
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def progress_bar(green: int, yellow: int, red: int, width: int = 8) -> str:
    """Cells in the shares of done, open and failed; the last cell is red if anything failed."""
    total, cells = green + yellow + red, []
    for index in range(width):
        if index == width - 1 and red:
            cells.append(coloured("▇", "red"))
        elif index * total < green * width:
            cells.append(coloured("▇", "green"))
        elif index * total < (green + yellow) * width:
            cells.append(coloured("▇", "yellow"))
        elif index * total < total * width:
            cells.append(coloured("▇", "red"))
        else:
            cells.append(" ")
    return "".join(cells)
