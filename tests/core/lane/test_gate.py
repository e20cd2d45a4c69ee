"""What is built and connected waits for its place; what takes long only delays itself, and people are told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.account import LaneSpec
from dispatcher.core.lane.account_states import AccountEvent
from dispatcher.core.lane.answers.verdict import Kind, Origin, Verdict
from dispatcher.core.lane.effects import Append, Effect, Fetch, Go, Send, Tell, Warn
from dispatcher.core.lane.gate import AHEAD_MAX, LEAD_MIN_S, TTL_MAX_S, Lead, TimeToLive
from dispatcher.core.lane.owner import Owner, OwnerSettings
from dispatcher.core.lane.requests import UNWRITTEN_TOLD
from dispatcher.core.lane.state import Chunk, ChunkState, LaneState
from dispatcher.core.messages.chunks import Batch
from schemas.records import Checkpoint, Flowed, Intent, Job, Launched, Leg, Outcome, Owned, Why

RECIPIENTS = 100
TTL_S = 5.0
TAKEN = Verdict(kind=Kind.ACCEPTED, code="0", vendor_id="1")


class Lane:
    """One account of an owner whose journal is read back at once; time and the driver are the test's."""

    def __init__(self, *, limit: int | None = 50, numbers_max: int = 10, inflight_max: int = 16) -> None:
        known = Campaigns()
        leg = Leg(account="spring", vendor="batch-a", jobs=1, recipients=RECIPIENTS)
        launched = Launched(
            campaign="may", attempt="a", fingerprint="", name="", text="hi", legs=(leg,), weight=1, urgent=False,
            unknown="hold", rows=RECIPIENTS, recipients=RECIPIENTS, invalid=0, duplicate=0, suppressed=0, batches=1,
            segments=1, at_ms=0, by="",
        )  # fmt: skip
        known.apply(0, launched)
        spec = LaneSpec(account="spring", numbers_max=numbers_max, limit=limit, inflight_max=inflight_max)
        self.campaigns = known
        self.owner = Owner(OwnerSettings(partition=0, owner="me", ttl_s=TTL_S), [spec], LaneState(), known, 0.0)
        self.account = self.owner.lanes["spring"]
        self.journal: list[Any] = []
        self.written: list[int] = []
        self.now_ms = 0
        self._append(Owned(owner="me", at_ms=0, where=""), 0.0)
        job = Job(
            campaign="may", attempt="a", account="spring", number=0, batch=0, partition=0, offset=0, sha256=b"",
            start=0, count=RECIPIENTS,
        )  # fmt: skip
        self.owner.inbox_read(0, job, 0.0, 0)
        numbers = b",".join([b"13800138000"] * RECIPIENTS)
        [fetch] = [effect for effect in self.owner.poll(0.0, 0) if isinstance(effect, Fetch)]
        self.owner.batch_loaded(fetch.job_offset, Batch(numbers, RECIPIENTS))

    def poll(self, now_s: float) -> list[Effect]:
        """All that the owner wants done now; its appends are done and read back."""
        done: list[Effect] = []
        while effects := self.owner.poll(now_s, self.now_ms):
            new = [effect for effect in effects if effect not in done or isinstance(effect, Append)]
            if not new:
                break
            for effect in new:
                if isinstance(effect, Append):
                    self._append(effect.record, now_s)
            done += new
        return done

    def sends(self, now_s: float) -> list[Send]:
        """The chunks handed to the driver now."""
        return [effect for effect in self.poll(now_s) if isinstance(effect, Send)]

    def may_write(self, intent: int, now_s: float) -> bool | None:
        """What the owner says to a request that is built and connected."""
        word = self.owner.may_write(intent, "spring", now_s, self.now_ms)
        if word:
            self.written.append(intent)
        return word

    def answered(self, intent: int, now_s: float, verdict: Verdict = TAKEN) -> None:
        """The driver's word on a request."""
        wrote_s = None if verdict.kind is Kind.NOT_SENT else now_s
        self.owner.answered(intent, "spring", verdict, now_s, 0, wrote_s=wrote_s, answered_s=wrote_s)

    def _append(self, record: Any, now_s: float) -> None:
        self.journal.append(record)
        self.owner.journal_read(len(self.journal) - 1, record, now_s, 0)

    def outcomes(self) -> list[Outcome]:
        return [record for record in self.journal if isinstance(record, Outcome)]

    def intents(self) -> list[Intent]:
        return [record for record in self.journal if isinstance(record, Intent)]


def goes(effects: Sequence[Effect]) -> list[int]:
    return [effect.intent for effect in effects if isinstance(effect, Go)]


def warnings(effects: Sequence[Effect]) -> list[str]:
    return [effect.detail for effect in effects if isinstance(effect, Warn)]


