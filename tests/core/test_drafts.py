"""Drafts in the fold of `campaigns`: what they wait for, when they start, and which launch of one counts."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from msgspec.structs import replace

from dispatcher.core.campaigns import Campaign
from dispatcher.core.drafts import content, starts_ms, status
from dispatcher.core.schedule.hours import hours_of
from schemas.records import AnyRecord, Approved, Cancelled, Drafted, Scheduled, StartFailed
from tests.core.test_campaigns import LAUNCHED, folded

DRAFTED = Drafted(
    campaign="may",
    revision="r1",
    fingerprint="f1",
    list_digest="l1",
    terms=b'{"text":"hi","route":["spring"],"weight":2,"name":"May","by":"ann"}',
    places=b"",
    name="May",
    text="hi",
    accounts=("spring",),
    rows=20,
    recipients=20,
    invalid=0,
    duplicate=0,
    suppressed=0,
    at_ms=1,
    by="ann",
)
SCHEDULED = Scheduled(campaign="may", revision="r2", start_ms=9_000, at_ms=2, by="ann")
CANCELLED = Cancelled(campaign="may", at_ms=3, by="bob")
OF_R1 = replace(LAUNCHED, attempt="a1", revision="r1")
OF_R2 = replace(LAUNCHED, attempt="a2", revision="r2")
FAILED = StartFailed(campaign="may", revision="r2", says="all suppressed", at_ms=4)


def approved(drafted: Drafted, by: str = "bob") -> Approved:
    return Approved(campaign="may", content=content(drafted), at_ms=5, by=by)


def changed(drafted: Drafted, revision: str, **terms: object) -> Drafted:
    """The same draft with other terms."""
    before = msgspec.json.decode(drafted.terms)
    return replace(drafted, revision=revision, fingerprint="f2", terms=msgspec.json.encode(before | terms))


def may(*records: AnyRecord) -> Campaign:
    return folded(*records).by_id["may"]


def word(campaign: Campaign, above: int | None = None) -> str:
    assert campaign.draft is not None
    return status(campaign.draft, campaign.revision, above, cancelled=campaign.cancelled)


def starts(campaign: Campaign, above: int | None = None) -> int | None:
    assert campaign.draft is not None
    return starts_ms(campaign.draft, campaign.revision, above, 7_000, cancelled=campaign.cancelled)


STATUSES = [
    ("drafted", (DRAFTED,), None, "draft", None),
    ("scheduled", (DRAFTED, SCHEDULED), None, "scheduled", 9_000),
    (
        "not scheduled any more",
        (DRAFTED, SCHEDULED, replace(SCHEDULED, revision="r3", start_ms=0)),
        None,
        "draft",
        None,
    ),
    ("small enough to need no approval", (DRAFTED, SCHEDULED), 20, "scheduled", 9_000),
    ("to be approved", (DRAFTED, SCHEDULED), 19, "awaits approval", None),
    ("approved", (DRAFTED, SCHEDULED, approved(DRAFTED)), 19, "scheduled", 9_000),
    ("replaced, the time stays", (DRAFTED, SCHEDULED, changed(DRAFTED, "r3", text="ho")), None, "scheduled", 9_000),
    ("failed", (DRAFTED, SCHEDULED, FAILED), None, "not started", None),
    (
        "moved after it failed",
        (DRAFTED, SCHEDULED, FAILED, replace(SCHEDULED, revision="r3")),
        None,
        "scheduled",
        9_000,
    ),
    ("cancelled", (DRAFTED, SCHEDULED, CANCELLED), None, "cancelled", None),
]


@pytest.mark.parametrize(
    ("records", "above", "expected", "start_ms"), [row[1:] for row in STATUSES], ids=[row[0] for row in STATUSES]
)
def test_a_draft_waits_for(records: tuple[AnyRecord, ...], above: int | None, expected: str, start_ms: int | None):
    campaign = may(*records)
    assert (word(campaign, above), starts(campaign, above)) == (expected, start_ms)


DAY = hours_of("08:00-20:00")
EIGHT = 1_800_000_000_000 - 1_800_000_000_000 % 86_400_000  # 08:00 in Asia/Shanghai
HOUR = 3_600_000
STARTS = [
    ("before its time", 3 * HOUR, 2 * HOUR, 3 * HOUR),
    ("late, after a down time", 3 * HOUR, 5 * HOUR, 5 * HOUR),
    ("so late that its hours are over: at the next opening", 3 * HOUR, 13 * HOUR, 24 * HOUR),
    ("scheduled before its hours: when they begin", -2 * HOUR, -2 * HOUR, 0),
]


@pytest.mark.parametrize(("start", "now", "expected"), [row[1:] for row in STARTS], ids=[row[0] for row in STARTS])
def test_a_draft_starts_within_its_hours(start: int, now: int, expected: int) -> None:
    campaign = may(replace(DRAFTED, hours=DAY.spans), replace(SCHEDULED, start_ms=EIGHT + start))
    assert campaign.draft is not None
    at_ms = starts_ms(campaign.draft, campaign.revision, None, EIGHT + now, cancelled=False)
    assert at_ms == EIGHT + expected


def test_an_approval_is_void_as_soon_as_anything_changes_and_what_changed_is_known() -> None:
    other = changed(DRAFTED, "r2", text="ho", weight=3)
    campaign = may(DRAFTED, approved(DRAFTED), other)
    assert campaign.draft is not None
    assert campaign.draft.approved_by == ""
    assert campaign.draft.changed_since_approval() == ["text", "weight"]
    assert word(campaign, 1) == "awaits approval"
    shorter = may(DRAFTED, approved(DRAFTED), replace(DRAFTED, revision="r2", fingerprint="f2", list_digest="l2"))
    assert shorter.draft is not None
    assert shorter.draft.changed_since_approval() == ["list"]


def test_an_approval_holds_for_the_same_content_under_another_name_or_by_another_author() -> None:
    again = replace(DRAFTED, revision="r2", terms=DRAFTED.terms.replace(b"ann", b"cat").replace(b"May", b"June"))
    campaign = may(DRAFTED, approved(DRAFTED), again)
    assert campaign.draft is not None
    assert campaign.draft.approved_by == "bob"
    assert campaign.draft.changed_since_approval() == []


def test_who_approved_a_draft_and_drafts_it_again_needs_another_person() -> None:
    again = replace(DRAFTED, revision="r2", by="bob")
    campaign = may(DRAFTED, approved(DRAFTED, by="bob"), again)
    assert campaign.draft is not None
    assert campaign.draft.approved_by == ""
    assert campaign.draft.changed_since_approval() == ["author"]


def test_an_approval_of_an_earlier_draft_that_arrives_late_is_void() -> None:
    other = changed(DRAFTED, "r2", text="ho")
    campaign = may(DRAFTED, other, approved(DRAFTED))
    assert campaign.draft is not None
    assert campaign.draft.approved_by == ""


VOID = [
    ("the draft was replaced", (DRAFTED, replace(DRAFTED, revision="r2")), OF_R1),
    ("it was scheduled or moved", (DRAFTED, SCHEDULED), OF_R1),
    ("it was cancelled", (DRAFTED, SCHEDULED, CANCELLED), OF_R2),
    ("there is no draft", (), OF_R1),
]


@pytest.mark.parametrize(("before", "launched"), [row[1:] for row in VOID], ids=[row[0] for row in VOID])
def test_a_launch_of_a_draft_is_void_if_before_it(before: tuple[AnyRecord, ...], launched: AnyRecord) -> None:
    campaigns = folded(*before, launched)
    assert campaigns.launched("may") is None
    assert campaigns.apply(99, launched) is None


@pytest.mark.parametrize("after", [DRAFTED, SCHEDULED, CANCELLED, FAILED], ids=lambda record: type(record).__name__)
def test_what_comes_after_the_launch_does_not_undo_it(after: AnyRecord) -> None:
    campaign = may(DRAFTED, OF_R1, after)
    assert campaign.launched == OF_R1
    assert campaign.draft is None
    assert campaign.cancelled == (after is CANCELLED)


def test_in_every_order_a_campaign_is_launched_or_cancelled_but_never_silently_both() -> None:
    """Two conductors start it while one person moves it and another cancels it."""
    records: list[AnyRecord] = [OF_R2, replace(OF_R2, attempt="a3"), replace(SCHEDULED, revision="r3"), CANCELLED]
    for order in itertools.permutations(records):
        campaign = may(DRAFTED, SCHEDULED, *order)
        first_launch = min(order.index(records[0]), order.index(records[1]))
        stopped = min(order.index(records[2]), order.index(records[3]))
        assert (campaign.launched is not None) == (first_launch < stopped)
        if campaign.launched is not None:
            assert campaign.launched == order[first_launch]


def test_a_direct_launch_needs_no_revision() -> None:
    assert may(LAUNCHED).launched == LAUNCHED
