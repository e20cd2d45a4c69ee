"""Messages from phones in the store: whole, each once, the same rows however the log was read; dead letters listed."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.results.inbound import Bounds
from dispatcher.store.port import InboundFilter, InboundMarks
from schemas.records import Dead, Inbound
from schemas.topics import lane_partition
from tests.store.joined_history import History
from tests.store.joined_store import Driver, MemoryPlace, SqlitePlace, StorePlace

AT_MS = 1_700_000_000_000
DAY_MS = 86_400_000
N = "13800138000"


def said(text: str = "hello", part: tuple[int, int, int] | None = None, received_ms: int = 0, **other: Any) -> Inbound:
    fields: dict[str, Any] = {"account": "spring", "number": N, "to": "1069", "at_ms": AT_MS + received_ms}
    return Inbound(text=text, part=part, received_ms=AT_MS + received_ms, **fields | other)


def history_of(*messages: Inbound) -> History:
    history = History()
    for message in messages:
        history.append("inbound", lane_partition(message.account), message)
    return history


@pytest.fixture(params=["sqlite", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> StorePlace:
    return MemoryPlace() if request.param == "memory" else SqlitePlace(tmp_path / "results.db")


@pytest.fixture
def store(place: StorePlace):
    with contextlib.ExitStack() as stack:

        def taken(*messages: Inbound) -> Driver:
            driver = Driver(place, history_of(*messages))
            stack.callback(driver.close)
            driver.all()
            return driver

        yield taken


def texts(driver: Driver, now_ms: int = AT_MS, **wanted: Any) -> list[str]:
    return [each.text for each in driver.reader().inbound(wanted=InboundFilter(**wanted), now_ms=now_ms)]


def test_parts_are_one_message_and_repetitions_none(store):
    driver = store(
        said("two", (7, 2, 2), 5), said("one ", (7, 2, 1), 9, at_ms=AT_MS), said("two", (7, 2, 2), 99, at_ms=AT_MS + 5),
        said("x", received_ms=100), said("x", received_ms=200, at_ms=AT_MS + 100),
    )  # fmt: skip
    found = driver.reader().inbound(now_ms=AT_MS)
    assert [(each.text, each.parts, each.missing, each.flags) for each in found] == [
        ("x", 1, (), ()),
        ("one two", 2, (), ()),
    ]
    (tally,) = driver.reader().inbound_tallies(AT_MS)
    assert (tally.account, tally.records, tally.repeats, tally.waiting) == ("spring", 5, 2, 0)


def test_a_message_that_misses_parts_is_shown_when_they_are_not_waited_for_any_more(store):
    driver = store(said("b", (7, 3, 2), flags=("broken-utf8",)), said("whole", received_ms=7))
    assert texts(driver) == ["whole"]
    assert driver.reader().inbound_tallies(AT_MS)[0].waiting == 1
    assert texts(driver, AT_MS + DAY_MS - 1) == ["whole"]
    later = driver.reader().inbound(now_ms=AT_MS + DAY_MS)
    assert [(each.text, each.missing, each.flags) for each in later] == [
        ("whole", (), ()),
        ("[…]b[…]", (1, 3), ("broken-utf8", "incomplete")),
    ]
    assert driver.reader().inbound_tallies(AT_MS + DAY_MS)[0].waiting == 0


def test_flags_of_all_parts_are_gathered(store):
    driver = store(said("a", (7, 2, 1), flags=("cut",)), said("b", (7, 2, 2), flags=("broken-utf8", "cut")))
    assert driver.reader().inbound(now_ms=AT_MS)[0].flags == ("cut", "broken-utf8")


def test_messages_are_chosen_by_account_number_time_and_text(store):
    driver = store(
        said("TD please", received_ms=1), said("td", received_ms=2, number="13800138001"),
        said("价格?", received_ms=3, account="summer"), said("100%_", received_ms=4),
    )  # fmt: skip
    assert texts(driver) == ["100%_", "价格?", "td", "TD please"]
    assert texts(driver, account="summer") == ["价格?"]
    assert texts(driver, number="13800138001") == ["td"]
    assert texts(driver, since_ms=AT_MS + 2, until_ms=AT_MS + 4) == ["价格?", "td"]
    assert texts(driver, contains="td") == ["td", "TD please"]
    assert texts(driver, contains="%_") == ["100%_"]
    assert texts(driver, contains="格") == ["价格?"]
    assert texts(driver, contains="") == texts(driver)
    assert [each.text for each in driver.reader().inbound(messages_max=1, now_ms=AT_MS)] == ["100%_"]


def test_pages_hold_every_message_once_oldest_first(store, monkeypatch):
    for adapter in ("sqlite", "memory"):
        monkeypatch.setattr(f"dispatcher.store.{adapter}.inbound.PAGE_ROWS", 3)
    driver = store(*(said(str(at), received_ms=at // 2) for at in range(10)))
    pages = list(driver.reader().inbound_pages(InboundFilter(), AT_MS))
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    assert [each.text for page in pages for each in page] == [str(at) for at in range(10)]


def test_a_message_that_was_told_as_incomplete_is_not_told_again_when_its_last_part_is_read_late(place):
    history = history_of(
        said("first", (7, 2, 1)), said("a", received_ms=1), said("of 2", (8, 2, 1), received_ms=DAY_MS)
    )
    driver = Driver(place, history)
    driver.all()
    reader = driver.reader()
    marks = InboundMarks(done={}, overdue_ms=0)
    found, marks = reader.inbound_news(marks, InboundFilter(), AT_MS + DAY_MS)
    assert [(each.text, each.missing) for each in found] == [("first[…]", (2,)), ("a", ())]
    # Both parts were received within the wait; the store folds them only now.
    for late in (said("second", (7, 2, 2), received_ms=DAY_MS - 1), said("whole", (8, 2, 2), received_ms=DAY_MS + 1)):
        history.append("inbound", lane_partition("spring"), late)
    driver.all()
    found, marks = reader.inbound_news(marks, InboundFilter(), AT_MS + DAY_MS + 10)
    assert [each.text for each in found] == ["of 2whole"]
    assert reader.inbound_news(marks, InboundFilter(), AT_MS + 3 * DAY_MS)[0] == []
    assert "firstsecond" in texts(driver, AT_MS + DAY_MS)
    reader.close()
    driver.close()


def test_a_long_message_that_the_store_reads_only_after_its_wait_is_told_whole(place):
    history = history_of(said("a"))
    driver = Driver(place, history)
    driver.all()
    reader = driver.reader()
    found, marks = reader.inbound_news(reader.inbound_marks(AT_MS), InboundFilter(), AT_MS + 2 * DAY_MS)
    assert found == []
    for part in (said("first", (7, 2, 1)), said("second", (7, 2, 2), received_ms=1)):
        history.append("inbound", lane_partition("spring"), part)
    driver.all()
    found, _ = reader.inbound_news(marks, InboundFilter(), AT_MS + 3 * DAY_MS)
    assert [each.text for each in found] == ["firstsecond"]
    reader.close()
    driver.close()


def test_a_message_without_its_last_part_that_the_store_reads_only_after_its_wait_is_told_once(place):
    history = history_of(said("a"))
    driver = Driver(place, history)
    driver.all()
    reader = driver.reader()
    found, marks = reader.inbound_news(reader.inbound_marks(AT_MS), InboundFilter(), AT_MS + 2 * DAY_MS)
    assert found == []
    history.append("inbound", lane_partition("spring"), said("first", (7, 2, 1)))
    driver.all()
    found, marks = reader.inbound_news(marks, InboundFilter(), AT_MS + 3 * DAY_MS)
    assert [(each.text, each.flags) for each in found] == [("first[…]", ("incomplete",))]
    assert reader.inbound_news(marks, InboundFilter(), AT_MS + 4 * DAY_MS)[0] == []
    history.append("inbound", lane_partition("spring"), said("second", (7, 2, 2), received_ms=1))
    driver.all()
    assert reader.inbound_news(marks, InboundFilter(), AT_MS + 5 * DAY_MS)[0] == []
    assert "firstsecond" in texts(driver, AT_MS + 5 * DAY_MS)
    reader.close()
    driver.close()


def test_news_are_told_once_when_they_are_whole_or_given_up(place):
    history = history_of(said("old"), said("old too", account="summer"), said("1 ", (7, 2, 1)), said("?", (9, 2, 1)))
    driver = Driver(place, history)
    driver.all()
    reader = driver.reader()
    marks = reader.inbound_marks(AT_MS)
    found, marks = reader.inbound_news(marks, InboundFilter(), AT_MS)
    assert found == []
    for message in (
        said("new", received_ms=5, account="summer"),
        said("2", (7, 2, 2)),
        said("old", received_ms=9, at_ms=AT_MS),
    ):
        history.append("inbound", lane_partition(message.account), message)
    driver.all()
    found, marks = reader.inbound_news(marks, InboundFilter(), AT_MS + 10)
    assert [each.text for each in found] == ["1 2", "new"]
    found, marks = reader.inbound_news(marks, InboundFilter(), AT_MS + DAY_MS)
    assert [(each.text, each.flags) for each in found] == [("?[…]", ("incomplete",))]
    assert reader.inbound_news(marks, InboundFilter(), AT_MS + 2 * DAY_MS)[0] == []
    driver.close()


def test_the_bounds_are_those_of_the_configuration(place):
    history = history_of(
        said("1 ", (7, 2, 1)), said("2", (7, 2, 2), 1001), said("x"), said("x", received_ms=2001, at_ms=AT_MS)
    )
    bounds = Bounds(parts_within_ms=1000, repeats_within_ms=2000)
    store = place.open(bounds=bounds)
    store.take_inputs({("inbound", lane_partition("spring")): history.records["inbound", lane_partition("spring")]})
    store.close()
    reader = place.reader(bounds)
    assert sorted(each.text for each in reader.inbound(now_ms=AT_MS + 999)) == ["x", "x"]
    assert sorted(each.text for each in reader.inbound(now_ms=AT_MS + 2001)) == ["1 […]", "[…]2", "x", "x"]
    reader.close()


def test_dead_letters_are_counted_and_listed_newest_first(place):
    history = History()
    for at, account in enumerate(["spring", "summer", "spring"]):
        dead = Dead(account=account, path=f"/push/{account}/inbound", why=f"why {at}", at_ms=at, body=b"?")
        history.append("dead", lane_partition(account), dead)
    driver = Driver(place, history)
    driver.all()
    reader = driver.reader()
    assert [(each.account, each.why) for each in reader.dead_letters()] == [
        ("spring", "why 2"), ("summer", "why 1"), ("spring", "why 0"),
    ]  # fmt: skip
    (newest,) = reader.dead_letters("spring", letters_max=1)
    assert (newest.partition, newest.offset, newest.at_ms) == (lane_partition("spring"), 1, 2)
    assert {each.account: each.count for each in reader.dead()} == {"spring": 2, "summer": 1}
    driver.close()


MESSAGE = st.builds(
    lambda text, account, total, at, ms: said(
        text, None if total < 2 else (1, total, 1 + at % total), ms, account=account, at_ms=AT_MS
    ),
    st.sampled_from("ab"), st.sampled_from(["spring", "summer"]), st.integers(0, 3), st.integers(0, 2),
    st.sampled_from([0, 1000, DAY_MS, 2 * DAY_MS]),
)  # fmt: skip


@settings(max_examples=40)
@given(st.lists(MESSAGE, max_size=25), st.lists(st.integers(1, 6), max_size=8))
def test_a_rebuilt_store_has_the_same_rows_however_the_first_one_was_fed(messages, steps):
    with tempfile.TemporaryDirectory() as name:
        history = history_of(*messages)
        fed = Driver(Path(name) / "fed.db", history)
        for step in steps:
            delivery = fed.read([("inbound", p) for p in range(8)], step)
            if delivery:
                fed.store.take_inputs(delivery)
            if step % 2:
                fed.reopen()
        fed.all()
        rebuilt = Driver(Path(name) / "rebuilt.db", history)
        rebuilt.all()
        assert fed.rows() == rebuilt.rows()
        memory = Driver(MemoryPlace(), history)
        memory.all()
        for now_ms in (AT_MS, AT_MS + DAY_MS, AT_MS + 4 * DAY_MS):
            assert memory.shown(now_ms) == rebuilt.shown(now_ms)
        memory.close()
        assert fed.rows()["inbound_counts"] or not messages
        fed.close()
        rebuilt.close()
