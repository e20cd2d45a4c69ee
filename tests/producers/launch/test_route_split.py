"""Dealing: every recipient to exactly one account, in proportion to flow, exactly and always the same."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.launch.route_split import AccountRate, batch_sizes, split_route
from schemas.batch import RECIPIENTS_MAX

rates = st.one_of(st.integers(1, 10_000).map(Fraction), st.fractions(Fraction(1, 100), 1000, max_denominator=150))
shares = st.lists(rates, min_size=1, max_size=5).map(
    lambda given: [AccountRate(f"account-{index}", rate) for index, rate in enumerate(given)]
)
sizes = st.lists(st.integers(1, RECIPIENTS_MAX), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("recipients", "numbers_min", "expected"),
    [
        (1, 1, [1]),
        (50_000, 1, [50_000]),
        (50_001, 1, [50_000, 1]),
        (50_001, 10, [49_991, 10]),
        (100_005, 10, [50_000, 49_995, 10]),
        (5, 10, [5]),
    ],
)
def test_batches_are_full_and_a_rest_is_no_smaller_than_a_request_may_be(recipients, numbers_min, expected):
    assert batch_sizes(recipients, numbers_min) == expected


@settings(max_examples=200)
@given(sizes, shares)
def test_every_batch_is_covered_exactly_once(sizes, shares):
    parts = split_route(sizes, shares)
    for batch, size in enumerate(sizes):
        mine = [part for part in parts if part.batch == batch]
        assert [part.start for part in mine] == [sum(part.count for part in mine[:index]) for index in range(len(mine))]
        assert sum(part.count for part in mine) == size
        assert all(part.count > 0 for part in mine)
        assert len({part.account for part in mine}) == len(mine)


@settings(max_examples=200)
@given(sizes, shares)
def test_totals_are_in_proportion_after_every_batch(sizes, shares):
    parts, whole = split_route(sizes, shares), sum(share.rate for share in shares)
    for upto in range(1, len(sizes) + 1):
        total = sum(sizes[:upto])
        for share in shares:
            given = sum(part.count for part in parts if part.account == share.account and part.batch < upto)
            assert abs(given - total * share.rate / whole) <= len(shares)


def test_one_account_gets_every_batch_whole():
    parts = split_route([50_000, 50_000, 7], [AccountRate("spring", Fraction(500))])
    assert [(part.batch, part.start, part.count) for part in parts] == [(0, 0, 50_000), (1, 0, 50_000), (2, 0, 7)]


def test_two_accounts_get_their_shares():
    parts = split_route([1000], [AccountRate("a", Fraction(100)), AccountRate("b", Fraction(300))])
    assert [(part.account, part.start, part.count) for part in parts] == [("a", 0, 250), ("b", 250, 750)]


def test_what_rounding_keeps_from_an_account_is_made_good():
    parts = split_route([1] * 9, [AccountRate("a", Fraction(1)), AccountRate("b", Fraction(2))])
    assert sum(part.account == "a" for part in parts) == 3


@settings(max_examples=200)
@given(sizes, st.integers(2, 2000), rates, rates)
def test_no_slice_is_below_what_its_vendor_takes_if_the_batch_allows_it(sizes, least, slow, fast):
    parts = split_route(sizes, [AccountRate("a", slow, least), AccountRate("b", fast)])
    assert all(part.count >= least for part in parts if part.account == "a" and sizes[part.batch] >= least)
    assert [sum(p.count for p in parts if p.batch == batch) for batch in range(len(sizes))] == sizes


def test_slices_too_small_for_a_request_are_saved_up():
    parts = split_route([100] * 10, [AccountRate("a", Fraction(1), 20), AccountRate("b", Fraction(9))])
    assert sum(part.count for part in parts if part.account == "a") == 100 - 100 % 20
    assert min(part.count for part in parts if part.account == "a") >= 20


def test_dealing_is_the_same_every_time():
    rates = [AccountRate("a", Fraction(3)), AccountRate("b", Fraction(7))]
    first, *others = [split_route([50_000, 50_000, 123], rates) for _ in range(3)]
    assert others == [first, first]
