"""Outgoing callbacks as people see and order them: how far each has come, replays, a test of the way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

import msgspec

from dispatcher.callbacks.on_log import CallbacksOnLog, write_replay
from dispatcher.clock import now_ms
from dispatcher.config.callbacks import CallbackConfig
from dispatcher.core.callbacks.events import events_of, place_of, position_of
from dispatcher.core.callbacks.outbox import Message
from dispatcher.errors import InputError
from dispatcher.service.session import Session
from schemas.records import CallbackReplay, CallbackState
from schemas.topics import CALLBACKS

CallbackStatus = Literal["new", "delivering", "failing", "stopped"]


class CallbackView(msgspec.Struct, frozen=True, kw_only=True):
    """One callback. `status` new: no process has delivered for it yet; stopped: its receiver wants no more.

    `lag`: records of its partitions that it has not passed; not all of them have events. `failing`: events that are
    tried again; `aside`: those given up after a day, `aside_ids` the newest of them. `error` is the last one.
    """

    callback: str
    host: str
    format: str
    events: tuple[str, ...]
    campaigns: str
    status: CallbackStatus
    delivered: int = 0
    lag: int = 0
    failing: int = 0
    aside: int = 0
    aside_ids: tuple[str, ...] = ()
    error: str = ""
    error_ms: int | None = None
    positions: dict[str, int] = {}


class CallbackTrial(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a test: whether the receiver took it, what it said, after which time."""

    callback: str
    taken: bool
    says: str
    took_ms: int


async def list_callbacks(session: Session) -> list[CallbackView]:
    """The callbacks of the configuration. Raises ConfigError, LogError."""
    return await callback_views(session, CallbacksOnLog(await session.log()))


async def callback_views(session: Session, found: CallbacksOnLog) -> list[CallbackView]:
    """The same for who looks again and again: `found` has read the log up to the last look. Raises LogError."""
    log = await session.log()
    await found.catch_up()
    views = []
    for name, callback in sorted(session.config.callbacks.items()):
        state, lag = found.states.get(name), 0
        for place in callback.wanted(name).places if state is not None else ():
            topic, partition = place_of(place)
            position = state.positions.get(place, 0) if state is not None else 0
            if topic == CALLBACKS.name:
                lag += _events_from(found, callback, name, position)
            else:
                lag += max(0, await log.end(topic, partition) - position)
        views.append(_view(name, callback, state, lag))
    return views


async def replay_callback(session: Session, name: str, after: Sequence[str], *, by: str) -> CallbackReplay:
    """Have a callback deliver again what came after these positions, and end its stop if its receiver stopped it.

    Raises ConfigError, InputError for what is no position, LogError.
    """
    callback = session.config.callback(name, ready=False)
    positions: dict[str, int] = {}
    for each in after:
        try:
            place, offset = position_of(each)
        except ValueError as error:
            raise InputError(
                "{error}. It is the webhook-id of a delivery, such as results-3-1042-0.", error=error
            ) from error
        if place not in callback.wanted(name).places:
            raise InputError(
                'callback "{name}" has no events of {place}: "{id}".',
                name=name,
                place=place.rpartition("-")[0],
                id=each,
            )
        positions[place] = offset + 1
    replay = CallbackReplay(callback=name, positions=positions, at_ms=now_ms(), by=by)
    await write_replay(await session.log(), replay)
    return replay


async def try_callback(session: Session, name: str) -> CallbackTrial:
    """Post one event of type `test`; nothing on the log changes. Raises ConfigError."""
    from dispatcher.callbacks.bodies import trial_event
    from dispatcher.callbacks.requests import Requests

    callback, at_ms = session.config.callback(name), now_ms()
    event = trial_event(name, at_ms)
    began_s = time.monotonic()
    async with Requests(callback) as requests:
        answer = await requests.post(Message(event.id, event.order, (event,)))
    took_ms = round((time.monotonic() - began_s) * 1000)
    return CallbackTrial(callback=name, taken=answer.result == "taken", says=answer.says, took_ms=took_ms)


def _view(name: str, callback: CallbackConfig, state: CallbackState | None, lag: int) -> CallbackView:
    view = CallbackView(
        callback=name,
        host=callback.host,
        format=callback.format,
        events=callback.events,
        campaigns=callback.campaigns,
        status="new",
    )
    if state is None:
        return view
    return msgspec.structs.replace(
        view,
        status="stopped" if state.stopped else "failing" if state.failing else "delivering",
        delivered=state.delivered,
        lag=lag,
        failing=len(state.failing),
        aside=state.aside,
        aside_ids=state.aside_ids,
        error=state.error,
        error_ms=state.error_ms or None,
        positions=state.positions,
    )


def _events_from(found: CallbacksOnLog, callback: CallbackConfig, name: str, position: int) -> int:
    """How many of the noticed events from this position on are for this callback."""
    wanted = callback.wanted(name)
    return sum(
        len(events_of(f"{CALLBACKS.name}-0", found.offsets[key], event, event.at_ms, wanted))
        for key, event in found.events.items()
        if found.offsets[key] >= position
    )