def test_a_request_that_takes_long_to_build_is_still_written():
    lane = Lane()
    for send in lane.sends(0.0):
        assert lane.may_write(send.intent, 4.0) is not False
    assert lane.written


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(kind=Kind.RETRY_LATER, code="-1", slower=True),
        Verdict(kind=Kind.UNKNOWN, code="http 503", slower=True, origin=Origin.HTTP),
        Verdict(kind=Kind.THROTTLED, code="103"),
    ],
    ids=lambda verdict: verdict.code,
)
def test_an_answer_that_says_slower_lowers_the_rate(verdict):
    lane = Lane()
    send, *_ = lane.sends(0.0)
    assert lane.may_write(send.intent, 0.0)
    lane.answered(send.intent, 0.1, verdict)
    assert lane.account.pacer is not None
    assert lane.account.pacer.rate < 1.0


def test_a_place_is_taken_at_the_first_byte_and_not_before():
    lane = Lane(limit=10, numbers_max=2)
    first, *others = lane.sends(0.0)
    assert lane.account.pacer is not None
    assert lane.account.pacer.earliest(10, 3.0) <= 3.0, "nothing is taken while requests are built"
    assert lane.may_write(first.intent, 3.0)
    assert lane.account.pacer.earliest(10, 3.0) > 3.0
    assert others == [] or lane.may_write(others[-1].intent, 3.0) in (None, True)


def test_requests_at_the_gate_get_their_go_in_order_and_ask_again():
    lane = Lane(limit=10, numbers_max=2)
    sends = lane.sends(0.0)
    now_s = 0.0
    while len(lane.written) < 4:
        sends += lane.sends(now_s)
        for send in sends:
            if send.intent not in lane.written:
                lane.may_write(send.intent, now_s)
        for intent in goes(lane.poll(now_s)):
            assert lane.may_write(intent, now_s)
        now_s += 0.05
        assert now_s < 20, "nothing leaves"
    assert lane.written == sorted(lane.written)


def test_a_request_at_the_gate_does_not_wait_for_one_that_is_still_being_built():
    lane = Lane(limit=50, numbers_max=2)
    slow, fast = lane.sends(0.0)[:2]
    assert lane.may_write(fast.intent, 0.1)
    assert lane.may_write(slow.intent, 1.0)


@pytest.mark.parametrize("what", ["paused", "closed", "stopped", "draining"])
def test_a_request_at_the_gate_that_may_not_go_any_more_is_told_so(what):
    lane = Lane(limit=10, numbers_max=10)
    [send, *_] = lane.sends(0.0)
    assert lane.account.pacer is not None
    lane.account.pacer.hold(60.0)
    assert lane.may_write(send.intent, 0.1) is None
    match what:
        case "paused":
            lane.campaigns.apply(1, Flowed(campaign="may", paused=True, at_ms=0, by=""))
        case "closed":
            lane.account.tell(AccountEvent.NIGHT, 0.1, 0)
        case "stopped":
            lane.account.tell(AccountEvent.LOGIN_REFUSED, 0.1, 0, code="102")
        case _:
            lane.owner.drain(0)
    assert goes(lane.poll(0.2)) == [send.intent]
    assert lane.may_write(send.intent, 0.2) is False
    lane.answered(send.intent, 0.2, Verdict(kind=Kind.NOT_SENT))
    lane.poll(0.2)
    assert lane.outcomes()[-1].effect == "queued"
    assert lane.account.unwritten == {}, "nobody is told of what was meant"


def test_a_step_that_takes_longer_than_the_time_to_live_makes_it_longer_until_it_is_enough():
    lane = Lane()
    now_s, tried = 0.0, 0
    while not lane.written:
        for send in lane.sends(now_s):
            tried += 1
            if lane.may_write(send.intent, now_s + 18.0) is False:
                lane.answered(send.intent, now_s + 18.0, Verdict(kind=Kind.NOT_SENT))
        now_s += 18.0
        assert now_s < 500, "nothing leaves"
    assert lane.account.ttl.s > 18.0
    assert [intent.ttl_ms for intent in lane.intents()[:1]] == [TTL_S * 1000]
    assert max(intent.ttl_ms for intent in lane.intents()) > 18_000


def test_a_new_owner_waits_as_long_as_the_intents_of_the_former_one_live():
    lane = Lane()
    lane.account.ttl.too_short(40.0)
    lane.sends(0.0)
    open_chunks = lane.owner.state.open
    assert open_chunks
    kept = LaneState.load(lane.owner.last_checkpoint(0))
    assert {chunk.ttl_ms for chunk in kept.open.values()} == {80_000}
    spec = LaneSpec(account="spring", numbers_max=10, limit=50)
    after = Owner(OwnerSettings(partition=0, owner="new", ttl_s=TTL_S), [spec], kept, lane.campaigns, 0.0)
    after.journal_read(kept.position, Owned(owner="new", at_ms=0, where=""), 100.0, 0)
    pacer = after.lanes["spring"].pacer
    assert pacer is not None
    assert pacer.earliest(1, 100.0) > 180.0


