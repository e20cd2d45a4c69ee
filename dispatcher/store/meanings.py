"""What a vendor's code means, in plain English, for whoever shows codes."""

from __future__ import annotations

from collections.abc import Callable

from dispatcher.store.port import Source
from dispatcher.vendors.registry import BY_TAG

Meaning = Callable[[str, Source, str], str]
"""(vendor tag, which table, code) -> its meaning, or "" if nobody knows."""


def meaning(vendor: str, source: Source, code: str) -> str:
    """The meaning by the vendor's own code tables; "" for a code or vendor that this release does not know."""
    known = BY_TAG.get(vendor)
    if known is None or not code:
        return ""
    return (known.report_codes if source == "report" else known.codes).meaning(code)
