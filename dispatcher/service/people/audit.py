"""The audit trail: who did what, or was refused, when and from where; records of the topic `audit`, kept for ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from dispatcher.clock import now_ms
from dispatcher.core.people import Caller
from dispatcher.log.port import Entry
from dispatcher.log.records import record_of
from dispatcher.service.session import Session
from dispatcher.wording import printable
from schemas.codec import encode
from schemas.records import Audited
from schemas.topics import AUDIT

CHARS_MAX: Final = 500
LISTED_MAX: Final = 100
READ_RECORDS: Final = 1_000
SEARCHED_RECORDS_MAX: Final = 100_000
"""How far back one search reads; its answer says where the next one begins."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the trail; see schemas.records.Audited."""

    at_ms: int
    by: str
    kind: str
    action: str
    target: str
    says: str
    refused: bool
    address: str


class AuditTrail(msgspec.Struct, frozen=True, kw_only=True):
    """Lines, the newest first; `before` is where the next page begins, None if the trail ends here."""

    entries: list[AuditEntry]
    before: int | None


async def audit(
    session: Session,
    caller: Caller,
    action: str,
    target: str = "",
    *,
    says: str = "",
    refused: bool = False,
    address: str = "",
) -> None:
    """Write that the caller did this, or was refused. Durable when it returns. Raises LogError."""
    await audit_as(session, caller.name, caller.kind, action, target, says=says, refused=refused, address=address)


async def audit_as(
    session: Session,
    by: str,
    kind: str,
    action: str,
    target: str = "",
    *,
    says: str = "",
    refused: bool = False,
    address: str = "",
) -> None:
    """The same for somebody who is no caller: a command, or a sign-in that failed. Raises LogError."""
    record = Audited(
        at_ms=now_ms(),
        by=_bounded(by),
        kind=kind,
        action=action,
        target=_bounded(target),
        says=_bounded(says),
        refused=refused,
        address=_bounded(address),
    )
    log = await session.log(create=True)
    await log.append(AUDIT.name, 0, [Entry(record.by.encode(), encode(record))])


async def audit_trail(
    session: Session, *, search: str = "", before: int | None = None, limit: int = LISTED_MAX
) -> AuditTrail:
    """The newest lines before this position that have every word of `search` somewhere. Raises LogError."""
    log = await session.log()
    end = await log.end(AUDIT.name, 0)
    at = end = end if before is None else min(before, end)
    words = search.casefold().split()
    found: list[AuditEntry] = []
    while at > 0 and end - at < SEARCHED_RECORDS_MAX:
        start = max(at - READ_RECORDS, 0)
        stored = await log.read(AUDIT.name, 0, start, records_max=READ_RECORDS)
        for each in reversed([each for each in stored if each.offset < at]):
            record = record_of(each, AUDIT.name)
            if isinstance(record, Audited) and _has(record, words):
                found.append(AuditEntry(**msgspec.structs.asdict(record)))
                if len(found) == limit:
                    return AuditTrail(entries=found, before=each.offset or None)
        at = start
    return AuditTrail(entries=found, before=at or None)


def _has(record: Audited, words: Sequence[str]) -> bool:
    fields = (record.by, record.action, record.target, record.says, record.address)
    text = "\n".join(fields).casefold()
    return all(word in text for word in words)


def _bounded(text: str) -> str:
    return printable(text[:CHARS_MAX])
