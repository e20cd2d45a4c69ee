"""What a launch will cost: the plans of its accounts with their costs, by carrier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.money.prices import CarrierParts
from dispatcher.vendors.seam.vendor import Vendor
from producers.launch.planning.plan import AccountPlan, Texts
from producers.launch.route_split import Slice


def with_costs(
    plans: Sequence[AccountPlan],
    vendors: Mapping[str, Vendor],
    texts: Callable[[int], Texts],
    pieces: Sequence[Slice],
    carriers: NDArray[np.uint8],
    at_ms: int,
) -> tuple[AccountPlan, ...]:
    """The plans; those of accounts with prices have costs.

    `pieces` are all parts, `carriers` those of all recipients, both in the campaign's order. `texts`: those of a batch.
    `at_ms`: when it begins; the prices are those of that day.
    """
    counted = {name: CarrierParts() for name, vendor in vendors.items() if vendor.price is not None}
    starts = accumulate((piece.count for piece in pieces), initial=0)
    for start, piece in zip(starts, pieces, strict=False):
        if piece.account in counted:
            parts = texts(piece.batch).parts_each(vendors[piece.account].split, start, piece.count)
            counted[piece.account].add(carriers[start : start + piece.count], parts)
    return tuple(_with_costs(plan, vendors[plan.account], counted.get(plan.account), at_ms) for plan in plans)


def _with_costs(plan: AccountPlan, vendor: Vendor, counted: CarrierParts | None, at_ms: int) -> AccountPlan:
    if counted is None:
        return plan
    costs = counted.costs(vendor.prices_at(at_ms))
    return msgspec.structs.replace(plan, costs=costs, cost_micro_yuan=sum(cost.cost_micro_yuan for cost in costs))
