"""The rows behind a figure of a campaign, page by page."""

from __future__ import annotations

from typing import Final

from dispatcher.core.results.equation import TERMS
from dispatcher.service.campaigns.rows import RowsWanted, campaign_rows
from dispatcher.service.campaigns.views import view_of
from producers.console.visit import Answer, ConsoleRoute, Html, Visit

PAGE_ROWS: Final = 100


async def rows(visit: Visit) -> Answer:
    """Recipients or set-aside rows; numbers are masked unless the visitor may see them and asks to (audited)."""
    id_, query = visit.path["id"], visit.query
    states = [word for word in query.every("state") if word in TERMS]
    source = query.get("source", "")
    wanted = RowsWanted(
        states=frozenset(states),
        account=query.get("account", ""),
        code=query.get("code"),
        source="report" if source == "report" else "submit" if source == "submit" else None,
        after=query.get("after", ""),
        limit=PAGE_ROWS,
    )
    unmasked = "unmasked" in query and visit.may("numbers:read")
    view = await view_of(visit.session, id_)
    found = await campaign_rows(visit.session, id_, wanted, unmasked=unmasked)
    if unmasked:
        await visit.audit("numbers.unmask", id_, says=", ".join(states) or "all recipients")
    kept = [(name, value) for name in query for value in query.every(name) if name not in ("after", "unmasked")]
    return Html(
        "campaign/rows.html",
        {"view": view, "found": found, "states": states, "wanted": wanted, "kept": kept, "unmasked": unmasked},
    )


ROUTES: Final = (ConsoleRoute(method="GET", path="/campaigns/{id}/rows", permission="campaigns:read", handler=rows),)
