"""Sizes, ages and tables as pachctl words them, for the screens of `workshop` itself."""

from collections.abc import Sequence
from datetime import datetime, timezone

UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]


def size(count: float) -> str:
    """Bytes with at most four significant digits: 96B, 4.308KiB."""
    for unit in UNITS[:-1]:
        if count < 1024:
            return f"{count:.4g}{unit}"
        count /= 1024
    return f"{count:.4g}{UNITS[-1]}"


def age(then: datetime, now: datetime | None = None) -> str:
    """How long ago, in the words of pachctl: `3 minutes ago`."""
    seconds = ((now or datetime.now(timezone.utc)) - then.replace(tzinfo=timezone.utc)).total_seconds()
    return f"{span(max(0.0, seconds))} ago"


def span(seconds: float) -> str:
    """A length of time in one unit, rounded down as Docker's HumanDuration does."""
    minutes, hours = int(seconds / 60), int(seconds / 3600 + 0.5)
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return "1 second" if int(seconds) == 1 else f"{int(seconds)} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    days = hours // 24
    return f"{days} days" if days < 14 else f"{days // 7} weeks"


def brief(seconds: float) -> str:
    """A length of time in figures: 312ms, 4.1s."""
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.1f}s"


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces apart, without padding at the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows)]
    return "\n".join(line.rstrip() for line in lines)
