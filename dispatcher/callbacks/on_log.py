"""The topic `callbacks` read into a value: how far each callback has come, and what was noticed."""

from __future__ import annotations

from typing import Final

from dispatcher.log.port import Entry, Log
from dispatcher.log.records import record_of
from schemas.codec import encode
from schemas.records import CallbackEvent, CallbackReplay, CallbackState
from schemas.topics import CALLBACKS, TOPIC

EVERYTHING_MS: Final = 0


class CallbacksOnLog:
    """The last record of each key, with the offsets of events; `catch_up` reads what is new."""

    def __init__(self, log: Log) -> None:
        self._log: Final = log
        self.states: dict[str, CallbackState] = {}
        self.events: dict[str, CallbackEvent] = {}
        self.offsets: dict[str, int] = {}
        self._position = 0

    async def catch_up(self) -> None:
        """Read everything there is now. Raises LogError."""
        while records := await self._log.read(CALLBACKS.name, 0, self._position):
            for stored in records:
                self._position = stored.offset + 1
                match record_of(stored, CALLBACKS.name):
                    case CallbackState() as state:
                        self.states[state.callback] = state
                    case CallbackEvent() as event:
                        self.events[event.key] = event
                        self.offsets[event.key] = stored.offset

    async def write_events(self, *events: CallbackEvent) -> None:
        """Append events together. Raises LogError."""
        await self._log.append(CALLBACKS.name, 0, [Entry(event.key.encode(), encode(event)) for event in events])


async def write_state(log: Log, state: CallbackState) -> None:
    """Append how far a callback has come. Raises LogError."""
    await log.append(CALLBACKS.name, 0, [Entry(f"state!{state.callback}".encode(), encode(state))])


async def write_replay(log: Log, replay: CallbackReplay) -> None:
    """Append a person's order. Raises LogError."""
    await log.append(CALLBACKS.name, 0, [Entry(f"replay!{replay.callback}".encode(), encode(replay))])


async def first_kept(log: Log, topic: str, partition: int) -> int:
    """The first offset that can be read. Raises LogError."""
    return 0 if TOPIC[topic].cleanup == "compact" else await log.offset_at(topic, partition, EVERYTHING_MS)
