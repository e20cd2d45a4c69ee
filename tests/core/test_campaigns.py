"""The fold of `campaigns`: control in any order, what lanes told of accounts, operations, the newest snapshot."""

from __future__ import annotations

from msgspec.structs import replace

from dispatcher.core.campaigns import Campaigns, kept_as
from schemas.records import (
    AnyRecord,
    BudgetShare,
    Cancelled,
    Closed,
    Flowed,
    Launched,
    Leg,
    Operated,
    Stopped,
    SuppressionSnapshotAt,
    Weighed,
)

LAUNCHED = Launched(
    campaign="may",
    attempt="a1",
    fingerprint="0" * 64,
    name="May",
    text="hi",
    legs=(Leg(account="spring", vendor="batch-a", jobs=1, recipients=2),),
    weight=2,
    urgent=False,
    unknown="hold",
    rows=2,
    recipients=2,
    invalid=0,
    duplicate=0,
    suppressed=0,
    batches=1,
    segments=1,
    at_ms=1,
    by="alice",
)
ASKED = Operated(
    operation="0a", account="spring", name="recharge", shows=(("fee", "100"),), result="asked", at_ms=1, by="alice"
)


def folded(*records: AnyRecord) -> Campaigns:
    campaigns = Campaigns()
    for offset, record in enumerate(records):
        campaigns.apply(offset, record)
    return campaigns


def test_the_first_launch_of_an_id_counts() -> None:
    campaigns = folded(LAUNCHED, replace(LAUNCHED, attempt="a2"))
    assert campaigns.launched("may") == LAUNCHED
    assert campaigns.launched("june") is None
    assert (campaigns.counts("may", "a1"), campaigns.counts("may", "a2"), campaigns.counts("june", "a1")) == (
        True,
        False,
        None,
    )


def test_control_that_is_read_before_the_launch_is_in_force_after_it() -> None:
    flowed = Flowed(campaign="may", paused=True, at_ms=2, by="bob")
    weighed = Weighed(campaign="may", weight=5, urgent=True, at_ms=2, by="bob")
    may = folded(flowed, weighed, LAUNCHED).get("may")
    assert may is not None
    assert (may.paused, may.weight, may.urgent, may.sends) == (True, 5, True, False)


def test_a_campaign_named_by_control_alone_was_not_launched() -> None:
    campaigns = folded(Cancelled(campaign="may", at_ms=2, by="bob"))
    assert campaigns.launched("may") is None
    may = campaigns.get("may")
    assert may is not None
    assert not may.sends


def test_the_first_time_a_campaign_is_closed_counts() -> None:
    first = Closed(campaign="may", at_ms=2, by="bob")
    may = folded(first, LAUNCHED, replace(first, at_ms=3)).get("may")
    assert may is not None
    assert may.closed == first


def test_an_account_that_sends_again_is_no_longer_stopped() -> None:
    stop = Stopped(account="spring", at_ms=1, why="auth", says="the password is wrong")
    assert folded(stop).stopped() == {"spring": stop}
    assert folded(stop, replace(stop, why="", says="")).stopped() == {}


def test_an_operation_is_unknown_until_a_word_on_it_comes() -> None:
    [state] = folded(ASKED).operations.values()
    assert (state.result, state.asked, state.last) == ("unknown", ASKED, ASKED)
    done = replace(ASKED, result="done", at_ms=2)
    [state] = folded(ASKED, done).operations.values()
    assert (state.result, state.asked, state.last) == ("done", ASKED, done)


def test_operations_stand_in_the_order_in_which_they_were_asked() -> None:
    second = replace(ASKED, operation="0b")
    assert list(folded(ASKED, second, replace(ASKED, result="done")).operations) == ["0a", "0b"]


def test_the_newest_snapshot_of_the_suppression_list_counts() -> None:
    first = SuppressionSnapshotAt(snapshot="s1", upto=10, parts=1, numbers=5)
    assert folded(first, replace(first, snapshot="s2")).suppression_snapshot == replace(first, snapshot="s2")
    assert folded().suppression_snapshot is None


def test_a_store_keeps_every_record_about_a_budget_in_the_order_of_the_log_and_of_others_the_last() -> None:
    share = BudgetShare(campaign="may", account="spring", ceded=0, least=1, wanted=2, at_ms=0)
    paused = Flowed(campaign="may", paused=True, at_ms=0, by="ann")
    assert kept_as(share, 9) < kept_as(share, 10)
    assert kept_as(paused, 9) == kept_as(paused, 10) == "flow"
