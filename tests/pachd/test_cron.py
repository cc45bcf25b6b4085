"""Cron schedules: the ticks and the words of robfig/cron's standard parser."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workshop.pachd import cron


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("spec", "after", "tick"),
    [
        ("* * * * *", "2026-11-21 10:00:00", "2026-11-21 10:01:00"),
        ("* * * * *", "2026-11-21 10:00:59.999", "2026-11-21 10:01:00"),
        ("*/15 * * * *", "2026-11-21 10:46:00", "2026-11-21 11:00:00"),
        ("5-20/5 * * * *", "2026-11-21 10:06:00", "2026-11-21 10:10:00"),
        ("7/20 * * * *", "2026-11-21 10:28:00", "2026-11-21 10:47:00"),
        ("0 12 * * MON-FRI", "2026-11-21 10:00:00", "2026-11-23 12:00:00"),
        ("0 12 * * sun", "2026-11-21 10:00:00", "2026-11-22 12:00:00"),
        ("0 0 31 * *", "2026-11-21 10:00:00", "2026-12-31 00:00:00"),
        ("0 0 29 feb *", "2026-11-21 10:00:00", "2028-02-29 00:00:00"),
        ("30 8 1,15 * *", "2026-11-15 08:30:00", "2026-12-01 08:30:00"),
        ("0 0 13 * 5", "2026-11-21 10:00:00", "2026-11-27 00:00:00"),  # both day fields given: either of them
        ("0 0 ? * 1", "2026-11-21 10:00:00", "2026-11-23 00:00:00"),
        ("@hourly", "2026-11-21 10:00:00", "2026-11-21 11:00:00"),
        ("@daily", "2026-11-21 10:00:00", "2026-11-22 00:00:00"),
        ("@weekly", "2026-11-21 10:00:00", "2026-11-22 00:00:00"),
        ("@monthly", "2026-11-21 10:00:00", "2026-12-01 00:00:00"),
        ("@yearly", "2026-11-21 10:00:00", "2027-01-01 00:00:00"),
        ("@every 1h30m", "2026-11-21 10:00:00", "2026-11-21 11:30:00"),
        ("@every 2s", "2026-11-21 10:00:00.700", "2026-11-21 10:00:02"),
        ("@every 10ms", "2026-11-21 10:00:00", "2026-11-21 10:00:01"),
        ("@every 1.5h", "2026-11-21 10:00:00", "2026-11-21 11:30:00"),
        (" @never ", "2026-11-21 10:00:00", "9999-01-01 00:00:00"),
        ("0 0 30 2 *", "2026-11-21 10:00:00", "9999-01-01 00:00:00"),
    ],
)
def test_the_next_tick(spec, after, tick):
    assert cron.parse(spec).next(at(after)) == at(tick)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "Empty spec string"),
        ("often", "Expected exactly 5 fields, found 1: often"),
        ("* * * * * *", "Expected exactly 5 fields, found 6: * * * * * *"),
        ("60 * * * *", "End of range (60) above maximum (59): 60"),
        ("* * 0 * *", "Beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "End of range (7) above maximum (6): 7"),
        ("5-3 * * * *", "Beginning of range (5) beyond end of range (3): 5-3"),
        ("1-2-3 * * * *", "Too many hyphens: 1-2-3"),
        ("*/2/3 * * * *", "Too many slashes: */2/3"),
        ("*/0 * * * *", "Step of range should be a positive number: */0"),
        ("x * * * *", 'Failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("* * * * mondays", 'Failed to parse int from mondays: strconv.Atoi: parsing "mondays": invalid syntax'),
        ("@sometimes", "Unrecognized descriptor: @sometimes"),
        ("@every", "Unrecognized descriptor: @every"),
        ("@every soon", 'Failed to parse duration @every soon: time: invalid duration "soon"'),
        ("@every 5", 'Failed to parse duration @every 5: time: missing unit in duration "5"'),
        ("@every 5 s", 'Failed to parse duration @every 5 s: time: unknown unit " s" in duration "5 s"'),
        ("@every 3fortnights", 'unknown unit "fortnights" in duration "3fortnights"'),
    ],
)
def test_what_is_wrong_is_said_in_the_original_words(spec, words):
    with pytest.raises(ValueError) as error:
        cron.parse(spec)
    assert str(error.value).endswith(words)


_NUMBERS = [st.integers(0, 59), st.integers(0, 23), st.integers(1, 31), st.integers(1, 12), st.integers(0, 6)]
_FIELDS = [st.one_of(st.just("*"), number.map(str), st.integers(1, 9).map("*/{}".format)) for number in _NUMBERS]


@given(st.tuples(*_FIELDS), st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)))
def test_a_tick_is_the_first_minute_after_that_the_fields_allow(fields, after):
    after = after.replace(tzinfo=timezone.utc)
    schedule = cron.parse(" ".join(fields))
    tick = schedule.next(after)
    assert tick > after
    if tick == cron.NEVER:
        return

    def allowed(minute: datetime) -> bool:
        values = (minute.minute, minute.hour, minute.day, minute.month, minute.isoweekday() % 7)
        lows = (0, 0, 1, 1, 0)
        met = [
            field == "*" or (not (value - low) % int(field[2:]) if field[0] == "*" else value == int(field))
            for field, value, low in zip(fields, values, lows, strict=True)
        ]
        day = all(met[2::2]) if "*" in fields[2] + fields[4] else any(met[2::2])
        return met[0] and met[1] and met[3] and day

    assert allowed(tick)
    minute = tick - timedelta(minutes=1)
    for _ in range(1500):  # as far back as a day or to where the search began
        if minute <= after:
            break
        assert not allowed(minute)
        minute -= timedelta(minutes=1)


@given(st.text(max_size=30))
def test_any_text_is_a_schedule_or_a_value_error(text):
    try:
        schedule = cron.parse(text)
    except ValueError as error:
        assert str(error)
    else:
        assert schedule.next(at("2026-11-21 10:00:00")) > at("2026-11-21 10:00:00")
