"""Following a campaign up: whom to text again, with which text, what it would do, and launching it."""

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


async def order(visit: Visit) -> Answer:
    """Plan it, or launch it if the plan is confirmed."""
    shown = await show_campaign(visit.session, visit.path["id"])
    terms = _terms(visit, shown)
    long = shown.counts.recipients > SHORT_RECIPIENTS_MAX
    try:
        plan = as_plan(await call(visit.session, "plan_follow_up_of_terms", long=long, terms=terms))
        if plan is None or visit.form.get("action") != "launch":
            return await _page(visit, shown, plan)
        above = visit.state.config.web.confirm_above
        if mistake := unconfirmed(visit.form.get("confirm", ""), plan.recipients, above):
            return await _page(visit, shown, plan, mistake)
        done = await call(visit.session, "follow_up_of_terms", long=long, terms=terms | {"id": plan.campaign})
    except DispatcherError as error:
        return await _page(visit, shown, None, said(error))
    says = _("Launched: {count} recipients are texted again.").format(count=f"{done['recipients']:,}")
    return Redirect(f"/campaigns/{done['campaign']}", says)


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


async def _page(visit: Visit, shown: ShownCampaign, plan: Plan | None = None, mistake: str = "") -> Html:
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
            "confirm_above": visit.state.config.web.confirm_above,
            "too_many": plan is not None and above is not None and plan.recipients > above,
            "approval_above": above,
        },
        422 if mistake else 200,
    )


ROUTES: Final = (
    ConsoleRoute(method="GET", path="/campaigns/{id}/follow-up", permission="campaigns:send", handler=ask),
    ConsoleRoute(method="POST", path="/campaigns/{id}/follow-up", permission="campaigns:send", handler=order),
)
