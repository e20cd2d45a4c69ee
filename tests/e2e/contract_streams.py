"""A stream from its first message to its export: repeats, expiry, opt-outs, a pause and a new owner, in one process.

What the vendor's ledger, the equation and the export say of 2,000 messages must be the same.
"""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consumers.lanes.role import run_lanes
from dispatcher.clock import now_ms
from dispatcher.config.file import Config, parse
from dispatcher.core.results.equation import Counts
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry
from dispatcher.service.campaigns.orders.control import control_campaign
from dispatcher.service.session import Session
from dispatcher.service.streams import StreamMessage, StreamRequest, append_messages, open_stream
from dispatcher.service.suppression import change_suppression
from loadtest.sim.process import SpawnedSimulator, spawn
from producers.campaigns.export_service import export_results
from schemas.states import ON_LIST
from tests.always import ALWAYS
from tests.waiting import patience

FIRST = 13_800_200_000
TEXT = "【Shop】Order {order} is ready"
MESSAGES = 2_000
EXPIRED = range(1_100, 1_200)
SUPPRESSED = range(1_300, 1_350)
REPEATED = range(100, 300)
COPIED = 250
"""Messages of an append."""

VENDORS: Mapping[str, Mapping[str, Any]] = {
    "batch-b": {"account": "spring", "pswd": "secret"},
    "cmpp": {"sp_id": "901234", "secret": "sim-secret", "src_id": "1069", "service_id": "SVC"},
}


@contextmanager
def simulated(vendor: str) -> Iterator[tuple[SpawnedSimulator, str]]:
    """The vendor, and the URL of its account."""
    account = {"account": "901234", "pswd": "sim-secret"} if vendor == "cmpp" else {}
    flow = {"flow": {"limit": 5_000}} if vendor != "cmpp" else {}
    with spawn({"vendor": vendor, "enforce": "off", "account": {"spring": account | flow}}) as sim:
        yield sim, f"cmpp://{sim.address}" if vendor == "cmpp" else sim.url


def message(index: int, **keys: Any) -> StreamMessage:
    return StreamMessage(number=str(FIRST + index), key=f"k{index}", values={"order": f"{index:05}"}, **keys)


async def counts_of(session: Session) -> Counts:
    view = await session.read(lambda reader: reader.campaign("orders"))
    assert view is not None
    assert view.stream is not None
    assert sum((day.counts for day in view.stream.days), Counts()) == view.counts
    assert view.counts.adds_up
    return view.counts


@asynccontextmanager
async def owner(settings: Config) -> AsyncIterator[Session]:
    """A process of its own as far as the log knows: lanes, and a session without memory."""
    log = await open_log(settings.log.url)
    session, stop = Session(settings, log), asyncio.Event()
    lanes = asyncio.create_task(run_lanes(settings, log, stop))
    try:
        yield session
    finally:
        stop.set()
        await lanes
        await session.close()
        await log.close()


class StreamContract:
    """Inherited by one class per log, which provides the fixture `log_url`."""

    @pytest.mark.parametrize("vendor", list(VENDORS))
    async def test_ledger_equation_and_export_of_a_stream_agree(
        self, tmp_path: Path, log_url: str, vendor: str
    ) -> None:
        with simulated(vendor) as (sim, url):
            account = {"vendor": vendor, "url": url, **VENDORS[vendor]}
            urls = {"log": {"url": log_url}, "store": {"url": f"sqlite:{tmp_path}/results.db"}}
            settings = parse(urls | {"account": {"spring": account}} | ALWAYS, f"{tmp_path}/dispatcher.toml")
            log = await open_log(log_url)
            first = Session(settings, log)
            await open_stream(first, StreamRequest(id="orders", text=TEXT, route=["spring"]))
            async with owner(settings) as running, patience():
                for begin in range(0, 1_000, COPIED):
                    await append_messages(first, "orders", [message(index) for index in range(begin, begin + COPIED)])
                while (await counts_of(running)).queued:
                    await asyncio.sleep(0.05)
                await control_campaign(first, "orders", "pause")
                soon_ms = now_ms() + 3_000
                later = [message(i, expires_ms=soon_ms if i in EXPIRED else 0) for i in range(1_000, 1_600)]
                assert {each.result for each in await append_messages(first, "orders", later)} == {"taken"}
            opted_out = np.array([FIRST + index for index in SUPPRESSED])
            await change_suppression(first, opted_out, adds=True, source="person", why="asked")
            other = Session(settings, log)  # another process: it reads the keys from the log
            await append_messages(other, "orders", [message(i) for i in range(1_600, MESSAGES)])
            repeated = await append_messages(other, "orders", [message(i) for i in REPEATED])
            assert {each.result for each in repeated} == {"already there"}
            stored = await log.fetch("jobs", repeated[0].partition, repeated[0].offset)
            await log.append("jobs", repeated[0].partition, [Entry(stored.key, stored.value)])  # a late second copy
            while now_ms() <= soon_ms:
                await asyncio.sleep(0.02)
            await control_campaign(other, "orders", "resume")
            async with owner(settings) as running, patience():
                while (counts := await counts_of(running)).queued or counts.in_flight:
                    await asyncio.sleep(0.05)
            sent = set(range(MESSAGES)) - set(EXPIRED) - set(SUPPRESSED)
            counts = await counts_of(first)
            assert (counts.rows, counts.duplicate, counts.suppressed) == (MESSAGES + COPIED, COPIED, 50)
            assert counts.unknown == 0
            assert counts.accepted + counts.delivered + counts.failed == len(sent) + len(EXPIRED)  # some reports fail
            rows = await asyncio.to_thread(sim.rows)
            assert sorted(int(number) for number in rows["number"].to_list()) == [FIRST + i for i in sorted(sent)]
            texts = dict(zip(rows["number"].to_list(), rows["text"].to_list(), strict=True))
            assert all(texts[str(FIRST + index)] == TEXT.format(order=f"{index:05}") for index in sent)
            path = tmp_path / "orders.csv"
            await export_results(first, "orders", str(path), "csv")
            with path.open(newline="", encoding="utf-8-sig") as file:
                exported = list(csv.DictReader(file))
            expired = [row for row in exported if "expired" in row.values()]
            assert sorted(row["number"] for row in expired) == [str(FIRST + index) for index in EXPIRED]
            states = Counter(row["state"] for row in exported)
            assert (states["duplicate"], states["suppressed"], len(exported)) == (COPIED, 50, MESSAGES + COPIED)
            reasons = {row["meaning"] for row in exported if row["state"] == "suppressed"}
            view = await first.read(lambda reader: reader.campaign("orders"))
            assert view is not None
            assert (reasons, view.suppressed_reasons) == ({ON_LIST}, {ON_LIST: 50})
            taken = {"accepted", "delivered", "failed"}
            assert {row["number"] for row in exported if row["state"] in taken and row not in expired} == set(texts)
            await first.close()
            await other.close()
            await log.close()
