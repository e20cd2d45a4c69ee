"""How a careful script does what the lanes do: lists cut with split and join, one aiohttp POST after the other, a
committed row before and after each request, a token bucket.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from loadtest.bench.sending.lanes import ACCOUNT, FIRST, SECRET, TEXT, ledger
from loadtest.sim.process import spawn

BATCH_LOGIN = {"account": ACCOUNT, "pswd": SECRET}
COSMS_LOGIN = {"corpID": ACCOUNT, "loginName": ACCOUNT, "password": SECRET}


def cut(numbers: bytes, per_chunk: int, chars_max: int) -> int:
    """Split the list, then join chunk by chunk, leaving out what would be too long; how many numbers were cut."""
    every = numbers.decode().split(",")
    start = 0
    while start < len(every):
        chunk = every[start : start + per_chunk]
        while len(",".join(chunk)) > chars_max:
            chunk.pop()
        start += len(chunk)
    return start


async def post(session: aiohttp.ClientSession, url: str, mobiles: str, needstatus: str = "true") -> None:
    """One request of the BATCH platform, as people write it."""
    form = {**BATCH_LOGIN, "mobile": mobiles, "msg": TEXT, "needstatus": needstatus}
    async with session.post(f"{url}/msg/HttpBatchSendSM", data=form) as response:
        assert (await response.text()).splitlines()[0].split(",")[1] == "0"


async def submit(total: int, per_request: int) -> float:
    """Numbers per second: read the list, a row before and after each request."""

    async def send(session: aiohttp.ClientSession, url: str, part: Sequence[str], start: int) -> None:
        with database:
            database.execute("INSERT INTO sent VALUES (?, 'sending')", (start,))
        await post(session, url, ",".join(part))
        with database:
            database.execute("UPDATE sent SET state = 'sent' WHERE start = ?", (start,))

    with tempfile.TemporaryDirectory() as folder:
        database = _database(folder, "CREATE TABLE sent (start INTEGER, state TEXT)")
        return await _submit({}, folder, total, per_request, send)


async def submit_with_ids(simulated: Mapping[str, Any], total: int, per_request: int) -> float:
    """Numbers per second at COSMS: a row for each recipient and its id."""

    async def send(session: aiohttp.ClientSession, url: str, part: Sequence[str], start: int) -> None:
        with database:
            database.executemany("INSERT INTO sent VALUES (?, NULL, 'sending')", [(number,) for number in part])
        form = {**COSMS_LOGIN, "msgFormat": "2", "msg": TEXT, "mtLevel": "3", "Mobs": ",".join(part)}
        async with session.post(f"{url}/sms/putMt/", data=form) as response:
            code, *rows = (await response.text()).split()
        assert code == "100"
        ids = [(row.split(",")[1], number) for row, number in zip(rows, part, strict=True)]
        with database:
            database.executemany("UPDATE sent SET state = 'sent', vendor_id = ? WHERE number = ?", ids)

    with tempfile.TemporaryDirectory() as folder:
        database = _database(folder, "CREATE TABLE sent (number TEXT PRIMARY KEY, vendor_id TEXT, state TEXT)")
        return await _submit(simulated, folder, total, per_request, send)


def _database(folder: str, table: str) -> sqlite3.Connection:
    database = sqlite3.connect(Path(folder) / "naive.db")
    database.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {table}")
    return database


async def _submit(
    simulated: Mapping[str, Any], folder: str, total: int, per_request: int, send: Callable[..., Any]
) -> float:
    path = Path(folder) / "numbers.txt"
    path.write_text("\n".join(str(number) for number in range(FIRST, FIRST + total)))
    with spawn({"account": {ACCOUNT: {}}, **simulated}, loop="uvloop") as sim:
        start_s = time.perf_counter()
        numbers = path.read_text().split("\n")
        async with aiohttp.ClientSession() as session:
            for start in range(0, total, per_request):
                await send(session, sim.url, numbers[start : start + per_request], start)
        return total / (time.perf_counter() - start_s)


async def bucket(simulated: Mapping[str, Any], limit: int, seconds: int) -> dict[str, Any]:
    """The vendor's ledger of a token bucket of one window, refilled steadily: `limit` at once, and `limit` more within
    the same second.
    """
    with spawn(dict(simulated)) as sim:
        async with aiohttp.ClientSession() as session:
            start_s = time.monotonic()
            tokens, filled_s, number = float(limit), start_s, FIRST
            while time.monotonic() - start_s < seconds:
                now_s = time.monotonic()
                tokens = min(float(limit), tokens + (now_s - filled_s) * limit)
                filled_s = now_s
                if tokens < 100:
                    await asyncio.sleep((100 - tokens) / limit)
                    continue
                tokens -= 100
                await post(session, sim.url, ",".join(map(str, range(number, number + 100))), "false")
                number += 100
        return await ledger(sim.url)
