"""What people order about a launched campaign: one POST each, its result in one sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from dispatcher.core.schedule.holds import Hold
from dispatcher.errors import UserError
from dispatcher.i18n import _, ngettext
from dispatcher.service.campaigns.orders.control import (
    ControlResult,
    budget_campaign,
    cancel_campaign,
    close_campaign,
    pause_campaign,
    resume_campaign,
    weigh_campaign,
)
from dispatcher.service.campaigns.orders.hours import change_hours
from dispatcher.service.campaigns.orders.waves import decide_text, halt_wave, release_wave
from dispatcher.service.streams import close_stream
from dispatcher.words import hold_sentences
from producers.console.pages.campaign.showing import campaign_page
from producers.console.pages.orders import typed_count
from producers.console.rendering.filters import minute, yuan
from producers.console.visit import Answer, ConsoleRoute, Handler, Redirect, Visit
from producers.console.wording.sentences import said

Order = Callable[[Visit, str, str], Awaitable[str]]
"""(visit, campaign, who) -> what happened, in one sentence. Raises UserError."""


async def _pause(visit: Visit, campaign: str, by: str) -> str:
    done = await pause_campaign(visit.session, campaign, by=by)
    if done.changed:
        return _("Paused. Nothing more is sent until it is resumed; requests under way still end.")
    return _not_changed(done, _("It was paused already."))


async def _resume(visit: Visit, campaign: str, by: str) -> str:
    done = await resume_campaign(visit.session, campaign, by=by)
    if done.held is not None:
        return _("Resumed, but it is still held. {why}").format(why=_held(done.held))
    return _("Resumed. Sending continues where it stopped.") if done.changed else _("It was not paused.")


async def _cancel(visit: Visit, campaign: str, by: str) -> str:
    if visit.form.get("confirm", "") != campaign:
        raise UserError(_("Cancelling is final. To confirm, type the id of the campaign: {id}").format(id=campaign))
    done = await cancel_campaign(visit.session, campaign, by=by)
    if done.was_draft:
        return _("The draft is cancelled. Nothing of it was sent, and nothing will be.")
    if not done.changed:
        return _not_changed(done, _("It was cancelled already."))
    taken = sum(each.taken_back for each in done.taken_back)
    if taken:
        return _("Cancelled. {count} messages that waited at a gateway were taken back.").format(count=f"{taken:,}")
    return _("Cancelled. Nothing more is sent; reports of what was sent still count.")


def _not_changed(done: ControlResult, otherwise: str) -> str:
    return _("Nothing changed: nothing of it is left to send.") if done.nothing_left is not None else otherwise


def _held(hold: Hold) -> str:
    if hold.until_ms:
        return _("It is outside its sending hours until {time}.").format(time=minute(hold.until_ms))
    return hold_sentences(hold)


async def _weigh(visit: Visit, campaign: str, by: str) -> str:
    weight = typed_count(visit.form.get("weight", ""))
    if weight is None:
        raise UserError(_("The weight must be a whole number, as 1 or 20."))
    done = await weigh_campaign(visit.session, campaign, weight=weight, urgent="urgent" in visit.form, by=by)
    if not done.changed:
        return _("Nothing changed.")
    urgent = _(", urgent") if done.urgent else ""
    return _("The weight is {weight} now{urgent}.").format(weight=done.weight, urgent=urgent)


async def _hours(visit: Visit, campaign: str, by: str) -> str:
    done = await change_hours(
        visit.session,
        campaign,
        between=visit.form.get("between", "").strip(),
        days=visit.form.get("days", "").strip(),
        at_closing=visit.form.get("at_closing", ""),
        by=by,
    )
    if not done.changed:
        return _("Nothing changed.")
    narrowed = _(" Its class and carriers allow no more than that.") if done.narrowed else ""
    return _("It may be sent {hours} now.{narrowed}").format(hours=done.hours, narrowed=narrowed)


async def _budget(visit: Visit, campaign: str, by: str) -> str:
    done = await budget_campaign(visit.session, campaign, visit.form.get("budget", "").strip(), by=by)
    now = _("The budget is {budget} now; it was {before}.").format(
        budget=yuan(done.budget_micro_yuan), before=yuan(done.was_micro_yuan)
    )
    return _("{now} That much is spent already: sending stops now.", now=now) if done.stops else now


async def _close(visit: Visit, campaign: str, by: str) -> str:
    done = await close_campaign(visit.session, campaign, by=by)
    if not done.changed:
        return _("Nothing changed: no report was waited for.")
    return ngettext(
        "Closed: {n} recipient has no report. Late reports still count.",
        "Closed: {n} recipients have no report. Late reports still count.",
        done.no_report,
    ).format(n=f"{done.no_report:,}")


async def _close_stream(visit: Visit, campaign: str, by: str) -> str:
    if visit.form.get("confirm", "") != campaign:
        raise UserError(_("A stream is closed for good. To confirm, type its id: {id}").format(id=campaign))
    done = await close_stream(visit.session, campaign, by=by)
    if not done.changed:
        return _("It was closed already.")
    return _("Closed. It takes no more messages; those that it has are sent.")


async def _release(visit: Visit, campaign: str, by: str) -> str:
    done = await release_wave(visit.session, campaign, by=by)
    return _("Released: waves up to {wave} may be sent.").format(wave=done.released)


async def _halt(visit: Visit, campaign: str, by: str) -> str:
    done = await halt_wave(visit.session, campaign, by=by)
    if not done.changed:
        return _("It was halted already.")
    return _("Halted in wave {wave}. Nothing more is sent until you release it.").format(wave=done.wave)


async def _decide(visit: Visit, campaign: str, by: str) -> str:
    done = await decide_text(visit.session, campaign, visit.form.get("text", ""), by=by)
    return _("Decided: the last wave gets text {text}.").format(text=done.text)


def _handler(name: str, order: Order) -> Handler:
    async def handle(visit: Visit) -> Answer:
        campaign = visit.path["id"]
        try:
            says = await order(visit, campaign, visit.caller.name)
        except UserError as error:
            return await campaign_page(visit, mistake=said(error), order=name, status=422)
        return Redirect(f"/campaigns/{campaign}", says)

    return handle


ORDERS: Final[dict[str, Order]] = {
    "pause": _pause,
    "resume": _resume,
    "cancel": _cancel,
    "weight": _weigh,
    "hours": _hours,
    "budget": _budget,
    "close": _close,
    "close-stream": _close_stream,
    "release": _release,
    "halt": _halt,
    "decide": _decide,
}
"""Every order about a launched campaign, by the last part of its path."""

ROUTES: Final = tuple(
    ConsoleRoute(
        method="POST", path=f"/campaigns/{{id}}/{name}", permission="campaigns:control", handler=_handler(name, order)
    )
    for name, order in ORDERS.items()
)
