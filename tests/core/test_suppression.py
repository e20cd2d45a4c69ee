"""The suppression list as a fold: what one by one would come to, whatever the order, repetitions and pieces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core import suppression
from dispatcher.core.suppression import (
    ListChange,
    Listing,
    among,
    contains,
    domestic,
    empty,
    folded,
    key_as_exported,
    key_as_written,
    key_of_wire,
)
from dispatcher.core.wire_number import OTHER, from_wire, to_wire

NUMBERS = st.sets(st.integers(0, 30), max_size=12)
CHANGES = st.lists(st.tuples(NUMBERS, st.booleans()), max_size=12)


def change(place: int, numbers: set[int], adds: bool) -> ListChange:
    return ListChange(np.array(sorted(numbers), np.int64), adds, 1000 + place, place)


def one_by_one(changes: list[tuple[set[int], bool]]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for place, (numbers, adds) in enumerate(changes):
        for number in numbers:
            if adds:
                found.setdefault(number, (1000 + place, place))
            else:
                found.pop(number, None)
    return found


def as_dict(listing: Listing) -> dict[int, tuple[int, int]]:
    assert listing.detailed
    assert len(listing.times) == len(listing)
    assert (np.diff(listing.numbers) > 0).all()
    rows = zip(listing.numbers.tolist(), listing.times.tolist(), listing.origins.tolist(), strict=True)
    return {number: (at_s, origin) for number, at_s, origin in rows}


@given(CHANGES, st.lists(st.integers(0, 12), max_size=3))
def test_a_fold_in_any_pieces_is_what_one_by_one_comes_to(changes, cuts):
    all_changes = [change(place, *each) for place, each in enumerate(changes)]
    listing, start = empty(), 0
    for cut in [*sorted(cuts), len(changes)]:
        listing = folded(listing, all_changes[start:cut])
        start = max(start, cut)
    assert as_dict(listing) == one_by_one(changes)


@given(CHANGES, st.sets(st.integers(0, 12)), st.lists(st.integers(0, 12), max_size=3))
def test_a_weak_origin_gives_way_to_the_first_other_one(changes, weak, cuts):
    """In any pieces, and whoever is taken off begins anew."""
    expected: dict[int, int] = {}
    for place, (numbers, adds) in enumerate(changes):
        for number in numbers:
            if not adds:
                expected.pop(number, None)
            elif number not in expected or (expected[number] in weak and place not in weak):
                expected[number] = place
    all_changes = [change(place, *each) for place, each in enumerate(changes)]
    listing, start = empty(), 0
    for cut in [*sorted(cuts), len(changes)]:
        listing = folded(listing, all_changes[start:cut], weak)
        start = max(start, cut)
    assert as_dict(listing) == {number: (1000 + place, place) for number, place in expected.items()}


@given(CHANGES)
def test_a_fold_of_bare_numbers_has_the_same_numbers(changes):
    base = suppression.bare(np.array([5, 40], np.int64))
    listing = folded(base, [change(place, *each) for place, each in enumerate(changes)])
    assert listing.numbers.tolist() == sorted(one_by_one([({5, 40}, True), *changes]))
    assert not listing.detailed
    assert not len(listing.times)


@given(CHANGES)
def test_the_same_changes_twice_change_nothing(changes):
    if any(not adds for _, adds in changes):
        return
    once = folded(empty(), [change(place, *each) for place, each in enumerate(changes)])
    again = folded(once, [change(place + 50, *each) for place, each in enumerate(changes)])
    assert as_dict(again) == as_dict(once)


@given(NUMBERS, st.lists(st.integers(-5, 40)))
def test_contains_says_which_are_there(numbers, values):
    found = contains(np.array(sorted(numbers), np.int64), np.array(values, np.int64))
    assert found.tolist() == [value in numbers for value in values]


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(1, 9), st.integers(1, 9), st.sampled_from(["u4", "u8"]))
def test_few_among_many_and_many_among_few_are_found_alike(numbers, one, other, form):
    known = np.sort(np.array(numbers, form))[::one].copy()
    wanted = np.arange(0, 31, other, dtype=form)
    assert among(known, wanted).tolist() == np.isin(wanted, known).tolist()
    assert among(known, wanted[:2]).tolist() == np.isin(wanted[:2], known).tolist()


def test_domestic_takes_the_mobiles_out_of_the_middle():
    column = np.array([5, 13_800_138_000, 13_800_138_001, from_wire("447700900123")], np.int64)
    assert domestic(column).tolist() == [13_800_138_000, 13_800_138_001]
    assert domestic(column[:1]).tolist() == domestic(column[:0]).tolist() == []


@pytest.mark.parametrize(
    ("written", "wire"),
    [
        ("13800138000", "13800138000"),
        (" +86 138-0013-8000", "13800138000"),
        ("008613800138000", "13800138000"),
        ("+44 7700 900123", "447700900123"),
        ("0044 7700 900123", "447700900123"),
        ("0755-2522 7898", "075525227898"),
    ],
)
def test_a_number_is_found_however_it_is_written(written, wire):
    assert to_wire(key_as_written(written)) == wire


@pytest.mark.parametrize(
    "text",
    [
        "",
        "n/a",
        "1380013800",
        "138001380001",
        "447700900123",
        "+",
        "00",
        "+0044123456",
        "+13800138000",
        "+1234567890123456",
    ],
)
def test_a_value_that_is_certainly_not_a_number_is_refused(text):
    assert key_as_written(text) == 0


@pytest.mark.parametrize(
    ("pushed", "wire"),
    [
        ("13800138000", "13800138000"),
        ("8613800138000", "13800138000"),
        ("008613800138000", "13800138000"),
        ("00447700900123", "447700900123"),
        ("447700900123", "447700900123"),
        ("075525227898", "075525227898"),
    ],
)
def test_a_number_on_the_wire_has_one_key(pushed, wire):
    assert to_wire(key_of_wire(pushed)) == wire


def test_what_is_not_digits_has_no_key():
    assert key_of_wire("A1") == key_of_wire("") == key_of_wire("9" * 20) == 0
    assert suppression.keys(np.array([OTHER + 86], np.int64)).tolist() == [OTHER + 86]


@pytest.mark.parametrize(
    ("text", "wire"),
    [("447700900123", "447700900123"), (" 13800138000 ", "13800138000"), ("+44 7700 900123", "447700900123")],
)
def test_a_number_is_found_as_an_export_has_it(text, wire):
    assert to_wire(key_as_exported(text)) == wire


@pytest.mark.parametrize("text", ["1380013800", "138001380001", "12345", "1" * 16, "n/a", ""])
def test_a_mistyped_mobile_is_no_number_abroad(text):
    assert key_as_exported(text) == 0
