"""Appending to Kafka: one pump per partition packs the waiting appends into a batch and sends one batch at a time.

So the order of calls is the order on the partition, in spite of the client's retries, and one round trip carries
everything that gathered during the last one. A batch that fails for good breaks the idempotent producer's numbering: a
new producer replaces it. Each call ends within `timeout_s`: with LogUnavailable if its records were never given to the
client, with LogTimeout if they were (the client keeps trying; they may be written much later).

A call with more than a batch of records is written in several; after LogTimeout a first part of it may be on the log.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka

from dispatcher.errors import LogError, LogTimeout, LogUnavailable
from dispatcher.log.kafka.clients import Reach, end
from dispatcher.log.kafka.errors import closed, mapped, unavailable
from dispatcher.log.kafka.topics import BATCH_OVERHEAD_BYTES
from dispatcher.log.port import Entry
from dispatcher.loggers import get_logger
from schemas.topics import TOPICS

BATCH_BYTES_MAX: Final = 131_072  # of small records; a larger one goes alone, so that fetching it fetches nothing else
BUFFER_BYTES_MAX: Final = max(topic.record_bytes_max for topic in TOPICS) + BATCH_OVERHEAD_BYTES  # fits one batch
REQUEST_BYTES_MAX: Final = 16_000_000
SWEEP_S: Final = 0.25
RETRY_S: Final = 0.2
RETRY_MS: Final = 100
SILENT_S: Final = 4.0  # then the outage is logged

_log = get_logger("log.kafka")

Place = tuple[str, int]  # the topic's full name, partition


class _Append(msgspec.Struct, eq=False):
    entries: Sequence[Entry]
    done: Any
    until_s: float
    packed: int = 0  # how many of the entries were given to the client
    offsets: list[int] = []


class _Pump(msgspec.Struct, eq=False):
    """One partition's queue: `flying` are the appends with entries in the batch under way."""

    waiting: deque[_Append]
    flying: list[_Append]
    task: asyncio.Task[None] | None = None


