"""What people order about a draft: plan again, test, approve, schedule, launch, cancel, change, clone."""

from __future__ import annotations

from typing import Any, Final

from dispatcher.errors import DispatcherError, UserError
from dispatcher.i18n import _, ngettext
from dispatcher.service.campaigns.cloning import campaign_terms, draft_terms
from dispatcher.service.campaigns.drafts import DraftView, approve_campaign, find_draft, schedule_campaign, show_draft
from dispatcher.service.campaigns.orders.control import cancel_campaign
from dispatcher.terminal.times import coming_ms
from producers.console.pages.campaign.plans import as_plan
from producers.console.pages.campaign.showing import draft_page
from producers.console.pages.orders import unconfirmed
from producers.console.rendering.filters import minute
from producers.console.services import SHORT_RECIPIENTS_MAX, call
from producers.console.visit import Answer, ConsoleRoute, Html, Redirect, Visit
from producers.console.wording.sentences import said


async def plan(visit: Visit) -> Answer:
    """What launching the draft now would do and cost, with the balances of now, as a fragment."""
    draft = await show_draft(visit.session, visit.path["id"])
    try:
        found = as_plan(await _call(visit, draft, "plan_draft", by=visit.caller.name))
        mistake = ""
    except DispatcherError as error:
        found, mistake = None, said(error)
    return Html("campaign/plan_now.html", {"draft": draft, "plan": found, "mistake": mistake})


async def test(visit: Visit) -> Answer:
    """Send the draft's very message to a few numbers."""
    draft = await show_draft(visit.session, visit.path["id"])
    to = visit.form.get("to", "").replace(",", " ").replace("，", " ").split()
    try:
        done: list[dict[str, Any]] = await _call(visit, draft, "send_test", to=to, by=visit.caller.name)
    except DispatcherError as error:
        return await draft_page(visit, draft, mistake=said(error), order="test", status=422)
    sent = sum(each["recipients"] for each in done)
    names = ", ".join(each["campaign"] for each in done)
    says = ngettext("A test to {n} number is under way: {names}", "A test to {n} numbers is under way: {names}", sent)
    return Redirect(f"/campaigns/{draft.campaign}", says.format(n=f"{sent:,}", names=names))


async def approve(visit: Visit) -> Answer:
    """Approve the draft as it is."""
    id_ = visit.path["id"]
    try:
        await approve_campaign(visit.session, id_, by=visit.caller.name)
    except UserError as error:
        return await draft_page(
            visit, await show_draft(visit.session, id_), mistake=said(error), order="approve", status=422
        )
    return Redirect(f"/campaigns/{id_}", _("Approved. A change of the draft makes the approval void."))


async def schedule(visit: Visit) -> Answer:
    """Start the draft by itself at a time, or not any more."""
    id_ = visit.path["id"]
    draft = await show_draft(visit.session, id_)
    try:
        if "never" in visit.form:
            await schedule_campaign(visit.session, id_, None, by=visit.caller.name)
            return Redirect(f"/campaigns/{id_}", _("It does not start by itself any more."))
        start_ms = coming_ms(visit.form.get("start", ""), _("start"))
        if mistake := _unconfirmed(visit, draft):
            return await draft_page(visit, draft, mistake=mistake, order="schedule", status=422)
        view = await schedule_campaign(visit.session, id_, start_ms, by=visit.caller.name)
    except UserError as error:
        return await draft_page(visit, draft, mistake=said(error), order="schedule", status=422)
    return Redirect(
        f"/campaigns/{id_}", _("It starts by itself at {time}.").format(time=minute(view.due_ms or start_ms))
    )


async def launch(visit: Visit) -> Answer:
    """Launch the draft now."""
    id_ = visit.path["id"]
    draft = await find_draft(visit.session, id_)
    if draft is None:  # it was launched meanwhile, by itself or by another person
        return Redirect(f"/campaigns/{id_}")
    if mistake := _unconfirmed(visit, draft):
        return await draft_page(visit, draft, mistake=mistake, order="launch", status=422)
    try:
        done = await _call(visit, draft, "launch_draft", by=visit.caller.name)
    except DispatcherError as error:
        return await draft_page(visit, draft, mistake=said(error), order="launch", status=422)
    says = ngettext("Launched to {n} recipient.", "Launched to {n} recipients.", done["recipients"])
    return Redirect(f"/campaigns/{id_}", says.format(n=f"{done['recipients']:,}"))


async def cancel(visit: Visit) -> Answer:
    """Cancel the draft for good."""
    id_ = visit.path["id"]
    await show_draft(visit.session, id_)
    await cancel_campaign(visit.session, id_, by=visit.caller.name)
    return Redirect("/campaigns", _("The draft is cancelled. Nothing of it was sent, and nothing will be."))


async def clone(visit: Visit) -> Answer:
    """Begin a new campaign with the terms of this one, and another list."""
    terms = await campaign_terms(visit.session, visit.path["id"])
    form = visit.state.forms.new(visit.caller.name, terms=terms, cloned_from=visit.path["id"])
    return Redirect(f"/new-campaign/{form.form}/list", _("Cloned. Give it a list of its own."))


async def change(visit: Visit) -> Answer:
    """Change the text and terms of a draft, whose list is on the log; its upload may be gone."""
    draft = await show_draft(visit.session, visit.path["id"])
    form = visit.state.forms.new(
        visit.caller.name,
        terms=await draft_terms(visit.session, draft.campaign),
        list_of=draft.campaign,
        campaign=draft.campaign,
        recipients=draft.recipients,
        columns=draft.variables,
    )
    return Redirect(f"/new-campaign/{form.form}/text")


def _unconfirmed(visit: Visit, draft: DraftView) -> str:
    return unconfirmed(visit.form.get("confirm", ""), draft.recipients, visit.state.config.web.confirm_above)


async def _call(visit: Visit, draft: DraftView, service: str, **arguments: Any) -> Any:
    long = draft.recipients > SHORT_RECIPIENTS_MAX
    return await call(visit.session, service, long=long, campaign=draft.campaign, **arguments)


ROUTES: Final = (
    ConsoleRoute(method="GET", path="/campaigns/{id}/plan", permission="campaigns:read", handler=plan),
    ConsoleRoute(method="POST", path="/campaigns/{id}/test", permission="campaigns:draft", handler=test),
    ConsoleRoute(method="POST", path="/campaigns/{id}/approve", permission="campaigns:approve", handler=approve),
    ConsoleRoute(method="POST", path="/campaigns/{id}/schedule", permission="campaigns:send", handler=schedule),
    ConsoleRoute(method="POST", path="/campaigns/{id}/launch", permission="campaigns:send", handler=launch),
    ConsoleRoute(method="POST", path="/campaigns/{id}/cancel-draft", permission="campaigns:draft", handler=cancel),
    ConsoleRoute(method="POST", path="/campaigns/{id}/clone", permission="campaigns:draft", handler=clone),
    ConsoleRoute(method="POST", path="/campaigns/{id}/change", permission="campaigns:draft", handler=change),
)
