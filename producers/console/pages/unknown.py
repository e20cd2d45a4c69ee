"""The page of unknown requests: why each is unknown, its evidence, and resolving them with a reason."""

from __future__ import annotations

from typing import Any, Final

from dispatcher.errors import UserError
from dispatcher.i18n import N_, _, current_language, ngettext
from dispatcher.service.resolutions import list_resolutions, resolution_list
from dispatcher.service.unknowns import list_unknown, resolve_unknown, unknown_list, unknown_to_resolve, why
from dispatcher.store.meanings import chinese_meaning, meaning
from producers.console.visit import Answer, ConsoleRoute, Html, Redirect, Visit
from producers.console.wording.sentences import said
from schemas.records import ResolvedAs

NEWEST: Final = 50
VERDICTS: Final = {
    "sent": N_("They were sent. They wait for reports, and are never sent again."),
    "not-sent": N_("They were not sent. They are sent again, and that is safe."),
    "resend": N_("Nobody knows. They are sent again, and some may get it twice."),
}


async def unknown(visit: Visit) -> Answer:
    """What is unknown, oldest first, and what was decided lately."""
    return await _page(visit)


async def resolve(visit: Visit) -> Answer:
    """A person's decision about requests of one campaign."""
    form, campaign = visit.form, visit.path["campaign"]
    chunks = form.every("chunk")
    try:
        if not chunks:
            raise UserError(_("Tick the requests that you decide about."))
        if form.get("as", "") not in VERDICTS:
            raise UserError(_("Say what became of them."))
        reason = form.get("why", "").strip()
        if not reason:
            raise UserError(_("Write why: it stays on the log with your name."))
        verdict = ResolvedAs(form["as"])
        if verdict is ResolvedAs.RESEND and "twice" not in form:
            raise UserError(_("Tick that some may get it twice, or decide otherwise."))
        found = await unknown_to_resolve(visit.session, campaign, chunks, verdict)
        done = await resolve_unknown(visit.session, campaign, found, verdict, why=reason, by=visit.caller.name)
    except UserError as error:
        return await _page(visit, said(error), campaign)
    says = ngettext("Decided about {n} recipient.", "Decided about {n} recipients.", done.recipients)
    waits = "" if done.in_effect else _(" It takes effect when a dispatcher runs their accounts.")
    return Redirect("/unknown", says.format(n=f"{done.recipients:,}") + waits)


async def _page(visit: Visit, mistake: str = "", campaign: str = "") -> Html:
    wanted = visit.query.get("campaign") or None
    found, behind = await list_unknown(visit.session, wanted)
    listed = unknown_list(found, behind)
    means = chinese_meaning if current_language() == "zh" else meaning
    groups: dict[str, list[Any]] = {}
    for request, unknown_request in zip(listed.chunks, found, strict=True):
        groups.setdefault(request.campaign, []).append((request, why(unknown_request, means).said()))
    decided = resolution_list(await list_resolutions(visit.session, wanted, newest=NEWEST), NEWEST)
    values = {
        "listed": listed,
        "groups": groups,
        "verdicts": VERDICTS,
        "decided": list(reversed(decided.resolutions)),
        "wanted": wanted,
        "mistake": mistake,
        "about": campaign,
        "typed": visit.form,
    }
    return Html("unknown/page.html", values, 422 if mistake else 200)


ROUTES: Final = (
    ConsoleRoute(method="GET", path="/unknown", permission="campaigns:read", handler=unknown),
    ConsoleRoute(method="POST", path="/unknown/{campaign}", permission="unknown:resolve", handler=resolve),
)
