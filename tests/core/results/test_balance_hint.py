"""What the balance says of an unknown request: told before it was sent, and first asked after it was unknown."""

from __future__ import annotations

from dispatcher.core.results.balance_hint import BalanceHint
from schemas.records import BalanceAsked, BalanceTold


def told(hint: BalanceHint, messages: float, at_ms: int, under_way: float = 0.0) -> list[BalanceTold]:
    hint.asked(under_way)
    return list(hint.answered("spring", messages, at_ms))


def test_it_names_the_answers_around_the_request_and_what_others_cost_in_between():
    hint = BalanceHint()
    assert told(hint, 1_000, at_ms=10, under_way=5) == []
    before = hint.told
    hint.taken(60)
    assert told(hint, 940, at_ms=20) == []  # it is under way since 15
    hint.taken(30)
    hint.unknown(7, 20, before)
    hint.unknown(8, 20, before)
    assert told(hint, 890, at_ms=30, under_way=3) == [
        BalanceTold(
            account="spring", intents=(7, 8), messages=40, before=1_000, before_ms=10, after=890, after_ms=30, taken=90,
            under_way=8,
        )
    ]  # fmt: skip
    assert told(hint, 890, at_ms=40) == [], "once"


def test_requests_with_different_answers_before_them_are_told_of_apart():
    hint = BalanceHint()
    told(hint, 100, at_ms=10)
    first = hint.told
    told(hint, 90, at_ms=20)
    hint.unknown(1, 10, first)
    hint.unknown(2, 5, hint.told)
    assert [(each.intents, each.before) for each in told(hint, 75, at_ms=30)] == [((1,), 100), ((2,), 90)]


def test_an_answer_that_was_asked_before_it_became_unknown_says_nothing_of_it():
    hint = BalanceHint()
    told(hint, 100, at_ms=10)
    hint.asked(0)
    hint.unknown(1, 10, hint.told)
    assert list(hint.answered("spring", 100, 20)) == []
    assert [each.before_ms for each in told(hint, 90, at_ms=30)] == [10]


def test_nothing_is_said_where_the_balance_was_never_told_before():
    hint = BalanceHint()
    hint.unknown(1, 10, hint.told)
    assert told(hint, 90, at_ms=30) == []


def test_what_a_former_owner_left_open_is_compared_with_the_book_if_it_was_asked_before():
    for asked_ms, known in ((50, True), (5, False)):
        hint = BalanceHint()
        book = BalanceAsked(account="spring", at_ms=20, by="the lane", messages=100.0, says="")
        hint.inherited(1, 10, asked_ms, book)
        found = told(hint, 90, at_ms=60)
        assert [(each.before, each.taken) for each in found] == ([(100.0, None)] if known else [])
    hint.inherited(2, 10, 50, None)
    assert told(hint, 90, at_ms=70) == []
