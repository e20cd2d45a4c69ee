"""Sharing out partitions between the processes of a consumer group: a hint of who should own which.

Rebalances are eager: whenever a member comes or goes, everybody gives everything back and gets a new share. What is
given back is drained first, at most DRAIN_S long; meanwhile the client keeps the membership alive. The consumer
behind it reads nothing: its partitions are paused.

Weak spot: every change of members interrupts all of them for as long as the slowest takes to drain.
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
REJOIN_S: Final = 10.0  # what a member has beyond the drain, before the others go on without it
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
        """Join the group; the share comes by `assigned`. Raises LogUnavailable."""
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
        """Keep the membership: the client wants to be asked for records, and tells its errors that way."""
        while True:
            try:
                if self._consumer is None:
                    self._consumer = await self._joined()
                await self._consumer.getmany(timeout_ms=int(LOOK_S * 1000))
            except Exception as error:  # whatever the client's own tasks died of: join anew
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
        """The group gave us these. Returns at once: no heartbeat goes out while the client waits for us here."""
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
