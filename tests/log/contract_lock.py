"""What every log promises to owners that race; docs/LANE.md, "The log is the lock". Part of the contract."""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets

from dispatcher.core.ownership import Ownership
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log, StoredRecord
from schemas.codec import decode, encode
from schemas.records import Intent, Owned
from tests.log.contract import followed, read_all

PARTITION = 5


def owned(owner: str) -> Entry:
    return Entry(b"", encode(Owned(owner=owner, at_ms=0, where="a test")))


def intent(owner: str, n: int) -> Entry:
    record = Intent(
        owner=owner, n=n, account="spring", campaign="c", job=0, batch=0, start=0, count=1, attempt=0, at_ms=0
    )
    return Entry(b"spring", encode(record))


def valid_intents(records: list[StoredRecord]) -> list[tuple[str, int]]:
    """What a reader may count, by the rule: valid only if the last Owned before it is its author's."""
    ownership = Ownership()
    valid = []
    for record in map(decode, (stored.value for stored in records)):
        if ownership.valid(record) and isinstance(record, Intent):
            valid.append((record.owner, record.n))
    return valid


class LockContract:
    """Inherited by every adapter's test class, beside LogContract."""

    async def test_what_a_deposed_owner_appends_is_void_for_every_reader_itself_included(self, url: str, log: Log):
        begin = await log.end("lanes", PARTITION)
        other = await open_log(url)
        await log.append("lanes", PARTITION, [owned("first"), intent("first", 0)])
        await other.append("lanes", PARTITION, [owned("second")])
        await log.append("lanes", PARTITION, [intent("first", 1)])  # it was frozen, and does not know yet
        await other.append("lanes", PARTITION, [intent("second", 0)])
        await log.append("lanes", PARTITION, [intent("first", 2)])
        for reader in (log, other):
            records = await followed(reader, "lanes", PARTITION, begin, 6)
            assert valid_intents(records) == [("first", 0), ("second", 0)]
        await other.close()

    async def test_racing_owners_and_all_readers_agree_which_intents_count(self, url: str, log: Log):
        begin = await log.end("lanes", PARTITION)
        logs = [log, await open_log(url), await open_log(url)]

        async def race(mine: Log, seed: int) -> None:
            chance = random.Random(seed)
            for _ in range(6):
                owner = secrets.token_hex(8)
                await mine.append("lanes", PARTITION, [owned(owner)])
                for n in range(8):
                    await mine.append("lanes", PARTITION, [intent(owner, n)])
                    await asyncio.sleep(chance.choice([0, 0, 0.002]))

        count = 3 * 6 * 9
        followers = asyncio.gather(*(followed(mine, "lanes", PARTITION, begin, count) for mine in logs))
        await asyncio.gather(*(race(mine, seed) for seed, mine in enumerate(logs)))
        seen = await followers
        expected = valid_intents(await read_all(logs[1], "lanes", PARTITION, begin))
        assert 0 < len(expected) < 3 * 6 * 8  # some were deposed, or this test shows nothing
        assert [valid_intents(records) for records in seen] == [expected] * 3
        for records_max in (1, 3, 50):
            again = await read_all(logs[2], "lanes", PARTITION, begin, records_max=records_max)
            assert valid_intents(again) == expected
        for owner, group in itertools.groupby(expected, key=lambda pair: pair[0]):
            numbers = [n for _, n in group]
            assert numbers == list(range(len(numbers))), owner  # from its Owned on, without gaps, until it was deposed
        for each in logs[1:]:
            await each.close()
