"""When a vendor's history is asked for unknown chunks, and of which chunks an answer speaks."""

from __future__ import annotations

from dispatcher.core.results.history import Span
from dispatcher.core.results.history_looks import (
    AFTER_FAILURE_S,
    CHUNKS_MAX,
    FAILURES_MAX,
    LOOKS,
    SETTLES_S,
    HistoryLooks,
    Look,
)

REQUEST_S, WINDOW_S = 20, 1_800
APART_S = LOOKS[0][1]
FIRST_S = REQUEST_S + APART_S + SETTLES_S
START_MS = 1_790_000_000_000


def looks(*at_s: float) -> HistoryLooks:
    """Chunks whose intents were made at these seconds."""
    made = HistoryLooks(WINDOW_S)
    for intent, second in enumerate(at_s):
        made.add(intent, at(second), REQUEST_S * 1000)
    return made


def at(second: float) -> int:
    return START_MS + round(second * 1000)


def begin(made: HistoryLooks, second: float) -> Look | None:
    return made.begin(at(second), 0)


def span(start_s: float, end_s: float) -> Span:
    return Span(at(start_s), at(end_s))


def test_a_chunk_is_looked_for_once_its_request_is_over_and_the_clocks_may_differ():
    made = looks(0)
    assert not made.is_due(at(FIRST_S) - 1)
    assert made.is_due(at(FIRST_S))
    assert begin(made, FIRST_S) == Look(span(-APART_S, REQUEST_S + APART_S), {0: span(-APART_S, REQUEST_S + APART_S)})
    assert not made.is_due(at(FIRST_S + 60))


def test_it_is_looked_for_again_ever_later_within_wider_bounds():
    made = looks(0)
    for later_s, apart_s in LOOKS:
        second = REQUEST_S + apart_s + SETTLES_S + later_s
        assert not made.is_due(at(second) - 1)
        look = begin(made, second)
        assert look is not None
        assert look.whole == span(-apart_s, REQUEST_S + apart_s)
    assert not made.is_due(at(10**6))


def test_of_an_old_chunk_only_the_widest_look_is_worth_a_query():
    made = looks(0)
    look = begin(made, 10**6)
    assert look is not None
    assert look.whole == span(-LOOKS[-1][1], REQUEST_S + LOOKS[-1][1])
    assert not made.is_due(at(10**6))


def test_a_look_takes_in_those_near_it_that_are_not_due_yet_and_its_answer_speaks_of_them():
    made = looks(0, 2, 3.5)
    look = begin(made, FIRST_S)
    assert look is not None
    assert set(look.due) == {0}
    assert look.whole == span(-APART_S, 3.5 + REQUEST_S + APART_S + 0.5)
    spoken = {each.intent: (each.due, each.complete) for each in made.spoken(look, look.whole.end_ms)}
    assert spoken == {0: (True, True), 1: (False, True), 2: (False, True)}


def test_an_answer_speaks_of_chunks_that_became_unknown_after_the_look_began():
    made = looks(0, 30)
    made.missing({0})
    look = begin(made, FIRST_S)
    assert look is not None
    made.add(1, at(0.0), REQUEST_S * 1000)
    made.add(2, at(9.0), REQUEST_S * 1000)
    spoken = {each.intent: each.complete for each in made.spoken(look, look.whole.end_ms)}
    assert spoken == {0: True, 1: True}, "the time of the last one was not asked for as a whole"


def test_an_answer_that_is_not_complete_speaks_only_of_what_it_is_complete_for():
    made = looks(0, 2, 60)
    look = begin(made, FIRST_S)
    assert look is not None
    upto = at(REQUEST_S + APART_S + 2)
    assert {each.intent: (each.due, each.complete) for each in made.spoken(look, upto)} == {
        0: (True, True),
        1: (False, True),
    }
    assert {each.intent: (each.due, each.complete) for each in made.spoken(look, at(0))} == {0: (True, False)}


def test_chunks_that_are_far_away_were_looked_for_or_lie_before_this_month_do_not_make_a_look_wider():
    made = looks(0, 300, -50)
    made.chunks[2].looks = 2
    look = made.begin(at(FIRST_S), at(-APART_S))
    assert look is not None
    assert look.whole == span(-APART_S, REQUEST_S + APART_S)


def test_a_look_is_one_window_and_a_bounded_number_of_chunks():
    made = looks(*(0 for _ in range(CHUNKS_MAX + 1)))
    look = begin(made, FIRST_S)
    assert look is not None
    assert len(look.due) == CHUNKS_MAX
    again = begin(made, FIRST_S)
    assert again is not None
    assert len(again.due) == 1
    apart = looks(0, WINDOW_S)
    look = begin(apart, WINDOW_S + FIRST_S)
    assert look is not None
    assert set(look.due) == {0}
    assert look.whole.end_ms - look.whole.start_ms <= WINDOW_S * 1000


def test_what_the_vendor_does_not_remember_is_not_looked_for():
    made = looks(0)
    assert made.begin(at(FIRST_S), at(0)) is None
    assert not made.is_due(at(10**6))


def test_a_look_without_an_answer_is_repeated_but_not_without_end():
    made = looks(0)
    second = float(FIRST_S)
    for _ in range(FAILURES_MAX):
        look = begin(made, second)
        assert look is not None
        made.failed(look, at(second))
        assert not made.is_due(at(second + AFTER_FAILURE_S) - 1)
        second += AFTER_FAILURE_S
        assert made.is_due(at(second))
    look = begin(made, second)
    assert look is not None
    made.failed(look, at(second))
    assert made.chunks[0].looks == 1, "the next one is the second look"


def test_what_is_not_unknown_any_more_is_forgotten():
    made = looks(0, 0)
    assert made.missing({1, 7}) == {7}
    assert set(made.chunks) == {1}


def test_only_news_is_said_and_that_none_was_found_only_of_what_was_due():
    made = looks(0, 2)
    look = begin(made, FIRST_S)
    assert look is not None
    due, near = made.spoken(look, look.whole.end_ms)
    assert (due.is_said(0, over=True), near.is_said(0, over=True)) == (True, False)
    assert (due.is_said(3, over=True), near.is_said(3, over=True)) == (True, True)
    assert (due.is_said(3, over=False), near.is_said(3, over=False)) == (False, False)
    assert [made.is_news(0, 0), made.is_news(0, 0), made.is_news(0, 3), made.is_news(9, 3)] == [
        True,
        False,
        True,
        False,
    ]
