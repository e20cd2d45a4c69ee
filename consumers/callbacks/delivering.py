"""Delivers one callback: reads its partitions of the log, posts what is due, keeps its positions on the log.

What is due and in which order is decided by dispatcher/core/callbacks/outbox.py. Everything is bounded: what is read
ahead, connections, the time for an answer. It may be cancelled at any await; what was under way is delivered again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Final

import msgspec

from dispatcher.callbacks.on_log import CallbacksOnLog, first_kept, write_state
from dispatcher.callbacks.requests import CONNECTIONS_MAX, Requests
from dispatcher.clock import now_ms
from dispatcher.config.callbacks import CallbackConfig
from dispatcher.core.callbacks.answers import Answer
from dispatcher.core.callbacks.events import events_of, place_of
from dispatcher.core.callbacks.outbox import ASIDE_SHOWN, Message, Outbox
from dispatcher.errors import LogError
from dispatcher.log.port import Log
from dispatcher.log.records import record_of
from dispatcher.loggers import get_logger
from schemas.records import CallbackReplay, CallbackState
from schemas.topics import CALLBACKS

SAVE_EVERY_S: Final = 1.0
SAVE_PASSED_EVERY_S: Final = 60.0
"""What was passed without an event for this callback is saved so often: else a restart reads it all again."""

LOOK_S_MAX: Final = 5.0
"""A wait is at most this long: the wall clock may be set, or jump."""

_logger = get_logger("callbacks")


class Delivery:
    """One callback. `requests` makes its connections."""

    def __init__(
        self,
        name: str,
        config: CallbackConfig,
        log: Log,
        requests: Callable[[CallbackConfig], Requests] = Requests,
    ) -> None:
        self._name: Final = name
        self._config: Final = config
        self._log: Final = log
        self._requests: Final = requests
        self._wanted: Final = config.wanted(name)
        self._news: Final = asyncio.Event()

    async def run(self) -> None:
        """Deliver for ever. Raises LogError."""
        state = await self._begin()
        while True:
            watch = asyncio.create_task(self._until_replayed(state.replayed + 1))
            deliver = asyncio.create_task(self._deliver(state))
            try:
                await asyncio.wait((watch, deliver), return_when=asyncio.FIRST_COMPLETED)
                if not watch.done():
                    deliver.result()  # it failed, or it stopped for good
                    await watch
                offset, replay = watch.result()
            finally:
                await _cancelled(watch, deliver)
            state = await self._replayed(offset, replay)

    async def _begin(self) -> CallbackState:
        """Its state; of a new callback, or of new kinds of events, the positions are the ends of now."""
        found = CallbacksOnLog(self._log)
        await found.catch_up()
        known = found.states.get(self._name)
        positions = dict(known.positions) if known is not None else {}
        for place in self._wanted.places:
            topic, partition = place_of(place)
            if place in positions:
                positions[place] = max(positions[place], await first_kept(self._log, topic, partition))
            else:
                positions[place] = await self._log.end(topic, partition)
        at_ms = now_ms()
        if known is not None and known.positions == positions:
            return known
        if known is not None:
            state = msgspec.structs.replace(known, positions=positions, at_ms=at_ms)
        else:
            state = CallbackState(callback=self._name, at_ms=at_ms, since_ms=at_ms, positions=positions)
        await write_state(self._log, state)
        return state

    async def _until_replayed(self, offset: int) -> tuple[int, CallbackReplay]:
        async with contextlib.aclosing(self._log.follow(CALLBACKS.name, 0, offset)) as following:
            async for records in following:
                for stored in records:
                    record = record_of(stored, CALLBACKS.name)
                    if isinstance(record, CallbackReplay) and record.callback == self._name:
                        return stored.offset, record
        raise LogError("the log ended")

    async def _replayed(self, offset: int, replay: CallbackReplay) -> CallbackState:
        """The state after a person's order."""
        found = CallbacksOnLog(self._log)
        await found.catch_up()
        before = found.states[self._name]
        positions = dict(before.positions)
        for place, position in replay.positions.items():
            topic, partition = place_of(place)
            if place in positions:
                end = await self._log.end(topic, partition)
                positions[place] = min(max(position, await first_kept(self._log, topic, partition)), end)
        state = CallbackState(
            callback=self._name,
            at_ms=now_ms(),
            since_ms=before.since_ms,
            positions=positions,
            delivered=before.delivered,
            aside=before.aside,
            aside_ids=before.aside_ids,
            replayed=offset,
        )
        await write_state(self._log, state)
        _logger.info("a callback is replayed", callback=self._name, by=replay.by)
        return state

    async def _deliver(self, state: CallbackState) -> None:
        """From this state on, until it fails or the receiver wants no more."""
        if state.stopped:
            await asyncio.Event().wait()
        places = self._wanted.places
        outbox = Outbox({place: state.positions[place] for place in places}, state.failing)
        room = asyncio.Event()
        keeper = _Keeper(self._log, state, outbox)
        async with self._requests(self._config) as requests:
            readers = [asyncio.create_task(self._read(place, state.positions[place], outbox, room)) for place in places]
            under_way: dict[asyncio.Task[Answer], Message] = {}
            try:
                while True:
                    self._news.clear()
                    while len(under_way) < CONNECTIONS_MAX and (message := outbox.take(now_ms())) is not None:
                        under_way[asyncio.create_task(requests.post(message))] = message
                    await self._wait(outbox, keeper, readers, list(under_way))
                    for task in [task for task in under_way if task.done()]:
                        message, answer = under_way.pop(task), task.result()
                        outbox.answered(message, answer, now_ms(), random.random())
                        keeper.heard(answer)
                        if answer.result != "taken":
                            _logger.warning("a callback failed", callback=self._name, id=message.id, why=answer.says)
                    if outbox.has_room:
                        room.set()
                    await keeper.save(now=outbox.is_gone)
                    if outbox.is_gone:
                        _logger.warning("a callback is stopped by its receiver", callback=self._name)
                        await asyncio.Event().wait()
            finally:
                await _cancelled(*readers, *under_way)

    async def _wait(
        self, outbox: Outbox, keeper: _Keeper, readers: list[asyncio.Task[None]], under_way: list[asyncio.Task[Answer]]
    ) -> None:
        """Until an answer, something to read, or the time of the next try. Raises the error of a reader."""
        wait_s = min(LOOK_S_MAX, SAVE_EVERY_S if keeper.is_behind else LOOK_S_MAX)
        if len(under_way) < CONNECTIONS_MAX and (next_ms := outbox.next_ms()) is not None:
            wait_s = min(wait_s, max(0.0, (next_ms - now_ms()) / 1000))
        news = asyncio.create_task(self._news.wait())
        try:
            await asyncio.wait((news, *readers, *under_way), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        for reader in readers:
            if reader.done():
                reader.result()

    async def _read(self, place: str, offset: int, outbox: Outbox, room: asyncio.Event) -> None:
        topic, partition = place_of(place)
        async with contextlib.aclosing(self._log.follow(topic, partition, offset)) as following:
            async for records in following:
                for stored in records:
                    while not outbox.has_room:
                        room.clear()
                        await room.wait()
                    record = record_of(stored, topic)
                    events = events_of(place, stored.offset, record, stored.at_ms, self._wanted)
                    outbox.read(place, stored.offset, events, now_ms())
                    if events:
                        self._news.set()
                await asyncio.sleep(0)


class _Keeper:
    """Writes the state when deliveries changed it, at most once in SAVE_EVERY_S; now and then when positions did."""

    def __init__(self, log: Log, state: CallbackState, outbox: Outbox) -> None:
        self._log: Final = log
        self._state: Final = state
        self._outbox: Final = outbox
        self._saved_s = time.monotonic()
        self._written = state.positions
        self._error, self._error_ms = state.error, state.error_ms
        self.is_behind = False

    def heard(self, answer: Answer) -> None:
        """An answer came."""
        self.is_behind = True
        if answer.result != "taken":
            self._error, self._error_ms = answer.says, now_ms()

    async def save(self, *, now: bool) -> None:
        """Write the state if it is time. Raises LogError."""
        since_s = time.monotonic() - self._saved_s
        if not self.is_behind and since_s >= SAVE_PASSED_EVERY_S:
            self._saved_s, self.is_behind = time.monotonic(), self._has_passed()
        if not self.is_behind or not (now or since_s >= SAVE_EVERY_S):
            return
        self.is_behind, self._saved_s = False, time.monotonic()
        before, outbox = self._state, self._outbox
        self._written = outbox.positions
        await write_state(
            self._log,
            CallbackState(
                callback=before.callback,
                at_ms=now_ms(),
                since_ms=before.since_ms,
                positions={**before.positions, **self._written},
                delivered=before.delivered + outbox.delivered,
                aside=before.aside + outbox.aside,
                aside_ids=(*before.aside_ids, *outbox.aside_ids)[-ASIDE_SHOWN:],
                failing=outbox.failing,
                stopped=outbox.is_gone,
                error=self._error,
                error_ms=self._error_ms,
                replayed=before.replayed,
            ),
        )

    def _has_passed(self) -> bool:
        """Whether positions of other topics than that of the states have moved since the last one written here."""
        moved = {place for place, upto in self._outbox.positions.items() if self._written.get(place) != upto}
        return any(place_of(place)[0] != CALLBACKS.name for place in moved)


async def _cancelled(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
