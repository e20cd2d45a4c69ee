"""A decision on an unknown chunk lies in the lane's inbox: it takes effect once, whoever owns the lane by then."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.account import LaneSpec
from dispatcher.core.lane.effects import Append
from dispatcher.core.lane.owner import Owner, OwnerSettings
from dispatcher.core.lane.state import ChunkState, LaneState
from dispatcher.core.lane.unknowns import AGAIN_S
from schemas.records import (
    Decided,
    Effect,
    Intent,
    Job,
    Kind,
    Launched,
    Leg,
    Outcome,
    Outcomes,
    Owned,
    Resolved,
    UnknownPolicy,
)

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

    def __init__(self, policy: UnknownPolicy = "hold") -> None:
        self.journal: list[Any] = []
        self.inbox: list[Any] = [job(0)]
        self.now_s = 100.0
        self.evidence_s = 0.0
        self.campaigns = Campaigns()
        leg = Leg(account="spring", vendor="batch-a", jobs=JOBS, recipients=10 * JOBS)
        launched = Launched(
            campaign="may", attempt="a", fingerprint="", name="", text="hi", legs=(leg,), weight=1, urgent=False,
            unknown=policy, rows=10 * JOBS, recipients=10 * JOBS, invalid=0, duplicate=0, suppressed=0, batches=JOBS,
            segments=1, at_ms=0, by="",
        )  # fmt: skip
        self.campaigns.apply(0, launched)

    def owner(self, name: str, state: LaneState | None = None) -> Owner:
        """A new owner that has read everything."""
        state = state or LaneState()
        self.journal.append(Owned(owner=name, at_ms=0, where=""))
        spec = LaneSpec(account="spring", numbers_max=10, timeout_s=TIMEOUT_S, evidence_s=self.evidence_s)
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
def test_nothing_is_sent_again_while_a_former_owner_can_still_send_it(verdict):
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


@pytest.mark.parametrize("policy", ["hold", "resend"])
def test_a_decision_that_is_read_before_the_outcome_it_is_about_takes_effect_with_it(policy):
    """Whoever decided had read further in the journal than the owner."""
    lane = Lane(policy)
    owner = lane.owner("me")
    intent = len(lane.journal)
    lane.journal.append(
        Intent(owner="me", n=1, account="spring", campaign="may", job=0, batch=0, start=0, count=10, attempt=0, at_ms=0)
    )
    lane.read(owner, intent)
    lane.tell(owner, decided("sent", intent))
    assert lane.resolutions(owner) == []
    assert owner.last_checkpoint(0).inbox == 1, "the next owner must read it again"
    lane.journal.append(
        Outcome(account="spring", intent=intent, effect=Effect.UNKNOWN, kind=Kind.UNKNOWN, code="", at_ms=0)
    )
    lane.read(owner, intent + 1)
    [resolved] = lane.resolutions(owner)
    assert (resolved.intent, resolved.verdict, resolved.by) == (intent, "sent", "li@desk")
    lane.now_s += 1_000
    assert lane.resolutions(owner) == []


def test_a_resolution_whose_append_failed_is_appended_again():
    lane, owner = one_unknown()
    lane.tell(owner, decided("sent", 1))
    lost = [effect.record for effect in owner.poll(lane.now_s, 0) if isinstance(effect, Append)]
    assert [type(record) for record in lost] == [Resolved]
    assert lane.resolutions(owner) == []
    lane.now_s += AGAIN_S
    assert [each.verdict for each in lane.resolutions(owner)] == ["sent"]
    lane.now_s += AGAIN_S
    assert lane.resolutions(owner) == []


def test_a_decision_about_a_chunk_that_never_is_unknown_is_forgotten():
    lane = Lane()
    owner = lane.owner("me")
    intent = len(lane.journal)
    lane.journal.append(
        Intent(owner="me", n=1, account="spring", campaign="may", job=0, batch=0, start=0, count=10, attempt=0, at_ms=0)
    )
    lane.read(owner, intent)
    lane.tell(owner, decided("resend", intent))
    lane.journal.append(
        Outcome(account="spring", intent=intent, effect=Effect.ACCEPTED, kind=Kind.ACCEPTED, code="", at_ms=0)
    )
    lane.read(owner, intent + 1)
    assert lane.resolutions(owner) == []
    assert owner.last_checkpoint(0).inbox == len(lane.inbox)


# --- decisions about some recipients of a chunk ---------------------------------------------------------------------


def proves(*ranges: tuple[int, int], verdict: Any = "sent") -> Decided:
    """What reports under the recipients' own ids prove."""
    ids = b"".join(at.to_bytes(8, "little") for start, count in ranges for at in range(start, start + count))
    return msgspec.structs.replace(decided(verdict, 1), by="reports", ranges=ranges, ids=ids)


