"""Accounts, unknown requests, messages from phones, the suppression list, one number's life, and reports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec.structs import asdict, replace

from dispatcher.core.money.spend import Dimension
from dispatcher.core.numbers import Numbers
from dispatcher.errors import NotFound, UserError
from dispatcher.masking import masked_mobiles, masked_number
from dispatcher.service.accounts import AccountCodes, AccountList, account_codes, check_accounts, list_accounts
from dispatcher.service.inbound import Messages, newest_messages
from dispatcher.service.lookup import NumberLookup, look_up
from dispatcher.service.people.audit import AuditTrail, audit_trail
from dispatcher.service.reports.delivery import DeliveryReport, report_delivery
from dispatcher.service.reports.outcomes import OutcomeDimension, OutcomeReport, OutcomesWanted, report_outcomes
from dispatcher.service.reports.spend import SpendReport, SpendWanted, report_spend
from dispatcher.service.suppression import (
    SuppressedNumbers,
    SuppressionChange,
    change_suppression,
    list_suppressed,
    suppression_key,
)
from dispatcher.service.unknowns import UnknownList, list_unknown, resolve_unknown, unknown_list, unknown_to_resolve
from dispatcher.store.views import InboundFilter
from producers.api.campaigns import TimeMs, Word
from producers.api.operation import Call
from schemas.records import ResolvedAs

NUMBERS_MAX = 10_000
Number = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1_000)]


class WhoCalls(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls, and what they may do."""

    name: str
    kind: str
    permissions: list[str]


class OfCampaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of this campaign; without it of all."""

    campaign: Word = ""


class ResolveWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision about unknown requests of a campaign: these chunks, or all. `why` is kept on the log."""

    as_: Literal["sent", "not-sent", "resend"] = msgspec.field(name="as")
    why: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    chunks: Annotated[list[Word], msgspec.Meta(max_length=10_000)] = []
    vendor_id: Word = ""


class InboundQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages. `review`: those that may ask for no more texts. `unmasked` needs numbers:read."""

    account: Word = ""
    contains: Word = ""
    since_ms: TimeMs | None = None
    until_ms: TimeMs | None = None
    review: bool = False
    limit: Limit = 100
    unmasked: bool = False


class SuppressionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many of the newest numbers; `unmasked` needs numbers:read."""

    limit: Limit = 100
    unmasked: bool = False


class SuppressionWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers that are put on the suppression list or taken off it, and why."""

    numbers: Annotated[list[Number], msgspec.Meta(min_length=1, max_length=NUMBERS_MAX)]
    why: Word = ""


class LookupWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number as a person writes it. It is in the body, as URLs are kept in many logs."""

    number: Number


class DeliveryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was sent from `since_ms` to before `until_ms`, of one account or of all."""

    since_ms: TimeMs
    until_ms: TimeMs
    account: Word = ""


class SpendQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was sent in a time; the sums are by these dimensions."""

    since_ms: TimeMs
    until_ms: TimeMs
    by: Annotated[list[Dimension], msgspec.Meta(max_length=5)] = []


class OutcomesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of what was sent in a time; a row for each value of these dimensions."""

    since_ms: TimeMs = 0
    until_ms: TimeMs
    by: Annotated[list[OutcomeDimension], msgspec.Meta(max_length=5)] = []
    account: Word = ""
    campaign: Word = ""


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lines that have every word of `search`, the newest first, before a position."""

    search: Word = ""
    before: Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None = None
    limit: Limit = 100


async def who_calls(call: Call) -> WhoCalls:
    caller = call.caller
    return WhoCalls(name=caller.name, kind=caller.kind, permissions=sorted(caller.permissions))


# --- accounts and unknown requests -----------------------------------------------------------------------------------


async def accounts(call: Call) -> AccountList:
    return await list_accounts(call.session)


async def codes(call: Call) -> AccountCodes:
    return account_codes(call.api.config, _account(call))


