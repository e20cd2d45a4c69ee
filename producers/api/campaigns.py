"""Campaigns: terms and list become a draft on the log, and what people order about a campaign.

The id of a campaign is its idempotency key: the same terms again give the same answer, others are refused unless the
request says `replace`. Terms and list are kept beside the results until the first operation that needs the draft makes
it, in a process of its own; from then on the log is the truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import asdict, replace

from dispatcher.config.file import Config
from dispatcher.errors import UserError
from dispatcher.i18n import N_, _
from dispatcher.service.campaigns.drafts import DraftView, approve_campaign, find_draft, schedule_campaign
from dispatcher.service.campaigns.orders.control import (
    budget_campaign,
    close_campaign,
    control_campaign,
    weigh_campaign,
)
from dispatcher.service.campaigns.orders.hours import change_hours
from dispatcher.service.campaigns.orders.waves import decide_text, halt_wave, release_wave
from dispatcher.service.campaigns.timeline import TimelineEvent, campaign_timeline
from dispatcher.service.campaigns.views import (
    CampaignList,
    CampaignWanted,
    ShownCampaign,
    list_campaigns,
    show_campaign,
)
from producers.api.operation import Answered, Call
from producers.api.problems import Fault, Problem
from producers.api.uploads import KeptTerms, UploadedList

NUMBERS_MAX = 10_000
LISTED_MAX = 1_000

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]
Word = Annotated[str, msgspec.Meta(max_length=200)]
Names = Annotated[list[Annotated[str, msgspec.Meta(min_length=1, max_length=200)]], msgspec.Meta(max_length=100)]
Weight = Annotated[int, msgspec.Meta(ge=1, le=100)]
TimeMs = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_000)]


class CampaignTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a campaign sends, by which accounts, and when. The words are those of `dispatcher campaign draft`.

    `numbers` is a short list; a long one is uploaded. `column`, `sheet`, `header_row`, `hidden_rows` and `encoding` say
    how to read it. Hours and days are in Asia/Shanghai.
    """

    text: Text
    route: Annotated[Names, msgspec.Meta(min_length=1)]
    numbers: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=NUMBERS_MAX)] = []
    name: Word = ""
    campaign_class: Literal["marketing", "notice", "code"] = msgspec.field(name="class", default="marketing")
    weight: Weight | None = None
    urgent: bool = False
    unknown: Literal["hold", "resend"] = "hold"
    between: Word = ""
    days: Word = ""
    at_closing: Literal["pause", "continue"] = "pause"
    budget: Word = ""
    waves: Word = ""
    wave_wait: Word = ""
    retry: Word = ""
    defer: bool = False
    more_texts: Annotated[list[Text], msgspec.Meta(max_length=10)] = []
    exclude_campaigns: Names = []
    options: dict[str, Word] = {}
    extno: Word = ""
    column: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | Annotated[int, msgspec.Meta(ge=1)] | None = (
        None
    )
    sheet: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | Annotated[int, msgspec.Meta(ge=1)] | None = None
    header_row: Annotated[int, msgspec.Meta(ge=0)] | None = None
    hidden_rows: Literal["skip", "include"] | None = None
    encoding: Word | None = None


class CampaignState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A campaign. `open`: terms or a list came, and there is no draft on the log yet."""

    campaign: str
    state: Literal["open", "draft", "launched"]
    terms: msgspec.Raw | None = None
    list: UploadedList | None = None
    draft: DraftView | None = None
    launched: ShownCampaign | None = None


class Replace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`replace`: other terms take the place of those that were sent before, as long as nothing was launched."""

    replace: bool = False


class CampaignQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which campaigns: `contains` is in their id, name or text; times are Unix milliseconds."""

    contains: Word = ""
    by: Word = ""
    status: Annotated[list[Word], msgspec.Meta(max_length=20)] = []
    since_ms: TimeMs | None = None
    until_ms: TimeMs | None = None
    tests: bool = False
    limit: Annotated[int, msgspec.Meta(ge=1, le=LISTED_MAX)] = 100
    skip: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what with a campaign, oldest first."""

    campaign: str
    events: list[TimelineEvent]


class TestWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The numbers of a test; `row`: with the values of the recipient on this line of the list."""

    to: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=64)]], msgspec.Meta(min_length=1, max_length=100)
    ]
    row: Annotated[int, msgspec.Meta(ge=1)] | None = None


class StartWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the draft starts by itself (Unix milliseconds); null: not by itself."""

    start_ms: TimeMs | None


class TextWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The text that the last wave gets: A, B, …"""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=10)]


class WeightWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share of the accounts, and whether it goes before campaigns that are not urgent; null: as it is."""

    weight: Weight | None = None
    urgent: bool | None = None


class HoursWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sending hours in Asia/Shanghai: "09:00-20:00", "Mon-Fri"; what is left out stays."""

    between: Word = ""
    days: Word = ""
    at_closing: Literal["", "pause", "continue"] = ""


class BudgetWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the campaign may cost at most, in CNY: "800"."""

    budget: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class FollowUpWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who is texted again (`to`), and what differs from the campaign. `id` is the idempotency key of the follow-up."""

    to: Annotated[list[Literal["failed", "no-report", "unknown", "left"]], msgspec.Meta(min_length=1, max_length=4)]
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")] | None = None
    classes: Names = []
    text: Text | None = None
    route: Names = []
    options: dict[str, Word] | None = None
    name: Word = ""
    weight: Weight | None = None
    urgent: bool = False
    exclude_campaigns: Names = []
    between: Word = ""
    days: Word = ""
    at_closing: Literal["pause", "continue"] = "pause"
    budget: Word = ""
    may_text_twice: bool = False


# --- terms and state -------------------------------------------------------------------------------------------------


async def list_them(call: Call) -> CampaignList:
    query: CampaignQuery = call.query
    wanted = {name: value for name, value in asdict(query).items() if name != "status"}
    return await list_campaigns(call.session, CampaignWanted(**wanted, statuses=frozenset(query.status)))  # type: ignore[arg-type]


async def put_terms(call: Call) -> Answered:
    campaign, terms = call.values["id"], call.body
    uploads = call.api.uploads
    kept, encoded = uploads.terms(campaign), msgspec.Raw(msgspec.json.encode(terms, order="deterministic"))
    if kept is not None and bytes(kept.terms) == bytes(encoded):
        return Answered(value=await _state(call))
    known = (await call.session.campaigns()).get(campaign)
    if known is not None and (known.launched is not None or known.cancelled):
        raise Problem(
            "other-content", N_('"{campaign}" was launched or cancelled with other terms.'), campaign=campaign
        )
    if (kept is not None or known is not None) and not call.query.replace:
        raise Problem(
            "other-content", N_('"{campaign}" has other terms. Add ?replace=true to replace them.'), campaign=campaign
        )
    check_route(call.api.config, terms.route)
    if terms.numbers:
        await _upload_numbers(call, campaign, terms.numbers)
    uploads.keep_terms(campaign, KeptTerms(terms=encoded, by=call.by))
    return Answered(value=await _state(call), status=201 if kept is None else 200)


def check_route(config: Config, route: Sequence[str]) -> None:
    """Raises Problem if this is not a route, or accounts, of the configuration."""
    known = {*config.accounts, *config.unset, *config.routes}
    says = _("there is no such account or route. There are: {known}.").format(known=", ".join(sorted(known)))
    faults = [Fault(detail=says, pointer=f"/route/{at}") for at, name in enumerate(route) if name not in known]
    if faults:
        raise Problem("invalid", N_("The route names an account that is not configured."), faults=faults)


async def _upload_numbers(call: Call, campaign: str, numbers: list[str]) -> None:
    async def lines() -> Any:
        yield "".join(f"{each}\n" for each in ["number", *(each.replace("\n", " ") for each in numbers)]).encode()

    await call.api.uploads.receive(campaign, lines(), content_type="text/plain")


async def show(call: Call) -> CampaignState:
    return await _state(call)


async def _state(call: Call) -> CampaignState:
    campaign = call.values["id"]
    kept, uploaded = call.api.uploads.terms(campaign), call.api.uploads.list_of(campaign)
    known = (await call.session.campaigns()).get(campaign)
    terms = None if kept is None else kept.terms
    if known is not None and known.launched is not None:
        shown = await show_campaign(call.session, campaign)
        shown = replace(shown, lists=tuple(_names(each) for each in shown.lists))
        return CampaignState(campaign=campaign, state="launched", terms=terms, launched=shown)
    if known is not None and known.draft is not None:
        draft = await find_draft(call.session, campaign)
        if draft is not None:
            draft = replace(draft, plan=_without_folders(draft.plan))
        return CampaignState(campaign=campaign, state="draft", terms=terms, list=uploaded, draft=draft)
    if kept is None and uploaded is None:
        await show_campaign(call.session, campaign)  # says that there is none
    return CampaignState(campaign=campaign, state="open", terms=terms, list=uploaded)


def _without_folders(plan: dict[str, Any]) -> dict[str, Any]:
    """The plan with the names of its lists alone: folders are this machine's."""
    found = dict(plan)
    if "source" in plan:
        found["source"] = _names(plan["source"])
    if "lists" in plan:
        found["lists"] = [each | {"source": _names(each["source"])} for each in plan["lists"]]
    return found


def _names(paths: str) -> str:
    return ", ".join(each.rpartition("/")[2] for each in paths.split(", "))


async def timeline(call: Call) -> Timeline:
    campaign = call.values["id"]
    events = await campaign_timeline(call.session, campaign)
    if not events:
        await show_campaign(call.session, campaign)  # says that there is none
    return Timeline(campaign=campaign, events=events)


# --- what needs the draft --------------------------------------------------------------------------------------------

