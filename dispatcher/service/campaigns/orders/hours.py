"""The sending hours that a person asks for, and changing those of a launched campaign."""

from __future__ import annotations

from typing import Final, get_args

import msgspec

from dispatcher.clock import now_ms
from dispatcher.core.results.equation import Counts
from dispatcher.core.schedule.holds import Hold
from dispatcher.core.schedule.hours import (
    ALWAYS,
    DAY_MIN,
    END_OF_TIME_MS,
    NEVER,
    Hours,
    HoursBroken,
    both,
    days_of,
    of_spans,
    recorded,
    to_record,
    window_of,
)
from dispatcher.errors import UserError
from dispatcher.os_user import os_user
from dispatcher.service.campaigns.orders.control import append, before_control, final
from dispatcher.service.session import Session
from schemas.records import AtClosing, HoursChanged

AT_CLOSING: Final[tuple[AtClosing, ...]] = get_args(AtClosing)


class HoursResult(msgspec.Struct, frozen=True, kw_only=True):
    """The hours in force after an order. `ends_ms`: when the rest is held until it is resumed; None: never.

    `narrowed`: more hours were asked for than its class and carriers allow. `held`: what holds the campaign now;
    `nothing_left` as in `ControlResult`.
    """

    campaign: str
    hours: str
    at_closing: AtClosing
    changed: bool
    ends_ms: int | None
    held: Hold | None
    nothing_left: Counts | None = None
    narrowed: bool = False


async def change_hours(
    session: Session, campaign: str, *, between: str = "", days: str = "", at_closing: str = "", by: str = ""
) -> HoursResult:
    """Change when a launched campaign may be sent, within the hours of its class and carriers at its launch.

    `between` and `days` replace the hours that were asked for before; without both these stay. Lanes obey within a
    second. Raises UserError (no such campaign; it is cancelled; the hours are wrong, or leave no time), LogError.
    """
    known = await before_control(session, campaign)
    if known.now.cancelled:
        raise final(campaign)
    before, at_ms = known.now.schedule, now_ms()
    hours, narrowed = before.hours, False
    if between or days:
        within = recorded(known.launched.hours_within)
        asked = asked_hours(between, days)
        hours = both(within, asked)
        narrowed = hours != asked
        if hours == NEVER:
            raise UserError(
                '"{campaign}" could never be sent: these hours are outside those of its class and carriers ({within}).',
                campaign=campaign,
                within=within,
                about="--between",
                do="Change --between or --days.",
            )
    if at_closing and at_closing not in AT_CLOSING:
        raise wrong_at_closing(at_closing)
    wanted = at_closing or before.at_closing
    after = known.now
    changed = (hours, wanted) != (before.hours, before.at_closing) and known.nothing_left is None
    if changed:
        record = HoursChanged(
            campaign=campaign, hours=to_record(hours), at_closing=wanted, at_ms=at_ms, by=by or os_user()
        )
        await append(session, record)
        after = known.now.after(record)
    schedule = after.schedule
    return HoursResult(
        campaign=campaign,
        hours=str(schedule.hours),
        at_closing=schedule.at_closing,
        changed=changed,
        ends_ms=None if schedule.ends_ms == END_OF_TIME_MS else schedule.ends_ms,
        held=known.with_results(after.held(at_ms)),
        nothing_left=known.nothing_left,
        narrowed=narrowed,
    )


def asked_hours(between: str, days: str) -> Hours:
    """The hours of `--between` and `--days`; always without both. Raises UserError."""
    if not between and not days:
        return ALWAYS
    try:
        opens, closes = window_of(between) if between else (0, DAY_MIN)
    except HoursBroken as error:
        raise UserError("{about}: {error}.", error=error, about="--between") from error
    try:
        named = days_of(days) if days else tuple(range(7))
    except HoursBroken as error:
        raise UserError("{about}: {error}.", error=error, about="--days") from error
    return of_spans((day * DAY_MIN + opens, day * DAY_MIN + closes) for day in named)


def wrong_at_closing(given: str) -> UserError:
    """The error for a word that is neither pause nor continue."""
    return UserError(
        "what becomes of the rest at closing time must be {at_closing}, not {given!r}.",
        at_closing=" or ".join(AT_CLOSING),
        given=given,
        about="--at-closing",
        do="Change --at-closing.",
    )
