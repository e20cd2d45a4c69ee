"""Parts become messages and repetitions stay one, in whatever order and however often the vendor says them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.results.inbound import GAP, TIMELESS_WITHIN_MS, Bounds, Held, checked, key, new, placed
from schemas.records import Inbound

BOUNDS = Bounds(parts_within_ms=1000, repeats_within_ms=10_000_000)
AT_MS = 1_700_000_000_000


def said(text: str = "hello", part: tuple[int, int, int] | None = None, received_ms: int = 0, **other: Any) -> Inbound:
    fields: dict[str, Any] = {"account": "spring", "number": "13800138000", "to": "1069", "at_ms": AT_MS}
    return Inbound(text=text, part=part, received_ms=AT_MS + received_ms, **fields | other)


def taken(messages: list[Inbound], bounds: Bounds = BOUNDS) -> list[Held]:
    """As a store takes them in."""
    held: dict[int, Held] = {}
    keys: dict[int, list[int]] = {}
    for place, raw in enumerate(messages):
        message = checked(raw)
        mine = keys.setdefault(key(message), [])
        found = placed(message, [held[each] for each in reversed(mine)], bounds)
        if found is None:
            mine.append(place)
            found = new(place, message)
        held[found.id] = found
    return list(held.values())


def texts(messages: list[Inbound], bounds: Bounds = BOUNDS) -> list[str]:
    return [held.text for held in taken(messages, bounds)]


LONG = [said("one ", (7, 3, 1)), said("two ", (7, 3, 2)), said("three", (7, 3, 3))]


def test_parts_in_any_order_are_one_message():
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        (held,) = taken([LONG[at] for at in order])
        assert (held.text, held.whole, held.total) == ("one two three", True, 3)


def test_what_is_missing_leaves_a_gap():
    (held,) = taken([LONG[1]])
    assert (held.text, held.whole) == (f"{GAP}two {GAP}", False)
    assert texts([LONG[0], LONG[2]]) == [f"one {GAP}three"]
    assert texts([said("x", (1, 5, 1)), said("y", (1, 5, 5))]) == [f"x{GAP}y"]


def test_a_part_that_comes_again_is_one_before_and_after_the_message_is_whole():
    assert texts([LONG[0], LONG[0], *LONG, *LONG]) == ["one two three"]


def test_parts_are_not_waited_for_longer_than_the_bound():
    late = replace(LONG[1], received_ms=AT_MS + 1001)
    assert texts([LONG[0], LONG[2], late]) == [f"one {GAP}three", f"{GAP}two {GAP}"]
    in_time = replace(LONG[1], received_ms=AT_MS + 1000)
    assert texts([LONG[0], LONG[2], in_time]) == ["one two three"]


def test_a_number_of_a_long_message_that_is_used_again_begins_a_new_one():
    second = [
        said(text, part, at_ms=AT_MS + 60_000, received_ms=500)
        for text, part in (("1 ", (7, 3, 1)), ("2 ", (7, 3, 2)), ("3", (7, 3, 3)))
    ]
    assert texts([*LONG, *second]) == ["one two three", "1 2 3"]
    assert texts([LONG[0], second[0], LONG[1], second[2], second[1], LONG[2]]) == ["one two three", "1 2 3"]


def test_parts_of_another_phone_receiver_account_number_or_count_are_of_another_message():
    others = [
        said("two ", (7, 3, 2), number="13800138001"),
        said("two ", (7, 3, 2), to="1068"),
        said("two ", (7, 3, 2), account="summer"),
        said("two ", (8, 3, 2)),
        said("two ", (7, 4, 2)),
    ]
    assert len(taken([LONG[0], *others])) == 6


@pytest.mark.parametrize("part", [(7, 3, 0), (7, 3, 4), (7, 0, 0), (7, 256, 1), (7, 10**15, 3)])
def test_a_head_that_cannot_be_makes_a_short_message_with_a_flag(part):
    message = checked(said("hello", part))
    assert (message.part, message.flags) == (None, ("broken-emshead",))
    assert checked(replace(message, part=part)).flags == ("broken-emshead",)
    (held,) = taken([said("hello", part)])
    assert (held.text, held.whole) == ("hello", True)


def test_a_long_message_of_one_part_is_a_short_one():
    assert checked(said("hello", (7, 1, 1))) == said("hello")


REPEATS = [
    ("the same again", said(), said(received_ms=9_000_000), 1),
    ("too long after", said(), said(received_ms=10_000_001), 2),
    ("another text", said(), said("hello!"), 2),
    ("another time", said(), said(at_ms=AT_MS + 60_000), 2),
    ("another receiver", said(), said(to="1"), 2),
    ("another sender", said(), said(number="13800138001"), 2),
    ("another account", said(), said(account="summer"), 2),
    ("an id again, decoded in another way", said(message_id="7"), said("h?llo", at_ms=5, message_id="7"), 1),
    ("another id", said(message_id="7"), said(message_id="8"), 2),
    ("an id of another sender", said(message_id="7"), said(number="13800138001", message_id="7"), 2),
    ("an id long after", said(message_id="7"), said(message_id="7", received_ms=10_000_001), 2),
    (
        "without a time, at once",
        said(flags=("no-time",), at_ms=1),
        said(flags=("no-time",), at_ms=2, received_ms=TIMELESS_WITHIN_MS),
        1,
    ),
    (
        "without a time, later",
        said(flags=("no-time",), at_ms=1),
        said(flags=("no-time",), at_ms=2, received_ms=TIMELESS_WITHIN_MS + 1),
        2,
    ),
    (
        "without a time, with an id",
        said(flags=("no-time",), at_ms=1, message_id="7"),
        said(flags=("no-time",), at_ms=2, received_ms=9_000_000, message_id="7"),
        1,
    ),
]


@pytest.mark.parametrize(("first", "second", "messages"), [row[1:] for row in REPEATS], ids=[row[0] for row in REPEATS])
def test_what_is_a_repetition(first, second, messages):
    assert len(taken([first, second])) == messages
    assert len(taken([first, second, first, second])) == messages


LONG_ONES = st.dictionaries(
    st.integers(1, 255), st.lists(st.text("ab", max_size=3), min_size=2, max_size=5), max_size=5
)


@given(LONG_ONES, st.integers(1, 3), st.randoms(use_true_random=False))
def test_every_long_message_comes_out_once_and_whole_however_its_parts_come(long_ones, times, chance):
    parts = [
        said(text, (name, len(pieces), number), received_ms=0)
        for name, pieces in long_ones.items()
        for number, text in enumerate(pieces, 1)
        for _ in range(times)
    ]
    chance.shuffle(parts)
    found = taken(parts)
    assert all(held.whole for held in found)
    assert sorted(held.text for held in found) == sorted("".join(pieces) for pieces in long_ones.values())


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 2), st.integers(0, 3000)), max_size=30)
)
def test_nothing_is_lost_and_nothing_is_twice(records):
    """Every text is in some message; of one long message each part is there at most once."""
    messages = [
        said(text, None if total < 2 else (1, total, 1 + at % total), received_ms=ms) for text, total, at, ms in records
    ]
    found = taken(messages)
    for message in messages:
        number = 1 if message.part is None else message.part[2]
        assert any(part.text == message.text and part.number == number for held in found for part in held.parts)
    for held in found:
        numbers = [part.number for part in held.parts]
        assert numbers == sorted(set(numbers))
        assert len(numbers) <= held.total
    again = messages * 2
    random.Random(0).shuffle(again)
    assert {held.total for held in taken(again)} == {held.total for held in found}