async def check(call: Call) -> Any:
    return await check_accounts(call.session, _account(call), by=call.by)


def _account(call: Call) -> str:
    """Raises NotFound."""
    account = call.values["account"]
    if account not in call.api.config.accounts:
        raise NotFound(
            'there is no account "{account}". There are: {accounts}.',
            account=account,
            accounts=", ".join(sorted(call.api.config.accounts)),
        )
    return account


async def unknowns(call: Call) -> UnknownList:
    return unknown_list(*await list_unknown(call.session, call.query.campaign or None))


async def resolve(call: Call) -> Any:
    wanted: ResolveWanted = call.body
    campaign, verdict = call.values["id"], ResolvedAs(wanted.as_)
    found = await unknown_to_resolve(call.session, campaign, wanted.chunks, verdict)
    call.says = f"{len(found)} requests as {wanted.as_}: {wanted.why}"
    return await resolve_unknown(
        call.session, campaign, found, verdict, why=wanted.why, vendor_id=wanted.vendor_id, by=call.by
    )


# --- numbers ---------------------------------------------------------------------------------------------------------


async def inbound(call: Call) -> Messages:
    query: InboundQuery = call.query
    call.check_unmasked(wanted=query.unmasked)
    wanted = InboundFilter(
        account=query.account or None,
        contains=query.contains or None,
        since_ms=query.since_ms,
        until_ms=query.until_ms,
    )
    found = await newest_messages(call.session, wanted, query.limit, for_review=query.review)
    if query.unmasked:
        return found
    masked = [
        replace(each, number=masked_number(each.number), text=masked_mobiles(each.text)) for each in found.messages
    ]
    return replace(found, messages=masked)


async def suppressed(call: Call) -> SuppressedNumbers:
    query: SuppressionQuery = call.query
    call.check_unmasked(wanted=query.unmasked)
    found = await list_suppressed(call.session, limit=query.limit)
    if query.unmasked:
        return found
    return replace(found, entries=[replace(each, number=masked_number(each.number)) for each in found.entries])


async def suppress(call: Call) -> SuppressionChange:
    return await _change(call, adds=True)


async def unsuppress(call: Call) -> SuppressionChange:
    return await _change(call, adds=False)


async def _change(call: Call, *, adds: bool) -> SuppressionChange:
    wanted: SuppressionWanted = call.body
    numbers: Numbers = np.array([suppression_key(each) for each in wanted.numbers], np.int64)
    changed = await change_suppression(call.session, numbers, adds=adds, source="person", why=wanted.why, by=call.by)
    call.says = f"{changed.changed:,} numbers"
    return changed


async def lookup(call: Call) -> NumberLookup:
    wanted: LookupWanted = call.body
    call.target = masked_number(wanted.number)
    return await look_up(call.session, wanted.number)


# --- reports ---------------------------------------------------------------------------------------------------------


async def delivery(call: Call) -> DeliveryReport:
    query: DeliveryQuery = call.query
    return await report_delivery(
        call.session, since_ms=query.since_ms, until_ms=query.until_ms, account=query.account or None
    )


async def spend(call: Call) -> SpendReport:
    query: SpendQuery = call.query
    wanted = SpendWanted(since_ms=query.since_ms, until_ms=query.until_ms, by=tuple(query.by) or ("account",))
    return await report_spend(call.session, wanted)


async def outcomes(call: Call) -> OutcomeReport:
    query: OutcomesQuery = call.query
    if query.since_ms >= query.until_ms:
        raise UserError("the time ends before it begins. Give since_ms before until_ms.")
    wanted = asdict(query) | {"by": tuple(query.by) or ("account",)}
    return await report_outcomes(call.session, OutcomesWanted(**wanted))


async def trail(call: Call) -> AuditTrail:
    query: AuditQuery = call.query
    return await audit_trail(call.session, search=query.search, before=query.before, limit=query.limit)
