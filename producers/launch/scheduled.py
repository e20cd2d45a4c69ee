"""What drafts that are scheduled will put on the accounts, for the plans of others. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import msgspec

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.drafts import starts_ms
from dispatcher.core.flow.forecast import Load
from dispatcher.core.schedule.holds import Schedule
from dispatcher.core.schedule.hours import recorded
from schemas.records import AtClosing, Drafted


class _AccountTime(msgspec.Struct, frozen=True):
    account: str
    seconds: float


class _DraftPlan(msgspec.Struct, frozen=True):
    """What is needed of the plan that a draft keeps (producers/launch/planning/plan.py)."""

    accounts: tuple[_AccountTime, ...] = ()
    at_closing: AtClosing = "pause"


class _Share(msgspec.Struct, frozen=True):
    """What is needed of a draft's terms."""

    weight: int | None = None
    urgent: bool = False


NOTHING: Final = _DraftPlan()


def scheduled_loads(campaigns: Campaigns, above: int | None, now_ms: int, *, but: str) -> dict[str, tuple[Load, ...]]:
    """By account, the loads of drafts that start by themselves, without the campaign `but`.

    `above`: so many recipients need an approval ([approval] above).
    """
    found: dict[str, list[Load]] = defaultdict(list)
    for campaign in campaigns.by_id.values():
        if campaign.draft is None or campaign.id == but:
            continue
        start_ms = starts_ms(campaign.draft, campaign.revision, above, now_ms, cancelled=campaign.cancelled)
        if start_ms is not None:
            for account, load in _loads(campaign.draft.drafted, start_ms):
                found[account].append(load)
    return {account: tuple(loads) for account, loads in found.items()}


def _loads(drafted: Drafted, start_ms: int) -> list[tuple[str, Load]]:
    plan = msgspec.json.decode(drafted.plan, type=_DraftPlan) if drafted.plan else NOTHING
    share, hours = msgspec.json.decode(drafted.terms, type=_Share), recorded(drafted.hours)
    ends_ms = Schedule(hours, plan.at_closing, start_ms).ends_ms
    return [
        (each.account, Load(drafted.campaign, each.seconds, share.weight or 1, share.urgent, hours, start_ms, ends_ms))
        for each in plan.accounts
    ]
