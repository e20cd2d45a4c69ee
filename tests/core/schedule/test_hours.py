"""Sending hours: what a text says, when they open and close, and what two of them leave."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.schedule.hours import (
    ALWAYS,
    END_OF_TIME_MS,
    MINUTE_MS,
    NEVER,
    WEEK_MIN,
    WEEK_MS,
    Hours,
    HoursBroken,
    both,
    daily,
    days_of,
    days_text,
    hours_of,
    of_spans,
    window_of,
)

SHANGHAI = timezone(timedelta(hours=8))


def at(text: str) -> int:
    """Unix milliseconds of a wall-clock time in Asia/Shanghai. 2026-11-30 is a Monday."""
    return round(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp() * 1000)


SPANS = st.lists(st.tuples(st.integers(0, WEEK_MIN - 1), st.integers(1, WEEK_MIN)), max_size=6)
HOURS = SPANS.map(lambda spans: of_spans((opens, opens + length) for opens, length in spans))
TIMES = st.integers(0, 60 * WEEK_MS)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("08:00-20:00", "08:00-20:00"),
        ("8:00 - 20:00", "08:00-20:00"),
        ("00:00-24:00", "00:00-24:00"),
        ("22:00-02:00", "22:00-02:00"),
        ("Mon-Fri 09:00-18:00, Sat 10:00-12:00", "Mon-Fri 09:00-18:00, Sat 10:00-12:00"),
        ("Fri-Mon 22:00-02:00", "Mon,Fri-Sun 22:00-02:00"),
        ("09:00-12:00; 13:00-18:00", "09:00-12:00, 13:00-18:00"),
        ("monday,wed 09:00-12:00,13:00-18:00, Tue 8:00-9:00", "Tue 08:00-09:00, Mon,Wed 13:00-18:00, 09:00-12:00"),
        ("09:00-12:00, 11:00-13:00", "09:00-13:00"),
        ("20:00-08:00, 08:00-20:00", "00:00-24:00"),
    ],
)
def test_a_text_says_hours_and_hours_say_a_text(text: str, same: str) -> None:
    hours = hours_of(text)
    assert hours_of(str(hours)) == hours == hours_of(same)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("morning", "must be FROM-TO"),
        ("9-20", "must be FROM-TO"),
        ("20:00-08:00x", "'x' in '20:00-08:00x' must be FROM-TO"),
        ("09:00-25:00", "no time of the day"),
        ("09:60-20:00", "no time of the day"),
        ("09:00-09:00", "no time between"),
        ("24:00-08:00", "no time between"),
        ("Mom 09:00-20:00", "no day"),
        ("Mon-Wed-Fri 09:00-20:00", "one day or FROM-TO"),
    ],
)
def test_a_text_that_says_no_hours_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(HoursBroken, match=why):
        hours_of(text)


def test_days_stand_for_themselves_and_for_ranges_over_the_weekend() -> None:
    assert days_of("Mon-Fri,Sun") == (0, 1, 2, 3, 4, 6)
    assert days_of("sat-mon") == (0, 5, 6)
    assert days_text((0, 1, 2, 3, 4, 6)) == "Mon-Fri,Sun"
    with pytest.raises(HoursBroken, match="no day is named"):
        days_of(" , ")


@pytest.mark.parametrize(
    ("hours", "now", "opens", "closes"),
    [
        ("08:00-20:00", "2026-11-30 07:59:59.999", "2026-11-30 08:00", "2026-11-30 20:00"),
        ("08:00-20:00", "2026-11-30 08:00", "2026-11-30 08:00", "2026-11-30 20:00"),
        ("08:00-20:00", "2026-11-30 19:59:59.999", "2026-11-30 08:00", "2026-11-30 20:00"),
        ("08:00-20:00", "2026-11-30 20:00", "2026-12-01 08:00", "2026-12-01 20:00"),
        ("Mon-Fri 09:00-18:00", "2026-12-04 18:00", "2026-12-07 09:00", "2026-12-07 18:00"),
        ("Sun 22:00-02:00", "2026-11-30 01:59", "2026-11-29 22:00", "2026-11-30 02:00"),
        ("Sun 22:00-02:00", "2026-11-30 02:00", "2026-12-06 22:00", "2026-12-07 02:00"),
        ("Mon 00:00-24:00", "2026-12-01 00:00", "2026-12-07 00:00", "2026-12-08 00:00"),
    ],
)
def test_the_session_is_the_open_window_or_the_next_one(hours: str, now: str, opens: str, closes: str) -> None:
    assert hours_of(hours).session(at(now)) == (at(opens), at(closes))


def test_hours_that_never_close_or_never_open_are_total() -> None:
    assert ALWAYS.is_open(0)
    assert ALWAYS.closes_ms(0) == END_OF_TIME_MS
    assert not NEVER.is_open(0)
    assert NEVER.opens_ms(0) == END_OF_TIME_MS
    assert (str(ALWAYS), str(NEVER)) == ("00:00-24:00", "never")
    assert daily(0, 24) == ALWAYS == hours_of("00:00-24:00")
    assert window_of("22:00-02:00") == (22 * 60, 26 * 60)


@given(HOURS, HOURS, TIMES)
def test_both_is_open_when_each_of_the_two_is(one: Hours, other: Hours, at_ms: int) -> None:
    assert both(one, other).is_open(at_ms) == (one.is_open(at_ms) and other.is_open(at_ms))
    assert both(one, other) == both(other, one)


@given(HOURS, TIMES)
def test_hours_open_when_they_say_and_stay_open_until_they_close(hours: Hours, at_ms: int) -> None:
    opens_ms, closes_ms = hours.session(at_ms)
    assert at_ms < closes_ms
    if hours.spans and not hours.always:
        assert (hours.is_open(opens_ms), hours.is_open(opens_ms - 1)) == (True, False)
        assert (hours.is_open(closes_ms - 1), hours.is_open(closes_ms)) == (True, False)
        assert hours.opens_ms(at_ms) == max(at_ms, opens_ms)
        assert (opens_ms - at_ms) < WEEK_MS
        assert hours.week_ms % MINUTE_MS == 0


@given(HOURS)
def test_every_hours_can_be_written_and_read(hours: Hours) -> None:
    if hours.spans:
        assert hours_of(str(hours)) == hours
