"""A budget shared by accounts: what each may spend, what is handed on, and that it always adds up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.money.budget import Budget, cost_of, shares
from dispatcher.core.money.costs import KINDS_MAX, UNEVEN_MAX, Costs
from schemas.records import Budgeted, BudgetShare, Launched, Leg


def launched(budget: int, **of_accounts: int) -> Launched:
    legs = tuple(
        Leg(account=name, vendor="batch-a", jobs=1, recipients=9, segments=1, prices={"default": 5}, share=share)
        for name, share in of_accounts.items()
    )
    return Launched(
        campaign="may", attempt="a", fingerprint="f", name="", text="t", legs=legs, weight=1, urgent=False,
        unknown="hold", rows=9, recipients=9, invalid=0, duplicate=0, suppressed=0, batches=1, segments=1, at_ms=0,
        by="ann", budget=budget,
    )  # fmt: skip


def share(account: str, ceded: int = 0, least: int = 0, wanted: int = 0) -> BudgetShare:
    return BudgetShare(campaign="may", account=account, ceded=ceded, least=least, wanted=wanted, at_ms=1)


def budgeted(budget: int) -> Budgeted:
    return Budgeted(campaign="may", budget=budget, at_ms=1, by="ann")


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=6))
def test_shares_add_up_to_the_budget_in_proportion_to_the_plan(budget: int, planned: list[int]) -> None:
    found = shares(budget, planned)
    assert sum(found) == budget
    assert all(each >= 0 for each in found)
    whole = sum(planned)
    assert all(abs(each - budget * cost / whole) <= 1.001 for each, cost in zip(found, planned, strict=True) if whole)


def test_what_one_account_cedes_goes_to_the_one_that_lacks_it() -> None:
    budget = Budget(launched(100, a=50, b=50))
    budget.apply(share("a", least=55, wanted=80))
    assert (budget.allotted, budget.is_wanted) == ({"a": 50, "b": 50}, True)
    assert (budget.others_want("b"), budget.others_want("a")) == (True, False)
    budget.apply(share("b", ceded=40))
    assert (budget.allotted, budget.reserve, budget.is_wanted) == ({"a": 80, "b": 50}, 10, False)


def test_too_little_for_a_recipient_is_kept_until_there_is_enough() -> None:
    budget = Budget(launched(100, a=50, b=50))
    budget.apply(share("a", least=57, wanted=80))
    budget.apply(share("b", ceded=6))
    assert (budget.allotted["a"], budget.reserve, budget.lacks("a")) == (50, 6, 57)
    budget.apply(budgeted(101))
    assert (budget.allotted["a"], budget.reserve, budget.lacks("a")) == (57, 0, 0)


def test_a_lower_budget_asks_every_account_for_what_it_has_left() -> None:
    budget = Budget(launched(100, a=50, b=50))
    budget.apply(budgeted(60))
    assert (budget.reserve, budget.others_want("a"), budget.others_want("b")) == (-40, True, True)
    budget.apply(share("a", ceded=30, least=85, wanted=90))
    budget.apply(share("b", ceded=20))
    assert (budget.reserve, budget.allotted["a"]) == (10, 50), "10 are left, and it needs 35"


def test_a_share_that_is_told_again_or_late_changes_nothing() -> None:
    budget = Budget(launched(100, a=50, b=50))
    for _ in range(2):
        budget.apply(share("a", ceded=30))
    budget.apply(share("a", ceded=20))
    budget.apply(share("stranger", ceded=20, least=99, wanted=99))
    assert (budget.reserve, budget.is_wanted) == (30, False)


RECORDS = st.one_of(
    st.builds(budgeted, st.integers(0, 300)),
    st.builds(share, st.sampled_from("abc"), st.integers(0, 100), st.integers(0, 300), st.integers(0, 300)),
)


@given(st.lists(RECORDS, max_size=30))
def test_the_reserve_and_what_is_allotted_always_add_up_and_no_share_shrinks(
    records: list[Budgeted | BudgetShare],
) -> None:
    budget, before = Budget(launched(100, a=50, b=30, c=20)), {"a": 0, "b": 0, "c": 0}
    for record in records:
        budget.apply(record)
        assert budget.reserve + sum(budget.allotted.values()) - sum(map(budget.ceded, "abc")) == budget.amount
        assert all(budget.allotted[each] >= before[each] for each in "abc")
        before = dict(budget.allotted)


COSTS = Costs(np.array([5, 5, 10, 5, 5, 15]))


@pytest.mark.parametrize(
    ("start", "amount", "count"), [(0, 4, 0), (0, 5, 1), (0, 19, 2), (2, 20, 3), (0, 999, 6), (0, -1, 0)]
)
def test_as_many_recipients_are_affordable_as_the_amount_pays(start: int, amount: int, count: int) -> None:
    assert COSTS.affordable(start, 6 - start, amount) == count


def test_the_costs_of_an_intent_are_those_of_each_of_its_recipients() -> None:
    cost = COSTS.packed(1, 4)
    assert (cost.whole, cost.kinds) == (25, (5, 10))
    assert [cost_of(cost, 4, ((at, 1),)) for at in range(4)] == [5, 10, 5, 5]
    even = COSTS.packed(3, 2)
    assert (even.kinds, cost_of(even, 2, ((1, 1),))) == ((), 5)


def test_an_intent_has_no_more_recipients_of_different_costs_than_it_can_name() -> None:
    assert Costs(np.full(60_000, 5)).in_one_intent(0, 60_000) == 60_000
    assert Costs(np.arange(60_000) % 7).in_one_intent(0, 60_000) == UNEVEN_MAX
    assert Costs(np.arange(60_000)).in_one_intent(0, 60_000) == KINDS_MAX
