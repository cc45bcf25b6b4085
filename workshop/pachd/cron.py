"""Cron schedules in the standard syntax: five fields, descriptors (`@daily`), `@every 1h30m`, and `@never`. Pure.

    cron.parse("0 12 * * MON-FRI").next(after)      the first tick after a time

Same syntax, texts and ticks as the Go package robfig/cron's ParseStandard, which Pachyderm uses. Times are aware
datetimes; ticks come in the zone of the time asked about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Protocol

NEVER = datetime(9999, 1, 1, tzinfo=timezone.utc)

_BOUNDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES = {
    "month": {name: number for number, name in enumerate(_MONTHS, 1)},
    "weekday": {name: number for number, name in enumerate(_WEEKDAYS)},
}
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


class Schedule(Protocol):
    def next(self, after: datetime) -> datetime:
        """The first tick after a time."""
        ...


def parse(text: str) -> Schedule:
    """The schedule that a text describes; ValueError says what is wrong with it."""
    if text.strip() == "@never":
        return Never()
    if not text:
        raise ValueError("Empty spec string")
    if text.startswith("@"):
        return _descriptor(text)
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(f"Expected exactly 5 fields, found {len(fields)}: {text}")
    return Fields(*(_field(field, kind) for field, kind in zip(fields, _BOUNDS, strict=True)))


@dataclass(frozen=True)
class Never:
    """No tick before the year 9999."""

    def next(self, after: datetime) -> datetime:
        return NEVER


@dataclass(frozen=True)
class Every:
    """Ticks on whole seconds, a constant delay apart."""

    delay: timedelta

    def next(self, after: datetime) -> datetime:
        return (after + self.delay).replace(microsecond=0)


@dataclass(frozen=True)
class Fields:
    """Ticks on the minutes that all five fields allow; a star in one of the two day fields leaves it to the other."""

    minute: tuple[frozenset[int], bool]
    hour: tuple[frozenset[int], bool]
    day: tuple[frozenset[int], bool]
    month: tuple[frozenset[int], bool]
    weekday: tuple[frozenset[int], bool]

    def next(self, after: datetime) -> datetime:
        """The first tick after a time, within five years; NEVER when there is none."""
        at = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
        last = at.year + 5
        while at.year <= last:
            if at.month not in self.month[0]:
                at = (at.replace(day=1, hour=0, minute=0) + timedelta(days=32)).replace(day=1)
            elif not self._has_day(at):
                at = at.replace(hour=0, minute=0) + timedelta(days=1)
            elif at.hour not in self.hour[0]:
                at = at.replace(minute=0) + timedelta(hours=1)
            elif at.minute not in self.minute[0]:
                at += timedelta(minutes=1)
            else:
                return at
        return NEVER

    def _has_day(self, at: datetime) -> bool:
        by_day, by_weekday = at.day in self.day[0], at.isoweekday() % 7 in self.weekday[0]
        return by_day and by_weekday if self.day[1] or self.weekday[1] else by_day or by_weekday


def _field(text: str, kind: str) -> tuple[frozenset[int], bool]:
    """The numbers of a field, and whether it has a star."""
    values: set[int] = set()
    star = False
    for part in filter(None, text.split(",")):
        found, starred = _range(part, kind)
        values |= found
        star |= starred
    return frozenset(values), star


def _range(text: str, kind: str) -> tuple[set[int], bool]:
    low, high = _BOUNDS[kind]
    sides = text.split("/")
    ends = sides[0].split("-")
    star = ends[0] in ("*", "?")
    if star:
        first, last = low, high
    else:
        first = _number(ends[0], kind)
        if len(ends) > 2:
            raise ValueError(f"Too many hyphens: {text}")
        last = _number(ends[1], kind) if len(ends) == 2 else first
    step = 1
    if len(sides) == 2:
        step = _integer(sides[1])
        if len(ends) == 1 and not star:  # n/step means from n on
            last = high
    elif len(sides) > 2:
        raise ValueError(f"Too many slashes: {text}")
    if first < low:
        raise ValueError(f"Beginning of range ({first}) below minimum ({low}): {text}")
    if last > high:
        raise ValueError(f"End of range ({last}) above maximum ({high}): {text}")
    if first > last:
        raise ValueError(f"Beginning of range ({first}) beyond end of range ({last}): {text}")
    if step == 0:
        raise ValueError(f"Step of range should be a positive number: {text}")
    return set(range(first, last + 1, step)), star


def _number(text: str, kind: str) -> int:
    named = _NAMES.get(kind, {}).get(text.lower())
    return _integer(text) if named is None else named


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError(f'Failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if len(text) > 18:
        raise ValueError(f'Failed to parse int from {text}: strconv.Atoi: parsing "{text}": value out of range')
    number = int(text)
    if number < 0:
        raise ValueError(f"Negative number ({number}) not allowed: {text}")
    return number


def _descriptor(text: str) -> Schedule:
    if text in _DESCRIPTORS:
        return parse(_DESCRIPTORS[text])
    if text.startswith("@every "):
        try:
            seconds = _duration(text.removeprefix("@every "))
        except ValueError as error:
            raise ValueError(f"Failed to parse duration {text}: {error}") from None
        return Every(timedelta(seconds=max(1, int(seconds))))
    raise ValueError(f"Unrecognized descriptor: {text}")


def _duration(text: str) -> float:
    """Seconds of a Go duration such as 1h30m or 1.5s."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0.0
    if not rest:
        raise ValueError(f'time: invalid duration "{quoted}"')
    total, at = 0.0, 0
    while at < len(rest):
        match = _PART.match(rest, at)
        if match is None:
            number = re.compile(r"\d+\.?\d*|\.\d+").match(rest, at)
            if number is None:
                raise ValueError(f'time: invalid duration "{quoted}"')
            unit = re.compile(r"[^\d.]*").match(rest, number.end())
            word = unit[0] if unit else ""
            if not word:
                raise ValueError(f'time: missing unit in duration "{quoted}"')
            raise ValueError(f'time: unknown unit "{word}" in duration "{quoted}"')
        total += float(match[1]) * _SECONDS[match[2]]
        at = match.end()
    if total >= 2**63 / 1e9:
        raise ValueError(f'time: invalid duration "{quoted}"')
    return sign * total
