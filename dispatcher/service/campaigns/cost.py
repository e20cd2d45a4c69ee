"""What a campaign was planned to cost, and what it cost so far, from its counts alone.

The counts are enough if each account has one price and one text: `dispatcher report spend` counts carriers, personal
texts and parts one by one (dispatcher/service/reports/spend.py).
"""

from __future__ import annotations

import msgspec

from dispatcher.store.meanings import ids_per_part
from dispatcher.store.views import CampaignView
from schemas.records import Leg


class CampaignCost(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts in millionths of a yuan. `spent`: of what vendors accepted; `open`: of what is unknown or under way.

    None: the counts are not enough. `unpriced`: accounts without a price, which are in no amount.
    """

    planned_micro_yuan: int
    spent_micro_yuan: int | None
    open_micro_yuan: int | None
    unpriced: tuple[str, ...] = ()


def campaign_cost(view: CampaignView) -> CampaignCost | None:
    """The cost of a campaign; None if none of its accounts has a price."""
    priced = [leg for leg in view.legs if leg.prices]
    if not priced:
        return None
    counts_suffice = all(_counts_suffice(view, leg) for leg in priced)
    spent = [_spent(view, leg) for leg in priced] if counts_suffice else []
    return CampaignCost(
        planned_micro_yuan=sum(leg.cost for leg in priced),
        spent_micro_yuan=sum(each for each, _ in spent) if counts_suffice else None,
        open_micro_yuan=sum(each for _, each in spent) if counts_suffice else None,
        unpriced=tuple(
            leg.account
            for leg in view.legs
            if not leg.prices and (leg.recipients or view.accounts[leg.account].recipients)
        ),
    )


def _counts_suffice(view: CampaignView, leg: Leg) -> bool:
    """Whether every recipient costs the same here, and nobody's message may have been taken in part."""
    taken_in_part = ids_per_part(leg.vendor) and leg.segments > 1
    has_one_text = not view.variables and (view.waves is None or not view.waves.texts)
    has_one_price = len(set(leg.prices.values())) == 1 and not leg.price_changes
    return has_one_price and has_one_text and not taken_in_part


def _spent(view: CampaignView, leg: Leg) -> tuple[int, int]:
    """(what was spent, what is open) on one account."""
    counts = view.accounts[leg.account]
    refused = sum(
        failure.recipients for failure in view.failures if failure.account == leg.account and failure.source == "submit"
    )
    taken = counts.accepted + counts.delivered + counts.no_report + counts.failed - refused
    each = leg.segments * next(iter(leg.prices.values()))
    return taken * each, (counts.in_flight + counts.unknown) * each
