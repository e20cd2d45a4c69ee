"""Sending hours: minutes of the week in Asia/Shanghai. Pure and total; the wall clock is an argument.

A text is one part or several, joined by commas: `08:00-20:00`, `Mon-Fri 09:00-12:00, 13:00-18:00, Sat 10:00-12:00`.
Days count for the windows behind them, until others are named; without days a window is daily. A window over midnight
(`22:00-02:00`) belongs to the day on which it begins. Asia/Shanghai has no summer time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from dispatcher.core.shanghai import DAY_MS, SHANGHAI_MS
from dispatcher.sentences import WordedError

MINUTE_MS: Final = 60_000
DAY_MIN: Final = 1_440
WEEK_MIN: Final = 7 * DAY_MIN
WEEK_MS: Final = 7 * DAY_MS

_MONDAY_MS: Final = 4 * DAY_MS - SHANGHAI_MS
"""The first Monday 00:00 in Asia/Shanghai after the Unix epoch, a Thursday."""

END_OF_TIME_MS: Final = 2**62
"""When hours that never close do so, and hours that never open."""

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_WINDOW: Final = re.compile(r"(\d{1,2}):(\d\d)\s*[-–]\s*(\d{1,2}):(\d\d)")
_PART: Final = re.compile(r"(?P<days>[A-Za-z][A-Za-z\s,–-]*?)?\s*(?P<window>\d[^A-Za-z;,]*)")

Span = tuple[int, int]


class HoursBroken(WordedError, ValueError):
    """A text that does not say hours; the message is the part of a sentence that says why."""


class Hours(msgspec.Struct, frozen=True):
    """When something may be sent: `spans` of minutes [from, to) of the week, from Monday 00:00.

    They are in order and neither overlap nor touch; the last one may end in the next week. Make them with `of_spans`.
    """

    spans: tuple[Span, ...]

    @property
    def always(self) -> bool:
        """Whether they never close."""
        return self == ALWAYS

    def session(self, at_ms: int) -> tuple[int, int]:
        """When the window that is open at this moment, or the next one, opens and closes (Unix ms)."""
        if self.always:
            return 0, END_OF_TIME_MS
        monday_ms = at_ms - (at_ms - _MONDAY_MS) % WEEK_MS
        for week_ms in (monday_ms - WEEK_MS, monday_ms, monday_ms + WEEK_MS):
            for opens, closes in self.spans:
                if at_ms < week_ms + closes * MINUTE_MS:
                    return week_ms + opens * MINUTE_MS, week_ms + closes * MINUTE_MS
        return END_OF_TIME_MS, END_OF_TIME_MS

    def is_open(self, at_ms: int) -> bool:
        """Whether something may be sent at this moment."""
        return self.session(at_ms)[0] <= at_ms

    def opens_ms(self, at_ms: int) -> int:
        """The first moment from this one on at which something may be sent."""
        return max(at_ms, self.session(at_ms)[0])

    def closes_ms(self, at_ms: int) -> int:
        """When the window that is open at this moment, or the next one, closes."""
        return self.session(at_ms)[1]

    @property
    def week_ms(self) -> int:
        """How long they are open in a week."""
        return sum(closes - opens for opens, closes in self.spans) * MINUTE_MS

    def __str__(self) -> str:
        """As `hours_of` reads them."""
        if not self.spans:
            return "never"
        by_day: list[list[str]] = [[] for _ in DAYS]
        for opens, closes in self.spans:
            for day, window in _windows(opens, closes):
                by_day[day].append(window)
        days = [", ".join(windows) for windows in by_day]
        if len(set(days)) == 1:
            return days[0]
        return ", ".join(
            f"{days_text(day for day, each in enumerate(days) if each == windows)} {windows}"
            for windows in dict.fromkeys(filter(None, days))
        )


def of_spans(spans: Iterable[Span]) -> Hours:
    """The hours that are open in any of these spans, in any order; a span may reach beyond the week."""
    flat: list[Span] = []
    for opens, closes in spans:
        if closes - opens >= WEEK_MIN:
            return ALWAYS
        opens, closes = opens % WEEK_MIN, opens % WEEK_MIN + closes - opens
        flat.extend([(opens, closes)] if closes <= WEEK_MIN else [(opens, WEEK_MIN), (0, closes - WEEK_MIN)])
    merged: list[Span] = []
    for opens, closes in sorted(flat):
        if opens == closes:
            continue
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], closes))
        else:
            merged.append((opens, closes))
    if len(merged) > 1 and merged[0][0] == 0 and merged[-1][1] == WEEK_MIN:
        (_, closes), *merged = merged
        merged[-1] = (merged[-1][0], WEEK_MIN + closes)
    return Hours(tuple(merged))


ALWAYS: Final = Hours(((0, WEEK_MIN),))
NEVER: Final = Hours(())


def recorded(spans: tuple[Span, ...]) -> Hours:
    """The hours of a record, where empty spans mean always."""
    return Hours(spans) if spans else ALWAYS


def to_record(hours: Hours) -> tuple[Span, ...]:
    """Hours that are sometimes open, as a record has them."""
    return () if hours.always else hours.spans


@lru_cache(maxsize=64)
def daily(from_hour: int, to_hour: int) -> Hours:
    """These hours of every day."""
    return of_spans((day * DAY_MIN + from_hour * 60, day * DAY_MIN + to_hour * 60) for day in range(7))


def both(one: Hours, other: Hours) -> Hours:
    """The hours that are open in both."""
    if one.always or other.always:
        return other if one.always else one
    return of_spans(
        (max(opens, other_opens + shift), min(closes, other_closes + shift))
        for opens, closes in one.spans
        for other_opens, other_closes in other.spans
        for shift in (-WEEK_MIN, 0, WEEK_MIN)
        if max(opens, other_opens + shift) < min(closes, other_closes + shift)
    )


@lru_cache(maxsize=1024)
def hours_of(text: str) -> Hours:
    """The hours that a text says. Raises HoursBroken."""
    spans: list[Span] = []
    days = tuple(range(7))
    rest = text.strip()
    while rest:
        part = _PART.match(rest)
        if part is None:
            where = "" if rest == text.strip() else f" in {text.strip()!r}"
            raise HoursBroken(
                "{rest!r}{where} must be FROM-TO, such as 09:00-20:00, or DAYS FROM-TO, such as Mon-Fri 09:00-18:00",
                rest=rest,
                where=where,
            )
        days = days_of(part["days"]) if part["days"] else days
        opens, closes = window_of(part["window"].strip())
        spans.extend((day * DAY_MIN + opens, day * DAY_MIN + closes) for day in days)
        rest = rest[part.end() :].lstrip(" \t,;")
    if not spans:
        raise HoursBroken("they are empty")
    return of_spans(spans)


def window_of(text: str) -> Span:
    """The minutes of a day in `09:00-20:00`; over midnight the second is more than a day. Raises HoursBroken."""
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise HoursBroken("{text!r} must be FROM-TO, such as 09:00-20:00", text=text)
    opens, closes = (_minute(*match.group(place, place + 1)) for place in (1, 3))
    if opens in (closes, DAY_MIN):
        raise HoursBroken("{text!r} has no time between its ends; all day is 00:00-24:00", text=text)
    return opens, closes if closes > opens else closes + DAY_MIN


def days_of(text: str) -> tuple[int, ...]:
    """The days (0: Monday) in `Mon-Fri,Sun`. Raises HoursBroken."""
    found: set[int] = set()
    for part in filter(None, (each.strip() for each in text.split(","))):
        first, *last = (_day(each.strip()) for each in re.split("[-–]", part))
        if len(last) > 1:
            raise HoursBroken("{part!r} must be one day or FROM-TO", part=part)
        for step in range((last[0] - first) % 7 + 1 if last else 1):
            found.add((first + step) % 7)
    if not found:
        raise HoursBroken("no day is named")
    return tuple(sorted(found))


def days_text(days: Iterable[int]) -> str:
    """Days as `days_of` reads them: `Mon-Fri,Sun`."""
    rows: list[list[int]] = []
    for day in sorted(set(days)):
        if rows and rows[-1][-1] == day - 1:
            rows[-1].append(day)
        else:
            rows.append([day])
    return ",".join(
        f"{DAYS[row[0]]}-{DAYS[row[-1]]}" if len(row) > 2 else ",".join(DAYS[day] for day in row) for row in rows
    )


def _day(text: str) -> int:
    for index, name in enumerate(_NAMES):
        if len(text) >= 3 and name.startswith(text.lower()):
            return index
    raise HoursBroken("{text!r} is no day; write Mon, Tue, Wed, Thu, Fri, Sat, Sun", text=text)


def _minute(hour: str, minute: str) -> int:
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > DAY_MIN:
        raise HoursBroken("{hour}:{minute} is no time of the day", hour=hour, minute=minute)
    return found


def _windows(opens: int, closes: int) -> Iterable[tuple[int, str]]:
    """A span by day: over midnight it stays one window if it ends before the same time of the next day."""
    while opens < closes:
        day, minute = divmod(opens, DAY_MIN)
        end = closes if closes - opens < DAY_MIN else min(closes, (day + 1) * DAY_MIN)
        until = end - day * DAY_MIN
        yield day % 7, f"{_clock(minute)}-{_clock(until if until <= DAY_MIN else until - DAY_MIN)}"
        opens = end


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
