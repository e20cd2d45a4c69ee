"""What a vendor's code means, in plain English, and what to do about it, for whoever shows codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dispatcher.store.views import Source

if TYPE_CHECKING:
    from dispatcher.vendors.seam.outcomes import Codes, ReportCodes

Meaning = Callable[[str, Source, str], str]
"""(vendor tag, which table, code) -> its meaning, or "" if nobody knows."""


def meaning(vendor: str, source: Source, code: str) -> str:
    """The meaning by the vendor's own code tables; "" for a code or vendor that this release does not know."""
    table = _table(vendor, source)
    return table.meaning(code) if table is not None and code else ""


def advice(vendor: str, source: Source, code: str) -> str:
    """What to do about it, in a few words; "" where there is nothing to say."""
    table = _table(vendor, source)
    return table.advice(code) if table is not None and code else ""


def _table(vendor: str, source: Source) -> Codes | ReportCodes | None:
    from dispatcher.vendors import registry  # here: who shows no code needs no vendor

    known = registry.known(vendor)
    return None if known is None else known.report_codes if source == "report" else known.codes
