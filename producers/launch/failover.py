"""Where a launch's recipients may move if an account stops: judged before the launch, told in its plan. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from dispatcher.config.routes import Route
from dispatcher.core.carriers import Carrier
from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.vendors.seam.vendor import Vendor
from dispatcher.words import carrier as carrier_name
from producers.launch.route_split import Slice


def check_failover(route: Route, accounts: Mapping[str, Vendor]) -> None:
    """Raises UserError if an account that recipients may move to could not send a single one."""
    if not route.failover_after_s:
        return
    for account in {name for order in route.orders for step in order for name in step if len(order) + len(step) > 2}:
        least = accounts[account].limits.numbers_min
        if least > 1:
            raise UserError(
                'account "{account}" takes at least {least:,} numbers a request, and a single recipient may be '
                "left to move there. Leave it out of the route {route}, or the route's failover_after_s.",
                account=account,
                least=least,
                route=route.name,
            )


def moved_parts(route: Route | None, parts: Sequence[Slice], rule_of_batch: Sequence[int]) -> Iterator[list[Slice]]:
    """The launch's parts as they would be sent if all moved once, twice, …; an account without a next one keeps its."""
    if route is None or not route.failover_after_s:
        return
    then = [route.then(rule_of_batch[part.batch], part.account) for part in parts]
    for times in range(max(map(len, then), default=0)):
        yield [
            msgspec.structs.replace(part, account=next_ones[times]) if times < len(next_ones) else part
            for part, next_ones in zip(parts, then, strict=True)
        ]


def then_of_most(
    route: Route | None, parts: Sequence[Slice], rule_of_batch: Sequence[int]
) -> dict[str, tuple[str, ...]]:
    """Where most of the recipients of each account may move, in order of preference."""
    if route is None or not route.failover_after_s:
        return {}
    recipients: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for part in parts:
        recipients[part.account][route.then(rule_of_batch[part.batch], part.account)] += part.count
    return {account: max(found, key=found.__getitem__) for account, found in recipients.items()}


def moves_of(
    route: Route | None, parts: Sequence[Slice], rule_of_batch: Sequence[int], stops: Mapping[str, int]
) -> dict[str, tuple[str, int]]:
    """Of accounts that send nothing (since when: `stops`): where what waits there moves, and from when on."""
    after_ms = 0 if route is None else route.failover_after_s * 1000
    found = {}
    for account, then in then_of_most(route, parts, rule_of_batch).items():
        to = next((each for each in then if each not in stops), None)
        if account in stops and to is not None:
            found[account] = to, stops[account] + after_ms
    return found


def failover_notes(route: Route | None) -> list[str]:
    """What the plan says of it: a sentence for each rule."""
    if route is None or not route.failover_after_s:
        return []
    back = _("they return when it sends again") if route.fail_back else _("they stay there")
    notes = []
    for rule, order in enumerate(route.orders):
        carriers = ", ".join(carrier_name(carrier.word) for carrier in Carrier if route.rule_of[carrier] == rule)
        steps = _(", then ").join(_(" and ").join(step) for step in order)
        if sum(map(len, order)) > 1:
            notes.append(
                _(
                    "failover of {carriers}: {steps}. Whoever waits at an account that sends nothing for "
                    "{failover_after_s:,} s moves to the next one that does; {back}",
                    carriers=carriers,
                    steps=steps,
                    failover_after_s=route.failover_after_s,
                    back=back,
                )
            )
    return notes
