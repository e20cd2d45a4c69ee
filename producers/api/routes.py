"""The table of the API: every operation. It decides what is decoded, who may do it, and what the documentation says."""

from __future__ import annotations

from typing import Any, Final

from dispatcher.i18n import N_
from dispatcher.service.accounts import AccountChecks, AccountCodes, AccountList
from dispatcher.service.campaigns.drafts import DraftView
from dispatcher.service.campaigns.orders.control import BudgetResult, CloseResult, ControlResult, WeighResult
from dispatcher.service.campaigns.orders.hours import HoursResult
from dispatcher.service.campaigns.orders.waves import WaveOrder
from dispatcher.service.campaigns.rows import RowLine
from dispatcher.service.campaigns.views import CampaignList
from dispatcher.service.inbound import Messages
from dispatcher.service.lookup import NumberLookup
from dispatcher.service.people.audit import AuditTrail
from dispatcher.service.reports.delivery import DeliveryReport
from dispatcher.service.reports.outcomes import OutcomeReport
from dispatcher.service.reports.spend import SpendReport
from dispatcher.service.streams import StreamClosing
from dispatcher.service.suppression import SuppressedNumbers, SuppressionChange
from dispatcher.service.unknowns import ResolveResult, UnknownList
from dispatcher.service.verification import CodeChecked, CodeStarted
from producers.api import campaigns, documents, queries, recipients, results, streams, verifications
from producers.api.campaigns import CampaignState
from producers.api.operation import ANYBODY_SIGNED_IN, Operation
from producers.api.uploads import UploadedList
from producers.drafts.api import DraftLaunch, DraftTest
from producers.launch.commit import LaunchResult
from producers.launch.planning.plan import Plan
from producers.web.routes import Routes

_CAMPAIGN: Final = "/v1/campaigns/{id}"
_ORDERS: Final = ("not-found", "conflict", "unusable")


def _order(verb: str, handler: Any, summary: str, answer: Any, **more: Any) -> Operation:
    """An order about one campaign; who repeats it changes nothing."""
    permission = more.pop("permission", "campaigns:control")
    return Operation(
        method="POST",
        path=f"{_CAMPAIGN}:{verb}",
        permission=permission,
        handler=handler,
        summary=summary,
        group="campaigns",
        answer=answer,
        problems=_ORDERS,
        audited=f"campaign {verb}",
        **more,
    )


def _setting(name: str, handler: Any, summary: str, body: Any, answer: Any) -> Operation:
    return Operation(
        method="PUT",
        path=f"{_CAMPAIGN}/{name}",
        permission="campaigns:control",
        handler=handler,
        summary=summary,
        group="campaigns",
        body=body,
        answer=answer,
        problems=_ORDERS,
        audited=f"campaign {name}",
    )


def _query(path: str, permission: str, handler: Any, summary: str, group: str, answer: Any, **more: Any) -> Operation:
    return Operation(
        method="GET",
        path=path,
        permission=permission,
        handler=handler,
        summary=summary,
        group=group,
        answer=answer,
        **more,
    )


def _upload(method: str, summary: str, media: tuple[str, ...]) -> Operation:
    return Operation(
        method=method,
        path=f"{_CAMPAIGN}/recipients",
        permission="campaigns:draft",
        handler=recipients.receive,
        summary=summary,
        group="campaigns",
        body_media=media,
        answer=UploadedList,
        problems=("wrong-offset", "wrong-digest", "other-content", "full"),
        audited="campaign upload",
        heavy=True,
        headers=recipients.HEADERS,
        answer_headers=recipients.ANSWER_HEADERS,
    )


