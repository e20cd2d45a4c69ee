"""The client's link and the simulated gateway, which were written apart, on a real socket."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from dispatcher.cmpp.link import Answers, Delivered, Ended, Event, Link, LinkSettings, Reported, State, Unanswered
from dispatcher.cmpp.pdus import Deliver
from dispatcher.cmpp.reports import read_report
from dispatcher.cmpp.submits import SubmitTemplate
from tests.loadtest.sim.cmpp.cmpp_kit import NOW, SECRET, SP_ID, SUBMIT, Ismg, ismg
from tests.waiting import patience

MESSAGES = 200
NUMBERS = [b"%d" % (13_800_000_000 + place) for place in range(MESSAGES)]
TEMPLATE = SubmitTemplate([SUBMIT])
SETTINGS = LinkSettings(sp_id=SP_ID, secret=SECRET)


def reported_id(deliver: Deliver) -> int:
    """The Msg_Id of the message that a report is about."""
    report = read_report(deliver.msg_content)
    assert report is not None
    return report.msg_id


class Driver:
    """Carries octets between a link and a socket; sends NUMBERS as the window allows."""

    def __init__(self, gateway: Ismg, settings: LinkSettings = SETTINGS) -> None:
        self._gateway = gateway
        self.link = Link(settings)
        self.sent = 0
        self.ids: dict[int, int] = {}
        self.unknown: set[int] = set()
        self.reported: set[int] = set()
        self.ends: list[str] = []

    async def run(self, stop_after: int = MESSAGES, reports: int = MESSAGES) -> None:
        """Until so many are answered and reported, then drain; or until the connection ends."""
        reader, writer = await asyncio.open_connection(*self._gateway.sim.address)
        self.link.connected("0131235959", time.monotonic())
        async with patience():
            while self.link.state is not State.ENDED:
                count = min(self.link.room, stop_after - self.sent)
                if count:
                    batch = self.link.prepare(TEMPLATE, NUMBERS[self.sent : self.sent + count], self.sent)
                    self.link.send(batch, count, time.monotonic())
                    self.sent += count
                writer.write(self.link.take_output())
                octets = await reader.read(65536)
                now_s = time.monotonic()
                self.told(self.link.received(octets, now_s) if octets else self.link.lost("closed"))
                if len(self.ids) == stop_after and len(self.reported) >= reports:
                    self.told(self.link.drain(now_s))
        writer.write(self.link.take_output())
        writer.close()

    def told(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Answers(tokens, msg_ids, results):
                    assert not any(results)
                    self.ids.update(zip(tokens, msg_ids, strict=True))
                case Delivered(sequence, deliver):
                    self.reported.add(reported_id(deliver))
                    self.link.acknowledge([sequence], 0, time.monotonic())
                case Reported(sequences):
                    self.reported |= set(map(reported_id, event.delivers()))
                    self.link.acknowledge(sequences, 0, time.monotonic())
                case Unanswered(tokens) | Ended(_, tokens):
                    self.unknown.update(tokens)
                    if isinstance(event, Ended):
                        self.ends.append(event.reason)
                case _:
                    pass


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"answer_order": "shuffled"},
        {"answer_order": "burst", "report_order": "before"},
        {"latency_exp_s": 0.002, "report_order": "same_tcp_segment"},
        {"connect_resp": 33, "ismg_auth": "zeros", "connect_resp_seq": "wrong"},
        {"report_body": 71, "deliver_dup": "same_seq", "active_resp_len": 12},
        {"sequence_start": 0xFFFFFFF0, "prefix": "+86", "msgid": "random"},
    ],
)
async def test_every_message_is_answered_and_reported_within_the_window(switches: dict[str, Any]) -> None:
    async with ismg(**{**NOW, "window_violation": "close", **switches}) as gateway:
        driver = Driver(gateway)
        await driver.run()
        assert driver.ends == [""]
        assert driver.unknown == set()
        assert driver.reported == set(driver.ids.values())
        account = await gateway.account()
        assert (account["numbers_accepted"], account["double_texts"]) == (MESSAGES, 0)
        assert account["outstanding_max"] <= 16
        assert account["violations"].get("window", 0) == 0
        rows = gateway.sim.rows()
        written = dict(zip(rows["number"].to_list(), rows["msg_id"].to_list(), strict=True))
        assert {NUMBERS[place].decode(): f"{msg_id:016X}" for place, msg_id in driver.ids.items()} == written


@pytest.mark.parametrize("fault", ["close", "reset", "half_answer", "length_0", "length_ffffffff"])
async def test_what_a_broken_connection_leaves_unknown_was_taken_or_not_and_is_a_window_at_most(fault: str) -> None:
    async with ismg(**NOW) as gateway:
        gateway.sim.configure(rule=[{"fault": fault, "skip": 100, "count": 1}])
        driver = Driver(gateway)
        try:
            await driver.run()
        except ConnectionError:
            driver.told(driver.link.lost("reset"))
        assert 1 <= len(driver.unknown) <= 16
        assert driver.unknown.isdisjoint(driver.ids)
        assert driver.unknown | set(driver.ids) == set(range(driver.sent))
        rows = gateway.sim.rows()
        taken = {NUMBERS.index(number.encode()) for number in rows.filter(rows["accepted"])["number"].to_list()}
        assert set(driver.ids) <= taken <= set(driver.ids) | driver.unknown


async def test_a_frame_that_is_sent_again_is_no_second_message() -> None:
    async with ismg(no_answer="submit_only", **{**NOW, "report_loss": 1.0}) as gateway:
        settings = msgspec.structs.replace(SETTINGS, timeout_s=10.0)
        driver = Driver(gateway, settings)
        reader, writer = await asyncio.open_connection(*gateway.sim.address)
        driver.link.connected("0131235959", 0.0)
        writer.write(driver.link.take_output())
        driver.told(driver.link.received(await reader.read(65536), 0.0))
        driver.link.send(driver.link.prepare(TEMPLATE, NUMBERS[:3], 0), 3, 0.0)
        writer.write(driver.link.take_output())
        await gateway.figure("numbers_accepted", 3)
        gateway.sim.configure(no_answer="off")
        driver.told(driver.link.tick(10.0))
        writer.write(driver.link.take_output())
        answers = driver.link.received(await reader.read(65536), 11.0)
        [batch] = [event for event in answers if isinstance(event, Answers)]
        assert (set(batch.results), batch.transmissions) == ({3}, 2)
        assert (await gateway.account())["numbers_accepted"] == 3
        writer.close()
