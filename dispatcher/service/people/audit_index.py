"""What the audit trail has of one campaign, and of one message from a phone: read once, then record by record.

The records of `campaigns` keep of pauses, shares and hours the last one only (compaction), and lanes keep who decided
about unknown requests where it is slow to find. The trail has each order that a person gave by console or API. Weak
spot: one given by a command is not in it.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from dispatcher.log.records import record_of
from dispatcher.service.session import Session
from schemas.records import Audited
from schemas.topics import AUDIT

ORDERS: Final = {
    "pause": "paused",
    "resume": "resumed",
    "weight": "weight",
    "hours": "hours",
    "resolve": "unknown decided",
}
"""What the orders that are kept are called in a timeline."""

FIRST_RECORDS_MAX: Final = 200_000
"""How far back the first reading goes."""
READ_RECORDS: Final = 5_000
CAMPAIGNS_MAX: Final = 20_000
ORDERS_MAX: Final = 500
"""Of one campaign, the newest."""
REPLIES_MAX: Final = 20_000

_CAMPAIGN: Final = re.compile(r"/campaigns/([\w.-]+)/(pause|resume|weight|hours)")
_UNKNOWN: Final = re.compile(r"/unknown/([\w.-]+)")
_REPLY: Final = re.compile(r"/inbound/([0-9a-f]+)/reply")
_BY_API: Final = {f"campaign {order}": order for order in ORDERS} | {"unknown resolve": "resolve"}


class AuditedOrder(msgspec.Struct, frozen=True):
    """An order about a campaign; `what` is a value of ORDERS, `says` its result in the words of its author."""

    at_ms: int
    what: str
    by: str
    says: str


class Reply(msgspec.Struct, frozen=True):
    """A person answered a message from a phone."""

    at_ms: int
    by: str


class AuditIndex:
    """Made by `audit_index`; up to date when that returns."""

    def __init__(self) -> None:
        self._orders: OrderedDict[str, list[AuditedOrder]] = OrderedDict()
        self._replies: OrderedDict[str, Reply] = OrderedDict()
        self._position: int | None = None
        self._reading = asyncio.Lock()

    def orders_of(self, campaign: str) -> list[AuditedOrder]:
        """The orders about a campaign, the oldest first."""
        return list(self._orders.get(campaign, ()))

    def reply_to(self, message: str) -> Reply | None:
        """Who answered a message last, by its mark (dispatcher/service/inbound.py)."""
        return self._replies.get(message)

    async def catch_up(self, session: Session) -> None:
        """Read what was written since. Raises LogError."""
        log = await session.log()
        async with self._reading:
            if self._position is None:
                self._position = max(0, await log.end(AUDIT.name, 0) - FIRST_RECORDS_MAX)
            while records := await log.read(AUDIT.name, 0, self._position, records_max=READ_RECORDS):
                for stored in records:
                    record = record_of(stored, AUDIT.name)
                    if isinstance(record, Audited) and not record.refused:
                        self._apply(record)
                self._position = records[-1].offset + 1

    def _apply(self, record: Audited) -> None:
        reply = _REPLY.fullmatch(record.target)
        if reply is not None:
            self._replies[reply[1]] = Reply(record.at_ms, record.by)
            self._replies.move_to_end(reply[1])
            if len(self._replies) > REPLIES_MAX:
                self._replies.popitem(last=False)
            return
        campaign, order = _order(record)
        if not order:
            return
        kept = self._orders.setdefault(campaign, [])
        kept.append(AuditedOrder(record.at_ms, ORDERS[order], record.by, record.says))
        del kept[:-ORDERS_MAX]
        self._orders.move_to_end(campaign)
        if len(self._orders) > CAMPAIGNS_MAX:
            self._orders.popitem(last=False)


async def audit_index(session: Session) -> AuditIndex:
    """The index of this session's log, up to date. Raises LogError."""
    found = _INDEXES.setdefault(session, AuditIndex())
    await found.catch_up(session)
    return found


def _order(record: Audited) -> tuple[str, str]:
    """(campaign, order), ("", "") for a line that is about something else."""
    if record.action in _BY_API:
        return record.target, _BY_API[record.action]
    if found := _CAMPAIGN.fullmatch(record.target):
        return found[1], found[2]
    if found := _UNKNOWN.fullmatch(record.target):
        return found[1], "resolve"
    return "", ""


_INDEXES: Final[WeakKeyDictionary[Session, AuditIndex]] = WeakKeyDictionary()
