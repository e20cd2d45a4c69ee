"""Overview: today's figures, every account, what needs attention; and pausing everything.

The live part is the same for all who may see it. Pausing everything asks for a typed word, and then shows when the last
request left.
"""

from __future__ import annotations

from typing import Any, Final

from dispatcher.clock import now_ms
from dispatcher.core.people import Caller
from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.service.campaigns.drafts import drafts_to_approve
from dispatcher.service.campaigns.orders.pausing import pause_everything, still_sending
from dispatcher.service.reports.alerts import look_for_alerts
from dispatcher.words import HOLD_MEANS
from producers.console.pages.accounts import queued_why
from producers.console.state import ConsoleState
from producers.console.visit import Answer, ConsoleRoute, Events, Html, Redirect, Visit

WORD: Final = "PAUSE"
CAMPAIGNS_MAX: Final = 12
ALERTS_MAX: Final = 30
OVER: Final = ("finished", "cancelled")


async def show(visit: Visit) -> Answer:
    """The page, with the figures of now."""
    return Html("overview/overview.html", await _now(visit.state, visit.caller) | {"word": WORD})


async def watch(visit: Visit) -> Answer:
    """The figures, again and again."""
    state, caller = visit.state, visit.caller

    async def render() -> Html:
        return Html("overview/now.html", await _now(state, caller))

    key = f"overview of {caller.name}" if caller.may("campaigns:approve") else "overview"
    return Events(key, render, every_s=2.0)


async def pause(visit: Visit) -> Answer:
    """Pause everything."""
    if visit.form.get("word", "").strip() != WORD:
        raise UserError(_("Type {word} to pause everything.").format(word=WORD))
    done = await pause_everything(visit.session, by=visit.caller.name)
    await visit.audit("campaigns:control", ", ".join(done.paused + done.unscheduled), says="everything is paused")
    return Redirect("/paused")


async def show_paused(visit: Visit) -> Answer:
    """Whether anything still leaves, and when the last request left."""
    return Html("overview/paused.html", {"still": await still_sending(visit.session)})


async def watch_paused(visit: Visit) -> Answer:
    """The same, again and again."""
    session = visit.session

    async def render() -> Html:
        return Html("overview/paused_now.html", {"still": await still_sending(session)})

    return Events("paused", render)


async def _now(state: ConsoleState, caller: Caller) -> dict[str, Any]:
    now, session = now_ms(), state.session
    accounts = await state.accounts.look(session)
    views = await session.read(lambda reader: reader.campaigns())
    alerts = await look_for_alerts(session, views, accounts, now)
    under_way = [view for view in views if view.status not in OVER and not view.test_of]
    return {
        "today": await state.today.look(session, now, views),
        "accounts": accounts,
        "awaiting": await drafts_to_approve(session, caller.name) if caller.may("campaigns:approve") else [],
        "hold_means": HOLD_MEANS,
        "alerts": alerts[:ALERTS_MAX],
        "alerts_more": len(alerts) - len(alerts[:ALERTS_MAX]),
        "campaigns": under_way[:CAMPAIGNS_MAX],
        "campaigns_more": len(under_way) - len(under_way[:CAMPAIGNS_MAX]),
        "queued_why": queued_why(views),
    }


ROUTES: Final = (
    ConsoleRoute(method="GET", path="/", permission="campaigns:read", handler=show),
    ConsoleRoute(method="GET", path="/overview/events", permission="campaigns:read", handler=watch),
    ConsoleRoute(method="POST", path="/overview/pause", permission="campaigns:control", handler=pause),
    ConsoleRoute(method="GET", path="/paused", permission="campaigns:read", handler=show_paused),
    ConsoleRoute(method="GET", path="/paused/events", permission="campaigns:read", handler=watch_paused),
)
