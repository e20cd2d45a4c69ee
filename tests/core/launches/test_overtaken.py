"""A launch that was judged without another one that it had to know is void, for every reader of the log."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dispatcher.core.campaigns import Campaigns
from schemas.records import AnyRecord, Cancelled, Follows, Launched
from tests.core.test_campaigns import LAUNCHED


def launch(campaign: str, judged_upto: int | None = None, *, follows: str = "", **fields: Any) -> Launched:
    if follows:
        fields["follows"] = Follows(campaign=follows, attempt="a", states=("failed",))
    return replace(LAUNCHED, campaign=campaign, attempt=f"{campaign}-a", judged_upto=judged_upto, **fields)


def counted(*records: AnyRecord) -> list[str]:
    campaigns = Campaigns()
    for offset, record in enumerate(records):
        campaigns.apply(offset, record)
    return [each.id for each in campaigns.by_id.values() if each.launched is not None]


def test_of_two_capped_launches_that_did_not_see_each_other_the_first_on_the_log_counts() -> None:
    one, other = launch("one", 0, capped=True), launch("other", 0, capped=True)
    assert counted(one, other) == ["one"]
    assert counted(other, one) == ["other"]
    assert counted(one, other, replace(other, judged_upto=2)) == ["one", "other"]


def test_a_void_launch_voids_no_other() -> None:
    records = [launch(name, 0, capped=True) for name in ("one", "two")]
    assert counted(*records, launch("three", 1, capped=True)) == ["one", "three"]


@pytest.mark.parametrize(
    "other",
    [
        launch("other", campaign_class="notice"),
        launch("other", test_of="draft"),
        Cancelled(campaign="other", at_ms=1, by="ann"),
    ],
)
def test_what_does_not_count_for_the_cap_voids_nothing(other: AnyRecord) -> None:
    assert "one" in counted(other, launch("one", 0, capped=True))


def test_a_launch_without_a_cap_is_known_to_those_with_one_and_needs_to_know_nobody() -> None:
    assert counted(launch("plain"), launch("one", 0, capped=True)) == ["plain"]
    assert counted(launch("one", 0, capped=True), launch("plain")) == ["one", "plain"]


def test_of_two_follow_ups_of_one_campaign_the_first_on_the_log_counts() -> None:
    one, other = launch("one", 0, follows="may"), launch("other", 0, follows="may")
    assert counted(one, other) == ["one"]
    assert counted(one, launch("third", 0, follows="june")) == ["one", "third"]
    assert counted(launch("may"), one) == ["may", "one"], "what is followed is known"


def test_a_second_copy_of_a_launch_changes_nothing() -> None:
    one = launch("one", 0, capped=True)
    assert counted(one, one, launch("two", 1, capped=True), one) == ["one", "two"]
