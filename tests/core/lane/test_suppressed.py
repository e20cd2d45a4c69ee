"""Who came onto the suppression list after the launch is in no request, and in no answer's way."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.flow.fairness import FairShare
from dispatcher.core.lane import suppressed as core_suppressed
from dispatcher.core.lane.answers.verdict import AnswerRun, Kind, Origin, RunsAnswer, Verdict
from dispatcher.core.lane.effects import Append, Fetch, Send, Tell
from dispatcher.core.lane.owner import Owner, OwnerSettings
from dispatcher.core.lane.spec import LaneSpec
from dispatcher.core.lane.state import LaneState
from dispatcher.core.lane.suppressed import AGE_MAX_S, JudgedBatch, Suppressed
from dispatcher.core.messages.chunks import Batch
from schemas.records import Intent, Job, Outcome, Outcomes, Owned, Why
from tests.core.lane.test_owner_balance import campaigns

FIRST = 13_800_138_000
RECIPIENTS = 20
TAKEN = Verdict(kind=Kind.ACCEPTED, code="0")
THROTTLED = Verdict(kind=Kind.THROTTLED, code="8")
HELD_BACK = Verdict(kind=Kind.NOT_SENT, origin=Origin.OURS)


class Lane:
    """An account whose journal is read back at once, and the suppression list of its process."""

    def __init__(self, *, numbers_max: int = 10, numbers_min: int = 1) -> None:
        self.suppressed = Suppressed()
        spec = LaneSpec(account="spring", numbers_max=numbers_max, numbers_min=numbers_min)
        settings = OwnerSettings(partition=0, owner="me")
        self.owner = Owner(settings, [spec], LaneState(), campaigns(), 0.0, self.suppressed)
        self.journal: list[object] = []
        self.append(Owned(owner="me", at_ms=0, where=""))
        job = Job(
            campaign="may", attempt="a", account="spring", number=0, batch=0, partition=0, offset=0, sha256=b"",
            start=0, count=RECIPIENTS,
        )  # fmt: skip
        self.owner.inbox_read(0, job, 0.0, 0)

    def append(self, record: object, now_s: float = 0.0) -> None:
        self.journal.append(record)
        self.owner.journal_read(len(self.journal) - 1, record, now_s, 0)  # type: ignore[arg-type]

    def lists(self, *positions: int, now_s: float = 0.0) -> None:
        """The list is read, and these recipients are on it now."""
        numbers = np.array([FIRST + at for at in positions], np.int64)
        self.suppressed.read(numbers, None, now_s)

    def sends(self, now_s: float = 0.0) -> list[Send]:
        """The chunks handed to the driver now; their intents are read back."""
        found = []
        for effect in self.perform(now_s):
            if isinstance(effect, Send):
                found.append(effect)
                assert self.owner.may_write(effect.intent, "spring", now_s, 0)
        return found

    def perform(self, now_s: float) -> list[object]:
        done: list[object] = []
        while effects := self.owner.poll(now_s, 0):
            for effect in effects:
                if isinstance(effect, Append):
                    self.append(effect.record, now_s)
                elif isinstance(effect, Fetch):
                    numbers = b",".join(b"%d" % (FIRST + at) for at in range(RECIPIENTS))
                    self.owner.batch_loaded(effect.job_offset, Batch(numbers, RECIPIENTS))
            done += effects
        return done

    def answered(self, intent: int, verdict: Verdict) -> None:
        self.owner.answered(intent, "spring", verdict, 0.0, 0, wrote_s=0.0, answered_s=0.0)
        self.perform(0.0)

    @property
    def intents(self) -> list[Intent]:
        return [record for record in self.journal if isinstance(record, Intent)]


def to(send: Send) -> list[int]:
    """The positions in the batch of those that the request texts."""
    return [int(number) - FIRST for number in bytes(send.numbers).split(b",") if number]


def test_a_request_has_only_those_who_are_not_on_the_list():
    lane = Lane()
    lane.lists(0, 3, 4, 9, 15)
    first, second = lane.sends()
    assert (to(first), first.count) == ([1, 2, 5, 6, 7, 8], 6)
    assert (to(second), second.count) == ([10, 11, 12, 13, 14, 16, 17, 18, 19], 9)
    assert [intent.left_out for intent in lane.intents] == [((0, 1), (3, 2), (9, 1)), ((5, 1),)]
    assert lane.owner.lanes["spring"].spent_since_poll == 15


def test_ids_of_an_answer_are_those_of_the_recipients_of_the_request():
    lane = Lane()
    lane.lists(0, 3, 4, 9)
    first, second = lane.sends()
    lane.answered(first.intent, Verdict(kind=Kind.ACCEPTED, code="0", vendor_ids=tuple("abcdef")))
    lane.answered(second.intent, Verdict(kind=Kind.ACCEPTED, code="0", vendor_ids=("too", "few")))
    outcomes = [record for record in lane.journal if isinstance(record, Outcome)]
    assert outcomes[0].vendor_ids == ("", "a", "b", "", "", "c", "d", "e", "f", "")
    assert outcomes[1].vendor_ids == ("too", "few"), "nobody is left out: the fold says what is odd"
    assert not lane.owner.state.open


def test_ids_that_are_not_as_many_as_the_recipients_of_the_request_count_for_nobody():
    lane = Lane()
    lane.lists(0)
    first, _ = lane.sends()
    lane.answered(first.intent, Verdict(kind=Kind.ACCEPTED, code="0", vendor_ids=tuple("abcdefghij")))
    assert [record.vendor_ids for record in lane.journal if isinstance(record, Outcome)] == [()]


def test_runs_of_an_answer_are_about_the_recipients_of_the_request():
    lane = Lane()
    lane.lists(1, 4, 5)
    first, _ = lane.sends()
    runs = (AnswerRun(2, TAKEN), AnswerRun(3, THROTTLED), AnswerRun(2, TAKEN))
    lane.owner.runs_answered(first.intent, "spring", RunsAnswer(runs, ids=bytes(range(56))), 0.0, 0)
    lane.perform(0.0)
    [outcomes] = [record for record in lane.journal if isinstance(record, Outcomes)]
    places = [(run.start, run.count, run.kind) for run in outcomes.runs]
    assert places == [
        (0, 1, "accepted"), (2, 1, "accepted"), (3, 1, "throttled"), (6, 2, "throttled"), (8, 2, "accepted"),
    ]  # fmt: skip
    assert (sum(run.count for run in outcomes.runs), outcomes.ids) == (7, bytes(range(56)))


def test_an_answer_about_the_whole_chunk_is_refused_if_it_left_somebody_out():
    lane = Lane()
    lane.lists(1)
    first, _ = lane.sends()
    with pytest.raises(ValueError, match="about 10 recipients, its request has 9"):
        lane.owner.runs_answered(first.intent, "spring", RunsAnswer((AnswerRun(10, TAKEN),)), 0.0, 0)


def test_a_chunk_of_suppressed_recipients_has_an_intent_and_no_request():
    lane = Lane()
    lane.lists(*range(RECIPIENTS))
    assert lane.sends() == []
    assert [(intent.start, intent.count, intent.left_out) for intent in lane.intents] == [
        (0, 10, ((0, 10),)),
        (10, 10, ((0, 10),)),
    ]
    assert not lane.owner.state.jobs
    assert not lane.owner.next.batches.loaded
    assert lane.owner.lanes["spring"].spent_since_poll == 0


def test_a_chunk_without_a_request_takes_no_turn(monkeypatch):
    turns = []
    monkeypatch.setattr(FairShare, "charge", lambda self, campaign, units, weight, *, urgent: turns.append(units))
    lane = Lane()
    lane.lists(*range(10))
    [send] = lane.sends()
    assert (to(send), turns) == (list(range(10, RECIPIENTS)), [RECIPIENTS - 10])


def test_who_is_returned_to_the_queue_is_judged_again_and_who_was_left_out_is_not_sent_to_any_more():
    lane = Lane()
    lane.lists(0)
    sends = lane.sends()
    lane.lists(5)  # 0 was taken off the list: he stays left out
    for send in sends:
        lane.owner.answered(send.intent, "spring", HELD_BACK, 0.0, 0, wrote_s=None, answered_s=None)
    assert sorted(at for send in lane.sends() for at in to(send)) == [1, 2, 3, 4, *range(6, RECIPIENTS)]


def test_an_intent_that_was_not_written_leaves_nobody_out():
    lane = Lane()
    lane.lists(0, 1)
    lane.owner.poll(0.0, 0)
    numbers = b",".join(b"%d" % (FIRST + at) for at in range(RECIPIENTS))
    lane.owner.batch_loaded(0, Batch(numbers, RECIPIENTS))
    refused = [effect.record for effect in lane.owner.poll(0.0, 0) if isinstance(effect, Append)]
    assert refused[0].left_out == ((0, 2),)  # type: ignore[union-attr]
    for record in refused:
        lane.owner.append_refused(record, 0.0)
    assert lane.owner.lanes["spring"].spent_since_poll == 0
    lane.lists(1)
    assert sorted(at for send in lane.sends(2.0) for at in to(send)) == [0, *range(2, RECIPIENTS)]


def test_a_request_below_the_vendors_least_takes_more_recipients():
    lane = Lane(numbers_min=5)
    lane.lists(*range(1, 10))
    first, second = lane.sends()
    assert to(first) == [0, 10, 11, 12, 13]
    assert to(second) == [14, 15, 16, 17, 18, 19]
    lane = Lane(numbers_min=5)
    lane.lists(*range(2, RECIPIENTS))
    assert [to(send) for send in lane.sends()] == [[0, 1]], "there are no more"


def test_a_lane_that_cannot_read_the_list_announces_nothing_and_says_why():
    lane = Lane()
    assert lane.sends() == []
    assert lane.intents == []
    [told] = [effect for effect in lane.perform(1.0) if isinstance(effect, Tell)]
    assert [stop.why for stop in told.stops] == [Why.SUPPRESSION]
    lane.lists(0, now_s=2.0)
    lane.perform(3.0)
    [told] = [effect for effect in lane.perform(4.0) if isinstance(effect, Tell)]
    assert told.stops == ()
    assert len(lane.intents) == 2


def test_a_list_that_was_read_a_minute_ago_is_too_old():
    lane = Lane()
    lane.lists(0)
    assert lane.suppressed.is_current(AGE_MAX_S)
    assert lane.sends(AGE_MAX_S + 0.1) == []
    lane.lists(0, now_s=AGE_MAX_S + 0.2)
    assert len(lane.sends(AGE_MAX_S + 0.3)) == 2


def test_what_we_did_not_write_returns_only_those_who_were_asked_for():
    lane = Lane()
    lane.lists(3)
    first, _ = lane.sends()
    lane.answered(first.intent, HELD_BACK)
    assert [(intent.start, intent.count) for intent in lane.intents[2:]] == [(0, 3), (4, 6)]


numbers = st.integers(FIRST, FIRST + 30)


@given(st.lists(st.tuples(st.booleans(), st.sets(numbers, min_size=1, max_size=5)), max_size=12), st.integers(0, 2**32))
def test_a_judged_batch_is_as_the_list_is(changes, seed):
    random = Random(seed)
    batch = np.array(random.sample(range(FIRST, FIRST + 40), 25), np.int64)
    suppressed, on_list = Suppressed(), set[int]()
    judged = JudgedBatch(batch, suppressed)
    for adds, touched in changes:
        on_list = on_list | touched if adds else on_list - touched
        listed = np.array(sorted(on_list), np.int64)
        suppressed.read(listed, random.choice([np.array(sorted(touched), np.int64), None]), 0.0)
        if random.random() < 0.6:
            continue
        start = random.randrange(len(batch))
        count = random.randint(1, len(batch) - start)
        found = judged.left_out(suppressed, start, count)
        assert [at for first, size in found for at in range(first, first + size)] == [
            at for at in range(count) if int(batch[start + at]) in on_list
        ]
        assert all(sum(one) < other[0] for one, other in pairwise(found))


def test_a_batch_that_is_behind_more_changes_than_are_kept_is_judged_anew(monkeypatch):
    monkeypatch.setattr(core_suppressed, "CHANGES_MAX", 2)
    suppressed = Suppressed()
    judged = JudgedBatch(np.arange(FIRST, FIRST + 9), suppressed)
    for at in range(5):
        suppressed.read(np.arange(FIRST, FIRST + at + 1), np.array([FIRST + at]), 0.0)
    assert suppressed.touched_since(0) is None
    assert judged.left_out(suppressed, 0, 9) == ((0, 5),)


def test_a_number_abroad_is_found_in_the_form_of_the_list():
    suppressed = Suppressed()
    suppressed.read(np.array([10**15 + 85_291_234_567]), None, 0.0)
    judged = JudgedBatch(np.array([3 * 10**15 + 85_291_234_567, FIRST]), suppressed)
    assert judged.left_out(suppressed, 0, 2) == ((0, 1),)
