"""Shares follow the weights, nobody starves, an urgent campaign is next."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.flow.fairness import URGENT_RUN, FairShare

CHUNK = 100


def serve(fair: FairShare, ready: list[tuple[str, int, bool]], times: int) -> Counter[str]:
    served: Counter[str] = Counter()
    for _ in range(times):
        chosen = fair.pick(ready)
        assert chosen is not None
        weight, urgent = next((weight, urgent) for name, weight, urgent in ready if name == chosen)
        fair.charge(chosen, CHUNK, weight, urgent=urgent)
        served[chosen] += 1
    return served


@given(weights=st.lists(st.integers(1, 10), min_size=2, max_size=12))
def test_shares_follow_the_weights_within_a_chunk(weights):
    ready = [(f"c{index}", weight, False) for index, weight in enumerate(weights)]
    rounds = 40
    served = serve(FairShare(), ready, rounds * sum(weights))
    for name, weight, _ in ready:
        assert abs(served[name] - rounds * weight) <= 1 + weight / min(weights)


@given(weights=st.lists(st.integers(1, 100), min_size=2, max_size=10), urgent=st.integers(1, 3))
def test_no_campaign_starves_even_behind_endless_urgent_ones(weights, urgent):
    ready = [(f"c{index}", weight, index < urgent) for index, weight in enumerate(weights)]
    fair, starving = FairShare(), {name for name, *_ in ready}
    picks = iter(range(URGENT_RUN * sum(weights) * 3))
    while starving and next(picks, None) is not None:
        starving -= serve(fair, ready, 1).keys()
    assert not starving


def test_an_urgent_campaign_is_next():
    fair = FairShare()
    serve(fair, [("big", 1, False)], 1000)
    assert fair.pick([("big", 1, False), ("urgent", 1, True)]) == "urgent"


def test_a_campaign_that_was_idle_gets_its_share_from_now_on_not_what_it_missed():
    fair = FairShare()
    serve(fair, [("old", 1, False)], 1000)
    served = serve(fair, [("old", 1, False), ("new", 1, False)], 100)
    assert abs(served["new"] - served["old"]) <= 2


def test_no_campaign_is_picked_if_none_is_ready():
    assert FairShare().pick([]) is None


def test_a_campaign_that_becomes_urgent_does_not_wait_for_what_it_had_before():
    fair = FairShare()
    serve(fair, [("big", 1, False)], 1_000)
    served = serve(fair, [("big", 1, True), ("other", 1, True)], 20)
    assert served == {"big": 10, "other": 10}
