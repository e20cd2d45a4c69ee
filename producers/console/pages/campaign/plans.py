"""Plans on pages: the one that a draft keeps, and one that is made now."""

from __future__ import annotations

from typing import Any

import msgspec

from dispatcher.service.campaigns.drafts import DraftView
from producers.launch.planning.plan import Plan


def kept_plan(draft: DraftView) -> Plan | None:
    """The plan of the time when it was drafted; None if it has none, or one of a release that is too old."""
    return as_plan(draft.plan) if draft.plan else None


def as_plan(plain: dict[str, Any]) -> Plan | None:
    """A plan as JSON has it."""
    try:
        return msgspec.convert(plain, Plan)
    except msgspec.ValidationError:
        return None
