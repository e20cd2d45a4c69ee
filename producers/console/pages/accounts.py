"""The pages of accounts: what each is allowed and does, its credit, what keeps it from sending, its vendor's codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from dispatcher.errors import DispatcherError
from dispatcher.i18n import _
from dispatcher.service.accounts import account_codes, check_accounts
from dispatcher.service.campaigns.views import CampaignWanted, list_campaigns
from dispatcher.store.views import CampaignView
from producers.console.state import ConsoleState
from producers.console.visit import Answer, ConsoleRoute, Events, Html, Redirect, Visit
from producers.console.wording.sentences import said


async def accounts(visit: Visit) -> Answer:
    """Every account."""
    return Html("accounts/list.html", await _now(visit.state))


async def live(visit: Visit) -> Answer:
    """The table of accounts, as events."""

    state = visit.state

    async def render() -> Html:
        return Html("accounts/table.html", await _now(state))

    return Events("accounts", render, 2.0)


async def account(visit: Visit) -> Answer:
    """One account, its campaigns and its vendor's codes."""
    return await _page(visit)


async def check(visit: Visit) -> Answer:
    """Log in at the vendor, ask for the balance, and tell the lane to send again."""
    name = visit.path["account"]
    try:
        checked = (await check_accounts(visit.session, name, by=visit.caller.name)).accounts[0]
    except DispatcherError as error:
        return await _page(visit, said(error))
    if checked.let_in:
        credit = (
            ""
            if checked.messages is None
            else _(" It has credit for {n} messages.").format(n=f"{checked.messages:,.0f}")
        )
        return Redirect(f"/accounts/{name}", _("The vendor lets {account} in.").format(account=name) + credit)
    if not checked.asked:
        return Redirect(f"/accounts/{name}", checked.says, "warn")
    says = _("The vendor does not let {account} in: {why}") if checked.let_in is False else "{why}"
    return Redirect(f"/accounts/{name}", says.format(account=name, why=checked.says), "bad")


def queued_why(views: Iterable[CampaignView]) -> dict[str, dict[str, int]]:
    """By account: how many of its queued recipients are not sent because their campaign is paused or held."""
    found: dict[str, dict[str, int]] = {}
    for view in views:
        for name, counts in view.accounts.items():
            if view.status in ("paused", "held") and counts.queued:
                mine = found.setdefault(name, {})
                mine[view.status] = mine.get(view.status, 0) + counts.queued
    return found


async def _now(state: ConsoleState) -> dict[str, Any]:
    found = await state.accounts.look(state.session)
    views = await state.session.read(lambda reader: reader.campaigns())
    return {"accounts": found, "queued_why": queued_why(views)}


async def _page(visit: Visit, mistake: str = "") -> Html:
    name = visit.path["account"]
    codes = account_codes(visit.state.config, name)  # raises UserError for an unknown account
    found = await visit.state.accounts.look(visit.session)
    campaigns = (await list_campaigns(visit.session, CampaignWanted(limit=500))).campaigns
    values = {
        "account": next((each for each in found if each.account == name), None),
        "campaigns": [view for view in campaigns if name in view.accounts][:20],
        "codes": codes.codes,
        "name": name,
        "mistake": mistake,
    }
    return Html("accounts/show.html", values, 422 if mistake else 200)


ROUTES: Final = (
    ConsoleRoute(method="GET", path="/accounts", permission="accounts:read", handler=accounts),
    ConsoleRoute(method="GET", path="/accounts/events", permission="accounts:read", handler=live),
    ConsoleRoute(method="GET", path="/accounts/{account}", permission="accounts:read", handler=account),
    ConsoleRoute(method="POST", path="/accounts/{account}/check", permission="accounts:operate", handler=check),
)
