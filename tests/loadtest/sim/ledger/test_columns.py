"""The ledger's columns: blocks, addresses, marks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.sim.ledger import columns
from loadtest.sim.ledger.columns import Columns, distinct

SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=12)


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Any:
    """Blocks of 64 numbers, so that a handful of requests fills several."""
    patch = pytest.MonkeyPatch()
    patch.setattr(columns, "BLOCK_BITS", 6)
    patch.setattr(columns, "BLOCK_NUMBERS", 64)
    yield
    patch.undo()


def filled(sizes: list[int]) -> tuple[Columns, list[Any]]:
    made, views = Columns(), []
    for request, size in enumerate(sizes):
        views.append(made.put(np.arange(size) + 1000 * request, f"id{request}"))
    return made, views


def everything(sizes: list[int]) -> tuple[Any, Any]:
    requests = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    places = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
    return requests, places


@given(SIZES, st.randoms())
def test_numbers_of_many_requests_are_read_at_once(sizes: list[int], random: Any) -> None:
    made, views = filled(sizes)
    requests, places = everything(sizes)
    order = random.sample(range(requests.size), requests.size)
    requests, places = requests[order], places[order]
    addresses = made.addresses(requests, places)
    assert made.numbers(addresses).tolist() == (1000 * requests + places).tolist()
    assert made.ids(requests).tolist() == [f"id{r}".encode() for r in requests]
    assert distinct(addresses) == addresses.size
    assert [view[0].tolist() for view in views] == [[1000 * r + i for i in range(s)] for r, s in enumerate(sizes)]


@given(SIZES, st.integers(0, 2**32 - 1))
def test_a_mark_is_seen_through_views_and_tells_what_was_there(sizes: list[int], seed: int) -> None:
    made, views = filled(sizes)
    requests, places = everything(sizes)
    addresses = made.addresses(requests, places)
    draws = np.random.default_rng(seed).random(addresses.size)
    some, others = addresses[draws < 0.5], addresses[draws >= 0.3]
    assert not made.mark(some, 4).any()
    before = made.mark(others, 1, clear=4)
    assert before.tolist() == [4 if a in set(some.tolist()) else 0 for a in others.tolist()]
    flags = np.concatenate([view[2] for view in views])
    assert flags.tolist() == [1 if d >= 0.3 else 4 for d in draws.tolist()]
    assert made.flags(addresses).tolist() == flags.tolist()


@given(st.lists(st.integers(0, 20), max_size=30))
def test_distinct_counts_each_once(values: list[int]) -> None:
    assert distinct(np.array(values, np.int64)) == len(set(values))


def test_a_view_stays_good_while_others_are_added() -> None:
    made = Columns()
    numbers, status, flags = made.put(np.arange(60), "first")
    for request in range(200):
        made.put(np.arange(60) + request, str(request))
    numbers[0], status[0], flags[0] = 7, 8, 9
    first = made.addresses(np.zeros(1, np.int32), np.zeros(1, np.int32))
    assert (made.numbers(first).item(), made.flags(first).item()) == (7, 9)
