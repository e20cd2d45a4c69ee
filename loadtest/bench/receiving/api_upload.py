"""`api_upload`: a list of 10 M numbers is uploaded and launched through the API, beside `dispatcher campaign launch`.

Both from the same file to a campaign that is durable on the log, each on a log of its own, in interleaved rounds. The
API is served by `dispatcher run --role web`; its launches run in a process of their own, as commands do.

    python -m loadtest.bench.receiving.api_upload [--quick]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import uvloop

from dispatcher.config.file import load
from dispatcher.core.people import PERMISSIONS
from dispatcher.log.opening import open_log
from dispatcher.service.people.directory import open_directory
from dispatcher.service.session import Session
from loadtest.bench.harness import figure, in_turn
from loadtest.bench.receiving.hostile import COMMAND
from loadtest.bench.receiving.pushing import FIRST

ROUNDS: Final = 3
CONFIG: Final = """
[log]
url = "sqlite:{folder}/log.db"
[store]
url = "sqlite:{folder}/results.db"
[web]
listen = "127.0.0.1:0"
[hours]
marketing = "00:00-24:00"
[account.spring]
vendor = "batch-a"
url = "http://127.0.0.1:1"
account = "spring"
pswd = "secret"
receiver = "admin"
push_pswd = "known to us"
"""
TERMS: Final = {"text": "hi", "route": ["spring"]}


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """The medians of a few interleaved rounds."""
    count, rounds = (200_000, 1) if quick else (10_000_000, ROUNDS)
    with tempfile.TemporaryDirectory() as name:
        numbers = Path(name) / "list.csv"
        with numbers.open("w") as out:
            out.writelines(f"{number}\n" for number in range(FIRST, FIRST + count))
        folders = [Path(name) / each for each in ("api", "command")]
        for folder in folders:
            folder.mkdir()
            (folder / "dispatcher.toml").write_text(CONFIG.format(folder=folder))
        async with _api(folders[0]) as (url, secret):
            api_s, command_s = await in_turn(
                rounds, lambda: _uploaded(url, secret, numbers, count), lambda: _launched(folders[1], numbers)
            )
    return [figure(f"api_upload: {count:,} numbers to the log", api_s, "s", command_s, less_is_better=True)]


async def _uploaded(url: str, secret: str, numbers: Path, count: int) -> float:
    began_s = time.perf_counter()
    campaign = f"/v1/campaigns/c{time.time_ns()}"
    headers = {"Authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(url, headers=headers, timeout=aiohttp.ClientTimeout(600)) as http:
        async with http.put(campaign, json=TERMS) as answer:
            assert answer.status == 201, await answer.text()
        with numbers.open("rb") as body:
            async with http.put(f"{campaign}/recipients", data=body, headers={"Content-Type": "text/csv"}) as answer:
                assert answer.status == 200, await answer.text()
        async with http.post(f"{campaign}:launch") as answer:
            launched = await answer.json()
            assert answer.status == 200, launched
    seconds = time.perf_counter() - began_s
    assert launched["recipients"] == count, launched
    return seconds


async def _launched(folder: Path, numbers: Path) -> float:
    began_s = time.perf_counter()
    options = ("--text", "hi", "--route", "spring", "--id", f"c{time.time_ns()}", "--yes", "--json")
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "campaign", "launch", str(numbers), *options, "--config", str(folder / "dispatcher.toml")),
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait():
        raise RuntimeError("the launch failed")
    return time.perf_counter() - began_s


@contextlib.asynccontextmanager
async def _api(folder: Path) -> AsyncIterator[tuple[str, str]]:
    """`dispatcher run --role web`; its address and a token for it."""
    config = load(folder / "dispatcher.toml")
    log = await open_log(config.log.url, create=True)
    session = Session(config, log)
    made = await (await open_directory(session)).add_token("bench", list(PERMISSIONS), by="bench")
    await session.close()
    await log.close()
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "run", "--role", "web", "--config", config.path, "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        while not (line := await process.stdout.readline()).startswith(b'{"ready"'):
            if not line:
                raise RuntimeError("the server did not start")
        yield str(json.loads(line)["web"]), made.secret
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run("--quick" in sys.argv)), indent=2))
