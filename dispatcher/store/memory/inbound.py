"""Messages from phones as the store in memory shows them; tables.py keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from dispatcher.store.memory.rows import Kept, KeptMessage
from dispatcher.store.views import InboundFilter, InboundMarks, InboundMessage, InboundTally
from schemas.topics import LANE_PARTITIONS

PAGE_ROWS: Final = 10_000


def newest(kept: Kept, wanted: InboundFilter, messages_max: int, overdue_ms: int) -> list[InboundMessage]:
    """The newest matching messages that are complete, or received up to `overdue_ms` (then incomplete for good)."""
    return [_message(each) for each in _settled(kept, wanted, overdue_ms)[::-1][:messages_max]]


def pages(kept: Kept, wanted: InboundFilter, overdue_ms: int) -> Iterator[list[InboundMessage]]:
    """All of them, oldest first, PAGE_ROWS at a time."""
    found = _settled(kept, wanted, overdue_ms)
    for start in range(0, len(found), PAGE_ROWS):
        yield [_message(each) for each in found[start : start + PAGE_ROWS]]


def marks(kept: Kept, overdue_ms: int) -> InboundMarks:
    """Where following begins: behind all present messages."""
    return InboundMarks(done=_last_done(kept, {}), overdue_ms=overdue_ms, read_to=_read_to(kept))


def news(
    kept: Kept, since: InboundMarks, wanted: InboundFilter, overdue_ms: int
) -> tuple[list[InboundMessage], InboundMarks]:
    """Matching messages that became complete, or incomplete for good, since then; and where to continue."""
    found = [each for each in kept.inbound.values() if _is_news(each, since, overdue_ms)]
    found.sort(key=lambda each: (each.held.received_ms, each.held.id))
    done, overdue_ms = _last_done(kept, since.done), max(overdue_ms, since.overdue_ms)
    further = InboundMarks(done=done, overdue_ms=overdue_ms, read_to=_read_to(kept))
    return [_message(each) for each in found if _is_wanted(each, wanted)], further


def _is_news(each: KeptMessage, since: InboundMarks, overdue_ms: int) -> bool:
    if each.held.total > 1 and since.had(each.held.id, each.held.received_ms):
        return False
    if each.done is None:
        return each.held.received_ms <= overdue_ms
    return each.done > since.done.get(each.done % LANE_PARTITIONS, -1)


def _read_to(kept: Kept) -> dict[int, int]:
    return {partition: offset for (topic, partition), offset in kept.offsets.items() if topic == "inbound"}


def tallies(kept: Kept, overdue_ms: int) -> list[InboundTally]:
    """Counts by account."""
    waiting = Counter(
        each.first.account for each in kept.inbound.values() if each.done is None and each.held.received_ms > overdue_ms
    )
    return [
        InboundTally(account=account, records=records, repeats=repeats, waiting=waiting[account])
        for account, (records, repeats) in sorted(kept.inbound_counts.items())
    ]


def _last_done(kept: Kept, done: dict[int, int]) -> dict[int, int]:
    """The last complete message of each partition, as of `done` or later."""
    last = dict(done)
    for each in kept.inbound.values():
        if each.done is not None:
            partition = each.done % LANE_PARTITIONS
            last[partition] = max(each.done, last.get(partition, -1))
    return last


def _settled(kept: Kept, wanted: InboundFilter, overdue_ms: int) -> list[KeptMessage]:
    """Matching messages that are complete, or incomplete for good, oldest first."""
    found = [
        each
        for each in kept.inbound.values()
        if (each.done is not None or each.held.received_ms <= overdue_ms) and _is_wanted(each, wanted)
    ]
    return sorted(found, key=lambda each: (each.held.at_ms, each.held.id))


def _is_wanted(each: KeptMessage, wanted: InboundFilter) -> bool:
    return (
        (wanted.account is None or each.first.account == wanted.account)
        and (wanted.number is None or each.first.number == wanted.number)
        and (wanted.since_ms is None or each.held.at_ms >= wanted.since_ms)
        and (wanted.until_ms is None or each.held.at_ms < wanted.until_ms)
        and _ascii_lower(wanted.contains or "") in _ascii_lower(each.held.text)
    )


def _ascii_lower(text: str) -> bytes:
    return text.encode().lower()  # bytes: only A to Z


def _message(each: KeptMessage) -> InboundMessage:
    there = {part.number for part in each.held.parts}
    missing = tuple(part for part in range(1, each.held.total + 1) if part not in there)
    return InboundMessage(
        account=each.first.account,
        number=each.first.number,
        to=each.first.to,
        text=each.held.text,
        at_ms=each.held.at_ms,
        received_ms=each.held.received_ms,
        message_id=each.first.message_id or None,
        parts=each.held.total,
        missing=missing,
        flags=(*each.flags, *(("incomplete",) if missing else ())),
    )