def test_a_checkpoint_of_a_release_without_times_to_live_is_read():
    lane = Lane()
    lane.sends(0.0)
    old = lane.owner.last_checkpoint(0)
    old = Checkpoint(**{name: getattr(old, name) for name in old.__struct_fields__ if name != "ttls_ms"})
    assert {chunk.ttl_ms for chunk in LaneState.load(old).open.values()} == {0}


def test_a_chunk_that_was_tried_ten_times_without_a_byte_written_is_told_with_why():
    lane = Lane(limit=None, numbers_max=RECIPIENTS, inflight_max=1)
    lane.account.ttl.too_short = lambda was_s: None  # type: ignore[method-assign]
    now_s, effects = 0.0, lane.poll(0.0)
    for _ in range(UNWRITTEN_TOLD):
        assert not warnings(effects)
        assert not any(tried.told for tried in lane.account.unwritten.values())
        [send] = [effect for effect in effects if isinstance(effect, Send)]
        now_s += 100.0
        assert lane.may_write(send.intent, now_s) is False
        lane.answered(send.intent, now_s, Verdict(kind=Kind.NOT_SENT))
        effects = lane.poll(now_s)
    why = "building its request and connecting took 100.0 s, and an intent may wait 5 s"
    sentence = f"a chunk of may was tried {UNWRITTEN_TOLD} times without a byte written: {why}"
    assert warnings(effects) == [sentence]
    [tried] = lane.account.unwritten.values()
    assert (tried.told, tried.sentence()) == (True, sentence)
    told = [*lane.poll(now_s + 1.0), *lane.poll(now_s + 2.0)]
    stops = [effect.stops for effect in told if isinstance(effect, Tell)]
    assert [(stop.why, stop.code, stop.recipients) for stop in stops[-1]] == [(Why.UNWRITTEN, sentence, RECIPIENTS)]
    [send] = [effect for effect in effects if isinstance(effect, Send)]
    assert lane.may_write(send.intent, now_s)
    lane.answered(send.intent, now_s)
    assert lane.account.unwritten == {}


def test_a_chunk_that_is_cut_differently_is_told_with_the_recipients_it_has_now():
    account = Lane().account
    for intent, count in enumerate([10, 4]):
        chunk = Chunk(intent, "spring", "may", 0, 0, 0, count, attempt=1, strikes=0, state=ChunkState.IN_FLIGHT)
        account.came_back(chunk, 0, chunk.count, "late")
    [tried] = account.unwritten.values()
    assert (tried.tries, tried.recipients) == (2, 4)


def test_what_is_announced_and_not_sent_does_not_count_against_its_campaign():
    lane = Lane()
    clock = lane.account.fair._clock
    sends = lane.sends(0.0)
    assert clock["may", False] > 0
    lane.campaigns.apply(1, Flowed(campaign="may", paused=True, at_ms=0, by=""))
    for send in sends:
        assert lane.may_write(send.intent, 0.1) is False
        lane.answered(send.intent, 0.1, Verdict(kind=Kind.NOT_SENT))
    lane.poll(0.1)
    assert clock["may", False] == pytest.approx(0.0)


# --- what is learned ---


def test_the_lead_follows_what_the_steps_take():
    lead = Lead()
    for _ in range(100):
        lead.took(0.001)
    assert LEAD_MIN_S <= lead.s < 0.01
    lead.took(2.0)
    assert lead.s < 0.02, "one slow connection is a straggler"
    lead.took(2.0)
    assert lead.s > 0.5, "two in a row are not"
    for _ in range(100):
        lead.took(2.0)
    assert 2.0 <= lead.s < 2.5


def test_the_time_to_live_grows_to_its_bound_and_shrinks_to_what_is_configured():
    ttl = TimeToLive(TTL_S)
    for _ in range(20):
        ttl.too_short(ttl.s)
    assert ttl.s == TTL_MAX_S
    ttl.too_short(TTL_S)
    assert ttl.s == TTL_MAX_S, "an old intent says nothing new"
    ttl.enough(TTL_MAX_S / 2)
    assert ttl.s == TTL_MAX_S
    for _ in range(20):
        ttl.enough(0.1)
    assert ttl.s == TTL_S


def test_fewer_intents_wait_for_a_request_to_end_where_they_wait_in_vain():
    ttl = TimeToLive(TTL_S)
    for _ in range(AHEAD_MAX.bit_length()):
        ttl.waited_in_vain(TTL_S)
    assert (ttl.ahead, ttl.s) == (0, TTL_S)
    ttl.waited_in_vain(TTL_S)
    assert ttl.s == 2 * TTL_S, "not even one may wait so long"
    for _ in range(2 * AHEAD_MAX):
        ttl.enough(0.0)
    assert ttl.ahead == AHEAD_MAX
