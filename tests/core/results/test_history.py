"""Whom a vendor's history proves to have been taken: its number once, in time, explained by nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.results.history import HistoryTarget, Other, SentMessage, Span, find, halves, span, windows
from dispatcher.core.shanghai import DAY_MS, SHANGHAI_MS

WHEN = Span(100_000, 160_000)
A, B, C = 13_800_138_000, 13_800_138_001, 13_800_138_002
TEXT = "【店】优惠 50%"


def told(vendor_id: str, number: int, sent_ms: int = 120_000, text: str = TEXT) -> SentMessage:
    return SentMessage(vendor_id, number, sent_ms, text)


def other(*numbers: int, ids: tuple[str, ...] | None = None, when: Span = WHEN) -> Other:
    if ids is not None:
        return Other(intent=9, when=when, ids=frozenset(ids))
    return Other(intent=9, when=when, numbers=np.array(numbers, np.int64))


CASES = [
    # what the vendor says, our other requests, the ids of A, B, C
    ("all of them", [told("1", A), told("2", B), told("3", C)], [], ("1", "2", "3")),
    ("none of them", [], [], ("", "", "")),
    ("some of them", [told("2", B)], [], ("", "2", "")),
    ("to somebody else", [told("1", 13_900_139_000)], [], ("", "", "")),
    ("before it can have been sent", [told("1", A, 99_000)], [], ("", "", "")),
    ("after it can have been sent", [told("1", A, 160_000)], [], ("", "", "")),
    ("at the very first moment", [told("1", A, 100_000)], [], ("1", "", "")),
    ("twice to the same number", [told("1", A), told("4", A), told("2", B)], [], ("", "2", "")),
    ("the same row twice", [told("1", A), told("1", A)], [], ("1", "", "")),
    ("one id for two numbers", [told("1", A), told("1", B)], [], ("", "", "")),
    ("another text", [told("1", A, text="something else")], [], ("", "", "")),
    ("our text and a signature", [told("1", A, text=f"{TEXT}【公司】")], [], ("1", "", "")),
    ("our text cut off", [told("1", A, text=TEXT[:5])], [], ("1", "", "")),
    ("our text with other blanks", [told("1", A, text=TEXT.replace(" ", "  "))], [], ("1", "", "")),
    ("a text it does not say", [told("1", A, text="")], [], ("1", "", "")),
    ("what another request explains", [told("1", A), told("5", A)], [other(ids=("5",))], ("1", "", "")),
    ("only what another request explains", [told("5", A)], [other(ids=("5",))], ("", "", "")),
    ("beside one whose ids nobody knows", [told("1", A), told("2", B)], [other(A)], ("", "2", "")),
    ("beside one of another time", [told("1", A)], [other(A, when=Span(0, 100_000))], ("1", "", "")),
    ("beside one of nobody knows whom", [told("1", A)], [Other(intent=9, when=WHEN)], ("", "", "")),
    ("beside itself", [told("1", A)], [Other(intent=7, when=WHEN)], ("1", "", "")),
]


@pytest.mark.parametrize(("rows", "others", "ids"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_found(rows, others, ids):
    asked = HistoryTarget(intent=7, numbers=np.array([A, B, C], np.int64), when=WHEN, text=TEXT)
    finding = find(asked, rows, others)
    assert finding.vendor_ids == ids
    assert (finding.found, finding.whole) == (sum(map(bool, ids)), all(ids))


def test_who_was_left_out_is_not_looked_for():
    asked = HistoryTarget(intent=7, numbers=np.array([A, 0, C], np.int64), when=WHEN, text=TEXT)
    finding = find(asked, [told("1", A), told("2", B), told("3", C)], [other(0, B)])
    assert (finding.vendor_ids, finding.sought, finding.whole) == (("1", "", "3"), 2, True)


def attempt(start: int, count: int, ids: tuple[str, ...] | None = None) -> Other:
    """An earlier attempt of some of A, B, C and whoever comes before or after them in their job."""
    numbers = np.arange(A + start, A + start + count)
    known = frozenset(ids) if ids is not None else None
    return Other(intent=3, when=WHEN, ids=known, numbers=numbers, job=5, start=100 + start, count=count)


ATTEMPTS = [
    ("an earlier one may have been taken", [told("1", A), told("2", B), told("3", C)], [attempt(0, 3)],
     ("1", "2", "3")),
    ("an earlier one of more recipients", [told("1", A), told("2", B), told("3", C)], [attempt(-9, 20)],
     ("1", "2", "3")),
    ("an earlier one of whom the answer came late", [told("1", A), told("2", B), told("3", C)],
     [attempt(0, 3, ("1", "2", "3"))], ("1", "2", "3")),
    ("both were taken", [told("1", A, 120_000), told("2", A, 130_000), told("3", B)], [attempt(0, 3)], ("2", "3", "")),
    ("more messages than attempts", [told("1", A), told("2", A), told("4", A), told("3", B)], [attempt(0, 3)],
     ("", "3", "")),
    ("an earlier one of some only", [told("1", A), told("2", A), told("3", C), told("4", C)], [attempt(2, 9)],
     ("", "", "4")),
    ("an earlier one and another campaign's", [told("1", A), told("2", B)], [attempt(0, 3), other(A)], ("", "2", "")),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "others", "ids"), [case[1:] for case in ATTEMPTS], ids=[row[0] for row in ATTEMPTS])
def test_earlier_attempts_of_the_same_recipients_are_no_rivals(rows, others, ids):
    asked = HistoryTarget(intent=7, numbers=np.array([A, B, C], np.int64), when=WHEN, text=TEXT, job=5, start=100)
    assert find(asked, rows, others).vendor_ids == ids


few = st.integers(A, A + 6)


@given(
    st.lists(few, unique=True, min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(1, 9), few, st.integers(95_000, 165_000)), max_size=12),
    st.lists(st.one_of(st.sets(st.integers(1, 9)), st.lists(few, unique=True)), max_size=3),
)
def test_nobody_is_found_who_may_be_another_request_s_or_somebody_else_s(numbers, rows, others):
    known = [
        Other(intent=9, when=WHEN, ids=frozenset(map(str, each)))
        if isinstance(each, set)
        else Other(intent=9, when=WHEN, numbers=np.array(each, np.int64))
        for each in others
    ]
    asked = HistoryTarget(intent=7, numbers=np.array(numbers, np.int64), when=WHEN)
    finding = find(asked, [SentMessage(str(name), number, at_ms) for name, number, at_ms in rows], known)
    for number, vendor_id in zip(numbers, finding.vendor_ids, strict=True):
        if not vendor_id:
            continue
        assert {name for name, to, at in rows if to == number and WHEN.start_ms <= at < WHEN.end_ms} - {
            int(each) for other in known for each in other.ids or ()
        } == {int(vendor_id)}
        assert all(number not in other.numbers for other in known if other.numbers is not None)
    found = [vendor_id for vendor_id in finding.vendor_ids if vendor_id]
    assert len(found) == len(set(found))


@given(st.integers(0, 3 * DAY_MS), st.integers(1, 2 * DAY_MS), st.sampled_from([60_000, 1_800_000]))
def test_windows_cover_the_time_once_are_short_enough_and_never_cross_a_midnight_of_china(start, length, window_ms):
    whole = span(start, start + length)
    found = list(windows(whole, window_ms))
    assert [found[0].start_ms, *(each.end_ms for each in found)] == [*(each.start_ms for each in found), whole.end_ms]
    for each in found:
        assert 0 < each.end_ms - each.start_ms <= window_ms
        assert (each.start_ms + SHANGHAI_MS) // DAY_MS == (each.end_ms - 1 + SHANGHAI_MS) // DAY_MS


@given(st.integers(0, 10**6), st.integers(1, 1_800))
def test_halves_are_whole_seconds_and_a_second_has_none(start_s, seconds):
    window = Span(start_s * 1000, (start_s + seconds) * 1000)
    parts = halves(window)
    if seconds == 1:
        assert parts == ()
    else:
        first, second = parts
        assert (first.start_ms, first.end_ms, second.end_ms) == (window.start_ms, second.start_ms, window.end_ms)
        assert first.end_ms % 1000 == 0
