"""Writes what vendors push or serve to the log: reports, messages and unreadable entries.

The caller answers the vendor, or requests the next page, only after the append is confirmed. A failing log raises
LogError; then the vendor repeats, which is safe: the joiner counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import numpy as np

from dispatcher.core.opt_out import OptOutWords
from dispatcher.log.port import Entry, Log
from dispatcher.report_effects import ReportEffects
from dispatcher.suppression.list import put
from dispatcher.vendors.reading.report_columns import ROWS_MAX, indexed, packed
from dispatcher.vendors.seam.vendor import ReportRow
from schemas.codec import encode
from schemas.records import Dead, Inbound, Reports
from schemas.topics import DEAD, INBOUND, REPORTS, lane_partition

DEAD_BYTES_MAX: Final = 65_536
DEFAULT_WORDS: Final = OptOutWords()


async def take_reports(
    log: Log,
    account: str,
    items: Sequence[ReportRow | Reports],
    at_ms: int,
    effects: ReportEffects | None = None,
) -> None:
    """Make these reports durable, and before that what they cause besides. Raises LogError."""
    if items:
        if effects is not None:
            await effects.take(log, account, items, at_ms)
        await log.append(REPORTS.name, lane_partition(account), pack_reports(account, items, at_ms))


async def take_inbound(
    log: Log, account: str, messages: Sequence[Inbound], opt_out_words: OptOutWords = DEFAULT_WORDS
) -> None:
    """Make these messages durable, and before that the opt-outs among them. Raises LogError."""
    if messages:
        await take_opt_outs(log, account, messages, opt_out_words)
        await log.append(INBOUND.name, lane_partition(account), pack_inbound(account, messages))


async def take_opt_outs(log: Log, account: str, messages: Sequence[Inbound], words: OptOutWords) -> None:
    """Put the senders of opt-outs on the suppression list. Raises LogError.

    This comes before the messages: if the log fails in between, the vendor repeats them, and a number that is put on
    the list twice is there once.
    """
    for opt_out in words.opt_outs(messages):
        at_ms = max(message.received_ms for message in messages)
        await put(log, opt_out.numbers, adds=True, source="opt-out", by=account, why=opt_out.word, at_ms=at_ms)


async def keep_dead_letter(log: Log, account: str, path: str, why: str, body: bytes, at_ms: int) -> None:
    """Keep an unreadable entry; `body` must hold no secret any more, and is cut. Raises LogError."""
    dead = Dead(account=account, path=path, why=why, at_ms=at_ms, body=body[:DEAD_BYTES_MAX])
    await log.append(DEAD.name, lane_partition(account), [Entry(account.encode(), encode(dead))])


def pack_reports(account: str, items: Sequence[ReportRow | Reports], at_ms: int) -> list[Entry]:
    """Neighbouring rows become records of columns, ROWS_MAX each; columns from a vendor's parser stay as they are."""
    records: list[Reports] = []
    for is_row, same in groupby(items, lambda item: isinstance(item, ReportRow)):
        if is_row:
            rows = [item for item in same if isinstance(item, ReportRow)]
            records += [columns(account, rows[at : at + ROWS_MAX], at_ms) for at in range(0, len(rows), ROWS_MAX)]
        else:
            records += [item for item in same if isinstance(item, Reports)]
    return [Entry(account.encode(), encode(record)) for record in records]


def columns(account: str, rows: Sequence[ReportRow], at_ms: int) -> Reports:
    """The rows (at most ROWS_MAX) as one record."""
    return packed(
        account,
        at_ms,
        ids=indexed([row.vendor_id for row in rows]),
        numbers=np.array([row.number for row in rows], np.int64),
        states=np.array([row.state for row in rows], np.uint8),
        codes=indexed([row.code for row in rows]),
        times=np.array([row.time_s for row in rows], np.uint32),
    )


def pack_inbound(account: str, items: Sequence[Inbound]) -> list[Entry]:
    """One record per message."""
    key = account.encode()
    return [Entry(key, encode(message)) for message in items]
