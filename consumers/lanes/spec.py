"""An account's configuration for the pure core."""

from __future__ import annotations

from consumers.lanes.history_watch import HISTORY_S
from dispatcher.core.lane.spec import LaneSpec
from dispatcher.vendors.seam.vendor import HttpVendor, Vendor


def lane_spec(account: str, vendor: Vendor) -> LaneSpec:
    """The part of an account's configuration that the core needs."""
    limits, flow = vendor.limits, vendor.flow
    history = isinstance(vendor, HttpVendor) and vendor.ids_each and vendor.history_limits is not None
    return LaneSpec(
        account=account,
        numbers_max=vendor.chunk_numbers_max,
        numbers_min=limits.numbers_min,
        chars_max=limits.mobiles_chars_max,
        limit=flow.limit if flow else None,
        per_s=flow.per_s if flow else 1.0,
        unit=flow.unit if flow else "messages",
        inflight_max=vendor.chunks_max,
        attempts_max=vendor.attempts_max,
        give_up_after_s=vendor.give_up_after_s,
        timeout_s=vendor.connect_timeout_s + vendor.answer_s,
        polls_balance=isinstance(vendor, HttpVendor) and vendor.balance_interval_s is not None,
        locks_out=vendor.locks_out,
        send_hours=vendor.send_hours,
        evidence_s=HISTORY_S if history else 0.0,
    )
