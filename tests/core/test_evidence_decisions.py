"""A decision on an unknown chunk lies in the lane's inbox: it takes effect once, whoever owns the lane by then."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.core.account_lane import LaneSpec
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.effects import Append
from dispatcher.core.lane import LaneState
from dispatcher.core.owner import Owner, OwnerSettings
from schemas.records import Decided, Intent, Job, Launched, Leg, Owned, Resolved

TTL_S, TIMEOUT_S = 5.0, 30.0
JOBS = 3


def job(number: int) -> Job:
    return Job(
        campaign="may", attempt="a", account="spring", number=number, batch=number, partition=0, offset=number,
        sha256=b"", start=0, count=10,
    )  # fmt: skip


def decided(verdict: Any, *intents: int, campaign: str = "may") -> Decided:
    return Decided(
        account="spring", campaign=campaign, intents=intents, verdict=verdict, at_ms=0, by="li@desk", why="asked them",
        vendor_id="77" if verdict == "sent" else "",
    )  # fmt: skip


class Lane:
    """A lane's log, and its owners one after the other."""

    def __init__(self) -> None:
        self.journal: list[Any] = []
        self.inbox: list[Any] = [job(0)]
        self.now_s = 100.0
        self.campaigns = Campaigns()
        leg = Leg(account="spring", vendor="batch-a", jobs=JOBS, recipients=10 * JOBS)
        launched = Launched(
            campaign="may", attempt="a", fingerprint="", name="", text="hi", legs=(leg,), weight=1, urgent=False,
            unknown="hold", rows=10 * JOBS, recipients=10 * JOBS, invalid=0, duplicate=0, suppressed=0, batches=JOBS,
            segments=1, at_ms=0, by="",
        )  # fmt: skip
        self.campaigns.apply(0, launched)

    def owner(self, name: str, state: LaneState | None = None) -> Owner:
        """A new owner that has read everything."""
        state = state or LaneState()
        self.journal.append(Owned(owner=name, at_ms=0, where=""))
        spec = LaneSpec(account="spring", numbers_max=10, timeout_s=TIMEOUT_S)
        owner = Owner(OwnerSettings(partition=0, owner=name, ttl_s=TTL_S), [spec], state, self.campaigns, self.now_s)
        self.read(owner, state.position)
        for offset in range(state.inbox, len(self.inbox)):
            owner.inbox_read(offset, self.inbox[offset], self.now_s, 0)
        return owner

    def read(self, owner: Owner, position: int) -> None:
        for offset in range(position, len(self.journal)):
            owner.journal_read(offset, self.journal[offset], self.now_s, 0)

    def tell(self, owner: Owner, record: Any) -> None:
        self.inbox.append(record)
        owner.inbox_read(len(self.inbox) - 1, record, self.now_s, 0)

    def resolutions(self, owner: Owner) -> list[Resolved]:
        """What it says now; read back at once."""
        position = len(self.journal)
        effects = [effect.record for effect in owner.poll(self.now_s, 0) if isinstance(effect, Append)]
        self.journal += [record for record in effects if isinstance(record, Resolved)]
        self.read(owner, position)
        return [record for record in effects if isinstance(record, Resolved)]


def one_unknown() -> tuple[Lane, Owner]:
    """The chunk of intent 1 was under way when its owner died."""
    lane = Lane()
    lane.journal = [
        Owned(owner="old", at_ms=0, where=""),
        Intent(
            owner="old", n=0, account="spring", campaign="may", job=0, batch=0, start=0, count=10, attempt=0, at_ms=0
        ),
    ]
    return lane, lane.owner("new")


def test_sent_is_resolved_at_once_with_who_why_and_the_id():
    lane, owner = one_unknown()
    lane.tell(owner, decided("sent", 1))
    [resolved] = lane.resolutions(owner)
    assert (resolved.intent, resolved.verdict, resolved.by, resolved.why, resolved.vendor_id) == (
        1, "sent", "li@desk", "asked them", "77",
    )  # fmt: skip
    lane.tell(owner, decided("sent", 1))  # told twice
    assert lane.resolutions(owner) == []


@pytest.mark.parametrize("verdict", ["resend", "not-sent"])
def test_nothing_is_sent_again_before_nobody_can_still_be_sending_it(verdict):
    lane, owner = one_unknown()
    lane.tell(owner, decided(verdict, 1))
    assert lane.resolutions(owner) == []
    lane.now_s += TTL_S + TIMEOUT_S
    assert [(each.intent, each.verdict) for each in lane.resolutions(owner)] == [(1, verdict)]


@pytest.mark.parametrize(
    "record",
    [decided("resend", 7), decided("resend", 1, campaign="june")],
    ids=["of another intent", "of another campaign"],
)
def test_a_decision_about_something_else_changes_nothing(record):
    lane, owner = one_unknown()
    lane.tell(owner, record)
    lane.now_s += TTL_S + TIMEOUT_S
    assert lane.resolutions(owner) == []


def test_a_decision_that_waits_is_not_forgotten_by_a_checkpoint_and_the_next_owner():
    lane, owner = one_unknown()
    lane.tell(owner, decided("resend", 1))
    lane.tell(owner, job(1))
    checkpoint = owner.last_checkpoint(0)
    lane.journal.append(checkpoint)
    following = lane.owner("next", LaneState.load(checkpoint))
    assert sorted(following.state.jobs) == [0, 2]  # the job behind the decision was read twice, and taken once
    assert following.state.taken == {("spring", "may", "a"): 2}
    lane.now_s += TTL_S + TIMEOUT_S
    assert [(each.intent, each.verdict) for each in lane.resolutions(following)] == [(1, "resend")]
    assert following.last_checkpoint(0).inbox == len(lane.inbox)


def test_of_two_decisions_the_later_one_counts_as_long_as_nothing_was_done():
    lane, owner = one_unknown()
    lane.tell(owner, decided("resend", 1))
    lane.tell(owner, decided("sent", 1))
    assert [each.verdict for each in lane.resolutions(owner)] == ["sent"]
    lane.now_s += TTL_S + TIMEOUT_S
    assert lane.resolutions(owner) == []
