"""When the campaigns that share an account will have left it. Pure; a fluid model of the lane's fair shares.

An account's time is shared as the lane shares its flow limit (fairness.py): urgent campaigns before all others, then by
weight, each of them only while its own hours and the account's are open. The waits between the waves of a campaign are
counted in full, of the campaign that is asked about. Weak spot: later launches and throttling are not known, nor are
the waits of other campaigns; a forecast is the earliest time in this sense.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from dispatcher.core.schedule.hours import ALWAYS, END_OF_TIME_MS, Hours
from dispatcher.core.shanghai import DAY_MS

HORIZON_MS: Final = 366 * DAY_MS
"""What is not sent within a year of windows is forecast as never sent."""


class Load(msgspec.Struct, frozen=True):
    """What one campaign still has to send over an account: `alone_s`, the time it takes at the whole flow limit.

    It is sent within `hours`, not before `from_ms`, and not from `ends_ms` on. `recipients`: how many, if known. The
    loads of one campaign share its weight.
    """

    campaign: str
    alone_s: float
    weight: int = 1
    urgent: bool = False
    hours: Hours = ALWAYS
    from_ms: int = 0
    ends_ms: int = END_OF_TIME_MS
    recipients: int = 0


class Sent(msgspec.Struct, frozen=True):
    """When the last message of a load leaves; None: never, and `left_s` of its time alone is left."""

    at_ms: int | None
    left_s: float = 0.0


class Account(msgspec.Struct, frozen=True):
    """An account that sends within `hours`, and what other campaigns have to send over it."""

    loads: tuple[Load, ...] = ()
    hours: Hours = ALWAYS


class Waves(msgspec.Struct, frozen=True):
    """The waves of a campaign that are still to be sent: each one's share of what is left, in order.

    The first one begins at `from_ms`, each later one `wait_ms` after the last request of the one before at the latest.
    """

    shares: tuple[float, ...]
    wait_ms: int
    from_ms: int = 0


AT_ONCE: Final = Waves((1.0,), 0)
"""A campaign without waves."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """When the last message of a campaign leaves, at the earliest.

    `left_s`: from now on; None if something keeps an account from sending, or if its hours end first: then
    `left_at_closing` recipients are left at `closes_at_ms`. `beside`: recipients of other campaigns that the same
    accounts send meanwhile. `alone_s`: how long it would take without them. These count the waits between waves in
    full; `prompt_finish_at_ms` is when it is sent if the reports of each wave come at once, None: as `finish_at_ms`.
    """

    left_s: float | None
    finish_at_ms: int | None
    alone_s: float
    beside: int
    closes_at_ms: int | None = None
    left_at_closing: int = 0
    prompt_finish_at_ms: int | None = None


def recipients_beside(loads: Iterable[Load], campaign: str, now_ms: int, end_ms: int) -> int:
    """The recipients of other campaigns of an account that may be sent before this campaign is, at `end_ms`."""
    others = [load for load in loads if load.campaign != campaign]
    return sum(load.recipients for load in others if load.hours.opens_ms(max(now_ms, load.from_ms)) <= end_ms)


def when_sent(loads: Iterable[Load], start_ms: int, hours: Hours = ALWAYS) -> dict[str, Sent]:
    """For each campaign of an account that sends from `start_ms` on within `hours`, when it is sent."""
    every = list(loads)
    found: dict[str, Sent] = {}
    for load, sent in zip(every, _sent(every, start_ms, hours), strict=True):
        found[load.campaign] = _both(found[load.campaign], sent) if load.campaign in found else sent
    return found


def when_waves_sent(
    parts: Sequence[tuple[str, Load]], accounts: Mapping[str, Account], waves: Waves, start_ms: int
) -> list[Sent]:
    """When each of the parts of one campaign, (account, load), is sent, in waves that begin on all accounts together.

    What a wave cannot send before its time ends is left, with everything of the later waves.
    """
    placed = {name: list(accounts[name].loads) for name, _ in parts}
    found, from_ms, sent_share = [Sent(start_ms)] * len(parts), waves.from_ms, 0.0
    for share in waves.shares:
        mine = [
            msgspec.structs.replace(load, alone_s=load.alone_s * share, from_ms=max(load.from_ms, from_ms))
            for _, load in parts
        ]
        for (name, _), load in zip(parts, mine, strict=True):
            placed[name].append(load)
        ends = {name: _sent(loads, start_ms, accounts[name].hours) for name, loads in placed.items()}
        first = {name: len(loads) - sum(each == name for each, _ in parts) for name, loads in placed.items()}
        found = []
        for name, _ in parts:
            found.append(ends[name][first[name]])
            first[name] += 1
        sent_share += share
        later = max(0.0, 1.0 - sent_share)
        if any(sent.at_ms is None for sent in found):
            return [_with_later(sent, load.alone_s * later) for sent, (_, load) in zip(found, parts, strict=True)]
        last_ms = [sent.at_ms or 0 for sent, load in zip(found, mine, strict=True) if load.alone_s]
        from_ms = max(last_ms, default=from_ms) + waves.wait_ms
    return found


def _with_later(sent: Sent, later_s: float) -> Sent:
    """A part of a wave with the later waves, which are not sent."""
    return Sent(None, sent.left_s + later_s) if sent.at_ms is None or later_s > 0 else sent


def _both(one: Sent, other: Sent) -> Sent:
    if one.at_ms is None or other.at_ms is None:
        return Sent(None, one.left_s + other.left_s)
    return Sent(max(one.at_ms, other.at_ms))


def _sent(loads: Sequence[Load], start_ms: int, hours: Hours) -> list[Sent]:
    """When each of these loads is sent."""
    found: dict[int, Sent] = {}
    pending = dict(enumerate(loads))
    left_ms = [load.alone_s * 1000 for load in loads]
    windows = [each for each in (hours, *(load.hours for load in loads)) if not each.always]
    horizon_ms = HORIZON_MS if windows else END_OF_TIME_MS
    passed_ms = 0.0
    while pending:
        now_ms = start_ms + int(passed_ms)
        over = passed_ms > horizon_ms
        for at in [at for at, load in pending.items() if over or now_ms >= load.ends_ms]:
            found[at] = Sent(None, left_ms[at] / 1000)
            del pending[at]
        serving = _served(pending, now_ms, hours)
        step_ms = float(_next_change_ms(pending.values(), now_ms, hours) - start_ms) - passed_ms
        if serving:
            shares = _shares([pending[at] for at in serving])
            step_ms = min(step_ms, *(left_ms[at] / share for at, share in zip(serving, shares, strict=True)))
            for at, share in zip(serving, shares, strict=True):
                left_ms[at] -= step_ms * share
        passed_ms += step_ms
        for at in serving:
            if left_ms[at] <= 1e-9 * max(1000.0, passed_ms):
                found[at] = Sent(start_ms + round(passed_ms))
                del pending[at]
    return [found[at] for at in range(len(loads))]


def _shares(loads: Sequence[Load]) -> list[float]:
    """Each load's share of the account: by its campaign's weight, which the loads of a campaign share."""
    weights = {load.campaign: max(load.weight, 1) for load in loads}
    parts = Counter(load.campaign for load in loads)
    whole = sum(weights.values())
    return [weights[load.campaign] / parts[load.campaign] / whole for load in loads]


def _served(loads: Mapping[int, Load], now_ms: int, hours: Hours) -> list[int]:
    """The loads that share the account at this moment."""
    if not hours.is_open(now_ms):
        return []
    is_open = {each: each.is_open(now_ms) for each in {load.hours for load in loads.values()}}
    able = [at for at, load in loads.items() if load.from_ms <= now_ms and is_open[load.hours]]
    return [at for at in able if loads[at].urgent] or able


def _next_change_ms(loads: Iterable[Load], now_ms: int, hours: Hours) -> int:
    """The first moment after this one at which other loads may be served."""
    found = END_OF_TIME_MS
    for each in {hours, *(load.hours for load in loads)}:
        opens_ms, closes_ms = each.session(now_ms)
        found = min(found, closes_ms if opens_ms <= now_ms else opens_ms)
    for load in loads:
        found = min(found, load.ends_ms, load.from_ms if load.from_ms > now_ms else END_OF_TIME_MS)
    return found
