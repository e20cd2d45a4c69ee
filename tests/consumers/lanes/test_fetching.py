"""Polling: pages are durable before the next is asked, the interval is kept, a refused login is tried once.

Time is virtual: sleeping takes none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.lanes.balance_poll import poll_balance
from consumers.lanes.fetching import JITTER, SLOWER_MAX, Poller, PollInterval
from consumers.lanes.query_lock import QueryLock
from dispatcher import clock
from dispatcher.accounts import ask_book as balance_book
from dispatcher.accounts.ask_book import BalanceBook
from dispatcher.accounts.poll_times import POLL_TIMES
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.account_states import AccountState
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.lane.owner import Owner, OwnerSettings
from dispatcher.core.lane.spec import LaneSpec
from dispatcher.core.lane.state import LaneState
from dispatcher.errors import LogDamaged, LogTimeout, LogUnavailable
from dispatcher.log.port import Log
from dispatcher.vendors.batch.edition_a import BatchA
from dispatcher.vendors.seam.vendor import Balance, Poll, PolledPage, ReportRow, Secret
from schemas.codec import decode
from schemas.records import Checked, Dead, Inbound, Reports
from schemas.topics import DEAD, INBOUND, REPORTS, lane_partition
from tests import memory_log
from tests.virtual_time import CLOCK, TimedLog, now_s, virtually

INTERVAL_S = 30.0
NO = Verdict(kind=Kind.AUTH, code="203")
TOO_FAST = Verdict(kind=Kind.THROTTLED, code="502")


@pytest.fixture(autouse=True)
def _virtual(monkeypatch):
    for module in (clock, balance_book, memory_log):
        monkeypatch.setattr(module, "time", CLOCK)
    monkeypatch.setattr("random.random", lambda: 0.0)


class Account(BatchA, frozen=True, kw_only=True, tag="polled"):
    """An account as polls see it."""

    locks_out: ClassVar[bool] = True


VENDOR = Account(url="http://127.0.0.1:1", account="demo", pswd=Secret("geheim"), balance_interval_s=10.0)


def page(*ids: str, **more: Any) -> PolledPage:
    return PolledPage(reports=[ReportRow(vendor_id, 0, 1, "0", 0) for vendor_id in ids], **more)


class Scripted:
    """A driver that answers with these pages, then with empty ones; it says when it was asked, and by whom."""

    def __init__(self, *pages: PolledPage | Verdict, takes_s: float = 0.5, balance: Balance | None = None) -> None:
        self.pages = list(pages)
        self.takes_s = takes_s
        self.says = balance or Balance(messages=100.0)
        self.asked_s: list[float] = []
        self.at_once = self.at_once_max = 0

    async def query(self, flow: Any, *, before_write: Callable[[], bool] | None = None) -> Any:
        return await self._answer(self.pages.pop(0) if self.pages else PolledPage())

    async def balance(self, *, before_write: Callable[[], bool] | None = None) -> Balance | None:
        assert before_write is not None
        assert before_write()
        return cast("Balance", await self._answer(self.says))

    async def _answer(self, answer: object) -> object:
        self.asked_s.append(now_s())
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        await asyncio.sleep(self.takes_s)
        self.at_once -= 1
        return answer

    async def submit(self, *arguments: Any, **keys: Any) -> Any:
        raise AssertionError("nothing is sent here")


class Scene:
    """One account's lane, its turns, and a log."""

    def __init__(self, *, locks_out: bool = True) -> None:
        self.log = TimedLog()
        spec = LaneSpec(account="spring", numbers_max=10, locks_out=locks_out)
        self.owner = Owner(OwnerSettings(partition=0, owner="me"), [spec], LaneState(), Campaigns(), 0.0)
        self.lane = self.owner.lanes["spring"]
        self.queries = QueryLock(self.owner, "spring", asyncio.Event())
        self.tasks: list[asyncio.Task[None]] = []

    def poll(
        self, driver: Scripted, name: Any = "report", interval_s: float = INTERVAL_S, *, at_once: bool = True
    ) -> asyncio.Task[None]:
        poll = Poll(name=name, interval_s=interval_s, flow=cast("Any", lambda _: None), at_once=at_once)
        poller = Poller(cast("Log", self.log), VENDOR, poll, cast("Any", driver), self.queries, 20.0)
        self.tasks.append(asyncio.create_task(poller.run()))
        return self.tasks[-1]

    def ask_balance(self, driver: Scripted) -> None:
        book = BalanceBook(cast("Log", self.log), {"spring": VENDOR}, "the lane")
        asking = poll_balance(self.owner, cast("Any", driver), self.queries, book, 10.0)
        self.tasks.append(asyncio.create_task(asking))

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def records(self, topic: Any) -> list[Any]:
        return [decode(stored.value) for stored in self.log.records[topic.name, lane_partition("spring")]]

    def ids(self) -> list[str]:
        return [vendor_id for record in self.records(REPORTS) for vendor_id in cast("Reports", record).ids]


