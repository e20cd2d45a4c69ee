"""Real lanes against a simulated vendor, with slow steps before the first byte: the campaign is sent all the same.

Each step is much slower than the place in the flow limit is exact. Nothing asserts how fast anything is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import polars as pl
import pytest

from consumers.lanes import prepared_messages
from consumers.lanes.role import run_lanes
from dispatcher.config.file import Config, parse
from dispatcher.core.lane.effects import Send
from dispatcher.log.opening import open_log
from dispatcher.log.port import StoredRecord
from dispatcher.log.sqlite.log import SqliteLog
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session
from loadtest.sim.process import SimClient, spawn
from producers.launch.api import launch
from schemas.topics import LANES
from tests.always import ALWAYS

PATIENCE_S: Final = 120.0
RECIPIENTS: Final = 480
FIRST: Final = 13_800_200_000
LIMIT: Final = 1_000
TEXT: Final = "【Shop】Dear {name}, your order {order} is on its way."

Slow = Callable[[pytest.MonkeyPatch], None]


def building(patch: pytest.MonkeyPatch) -> None:
    """The values are taken and the body is built in 50 ms, and nothing else happens meanwhile."""
    original = prepared_messages.PreparedMessages.of

    def of(self: prepared_messages.PreparedMessages, send: Send) -> Any:
        time.sleep(0.05)
        return original(self, send)

    patch.setattr(prepared_messages.PreparedMessages, "of", of)


def connecting(patch: pytest.MonkeyPatch) -> None:
    """A connection is there after 300 ms, a kept one too."""
    original = aiohttp.TCPConnector.connect

    async def connect(self: aiohttp.TCPConnector, *arguments: Any, **more: Any) -> Any:
        await asyncio.sleep(0.3)
        return await original(self, *arguments, **more)

    patch.setattr(aiohttp.TCPConnector, "connect", connect)


def reading_back(patch: pytest.MonkeyPatch) -> None:
    """What is read of the journal comes half a second late: later than the time to live allows."""
    original = SqliteLog.follow

    async def follow(self: SqliteLog, topic: str, partition: int, offset: int) -> AsyncIterator[list[StoredRecord]]:
        async for records in original(self, topic, partition, offset):
            if topic == LANES.name:
                await asyncio.sleep(0.5)
            yield records

    patch.setattr(SqliteLog, "follow", follow)


def all_of_them(patch: pytest.MonkeyPatch) -> None:
    """Every step is slow."""
    for slow in (building, connecting, reading_back):
        slow(patch)


ACCOUNTS: Final[dict[str, dict[str, Any]]] = {
    "batch-b": {"account": "spring", "pswd": "secret", "variable_sms": True},
    "batch-b, a request for each text": {"account": "spring", "pswd": "secret", "numbers_per_request": 50},
    "cosms": {"corp_id": "spring", "login_name": "spring", "password": "secret", "md5": True},
}


def config(folder: Path, url: str, vendor: str, keys: dict[str, Any]) -> Config:
    flow = {"limit": LIMIT, "per_s": 1, "unit": "messages"}
    return parse(
        {
            "log": {"url": f"sqlite:{folder / 'log.db'}"},
            "lanes": {"intent_ttl_s": 0.2},
            "account": {"spring": {"vendor": vendor, "url": url, "flow": flow, **keys}},
        }
        | ALWAYS,
        "dispatcher.toml",
    )


async def sent(settings: Config, sim: SimClient, folder: Path) -> dict[str, Any]:
    """Launch a personalised campaign and run the lanes until the vendor has all of it: its totals."""
    path = folder / "list.csv"
    rows = {"phone": range(FIRST, FIRST + RECIPIENTS), "name": [f"A{index % 3}" for index in range(RECIPIENTS)]}
    pl.DataFrame(rows | {"order": [index % 4 for index in range(RECIPIENTS)]}).write_csv(path)
    log = await open_log(settings.log.url)
    await launch(Session(settings, log), LaunchRequest(numbers=path, text=TEXT, route=["spring"], id="orders"))
    stop = asyncio.Event()
    lanes = asyncio.create_task(run_lanes(settings, log, stop))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (totals := await asyncio.to_thread(sim.totals))["numbers_accepted"] < RECIPIENTS:
                assert not lanes.done()
                await asyncio.sleep(0.1)
    finally:
        stop.set()
        await lanes
        await log.close()
    return totals


CASES: Final = (
    *(("batch-b", slow) for slow in (building, connecting, reading_back, all_of_them)),
    ("batch-b, a request for each text", all_of_them),
    ("cosms", all_of_them),
)


@pytest.mark.parametrize(("account", "slow"), CASES, ids=[f"{account}, {slow.__name__}" for account, slow in CASES])
async def test_a_personalised_campaign_is_sent_however_slow_the_steps_before_its_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account: str, slow: Slow
) -> None:
    vendor = account.partition(",")[0]
    with spawn({"vendor": vendor, "account": {"spring": {"flow": {"limit": LIMIT}}}}) as sim:
        settings = config(tmp_path, sim.url, vendor, ACCOUNTS[account])
        slow(monkeypatch)
        totals = await sent(settings, sim, tmp_path)
    assert totals["double_texts"] == 0
    assert totals["windows_over_limit"] == 0
