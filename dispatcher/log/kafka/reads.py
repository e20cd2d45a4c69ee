"""Reading from Kafka: single records, ranges and ends through a few shared consumers, following through one each.

A shared consumer serves one call at a time: it seeks, reads, and is paused, so that it fetches nothing ahead. A
follower has its own consumer (one connection, one long poll): a slow one delays no other, and waiting at the end costs
one request per POLL_S. Offsets are never reset (`auto_offset_reset="none"`): out of range is LogDamaged.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka import errors as kafka

from dispatcher.errors import LogDamaged, LogUnavailable
from dispatcher.log.kafka.clients import Reach, end
from dispatcher.log.kafka.errors import closed, mapped, unavailable
from dispatcher.log.port import StoredRecord

FETCHERS: Final = 4
READERS: Final = 2
FETCH_BYTES: Final = 1  # the broker returns at least one whole batch: exactly the requested one
READ_BYTES: Final = 4_000_000
FOLLOW_RECORDS_MAX: Final = 2000  # converted in one step, about 5 ms
POLL_S: Final = 1.0
CALL_POLL_S: Final = 0.1
STOP_S: Final = 2.0
RETRY_MS: Final = 200
SILENT_S: Final = 4.0  # then the outage is logged
PATIENCE: Final = 3  # times `timeout_s` without an answer until a follower gives up


class Reads:
    """Everything that reads, for one log; topics by their full names."""

    def __init__(self, bootstrap: str, topics: Sequence[str], timeout_s: float, reach: Reach) -> None:
        self._bootstrap, self._topics, self._timeout_s, self._reach = bootstrap, topics, timeout_s, reach
        self._closed = False
        self._consumers: set[AIOKafkaConsumer] = set()
        self._bounds: set[asyncio.Timeout] = set()  # of the calls under way
        self._fetchers = _Pool(FETCHERS)
        self._readers = _Pool(READERS)

    async def close(self) -> None:
        """Disconnect; followers end with LogUnavailable."""
        self._closed = True
        for bound in self._bounds:
            bound.reschedule(asyncio.get_running_loop().time())
        await asyncio.gather(*(self._stop(consumer) for consumer in list(self._consumers)))

    async def start(self, places: Iterable[tuple[str, int]]) -> None:
        """Wait until each partition answers: a new one has a leader before it takes records."""
        async with self._borrowed(self._readers, READ_BYTES) as consumer:
            await consumer.end_offsets([TopicPartition(*place) for place in places])

    async def end(self, topic: str, partition: int) -> int:
        """See the port."""
        tp = TopicPartition(topic, partition)
        async with self._borrowed(self._readers, READ_BYTES) as consumer:
            return await _end(consumer, tp)

    async def offset_at(self, topic: str, partition: int, at_ms: int) -> int:
        """See the port."""
        tp = TopicPartition(topic, partition)
        async with self._borrowed(self._readers, READ_BYTES) as consumer:
            found = (await consumer.offsets_for_times({tp: max(at_ms, 0)}))[tp]
            return await _end(consumer, tp) if found is None else int(found.offset)

    async def read(
        self, topic: str, partition: int, offset: int, records_max: int, bytes_max: int
    ) -> list[StoredRecord]:
        """See the port."""
        tp = TopicPartition(topic, partition)
        async with self._borrowed(self._readers, READ_BYTES) as consumer:
            last = await _end(consumer, tp)
            if offset > last:
                raise _beyond(tp, offset, last)
            with _at(consumer, tp, offset):
                while await consumer.position(tp) < last:
                    if records := await _some(consumer, tp, CALL_POLL_S, records_max):
                        return _cut(records, bytes_max)
            return []

    async def fetch(self, topic: str, partition: int, offset: int) -> StoredRecord:
        """See the port."""
        tp = TopicPartition(topic, partition)
        async with self._borrowed(self._fetchers, FETCH_BYTES) as consumer:
            with _at(consumer, tp, offset):
                while not (records := await _some(consumer, tp, CALL_POLL_S, 1)):
                    if await _end(consumer, tp) <= offset:
                        break
            if not records or records[0].offset != offset:
                raise LogDamaged(
                    "record {offset} of {topic}/{partition} is not in the log {bootstrap} (any more)",
                    offset=offset,
                    topic=topic,
                    partition=partition,
                    bootstrap=self._bootstrap,
                )
            return records[0]

    async def follow(self, topic: str, partition: int, offset: int) -> AsyncGenerator[list[StoredRecord], None]:
        """See the port."""
        tp = TopicPartition(topic, partition)
        loop = asyncio.get_running_loop()
        consumer = await self._connected([topic], READ_BYTES, POLL_S)
        try:
            with self._mapping_errors():
                consumer.assign([tp])
                consumer.seek(tp, offset)
                answered, answered_s = None, loop.time()
                while True:
                    if records := await _some(consumer, tp, POLL_S, FOLLOW_RECORDS_MAX):
                        self._reach.answers()
                        yield records
                        answered_s = loop.time()
                        continue
                    latest = consumer.last_poll_timestamp(tp)  # of the broker's last answer, even an empty one
                    silent_s = loop.time() - answered_s
                    if latest != answered:
                        answered, answered_s = latest, loop.time()
                        self._reach.answers()
                    elif silent_s > PATIENCE * self._timeout_s:
                        raise unavailable(self._bootstrap, f"nothing within {PATIENCE * self._timeout_s:g} s")
                    elif silent_s > SILENT_S:
                        self._reach.lost()
        finally:
            await self._stop(consumer)

    # --- consumers ---------------------------------------------------------------------------------------------------

    async def _connected(self, topics: Sequence[str], bytes_max: int, poll_s: float) -> AIOKafkaConsumer:
        self._check_open()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            auto_offset_reset="none",
            enable_auto_commit=False,
            max_partition_fetch_bytes=bytes_max,
            fetch_max_wait_ms=int(min(poll_s, self._timeout_s / 2) * 1000),
            request_timeout_ms=int(self._timeout_s * 1000),
            consumer_timeout_ms=int(POLL_S * 1000),
            retry_backoff_ms=RETRY_MS,
        )
        self._consumers.add(consumer)
        try:
            async with self._bounded():
                await consumer.start()
                await consumer._client.set_topics(topics)  # else each is looked up on first use, with a pause
        except BaseException:
            await self._stop(consumer)
            raise
        return consumer

    @contextlib.asynccontextmanager
    async def _borrowed(self, pool: _Pool, bytes_max: int) -> AsyncIterator[AIOKafkaConsumer]:
        """A shared consumer for one bounded call; one that failed is not used again."""
        self._check_open()
        async with pool.places:
            consumer = pool.idle.pop() if pool.idle else await self._connected(self._topics, bytes_max, CALL_POLL_S)
            try:
                async with self._bounded():
                    yield consumer
            except LogUnavailable:
                await self._stop(consumer)
                raise
            except BaseException:
                pool.idle.append(consumer)
                raise
            else:
                pool.idle.append(consumer)

    @contextlib.asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        """At most `timeout_s`, or until the log is closed."""
        with self._mapping_errors():
            async with asyncio.timeout(self._timeout_s) as bound:
                self._bounds.add(bound)
                try:
                    yield
                finally:
                    self._bounds.discard(bound)

    @contextlib.contextmanager
    def _mapping_errors(self) -> Iterator[None]:
        try:
            yield
        except kafka.ConsumerStoppedError as error:
            self._check_open()
            raise unavailable(self._bootstrap, "the connection was closed") from error
        except TimeoutError as error:
            self._check_open()
            raise unavailable(self._bootstrap, f"nothing within {self._timeout_s:g} s") from error
        except (kafka.KafkaError, OSError) as error:
            raise mapped(error, self._bootstrap) from error

    async def _stop(self, consumer: AIOKafkaConsumer) -> None:
        self._consumers.discard(consumer)
        await end(consumer, STOP_S)

    def _check_open(self) -> None:
        if self._closed:
            raise closed(self._bootstrap)


class _Pool:
    """The unused shared consumers, and how many there may be."""

    def __init__(self, size: int) -> None:
        self.places = asyncio.Semaphore(size)
        self.idle: list[AIOKafkaConsumer] = []


@contextlib.contextmanager
def _at(consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> Iterator[None]:
    """Make the consumer read from there and nothing after it."""
    if consumer.assignment() != {tp}:
        consumer.assign([tp])
    consumer.seek(tp, offset)
    consumer.resume(tp)
    try:
        yield
    finally:
        consumer.pause(tp)


async def _some(consumer: AIOKafkaConsumer, tp: TopicPartition, wait_s: float, records_max: int) -> list[StoredRecord]:
    got = await consumer.getmany(tp, timeout_ms=int(wait_s * 1000), max_records=records_max)
    return [_stored(record) for record in got.get(tp, ())]


def _stored(record: ConsumerRecord) -> StoredRecord:
    return StoredRecord(record.offset, record.key or b"", record.value or b"", tuple(record.headers), record.timestamp)


def _cut(records: list[StoredRecord], bytes_max: int) -> list[StoredRecord]:
    size = 0
    for count, record in enumerate(records):
        size += len(record.value)
        if count and size > bytes_max:
            return records[:count]
    return records


async def _end(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
    return int((await consumer.end_offsets([tp]))[tp])


def _beyond(tp: TopicPartition, offset: int, end: int) -> LogDamaged:
    return LogDamaged(
        "{topic}/{partition} ends at {end}, but a reader continues from {offset}: this is not the log it read",
        topic=tp.topic,
        partition=tp.partition,
        end=end,
        offset=offset,
    )