def test_a_new_owner_waits_a_whole_interval_and_every_answer_is_followed_by_one():
    async def scene() -> None:
        at, driver = Scene(), Scripted()
        at.poll(driver)
        await asyncio.sleep(100.0)
        await at.end()
        assert driver.asked_s == [30.0, 60.5, 91.0]

    virtually(scene())


def test_a_running_poll_has_the_age_of_its_last_answer_that_was_no_refusal():
    async def scene() -> None:
        at, driver = Scene(), Scripted(TOO_FAST, page("1"))
        at.poll(driver)
        await asyncio.sleep(35.5)
        assert POLL_TIMES.ages_s(clock.now_ms()) == {("spring", "report"): 35.5}
        await asyncio.sleep(60.5)
        assert POLL_TIMES.ages_s(clock.now_ms()) == {("spring", "report"): 5.0}
        await at.end()
        assert driver.asked_s == [30.0, 90.5]
        assert POLL_TIMES.ages_s(clock.now_ms()) == {}

    virtually(scene())


def test_the_page_behind_a_full_one_waits_for_the_interval_too():
    async def scene() -> None:
        at, driver = Scene(), Scripted(page("1", more=True), page("2", more=True), page("3"))
        at.poll(driver, at_once=False)
        await asyncio.sleep(140.0)
        await at.end()
        assert driver.asked_s == [30.0, 60.5, 91.0, 121.5]
        assert at.ids() == ["1", "2", "3"]

    virtually(scene())


def test_where_the_vendor_allows_it_a_full_page_has_the_next_asked_for_at_once_and_each_is_durable_before():
    async def scene() -> None:
        at, seen = Scene(), list[list[str]]()

        class Watching(Scripted):
            async def query(self, flow: Any, **keys: Any) -> Any:
                seen.append(at.ids())
                return await super().query(flow, **keys)

        driver = Watching(page("1", more=True), page("2", more=True), page("3"))
        at.poll(driver)
        await asyncio.sleep(40.0)
        await at.end()
        assert driver.asked_s == [30.0, 30.5, 31.0]
        assert seen == [[], ["1"], ["1", "2"]]
        assert at.ids() == ["1", "2", "3"]

    virtually(scene())


def test_a_vendor_that_calls_the_next_page_too_fast_is_asked_once_an_interval_from_then_on():
    async def scene() -> None:
        at = Scene()
        driver = Scripted(page("1", more=True), TOO_FAST, page("2", more=True), page("3", more=True), page("4"))
        at.poll(driver)
        await asyncio.sleep(190.0)
        await at.end()
        assert driver.asked_s[:5] == [30.0, 30.5, 91.0, 121.5, 152.0], "the refusal doubled one pause"
        assert at.ids() == ["1", "2", "3", "4"]

    virtually(scene())


def test_too_fast_doubles_the_pause_up_to_a_limit_until_a_page_comes():
    pace = PollInterval(INTERVAL_S)
    pauses = []
    for _ in range(6):
        pace.heard(PolledPage(verdict=TOO_FAST), follows=False)
        pauses.append(pace.pause_s(0.0))
    assert pauses == [60.0, 120.0, 240.0, 480.0, 480.0, 480.0]
    assert pauses[-1] == INTERVAL_S * SLOWER_MAX
    pace.heard(page("1"), follows=False)
    assert pace.pause_s(0.0) == INTERVAL_S


@given(chance=st.floats(0.0, 1.0, exclude_max=True), too_fast=st.integers(0, 100))
def test_the_jitter_only_ever_lengthens_a_pause(chance, too_fast):
    times = min(2**too_fast, SLOWER_MAX)
    pause_s = PollInterval(INTERVAL_S, too_fast).pause_s(chance)
    assert INTERVAL_S * times <= pause_s <= INTERVAL_S * times * (1 + JITTER)


@pytest.mark.parametrize("error", [LogUnavailable("away"), LogTimeout("perhaps")])
def test_a_page_that_the_log_does_not_take_now_is_kept_and_nothing_is_asked_meanwhile(error):
    async def scene() -> None:
        at, driver = Scene(), Scripted(page("1", more=True), page("2"))
        at.log.failures.extend([(error, False)] * 4)
        at.poll(driver)
        await asyncio.sleep(55.0)
        await at.end()
        assert driver.asked_s == [30.0, 30.5 + 1 + 2 + 4 + 8]
        assert at.ids() == ["1", "2"]

    virtually(scene())


def test_a_log_that_never_will_take_it_ends_the_lane():
    async def scene() -> None:
        at = Scene()
        at.log.failures.append((LogDamaged("gone"), False))
        polling = at.poll(Scripted(page("1")))
        await asyncio.sleep(40.0)
        with pytest.raises(LogDamaged):
            polling.result()

    virtually(scene())


def test_a_page_under_way_is_taken_though_we_are_told_to_stop():
    async def scene() -> None:
        at = Scene()
        at.poll(Scripted(page("1"), takes_s=5.0))
        await asyncio.sleep(31.0)
        await at.end()
        assert now_s() == 35.0
        assert at.ids() == ["1"]

    virtually(scene())


