"""A campaign over CMPP in one process: launched, sent, reported, joined; its export and the gateway's ledger agree."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from consumers.lanes.role import run_lanes
from consumers.results.role import run_joiner
from dispatcher.config.file import Config, parse
from dispatcher.core.results.equation import Counts
from dispatcher.drivers.link.driver import LinkDriver
from dispatcher.errors import UserError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.results import write_results
from dispatcher.service.campaigns.views import view_of
from dispatcher.service.session import Session
from dispatcher.service.streams import StreamMessage, StreamRequest, append_messages, open_stream
from dispatcher.service.vendor_requests.gateway_totals import gateway_totals
from producers.launch.api import launch
from tests.always import ALWAYS
from tests.loadtest.sim.cmpp.cmpp_kit import NOW, Ismg, ismg
from tests.waiting import PATIENCE_S

FIRST = 13_800_200_000
LONG = "【商店】" + "测" * 80


def config(folder: Path, gateway: Ismg, **keys: Any) -> Config:
    account = {
        "vendor": "cmpp",
        "url": f"cmpp://{gateway.sim.wire_address}",
        "sp_id": "901234",
        "secret": "sim-secret",
        "src_id": "1069",
        "service_id": "SVC",
    }
    return parse(
        {
            "log": {"url": f"sqlite:{folder / 'log.db'}"},
            "store": {"url": f"sqlite:{folder / 'results.db'}"},
            "account": {"polar": account | keys},
        }
        | ALWAYS,
        "dispatcher.toml",
    )


class World:
    """A gateway, a log with a running lane and joiner, and a session to launch and look with."""

    def __init__(self, settings: Config, gateway: Ismg, log: Log) -> None:
        self.settings = settings
        self.gateway = gateway
        self.session = Session(settings, log)
        self._log = log
        self._stop = asyncio.Event()
        self._works = [asyncio.create_task(run_joiner(settings, log, self._stop))]

    async def launch(self, count: int, text: str = "【商店】hi", **keys: Any) -> None:
        """Launch the campaign `may`."""
        numbers = range(FIRST, FIRST + count)
        await launch(self.session, LaunchRequest(numbers=numbers, text=text, route=["polar"], id="may", **keys))

    async def until(self, condition: Callable[[Counts], bool]) -> Counts:
        """Wait until the campaign's figures are so."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(UserError):  # the joiner has not read the launch yet
                    counts = (await view_of(self.session, "may")).counts
                    if condition(counts):
                        return counts
                await asyncio.sleep(0.05)

    async def until_settled(self) -> Counts:
        """Wait until no recipient is queued, under way or without a report."""
        return await self.until(lambda it: it.delivered + it.failed + it.unknown == it.recipients > 0)

    async def run_lanes(self) -> None:
        """The lanes in this process, until the end."""
        await run_lanes(self.settings, self._log, self._stop)

    def lanes(self) -> None:
        """Start them beside the rest."""
        self._works.append(asyncio.create_task(self.run_lanes()))

    async def end(self) -> None:
        """Stop what was started."""
        self._stop.set()
        await asyncio.gather(*self._works)
        await self._log.close()


@asynccontextmanager
async def world(folder: Path, switches: dict[str, Any], *, lanes: bool = True, **keys: Any) -> AsyncIterator[World]:
    async with ismg(**switches) as gateway:
        settings = config(folder, gateway, **keys)
        made = World(settings, gateway, await open_log(settings.log.url))
        if lanes:
            made.lanes()
        try:
            yield made
        finally:
            await made.end()


CASES = [
    ("short", "【商店】hi", {}, 1),
    ("long", LONG, {"connections": 2}, 2),
]


