"""What one callback delivers next: in order per campaign, at least once, again with back-off, for a day. Pure.

It holds a bounded part of the log. An event that fails keeps back only the later ones of its campaign (or account).
The position of a partition is before its first event that is neither delivered nor kept aside, so a process that
continues from the positions misses nothing, and repeats what was delivered behind them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from dispatcher.core.backoff import Backoff
from dispatcher.core.callbacks.answers import Answer
from dispatcher.core.callbacks.events import ROWS_MAX, Event, message_id
from schemas.records import CallbackFailure
from schemas.topics import DAY_MS

AGAIN: Final = Backoff(5.0, 3_600.0)
JITTER: Final = 0.5
"""The part of a pause that chance decides."""

GIVE_UP_MS: Final = DAY_MS
EVENTS_MAX: Final = 1_000
BYTES_MAX: Final = 8_000_000
CHUNKS_MAX: Final = 100
"""Events of results in one message."""

ASIDE_SHOWN: Final = 20
FAILING_KEPT: Final = 100


class Message(msgspec.Struct, frozen=True):
    """What one request carries: one event, or several of results of one campaign."""

    id: str
    order: str
    events: tuple[Event, ...]


class _Queue:
    """The events of one campaign; `message` is made of the first ones, and stays the same until it is settled."""

    def __init__(self) -> None:
        self.events: deque[tuple[Event, int]] = deque()  # and since when it waits
        self.message: Message | None = None
        self.under_way = False
        self.tries = 0
        self.next_ms = 0


class Outbox:
    """One callback's deliveries. Times are of the wall clock: a pause must survive the process."""

    def __init__(self, positions: Mapping[str, int], failing: Iterable[CallbackFailure] = ()) -> None:
        self._read_upto = dict(positions)
        self._failing = {each.id: each for each in failing}
        self._open: dict[str, Counter[int]] = {place: Counter() for place in positions}
        self._queues: dict[str, _Queue] = {}
        self._events = 0
        self._bytes = 0
        self._paused_until_ms = 0
        self.delivered = 0
        self.aside = 0
        self.aside_ids: deque[str] = deque(maxlen=ASIDE_SHOWN)
        self.is_gone = False

    @property
    def has_room(self) -> bool:
        """Whether more may be read."""
        return self._events < EVENTS_MAX and self._bytes < BYTES_MAX

    @property
    def waiting(self) -> int:
        """Events that are held."""
        return self._events

    @property
    def positions(self) -> dict[str, int]:
        """By place, the offset from which a later process continues."""
        return {place: min(self._open[place], default=upto) for place, upto in self._read_upto.items()}

    @property
    def failing(self) -> tuple[CallbackFailure, ...]:
        """The events that failed at least once and are tried again."""
        found = [
            CallbackFailure(queue.events[0][0].id, queue.events[0][1], queue.tries)
            for queue in self._queues.values()
            if queue.tries and queue.events
        ]
        return tuple(found[:FAILING_KEPT])

    def read(self, place: str, offset: int, events: Sequence[Event], now_ms: int) -> None:
        """The record at this offset was read, and has these events."""
        self._read_upto[place] = offset + 1
        for event in events:
            queue = self._queues.setdefault(event.order, _Queue())
            failed = self._failing.pop(event.id, None)
            if failed is not None and not queue.events:
                queue.tries = failed.tries
            queue.events.append((event, now_ms if failed is None else min(failed.since_ms, now_ms)))
            self._open[place][offset] += 1
            self._events += 1
            self._bytes += event.bytes_held

    def take(self, now_ms: int) -> Message | None:
        """A message that is due, and is under way from now on; None if there is none."""
        if self.is_gone or now_ms < self._paused_until_ms:
            return None
        for order, queue in self._queues.items():
            if not queue.under_way and queue.next_ms <= now_ms:
                queue.message = queue.message or _message(order, queue)
                queue.under_way = True
                return queue.message
        return None

    def next_ms(self) -> int | None:
        """When something is due that is not under way; None: nothing waits for a time."""
        times = [queue.next_ms for queue in self._queues.values() if not queue.under_way]
        return max(min(times), self._paused_until_ms) if times and not self.is_gone else None

    def answered(self, message: Message, answer: Answer, now_ms: int, chance: float) -> None:
        """The answer to a message that was under way. `chance` is from 0 to 1, for the jitter."""
        queue = self._queues[message.order]
        queue.under_way = False
        if answer.result == "taken":
            self.delivered += len(message.events)
            self._settle(message, queue)
            return
        if answer.result == "gone":
            self.is_gone = True
            return
        queue.tries += 1
        if now_ms - queue.events[0][1] >= GIVE_UP_MS:
            self.aside += len(message.events)
            self.aside_ids.extend(event.id for event in message.events)
            self._settle(message, queue)
            return
        pause_s = AGAIN.pause_s(queue.tries) * (1 - JITTER + JITTER * chance)
        queue.next_ms = now_ms + round(max(pause_s, answer.wait_s) * 1000)
        if answer.wait_s:
            self._paused_until_ms = max(self._paused_until_ms, now_ms + round(answer.wait_s * 1000))

    def _settle(self, message: Message, queue: _Queue) -> None:
        """Its events are done; the next campaign's turn comes first."""
        for event in message.events:
            queue.events.popleft()
            counts = self._open[event.place]
            counts[event.offset] -= 1
            if not counts[event.offset]:
                del counts[event.offset]
            self._events -= 1
            self._bytes -= event.bytes_held
        queue.message, queue.tries, queue.next_ms = None, 0, 0
        del self._queues[message.order]
        if queue.events:
            self._queues[message.order] = queue


def _message(order: str, queue: _Queue) -> Message:
    """The first event, and further ones of results as long as the message stays small."""
    first = queue.events[0][0]
    events, rows = [first], first.rows
    if first.kind == "results":
        for event, _ in list(queue.events)[1:CHUNKS_MAX]:
            if event.kind != "results" or rows + event.rows > ROWS_MAX:
                break
            events.append(event)
            rows += event.rows
    return Message(message_id(events), order, tuple(events))
