"""The hours of a launch, read from the request: class, window, days, and what becomes of the rest. Pure."""

from __future__ import annotations

from typing import Final, cast, get_args

import msgspec

from dispatcher.core.schedule.hours import ALWAYS, DAY_MIN, Hours, HoursBroken, days_of, of_spans, window_of
from dispatcher.errors import UserError
from dispatcher.service.launching import LaunchRequest
from schemas.records import AtClosing, CampaignClass

CLASSES: Final[tuple[CampaignClass, ...]] = get_args(CampaignClass)


class Terms(msgspec.Struct, frozen=True):
    """When a campaign may be sent, as a person asked for it."""

    campaign_class: CampaignClass
    hours: Hours
    at_closing: AtClosing


def read_terms(request: LaunchRequest) -> Terms:
    """The terms of a request. Raises UserError."""
    if request.campaign_class not in CLASSES:
        raise UserError(f"the class must be {', '.join(CLASSES)}, not {request.campaign_class!r}. Change --class.")
    if request.at_closing not in get_args(AtClosing):
        raise UserError(
            f"what becomes of the rest at closing time must be pause or continue, not {request.at_closing!r}. "
            "Change --at-closing."
        )
    return Terms(
        request.campaign_class,
        asked_hours(request.between, request.days),
        cast("AtClosing", request.at_closing),
    )


def asked_hours(between: str, days: str) -> Hours:
    """The hours of `--between` and `--days`; always without both. Raises UserError."""
    if not between and not days:
        return ALWAYS
    try:
        opens, closes = window_of(between) if between else (0, DAY_MIN)
    except HoursBroken as error:
        raise UserError(f"--between: {error}.") from error
    try:
        named = days_of(days) if days else tuple(range(7))
    except HoursBroken as error:
        raise UserError(f"--days: {error}.") from error
    return of_spans((day * DAY_MIN + opens, day * DAY_MIN + closes) for day in named)
