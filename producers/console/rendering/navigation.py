"""The table of the menu: what stands in it, in order, with the permission that shows it."""

from __future__ import annotations

from typing import Final

import msgspec

from dispatcher.core.people import Permission
from dispatcher.i18n import N_


class Entry(msgspec.Struct, frozen=True):
    """One line: its path, words, icon, and the permission that its page needs."""

    path: str
    words: str
    icon: str
    permission: Permission


MENU: Final = (
    Entry("/", N_("Overview"), "gauge", "campaigns:read"),
    Entry("/campaigns", N_("Campaigns"), "megaphone", "campaigns:read"),
    Entry("/new-campaign", N_("New campaign"), "square-pen", "campaigns:draft"),
    Entry("/unknown", N_("Unknown"), "circle-help", "campaigns:read"),
    Entry("/accounts", N_("Accounts"), "plug", "accounts:read"),
    Entry("/lookup", N_("Look-up"), "search", "campaigns:read"),
    Entry("/inbound", N_("Inbound"), "inbox", "inbound:read"),
    Entry("/suppression", N_("Suppression"), "ban", "suppression:read"),
    Entry("/reports", N_("Reports"), "chart-column", "reports:read"),
    Entry("/people", N_("People"), "users", "people:admin"),
    Entry("/settings", N_("Settings"), "settings", "settings:read"),
)
