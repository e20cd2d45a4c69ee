"""Following a campaign up: whom to text again, with which text, what it would do; drafting and launching it."""

from __future__ import annotations

from typing import Any, Final

from dispatcher.errors import DispatcherError
from dispatcher.i18n import N_, _
from dispatcher.service.campaigns.follow_ups import FOLLOWED
from dispatcher.service.campaigns.views import ShownCampaign, show_campaign
from dispatcher.store.meanings import failure_class
from dispatcher.vendors.seam.outcomes import FAILURE_CLASSES
from producers.console.pages.campaign.plans import as_plan
from producers.console.pages.orders import unconfirmed
from producers.console.services import SHORT_RECIPIENTS_MAX, call
from producers.console.visit import Answer, ConsoleRoute, Html, Redirect, Visit
from producers.console.wording.sentences import said
from producers.launch.planning.plan import Plan

WORDS: Final = {
    "failed": N_("failed"),
    "no-report": N_("no report"),
    "unknown": N_("unknown"),
    "left": N_("never sent, because it was cancelled"),
}


async def ask(visit: Visit) -> Answer:
    """The form."""
    return await _page(visit, await show_campaign(visit.session, visit.path["id"]))


async def plan(visit: Visit) -> Answer:
    """What it would do."""
    shown = await show_campaign(visit.session, visit.path["id"])
    try:
        return await _page(visit, shown, await _plan(visit, shown))
    except DispatcherError as error:
        return await _page(visit, shown, None, said(error))


async def keep(visit: Visit) -> Answer:
    """Keep it as a draft: its page has test, approval, schedule and launch."""
    shown = await show_campaign(visit.session, visit.path["id"])
    try:
        done = await _call(visit, shown, "draft_follow_up_of_terms", _terms(visit, shown))
    except DispatcherError as error:
        return await _page(visit, shown, None, said(error))
    return Redirect(f"/campaigns/{done['campaign']}", _("Drafted. Nothing is sent until it is launched."))


async def launch(visit: Visit) -> Answer:
    """Launch it, if the plan of now is confirmed."""
    shown = await show_campaign(visit.session, visit.path["id"])
    above = visit.state.config.web.confirm_above
    try:
        plan = await _plan(visit, shown)
        if plan is None:
            return await _page(visit, shown)
        if mistake := unconfirmed(visit.form.get("confirm", ""), plan.recipients, above):
            return await _page(visit, shown, plan, mistake, order="launch")
        terms = _terms(visit, shown) | {"id": plan.campaign}
        done = await _call(visit, shown, "follow_up_of_terms", terms)
    except DispatcherError as error:
        return await _page(visit, shown, None, said(error))
    says = _("Launched: {count} recipients are texted again.").format(count=f"{done['recipients']:,}")
    return Redirect(f"/campaigns/{done['campaign']}", says)


async def _plan(visit: Visit, shown: ShownCampaign) -> Plan | None:
    return as_plan(await _call(visit, shown, "plan_follow_up_of_terms", _terms(visit, shown)))


async def _call(visit: Visit, shown: ShownCampaign, service: str, terms: dict[str, Any]) -> Any:
    return await call(visit.session, service, long=shown.counts.recipients > SHORT_RECIPIENTS_MAX, terms=terms)


def _terms(visit: Visit, shown: ShownCampaign) -> dict[str, Any]:
    form = visit.form
    terms: dict[str, Any] = {
        "campaign": shown.id,
        "to": [word for word in form.every("to") if word in FOLLOWED],
        "classes": [word for word in form.every("class") if word in FAILURE_CLASSES],
        "may_text_twice": "may_text_twice" in form,
        "by": visit.caller.name,
    }
    text = form.get("text", "").replace("\r\n", "\n").strip()
    if text and text != _text(shown):
        terms["text"] = text
    return terms


def _by_class(shown: ShownCampaign) -> list[tuple[str, int]]:
    """How many recipients failed with a code of each class, those with the most first."""
    counts = dict.fromkeys(FAILURE_CLASSES, 0)
    for each in shown.failures:
        counts[failure_class(each.vendor, each.source, each.code)] += each.recipients
    return sorted(counts.items(), key=lambda pair: -pair[1])


def _text(shown: ShownCampaign) -> str:
    """The campaign's text as a person would write it."""
    return shown.text if shown.variables else shown.text.replace("{", "{{").replace("}", "}}")


async def _page(
    visit: Visit, shown: ShownCampaign, plan: Plan | None = None, mistake: str = "", *, order: str = ""
) -> Html:
    counts = shown.counts
    form, above = visit.form, visit.state.config.approval.above
    return Html(
        "campaign/follow_up.html",
        {
            "shown": shown,
            "groups": [
                (word, WORDS[word], count)
                for word, count in (
                    ("failed", counts.failed),
                    ("no-report", counts.no_report),
                    ("unknown", counts.unknown),
                    ("left", counts.cancelled),
                )
            ],
            "classes": _by_class(shown),
            "chosen": form.every("to") or [],
            "chosen_classes": form.every("class"),
            "text": form.get("text", _text(shown)),
            "may_text_twice": "may_text_twice" in form,
            "plan": plan,
            "mistake": mistake,
            "order": order,
            "confirm_above": visit.state.config.web.confirm_above,
            "too_many": plan is not None and above is not None and plan.recipients > above,
            "approval_above": above,
        },
        422 if mistake else 200,
    )


_PATH: Final = "/campaigns/{id}/follow-up"
ROUTES: Final = (
    ConsoleRoute(method="GET", path=_PATH, permission="campaigns:draft", handler=ask),
    ConsoleRoute(method="POST", path=_PATH, permission="campaigns:draft", handler=plan, audited=False),
    ConsoleRoute(method="POST", path=f"{_PATH}/draft", permission="campaigns:draft", handler=keep),
    ConsoleRoute(method="POST", path=f"{_PATH}/launch", permission="campaigns:send", handler=launch),
)
