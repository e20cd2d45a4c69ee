"""Callbacks on Kafka over restarts: receivers that hang or fail lose nothing, and keep nobody else waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumers.callbacks import delivering, delivery_duty, notice_duty
from consumers.callbacks.delivering import Delivery
from dispatcher.callbacks.on_log import CallbacksOnLog
from dispatcher.callbacks.requests import Requests
from dispatcher.clock import now_ms
from dispatcher.config.callbacks import read_callbacks
from dispatcher.config.file import Config
from dispatcher.core.backoff import Backoff
from dispatcher.core.callbacks import outbox
from dispatcher.log.port import Log
from dispatcher.process.roles import running
from dispatcher.service.session import Session, open_session
from tests.consumers.callbacks.receiver import SECRET, Receiver, receiving
from tests.consumers.campaigns.test_wave_duty import Lane
from tests.service.place import configured, launched
from tests.waiting import until

RECIPIENTS = 120
NAMES = ("shop", "fails", "hangs")


@asynccontextmanager
async def living(config: Config) -> AsyncIterator[tuple[Log, Session]]:
    """One life of the roles that join reports and deliver callbacks."""
    async with running(config, ["results", "campaigns"]) as roles, open_session(config, log=roles.log) as session:
        yield roles.log, session


async def test_receivers_that_hang_and_fail_over_restarts_get_everything_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka_bootstrap: str, kafka_prefix: str
) -> None:
    monkeypatch.setattr(notice_duty, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(outbox, "AGAIN", Backoff(0.05, 0.2))
    monkeypatch.setattr(delivering, "SAVE_EVERY_S", 0.05)
    monkeypatch.setattr(delivery_duty, "Delivery", partial(Delivery, requests=partial(Requests, timeout_s=0.5)))
    async with AsyncExitStack() as stack:
        receivers = {name: await stack.enter_async_context(receiving()) for name in NAMES}
        shop, fails, hangs = receivers.values()
        table = {
            name: {"url": each.url, "secret": SECRET, "events": ["results", "finished"]}
            for name, each in receivers.items()
        }
        callbacks, _ = read_callbacks(table, "dispatcher.toml")
        config = configured(tmp_path)
        log_config = msgspec.structs.replace(config.log, url=f"kafka://{kafka_bootstrap}/{kafka_prefix}.?session_s=6")
        config = msgspec.structs.replace(config, callbacks=callbacks, log=log_config)
        hangs.hangs, fails.refuses = True, {"may", "june", "july"}

        async with living(config) as (log, session):
            await _have_begun(log)
            lane = Lane(log)
            await launched(session, "may", RECIPIENTS)
            await lane.sends(0, now_ms(), failed=0.1)
            await until(lambda: "may" in _finished(shop), "the good receiver has all of may")
            await until(lambda: len(hangs.asked) > 2 and len(fails.asked) > 2, "the others were asked again")
        assert not hangs.taken
        assert not fails.taken

        async with living(config) as (log, session):
            await launched(session, "june", RECIPIENTS)
            await lane_of(log, lane).sends(0, now_ms(), failed=0.1)
            await until(lambda: "june" in _finished(shop), "a failing receiver keeps nobody waiting")
            fails.refuses = set()
            await until(lambda: _finished(fails) >= {"may", "june"}, "the failing one has all that it refused")
        assert not hangs.taken

        hangs.hangs = False
        async with living(config):
            await until(lambda: _finished(hangs) >= {"may", "june"}, "the hanging one has all that it missed")
            everything = dict.fromkeys(("may", "june"), RECIPIENTS)
            for name, receiver in receivers.items():
                await until(partial(_has, receiver, everything), f"{name} has every recipient")
        for name, receiver in receivers.items():
            assert _is_in_order(receiver), name


def lane_of(log: Log, before: Lane) -> Lane:
    """The same lane on the log of the next life: it sends what it has not sent."""
    lane = Lane(log)
    lane.intents = before.intents
    return lane


async def _have_begun(log: Log) -> None:
    """Until every callback has a position, and the first look at campaigns is over."""
    known = CallbacksOnLog(log)
    seen: list[bool] = []

    async def look() -> None:
        await known.catch_up()
        seen.append("event!began" in known.events and known.states.keys() >= set(NAMES))

    while not (seen and seen[-1]):
        await look()


def _finished(receiver: Receiver) -> set[str]:
    return {body["data"]["campaign"] for body in receiver.bodies if body["type"] == "finished"}


def _chunks(receiver: Receiver) -> list[dict[str, Any]]:
    """Every chunk of results, where it came first."""
    found: dict[str, dict[str, Any]] = {}
    for body in receiver.bodies:
        for chunk in body["data"]["chunks"] if body["type"] == "results" else ():
            found.setdefault(chunk["position"], chunk)
    return list(found.values())


def _rows(receiver: Receiver) -> dict[str, int]:
    """How many recipients have a final state, by campaign."""
    numbers: dict[str, set[str]] = {}
    for chunk in _chunks(receiver):
        numbers.setdefault(chunk["campaign"], set()).update(row["number"] for row in chunk["recipients"])
    return {campaign: len(each) for campaign, each in numbers.items()}


def _has(receiver: Receiver, rows: dict[str, int]) -> bool:
    return _rows(receiver) == rows


def _is_in_order(receiver: Receiver) -> bool:
    """Whether the chunks of each campaign came in the order of the log."""
    positions: dict[str, list[tuple[int, ...]]] = {}
    for chunk in _chunks(receiver):
        place = tuple(int(part) for part in chunk["position"].removeprefix("results-").split("-"))
        positions.setdefault(chunk["campaign"], []).append(place)
    return all(each == sorted(each) for each in positions.values())
