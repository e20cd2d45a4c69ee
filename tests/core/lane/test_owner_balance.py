"""An owner whose account has less credit than work sends what the credit covers, stops, and goes on after a top-up."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.account_states import CREDIT_RETRY_S
from dispatcher.core.lane.answers.policy import OTHER_CREDIT_RETRY
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.lane.effects import Append, Fetch, Go, Send, Tell
from dispatcher.core.lane.owner import Owner, OwnerSettings
from dispatcher.core.lane.spec import LaneSpec
from dispatcher.core.lane.state import LaneState
from dispatcher.core.messages.chunks import Batch
from schemas.records import Checked, Job, Launched, Leg, Owned, Stop, Why

RECIPIENTS = 30
CHUNK = 10


def campaigns() -> Campaigns:
    known = Campaigns()
    leg = Leg(account="spring", vendor="batch-a", jobs=1, recipients=RECIPIENTS)
    launched = Launched(
        campaign="may", attempt="a", fingerprint="", name="", text="hi", legs=(leg,), weight=1, urgent=False,
        unknown="hold", rows=RECIPIENTS, recipients=RECIPIENTS, invalid=0, duplicate=0, suppressed=0, batches=1,
        segments=1, at_ms=0, by="",
    )  # fmt: skip
    known.apply(0, launched)
    return known


class World:
    """An owner with one job, its journal, and a vendor that takes what `credit` covers."""

    def __init__(self, spec: LaneSpec, credit: float) -> None:
        self.owner = Owner(OwnerSettings(partition=0, owner="me"), [spec], LaneState(), campaigns(), 0.0)
        self.lane = self.owner.lanes["spring"]
        self.journal: list[Any] = [Owned(owner="me", at_ms=0, where="")]
        self.credit, self.sent, self.refused, self.separate_credit = credit, 0, 0, False
        self.told: tuple[Stop, ...] = ()
        self.at_gate: dict[int, Send] = {}
        self.owner.journal_read(0, self.journal[0], 0.0, 0)
        job = Job(
            campaign="may", attempt="a", account="spring", number=0, batch=0, partition=0, offset=0, sha256=b"",
            start=0, count=RECIPIENTS,
        )  # fmt: skip
        self.owner.inbox_read(0, job, 0.0, 0)

    def lives(self, from_s: float, steps: int = 200) -> None:
        """`steps` polls, 10 ms apart."""
        for step in range(steps):
            now_s = from_s + step * 0.01
            for effect in self.owner.poll(now_s, 0):
                self._does(effect, now_s)
            while self.owner.state.position < len(self.journal):
                offset = self.owner.state.position
                self.owner.journal_read(offset, self.journal[offset], now_s, 0)

    def _does(self, effect: Any, now_s: float) -> None:
        match effect:
            case Fetch():
                numbers = b",".join([b"13800138000"] * RECIPIENTS)
                self.owner.batch_loaded(effect.job_offset, Batch(numbers, RECIPIENTS))
            case Append():
                self.journal.append(effect.record)
            case Send():
                self.at_gate[effect.intent] = effect
                self._writes(effect.intent, now_s)
            case Go():
                self._writes(effect.intent, now_s)
            case Tell():
                self.told = effect.stops

    def _writes(self, intent: int, now_s: float) -> None:
        """A request is built and connected: it goes out if it may."""
        may = self.owner.may_write(intent, "spring", now_s, 0)
        if may is None:
            return
        send = self.at_gate.pop(intent)
        if not may:
            verdict = Verdict(kind=Kind.NOT_SENT, code="not sent")
        elif send.count > self.credit:
            self.refused += 1
            verdict = Verdict(kind=Kind.BALANCE, code="11", separate_credit=self.separate_credit)
        else:
            self.credit -= send.count
            self.sent += send.count
            verdict = Verdict(kind=Kind.ACCEPTED, code="0", vendor_id=str(intent))
        self.owner.answered(intent, "spring", verdict, now_s, 0, wrote_s=now_s, answered_s=now_s)

    @property
    def stopped(self) -> Why | None:
        """What keeps the account from sending."""
        return None if self.lane.standing.stop is None else self.lane.standing.stop.why

    def balance(self, messages: float | None, now_s: float) -> None:
        """The vendor is asked for it, and answers at once; None: the query fails."""
        self.owner.balance_answered("spring", messages, self.owner.balance_asked("spring"), now_s, 0)


@pytest.mark.parametrize("limit", [None, 1_000], ids=["unpaced", "paced"])
@pytest.mark.parametrize("credit", [0, 9, 20, 25, 30])
def test_all_the_credit_is_spent_and_no_more(limit: int | None, credit: int):
    spec = LaneSpec(account="spring", numbers_max=CHUNK, limit=limit, polls_balance=True)
    world = World(spec, credit)
    world.balance(credit, 0.0)
    world.lives(0.0)
    assert (world.sent, world.refused) == (credit, 0)
    assert (world.stopped is Why.CREDIT) is (credit < RECIPIENTS)


def test_where_no_balance_can_be_asked_the_lane_tries_again_after_a_while_and_sends_the_rest_once_topped_up():
    world = World(LaneSpec(account="spring", numbers_max=CHUNK, inflight_max=1, polls_balance=False), CHUNK)
    world.lives(0.0)
    assert (world.sent, world.refused, world.stopped) == (CHUNK, 1, Why.CREDIT)
    assert world.told == (Stop(why=Why.CREDIT, code="11", until_ms=round(CREDIT_RETRY_S * 1000)),)
    world.lives(CREDIT_RETRY_S + 10)
    assert (world.sent, world.refused, world.stopped) == (CHUNK, 2, Why.CREDIT)
    world.credit = RECIPIENTS
    world.lives(2 * CREDIT_RETRY_S + 20)
    assert (world.sent, world.refused, world.stopped) == (RECIPIENTS, 2, None)


def test_who_lacks_a_credit_that_is_not_the_account_s_own_waits_and_people_are_told():
    world = World(LaneSpec(account="spring", numbers_max=CHUNK, inflight_max=1, polls_balance=False), CHUNK)
    world.separate_credit = True
    world.lives(0.0)
    assert (world.sent, world.refused, world.stopped) == (CHUNK, 2, None)
    [stop] = world.told
    assert (stop.why, stop.code, stop.recipients) == (Why.OTHER_CREDIT, "11", 2 * CHUNK)
    world.credit = RECIPIENTS
    world.lives(OTHER_CREDIT_RETRY.first_s)
    assert (world.sent, world.refused) == (RECIPIENTS, 2)


def test_a_check_of_the_account_ends_the_wait_for_another_credit_at_once():
    world = World(LaneSpec(account="spring", numbers_max=CHUNK, inflight_max=1, polls_balance=False), CHUNK)
    world.separate_credit = True
    world.lives(0.0)
    world.credit = RECIPIENTS
    world.owner.inbox_read(1, Checked(account="spring", at_ms=0, by="ann"), 3.0, 0)
    world.lives(3.0)
    assert (world.sent, world.refused) == (RECIPIENTS, 2)


def test_where_no_balance_can_be_asked_a_person_who_checks_the_account_has_it_try_at_once():
    world = World(LaneSpec(account="spring", numbers_max=CHUNK, inflight_max=1, polls_balance=False), 0)
    world.lives(0.0)
    world.credit = RECIPIENTS
    world.owner.inbox_read(1, Checked(account="spring", at_ms=0, by="ann"), 3.0, 0)
    world.lives(3.0)
    assert (world.sent, world.refused) == (RECIPIENTS, 1)


def test_a_balance_that_is_known_to_be_empty_is_not_tried_because_somebody_checked_the_login():
    world = World(LaneSpec(account="spring", numbers_max=CHUNK, polls_balance=True), 0)
    world.balance(0, 0.0)
    world.lives(0.0)
    world.owner.inbox_read(1, Checked(account="spring", at_ms=0, by="ann"), 3.0, 0)
    world.lives(3.0)
    assert (world.refused, world.stopped) == (0, Why.CREDIT)


def test_an_empty_account_whose_balance_queries_fail_tries_its_credit_after_a_while():
    world = World(LaneSpec(account="spring", numbers_max=CHUNK, inflight_max=1, polls_balance=True), 0)
    world.lives(0.0)
    assert (world.refused, world.stopped) == (1, Why.CREDIT)
    world.balance(None, 5.0)
    world.balance(None, 35.0)
    world.credit = RECIPIENTS
    world.lives(35.0)
    assert world.sent == 0
    world.lives(5.0 + CREDIT_RETRY_S)
    assert (world.sent, world.refused, world.stopped) == (RECIPIENTS, 1, None)


def test_an_answer_that_there_is_nothing_left_ends_such_tries():
    world = World(LaneSpec(account="spring", numbers_max=CHUNK, inflight_max=1, polls_balance=True), 0)
    world.lives(0.0)
    world.balance(None, 5.0)
    world.balance(0, 0.0)
    world.lives(5.0 + CREDIT_RETRY_S)
    assert (world.refused, world.stopped) == (1, Why.CREDIT)


def polled(world: World, messages: float, from_s: float) -> None:
    """The vendor says its balance, and a few seconds pass."""
    world.balance(messages, from_s)
    world.lives(from_s)


def test_an_account_that_is_refused_in_spite_of_its_balance_is_tried_ever_more_rarely():
    world = World(LaneSpec(account="spring", numbers_max=CHUNK, inflight_max=1, polls_balance=True), 0)
    refused = []
    for poll in range(20):
        polled(world, 1_000, poll * 30.0)
        refused.append(world.refused)
    assert refused == [1] + [2] * 2 + [3] * 4 + [4] * 8 + [5] * 5
    world.credit = RECIPIENTS
    for poll in range(20, 31):
        polled(world, 1_000, poll * 30.0)
        assert (world.sent, world.stopped) == (0, Why.CREDIT)
    polled(world, 1_000, 31 * 30.0)
    assert (world.sent, world.refused, world.stopped) == (RECIPIENTS, 5, None)


@pytest.mark.parametrize("how", ["topped up", "checked"])
def test_a_top_up_or_a_person_who_looked_has_it_tried_at_once(how: str):
    world = World(LaneSpec(account="spring", numbers_max=CHUNK, inflight_max=1, polls_balance=True), 0)
    for poll in range(5):
        polled(world, 1_000, poll * 30.0)
    assert (world.refused, world.stopped) == (3, Why.CREDIT)
    world.credit = RECIPIENTS
    if how == "topped up":
        polled(world, 1_001, 150.0)
    else:
        world.owner.inbox_read(1, Checked(account="spring", at_ms=0, by="ann"), 150.0, 0)
        world.lives(150.0)
    assert (world.sent, world.refused, world.stopped) == (RECIPIENTS, 3, None)
