"""What a CMPP gateway counted of one day (CMPP_QUERY), beside what our log says: a second way to find lost or doubled
messages.

Ours are messages on the wire, every part of a long one. A chunk counts on the day of its first message, so around
midnight the two may differ by what was under way.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import msgspec

from dispatcher.cmpp import pdus
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.errors import DispatcherError, UserError
from dispatcher.log.port import Log
from dispatcher.log.records import record_of
from dispatcher.service.session import Session
from dispatcher.vendors.seam.link import LinkVendor
from dispatcher.wording import SHANGHAI
from schemas.records import AnyRecord, Effect, Inbound, Outcomes
from schemas.topics import INBOUND, LANES, lane_partition


class GatewayCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway's figures. `recipients`, `forwarded`, `waiting` and `failed` are of the messages that it took."""

    messages: int
    recipients: int
    forwarded: int
    waiting: int
    failed: int
    from_phones: int
    from_phones_waiting: int
    from_phones_failed: int


class OurCounts(msgspec.Struct, kw_only=True):
    """Our figures: messages that the gateway took, refused for good or for now, and those of which nobody knows."""

    taken: int = 0
    refused: int = 0
    throttled: int = 0
    unknown: int = 0
    from_phones: int = 0


class GatewayTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Both, of one account and day (YYYY-MM-DD). `service`: only of this Service_Id."""

    account: str
    day: str
    service: str
    gateway: GatewayCounts
    ours: OurCounts

    @property
    def agree(self) -> bool:
        """Whether the gateway took as many messages as we know of, or of those that are unknown some.

        A SUBMIT to several numbers is one message there; here it has as many as it has numbers.
        """
        ours, taken = self.ours, max(self.gateway.messages, self.gateway.recipients)
        return ours.taken <= taken <= ours.taken + ours.refused + ours.throttled + ours.unknown


async def gateway_totals(session: Session, account: str, day: str | None = None, service: str = "") -> GatewayTotals:
    """Ask the gateway of this account, and count the log. Raises UserError, ConfigError, LogError, DispatcherError."""
    from dispatcher.drivers.link.short_session import ask

    vendor = session.config_with([account]).account(account)
    if not isinstance(vendor, LinkVendor):
        raise UserError(
            'account "{account}": vendor {vendor} has no daily totals; CMPP has.', account=account, vendor=vendor.tag
        )
    begin = _day(day)
    code = service.encode("utf-8", "replace")
    if len(code) > 10:
        raise UserError(
            '{about} "{service}" is longer than the 10 characters of a Service_Id.', service=service, about="--service"
        )
    query = pdus.Query(begin.strftime("%Y%m%d").encode(), int(bool(service)), code)
    answers = await ask(vendor, [query])
    if isinstance(answers, Verdict):
        row = vendor.codes.find(answers.code)
        what = f"{row.english} ({answers.code}); {row.advice}" if row is not None else answers.text
        raise DispatcherError('account "{account}": the gateway was not asked: {what}.', account=account, what=what)
    answer = answers[0]
    if not isinstance(answer, pdus.QueryResp):
        raise DispatcherError(
            'account "{account}": the gateway did not answer the query. Try again later.', account=account
        )
    gateway = GatewayCounts(
        messages=answer.mt_messages,
        recipients=answer.mt_recipients,
        forwarded=answer.mt_forwarded,
        waiting=answer.mt_waiting,
        failed=answer.mt_failed,
        from_phones=answer.mo_delivered,
        from_phones_waiting=answer.mo_waiting,
        from_phones_failed=answer.mo_failed,
    )
    ours = await our_counts(await session.log(), account, begin)
    return GatewayTotals(account=account, day=f"{begin:%Y-%m-%d}", service=service, gateway=gateway, ours=ours)


def _day(day: str | None) -> datetime:
    """The first moment of the day in Shanghai; today without one. Raises UserError."""
    if day is None:
        return datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=SHANGHAI)
    except ValueError:
        raise UserError('{about} "{day}" is no day. Write it as 2026-01-31.', day=day, about="--day") from None


async def our_counts(log: Log, account: str, begin: datetime) -> OurCounts:
    """What the log has of the account on this day."""
    from_ms = round(begin.timestamp() * 1000)
    until_ms = round((begin + timedelta(days=1)).timestamp() * 1000)
    ours, chunks = OurCounts(), _Chunks()
    async for record in _records(log, LANES.name, account):
        if isinstance(record, Outcomes) and record.account == account and from_ms <= record.sent_ms < until_ms:
            chunks.add(record, ours)
    for messages, taken in chunks.unknown.values():
        ours.taken += taken
        ours.unknown += messages - taken
    async for record in _records(log, INBOUND.name, account):
        if isinstance(record, Inbound) and record.account == account and from_ms <= record.received_ms < until_ms:
            ours.from_phones += 1
    return ours


class _Chunks:
    """What is known of the day's recipients: the first definite result counts, as everywhere; a fact may be on the log
    twice, and comes after what was unknown.

    `unknown`: (messages, those with an id), by intent and position. `_definite`: a bit for each recipient, by intent.
    """

    def __init__(self) -> None:
        self.unknown: dict[tuple[int, int], tuple[int, int]] = {}
        self._definite: dict[int, int] = {}

    def add(self, record: Outcomes, ours: OurCounts) -> None:
        """Count the definite results that are new."""
        ids, place, parts = array("Q", record.ids), 0, record.parts
        for run in record.runs:
            for at in range(run.start, run.start + run.count):
                taken = sum(map(bool, ids[place : place + parts]))
                place += parts
                if self._definite.get(record.intent, 0) >> at & 1:
                    continue
                if run.effect == Effect.UNKNOWN:
                    _, known = self.unknown.get((record.intent, at), (parts, 0))
                    self.unknown[record.intent, at] = parts, max(known, taken)
                    continue
                self._definite[record.intent] = self._definite.get(record.intent, 0) | 1 << at
                self.unknown.pop((record.intent, at), None)
                ours.taken += taken
                match run.effect:
                    case Effect.FAILED:
                        ours.refused += parts - taken
                    case Effect.ACCEPTED:
                        ours.unknown += parts - taken
                    case Effect.QUEUED if run.kind == Kind.THROTTLED:
                        ours.throttled += parts


async def _records(log: Log, topic: str, account: str) -> AsyncIterator[AnyRecord]:
    partition, offset = lane_partition(account), 0
    while records := await log.read(topic, partition, offset):
        for stored in records:
            yield record_of(stored, topic)
        offset = records[-1].offset + 1
