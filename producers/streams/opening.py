"""Opening a stream: checked as a launch is, then one `Launched` record without recipients, the commit point.

The first one of an id counts; the same id with other terms is refused.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Final

import orjson
from msgspec.structs import replace

from dispatcher.clock import now_ms
from dispatcher.config.file import Config
from dispatcher.core.messages.text import parts
from dispatcher.core.money.budget import shares
from dispatcher.core.schedule.hours import to_record
from dispatcher.errors import LogDamaged, UserError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Entry
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session
from dispatcher.service.streams import (
    EXPIRES_AFTER_S_MAX,
    KEYS_KEPT_S_MAX,
    OWN_TEXT,
    StreamOpened,
    StreamRequest,
)
from dispatcher.vendors.seam.vendor import Vendor, options_for
from producers.launch.commit import append
from producers.launch.definition import Definition, define
from schemas.codec import encode
from schemas.records import Launched, Leg, StreamTerms
from schemas.topics import CAMPAIGNS

FLOW_WITHOUT_LIMIT: Final = 1_000
"""How an account without a flow limit weighs in a stream's route."""


async def open_stream(session: Session, request: StreamRequest) -> StreamOpened:
    """See dispatcher/service/streams.py."""
    definition = define(session.config, _as_launch(request), datetime.now())
    terms = _terms(request, definition)
    _check_class(session.config, definition)
    log = await session.log(create=True)
    fingerprint = _fingerprint(definition, terms)
    earlier = (await read_campaigns(log)).get(definition.campaign)
    if earlier is not None and earlier.launched is None and earlier.draft is not None:
        raise UserError(
            '"{campaign}" is a draft.',
            campaign=definition.campaign,
            about="--id",
            do="Open the stream under another {about}.",
        )
    if earlier is None or earlier.launched is None:
        record = _launched(definition, terms, fingerprint)
        await append(log, CAMPAIGNS.name, 0, [Entry(f"{record.campaign}#{record.attempt}".encode(), encode(record))])
        earlier = (await read_campaigns(log)).get(definition.campaign)
        if earlier is None or earlier.launched is None:
            raise LogDamaged(
                'the log at {url} lost the stream "{campaign}" it had confirmed. Open it again.',
                url=log.url,
                campaign=record.campaign,
            )
        if earlier.launched.attempt == record.attempt:
            return StreamOpened(stream=record.campaign, attempt=record.attempt, opened=True)
    if earlier.launched.fingerprint != fingerprint:
        kind = "a stream with another text, route or other terms" if earlier.launched.stream else "a campaign"
        raise UserError(
            '"{campaign}" is {kind}.',
            campaign=definition.campaign,
            kind=kind,
            about="--id",
            do="Give another {about}, or the terms that it was opened with.",
        )
    if earlier.cancelled or earlier.stream_closed is not None:
        raise UserError(
            'the stream "{campaign}" is over.', campaign=definition.campaign, about="--id", do="Give another {about}."
        )
    return StreamOpened(stream=definition.campaign, attempt=earlier.launched.attempt, opened=False)


def _terms(request: StreamRequest, definition: Definition) -> StreamTerms:
    if not 0 < request.expires_after_s <= EXPIRES_AFTER_S_MAX:
        raise UserError(
            "messages expire after more than 0 and at most {days} days.",
            days=EXPIRES_AFTER_S_MAX // 86400,
            about="--expires-after",
        )
    if not request.expires_after_s <= request.keys_kept_s <= KEYS_KEPT_S_MAX:
        raise UserError(
            "keys are kept at least as long as messages may be sent, and at most {days} days.",
            days=KEYS_KEPT_S_MAX // 86400,
            about="--keys-kept",
            do="Change {about} or --expires-after.",
        )
    return StreamTerms(
        expires_after_ms=round(request.expires_after_s * 1000),
        keys_kept_ms=round(request.keys_kept_s * 1000),
        weights=tuple((account, _weight(vendor)) for account, vendor in definition.accounts.items()),
    )


def _weight(vendor: Vendor) -> int:
    """An account's share of a stream, by its flow limit."""
    flow = vendor.flow
    return FLOW_WITHOUT_LIMIT if flow is None else max(1, round(flow.limit / flow.per_s))


def _as_launch(request: StreamRequest) -> LaunchRequest:
    urgent = request.campaign_class == "code" if request.urgent is None else request.urgent
    return LaunchRequest(
        numbers=(),
        text=request.text or OWN_TEXT,
        route=request.route,
        id=request.id,
        name=request.name,
        weight=request.weight,
        urgent=urgent,
        unknown=request.unknown,
        options=request.options,
        extno=request.extno,
        by=request.by,
        campaign_class=request.campaign_class,
        between=request.between,
        days=request.days,
        at_closing=request.at_closing,
        budget=request.budget,
    )


def _check_class(config: Config, definition: Definition) -> None:
    """Raises UserError for what cannot be judged message by message, so that a stream is no way around it."""
    campaign_class = definition.terms.campaign_class
    if config.caps.of(campaign_class) is not None:
        raise UserError(
            "campaigns of class {campaign_class} have a frequency cap ([caps] "
            "{campaign_class}), which a stream cannot keep.",
            campaign_class=campaign_class,
            about="--class",
            do="Open it with another {about}, or launch campaigns.",
        )
    if campaign_class == "marketing" and config.approval.above is not None:
        raise UserError(
            "large marketing campaigns need an approval here ([approval] above), which a stream cannot get.",
            about="--class",
            do="Open it with {about} notice or code, or launch campaigns.",
        )


def _fingerprint(definition: Definition, terms: StreamTerms) -> str:
    content = [definition.sent_as().decode(), terms.expires_after_ms, terms.keys_kept_ms]
    return hashlib.sha256(orjson.dumps(["stream", *content])).hexdigest()


def _launched(definition: Definition, terms: StreamTerms, fingerprint: str) -> Launched:
    attempt, at_ms = secrets.token_hex(8), now_ms()
    legs = tuple(
        Leg(
            account=account,
            vendor=vendor.tag,
            jobs=0,
            recipients=0,
            reports_from_ms=vendor.reports_from_ms(options_for(account, definition.options)),
            segments=parts(definition.template.plain, vendor.split),
            split=(vendor.split.single, vendor.split.multi, *(vendor.split.ascii or ())),
            prices=vendor.prices_at(at_ms),
            price_changes=vendor.price_changes(at_ms),
        )
        for account, vendor in definition.accounts.items()
    )
    of_budget = shares(definition.budget, [weight for _, weight in terms.weights])
    legs = tuple(replace(leg, share=share) for leg, share in zip(legs, of_budget, strict=True))
    return Launched(
        campaign=definition.campaign,
        budget=definition.budget,
        attempt=attempt,
        fingerprint=fingerprint,
        name=definition.name,
        text=definition.text,
        legs=legs,
        weight=definition.weight or 1,
        urgent=definition.urgent,
        unknown=definition.unknown,
        rows=0,
        recipients=0,
        invalid=0,
        duplicate=0,
        suppressed=0,
        batches=0,
        segments=max(leg.segments for leg in legs),
        at_ms=at_ms,
        by=definition.by,
        options=definition.options,
        variables=definition.template.names,
        campaign_class=definition.terms.campaign_class,
        hours=to_record(definition.terms.hours),
        hours_within=to_record(definition.terms.within),
        at_closing=definition.terms.at_closing,
        stream=terms,
    )
