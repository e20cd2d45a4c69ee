"""The page of all campaigns: search, filter by state and owner, page by page; drafts above them."""

from __future__ import annotations

from typing import Final, cast

from dispatcher.core.drafts import DRAFT_STATUSES, DraftStatus
from dispatcher.core.results.equation import STATUSES, Status
from dispatcher.service.campaigns.views import CampaignWanted, list_campaigns
from producers.console.visit import Answer, ConsoleRoute, Html, Visit

PAGE_ROWS: Final = 50
PAGES_MAX: Final = 10_000


async def campaigns(visit: Visit) -> Answer:
    """The campaigns that the query asks for, newest first."""
    status, page = visit.query.get("status", ""), page_number(visit.query.get("page", ""))
    known = status in STATUSES or status in DRAFT_STATUSES
    wanted = CampaignWanted(
        contains=visit.query.get("q", "").strip(),
        statuses=frozenset([cast("Status | DraftStatus", status)] if known else []),
        by=visit.query.get("by", ""),
        tests="tests" in visit.query,
        limit=PAGE_ROWS,
        skip=(page - 1) * PAGE_ROWS,
    )
    found = await list_campaigns(visit.session, wanted)
    filters = {name: visit.query.get(name, "") for name in ("q", "status", "by", "tests") if visit.query.get(name)}
    return Html(
        "campaign/list.html",
        {
            "found": found,
            "filters": filters,
            "page": page,
            "statuses": [*STATUSES, *(each for each in DRAFT_STATUSES if each not in STATUSES)],
            "drafts": found.drafts if page == 1 else [],
        },
    )


def page_number(text: str) -> int:
    """The page that a query asks for, the first one by default."""
    return min(max(int(text), 1), PAGES_MAX) if text.isdecimal() and len(text) < 6 else 1


ROUTES: Final = (ConsoleRoute(method="GET", path="/campaigns", permission="campaigns:read", handler=campaigns),)
