"""Streams with real lanes against a simulated vendor: each message once, in its time, with its own text."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from consumers.lanes.role import run_lanes
from dispatcher.clock import now_ms
from dispatcher.config.file import Config, parse
from dispatcher.core.schedule.holds import Hold
from dispatcher.core.streams import keys
from dispatcher.errors import UserError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log
from dispatcher.service.campaigns.follow_ups import FollowUpRequest
from dispatcher.service.campaigns.orders.control import budget_campaign, close_campaign, control_campaign
from dispatcher.service.campaigns.results import write_results
from dispatcher.service.campaigns.views import show_campaign
from dispatcher.service.lookup import look_up
from dispatcher.service.reports.spend import SpendWanted, report_spend
from dispatcher.service.session import Session
from dispatcher.service.streams import (
    Appending,
    StreamMessage,
    StreamRequest,
    append_messages,
    close_stream,
    open_stream,
)
from dispatcher.store.views import CampaignView
from loadtest.sim.process import spawn
from producers.segments.follow_up import follow_up
from tests.always import ALWAYS
from tests.waiting import patience

FIRST = 13_800_200_000
TEXT = "【Shop】Your code is {code}"


def config(folder: Path, url: str, **account: Any) -> Config:
    return parse(
        {
            "log": {"url": f"sqlite:{folder / 'log.db'}"},
            "store": {"url": f"sqlite:{folder / 'results.db'}"},
            "account": {"spring": {"vendor": "batch-b", "url": url, "account": "spring", "pswd": "secret", **account}},
        }
        | ALWAYS,
        "dispatcher.toml",
    )


def message(index: int, **keys: Any) -> StreamMessage:
    return StreamMessage(number=str(FIRST + index), key=f"k{index}", values={"code": f"{index:04}"}, **keys)


async def shown(settings: Config, log: Log) -> CampaignView:
    session = Session(settings, log)
    view = await session.read(lambda reader: reader.campaign("codes"))
    await session.close()
    assert view is not None
    return view


async def test_a_key_that_another_number_has_is_refused_and_a_repeat_is_there_already(tmp_path: Path) -> None:
    settings = config(tmp_path, "http://127.0.0.1:9")
    log = await open_log(settings.log.url)
    session = Session(settings, log)
    await open_stream(session, StreamRequest(id="codes", text=TEXT, route=["spring"], campaign_class="code"))
    others = replace(message(0), number=str(FIRST + 1))
    together = await append_messages(session, "codes", [message(0), others, message(0)])
    assert [each.result for each in together] == ["taken", "refused", "already there"]
    assert together[1].why == "its key is that of a message to another number: give it its own"
    later = await append_messages(session, "codes", [others])
    assert later == [together[1]]
    await session.close()
    await log.close()


async def append_again(log: Log, taken: Appending) -> None:
    """The record of this message once more."""
    stored = await log.fetch("jobs", taken.partition, taken.offset)
    await log.append("jobs", taken.partition, [Entry(stored.key, stored.value)])


async def test_a_session_after_a_restart_answers_a_repeated_key_as_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the lane's checkpoint has the key in a page, behind its pages, or not at all yet."""
    monkeypatch.setattr(keys, "PAGE", 4)
    with spawn({"vendor": "batch-b", "account": {"spring": {"flow": {"limit": 1_000}}}}) as sim:
        settings = config(tmp_path, sim.url)
        log = await open_log(settings.log.url)
        session = Session(settings, log)
        await open_stream(session, StreamRequest(id="codes", text=TEXT, route=["spring"], campaign_class="code"))
        stop = asyncio.Event()
        lanes = asyncio.create_task(run_lanes(settings, log, stop))
        try:
            first = [(await append_messages(session, "codes", [message(index)]))[0] for index in range(6)]
            async with patience():
                while (await shown(settings, log)).counts.accepted < 6:
                    await asyncio.sleep(0.05)
        finally:
            stop.set()
            await lanes
        first += await append_messages(session, "codes", [message(6), message(7)])
        end = await log.end("jobs", first[0].partition)
        restarted = Session(settings, log)
        again = await append_messages(restarted, "codes", [message(index) for index in range(8)])
        assert again == [replace(each, result="already there") for each in first]
        others = [replace(message(index), number=str(FIRST + 99)) for index in (0, 5, 7)]
        assert {each.result for each in await append_messages(restarted, "codes", others)} == {"refused"}
        assert await log.end("jobs", first[0].partition) == end
        forgotten = Session(settings, log)
        monkeypatch.setattr("dispatcher.service.streams.now_ms", lambda: now_ms() + 30 * 86_400_000)
        assert (await append_messages(forgotten, "codes", [message(0)]))[0].result == "taken"
        for each in (session, restarted, forgotten):
            await each.close()
        await log.close()


