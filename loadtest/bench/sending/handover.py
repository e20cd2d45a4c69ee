"""Six flow limits kept while their lanes go from one process to another; the vendor's arrival stamps are the judge.

500, 50 and 3 per second, in messages and in requests, all at once on one simulated vendor that counts and does not
enforce. Each act lasts half before and half after the hand-over: none, orderly (SIGTERM), kill -9, and, on a real Kafka
broker (a SQLite log's lock files stay with a frozen process), SIGSTOP until another owns the lanes, then SIGCONT.
`limit used` counts in the act without a hand-over only. Not part of `make bench`: about ten minutes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np

from dispatcher.config.file import load
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import open_session
from loadtest.bench.harness import figure
from loadtest.bench.sending.lanes import ledgers
from loadtest.broker import bootstrap_or_start
from loadtest.sim.process import spawn
from producers.launch.api import launch

LIMITS: Final = {f"{unit}-{limit}": (limit, unit) for unit in ("messages", "requests") for limit in (500, 50, 3)}
PER_REQUEST: Final = 4
HALF_S: Final = 75
FROZEN_S: Final = 30

HandOver = Callable[[subprocess.Popen[bytes], Callable[[], subprocess.Popen[bytes]]], Any]


async def run(quick: bool) -> list[dict[str, Any]]:
    """Windows over the limit in each act, all six limits together; the worst use of a limit where nothing fails."""
    half_s = 6 if quick else HALF_S
    figures: list[dict[str, Any]] = []
    for name, hand_over in (("nothing fails", None), ("orderly", _orderly), ("kill -9", _kill), ("SIGSTOP", _freeze)):
        ledgers = await _act(hand_over, half_s, kafka=hand_over is _freeze)
        over = sum(ledger["windows_over_limit"] for ledger in ledgers.values())
        figures.append(figure(f"hand-over, {name}: windows over", over, "windows"))
        figures.append(figure(f"hand-over, {name}: texted twice", _doubles(ledgers), "recipients"))
        if hand_over is None:
            for account, ledger in ledgers.items():
                figures.append(figure(f"limit used, {account}/s", 100 * ledger["limit_used"], "%"))
    return figures


async def _act(hand_over: HandOver | None, half_s: int, *, kafka: bool) -> dict[str, dict[str, Any]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log = f"kafka://{stack.enter_context(bootstrap_or_start())}/handover." if kafka else f"sqlite:{folder}/log.db"
        flows = {name: {"flow": {"limit": limit, "unit": unit}} for name, (limit, unit) in LIMITS.items()}
        sim = stack.enter_context(spawn({"enforce": "off", "account": flows}))
        path = _write_config(folder, log, sim.url)
        config = load(path)
        for index, (name, (limit, unit)) in enumerate(LIMITS.items()):
            first = 13_000_000_000 + index * 100_000_000
            count = limit * (PER_REQUEST if unit == "requests" else 1) * (2 * half_s + 60)
            numbers = np.arange(first, first + count)
            async with open_session(config) as session:
                await launch(session, LaunchRequest(numbers=numbers, text=f"to {name}", route=[name], id=name))
        one = _start(folder, path)
        running = [one]
        stack.callback(_end, running)
        await asyncio.sleep(half_s)
        if hand_over is not None:
            running.append(await hand_over(one, lambda: _start(folder, path)))
        await asyncio.sleep(half_s)
        _end(running)
        async with aiohttp.ClientSession() as session:
            return await ledgers(session, sim.url)


def _write_config(folder: Path, log: str, url: str) -> Path:
    lines = [
        f'[log]\nurl = "{log}"\n[store]\nurl = "sqlite:{folder}/results.db"\n[lanes]\nintent_ttl_s = 3.0\n',
        '[hours]\nmarketing = "00:00-24:00"\n',
    ]
    for name, (limit, unit) in LIMITS.items():
        lines.append(
            f'[account.{name}]\nvendor = "batch-a"\nurl = "{url}"\naccount = "{name}"\npswd = "secret"\n'
            f'flow = {{ limit = {limit}, per_s = 1, unit = "{unit}" }}\n'
        )
        if unit == "requests":
            lines.append(f"numbers_per_request = {PER_REQUEST}\n")
    path = folder / "dispatcher.toml"
    path.write_text("".join(lines))
    return path


def _start(folder: Path, path: Path) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).parent / "dispatcher"), "run", "--role", "lanes", "--config", str(path)]
    with (folder / "run.log").open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)


def _end(running: list[subprocess.Popen[bytes]]) -> None:
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
    for process in running:
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    running.clear()


async def _orderly(one: subprocess.Popen[bytes], start: Callable[[], subprocess.Popen[bytes]]) -> Any:
    one.terminate()
    return start()


async def _kill(one: subprocess.Popen[bytes], start: Callable[[], subprocess.Popen[bytes]]) -> Any:
    os.kill(one.pid, signal.SIGKILL)
    return start()


async def _freeze(one: subprocess.Popen[bytes], start: Callable[[], subprocess.Popen[bytes]]) -> Any:
    os.kill(one.pid, signal.SIGSTOP)
    two = start()
    await asyncio.sleep(FROZEN_S)
    os.kill(one.pid, signal.SIGCONT)
    return two


def _doubles(ledgers: dict[str, dict[str, Any]]) -> int:
    return sum(ledger["double_texts"] or 0 for ledger in ledgers.values())
