"""What launched campaigns still have to send over each account: the credit they need, and when they will be done.

Pure: views of the results in, figures out. Weak spot: every text of a personalised campaign counts as long as the
longest, and parts are counted by the account's current vendor; so the figures are at most too high.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from dispatcher.core.flow.forecast import Forecast, Load, finish_s, sent_by_ms
from dispatcher.core.messages.text import parts
from dispatcher.service.progress import limit_per_s
from dispatcher.store.views import CampaignView

if TYPE_CHECKING:
    from dispatcher.vendors.seam.vendor import Vendor

UNPACED_PER_S: Final = 10_000.0
"""Recipients per second assumed of an account without a flow limit."""


class AccountQueue(msgspec.Struct, frozen=True, kw_only=True):
    """The queue of one account. `messages`: the credit it needs; `loads`: its campaigns, without paused ones."""

    recipients: int = 0
    messages: int = 0
    loads: tuple[Load, ...] = ()


def queues(views: Iterable[CampaignView], accounts: Mapping[str, Vendor]) -> dict[str, AccountQueue]:
    """What each account has to send, paused campaigns included: they keep their claim on its credit."""
    found: dict[str, AccountQueue] = {}
    for view in views:
        if view.cancelled:
            continue
        for account, counts in view.accounts.items():
            waiting = counts.queued + counts.in_flight
            if not waiting:
                continue
            vendor, queue = accounts.get(account), found.get(account, AccountQueue())
            loads = queue.loads if view.paused else (*queue.loads, _load(view, waiting, vendor))
            found[account] = AccountQueue(
                recipients=queue.recipients + waiting,
                messages=queue.messages + (0 if view.kind == "mms" else waiting * _parts(view, vendor)),
                loads=loads,
            )
    return found


def forecast(
    view: CampaignView,
    waiting: Mapping[str, AccountQueue],
    accounts: Mapping[str, Vendor],
    held: Iterable[str],
    now_ms: int,
) -> Forecast:
    """The forecast of one campaign among all waiting ones; `held` are the accounts that do not send."""
    mine = {name: queue for name, queue in waiting.items() if any(load.campaign == view.id for load in queue.loads)}
    beside = sum(queue.recipients - _left(view, name) for name, queue in mine.items())
    loads = [load for queue in mine.values() for load in queue.loads if load.campaign == view.id]
    alone_s = max((load.alone_s for load in loads), default=0.0)
    if view.status != "running" or set(held) & mine.keys():
        return Forecast(left_s=None, finish_at_ms=None, alone_s=alone_s, beside=beside)
    ends_ms = [
        sent_by_ms(now_ms, finish_s(queue.loads)[view.id], hours_of(accounts.get(name))) for name, queue in mine.items()
    ]
    end_ms = max(ends_ms, default=now_ms)
    return Forecast(left_s=(end_ms - now_ms) / 1000, finish_at_ms=end_ms, alone_s=alone_s, beside=beside)


def hours_of(vendor: Vendor | None) -> tuple[int, int] | None:
    """The hours in which an account sends."""
    return None if vendor is None else vendor.send_hours


def _left(view: CampaignView, account: str) -> int:
    counts = view.accounts[account]
    return counts.queued + counts.in_flight


def _load(view: CampaignView, waiting: int, vendor: Vendor | None) -> Load:
    per_s = limit_per_s(vendor, view.segments) or UNPACED_PER_S
    return Load(view.id, waiting / per_s, view.weight, view.urgent)


def _parts(view: CampaignView, vendor: Vendor | None) -> int:
    if vendor is None or view.variables or view.kind != "sms":
        return view.segments
    return parts(view.text, vendor.split)