def decide(lane: Lane, owner: Owner, *decisions: Decided) -> list[Resolved]:
    """These lie in the inbox; what the owner resolves at once, read back."""
    for decision in decisions:
        lane.tell(owner, decision)
    return lane.resolutions(owner)


def test_a_proof_of_some_recipients_resolves_these_with_their_ids_and_the_others_stay_unknown():
    lane, owner = one_unknown()
    [resolved] = decide(lane, owner, proves((2, 1), (5, 2)))
    assert (resolved.verdict, resolved.ranges, len(resolved.ids)) == ("sent", ((2, 1), (5, 2)), 24)
    assert owner.state.open[1].open_ranges == ((0, 2), (3, 2), (7, 3))
    lane.now_s += 2 * AGAIN_S
    assert lane.resolutions(owner) == [], "it was read back"
    assert decide(lane, owner, proves((5, 2))) == [], "these are known"


def test_a_decision_on_the_rest_names_who_is_left():
    lane, owner = one_unknown()
    decide(lane, owner, proves((0, 4)))
    lane.now_s += TTL_S + TIMEOUT_S
    [resolved] = decide(lane, owner, decided("not-sent", 1))
    assert (resolved.verdict, resolved.ranges) == ("not-sent", ((4, 6),))
    assert not owner.state.open
    assert [(piece.start, piece.count) for piece in owner.state.jobs[0].returned] == [(4, 6)]


def test_what_is_proven_is_resolved_before_the_others_are_sent_again():
    lane, owner = one_unknown()
    lane.tell(owner, decided("not-sent", 1))
    lane.tell(owner, proves((0, 4)))
    lane.now_s += TTL_S + TIMEOUT_S + 1.0
    assert [(each.verdict, each.ranges) for each in lane.resolutions(owner)] == [("sent", ((0, 4),)), ("not-sent", ())]
    assert [(piece.start, piece.count) for piece in owner.state.jobs[0].returned] == [(4, 6)]


def test_decisions_that_were_read_before_their_chunk_was_unknown_all_take_effect():
    lane = Lane()
    lane.journal = [Owned(owner="old", at_ms=0, where=""), one_unknown()[0].journal[1]]
    owner = lane.owner("new")
    owner.state.open[1].state = ChunkState.IN_FLIGHT
    assert decide(lane, owner, proves((0, 1)), proves((3, 1))) == []
    assert owner.unknowns.undone is not None
    lost = Outcome(account="spring", intent=1, effect=Effect.UNKNOWN, kind=Kind.UNKNOWN, code="", at_ms=0)
    lane.journal.append(lost)
    lane.read(owner, len(lane.journal) - 1)
    assert [each.ranges for each in lane.resolutions(owner)] == [((0, 1),), ((3, 1),)]
    assert owner.unknowns.undone is None


# --- what the vendor's history says ----------------------------------------------------------------------------------

IDS = tuple(str(567_890_009 + number) for number in range(10))


def says(lane: Lane, owner: Owner, ids: tuple[str, ...], intent: int = 1) -> list[Any]:
    """The records that the owner appends because of it, read back."""
    owner.history_says(intent, ids, "the vendor's history", 77, lane.now_s, 0)
    position = len(lane.journal)
    records = [effect.record for effect in owner.poll(lane.now_s, 0) if isinstance(effect, Append)]
    records = [record for record in records if isinstance(record, Resolved | Outcome | Outcomes)]
    lane.journal += records
    lane.read(owner, position)
    return records