_drafting: dict[str, asyncio.Lock] = {}


async def drafted(call: Call) -> str:
    """Make the draft of what was sent, unless it is on the log; returns the id. Raises Problem, UserError, LogError."""
    await _new_draft(call)
    return call.values["id"]


async def _new_draft(call: Call, *, ask_balance: bool = False) -> dict[str, Any] | None:
    """The draft that is made of what was sent, as JSON; None if it is on the log. Raises what `drafted` raises."""
    campaign, uploads = call.values["id"], call.api.uploads
    lock = _drafting.setdefault(campaign, asyncio.Lock())
    try:
        async with lock:
            kept, uploaded = uploads.terms(campaign), uploads.list_of(campaign)
            known = (await call.session.campaigns()).get(campaign)
            if known is not None and known.launched is not None:
                return None
            if kept is None or (uploaded is not None and kept.drafted_list == uploaded.sha256 != ""):
                return None
            if uploaded is None or not uploaded.complete:
                is_wrong = uploaded is not None and uploaded.wrong_digest
                raise Problem(
                    "conflict",
                    N_("The digest of the list was wrong, so it was not kept. Upload it again to {path}/recipients")
                    if is_wrong
                    else N_("The list is not complete: {came:,} bytes came. Upload it to {path}/recipients"),
                    came=0 if uploaded is None else uploaded.bytes,
                    path=f"/v1/campaigns/{campaign}",
                )
            terms = msgspec.json.decode(kept.terms)
            terms.pop("numbers", None)
            made: dict[str, Any] = await call.api.call_service(
                "draft_upload",
                campaign=campaign,
                terms=terms,
                path=str(uploads.path(campaign).absolute()),
                content_type=uploaded.content_type,
                content_encoding=uploaded.content_encoding,
                by=kept.by,
                ask_balance=ask_balance,
            )
            uploads.keep_terms(campaign, replace(kept, drafted_list=uploaded.sha256))
    finally:
        if not lock.locked():
            _drafting.pop(campaign, None)
    return made


async def plan(call: Call) -> Any:
    made = await _new_draft(call, ask_balance=True)
    if made is not None:
        return made["plan"]
    found = await call.api.call_service("plan_draft", campaign=call.values["id"], by=call.by)
    return _without_folders(found)


async def test(call: Call) -> Mapping[str, Any]:
    wanted: TestWanted = call.body
    campaign = await drafted(call)
    tests = await call.api.call_service("send_test", campaign=campaign, to=wanted.to, row=wanted.row, by=call.by)
    return {"tests": tests}


async def approve(call: Call) -> DraftView:
    return await approve_campaign(call.session, await drafted(call), by=call.by)


async def schedule(call: Call) -> DraftView:
    return await schedule_campaign(call.session, await drafted(call), call.body.start_ms, by=call.by)


async def launch(call: Call) -> Any:
    launched = await call.api.call_service("launch_draft", campaign=await drafted(call), by=call.by)
    call.api.uploads.forget_list(call.values["id"])
    call.says = f"{launched['recipients']:,} recipients"
    return launched


async def follow_up(call: Call) -> Any:
    wanted: FollowUpWanted = call.body
    check_route(call.api.config, wanted.route)
    request = msgspec.to_builtins(wanted) | {"campaign": call.values["id"], "by": call.by}
    found = await call.api.call_service("follow_up_of_terms", terms=request)
    call.says = str(found["campaign"])
    return found


# --- orders ----------------------------------------------------------------------------------------------------------


async def pause(call: Call) -> Any:
    return await control_campaign(call.session, call.values["id"], "pause", by=call.by)


async def resume(call: Call) -> Any:
    return await control_campaign(call.session, call.values["id"], "resume", by=call.by)


async def cancel(call: Call) -> Any:
    return await control_campaign(call.session, call.values["id"], "cancel", by=call.by)


async def close(call: Call) -> Any:
    return await close_campaign(call.session, call.values["id"], by=call.by)


async def release(call: Call) -> Any:
    return await release_wave(call.session, call.values["id"], by=call.by)


async def halt(call: Call) -> Any:
    return await halt_wave(call.session, call.values["id"], by=call.by)


async def decide(call: Call) -> Any:
    return await decide_text(call.session, call.values["id"], call.body.text, by=call.by)


async def weight(call: Call) -> Any:
    wanted: WeightWanted = call.body
    if wanted.weight is None and wanted.urgent is None:
        raise UserError("there is nothing to change. Give weight or urgent.")
    return await weigh_campaign(call.session, call.values["id"], weight=wanted.weight, urgent=wanted.urgent, by=call.by)


async def hours(call: Call) -> Any:
    wanted: HoursWanted = call.body
    return await change_hours(call.session, call.values["id"], **asdict(wanted), by=call.by)


async def budget(call: Call) -> Any:
    return await budget_campaign(call.session, call.values["id"], call.body.budget, by=call.by)
