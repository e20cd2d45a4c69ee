"""How far a campaign is, how fast it goes and when it will be done; what accounts still have to send, and its credit.

Pure: `now_s` (monotonic) is an argument. Weak spot: every text of a personalised campaign counts as long as the
longest, and parts are counted by the account's current vendor; so the figures of a queue are at most too high.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import asdict

from dispatcher.core.flow.forecast import (
    AT_ONCE,
    Account,
    Forecast,
    Load,
    Sent,
    Waves,
    recipients_beside,
    when_waves_sent,
)
from dispatcher.core.messages.text import parts
from dispatcher.core.results.equation import Counts, Status
from dispatcher.core.schedule.holds import WAITS_FOR_REPORTS, Hold
from dispatcher.core.schedule.hours import ALWAYS, END_OF_TIME_MS, Hours, daily, hours_of
from dispatcher.store.views import CampaignView

if TYPE_CHECKING:
    from dispatcher.vendors.seam.vendor import Vendor

SPEED_WINDOW_S: Final = 3.0
UNPACED_PER_S: Final = 10_000.0
"""Recipients per second assumed of an account without a flow limit."""


class CampaignState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a campaign's recipients are now."""

    campaign: str
    name: str
    status: Status
    settled: bool
    counts: Counts
    equation: str
    adds_up: bool


class CampaignProgress(CampaignState, frozen=True, kw_only=True):
    """A campaign's state and its `Pace`; `allowed_per_s` is None if an account has no limit. `held`: what holds it."""

    sent_per_s: float
    final_per_s: float
    allowed_per_s: float | None
    left_s: float | None
    beside: int
    waits_until_ms: int | None
    held: Hold | None = None


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's speed now and what its accounts allow, in recipients per second.

    `allowed_per_s` is the sum of the flow limits of the accounts that still have to send (of all accounts if none has);
    `unpaced`: one of them has no limit. `left_s`: how long sending will still take, None if unknown or if something
    keeps an account from sending. `beside`: recipients of other campaigns that its accounts send. `waits_until_ms`: the
    end of the wait for reports.
    """

    sent_per_s: float
    final_per_s: float
    allowed_per_s: float
    unpaced: bool
    left_s: float | None
    beside: int = 0
    waits_until_ms: int | None = None


class Speed:
    """How fast one campaign goes, by the last few seconds of its counts."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()

    def saw(self, counts: Counts, now_s: float) -> None:
        """The counts at this moment."""
        self._seen.append((now_s, handed_over(counts), counts.delivered + counts.failed))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - SPEED_WINDOW_S:
            self._seen.popleft()

    @property
    def sent_per_s(self) -> float:
        """Recipients handed to vendors per second."""
        return self._per_s(1)

    @property
    def final_per_s(self) -> float:
        """Final states per second."""
        return self._per_s(2)

    def _per_s(self, column: int) -> float:
        if len(self._seen) < 2:
            return 0.0
        first, last = self._seen[0], self._seen[-1]
        return max(0.0, (last[column] - first[column]) / max(last[0] - first[0], 1e-6))


def pace(view: CampaignView, speed: Speed, accounts: Mapping[str, Vendor], expected: Forecast | None = None) -> Pace:
    """The pace of a campaign, by its accounts' flow limits and its measured speed.

    `left_s` comes from the forecast of everything that its accounts have to send, if given.
    """
    queued = {name: counts.queued for name, counts in view.accounts.items() if counts.queued}
    limits = {name: limit_per_s(accounts.get(name), view.segments) for name in queued or view.accounts}
    left_s: float | None = None
    if view.status == "running":
        each_s = [rest / (limits[name] or speed.sent_per_s or float("inf")) for name, rest in queued.items()]
        left_s = None if 0.0 in each_s else max(each_s, default=0.0)
    if expected is not None and (expected.left_s is None or None not in limits.values()):
        left_s = expected.left_s
    return Pace(
        sent_per_s=speed.sent_per_s,
        final_per_s=speed.final_per_s,
        allowed_per_s=sum(limit for limit in limits.values() if limit is not None),
        unpaced=None in limits.values(),
        left_s=left_s,
        beside=0 if expected is None else expected.beside,
    )


def state_of(view: CampaignView) -> CampaignState:
    """Where its recipients are."""
    counts = view.counts
    return CampaignState(
        campaign=view.id,
        name=view.name,
        status=view.status,
        settled=counts.settled,
        counts=counts,
        equation=counts.line(),
        adds_up=counts.adds_up,
    )


