"""The page of one campaign, or of a draft: everything about it, its live part, its timeline, its carriers."""

from __future__ import annotations

from typing import Any, Final

from dispatcher.clock import now_ms
from dispatcher.core.results.equation import PARTS, TERMS
from dispatcher.service.campaigns.drafts import DraftView, find_draft
from dispatcher.service.campaigns.orders.possible import PossibleOrders, possible_orders
from dispatcher.service.campaigns.timeline import campaign_timeline
from dispatcher.service.campaigns.views import CampaignLook, CampaignWatch, ShownCampaign, show_campaign, view_of
from dispatcher.service.reports.outcomes import OutcomesWanted, report_outcomes
from dispatcher.service.reports.spend import campaign_spend
from dispatcher.words import STATUS_MEANS, TERM_MEANS, hold_sentences
from producers.console.pages.campaign.plans import kept_plan
from producers.console.rendering.bars import bar
from producers.console.services import SHORT_RECIPIENTS_MAX
from producers.console.visit import Answer, ConsoleRoute, Events, Html, Visit

FAILURES_SHOWN: Final = 20
LIVE_EVERY_S: Final = 1.0


async def campaign(visit: Visit) -> Answer:
    """A campaign's page, or a draft's."""
    id_ = visit.path["id"]
    draft = await find_draft(visit.session, id_)
    if draft is not None:
        return await draft_page(visit, draft)
    return await campaign_page(visit)


async def campaign_page(visit: Visit, *, mistake: str = "", order: str = "", status: int = 200) -> Html:
    """The page of a launched campaign; `mistake` stands beside the `order` that it is about."""
    id_ = visit.path["id"]
    shown = await show_campaign(visit.session, id_)
    look = await CampaignWatch(visit.session, id_, is_fresh=True).look()
    can = possible_orders(shown)
    return Html(
        "campaign/show.html",
        {
            **live_values(look),
            "shown": shown,
            "timeline": await campaign_timeline(visit.session, id_),
            "actions": can,
            "mistake": mistake,
            "mistake_beside": not shown.cancelled and has_form(order, can, budget=bool(shown.budget_micro_yuan)),
            "order": order,
            "typed": dict(visit.form),
            "day_terms": day_terms(shown),
            "count_cost_now": shown.counts.recipients <= SHORT_RECIPIENTS_MAX,
        },
        status,
    )


async def draft_page(visit: Visit, draft: DraftView, *, mistake: str = "", order: str = "", status: int = 200) -> Html:
    """The page of a draft: its plan, test, approval, schedule and launch."""
    return Html(
        "campaign/draft.html",
        {
            "draft": draft,
            "plan": kept_plan(draft),
            "timeline": await campaign_timeline(visit.session, draft.campaign),
            "confirm_above": visit.state.config.web.confirm_above,
            "mistake": mistake,
            "order": order,
            "typed": dict(visit.form),
        },
        status,
    )


async def live(visit: Visit) -> Answer:
    """The part of a campaign's page that changes, as events."""
    await view_of(visit.session, visit.path["id"])  # one that does not exist is not watched
    watch = CampaignWatch(visit.session, visit.path["id"])

    async def render() -> Html:
        return Html("campaign/live.html", live_values(await watch.look()))

    return Events(f"campaign {visit.path['id']}", render, LIVE_EVERY_S)


async def waves(visit: Visit) -> Answer:
    """The waves and the compared texts, as a fragment."""
    shown = await show_campaign(visit.session, visit.path["id"])
    return Html("campaign/waves.html", {"shown": shown})


async def orders(visit: Visit) -> Answer:
    """The buttons of what can be ordered now, as a fragment."""
    shown = await show_campaign(visit.session, visit.path["id"])
    return Html("campaign/actions.html", {"shown": shown, "actions": possible_orders(shown)})


async def carriers(visit: Visit) -> Answer:
    """What became of the recipients of each carrier and account, as a fragment."""
    wanted = OutcomesWanted(until_ms=now_ms() + 1, by=("carrier", "account"), campaign=visit.path["id"])
    return Html("campaign/carriers.html", {"report": await report_outcomes(visit.session, wanted)})


async def cost(visit: Visit) -> Answer:
    """What a campaign cost so far, counted recipient by recipient, as a fragment."""
    return Html("campaign/cost.html", {"spent": await campaign_spend(visit.session, visit.path["id"])})


def day_terms(shown: ShownCampaign) -> list[str]:
    """The terms of the equation that a stream's days have: with all of them each day adds up."""
    days = shown.stream.days if shown.stream is not None else ()
    return [term for term in TERMS if any(getattr(day.counts, term) for day in days)]


def live_values(look: CampaignLook) -> dict[str, Any]:
    """What the live part shows."""
    view, counts = look.view, look.view.counts
    parts = counts.parts
    return {
        "look": look,
        "view": view,
        "counts": counts,
        "bar": bar([(name, getattr(parts, name)) for name in PARTS]),
        "terms": [(term, getattr(counts, term), TERM_MEANS[term]) for term in TERMS],
        "failures": sorted(view.failures, key=lambda failure: -failure.recipients)[:FAILURES_SHOWN],
        "failures_more": max(0, len(view.failures) - FAILURES_SHOWN),
        "status_means": STATUS_MEANS[view.status],
        "hold_means": hold_sentences(view.held) if view.status == "held" and view.held is not None else "",
    }


def has_form(order: str, can: PossibleOrders, *, budget: bool) -> bool:
    """Whether the page has a form of its own for this order, beside which its mistake stands."""
    forms = {
        "weight": can.weigh,
        "hours": can.weigh,
        "budget": can.weigh and budget,
        "close": can.close,
        "close-stream": can.close_stream,
        "cancel": can.cancel,
    }
    return forms.get(order, False)


ROUTES: Final = (
    ConsoleRoute(method="GET", path="/campaigns/{id}", permission="campaigns:read", handler=campaign),
    ConsoleRoute(method="GET", path="/campaigns/{id}/events", permission="campaigns:read", handler=live),
    ConsoleRoute(method="GET", path="/campaigns/{id}/waves", permission="campaigns:read", handler=waves),
    ConsoleRoute(method="GET", path="/campaigns/{id}/actions", permission="campaigns:read", handler=orders),
    ConsoleRoute(method="GET", path="/campaigns/{id}/cost", permission="campaigns:read", handler=cost),
    ConsoleRoute(method="GET", path="/campaigns/{id}/carriers", permission="campaigns:read", handler=carriers),
)
