"""What screens and exports say of a vendor: its codes in plain English, advice, and whether it reports parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dispatcher.store.views import Source
from schemas.states import EXPIRED

if TYPE_CHECKING:
    from dispatcher.vendors.seam.outcomes import Codes, ReportCodes

EXPIRED_ADVICE: Final = "send it earlier, or give it more time"

Meaning = Callable[[str, Source, str], str]
"""(vendor tag, which table, code) -> its meaning, or "" if unknown."""


def meaning(vendor: str, source: Source, code: str) -> str:
    """The meaning by the vendor's code tables; "" for a code or vendor that this release does not know."""
    if (source, code) == ("submit", EXPIRED):
        return "its time was over before it was sent"
    table = _table(vendor, source)
    return table.meaning(code) if table is not None and code else ""


def chinese_meaning(vendor: str, source: Source, code: str) -> str:
    """The same in Chinese, as the vendor's documents have it."""
    if (source, code) == ("submit", EXPIRED):
        return "超过有效期，未发送"
    table = _table(vendor, source)
    return table.chinese(code) if table is not None and code else ""


def advice(vendor: str, source: Source, code: str) -> str:
    """Advice in a few words; "" if there is none."""
    if (source, code) == ("submit", EXPIRED):
        return EXPIRED_ADVICE
    table = _table(vendor, source)
    return table.advice(code) if table is not None and code else ""


def failure_class(vendor: str, source: Source, code: str) -> str:
    """Which of FAILURE_CLASSES (dispatcher/vendors/seam/outcomes.py) a failure with this code is."""
    table = _table(vendor, source)
    return "other" if table is None or not code else table.failure_class(code)


def ids_per_part(vendor: str) -> bool:
    """Whether each part of a long message has an id and a report; False if this release does not know the vendor."""
    from dispatcher.vendors import registry

    known = registry.known(vendor)
    return known is not None and known.ids_per_part


def reports_to_the_minute(vendor: str) -> bool:
    """Whether its reports name a minute and no second; False if this release does not know the vendor."""
    from dispatcher.vendors import registry

    known = registry.known(vendor)
    return known is not None and known.reports_to_the_minute


def _table(vendor: str, source: Source) -> Codes | ReportCodes | None:
    from dispatcher.vendors import registry  # only screens with codes need vendors

    known = registry.known(vendor)
    return None if known is None else known.report_codes if source == "report" else known.codes