def progress_of(view: CampaignView, now: Pace) -> CampaignProgress:
    """Its state and its pace."""
    return CampaignProgress(
        **asdict(state_of(view)),
        sent_per_s=round(now.sent_per_s, 1),
        final_per_s=round(now.final_per_s, 1),
        allowed_per_s=None if now.unpaced else now.allowed_per_s,
        left_s=None if now.left_s is None else round(now.left_s, 1),
        beside=now.beside,
        waits_until_ms=now.waits_until_ms,
        held=view.held if view.status == "held" else None,
    )


def limit_per_s(vendor: Vendor | None, segments: int) -> float | None:
    """An account's flow limit in recipients per second; None: unpaced, or not configured here."""
    if vendor is None or vendor.flow is None:
        return None
    per_unit = {"messages": 1.0, "parts": 1 / max(segments, 1), "requests": float(vendor.limits.numbers_max)}
    return vendor.flow.limit / vendor.flow.per_s * per_unit[vendor.flow.unit]


def percent_final(counts: Counts) -> int:
    """How many of the recipients have a final state, in whole percent; 100 only when all have."""
    return 100 * (counts.recipients - counts.open) // counts.recipients if counts.recipients else 100


def handed_over(counts: Counts) -> int:
    """Recipients of requests to vendors, with any result."""
    return counts.accepted + counts.in_flight + counts.delivered + counts.failed + counts.no_report + counts.unknown


def over(views: Sequence[CampaignView]) -> bool:
    """Whether every recipient has a final state, or waits for a person, and no stream takes messages.

    (Late reports may still resolve unknown ones.)
    """
    return all(
        (view.stream is None or not view.stream.takes_messages)
        and (view.counts.settled or (view.counts.open == view.counts.unknown and view.unknown == "hold"))
        for view in views
    )


# --- what accounts still have to send ---------------------------------------------------------------------------------


class AccountQueue(msgspec.Struct, frozen=True, kw_only=True):
    """The queue of one account. `messages`: the credit it needs; `loads`: its campaigns, without those that are paused
    or held until somebody decides.
    """

    messages: int = 0
    loads: tuple[Load, ...] = ()

    def with_loads(self, loads: tuple[Load, ...]) -> AccountQueue:
        """The same, with loads of campaigns that will be launched."""
        return msgspec.structs.replace(self, loads=(*self.loads, *loads))


def queues(
    views: Iterable[CampaignView], accounts: Mapping[str, Vendor], stops: Mapping[str, int] | None = None
) -> dict[str, AccountQueue]:
    """What each account has to send, paused campaigns included: they keep their claim on its credit.

    `stops`: since when which accounts send nothing. What will move from there is a load of the account that it moves
    to; the credit stays where it is queued.
    """
    found: dict[str, AccountQueue] = {}
    stopped = stops or {}
    for view in views:
        if view.cancelled:
            continue
        for account, counts in view.accounts.items():
            waiting = counts.queued + counts.in_flight
            if not waiting:
                continue
            queue = found.get(account, AccountQueue())
            messages = 0 if view.kind == "mms" else waiting * _parts(view, accounts.get(account))
            found[account] = AccountQueue(messages=queue.messages + messages, loads=queue.loads)
            if _goes_on(view):
                sender, from_ms = _sender(view, account, stopped)
                load = _load(view, waiting, accounts.get(sender), from_ms)
                found[sender] = found.get(sender, AccountQueue()).with_loads((load,))
    return found


def _sender(view: CampaignView, account: str, stops: Mapping[str, int]) -> tuple[str, int]:
    """The account that sends what waits at this one, and from when on."""
    if account not in stops or not view.failover_after_s:
        return account, 0
    then = next((leg.then for leg in view.legs if leg.account == account), ())
    to = next((each for each in then if each not in stops), None)
    return (account, 0) if to is None else (to, stops[account] + round(view.failover_after_s * 1000))


