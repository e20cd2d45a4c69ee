"""Every page of the console."""

from __future__ import annotations

from typing import Final

from producers.console.pages import accounts, inbound, lookup, overview, people, reports, settings, suppression, unknown
from producers.console.pages.campaign import drafts, exports, follow_up, listing, orders, rows, showing
from producers.console.pages.new_campaign import steps
from producers.console.visit import ConsoleRoute

ROUTES: Final[tuple[ConsoleRoute, ...]] = (
    *overview.ROUTES,
    *listing.ROUTES,
    *showing.ROUTES,
    *orders.ROUTES,
    *rows.ROUTES,
    *exports.ROUTES,
    *follow_up.ROUTES,
    *drafts.ROUTES,
    *steps.ROUTES,
    *unknown.ROUTES,
    *accounts.ROUTES,
    *lookup.ROUTES,
    *inbound.ROUTES,
    *suppression.ROUTES,
    *reports.ROUTES,
    *people.ROUTES,
    *settings.ROUTES,
)