async def test_a_stream_with_a_budget_sends_what_it_pays_and_the_rest_when_it_is_raised(tmp_path: Path) -> None:
    with spawn({"vendor": "batch-b", "account": {"spring": {"flow": {"limit": 1_000}}}}) as sim:
        settings = config(tmp_path, sim.url, price={"default": "0.045"})
        log = await open_log(settings.log.url)
        session = Session(settings, log)
        await open_stream(session, StreamRequest(id="codes", text=TEXT, route=["spring"], budget="0.2"))
        stop = asyncio.Event()
        lanes = asyncio.create_task(run_lanes(settings, log, stop))
        try:
            long = replace(message(0), values={"code": "7" * 70})  # two parts
            over = replace(message(4), expires_after_s=0.2)
            await append_messages(session, "codes", [long, message(1), message(2), over, message(3)])
            async with patience():
                while (view := await shown(settings, log)).counts.accepted < 3 or not view.counts.failed:
                    await asyncio.sleep(0.05)
            assert view.held == Hold("budget")
            assert view.counts.line() == "5 rows = 1 queued + 3 accepted + 1 failed"
            await budget_campaign(session, "codes", "0.225")
            async with patience():
                while (view := await shown(settings, log)).counts.accepted < 4:
                    await asyncio.sleep(0.05)
            assert view.counts.line() == "5 rows = 4 accepted + 1 failed"
        finally:
            stop.set()
            await lanes
        spent = (await report_spend(session, SpendWanted(since_ms=0, until_ms=now_ms() + 1))).total
        assert (spent.parts, spent.cost_micro_yuan) == (5, 225_000)
        assert len(await asyncio.to_thread(sim.rows)) == 4
        await session.close()
        await log.close()


async def test_each_message_is_sent_once_with_its_own_text_and_the_equation_holds_by_day(tmp_path: Path) -> None:
    with spawn({"vendor": "batch-b", "account": {"spring": {"flow": {"limit": 1_000}}}}) as sim:
        settings = config(tmp_path, sim.url)
        log = await open_log(settings.log.url)
        one, other = Session(settings, log), Session(settings, log)
        request = StreamRequest(id="codes", text=TEXT, route=["spring"], campaign_class="code")
        assert (await open_stream(one, request)).opened
        assert not (await open_stream(other, request)).opened
        stop = asyncio.Event()
        lanes = asyncio.create_task(run_lanes(settings, log, stop))
        try:
            first = await append_messages(one, "codes", [message(index) for index in range(5)])
            assert [each.result for each in first] == ["taken"] * 5
            again = await append_messages(one, "codes", [message(0), message(9, expires_ms=now_ms() - 1)])
            assert [each.result for each in again] == ["already there", "refused"]
            others = replace(message(3), number=str(FIRST + 1))
            repeated = await append_messages(other, "codes", [message(0), message(5), others, message(3)])
            assert [each.result for each in repeated] == ["already there", "taken", "refused", "already there"]
            assert [replace(each, result="taken") for each in repeated[::3]] == [first[0], first[3]]
            await append_again(log, first[0])  # as an append that timed out and was written all the same
            async with patience():
                while (view := await shown(settings, log)).counts.open > 6 or view.counts.duplicate < 5:
                    await asyncio.sleep(0.05)
                while (await shown(settings, log)).counts.accepted < 6:
                    await asyncio.sleep(0.05)
        finally:
            stop.set()
            await lanes
        rows = await asyncio.to_thread(sim.rows)
        assert sorted(zip(rows["number"].to_list(), rows["text"].to_list(), strict=True)) == [
            (str(FIRST + index), TEXT.format(code=f"{index:04}")) for index in range(6)
        ]
        view = await shown(settings, log)
        assert view.counts.line() == "11 rows = 5 duplicate + 6 accepted"
        assert view.status == "open"
        assert view.stream is not None
        assert [day.counts for day in view.stream.days] == [view.counts]
        with (tmp_path / "out.ndjson").open("wb") as out:
            await asyncio.to_thread(write_results, settings, view, out, "ndjson", texts=True)
        told = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text("utf-8").splitlines()]
        assert [(each["state"], each["text"]) for each in told] == [
            *(("accepted", TEXT.format(code=f"{index:04}")) for index in range(6)),
            *(("duplicate", TEXT.format(code=f"{index:04}")) for index in range(5)),
        ]
        assert [each.state for each in (await look_up(one, str(FIRST))).campaigns] == ["accepted", "duplicate"]
        assert (await control_campaign(one, "codes", "pause")).changed
        assert (await control_campaign(one, "codes", "resume")).changed
        with pytest.raises(UserError, match="stream close codes"):
            await close_campaign(one, "codes")
        with pytest.raises(UserError, match="is a stream"):
            await follow_up(one, FollowUpRequest(campaign="codes", to=["failed"]))
        assert (await show_campaign(one, "codes")).status == "open"
        spent = (await report_spend(one, SpendWanted(since_ms=0, until_ms=now_ms() + 1))).total
        assert (spent.recipients, spent.parts) == (6, 6)
        assert (await close_stream(one, "codes", by="ann")).changed
        with pytest.raises(UserError, match="closed"):
            await append_messages(other, "codes", [message(7)])
        await one.close()
        await other.close()
        await log.close()
