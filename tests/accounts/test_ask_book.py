"""The balance book: however many ask, with whatever clocks, and whoever dies, the vendor's interval is kept.

Time is virtual here: sleeping takes none, and every process has a wall clock of its own that may be wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import random
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import clock
from dispatcher.accounts import ask_book as balance_book
from dispatcher.accounts.ask_book import LEAVE_S_MAX, BalanceBook, HistoryBook, asked, pending, wait_s
from dispatcher.config.file import parse
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.errors import LogDamaged, LogTimeout, LogUnavailable
from dispatcher.log.port import Entry, Log
from dispatcher.vendors.seam.vendor import Balance, History, HistoryRow, HttpVendor, Product, Vendor
from dispatcher.wording import day_of
from schemas.records import BalanceAsked
from schemas.topics import CAMPAIGNS
from tests import memory_log
from tests.virtual_time import CLOCK, EPOCH_S, TimedLog, now_s, skew_s, virtually

ACCOUNT = {
    "vendor": "batch-a",
    "url": "http://127.0.0.1:1",
    "account": "demo",
    "pswd": "secret",
    "balance_interval_s": 10.0,
}
VENDOR = parse({"account": {"spring": ACCOUNT}}, "test").account("spring")
INTERVAL_S = 10.0
NETWORK_S_MAX = 0.15  # less than the margin of 2 %


@pytest.fixture(autouse=True)
def _virtual(monkeypatch):
    monkeypatch.setattr(balance_book, "time", CLOCK)
    monkeypatch.setattr(clock, "time", CLOCK)
    monkeypatch.setattr(memory_log, "time", CLOCK)


def book(log: TimedLog, by: str = "ann", vendors: Mapping[str, Vendor] | None = None) -> BalanceBook:
    return BalanceBook(cast("Log", log), vendors or {"spring": VENDOR}, by)


def answering(messages: float | None = 7.0, **more: Any) -> Any:
    async def query(_may_leave: Callable[[], bool]) -> Balance:
        return Balance(messages=messages, **more)

    return query


async def never(_may_leave: Callable[[], bool]) -> Balance | None:
    raise AssertionError("asked, and it was not time")


# --- the rule --------------------------------------------------------------------------------------------------------

ANSWER = BalanceAsked(account="spring", at_ms=100_000, by="the lane", messages=5.0, says="")
FAILURE = BalanceAsked(account="spring", at_ms=100_000, by="the lane", messages=None, says="102: wrong password")
ASKING = BalanceAsked(account="spring", at_ms=100_000, by="the lane", messages=None, says="")

RULE = [
    # the record, the time, seconds to wait
    ("answered just now", ANSWER, 100_000, 10.2),
    ("answered a while ago", ANSWER, 104_000, 6.2),
    ("the vendor's interval alone is not enough", ANSWER, 110_000, 0.2),
    ("over, with its margin", ANSWER, 110_200, 0.0),
    ("long over", ANSWER, 900_000, 0.0),
    ("a refusal is an answer", FAILURE, 104_000, 6.2),
    ("one under way may still leave", ASKING, 100_000, 15.2),
    ("not answered for long", ASKING, 115_000, 0.2),
    ("never answered", ASKING, 115_200, 0.0),
    ("from a clock ahead of ours", ANSWER, 10_000, 10.2),
]


@pytest.mark.parametrize(("record", "now_ms", "expected"), [row[1:] for row in RULE], ids=[row[0] for row in RULE])
def test_how_long_the_vendor_may_not_be_asked(record, now_ms, expected):
    assert wait_s(record, INTERVAL_S, now_ms) == pytest.approx(expected)


def test_an_ask_under_way_is_told_apart_from_one_that_came_to_nothing():
    assert [pending(record) for record in (ANSWER, FAILURE, ASKING)] == [False, False, True]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "just now"), (119, "119 s ago"), (120, "2 min ago"), (9_000, "2 h ago")]
)
def test_how_old_a_balance_is_is_said_in_words(seconds, words):
    async def said() -> str:
        await asyncio.sleep(seconds)
        return asked(BalanceAsked(account="x", at_ms=int(EPOCH_S * 1000), by="the lane", messages=1.0, says=""))

    assert virtually(said()) == f"{words} by the lane"


# --- one book --------------------------------------------------------------------------------------------------------


def test_an_ask_is_announced_before_it_leaves_and_told_when_it_is_answered():
    async def scene() -> None:
        log = TimedLog()

        async def query(may_leave: Callable[[], bool]) -> Balance:
            assert [pending(record) for record in log.asks()] == [True]
            assert may_leave()
            return Balance(messages=7.0, products=(Product("a", 3.0), Product("b", 4.0)))

        assert await book(log).ask("spring", query) is not None
        announced, told = log.asks()
        assert (announced.by, announced.messages, announced.says) == ("ann", None, "")
        assert (told.by, told.messages, told.says) == ("ann", 7.0, "a 3, b 4")
        assert announced.at_ms == told.at_ms, "one ask"
        day = f"balance!spring!{day_of(told.at_ms)}".encode()
        assert [stored.key for stored in log.records[CAMPAIGNS.name, 0]] == [b"balance!spring", day]

    virtually(scene())


def test_another_process_waits_and_is_told_how_long_and_why():
    async def scene() -> None:
        log, waited = TimedLog(), list[Any]()
        await book(log, "the lane").ask("spring", answering())
        await asyncio.sleep(4.0)
        await book(log, "ann").ask("spring", answering(), lambda wait, because: waited.append((wait, because.by)))
        assert now_s() == pytest.approx(10.2, abs=0.01)
        assert waited == [(pytest.approx(6.2), "the lane")]

    virtually(scene())


def test_another_process_recalls_what_was_said_until_it_may_ask():
    async def scene() -> None:
        log = TimedLog()
        await book(log, "the lane").ask("spring", answering(7.0))
        await asyncio.sleep(9.0)
        found = await book(log).ask_or_recall("spring", never)
        assert isinstance(found, BalanceAsked)
        assert (found.messages, found.by) == (7.0, "the lane")
        await asyncio.sleep(2.0)
        assert await book(log).ask_or_recall("spring", answering(5.0)) == Balance(messages=5.0)

    virtually(scene())


def test_a_recall_during_another_query_waits_for_its_answer():
    async def slow(_may_leave: Callable[[], bool]) -> Balance:
        await asyncio.sleep(1.5)
        return Balance(messages=7.0)

    async def scene() -> None:
        log = TimedLog()
        asking = asyncio.create_task(book(log, "the lane").ask("spring", slow))
        await asyncio.sleep(0.5)
        found = await book(log).ask_or_recall("spring", never)
        assert isinstance(found, BalanceAsked)
        assert found.messages == 7.0
        await asking

    virtually(scene())


def test_an_older_figure_is_recalled_where_the_newest_ask_is_never_answered():
    async def scene() -> None:
        log = TimedLog()
        await book(log).ask("spring", answering(7.0))
        await asyncio.sleep(60.0)
        asking = asyncio.create_task(book(log, "the lane").ask("spring", lambda _: asyncio.sleep(99.0)))
        await asyncio.sleep(1.0)
        asking.cancel()
        found = await book(log).ask_or_recall("spring", never)
        assert isinstance(found, BalanceAsked)
        assert (found.messages, asked(found)) == (7.0, "64 s ago by ann")

    virtually(scene())


LOGIN = {"vendor": "cosms", "url": "http://127.0.0.1:1", "corp_id": "100", "login_name": "DEMO", "password": "secret"}
LOCKING = {"spring": parse({"account": {"spring": LOGIN}}, "test").account("spring")}


@pytest.mark.parametrize("code", ["201", "202", "203", "205", "208"])
def test_a_vendor_that_locks_accounts_out_is_asked_on_purpose_only_once_it_refused_our_login(code):
    async def scene() -> None:
        log = TimedLog()
        verdict = Verdict(kind=Kind.AUTH, code=code)
        await book(log, "the lane", LOCKING).ask("spring", answering(None, verdict=verdict))
        await asyncio.sleep(3_600.0)
        found = await book(log, vendors=LOCKING).ask_or_recall("spring", never)
        assert isinstance(found, BalanceAsked)
        assert found.says.startswith(f"{code}: ")
        assert found.says.endswith("; mended? dispatcher account check spring")
        assert await book(log, vendors=LOCKING).ask("spring", answering(5.0)) == Balance(messages=5.0)
        await asyncio.sleep(60.0)
        assert await book(log, vendors=LOCKING).ask_or_recall("spring", answering(6.0)) == Balance(messages=6.0)

    virtually(scene())


@pytest.mark.parametrize("verdict", [Verdict(kind=Kind.RETRY_LATER, code="501"), Verdict(kind=Kind.NOT_SENT)])
def test_what_is_no_refusal_of_the_login_keeps_nobody_from_asking(verdict):
    async def scene() -> None:
        log = TimedLog()
        await book(log, "the lane", LOCKING).ask("spring", answering(None, verdict=verdict))
        await asyncio.sleep(60.0)
        assert await book(log, vendors=LOCKING).ask_or_recall("spring", answering(5.0)) == Balance(messages=5.0)

    virtually(scene())


def test_a_refusal_is_told_to_everybody_in_words():
    async def scene() -> None:
        log = TimedLog()
        verdict = Verdict(kind=Kind.AUTH, code="102", text="20250501080000,102")
        await book(log, "the lane").ask("spring", answering(None, verdict=verdict))
        found = await book(log).ask_or_recall("spring", never)
        assert isinstance(found, BalanceAsked)
        assert (found.messages, found.says) == (None, "102: wrong password")

    virtually(scene())


def test_what_a_query_raises_is_told_and_raised():
    async def scene() -> None:
        log = TimedLog()

        async def query(_may_leave: Callable[[], bool]) -> Balance:
            raise TimeoutError("no answer in 10 s")

        with pytest.raises(TimeoutError):
            await book(log).ask("spring", query)
        assert log.asks()[-1].says == "TimeoutError: no answer in 10 s"

    virtually(scene())


def test_a_query_that_was_held_up_may_not_leave_any_more():
    async def scene() -> None:
        async def query(may_leave: Callable[[], bool]) -> Balance:
            await asyncio.sleep(LEAVE_S_MAX - 0.1)
            assert may_leave()
            await asyncio.sleep(0.2)
            assert not may_leave()
            return Balance(messages=1.0)

        await book(TimedLog()).ask("spring", query)

    virtually(scene())


def test_a_late_answer_does_not_hide_that_another_ask_is_under_way():
    async def scene() -> None:
        log, left = TimedLog(), list[float]()

        async def query(leaves_s: float, answered_s: float, may_leave: Callable[[], bool]) -> Balance:
            await asyncio.sleep(leaves_s)
            assert may_leave()
            left.append(now_s())
            await asyncio.sleep(answered_s)
            return Balance(messages=1.0)

        late = functools.partial(query, 0.0, 17.0)  # answered when the next one was announced and has not left
        held_up = functools.partial(query, 4.5, 30.0)
        asks = [book(log, by).ask("spring", how) for by, how in (("ann", late), ("bob", held_up))]
        asking = [asyncio.create_task(ask) for ask in asks]
        await asyncio.sleep(17.5)
        await book(log, "cron").ask("spring", functools.partial(query, 0.0, 0.0))
        await asyncio.gather(*asking)
        assert len(left) == 3
        assert min(after - before for before, after in itertools.pairwise(left)) >= INTERVAL_S

    virtually(scene())


@pytest.mark.parametrize("written", [False, True])
def test_no_vendor_is_queried_without_an_announcement_on_the_log(written):
    async def scene() -> None:
        log = TimedLog()
        log.failures.append((LogTimeout("no answer"), written))
        mine = book(log)
        with pytest.raises(LogTimeout):
            await mine.ask("spring", never)
        await mine.ask("spring", answering())
        # An announcement that got there after all is one of an ask that may be under way.
        assert now_s() == (pytest.approx(15.45, abs=0.02) if written else 0.0)

    virtually(scene())


def test_an_answer_counts_although_the_log_fails():
    async def scene() -> None:
        log = TimedLog()

        async def query(_may_leave: Callable[[], bool]) -> Balance:
            log.failures.append((LogUnavailable("away"), False))
            return Balance(messages=7.0)

        assert await book(log).ask("spring", query) == Balance(messages=7.0)
        assert [pending(record) for record in log.asks()] == [True]

    virtually(scene())


def test_a_log_that_loses_what_it_confirmed_is_not_trusted():
    class Forgetful(TimedLog):
        async def append(self, topic: str, partition: int, entries: Any) -> list[int]:
            return [99]

    with pytest.raises(LogDamaged, match="lost record 99"):
        virtually(book(Forgetful()).ask("spring", never))


def test_a_vendor_without_a_balance_query_is_not_in_the_book():
    async def scene() -> None:
        log = TimedLog()

        class Silent(HttpVendor, frozen=True, kw_only=True, tag="silent"):
            pass

        async def query(may_leave: Callable[[], bool]) -> None:
            assert may_leave()

        assert await book(log, "ann", {"spring": Silent(url="http://127.0.0.1:1")}).ask("spring", query) is None
        assert not log.asks()

    virtually(scene())


def test_other_accounts_and_other_records_are_none_of_its_business():
    async def scene() -> None:
        log = TimedLog()
        both = {"spring": VENDOR, "summer": VENDOR}
        await book(log, "the lane", both).ask("summer", answering())
        await log.append(CAMPAIGNS.name, 0, [Entry(b"may#a1", b"whatever this is")])
        await book(log, "ann", both).ask("spring", answering())
        await book(log).ask_or_recall("spring", never)
        assert now_s() == 0.0

    virtually(scene())


def test_a_person_gets_through_beside_a_lane_that_asks_as_often_as_it_may():
    async def scene() -> None:
        log = TimedLog(random.Random(1))
        mine = book(log, "the lane")

        async def lane() -> None:
            while True:
                await mine.ask("spring", answering())

        asking = asyncio.create_task(lane())
        await asyncio.sleep(5.0)
        for waits in range(1, 6):
            await book(log, "ann").ask("spring", answering())
            asks = [record.by for record in log.asks() if not pending(record)]
            assert asks.count("ann") == waits
            assert asks.count("the lane") >= waits, "nor does the lane starve"
        asking.cancel()

    virtually(scene())


# --- many processes, wrong clocks, deaths ----------------------------------------------------------------------------


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), processes=st.integers(2, 5), skewed=st.booleans())
def test_the_vendor_never_gets_two_queries_within_its_interval(seed, processes, skewed):
    arrivals = virtually(many(random.Random(seed), processes, 90.0 if skewed else 0.0))
    gaps = [after - before for before, after in itertools.pairwise(arrivals)]
    assert not gaps or min(gaps) >= INTERVAL_S
    assert len(arrivals) > 5, "and it is asked"


async def many(dice: random.Random, processes: int, skew_max_s: float) -> list[float]:
    """When the vendor got a query, over some virtual minutes."""
    log, arrivals = TimedLog(dice), []

    async def query(may_leave: Callable[[], bool]) -> Balance:
        await asyncio.sleep(dice.choice([0.0, 0.01, 0.1, 7.0]))  # connecting, or frozen
        if not may_leave():
            return Balance(messages=None, verdict=Verdict(kind=Kind.NOT_SENT, code="not sent"))
        travels_s, answers_s = dice.uniform(0, NETWORK_S_MAX), dice.choice([0.0, 0.05, 2.0, 20.0])
        arrive = asyncio.get_running_loop().call_later(travels_s, lambda: arrivals.append(now_s()))
        try:
            await asyncio.wait_for(asyncio.sleep(travels_s + answers_s), 12.0)
        finally:
            assert arrive.when()  # once written it arrives, whatever becomes of its author
        return Balance(messages=1.0)

    async def process(name: str) -> None:
        skew_s.set(dice.uniform(-skew_max_s, skew_max_s))
        while True:
            mine = book(log, name)
            lives_s = dice.choice([3.0, 30.0, 300.0])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(lives_s):  # then it dies, wherever it is
                    while True:
                        work = mine.ask if dice.random() < 0.6 else mine.ask_or_recall
                        with contextlib.suppress(TimeoutError):
                            await work("spring", query)
                        await asyncio.sleep(dice.choice([0.0, 1.0, 5.0]))

    names = ["the lane", "the lane", "ann", "bob", "cron"][:processes]
    tasks = [asyncio.create_task(process(name)) for name in names]
    await asyncio.sleep(300.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return sorted(arrivals)


# --- a vendor's history -----------------------------------------------------------------------------------------------

SUMMER = {"vendor": "cosms", "url": "http://127.0.0.1:1", "corp_id": "1", "login_name": "a", "password": "secret"}
COSMS = parse({"account": {"summer": SUMMER}}, "test").account("summer")


def history_book(log: TimedLog, by: str) -> HistoryBook:
    return HistoryBook(cast("Log", log), {"summer": COSMS}, by, "history")


async def remembers(_may_leave: Callable[[], bool]) -> History:
    row = HistoryRow(vendor_id="1", number=13_800_138_000, state=1, code="0", sent_ms=1)
    return History(rows=[row, row])


def test_history_is_queried_once_a_minute_by_all_together_and_balances_meanwhile():
    async def scene() -> None:
        log, waited = TimedLog(), list[Any]()
        assert await history_book(log, "the lane").ask("summer", remembers) is not None
        await asyncio.sleep(10.0)
        await book(log, "ann", {"summer": COSMS}).ask("summer", answering())
        assert now_s() == 10.0, "the one does not wait for the other"
        await history_book(log, "ann").ask(
            "summer", remembers, lambda wait, because: waited.append((wait, because.by, because.messages))
        )
        assert now_s() == pytest.approx(60.0 * 1.02, abs=0.1)
        assert waited == [(pytest.approx(51.2, abs=0.1), "the lane", 2.0)]
        keys = {stored.key.rpartition(b"!2")[0] or stored.key for stored in log.records[CAMPAIGNS.name, 0]}
        assert keys == {b"history!summer", b"balance!summer"}

    virtually(scene())


def test_a_refused_history_query_counts_as_a_query():
    async def refuses(_may_leave: Callable[[], bool]) -> History:
        return History(complete=False, verdict=Verdict(kind=Kind.REJECTED, code="414"))

    async def scene() -> None:
        log = TimedLog()
        await history_book(log, "the lane").ask("summer", refuses)
        assert [pending(record) for record in log.asks()] == [True, False]
        assert log.asks()[-1].says.startswith("414: ")

    virtually(scene())