def test_a_chunk_that_the_history_has_whole_was_taken_under_these_ids():
    lane, owner = one_unknown()
    [resolved] = says(lane, owner, IDS)
    assert (resolved.verdict, resolved.by, resolved.vendor_ids) == ("sent", "history", IDS)
    assert not owner.state.open
    assert says(lane, owner, IDS) == [], "told twice"


def test_a_chunk_that_the_history_does_not_have_stays_unknown_and_says_so():
    lane, owner = one_unknown()
    [outcome] = says(lane, owner, ("",) * 10)
    assert (outcome.effect, outcome.code, outcome.vendor_ids) == ("unknown", "history", ())
    assert (outcome.at_ms, outcome.sent_ms) == (77, 0)
    assert owner.state.open[1].state is ChunkState.UNKNOWN
    lane.now_s += 1_000
    assert says(lane, owner, IDS)[0].verdict == "sent", "a later look may find them"


def test_of_a_chunk_that_the_history_has_in_part_those_that_it_has_were_taken_and_the_others_stay_unknown():
    lane, owner = one_unknown()
    [outcomes] = says(lane, owner, (*IDS[:2], "", "", *IDS[4:]))
    assert [(run.start, run.count, run.effect, run.code) for run in outcomes.runs] == [
        (0, 2, "accepted", ""),
        (2, 2, "unknown", "history, partly"),
        (4, 6, "accepted", ""),
    ]
    assert outcomes.vendor_ids == (*IDS[:2], "", "", *IDS[4:])
    assert (outcomes.at_ms, outcomes.sent_ms) == (77, 0)
    assert (owner.state.open[1].state, owner.state.open[1].open_ranges) == (ChunkState.UNKNOWN, ((2, 2),))
    lane.now_s += 1_000
    [outcomes] = says(lane, owner, IDS)
    assert [(run.start, run.count, run.effect) for run in outcomes.runs] == [(0, 10, "accepted")]
    assert not owner.state.open, "a later look may find the others"


def test_what_is_not_unknown_or_has_another_number_of_recipients_is_left_alone():
    lane, owner = one_unknown()
    assert says(lane, owner, IDS[:9]) == []
    assert says(lane, owner, IDS, intent=99) == []


def test_policy_resend_waits_for_the_history_where_there_is_one():
    lane = Lane()
    known = lane.campaigns.get("may")
    assert known is not None
    assert known.launched is not None
    lane.campaigns = Campaigns()
    lane.campaigns.apply(0, msgspec.structs.replace(known.launched, unknown="resend"))
    lane.journal = [Owned(owner="old", at_ms=0, where=""), one_unknown()[0].journal[1]]
    lane.evidence_s = 120.0
    owner = lane.owner("new")
    lane.now_s += TTL_S + TIMEOUT_S + 119.0
    assert lane.resolutions(owner) == []
    assert says(lane, owner, IDS)[0].verdict == "sent"
    lane.now_s += 10.0
    assert lane.resolutions(owner) == []


@pytest.mark.parametrize(("ids", "sent_again"), [(("", *IDS[1:]), False), (("",) * 10, True)])
def test_policy_resend_does_not_text_proven_recipients_again(ids, sent_again):
    lane = Lane()
    known = lane.campaigns.get("may")
    assert known is not None
    assert known.launched is not None
    lane.campaigns = Campaigns()
    lane.campaigns.apply(0, msgspec.structs.replace(known.launched, unknown="resend"))
    lane.journal = [Owned(owner="old", at_ms=0, where=""), one_unknown()[0].journal[1]]
    owner = lane.owner("new")
    says(lane, owner, ids)
    assert owner.state.open[1].state is ChunkState.UNKNOWN
    lane.now_s += TTL_S + TIMEOUT_S + 1.0
    assert [each.verdict for each in lane.resolutions(owner)] == ["resend"] * sent_again
