"""The vendors' side of the benchmarks of pushes: campaigns really sent, and clients that push their reports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import numpy as np

from consumers.lanes.role import run_lanes
from dispatcher.config.file import Config, parse
from dispatcher.log.opening import open_log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session, open_session
from dispatcher.store.opening import open_reader
from dispatcher.store.port import StoreReader
from loadtest.sim.process import spawn
from producers.launch.api import launch

FIRST: Final = 13_800_000_000
NOWHERE: Final = "http://127.0.0.1:1"
SIMULATED: Final = {"batch-a": "batch"}
"""The simulated vendor, where it has another name than the interface."""

SENDER: Final = "spring"
"""The account's name at every simulated vendor."""

Accounts = Mapping[str, Mapping[str, Any]]
"""Tables of the configuration by the account's name, without the URL."""

Report = tuple[str, int]
"""(vendor id, number)."""


def config_of(folder: Path, accounts: Accounts, urls: Mapping[str, str] = {}) -> Config:
    """These accounts, log and store in the folder."""
    table = {
        "log": {"url": f"sqlite:{folder / 'log.db'}"},
        "store": {"url": f"sqlite:{folder / 'results.db'}"},
        "web": {"listen": "127.0.0.1:0"},
        "hours": {"marketing": "00:00-24:00"},
        "account": {name: {"url": urls.get(name, NOWHERE), **keys} for name, keys in accounts.items()},
    }
    return parse(table, "bench")


# --- what was sent ---------------------------------------------------------------------------------------------------


async def send_campaigns(folder: Path, accounts: Accounts, recipients: int) -> dict[str, list[Report]]:
    """Launch and really send a campaign through each account (of its name); what each recipient's report names."""
    sims: dict[str, dict[str, Any]] = {
        name: {"vendor": SIMULATED.get(keys["vendor"], keys["vendor"]), "account": {SENDER: {}}}
        for name, keys in accounts.items()
    }
    with spawn(sims, loop="uvloop") as vendors:
        config = config_of(folder, accounts, {name: client.url for name, client in vendors.named.items()})
        log = await open_log(config.log.url)
        for name in accounts:
            numbers = np.arange(FIRST, FIRST + recipients)
            await launch(Session(config, log), LaunchRequest(numbers=numbers, text="hi", route=[name], id=name))
        stop = asyncio.Event()
        lanes = asyncio.create_task(run_lanes(config, log, stop))
        found: dict[str, list[Report]] = {}
        while len(found) < len(accounts):
            await asyncio.sleep(0.2)
            async with open_session(config, log=log) as session, session.reader() as reader:
                for name in accounts.keys() - found.keys():
                    view = reader.campaign(name)
                    if view is not None and view.counts.accepted == recipients:
                        found[name] = list(_reports(reader, name))
        stop.set()
        await lanes
        await log.close()
    return found


def _reports(reader: StoreReader, campaign: str) -> Iterator[Report]:
    for page in reader.pages(campaign):
        yield from zip((page.vendor_ids[at] for at in page.vendor_id_index), page.numbers.tolist(), strict=True)


async def joined(config: Config, campaign: str, delivered: int) -> None:
    """Wait until the store has this many delivered recipients."""
    reader = open_reader(config.store)
    while (view := reader.campaign(campaign)) is None or view.counts.delivered < delivered:  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # the store is another process's
    reader.close()


# --- the clients -----------------------------------------------------------------------------------------------------


async def push(url: str, requests: Iterable[bytes], connections: int) -> float:
    """Send these until the last is answered, one at a time over each connection; when it began (perf_counter)."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    todo = iter(list(requests))
    finished = [loop.create_future() for _ in range(connections)]
    began_s = time.perf_counter()
    links = [
        await loop.create_connection(partial(Client, todo, done), parts.hostname or "", parts.port or 0)
        for done in finished
    ]
    await asyncio.gather(*finished)
    for transport, _ in links:
        transport.close()
    return began_s


class Client(asyncio.Protocol):
    """One keep-alive connection of a vendor: pushes the next report when the last one was answered."""

    def __init__(self, todo: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self._todo = todo
        self._done = done
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's class does not inherit it
        self._next()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        head, end, body = buffer.partition(b"\r\n\r\n")
        if not end:
            self._buffer = buffer
            return
        lowered = head.lower()
        at = lowered.find(b"content-length:")
        length = int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) < length:
            self._buffer = buffer
            return
        self._buffer = b""
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
            self._done.set_exception(RuntimeError(head.decode("latin-1")))
            return
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError(f"the server hung up: {exc}"))

    def _next(self) -> None:
        assert self._transport is not None
        request = next(self._todo, None)
        if request is not None:
            self._transport.write(request)
        elif not self._done.done():
            self._done.set_result(None)
