"""What keeps an account from sending is told on the log, once, and taken back when it goes on. Time is virtual."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, cast

import pytest

from consumers.lanes.stop_notices import LOOK_EVERY_S, TROUBLES_TOLD, tell_stops
from dispatcher import clock
from dispatcher.accounts.stops import sentence
from dispatcher.campaigns_feed import read_campaigns
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.account import AccountLane, LaneSpec
from dispatcher.errors import LogDamaged, LogUnavailable
from dispatcher.log.port import Log
from dispatcher.vendors.batch.edition_a import BatchA
from schemas.codec import decode
from schemas.records import Stopped
from tests import memory_log
from tests.virtual_time import CLOCK, TimedLog, virtually


@pytest.fixture(autouse=True)
def _virtual(monkeypatch):
    for module in (clock, memory_log):
        monkeypatch.setattr(module, "time", CLOCK)


class Told:
    """A lane whose stops are told, step by step."""

    def __init__(self, campaigns: Campaigns | None = None) -> None:
        self.lane = AccountLane(LaneSpec(account="spring", numbers_max=10), Campaigns(), 0.0)
        self.log = TimedLog()
        self.campaigns = campaigns or Campaigns()

    def after(self, *steps: Callable[[AccountLane], object]) -> list[str]:
        """What the log was told while these happened, three looks apart."""

        async def play() -> None:
            telling = asyncio.create_task(tell_stops(self.lane, cast("Log", self.log), self.campaigns, BatchA.codes))
            for step in steps:
                step(self.lane)
                await asyncio.sleep(3 * LOOK_EVERY_S)
                if telling.done():
                    break
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling

        virtually(play())
        return [record.why for record in self.records()]

    def records(self) -> list[Stopped]:
        found = [decode(stored.value) for stored in self.log.records["campaigns", 0]]
        return [record for record in found if isinstance(record, Stopped)]


def nothing(_: AccountLane) -> None:
    """Time goes by."""


def balance(lane: AccountLane) -> None:
    lane.stop("balance", "the balance covers no further message", 0.0)


def login(lane: AccountLane) -> None:
    lane.stop("auth", "code 102", 0.0)


def go_on(lane: AccountLane) -> None:
    lane.go_on()


def night(lane: AccountLane) -> None:
    lane.closed = True


def troubles(lane: AccountLane) -> None:
    for _ in range(TROUBLES_TOLD):
        lane.trouble(0.0)


def connected(lane: AccountLane) -> None:
    lane.connected()


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ((nothing, nothing), []),
        ((balance, nothing, go_on, nothing), ["balance", ""]),
        ((balance, login, go_on), ["balance", "auth", ""]),
        ((night, nothing), ["hours"]),
        ((night, login), ["hours", "auth"]),
        ((troubles, connected), ["unreachable", ""]),
    ],
)
def test_a_stop_is_told_once_and_taken_back_once(steps: Any, told: list[str]) -> None:
    assert Told().after(*steps) == told


def test_what_a_former_owner_told_is_taken_back_where_nothing_stops_the_account_now() -> None:
    campaigns = Campaigns()
    campaigns.apply(0, Stopped(account="spring", at_ms=1, why="auth", says="102"))
    assert Told(campaigns).after(nothing) == [""]
    assert Told(campaigns).after(login) == []


def test_a_log_that_does_not_take_it_is_asked_again_and_a_broken_one_is_said() -> None:
    told = Told()
    told.log.failures.extend([(LogUnavailable("away"), False)] * 2)
    assert told.after(balance, nothing) == ["balance"]
    told = Told()
    told.log.failures.append((LogDamaged("broken"), False))
    with pytest.raises(LogDamaged):
        told.after(balance)


def test_people_read_of_each_account_what_was_told_last() -> None:
    told = Told()
    told.after(login)
    [stop] = asyncio.run(read_campaigns(cast("Log", told.log))).stopped().values()
    assert 'account "spring" does not send since' in sentence(stop)
    meant = "the vendor answers 102, wrong password (fix pswd); mended? dispatcher account check spring."
    assert meant in sentence(stop)
    told.after(go_on)
    told.campaigns.apply(0, stop)
    told.after(go_on)
    assert asyncio.run(read_campaigns(cast("Log", told.log))).stopped() == {}
