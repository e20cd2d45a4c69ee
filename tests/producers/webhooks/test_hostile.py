"""Two thousand hostile connections of every kind: bounds hold, a lane goes on, and every good push is taken."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import uvloop

from dispatcher.config.file import parse
from dispatcher.log.opening import open_log
from loadtest.bench.receiving.attackers import attacks
from producers.web.byte_budget import SMALL_BYTES
from producers.webhooks.server import Webhooks, serve_webhooks

PATH = "/push/spring/report"
ACCOUNT = {"vendor": "batch-a", "url": "http://127.0.0.1:1", "account": "demo", "pswd": "demo"}
SECRET = {"receiver": "admin", "push_pswd": "known to us"}
GOOD = PATH + "?receiver=admin&pswd=known+to+us&msgid={}&reportTime=2501011002&mobile=13800138000&status=DELIVRD"
PUSHES = 25
KINDS = list(attacks(PATH))


@asynccontextmanager
async def attackers(url: str, connections: int) -> AsyncIterator[Callable[[], Awaitable[dict[str, int]]]]:
    """Attackers in a process of their own; yields what asks how many connections of each kind they have opened."""
    command = (sys.executable, "-m", "loadtest.bench.receiving.attackers", url, PATH, str(connections))
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert process.stdin is not None
    assert process.stdout is not None
    commands, answers = process.stdin, process.stdout

    async def opened() -> dict[str, int]:
        commands.write(b"\n")
        counts: dict[str, int] = json.loads(await answers.readline())
        return counts

    try:
        assert await answers.readline() == b"ready\n"
        yield opened
    finally:
        process.kill()
        await process.wait()


class Bounds:
    """What may never be exceeded, looked at again and again beside a lane that wants to get on."""

    def __init__(self, webhooks: Webhooks, connections_max: int) -> None:
        self.rounds = 0
        self._webhooks = webhooks
        self._connections_max = connections_max

    async def watch(self) -> None:
        budget = self._webhooks._server.budget
        while True:
            assert self._webhooks.connections.open <= self._connections_max
            assert budget.used <= budget.bytes_max
            assert budget.strangers_used <= budget.strangers_max + SMALL_BYTES * self._connections_max
            self.rounds += 1
            await asyncio.sleep(0)


async def _attacked(folder: Path, connections: int, **web: object) -> None:
    config = parse({"web": {"listen": "127.0.0.1:0"} | web, "account": {"spring": ACCOUNT | SECRET}}, "dispatcher.toml")
    log = await open_log(f"sqlite:{folder / 'log.db'}")
    webhooks = await serve_webhooks(config, log)
    bounds = Bounds(webhooks, config.web.connections_max)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as kept,
        attackers(webhooks.url, connections) as opened,
    ):
        lane = asyncio.create_task(bounds.watch())
        pushes = 0
        while pushes < PUSHES or sum((await opened()).values()) < connections:
            before = bounds.rounds
            await _pushed(kept, webhooks.url + GOOD.format(f"kept{pushes}"))
            async with aiohttp.ClientSession() as fresh:
                await _pushed(fresh, webhooks.url + GOOD.format(f"fresh{pushes}"))
            pushes += 1
            assert bounds.rounds > before
            assert not lane.done(), lane.exception()
        assert set(await opened()) == set(KINDS)
        lane.cancel()
    counts = webhooks.counts
    assert (counts.taken, counts.reports, counts.too_fast, counts.too_many) == (2 * pushes, 2 * pushes, 0, 0)
    await webhooks.close()
    await log.close()
    assert webhooks._server.budget.used == 0
    assert webhooks.connections.open == 0


async def _pushed(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url) as response:
        assert response.status == 200


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_every_good_push_is_taken_at_once_beside_two_thousand_hostile_connections(tmp_path, run):
    run(_attacked(tmp_path, 2_000))


def test_the_same_holds_where_there_is_no_room_for_so_many(tmp_path):
    uvloop.run(_attacked(tmp_path, 600, connections_max=300, connections_per_address_max=200))


def test_the_same_holds_where_strangers_get_next_to_nothing(tmp_path):
    uvloop.run(_attacked(tmp_path, 300, strangers_share=0.001))
