"""What a launch will do and cost, before it does it. Pure: counts, limits and balances in, a plan out.

Estimates, and how they are made: messages = recipients x parts of the text; requests as the lane will cut them (a share
of a window where the flow counts messages); the finish time at the full flow limit, UNPACED_PER_S where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

import msgspec

from dispatcher.core.pacing import SHARE_OF_WINDOW
from dispatcher.core.text import parts, units
from dispatcher.vendors.seam import Vendor
from producers.deal import Part, Share

UNPACED_PER_S: Final = 10_000
"""Recipients per second assumed of an account without a flow limit: for dealing, and for the finish time."""

_MOBILE_CHARS: Final = 12


class AccountPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One account's part. `per_s` in recipients; `balance` in messages, None where unknown: `balance_note` says why."""

    account: str
    vendor: str
    recipients: int
    jobs: int
    requests: int
    segments: int
    messages: int
    per_s: float
    paced: bool
    seconds: float
    balance: float | None = None
    balance_note: str = ""

    @property
    def enough(self) -> bool | None:
        """Does the balance cover the need? None: unknown."""
        return None if self.balance is None else self.balance >= self.messages


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A launch, before it happens. `rows = recipients + invalid + duplicate + suppressed`."""

    campaign: str
    name: str
    source: str
    column: str
    encoding: str
    rows: int
    recipients: int
    invalid: int
    duplicate: int
    suppressed: int
    invalid_reasons: dict[str, int]
    text_chars: int
    segments: int
    messages: int
    requests: int
    batches: int
    seconds: float
    finish_at_ms: int
    accounts: tuple[AccountPlan, ...]
    notes: tuple[str, ...] = ()


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a list's rows."""

    rows: int
    recipients: int
    duplicate: int
    suppressed: int
    invalid_reasons: dict[str, int]

    @property
    def invalid(self) -> int:
        """Rows that hold no number that can be sent to."""
        return sum(self.invalid_reasons.values())


def per_request(vendor: Vendor, segments: int) -> int:
    """The most recipients the lane will put into one request to this account."""
    limits, flow = vendor.limits, vendor.flow
    most = min(limits.numbers_max, vendor.numbers_per_request or limits.numbers_max)
    if limits.mobiles_chars_max is not None:
        most = min(most, (limits.mobiles_chars_max + 1) // _MOBILE_CHARS)
    if flow is not None and flow.unit != "requests":
        window = flow.limit // SHARE_OF_WINDOW
        most = min(most, window if flow.unit == "messages" else window // segments)
    return max(most, 1)


def rate(vendor: Vendor, segments: int) -> Fraction:
    """Recipients per second an account's flow limit allows for a text of so many parts."""
    flow = vendor.flow
    if flow is None:
        return Fraction(UNPACED_PER_S)
    per_unit = {
        "messages": Fraction(1),
        "requests": Fraction(per_request(vendor, segments)),
        "parts": Fraction(1, segments),
    }[flow.unit]
    return flow.limit * per_unit / Fraction(flow.per_s).limit_denominator(1_000_000)


def shares(route: Mapping[str, Vendor], text: str) -> list[Share]:
    """How a route's accounts share a campaign of this text."""
    return [
        Share(name, rate(vendor, parts(text, vendor.split)), vendor.limits.numbers_min)
        for name, vendor in route.items()
    ]


def send_hours(route: Mapping[str, Vendor]) -> list[str]:
    """What to say of accounts that don't send around the clock."""
    return [
        f'account "{name}" sends from {vendor.send_hours[0]}:00 to {vendor.send_hours[1]}:00 only; '
        "the finish time does not count the hours between"
        for name, vendor in route.items()
        if vendor.send_hours is not None
    ]


def plan_accounts(route: Mapping[str, Vendor], text: str, dealt: Sequence[Part]) -> tuple[AccountPlan, ...]:
    """What each account of the route will do."""
    return tuple(
        _account(name, vendor, text, [part for part in dealt if part.account == name]) for name, vendor in route.items()
    )


def make_plan(
    *,
    campaign: str,
    name: str,
    source: str,
    column: str,
    encoding: str,
    text: str,
    counts: Counts,
    batches: int,
    accounts: tuple[AccountPlan, ...],
    now_ms: int,
    notes: tuple[str, ...],
) -> Plan:
    """The plan of a campaign whose accounts' plans are made."""
    seconds = max(account.seconds for account in accounts)
    return Plan(
        campaign=campaign,
        name=name,
        source=source,
        column=column,
        encoding=encoding,
        rows=counts.rows,
        recipients=counts.recipients,
        invalid=counts.invalid,
        duplicate=counts.duplicate,
        suppressed=counts.suppressed,
        invalid_reasons=counts.invalid_reasons,
        text_chars=units(text),
        segments=max(account.segments for account in accounts),
        messages=sum(account.messages for account in accounts),
        requests=sum(account.requests for account in accounts),
        batches=batches,
        seconds=seconds,
        finish_at_ms=now_ms + round(seconds * 1000),
        accounts=accounts,
        notes=notes,
    )


def _account(name: str, vendor: Vendor, text: str, dealt: Sequence[Part]) -> AccountPlan:
    segments = parts(text, vendor.split)
    recipients = sum(part.count for part in dealt)
    most = per_request(vendor, segments)
    per_s = rate(vendor, segments)
    return AccountPlan(
        account=name,
        vendor=vendor.tag,
        recipients=recipients,
        jobs=len(dealt),
        requests=sum(-(-part.count // most) for part in dealt),
        segments=segments,
        messages=recipients * segments,
        per_s=float(per_s),
        paced=vendor.flow is not None,
        seconds=float(recipients / per_s),
    )
