"""Automatic retries: how they are written, when one is due, and what ends them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.launches.retries import (
    RetryBroken,
    RetryStep,
    begins_ms,
    budget_left,
    continues,
    ends_ms,
    follows_of,
    retry_of,
    rounds,
    sources,
    step,
)
from dispatcher.core.schedule.hours import daily
from schemas.records import (
    AnyRecord,
    Budgeted,
    Cancelled,
    Closed,
    Flowed,
    Follows,
    Launched,
    Leg,
    Retry,
    RetrySkipped,
)
from tests.core.test_campaigns import LAUNCHED
from tests.core.test_caps import starts_ms

H = 3_600_000
NINE = starts_ms(20_000) + 9 * H
RULE = Retry(classes=("temporary",), times=2, within_ms=6 * H)
ROOT = replace(LAUNCHED, campaign="may", at_ms=NINE, retry=RULE)
FIRST = replace(LAUNCHED, campaign="may.retry-1", attempt="r1", follows=follows_of(ROOT, 1), at_ms=NINE + 2 * H)
SECOND = replace(LAUNCHED, campaign="may.retry-2", attempt="r2", follows=follows_of(ROOT, 2), at_ms=NINE + 4 * H)


def folded(*records: AnyRecord) -> Campaigns:
    campaigns = Campaigns()
    for offset, record in enumerate(records):
        campaigns.apply(offset, record)
    return campaigns


def due(now_ms: int, *records: AnyRecord) -> RetryStep:
    campaigns = folded(*records)
    return step(campaigns, campaigns.by_id["may"], now_ms)


def states(now_ms: int, *records: AnyRecord) -> list[str]:
    campaigns = folded(*records)
    return [each.state for each in rounds(campaigns, campaigns.by_id["may"], now_ms)]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("temporary: 2 within 6 h", RULE),
        (
            " temporary , channel:1 within 90min ",
            Retry(classes=("temporary", "channel"), times=1, within_ms=90 * 60_000),
        ),
        ("frequency: 5 within 7 d", Retry(classes=("frequency",), times=5, within_ms=7 * 24 * H)),
    ],
)
def test_a_rule_is_read_as_people_write_it(text: str, rule: Retry) -> None:
    assert retry_of(text) == rule


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a rule"),
        ("temporary", "is not a rule"),
        ("temporary: 2", "is not a rule"),
        ("blacklist: 2 within 6 h", '"blacklist" is not a class of code that a retry can help'),
        ("temporary: 0 within 6 h", "1 to 5 within"),
        ("temporary: 6 within 6 h", "1 to 5 within"),
        ("temporary: 2 within 8 d", "1 to 5 within"),
        ("temporary: 2 within 0 h", "1 to 5 within"),
    ],
)
def test_what_is_no_rule_is_refused(text: str, says: str) -> None:
    with pytest.raises(RetryBroken, match=says):
        retry_of(text)


def test_the_time_is_divided_evenly() -> None:
    assert due(NINE, ROOT) == RetryStep(0, (), NINE + 2 * H)
    assert due(NINE + 2 * H, ROOT) == RetryStep(1, (), NINE + 4 * H)
    assert due(NINE + 2 * H, ROOT, FIRST) == RetryStep(0, (), NINE + 4 * H)
    assert due(NINE + 4 * H, ROOT, FIRST) == RetryStep(2, (), NINE + 6 * H)
    assert due(NINE + 5 * H, ROOT, FIRST, SECOND) == RetryStep(0, (), NINE + 6 * H)


def test_a_retry_that_was_missed_is_not_made_up_for() -> None:
    assert due(NINE + 4 * H, ROOT).launch == 2
    assert states(NINE + 4 * H, ROOT) == ["missed", "due"]


def test_after_the_time_nothing_is_launched_and_what_is_left_is_ended() -> None:
    assert due(NINE + 6 * H, ROOT, FIRST) == RetryStep(0, ("may.retry-1",), 0)
    ended = Cancelled(campaign="may.retry-1", at_ms=1, by="conductor")
    assert due(NINE + 6 * H, ROOT, FIRST, ended) == RetryStep(0, (), 0)


@pytest.mark.parametrize(
    "record", [Cancelled(campaign="may", at_ms=1, by="ann"), Closed(campaign="may", at_ms=1, by="a")]
)
def test_cancelling_or_closing_a_campaign_ends_its_retries(record: AnyRecord) -> None:
    assert due(NINE + 4 * H, ROOT, FIRST, record) == RetryStep(0, ("may.retry-1",), 0)
    assert states(NINE + 4 * H, ROOT, FIRST, record) == ["launched", "ended"]
    campaigns = folded(ROOT, record)
    assert not continues(campaigns.by_id["may"], NINE)
    assert continues(folded(ROOT).by_id["may"], NINE + 6 * H - 1)


def test_while_a_campaign_is_paused_nobody_is_retried() -> None:
    paused = Flowed(campaign="may", paused=True, at_ms=1, by="ann")
    assert due(NINE + 2 * H, ROOT, paused) == RetryStep(0, (), NINE + 4 * H)
    assert due(NINE + 2 * H, ROOT, paused, replace(paused, paused=False)).launch == 1


def test_a_retry_that_was_skipped_is_not_tried_again() -> None:
    skipped = RetrySkipped(campaign="may", number=1, why="nobody", says="", at_ms=1)
    assert due(NINE + 2 * H, ROOT, skipped) == RetryStep(0, (), NINE + 4 * H)
    assert states(NINE + 2 * H, ROOT, skipped) == ["skipped", "waits"]
    assert states(NINE + 2 * H, ROOT, skipped, FIRST) == ["launched", "waits"], "what was launched counts"


def test_a_retry_is_due_within_the_campaigns_hours() -> None:
    day = replace(ROOT, hours=daily(8, 12).spans, retry=replace(RULE, within_ms=36 * H))
    opens = NINE - H + 24 * H
    assert begins_ms(day) == NINE
    assert due(NINE + 12 * H, day).launch == 0, "it is 21:00"
    found = rounds(folded(day), folded(day).by_id["may"], NINE)
    assert [each.due_ms for each in found] == [opens, NINE + 24 * H]


def test_the_time_begins_when_the_hours_open() -> None:
    night = replace(ROOT, at_ms=NINE - 4 * H, hours=daily(8, 20).spans)
    assert begins_ms(night) == NINE - H
    assert ends_ms(night) == NINE + 5 * H


def test_a_retry_has_who_failed_last_and_is_nowhere_else() -> None:
    by_hand = replace(
        LAUNCHED, campaign="again", attempt="h", follows=Follows(campaign="may", attempt="a1", states=("failed",))
    )
    campaigns = folded(ROOT, FIRST, by_hand)
    assert [(each.campaign, set(each.but)) for each in sources(campaigns, ROOT, 2)] == [
        ("may", {"may.retry-1", "again"}),
        ("may.retry-1", set()),
    ]
    later = folded(ROOT, FIRST, SECOND, by_hand)
    assert [(each.campaign, set(each.but)) for each in sources(later, ROOT, 1)] == [("may", {"may.retry-2", "again"})]


def leg(cost: int) -> Leg:
    return Leg(account="spring", vendor="batch-a", jobs=1, recipients=2, cost=cost, prices={"default": 1})


def test_retries_have_what_their_campaign_leaves_of_its_budget() -> None:
    root: Any = replace(ROOT, budget=100, legs=(leg(70),))
    campaigns = folded(root, replace(FIRST, legs=(leg(20),)))
    may = campaigns.by_id["may"]
    assert [budget_left(campaigns, may, number) for number in (1, 2)] == [30, 10]
    campaigns.apply(9, Budgeted(campaign="may", budget=50, at_ms=1, by="ann"))
    assert budget_left(campaigns, may, 1) == 0
    assert budget_left(folded(ROOT), folded(ROOT).by_id["may"], 1) is None


def test_a_launched_campaign_with_an_end_is_held_from_then_on() -> None:
    ends: Launched = replace(FIRST, hours=daily(8, 20).spans, ends_ms=NINE + 6 * H)
    campaign = folded(ROOT, ends).by_id["may.retry-1"]
    assert campaign.held(NINE + 6 * H - 1) is None
    hold = campaign.held(NINE + 6 * H)
    assert hold is not None
    assert hold.why == "over"
    assert not campaign.sends_at(NINE + 30 * H)
    campaign.schedule.hold(NINE + 24 * H)
    assert campaign.held(NINE) is None
