"""What waits until it is fetched: every row once, twice, or again and again; none too early, none too late."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.sim.reports.mailbox import Mailbox
from loadtest.sim.reports.schedule import ROW, Rows

due = st.lists(st.floats(0, 10), max_size=60)


def rows(due_s: list[float], first: int = 0) -> Rows:
    made = np.zeros(len(due_s), ROW)
    made["due_s"], made["place"] = due_s, np.arange(first, first + len(due_s))
    return made


def filled(due_s: list[float]) -> Mailbox:
    mailbox = Mailbox()
    mailbox.schedule.put(rows(due_s))
    return mailbox


def pages(mailbox: Mailbox, mode: str, count: int, now_s: float = 99.0, since_s: float = -1.0) -> list[list[int]]:
    return [mailbox.page(now_s, 7, mode, since_s)["place"].tolist() for _ in range(count)]


@given(due)
def test_destructive_pages_give_every_row_once_and_then_nothing(due_s: list[float]) -> None:
    mailbox = filled(due_s)
    got = pages(mailbox, "destructive", len(due_s) // 7 + 2)
    assert sorted(place for page in got for place in page) == list(range(len(due_s)))
    assert all(len(page) <= 7 for page in got)
    assert got[-1] == []
    assert len(mailbox) == 0


@given(due)
def test_repeated_pages_come_twice_in_a_row(due_s: list[float]) -> None:
    got = pages(filled(due_s), "repeat_until_next_poll", 2 * (-(-len(due_s) // 7)) + 1)
    assert got[0:-1:2] == got[1:-1:2]
    assert sorted(place for page in got[0:-1:2] for place in page) == list(range(len(due_s)))
    assert got[-1] == []


@given(due)
def test_what_always_repeats_comes_round_from_the_first(due_s: list[float]) -> None:
    count = -(-len(due_s) // 7)
    got = pages(filled(due_s), "repeat_always", 3 * count)
    assert got[:count] == got[count : 2 * count] == got[2 * count :]
    assert sorted(place for page in got[:count] for place in page) == list(range(len(due_s)))


@given(due, st.floats(0, 10))
def test_nothing_is_given_before_it_is_due(due_s: list[float], now_s: float) -> None:
    mailbox = filled(due_s)
    got = [place for page in pages(mailbox, "destructive", 10, now_s) for place in page]
    assert sorted(got) == [i for i, at in enumerate(due_s) if at <= now_s]


@given(due, st.floats(0, 10))
def test_what_is_too_old_is_not_given_and_told_once(due_s: list[float], since_s: float) -> None:
    mailbox = filled(due_s)
    got = [place for page in pages(mailbox, "destructive", 10, 99.0, since_s) for place in page]
    assert sorted(got) == [i for i, at in enumerate(due_s) if at >= since_s]
    assert sorted(mailbox.take_expired()["place"].tolist()) == [i for i, at in enumerate(due_s) if at < since_s]
    assert mailbox.take_expired().size == 0


@pytest.mark.parametrize("mode", ["repeat_until_next_poll", "repeat_always"])
def test_a_page_that_was_given_is_not_repeated_after_its_time(mode: str) -> None:
    mailbox = filled([1.0, 2.0])
    assert pages(mailbox, mode, 1) == [[0, 1]]
    assert pages(mailbox, mode, 1, since_s=1.5) == [[1]]
    assert pages(mailbox, mode, 2, since_s=3.0) == [[], []]


def test_what_is_new_comes_before_what_repeats() -> None:
    mailbox = filled([1.0])
    assert pages(mailbox, "repeat_always", 2) == [[0], [0]]
    mailbox.schedule.put(rows([2.0], 1))
    assert pages(mailbox, "repeat_always", 4) == [[1], [0], [1], [0]]
    assert pages(mailbox, "destructive", 2) == [[], []]