@pytest.mark.parametrize(("text", "keys", "parts"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
async def test_every_recipient_ends_as_the_gateways_ledger_says(tmp_path, text, keys, parts):
    switches = NOW | {"status_mix": {"DELIVRD": 0.7, "UNDELIV": 0.3}, "accepted_first": "on"}
    async with world(tmp_path, switches, **keys) as it:
        await it.launch(600, text)
        counts = await it.until_settled()
        ledger = it.gateway.sim.rows()
        assert ledger.height == 600 * parts
        failed = ledger.filter(ledger["status"] != "DELIVRD")["number"].n_unique()
        assert (counts.delivered, counts.failed, counts.unknown) == (600 - failed, failed, 0)


async def test_the_messages_of_a_stream_are_reported_each_by_itself_though_they_go_to_one_number(tmp_path):
    async with world(tmp_path, NOW | {"status_mix": {"DELIVRD": 1.0}}) as it:
        await open_stream(it.session, StreamRequest(id="may", route=["polar"], campaign_class="code"))
        for at in range(4):
            several = [
                StreamMessage(number=str(FIRST + at // 2), key=f"{at} {each}", text=f"{at} {each} {'测' * 80 * each}")
                for each in range(3)
            ]
            await append_messages(it.session, "may", [*several, several[0]])
        again = await append_messages(Session(it.settings, it._log), "may", several)
        assert [each.result for each in again] == ["already there"] * 3
        await it.until(lambda each: each.delivered == each.rows == 12)
        sent = it.gateway.sim.rows()
        assert sent["number"].n_unique() == 2
        assert sent.height == 4 * (1 + 2 + 3)


async def test_throttled_and_refused_recipients_end_right_and_nobody_is_texted_twice(tmp_path):
    rules = [{"code": 8, "p": 0.1, "count": 20}, {"code": 6, "number": str(FIRST + 7)}]
    switches = NOW | {"status_mix": {"DELIVRD": 1.0}, "rule": rules}
    async with world(tmp_path, switches, flow={"limit": 2_000, "unit": "parts"}) as it:
        await it.launch(300)
        counts = await it.until_settled()
        assert (counts.delivered, counts.failed, counts.unknown) == (299, 1, 0)
        taken = it.gateway.sim.rows().filter(it.gateway.sim.rows()["accepted"])
        assert taken["number"].n_unique() == taken.height == 299
        assert (await it.gateway.account())["windows_over_limit"] == 0


@pytest.mark.parametrize(("text", "parts"), [("【商店】hi", 1), (LONG, 2)], ids=["short", "long"])
async def test_without_reports_one_submit_has_many_numbers_and_the_export_has_its_id_for_each(tmp_path, text, parts):
    rules = [{"code": 9, "number": str(FIRST + 7)}, {"code": 8, "count": 2}]
    keys: dict[str, Any] = {"registered_delivery": 0, "flow": {"limit": 5_000, "unit": "parts"}}
    async with world(tmp_path, NOW | {"rule": rules}, **keys) as it:
        await it.launch(400, text)
        counts = await it.until(lambda each: each.accepted + each.failed == 400)
        assert counts.failed == 1
        taken = it.gateway.sim.rows().filter(it.gateway.sim.rows()["accepted"])
        assert taken["number"].n_unique() * parts == taken.height == 399 * parts
        totals = await gateway_totals(it.session, "polar")
        assert (totals.gateway.recipients, totals.agree) == (399 * parts, True)
        assert totals.gateway.messages < 40 * parts
        assert (await it.gateway.account())["windows_over_limit"] == 0
        out = io.BytesIO()
        view = await view_of(it.session, "may")
        await asyncio.to_thread(write_results, it.session.places, view, out, "ndjson")
        ids = {str(row["number"]): row["vendor_id"] for row in map(json.loads, out.getvalue().splitlines())}
        ledger: dict[str, str] = {}
        for number, msg_id in taken.sort("part").select("number", "msg_id").iter_rows():
            ledger[number] = f"{ledger.get(number, '')} {int(msg_id, 16)}".strip()
        assert {number: found for number, found in ids.items() if found} == ledger


async def test_a_broken_link_leaves_at_most_a_window_unknown(tmp_path):
    async with world(tmp_path, {"status_mix": {"DELIVRD": 1.0}, "report_loss": 0.0} | NOW) as it:
        it.gateway.sim.configure(no_answer="submit_only")
        await it.launch(300)
        await it.gateway.figure("submits", 16)
        it.gateway.sim.configure(no_answer="off", report_loss=1.0)
        for session in list(it.gateway.sim.gateway.sessions):
            session.reset()
        counts = await it.until(lambda each: each.unknown + each.accepted + each.delivered == 300)
        assert counts.unknown <= 16
        assert it.gateway.sim.rows()["number"].n_unique() == it.gateway.sim.rows().height == 300


async def test_after_a_kill_at_most_a_window_is_unknown_and_the_rest_is_sent(tmp_path):
    switches = {"status_mix": {"DELIVRD": 1.0}, "report_loss": 1.0, "no_answer": "submit_only"}
    async with world(tmp_path, switches, lanes=False) as it:
        await it.launch(1_200)
        (tmp_path / "dispatcher.toml").write_text(
            f'[log]\nurl = "{it.settings.log.url}"\n[store]\nurl = "{it.settings.store.url}"\n[account.polar]\n'
            f'vendor = "cmpp"\nurl = "cmpp://{it.gateway.sim.wire_address}"\nsp_id = "901234"\n'
            'secret = "sim-secret"\nsrc_id = "1069"\nservice_id = "SVC"\n',
            "utf-8",
        )
        command = "from dispatcher.cli import main; main()"
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", command, "run", "--role", "lanes", "--config", str(tmp_path / "dispatcher.toml")),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await it.gateway.figure("submits", 16)
        child.kill()
        await child.wait()
        it.gateway.sim.configure(no_answer="off")
        it.lanes()
        counts = await it.until(lambda each: each.unknown + each.accepted == 1_200)
        assert counts.unknown == 16
        rows = it.gateway.sim.rows()
        assert rows["number"].n_unique() == rows.height == 1_200
        assert len(list((tmp_path / "write-marks").iterdir())) == 1, "that of the living"


async def test_a_mistake_in_a_driver_ends_the_lane_with_its_error_instead_of_leaving_the_chunk_in_flight(
    tmp_path, monkeypatch
):
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(LinkDriver, "send", broken)
    async with world(tmp_path, NOW, lanes=False) as it:
        await it.launch(10)
        with pytest.raises(ZeroDivisionError, match="a mistake"):
            await it.run_lanes()