OPERATIONS: Final[tuple[Operation, ...]] = (
    # --- campaigns
    _query(
        "/v1/campaigns",
        "campaigns:read",
        campaigns.list_them,
        N_("List campaigns and drafts, newest first"),
        "campaigns",
        CampaignList,
        query=campaigns.CampaignQuery,
    ),
    Operation(
        method="PUT",
        path=_CAMPAIGN,
        permission="campaigns:draft",
        handler=campaigns.put_terms,
        summary=N_("Send the terms of a campaign; its id is the idempotency key"),
        group="campaigns",
        query=campaigns.Replace,
        body=campaigns.CampaignTerms,
        answer=CampaignState,
        problems=("other-content", "full"),
        audited="campaign terms",
    ),
    _query(
        _CAMPAIGN,
        "campaigns:read",
        campaigns.show,
        N_("Show a campaign"),
        "campaigns",
        CampaignState,
        problems=("not-found",),
    ),
    _query(
        f"{_CAMPAIGN}/recipients",
        "campaigns:draft",
        recipients.show,
        N_("Show how much of a list came"),
        "campaigns",
        UploadedList,
        problems=("not-found",),
        answer_headers=recipients.ANSWER_HEADERS,
    ),
    _upload("PUT", N_("Upload the list, or a part of it with Content-Range"), recipients.MEDIA),
    _upload("PATCH", N_("Continue the upload of a list at Upload-Offset"), recipients.PART_MEDIA),
    _order(
        "plan",
        campaigns.plan,
        N_("Plan: what a launch would do and cost"),
        Plan,
        permission="campaigns:draft",
        heavy=True,
    ),
    _order(
        "test",
        campaigns.test,
        N_("Send the message to test numbers"),
        dict[str, list[DraftTest]],
        permission="campaigns:draft",
        body=campaigns.TestWanted,
        heavy=True,
        repeatable=True,
    ),
    _order(
        "approve",
        campaigns.approve,
        N_("Approve a draft of another person"),
        DraftView,
        permission="campaigns:approve",
        heavy=True,
    ),
    _order(
        "schedule",
        campaigns.schedule,
        N_("Start a draft by itself at a time"),
        DraftView,
        permission="campaigns:send",
        body=campaigns.StartWanted,
        heavy=True,
    ),
    _order(
        "launch",
        campaigns.launch,
        N_("Launch a draft; repeated, it is launched once"),
        DraftLaunch,
        permission="campaigns:send",
        heavy=True,
    ),
    _order("pause", campaigns.pause, N_("Send nothing until it is resumed"), ControlResult),
    _order("resume", campaigns.resume, N_("Continue sending"), ControlResult),
    _order("cancel", campaigns.cancel, N_("Send nothing more, for good"), ControlResult),
    _order("close", campaigns.close, N_("End the wait for reports"), CloseResult),
    _order("release", campaigns.release, N_("Release the next wave"), WaveOrder),
    _order("halt", campaigns.halt, N_("Halt the waves"), WaveOrder),
    _order(
        "decide", campaigns.decide, N_("Decide which text the last wave gets"), WaveOrder, body=campaigns.TextWanted
    ),
    _order(
        "follow-up",
        campaigns.follow_up,
        N_("Text some of its recipients again, as a campaign of its own"),
        LaunchResult,
        permission="campaigns:send",
        body=campaigns.FollowUpWanted,
        heavy=True,
        repeatable=True,
    ),
    _setting("weight", campaigns.weight, N_("Change its share of the accounts"), campaigns.WeightWanted, WeighResult),
    _setting("hours", campaigns.hours, N_("Change its sending hours"), campaigns.HoursWanted, HoursResult),
    _setting("budget", campaigns.budget, N_("Change what it may cost"), campaigns.BudgetWanted, BudgetResult),
    _query(
        f"{_CAMPAIGN}/timeline",
        "campaigns:read",
        campaigns.timeline,
        N_("Show who did what with a campaign"),
        "campaigns",
        campaigns.Timeline,
        problems=("not-found",),
    ),
    _query(
        f"{_CAMPAIGN}/results",
        "campaigns:read",
        results.rows,
        N_("Stream the recipients, from a position on"),
        "campaigns",
        RowLine,
        query=results.ResultsQuery,
        media=results.NDJSON,
        problems=_ORDERS,
        heavy=True,
        audited="campaign results",
    ),
    _query(
        f"{_CAMPAIGN}/events",
        "campaigns:read",
        results.events,
        N_("Watch a campaign"),
        "campaigns",
        results.CampaignEvent,
        media=results.EVENTS,
        problems=_ORDERS,
    ),
    # --- streams
    Operation(
        method="PUT",
        path="/v1/streams/{stream}",
        permission="campaigns:send",
        handler=streams.open_it,
        summary=N_("Open a stream; its id is the idempotency key"),
        group="streams",
        body=streams.StreamTerms,
        answer=streams.StreamState,
        problems=("conflict", "unusable"),
        audited="stream open",
        heavy=True,
    ),
    Operation(
        method="POST",
        path="/v1/streams/{stream}/messages",
        permission="streams:send",
        handler=streams.send,
        summary=N_("Send messages, each key once; 202 when they are durable"),
        group="streams",
        body=streams.NewMessages,
        answer=streams.TakenMessages,
        status=202,
        problems=("not-found", "conflict", "unusable"),
        keyed=True,
    ),
    Operation(
        method="POST",
        path="/v1/streams/{stream}:close",
        permission="campaigns:control",
        handler=streams.close_it,
        summary=N_("Close a stream; what it has taken is sent"),
        group="streams",
        answer=StreamClosing,
        problems=("not-found", "conflict"),
        audited="stream close",
    ),
    # --- verifications
    Operation(
        method="POST",
        path="/v1/verifications",
        permission="verify:use",
        handler=verifications.start,
        summary=N_("Send a verification code"),
        group="verifications",
        body=verifications.CodeWanted,
        answer=CodeStarted,
        status=202,
        problems=("not-found", "conflict", "unusable"),
        keyed=True,
    ),
    Operation(
        method="POST",
        path="/v1/verifications:check",
        permission="verify:use",
        handler=verifications.check,
        summary=N_("Check a code that was typed in; it is right once"),
        group="verifications",
        body=verifications.CodeTyped,
        answer=CodeChecked,
        problems=("unusable",),
    ),
    # --- accounts
    _query("/v1/accounts", "accounts:read", queries.accounts, N_("List the accounts"), "accounts", AccountList),
    _query(
        "/v1/accounts/{account}/codes",
        "accounts:read",
        queries.codes,
        N_("List the codes of an account's vendor"),
        "accounts",
        AccountCodes,
        problems=("not-found",),
    ),
    Operation(
        method="POST",
        path="/v1/accounts/{account}:check",
        permission="accounts:operate",
        handler=queries.check,
        summary=N_("Log in at the vendor, and let the account send again"),
        group="accounts",
        answer=AccountChecks,
        problems=("not-found",),
        audited="account check",
        heavy=True,
    ),
    # --- unknown requests
    _query(
        "/v1/unknowns",
        "campaigns:read",
        queries.unknowns,
        N_("List unknown requests and their evidence"),
        "unknowns",
        UnknownList,
        query=queries.OfCampaign,
        problems=_ORDERS,
    ),
    Operation(
        method="POST",
        path=f"{_CAMPAIGN}/unknowns:resolve",
        permission="unknown:resolve",
        handler=queries.resolve,
        summary=N_("Decide what became of unknown requests"),
        group="unknowns",
        body=queries.ResolveWanted,
        answer=ResolveResult,
        problems=_ORDERS,
        audited="unknown resolve",
        heavy=True,
    ),
    # --- numbers
    _query(
        "/v1/inbound",
        "inbound:read",
        queries.inbound,
        N_("List messages from phones, newest first"),
        "numbers",
        Messages,
        query=queries.InboundQuery,
        audited="inbound",
    ),
    _query(
        "/v1/suppression",
        "suppression:read",
        queries.suppressed,
        N_("List the newest suppressed numbers"),
        "numbers",
        SuppressedNumbers,
        query=queries.SuppressionQuery,
        audited="suppression list",
    ),
    Operation(
        method="POST",
        path="/v1/suppression",
        permission="suppression:write",
        handler=queries.suppress,
        summary=N_("Put numbers on the suppression list"),
        group="numbers",
        body=queries.SuppressionWanted,
        answer=SuppressionChange,
        problems=("unusable",),
        audited="suppression add",
    ),
    Operation(
        method="POST",
        path="/v1/suppression:remove",
        permission="suppression:write",
        handler=queries.unsuppress,
        summary=N_("Take numbers off the suppression list"),
        group="numbers",
        body=queries.SuppressionWanted,
        answer=SuppressionChange,
        problems=("unusable",),
        audited="suppression remove",
    ),
    Operation(
        method="POST",
        path="/v1/look-up",
        permission="numbers:read",
        handler=queries.lookup,
        summary=N_("Show everything about a number"),
        group="numbers",
        body=queries.LookupWanted,
        answer=NumberLookup,
        problems=("unusable",),
        audited="look up",
    ),
    # --- reports
    _query(
        "/v1/reports/delivery",
        "reports:read",
        queries.delivery,
        N_("Report how well accounts deliver to carriers"),
        "reports",
        DeliveryReport,
        query=queries.DeliveryQuery,
        problems=("unusable",),
        heavy=True,
    ),
    _query(
        "/v1/reports/spend",
        "reports:read",
        queries.spend,
        N_("Report what was spent"),
        "reports",
        SpendReport,
        query=queries.SpendQuery,
        problems=("unusable",),
        heavy=True,
    ),
    _query(
        "/v1/reports/outcomes",
        "reports:read",
        queries.outcomes,
        N_("Report what became of what was sent"),
        "reports",
        OutcomeReport,
        query=queries.OutcomesQuery,
        problems=("unusable",),
        heavy=True,
    ),
    # --- the API itself
    _query("/v1/me", ANYBODY_SIGNED_IN, queries.who_calls, N_("Show who calls"), "api", queries.WhoCalls),
    _query(
        "/v1/audit", "people:admin", queries.trail, N_("Show who did what"), "api", AuditTrail, query=queries.AuditQuery
    ),
    _query("/v1/openapi.json", ANYBODY_SIGNED_IN, documents.openapi, N_("The OpenAPI document"), "api", dict[str, Any]),
    _query(
        "/v1/docs", ANYBODY_SIGNED_IN, documents.page, N_("The documentation as a page"), "api", str, media="text/html"
    ),
    _query(
        "/v1/docs.css", ANYBODY_SIGNED_IN, documents.style, N_("The style of that page"), "api", str, media="text/css"
    ),
    _query(
        "/v1/problems/{kind}",
        ANYBODY_SIGNED_IN,
        documents.problem,
        N_("Describe a kind of problem"),
        "api",
        documents.ProblemKind,
        problems=("not-found",),
    ),
)

ROUTES: Final = Routes(OPERATIONS)
