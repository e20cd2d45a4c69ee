"""Who may do what, cell by cell: every route of the API and of the console, asked by every role and by a stranger.

The table is written by hand. A new route fails until it has a line here, and a route that is gone until its line is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dispatcher.core.people import ROLES
from dispatcher.service.people.audit import audit_trail
from producers.api.routes import OPERATIONS
from producers.console.pages.table import ROUTES
from producers.web.routes import Route
from tests.producers.attacks.whole_server import Place, Raw, Whole, filled, served

TABLE = {
    "viewer operator approver admin": """
        GET /v1/campaigns
        GET /v1/campaigns/{id}
        GET /v1/campaigns/{id}/timeline
        GET /v1/campaigns/{id}/results
        GET /v1/campaigns/{id}/events
        GET /v1/accounts
        GET /v1/accounts/{account}/codes
        GET /v1/unknowns
        GET /v1/inbound
        GET /v1/suppression
        GET /v1/reports/delivery
        GET /v1/reports/spend
        GET /v1/reports/outcomes
        GET /v1/me
        GET /v1/openapi.json
        GET /v1/docs
        GET /v1/docs.css
        GET /v1/problems/{kind}
        GET /
        GET /overview/events
        GET /paused
        GET /paused/events
        GET /campaigns
        GET /campaigns/{id}
        GET /campaigns/{id}/events
        GET /campaigns/{id}/waves
        GET /campaigns/{id}/actions
        GET /campaigns/{id}/cost
        GET /campaigns/{id}/carriers
        GET /campaigns/{id}/rows
        GET /campaigns/{id}/plan
        GET /unknown
        GET /accounts
        GET /accounts/events
        GET /accounts/{account}
        GET /lookup
        GET /inbound
        GET /suppression
        POST /suppression/find
        GET /reports
        GET /reports/workbook
        GET /me
        POST /me/password
        POST /me/sign-out
    """,
    "operator approver admin": """
        POST /v1/campaigns/{id}:pause
        POST /v1/campaigns/{id}:resume
        POST /v1/campaigns/{id}:cancel
        POST /v1/campaigns/{id}:close
        POST /v1/campaigns/{id}:release
        POST /v1/campaigns/{id}:halt
        POST /v1/campaigns/{id}:decide
        PUT /v1/campaigns/{id}/weight
        PUT /v1/campaigns/{id}/hours
        PUT /v1/campaigns/{id}/budget
        POST /v1/streams/{stream}:close
        POST /v1/look-up
        POST /overview/pause
        POST /campaigns/{id}/pause
        POST /campaigns/{id}/resume
        POST /campaigns/{id}/cancel
        POST /campaigns/{id}/weight
        POST /campaigns/{id}/hours
        POST /campaigns/{id}/budget
        POST /campaigns/{id}/close
        POST /campaigns/{id}/close-stream
        POST /campaigns/{id}/release
        POST /campaigns/{id}/halt
        POST /campaigns/{id}/decide
        POST /campaigns/{id}/exports
        GET /exports
        GET /exports/{token}
        GET /exports/{token}/file
        GET /new-campaign/{form}/set-aside
        POST /lookup
        GET /suppression/export
    """,
    "operator admin": """
        POST /inbound/{message}/reply
        POST /unknown/{campaign}
        POST /campaigns/{id}/follow-up/launch
        POST /campaigns/{id}/follow-up/draft
        PUT /v1/campaigns/{id}
        GET /v1/campaigns/{id}/recipients
        PUT /v1/campaigns/{id}/recipients
        PATCH /v1/campaigns/{id}/recipients
        POST /v1/campaigns/{id}:plan
        POST /v1/campaigns/{id}:test
        POST /v1/campaigns/{id}:schedule
        POST /v1/campaigns/{id}:launch
        POST /v1/campaigns/{id}:follow-up
        PUT /v1/streams/{stream}
        POST /v1/streams/{stream}/messages
        POST /v1/verifications
        POST /v1/verifications:check
        POST /v1/campaigns/{id}/unknowns:resolve
        POST /v1/suppression
        POST /v1/suppression:remove
        GET /campaigns/{id}/follow-up
        POST /campaigns/{id}/follow-up
        POST /campaigns/{id}/test
        POST /campaigns/{id}/schedule
        POST /campaigns/{id}/launch
        POST /campaigns/{id}/cancel-draft
        POST /campaigns/{id}/clone
        POST /campaigns/{id}/change
        GET /new-campaign
        POST /new-campaign
        GET /new-campaign/{form}/list
        POST /new-campaign/{form}/list
        GET /new-campaign/{form}/text
        POST /new-campaign/{form}/text
        POST /new-campaign/{form}/preview
        GET /new-campaign/{form}/when
        POST /new-campaign/{form}/when
        POST /new-campaign/{form}/forget
        POST /inbound/opt-out
        POST /suppression/add
        POST /suppression/remove
        POST /suppression/import
    """,
    "approver admin": """
        POST /v1/campaigns/{id}:approve
        POST /campaigns/{id}/approve
    """,
    "admin": """
        POST /v1/accounts/{account}:check
        GET /v1/audit
        POST /accounts/{account}/check
        GET /people
        GET /people/audit
        POST /people/add
        POST /people/{name}/role
        POST /people/{name}/link
        POST /people/{name}/remove
        POST /people/{name}/sign-out
        POST /people/tokens/add
        POST /people/tokens/{token}/revoke
        GET /settings
    """,
}
"""The roles, and what they may do; everybody else is refused."""
MAY = {
    " ".join(line.split()): roles.split()
    for roles, lines in TABLE.items()
    for line in lines.split("\n")
    if line.strip()
}
NOBODY = {"account": "none", "id": "none", "stream": "none", "name": "none"}


def test_every_route_has_a_line_in_the_table() -> None:
    routes: tuple[Route[Any], ...] = (*OPERATIONS, *ROUTES)
    there = [f"{each.method} {each.path}" for each in routes]
    assert len(there) == len(set(there))
    assert sorted(there) == sorted(MAY)


async def test_every_role_gets_what_the_table_says_and_nothing_else(tmp_path: Path) -> None:
    async with served(tmp_path) as whole:
        wrong = []
        for route, roles in MAY.items():
            method, path = route.split()
            place = Place("api" if path.startswith("/v1") else "console", method, filled(path, **NOBODY))
            for role in ("", *ROLES):
                answer = await _asked(whole, place, role)
                if _got_in(place, answer) is not (role in roles) or answer.status >= 500:
                    wrong.append((route, role, answer.status))
        assert not wrong
        refused = await audit_trail(whole.session, search="vera people:admin")
        assert all(entry.refused for entry in refused.entries)
        assert refused.entries
        assert refused.entries[0].by == "vera"


async def _asked(whole: Whole, place: Place, role: str) -> Raw:
    """A request that changes nothing: its body is of a kind that no route takes, or its form has no secret."""
    if place.method == "GET":
        return await whole.send(place, role)
    media = "application/x-www-form-urlencoded" if place.site == "console" else "application/pdf"
    return await whole.send(place, role, b"x=1", media)


def _got_in(place: Place, answer: Raw) -> bool:
    """Whether the permission was enough."""
    to_sign_in = answer.status == 303 and answer.header("Location").startswith("/sign-in")
    return answer.status not in (401, 403) and not to_sign_in