def test_a_query_that_waits_for_its_turn_ends_at_once_at_a_stop():
    async def scene() -> None:
        at, driver = Scene(), Scripted(takes_s=5.0)
        at.poll(driver)
        at.poll(driver, "inbound")
        await asyncio.sleep(31.0)
        at.tasks[1].cancel()
        await asyncio.wait({at.tasks[1]})
        assert now_s() == 31.0
        await at.end()
        assert len(driver.asked_s) == 1

    virtually(scene())


def test_an_account_is_asked_one_thing_at_a_time():
    async def scene() -> None:
        at, driver = Scene(), Scripted(takes_s=4.0)
        at.poll(driver, "report", 5.0)
        at.poll(driver, "inbound", 5.0)
        at.ask_balance(driver)
        await asyncio.sleep(300.0)
        await at.end()
        assert len(driver.asked_s) > 20
        assert driver.at_once_max == 1

    virtually(scene())


def test_a_wrong_password_is_tried_once_by_all_of_them_together_until_the_account_was_checked():
    async def scene() -> None:
        at = Scene()
        driver = Scripted(
            PolledPage(verdict=NO), NO, PolledPage(verdict=NO), balance=Balance(messages=None, verdict=NO)
        )
        at.poll(driver, "report", 30.0)
        at.poll(driver, "inbound", 10.0)
        at.ask_balance(driver)
        await asyncio.sleep(2_000.0)
        assert len(driver.asked_s) == 1
        assert at.lane.standing.state is AccountState.STOPPED_LOGIN
        driver.pages.clear()
        driver.says = Balance(messages=5.0)
        at.owner.inbox_read(0, Checked(account="spring", at_ms=0, by="ann"), 2_000.0, 0)
        await asyncio.sleep(60.0)
        assert len(driver.asked_s) > 3
        await at.end()

    virtually(scene())


def test_before_a_first_login_was_let_in_nothing_is_asked_beside_a_request_and_nothing_is_sent_beside_a_query():
    async def scene() -> None:
        at, driver = Scene(), Scripted(takes_s=3.0)
        at.lane.sending[1] = cast("Any", None)
        at.poll(driver, "inbound", 10.0)
        await asyncio.sleep(20.0)
        assert (driver.asked_s, at.lane.requests_max) == ([], 1)
        at.lane.sending.clear()
        await asyncio.sleep(1.0)
        assert (len(driver.asked_s), at.lane.requests_max) == (1, 0)
        await asyncio.sleep(4.0)
        assert at.lane.requests_max == at.lane.spec.inflight_max
        await at.end()

    virtually(scene())


def test_a_vendor_that_locks_nobody_out_is_asked_and_sent_to_side_by_side_from_the_start():
    async def scene() -> None:
        at = Scene(locks_out=False)
        at.lane.sending[1] = cast("Any", None)
        assert at.lane.may_ask
        assert at.lane.requests_max == at.lane.spec.inflight_max

    virtually(scene())


def test_what_cannot_be_read_is_kept_without_our_secrets_and_the_rest_is_taken():
    async def scene() -> None:
        at = Scene()
        told = Inbound(account="", number="13800138000", text="hello", to="1065", at_ms=1, received_ms=2)
        at.poll(Scripted(page("1", inbound=[told], rest=b"junk geheim", count=1, why="no row")))
        await asyncio.sleep(35.0)
        await at.end()
        [dead] = cast("list[Dead]", at.records(DEAD))
        assert (dead.path, dead.why, dead.body) == ("poll report", "no row", b"junk ***")
        [message] = cast("list[Inbound]", at.records(INBOUND))
        assert (message.account, message.text) == ("spring", "hello")
        assert at.ids() == ["1"]

    virtually(scene())


def test_a_vendor_that_serves_the_same_page_for_ever_is_asked_once_an_interval_and_the_log_has_it_once():
    async def scene() -> None:
        at = Scene()
        driver = Scripted(*[page("1", "2", more=True)] * 50)
        at.poll(driver)
        await asyncio.sleep(120.0)
        await at.end()
        assert driver.asked_s == [30.0, 30.5, 31.0, 61.5, 92.0], "twice more at once: it may serve each page twice"
        assert at.ids() == ["1", "2"]

    virtually(scene())


def test_a_vendor_that_serves_each_page_twice_is_emptied_at_once():
    async def scene() -> None:
        at = Scene()
        pages = [page(str(number), more=number < 4) for number in range(5) for _ in range(2)]
        at.poll(Scripted(*pages))
        await asyncio.sleep(40.0)
        await at.end()
        assert at.ids() == ["0", "1", "2", "3", "4"]

    virtually(scene())


def test_a_page_that_the_log_has_not_taken_is_no_repetition():
    async def scene() -> None:
        at = Scene()
        at.log.failures.append((LogUnavailable("away"), False))
        at.poll(Scripted(page("1"), page("1")))
        await asyncio.sleep(100.0)
        await at.end()
        assert at.ids() == ["1"]

    virtually(scene())
