"""An account, our webhooks and the simulated vendor of the same document, met on one log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dispatcher.config.file import Config, parse
from dispatcher.core.lane.answers.verdict import Verdict
from dispatcher.drivers.http.driver import HttpDriver, query_balance
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.vendors.seam.vendor import Balance, HttpVendor, Message
from loadtest.sim.process import SimClient, spawn
from producers.webhooks.server import Webhooks, serve_webhooks
from schemas.codec import decode
from schemas.records import Reports
from schemas.topics import DEAD, INBOUND, REPORTS, lane_partition
from tests.waiting import patience

AT_ONCE = {"report_delay_min_s": 0.0, "report_delay_mean_s": 0.0, "report_delay_max_s": 0.1}
Row = tuple[str, int, int, str, int]


class Meeting(msgspec.Struct):
    """`sim` is the vendor; `account` ours at it; what it pushes goes through `webhooks` into `log`."""

    sim: SimClient
    account: HttpVendor
    webhooks: Webhooks
    log: Log
    defaults: dict[str, Any]

    async def configure(self, **switches: Any) -> None:
        """Set switches of the vendor."""
        await asyncio.to_thread(partial(self.sim.configure, **switches))

    async def restore(self, *switches: str) -> None:
        """Set these switches back, and take all rules away."""
        await self.configure(rule=[], **{name: self.defaults[name] for name in switches})

    async def submit(
        self, text: str = "hi", chunk: bytes = b"13800138000", options: Mapping[str, str] | None = None, **keys: Any
    ) -> Verdict:
        """One request, and what we made of its answer."""
        account = msgspec.structs.replace(self.account, **keys)
        driver = HttpDriver(account, "spring")
        prepared = account.prepare(Message(text=text, options=options or {}))
        sent = await driver.submit(prepared, memoryview(chunk), chunk.count(b",") + 1)
        await driver.close()
        return sent.verdict

    async def balance(self, **keys: Any) -> Balance:
        """What the vendor says is left."""
        balance = await query_balance(msgspec.structs.replace(self.account, **keys), "spring")
        assert balance is not None
        return balance

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the webhooks count."""
        async with patience():
            while not condition():
                await asyncio.sleep(0.02)

    async def records(self, topic: str) -> list[Any]:
        """Everything the webhooks have written there."""
        return [decode(record.value) for record in await self.log.read(topic, lane_partition("spring"), 0)]

    async def reports(self) -> list[Row]:
        """All reports as (vendor id, number, state, code, time)."""
        found: list[Row] = []
        for reports in await self.records(REPORTS.name):
            assert isinstance(reports, Reports)
            ids = [reports.ids[at] for at in np.frombuffer(reports.id_index, "<u4")]
            codes = [reports.codes[at] for at in np.frombuffer(reports.code_index, "<u2")]
            numbers, times = np.frombuffer(reports.numbers, "<i8"), np.frombuffer(reports.times, "<u4")
            found += zip(ids, numbers.tolist(), list(reports.states), codes, times.tolist(), strict=True)
        return found

    async def inbound(self) -> list[Any]:
        """All messages from phones."""
        return await self.records(INBOUND.name)

    async def dead(self) -> list[Any]:
        """All dead letters."""
        return await self.records(DEAD.name)


@asynccontextmanager
async def meeting(folder: Path, account: Mapping[str, Any], sim: Mapping[str, Any]) -> AsyncIterator[Meeting]:
    """The account `spring` with these keys (push_key among them), and a simulator with this configuration."""
    log = await open_log(f"sqlite:{folder / 'log.db'}")
    webhooks = await serve_webhooks(_config(account, "http://127.0.0.1:1"), log)
    urls = {
        f"{kind}_url": f"{webhooks.url}/push/spring/{kind}?key={account['push_key']}" for kind in ("report", "inbound")
    }
    try:
        with spawn({**sim, "account": {"spring": {**sim.get("account", {}), **urls}}}) as client:
            described = await asyncio.to_thread(client.describe)
            defaults = {row["name"]: row["default"] for row in described["switches"]}
            yield Meeting(client, _config(account, client.url).http_account("spring"), webhooks, log, defaults)
    finally:
        await webhooks.close()
        await log.close()


def _config(account: Mapping[str, Any], url: str) -> Config:
    return parse(
        {"web": {"listen": "127.0.0.1:0"}, "account": {"spring": {**account, "url": url}}},
        "dispatcher.toml",
    )
