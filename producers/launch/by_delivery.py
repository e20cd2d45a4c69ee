"""The shares of a route with `prefer = "delivery"`: from what its accounts delivered to each carrier lately."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dispatcher.clock import now_ms
from dispatcher.config.routes import Route
from dispatcher.core.carriers import CARRIER_WORDS, Carrier
from dispatcher.core.results.delivery import Delivery, outdone
from dispatcher.errors import ConfigError, LogError, StoreError
from dispatcher.i18n import _
from dispatcher.log.opening import log_is_there
from dispatcher.service.reports.delivery import report_delivery
from dispatcher.service.session import Session
from dispatcher.words import carrier as carrier_name

WITHIN_MS: Final = 7 * 86_400_000


async def route_now(session: Session, route: Route | None) -> tuple[Route | None, list[str]]:
    """The route with the shares of a launch now, and notes about accounts that get less; without figures as written."""
    if route is None or not route.prefer or not log_is_there(session.config.log.url):
        return route, []
    until_ms = now_ms()
    try:
        found = await report_delivery(session, since_ms=until_ms - WITHIN_MS, until_ms=until_ms)
    except (ConfigError, LogError, StoreError) as error:
        return route, [
            _(
                'route "{name}" shares by its weights: the delivery rates are not known ({error})',
                name=route.name,
                error=error,
            )
        ]
    return preferred(route, found.rows)


def preferred(route: Route, rows: Sequence[Delivery]) -> tuple[Route, list[str]]:
    """The route with only the share of exploration for accounts that certainly deliver worse, and why."""
    worse: dict[Carrier, set[str]] = {}
    notes = []
    for word, carrier in CARRIER_WORDS.items():
        mine = {row.account: row for row in rows if row.carrier == word and row.account in route.shares(carrier)}
        worse[carrier] = outdone(mine.values())
        best = max(
            (row for row in mine.values() if row.rate is not None), key=lambda row: row.rate_low or 0, default=None
        )
        for account in sorted(worse[carrier]):
            if best is not None:
                notes.append(
                    _(
                        'account "{account}" gets {explore_percent} % of its share of {title}: it delivers '
                        '{rate:.1%} there, "{other}" {other_rate:.1%} (dispatcher report delivery)',
                        account=account,
                        explore_percent=route.explore_percent,
                        title=carrier_name(word),
                        rate=mine[account].rate,
                        other=best.account,
                        other_rate=best.rate,
                    )
                )
    return route.with_less_for(worse), notes
