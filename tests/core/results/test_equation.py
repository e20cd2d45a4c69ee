"""The equation: it holds, or it says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.results.equation import PARTS, TERMS, Counts, EquationBroken, launched, status, total

terms = st.dictionaries(st.sampled_from(TERMS), st.integers(0, 10**9))


@given(terms)
def test_counts_add_up_exactly_when_the_terms_make_up_the_rows(found):
    rows = sum(found.values())
    assert Counts(rows=rows, **found).check().adds_up
    for wrong in (rows + 1, rows - 1):
        broken = Counts(rows=wrong, **found)
        assert not broken.adds_up
        with pytest.raises(EquationBroken, match="does not hold"):
            broken.check()


@given(terms)
def test_the_four_parts_are_all_recipients_and_no_row_that_was_set_aside(found):
    counts = Counts(rows=sum(found.values()), **found)
    parts = counts.parts
    assert parts.delivered + parts.failed + parts.waiting + parts.not_sent == counts.recipients
    named = [term for terms in PARTS.values() for term in terms]
    assert sorted([*named, "invalid", "duplicate", "suppressed"]) == sorted(TERMS)


def test_a_negative_term_breaks_the_equation_even_if_the_sum_is_right():
    counts = Counts(rows=10, queued=-5, delivered=15)
    with pytest.raises(EquationBroken, match="-5 queued"):
        counts.check()


@given(st.lists(terms, max_size=5))
def test_what_holds_for_every_campaign_holds_for_their_sum(found):
    each = [Counts(rows=sum(counts.values()), **counts) for counts in found]
    whole = total(each).check()
    assert whole.rows == sum(counts.rows for counts in each)
    assert whole.open == sum(counts.open for counts in each)
    assert whole.recipients == sum(counts.recipients for counts in each)


def test_who_is_not_waited_for_any_more_has_no_report():
    counts = Counts(rows=12, accepted=5, no_report=1, delivered=6)
    assert counts.without_wait() == Counts(rows=12, no_report=6, delivered=6).check()


def test_the_line_names_only_terms_that_have_somebody_in_them():
    counts = Counts(rows=1_250_000, invalid=50_000, in_flight=200_000, no_report=1_000_000)
    assert counts.line() == "1,250,000 rows = 50,000 invalid + 200,000 in flight + 1,000,000 no report"
    assert Counts().line() == "0 rows = 0"
    assert Counts(rows=1).line().startswith("1 rows ≠ ")
    assert len(counts.line(zeros=True).split(" + ")) == len(TERMS)


def test_all_other_recipients_are_queued_or_cancelled_after_a_cancel():
    known = {"rows": 100, "invalid": 10, "duplicate": 5, "accepted": 20, "delivered": 30}
    assert launched(**known, cancelled=False).check().queued == 35
    after = launched(**known, cancelled=True).check()
    assert (after.queued, after.cancelled) == (0, 35)


CASES = [
    ("queued", "running"),
    ("in_flight", "running"),
    ("accepted", "waiting"),
    ("unknown", "holding"),
    ("delivered", "finished"),
    ("failed", "finished"),
    ("no_report", "finished"),
]


@pytest.mark.parametrize(("term", "word"), CASES)
def test_a_campaign_is_as_far_as_its_slowest_recipient(term, word):
    counts = Counts(rows=5, delivered=3, **({term: 2} if term != "delivered" else {}))
    assert status(counts, paused=False, cancelled=False) == word
    assert (word == "finished") == (counts.open == 0)


@given(terms, st.booleans(), st.booleans())
def test_a_campaign_never_looks_finished_while_somebody_is_open(found, paused, cancelled):
    counts = Counts(rows=sum(found.values()), **found)
    if counts.open:
        assert status(counts, paused=paused, cancelled=cancelled) != "finished"


def test_held_is_said_only_while_something_is_queued_and_nobody_paused_it():
    queued = Counts(rows=2, queued=1, in_flight=1)
    assert status(queued, paused=False, cancelled=False, held=True) == "held"
    assert status(queued, paused=True, cancelled=False, held=True) == "paused"
    assert status(Counts(rows=1, in_flight=1), paused=False, cancelled=False, held=True) == "running"
    assert status(Counts(rows=1, accepted=1), paused=False, cancelled=False, held=True) == "waiting"


def test_paused_is_said_only_while_there_is_something_to_pause():
    assert status(Counts(rows=1, queued=1), paused=True, cancelled=False) == "paused"
    assert status(Counts(rows=1, accepted=1), paused=True, cancelled=False) == "waiting"
    assert status(Counts(rows=1, cancelled=1), paused=True, cancelled=True) == "cancelled"
    paused_stream = status(Counts(rows=1, accepted=1), paused=True, cancelled=False, takes_messages=True)
    assert paused_stream == "paused", "nothing queued now, and what comes next waits"
