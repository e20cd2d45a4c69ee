"""Distributes partitions between the processes of a consumer group: a hint which process should own which.

Rebalances are eager: when a member comes or goes, every member returns everything and gets a new share. Partitions are
drained before they are returned, for at most DRAIN_S; meanwhile the client keeps the membership alive. The consumer
reads nothing: its partitions are paused.

Weak spot: every change of members interrupts all of them for as long as the slowest drains.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka import errors as kafka

from dispatcher.log.kafka.clients import end
from dispatcher.log.kafka.errors import mapped
from dispatcher.loggers import get_logger

DRAIN_S: Final = 20.0
REJOIN_S: Final = 10.0  # a member's time beyond the drain, before the others continue without it
HEARTBEATS: Final = 5  # per session
LOOK_S: Final = 1.0
RETRY_S: Final = 1.0

PartitionsChanged = Callable[[frozenset[int]], Awaitable[None]]
_log = get_logger("log.claim")


class GroupClaim:
    """A running claim; see `dispatcher.log.port.Log.claim`."""

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        session_s: float,
        assigned: PartitionsChanged,
        revoked: PartitionsChanged,
    ) -> None:
        self._bootstrap, self._group, self._topic, self._session_s = bootstrap, group, topic, session_s
        self._assigned, self._revoked = assigned, revoked
        self._held: frozenset[int] = frozenset()
        self._callbacks: asyncio.Task[None] | None = None  # the newest; each waits for the one before
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Join the group; `assigned` is called with the share. Raises LogUnavailable."""
        self._consumer = await self._joined()
        self._task = asyncio.create_task(self._run(), name=f"claim {self._topic}")

    async def release(self) -> None:
        """Give everything back and leave the group. A second call does nothing."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self.give_back()
        await self._leave()

    async def _run(self) -> None:
        """Keep the membership: the client must be polled for records, and reports its errors that way."""
        while True:
            try:
                if self._consumer is None:
                    self._consumer = await self._joined()
                await self._consumer.getmany(timeout_ms=int(LOOK_S * 1000))
            except Exception as error:  # a task of the client died: join again
                _log.warning("the consumer group is out of reach", group=self._group, error=str(error))
                await self._leave()
                await asyncio.sleep(RETRY_S)

    async def _joined(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=self._group,
            auto_offset_reset="latest",
            enable_auto_commit=False,
            session_timeout_ms=int(self._session_s * 1000),
            heartbeat_interval_ms=int(self._session_s * 1000 / HEARTBEATS),
            rebalance_timeout_ms=int((DRAIN_S + REJOIN_S) * 1000),
            request_timeout_ms=int((DRAIN_S + 2 * REJOIN_S) * 1000),  # joining waits for the others' drain
        )
        try:
            async with asyncio.timeout(self._session_s):
                await consumer.start()
        except (kafka.KafkaError, TimeoutError, OSError) as error:
            await end(consumer, self._session_s)
            raise mapped(error, self._bootstrap) from error
        consumer.subscribe([self._topic], listener=_Listener(self, consumer))
        return consumer

    async def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await end(consumer, self._session_s)

    async def take(self, partitions: frozenset[int]) -> None:
        """The group assigned these. Returns at once: the client sends no heartbeat while it waits here."""
        self._held = partitions
        if partitions:
            self._after_the_others(self._assigned, partitions)

    async def give_back(self) -> None:
        """Drain what is held, within the bound."""
        held, self._held = self._held, frozenset()
        if held:
            self._after_the_others(self._revoked, held)
        if self._callbacks is not None:
            done, _ = await asyncio.wait({self._callbacks}, timeout=DRAIN_S)
            if not done:
                _log.warning("partitions were not drained in time", group=self._group, partitions=sorted(held))

    def _after_the_others(self, callback: PartitionsChanged, partitions: frozenset[int]) -> None:
        before = self._callbacks

        async def call() -> None:
            if before is not None:
                await asyncio.wait({before})
            try:
                await callback(partitions)
            except Exception:
                _log.exception("a claim's callback failed", group=self._group, partitions=sorted(partitions))

        self._callbacks = asyncio.create_task(call())


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, claim: GroupClaim, consumer: AIOKafkaConsumer) -> None:
        self._claim, self._consumer = claim, consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._claim.give_back()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._consumer.pause(*assigned)
        await self._claim.take(frozenset(each.partition for each in assigned))
