"""Frequency caps: how they are written, which launches count, and when a number is free again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.caps import Cap, CapBroken, cap_of, counted, day_of
from schemas.records import Follows, Launched
from tests.core.test_campaigns import LAUNCHED

DAY = 86_400_000
CAP = Cap(2, 7)


def starts_ms(day: int) -> int:
    """When this day, counted from 1970-01-01, begins in Shanghai."""
    return day * DAY - 8 * 3_600_000


def folded(*launches: Launched) -> Campaigns:
    campaigns = Campaigns()
    for offset, record in enumerate(launches):
        campaigns.apply(offset, record)
    return campaigns


def on(day: int, campaign: str, **fields: object) -> Launched:
    follows = fields.pop("follows", None)
    if follows:
        fields["follows"] = Follows(campaign=str(follows), attempt="a", states=("failed",))
    return replace(LAUNCHED, campaign=campaign, attempt=f"{campaign}-a", at_ms=starts_ms(day) + 1, **fields)


@pytest.mark.parametrize(
    ("text", "cap"), [("2 per 7 d", CAP), ("1 per 1 day", Cap(1, 1)), (" 10  per 30 days ", Cap(10, 30))]
)
def test_a_cap_is_read_as_people_write_it(text: str, cap: Cap):
    assert cap_of(text) == cap
    assert cap_of(str(cap)) == cap


@pytest.mark.parametrize(
    "text", ["", "2", "2 per week", "0 per 7 d", "2 per 0 d", "2 per 91 d", "-1 per 7 d", "2 per 7 h"]
)
def test_what_is_no_cap_is_refused(text: str):
    with pytest.raises(CapBroken):
        cap_of(text)


def test_a_day_begins_at_midnight_in_shanghai():
    midnight = 1_764_518_400_000  # 2025-12-01 00:00 +08:00
    assert day_of(midnight) == day_of(midnight - 1) + 1


def test_launches_of_the_class_within_the_days_count_and_tests_do_not():
    campaigns = folded(
        on(93, "old"),
        on(94, "first"),
        on(100, "today", campaign_class="marketing"),
        on(100, "code", campaign_class="code"),
        on(100, "test", test_of="may"),
    )
    assert list(counted(campaigns, "marketing", CAP, 100)) == ["first-a", "today-a"]
    assert list(counted(campaigns, "code", CAP, 100)) == ["code-a"]


def test_a_follow_up_counts_only_when_what_it_follows_does_not_any_more():
    campaigns = folded(
        on(95, "may"), on(98, "may.1", follows="may"), on(99, "may.1.1", follows="may.1"), on(99, "june")
    )
    assert set(counted(campaigns, "marketing", CAP, 100)) == {"may-a", "june-a"}
    assert set(counted(campaigns, "marketing", CAP, 103)) == {"may.1-a", "june-a"}


def test_a_follow_up_is_not_limited_by_what_it_follows():
    campaigns = folded(on(99, "may"), on(99, "may.1", follows="may"), on(99, "june"))
    follows = Follows(campaign="may.1", attempt="a", states=("failed",))
    assert set(counted(campaigns, "marketing", CAP, 100, follows)) == {"june-a"}


def test_follow_ups_in_a_circle_end():
    campaigns = folded(on(99, "a", follows="b"), on(99, "b", follows="a"))
    assert counted(campaigns, "marketing", CAP, 100) == {}
