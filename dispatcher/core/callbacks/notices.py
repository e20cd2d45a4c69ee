"""What is noticed of campaigns and alerts that no record of the log says yet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from schemas.records import CallbackEvent

SETTLED_MIN: Final = 100
"""Recipients with a final word from which on a share of failures means something."""


class CampaignFigures(msgspec.Struct, frozen=True):
    """A campaign at this moment, with the terms of its equation."""

    campaign: str
    is_finished: bool
    terms: dict[str, int | float]


class AlertNow(msgspec.Struct, frozen=True):
    """An alert at this moment; `campaign` if its subject is one."""

    word: str
    subject: str
    says: str
    figure: float
    campaign: str = ""


def news_of_campaigns(
    known: Mapping[str, CallbackEvent],
    campaigns: Iterable[CampaignFigures],
    failing_percent: Mapping[str, float],
    now_ms: int,
    *,
    old: bool,
) -> list[CallbackEvent]:
    """Campaigns that are finished, or of whose recipients too many failed for a callback; each is noticed once.

    `known`: what was noticed, by key. `failing_percent`: by callback. `old`: it was so before the first callback.
    """
    found = []
    for each in campaigns:
        name, failed = each.campaign, each.terms.get("failed", 0)
        if each.is_finished:
            found.append(CallbackEvent(kind="finished", subject=name, campaign=name, at_ms=now_ms,
                                       figures=each.terms, old=old))  # fmt: skip
        settled = failed + each.terms.get("delivered", 0)
        for callback, percent in failing_percent.items():
            if settled >= SETTLED_MIN and failed * 100 >= percent * settled:
                found.append(CallbackEvent(kind="failing", subject=name, campaign=name, at_ms=now_ms, to=callback,
                                           figures={"failed": failed, "settled": settled}, old=old))  # fmt: skip
    return [event for event in found if event.key not in known]


def news_of_alerts(
    known: Mapping[str, CallbackEvent], alerts: Iterable[AlertNow], now_ms: int, *, old: bool = False
) -> list[CallbackEvent]:
    """Alerts that began since the last look, and those that are over."""
    now = [
        CallbackEvent(kind="alert", word=each.word, subject=each.subject, campaign=each.campaign, at_ms=now_ms,
                      says=each.says, figures={"figure": each.figure} if each.figure else {}, old=old)
        for each in alerts
    ]  # fmt: skip
    keys = {event.key for event in now}
    began = [event for event in now if event.key not in known or known[event.key].over]
    ended = [
        msgspec.structs.replace(event, at_ms=now_ms, over=True, old=False)
        for key, event in known.items()
        if event.kind == "alert" and not event.over and key not in keys
    ]
    return began + ended
