"""The balances that vendors told us over time, from the log.

A balance record is replaced by the next one of its account and day (dispatcher/accounts/ask_book.py), so of each past
day the last one is kept for ever, and of the present day, for a while, all of them.
"""

from __future__ import annotations

from collections import defaultdict

from dispatcher.core.money.spend import Reading
from dispatcher.log.port import Log
from dispatcher.log.records import record_of
from schemas.records import BalanceAsked
from schemas.topics import CAMPAIGNS


async def balance_readings(log: Log) -> dict[str, list[Reading]]:
    """By account, in the order of their times. Raises LogError."""
    found: dict[str, list[Reading]] = defaultdict(list)
    position = 0
    while records := await log.read(CAMPAIGNS.name, 0, position):
        for stored in records:
            position = stored.offset + 1
            if not stored.key.startswith(b"balance!"):
                continue
            record = record_of(stored, CAMPAIGNS.name)
            if isinstance(record, BalanceAsked) and record.messages is not None:
                found[record.account].append(Reading(record.at_ms, record.messages))
    return {account: sorted(readings) for account, readings in found.items()}