def forecast(
    view: CampaignView,
    waiting: Mapping[str, AccountQueue],
    accounts: Mapping[str, Vendor],
    held: Iterable[str],
    now_ms: int,
) -> Forecast:
    """The forecast of one campaign among all waiting ones; `held` are the accounts that do not send."""
    mine = {name: queue for name, queue in waiting.items() if any(load.campaign == view.id for load in queue.loads)}
    parts = [(name, load) for name, queue in mine.items() for load in queue.loads if load.campaign == view.id]
    waves = _waves(view, sum(load.recipients for _, load in parts))
    waits_s = waves.wait_ms / 1000 * (len(waves.shares) - 1)
    alone_s = max((load.alone_s for _, load in parts), default=0.0) + waits_s

    def beside(end_ms: int) -> int:
        return sum(recipients_beside(queue.loads, view.id, now_ms, end_ms) for queue in mine.values())

    if view.status not in ("running", "held") or not mine or set(held) & mine.keys():
        return Forecast(left_s=None, finish_at_ms=None, alone_s=alone_s, beside=beside(END_OF_TIME_MS))
    beside_it = {
        name: Account(
            tuple(load for load in queue.loads if load.campaign != view.id), account_hours(accounts.get(name))
        )
        for name, queue in mine.items()
    }
    sent = when_waves_sent(parts, beside_it, waves, now_ms)
    left = sum(
        recipients_left(each, load.alone_s, load.recipients) for each, (_, load) in zip(sent, parts, strict=True)
    )
    prompt = [] if waves is AT_ONCE else when_waves_sent(_prompt(view, parts), beside_it, AT_ONCE, now_ms)
    prompt_ms = None if any(each.at_ms is None for each in prompt) else _last_ms(prompt, None)
    if left:
        closes_ms = view.ends_ms
        return Forecast(
            left_s=None,
            finish_at_ms=None,
            alone_s=alone_s,
            beside=beside(END_OF_TIME_MS if closes_ms is None else closes_ms),
            closes_at_ms=closes_ms,
            left_at_closing=left,
            prompt_finish_at_ms=prompt_ms,
        )
    end_ms = max(each.at_ms or now_ms for each in sent)
    return Forecast(
        left_s=(end_ms - now_ms) / 1000,
        finish_at_ms=end_ms,
        alone_s=alone_s,
        beside=beside(end_ms),
        prompt_finish_at_ms=prompt_ms,
    )


def _prompt(view: CampaignView, parts: Iterable[tuple[str, Load]]) -> list[tuple[str, Load]]:
    """The loads without the wait for a wave's reports."""
    waits_ms = _released_ms(view)
    return [
        (name, msgspec.structs.replace(load, from_ms=0) if load.from_ms == waits_ms else load) for name, load in parts
    ]


def _last_ms(sent: Iterable[Sent], default: int | None) -> int | None:
    return max((each.at_ms for each in sent if each.at_ms is not None), default=default)


def _waves(view: CampaignView, waiting: int) -> Waves:
    """What is left of this campaign in waves, of `waiting` recipients."""
    standing = view.waves
    if standing is None or not standing.unreleased or not waiting:
        return AT_ONCE
    later = [wave.recipients for wave in standing.waves[standing.released :]]
    now = max(0, waiting - sum(later))
    whole = now + sum(later)
    if now:
        return Waves(tuple(count / whole for count in (now, *later)), standing.wait_ms)
    return Waves(tuple(count / whole for count in later), standing.wait_ms, _released_ms(view))


def _released_ms(view: CampaignView) -> int:
    """When the next wave begins at the latest, if everything of the released ones was sent."""
    return 0 if view.waves is None or view.last_sent_ms is None else view.last_sent_ms + view.waves.wait_ms


def account_hours(vendor: Vendor | None) -> Hours:
    """The hours in which an account sends."""
    return ALWAYS if vendor is None or vendor.send_hours is None else daily(*vendor.send_hours)


def recipients_left(sent: Sent, alone_s: float, recipients: int) -> int:
    """How many of these recipients, which take `alone_s`, are left when their hours end."""
    return 0 if sent.at_ms is not None else max(1, ceil(recipients * sent.left_s / alone_s)) if alone_s else recipients


def _goes_on(view: CampaignView) -> bool:
    """Whether it is sent by itself, now or later."""
    return not view.paused and (view.held is None or view.held.until_ms > 0 or view.held == WAITS_FOR_REPORTS)


def _load(view: CampaignView, waiting: int, vendor: Vendor | None, from_ms: int) -> Load:
    per_s = limit_per_s(vendor, view.segments) or UNPACED_PER_S
    ends_ms = END_OF_TIME_MS if view.ends_ms is None else view.ends_ms
    if view.held == WAITS_FOR_REPORTS:
        from_ms = max(from_ms, _released_ms(view))
    return Load(view.id, waiting / per_s, view.weight, view.urgent, hours_of(view.hours), from_ms, ends_ms, waiting)


def _parts(view: CampaignView, vendor: Vendor | None) -> int:
    if vendor is None or view.variables or view.kind != "sms":
        return view.segments
    return parts(view.text, vendor.split)