class Appender:
    """Appends for one log. Made on the event loop; `start` before use."""

    def __init__(self, bootstrap: str, topics: Sequence[str], timeout_s: float, reach: Reach) -> None:
        self._bootstrap, self._topics, self._timeout_s, self._reach = bootstrap, topics, timeout_s, reach
        self._loop = asyncio.get_running_loop()
        self._pumps: dict[Place, _Pump] = {}
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False
        self.batches = 0

    async def start(self) -> None:
        """Connect. Raises LogUnavailable."""
        await self._started()

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> list[int]:
        """See the port; `topic` is the full name."""
        if self._closed:
            raise closed(self._bootstrap)
        done: asyncio.Future[list[int]] = self._loop.create_future()
        place = (topic, partition)
        pump = self._pumps.get(place)
        if pump is None:
            pump = self._pumps[place] = _Pump(deque(), [])
        pump.waiting.append(_Append(tuple(entries), done, self._loop.time() + self._timeout_s))
        if pump.task is None:
            pump.task = self._loop.create_task(self._run(place, pump), name=f"append {topic}/{partition}")
        if self._sweep is None:
            self._sweep = self._loop.call_later(SWEEP_S, self._give_up_on_late_ones)
        return await done

    async def close(self) -> None:
        """Let the appends under way finish or time out; then disconnect."""
        self._closed = True
        tasks = [pump.task for pump in self._pumps.values() if pump.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=self._timeout_s + 2 * SWEEP_S)
        self._give_up_on_late_ones(closing=True)
        for task in tasks:
            task.cancel()
        self._retire(self._producer)
        await asyncio.gather(*tasks, *self._ending, return_exceptions=True)
        if self._sweep is not None:
            self._sweep.cancel()

    # --- a partition's pump ------------------------------------------------------------------------------------------

    async def _run(self, place: Place, pump: _Pump) -> None:
        try:
            while pump.waiting:
                try:
                    await self._send(place, pump)
                except LogUnavailable:
                    await asyncio.sleep(RETRY_S)  # the sweep ends appends that waited too long
                except Exception as error:
                    _log.exception("appending failed", topic=place[0], partition=place[1])
                    while pump.waiting:
                        _fail(pump.waiting.popleft(), mapped(error, self._bootstrap))
        finally:
            pump.task = None

    async def _send(self, place: Place, pump: _Pump) -> None:
        """Send one batch of the waiting appends and settle it. Raises LogUnavailable if nothing could be sent."""
        producer = await self._started()
        batch, pieces = self._pack(producer, pump)
        if not pieces:
            return
        pump.flying = [append for append, _ in pieces]
        try:
            sent = await producer.send_batch(batch, place[0], partition=place[1])
        except Exception as error:
            self._retire(producer)
            for append, count in reversed(pieces):  # it was never sent: put it back
                append.packed -= count
                if append.packed + count == len(append.entries):
                    pump.waiting.appendleft(append)
            pump.flying = []
            raise unavailable(self._bootstrap, str(error) or type(error).__name__) from error
        self.batches += 1
        try:
            first = (await sent).offset
        except Exception as error:
            self._retire(producer)
            self._fail(pieces, _verdict(error, self._bootstrap))
        else:
            self._settle(pump, pieces, first)
        finally:
            pump.flying = []

    def _pack(self, producer: AIOKafkaProducer, pump: _Pump) -> tuple[Any, list[tuple[_Append, int]]]:
        """A batch of the waiting appends, and how many entries of each are in it."""
        batch = producer.create_batch()
        pieces: list[tuple[_Append, int]] = []
        size = 0
        while pump.waiting and (not pieces or size < BATCH_BYTES_MAX):
            append = pump.waiting[0]
            if append.done.done():  # cancelled, or given up
                pump.waiting.popleft()
                continue
            count = 0
            for entry in append.entries[append.packed :]:
                if (pieces or count) and size + len(entry.value) > BATCH_BYTES_MAX:
                    break
                if batch.append(timestamp=None, key=entry.key, value=entry.value, headers=list(entry.headers)) is None:
                    break
                size += len(entry.value)
                count += 1
            if count == 0:
                break  # first of the next batch; a first one always fits (limits.py)
            append.packed += count
            pieces.append((append, count))
            if append.packed < len(append.entries):
                break
            pump.waiting.popleft()
        return batch, pieces

    def _settle(self, pump: _Pump, pieces: list[tuple[_Append, int]], first: int) -> None:
        self._reach.answers()
        if first < 0:  # the broker knows the batch but has forgotten where it is
            self._fail(pieces, _maybe_written(self._bootstrap, "it did not say where it wrote a record"))
            return
        for append, count in pieces:
            append.offsets.extend(range(first, first + count))
            first += count
            if len(append.offsets) == len(append.entries) and not append.done.done():
                append.done.set_result(append.offsets)

    def _fail(self, pieces: list[tuple[_Append, int]], error: LogError) -> None:
        for append, count in pieces:
            uncertain = isinstance(error, LogTimeout) or append.packed > count
            _fail(append, error if not uncertain else _maybe_written(self._bootstrap, str(error)))

    def _give_up_on_late_ones(self, closing: bool = False) -> None:
        """End the calls whose time is over; records that were given to the client stay with it."""
        now_s = self._loop.time()
        busy = False
        for pump in self._pumps.values():
            for append in pump.flying:
                if append.until_s - self._timeout_s < now_s - SILENT_S:
                    self._reach.lost()
                if closing or append.until_s <= now_s:
                    _fail(append, _maybe_written(self._bootstrap, f"nothing within {self._timeout_s:g} s"))
            while pump.waiting and (closing or pump.waiting[0].until_s <= now_s):
                append = pump.waiting.popleft()
                reason = f"nothing within {self._timeout_s:g} s"
                _fail(append, (_maybe_written if append.packed else unavailable)(self._bootstrap, reason))
            busy = busy or bool(pump.waiting or pump.flying)
        self._sweep = self._loop.call_later(SWEEP_S, self._give_up_on_late_ones) if busy and not closing else None

    # --- the producer ------------------------------------------------------------------------------------------------

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is not None:
            return self._producer
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    enable_idempotence=True,
                    acks="all",
                    compression_type=None,
                    max_batch_size=BUFFER_BYTES_MAX,
                    max_request_size=REQUEST_BYTES_MAX,
                    request_timeout_ms=int(self._timeout_s * 1000),
                    retry_backoff_ms=RETRY_MS,
                )
                try:
                    async with asyncio.timeout(self._timeout_s):
                        await producer.start()
                        await producer.client.set_topics(self._topics)
                except BaseException as error:
                    await end(producer, self._timeout_s)
                    if isinstance(error, kafka.KafkaError | TimeoutError | OSError):
                        raise unavailable(self._bootstrap, str(error) or "no answer") from error
                    raise
                # Without transactions aiokafka has no future for a fatal error and logs its own traceback.
                waiter = producer._txn_manager._transaction_waiter = self._loop.create_future()
                waiter.add_done_callback(lambda fatal: fatal.cancelled() or fatal.exception())
                self._producer = producer
        return self._producer

    def _retire(self, producer: AIOKafkaProducer | None) -> None:
        """Stop using it; its batches under way may still finish, within bounds."""
        if producer is None or self._producer is not producer:
            return
        self._producer = None
        task = self._loop.create_task(self._end(producer), name="end a Kafka producer")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, producer: AIOKafkaProducer) -> None:
        stopping = asyncio.ensure_future(end(producer, 2 * self._timeout_s))
        done, _ = await asyncio.wait({stopping}, timeout=self._timeout_s)
        if not done:  # the broker is away: drop what it did not take, so that the pumps continue
            _drop_batches(producer)
        await stopping


def _drop_batches(producer: AIOKafkaProducer) -> None:
    """End what waits in the client. Left alone, aiokafka logs an error for each batch that it had tried before, and for
    each future that nobody waits for any more.
    """
    accumulator = producer._message_accumulator
    accumulator._pending_batches.update(batch for batches in accumulator._batches.values() for batch in batches)
    dropped = list(accumulator._pending_batches)  # from where it removes them when they end
    accumulator.fail_all(kafka.ProducerClosed())
    for batch in dropped:
        for future in (batch.future, batch._drain_waiter):
            if future.done() and not future.cancelled():
                future.exception()


def _verdict(error: BaseException, bootstrap: str) -> LogError:
    """What a failed batch means: certainly refused, or uncertain."""
    match error:
        case kafka.MessageSizeTooLargeError() | kafka.RecordListTooLargeError() | kafka.InvalidTopicError():
            return mapped(error, bootstrap)
        case kafka.TopicAuthorizationFailedError() | kafka.ClusterAuthorizationFailedError():
            return mapped(error, bootstrap)
        case _:
            return _maybe_written(bootstrap, str(error) or type(error).__name__)


def _maybe_written(bootstrap: str, reason: str) -> LogTimeout:
    return LogTimeout(
        "the Kafka broker at {bootstrap} did not confirm a record; it may still be written ({reason})",
        bootstrap=bootstrap,
        reason=reason,
    )


def _fail(append: _Append, error: LogError) -> None:
    """A separate error for each waiter: a raised error collects the tracebacks of its catchers."""
    if not append.done.done():
        append.done.set_exception(type(error)(*error.args))
