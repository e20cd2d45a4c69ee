"""Lanes at work on a SQLite log, and what the simulated vendor's ledger says of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import orjson

from consumers.lanes.role import run_lanes
from dispatcher.config.file import Config, parse
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log

ACCOUNT: Final = "spring"
SECRET: Final = "secret"
TEXT: Final = "【Shop】Sale from 8 to 10"
FIRST: Final = 13_000_000_000


@asynccontextmanager
async def own_log(folder: str, account: Mapping[str, Any]) -> AsyncIterator[tuple[Config, Log]]:
    """A configuration with this account and a SQLite log in the folder, and that log."""
    table = {"log": {"url": f"sqlite:{folder}/log.db"}, "hours": {"marketing": "00:00-24:00"}}
    config = parse({**table, "account": {ACCOUNT: dict(account)}}, "bench")
    log = await open_log(config.log.url)
    try:
        yield config, log
    finally:
        await log.close()


@asynccontextmanager
async def lanes_at_work(config: Config, log: Log) -> AsyncIterator[asyncio.Task[None]]:
    """The lanes of all accounts, stopped in order at the end."""
    stop = asyncio.Event()
    lanes = asyncio.create_task(run_lanes(config, log, stop))
    try:
        yield lanes
    finally:
        stop.set()
        await lanes


async def ledgers(session: aiohttp.ClientSession, url: str) -> dict[str, dict[str, Any]]:
    """The simulated vendor's ledger by account."""
    async with session.get(f"{url}/_sim/ledger") as response:
        accounts: dict[str, dict[str, Any]] = orjson.loads(await response.read())["accounts"]
        return accounts


async def ledger(url: str) -> dict[str, Any]:
    """The simulated vendor's ledger of the one account."""
    async with aiohttp.ClientSession() as session:
        return (await ledgers(session, url))[ACCOUNT]
