"""A held campaign in a lane: it is not announced, not written, woken at its opening, and gets no credit for it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dispatcher.core.flow.fairness import FairShare
from dispatcher.core.lane.account import HOURS_CHECKED_S
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.lane.effects import Fetch
from dispatcher.core.lane.next_sends import HELD
from dispatcher.core.messages.chunks import Batch
from dispatcher.core.schedule.hours import Hours, daily, to_record
from dispatcher.core.shanghai import HOUR_MS
from schemas.records import AtClosing, HoursChanged, Job
from tests.core.lane.test_gate import RECIPIENTS, Lane, goes

OPEN_MS = 0  # 08:00 in Shanghai
CLOSING_MS = 12 * HOUR_MS
DAY = daily(8, 20)


def given(lane: Lane, hours: Hours, campaign: str = "may", at_closing: AtClosing = "continue") -> None:
    record = HoursChanged(campaign=campaign, hours=to_record(hours), at_closing=at_closing, at_ms=0, by="")
    lane.campaigns.apply(1, record)


def also_launched(lane: Lane, campaign: str) -> None:
    """Another campaign of as many recipients."""
    known = lane.campaigns.launched("may")
    assert known is not None
    lane.campaigns.apply(2, replace(known, campaign=campaign))
    job = Job(
        campaign=campaign, attempt="a", account="spring", number=0, batch=0, partition=0, offset=0, sha256=b"",
        start=0, count=RECIPIENTS,
    )  # fmt: skip
    lane.owner.inbox_read(len(lane.journal) + 100, job, 0.0, 0)


def load(lane: Lane, now_s: float) -> None:
    """The batches that it asks for."""
    for effect in lane.owner.poll(now_s, lane.now_ms):
        if isinstance(effect, Fetch):
            numbers = b",".join([b"13800138000"] * RECIPIENTS)
            lane.owner.batch_loaded(effect.job_offset, Batch(numbers, RECIPIENTS))


def test_nothing_of_a_held_campaign_is_announced_and_the_lane_wakes_at_its_opening() -> None:
    lane = Lane()
    given(lane, daily(9, 20))
    assert lane.sends(0.0) == []
    assert lane.intents() == []
    assert lane.owner.wake_s == pytest.approx(HOURS_CHECKED_S)  # the wall clock may be set
    lane.now_ms = HOUR_MS - 2_000
    assert lane.sends(3598.0) == []
    assert lane.owner.wake_s == pytest.approx(3600.0)
    lane.now_ms = HOUR_MS
    assert lane.sends(3600.0) != []


def test_what_was_announced_is_not_written_after_closing_and_queued_again() -> None:
    lane = Lane(limit=None)
    given(lane, DAY)
    lane.now_ms = CLOSING_MS - 1
    first, second, *_ = lane.sends(0.0)
    assert lane.may_write(first.intent, 0.0)
    lane.now_ms = CLOSING_MS
    assert lane.may_write(second.intent, 0.001) is False
    sending = lane.account.sending[second.intent]
    assert sending.refused.startswith(HELD)


def test_what_waits_at_the_gate_is_told_to_go_at_closing_time() -> None:
    lane = Lane(limit=10, numbers_max=10)
    given(lane, DAY)
    lane.now_ms = CLOSING_MS - 500
    [send, *_] = lane.sends(0.0)
    assert lane.account.pacer is not None
    lane.account.pacer.hold(60.0)
    assert lane.may_write(send.intent, 0.1) is None
    lane.now_ms = CLOSING_MS
    assert goes(lane.poll(0.2)) == [send.intent]
    assert lane.may_write(send.intent, 0.2) is False
    lane.answered(send.intent, 0.2, Verdict(kind=Kind.NOT_SENT))
    lane.poll(0.2)
    assert lane.outcomes()[-1].effect == "queued"
    assert lane.account.unwritten == {}, "nobody is told of what was meant"


def test_the_rest_of_a_recipient_whose_first_part_is_out_leaves_after_closing() -> None:
    lane = Lane(limit=None)
    given(lane, DAY)
    lane.now_ms = CLOSING_MS - 1
    send, *_ = lane.sends(0.0)
    assert lane.owner.grant(send.intent, "spring", 1, 0.0, lane.now_ms)
    lane.now_ms = CLOSING_MS
    rest = lane.owner.grant(send.intent, "spring", 1, 0.0, lane.now_ms, started=True)
    assert rest is not None
    assert rest.messages == 1
    others = lane.owner.grant(send.intent, "spring", 1, 0.0, lane.now_ms)
    assert others is not None
    assert others.messages == 0


def test_many_held_campaigns_are_asked_for_no_batch_and_do_not_keep_the_lane_awake() -> None:
    lane = Lane()
    given(lane, daily(9, 20))
    for index in range(200):
        also_launched(lane, f"c{index}")
        given(lane, daily(10 + index % 5, 20), f"c{index}")
    effects: list[Any] = lane.owner.poll(0.0, 0)
    assert [effect for effect in effects if isinstance(effect, Fetch)] == []
    assert lane.owner.wake_s == pytest.approx(HOURS_CHECKED_S)


def test_a_campaign_that_waits_for_a_person_alone_wakes_nobody() -> None:
    lane = Lane()
    given(lane, DAY, at_closing="pause")
    lane.now_ms = CLOSING_MS
    assert lane.sends(0.0) == []
    assert lane.account.released_s(0.0, lane.now_ms) == float("inf")


def test_a_campaign_gets_no_credit_for_the_time_it_was_held() -> None:
    fair, both = FairShare(), [("held", 1, False), ("other", 1, False)]
    fair.charge("held", 10, 1, urgent=False)
    for _ in range(50):  # it is held, and the other one sends alone
        fair.charge("other", 10, 1, urgent=False)
    served = []
    for _ in range(20):
        chosen = fair.pick(both)
        assert chosen is not None
        fair.charge(chosen, 10, 1, urgent=False)
        served.append(chosen)
    assert abs(served.count("held") - served.count("other")) <= 2
