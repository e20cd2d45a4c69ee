"""The Kafka log: for more than one machine. See docs/ARCHITECTURE.md, "The log adapters".

Topics are named prefix + name, so that several logs share a broker. Appending: append.py. Reading and following:
reads.py. Claims: claim.py. Topics and their settings: topics.py. No transactions; nothing is
compressed here (batches are, by schemas/batch.py).

Every call ends within a bound: an append within `timeout_s`; a follower survives a broker that is away for up to three
times that, and continues where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Final

from dispatcher.errors import LogUnavailable
from dispatcher.log.kafka.append import Appender
from dispatcher.log.kafka.claim import GroupClaim
from dispatcher.log.kafka.clients import Reach
from dispatcher.log.kafka.errors import closed, unavailable
from dispatcher.log.kafka.reads import Reads
from dispatcher.log.kafka.topics import prepare_topics
from dispatcher.log.limits import check_entries, check_offset, checked_topic
from dispatcher.log.port import Claim, Entry, StoredRecord
from schemas.topics import TOPICS

OPEN_S: Final = 15.0  # at least this long for opening: a broker that has just started creates topics slowly
RETRY_S: Final = 0.2


async def open_kafka(
    bootstrap: str, prefix: str, *, create: bool, replication: int, timeout_s: float, session_s: float
) -> KafkaLog:
    """Connect, make or verify the topics. Raises what `prepare_topics` raises."""
    patient_s = max(timeout_s, OPEN_S)
    await prepare_topics(bootstrap, prefix, create=create, replication=replication, timeout_s=patient_s)
    log = KafkaLog(bootstrap, prefix, timeout_s, session_s)
    try:
        async with asyncio.timeout(patient_s):
            await log.start()
    except TimeoutError as error:
        await log.close()
        raise unavailable(bootstrap, f"nothing within {patient_s:g} s") from error
    except BaseException:
        await log.close()
        raise
    return log


class KafkaLog:
    """See `dispatcher.log.port.Log`; made by `open_kafka`."""

    def __init__(self, bootstrap: str, prefix: str, timeout_s: float, session_s: float) -> None:
        self._bootstrap, self._prefix, self._session_s = bootstrap, prefix, session_s
        reach = Reach(bootstrap)
        topics = [prefix + topic.name for topic in TOPICS]
        self._appender = Appender(bootstrap, topics, timeout_s, reach)
        self._reads = Reads(bootstrap, topics, timeout_s, reach)
        self._claims: set[GroupClaim] = set()
        self._closed = False

    @property
    def url(self) -> str:
        return f"kafka://{self._bootstrap}/{self._prefix}"

    @property
    def commits(self) -> int:
        """How many batches of this process were confirmed or refused."""
        return self._appender.batches

    async def start(self) -> None:
        """Connect, so that the first calls need not, and check that every partition answers.

        Raises LogUnavailable; the caller bounds it.
        """
        places = [(self._prefix + topic.name, partition) for topic in TOPICS for partition in range(topic.partitions)]
        await self._appender.start()
        while True:
            try:
                return await self._reads.start(places)
            except LogUnavailable:
                await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(*(claim.release() for claim in self._claims))
        await self._appender.close()
        await self._reads.close()

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> list[int]:
        check_entries(checked_topic(topic, partition), entries)
        if not entries:
            return []
        return await self._appender.append(self._prefix + topic, partition, entries)

    async def end(self, topic: str, partition: int) -> int:
        checked_topic(topic, partition)
        return await self._reads.end(self._prefix + topic, partition)

    async def offset_at(self, topic: str, partition: int, at_ms: int) -> int:
        checked_topic(topic, partition)
        return await self._reads.offset_at(self._prefix + topic, partition, at_ms)

    async def read(
        self, topic: str, partition: int, offset: int, *, records_max: int = 1000, bytes_max: int = 8_000_000
    ) -> list[StoredRecord]:
        checked_topic(topic, partition)
        check_offset(offset)
        return await self._reads.read(self._prefix + topic, partition, offset, records_max, bytes_max)

    async def fetch(self, topic: str, partition: int, offset: int) -> StoredRecord:
        checked_topic(topic, partition)
        check_offset(offset)
        return await self._reads.fetch(self._prefix + topic, partition, offset)

    def follow(self, topic: str, partition: int, offset: int) -> AsyncGenerator[list[StoredRecord], None]:
        checked_topic(topic, partition)
        check_offset(offset)
        return self._reads.follow(self._prefix + topic, partition, offset)

    async def maintain(self, now_ms: int) -> int:
        return 0  # the broker does it

    async def claim(
        self,
        group: str,
        topic: str,
        assigned: Callable[[frozenset[int]], Awaitable[None]],
        revoked: Callable[[frozenset[int]], Awaitable[None]],
    ) -> Claim:
        checked_topic(topic, 0)
        if self._closed:
            raise closed(self._bootstrap)
        claim = GroupClaim(
            self._bootstrap, self._prefix + group, self._prefix + topic, self._session_s, assigned, revoked
        )
        await claim.start()
        self._claims.add(claim)
        return claim
