"""The hours of a launch, read from the request: class, window, days, and what becomes of the rest. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, get_args

import msgspec

from dispatcher.config.file import HoursConfig
from dispatcher.core.carriers import Carrier
from dispatcher.core.schedule.hours import ALWAYS, NEVER, Hours, both, recorded
from dispatcher.errors import UserError
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.orders.hours import AT_CLOSING, asked_hours, wrong_at_closing
from schemas.records import AtClosing, CampaignClass

CLASSES: Final[tuple[CampaignClass, ...]] = get_args(CampaignClass)


class Terms(msgspec.Struct, frozen=True):
    """When a campaign may be sent: by its class (`within`), and by what was asked for (`asked`); `hours` is both."""

    campaign_class: CampaignClass
    asked: Hours
    within: Hours
    at_closing: AtClosing

    @property
    def hours(self) -> Hours:
        """The hours in which it may be sent."""
        return both(self.within, self.asked)

    def of_test(self) -> Terms:
        """Those of a test of this campaign: it is sent at once."""
        return Terms(self.campaign_class, ALWAYS, ALWAYS, self.at_closing)


ANY_TIME: Final = Terms("marketing", ALWAYS, ALWAYS, "pause")
"""Marketing without hours."""


def read_terms(request: LaunchRequest, config: HoursConfig) -> Terms:
    """The terms of a request. Raises UserError, also if they leave no time to send."""
    if request.campaign_class not in CLASSES:
        raise UserError(
            "the class must be {classes}, not {campaign_class!r}.",
            classes=", ".join(CLASSES),
            campaign_class=request.campaign_class,
            about="--class",
            do="Change {about}.",
        )
    if request.at_closing not in AT_CLOSING:
        raise wrong_at_closing(request.at_closing)
    asked = both(asked_hours(request.between, request.days), recorded(request.within))
    within = config.of_class(request.campaign_class)
    if both(asked, within) == NEVER:
        raise UserError(
            "the campaign could never be sent: {asked} is outside the hours of class {campaign_class} ({within}).",
            asked=asked,
            campaign_class=request.campaign_class,
            within=within,
            about="--between",
            do="Change --between, --days or --class, or [hours] in the configuration.",
        )
    return Terms(request.campaign_class, asked, within, request.at_closing)


def within_carriers(terms: Terms, config: HoursConfig, carriers: Iterable[Carrier]) -> Terms:
    """The terms within the hours in which every one of these carriers' numbers may be texted. Raises UserError."""
    within = terms.within
    for carrier in carriers:
        allowed, hours = config.of_carrier(carrier.word), both(within, terms.asked)
        if both(hours, allowed) == NEVER:
            raise UserError(
                "the campaign could never be sent: it may be sent {hours}, and its numbers of {carrier} may be "
                "texted {allowed} ([hours.carriers] {key}). Leave them out, or change the hours.",
                hours=hours,
                carrier=carrier.title,
                allowed=allowed,
                key=carrier.word,
                about="--between",
            )
        within = both(within, allowed)
    return msgspec.structs.replace(terms, within=within)
