"""What is urgent waits neither until enough of the others has left, nor behind a chunk that stands at the gate."""

from __future__ import annotations

from itertools import count

import pytest

from dispatcher.core.lane.effects import Fetch, Send
from dispatcher.core.messages.chunks import Batch
from schemas.records import Flowed, Job, Launched, Leg
from tests.core.lane.test_gate import Lane

_OFFSETS = count(1)


def launched(lane: Lane, campaign: str, recipients: int, *, urgent: bool = True) -> None:
    """Another campaign, with its batch in memory."""
    leg = Leg(account="spring", vendor="batch-a", jobs=1, recipients=recipients)
    record = Launched(
        campaign=campaign, attempt=campaign, fingerprint="", name="", text="hi", legs=(leg,), weight=1, urgent=urgent,
        unknown="hold", rows=recipients, recipients=recipients, invalid=0, duplicate=0, suppressed=0, batches=1,
        segments=1, at_ms=0, by="",
    )  # fmt: skip
    lane.campaigns.apply(len(lane.journal) + 1, record)
    job = Job(
        campaign=campaign, attempt=campaign, account="spring", number=0, batch=0, partition=0, offset=0, sha256=b"",
        start=0, count=recipients,
    )  # fmt: skip
    inbox = next(_OFFSETS)
    lane.owner.inbox_read(inbox, job, 0.0, 0)
    lane.owner.batch_loaded(inbox, Batch(b",".join([b"13800138001"] * recipients), recipients))


def at_the_gate(lane: Lane, send: Send, now_s: float) -> bool | None:
    return lane.may_write(send.intent, now_s)


def filled(lane: Lane) -> tuple[float, Send]:
    """The big campaign fills a window, until a chunk of it stands at the gate; when, and which."""
    for at_ms in range(1_500):
        now_s = at_ms / 1000
        for send in lane.sends(now_s):
            if at_the_gate(lane, send, now_s) is None:
                return now_s, send
            lane.answered(send.intent, now_s)
    raise AssertionError("nothing waits")


def test_an_urgent_chunk_is_announced_while_enough_others_wait_and_leaves_before_them() -> None:
    lane = Lane(limit=50, numbers_max=10)
    now_s, bulk = filled(lane)
    assert not [send for send in lane.sends(now_s) if send.campaign != "may"]
    launched(lane, "code", 1)
    [code] = lane.sends(now_s)
    assert code.campaign == "code"
    assert at_the_gate(lane, code, now_s) is None
    opens_s = lane.account.opens_at(lane.account.sending[bulk.intent], now_s)
    assert lane.account.first_at_gate is lane.account.sending[code.intent]
    assert at_the_gate(lane, bulk, opens_s) is None
    assert at_the_gate(lane, code, opens_s) is True  # as early as the big chunk could have left


def test_another_campaign_that_is_not_urgent_waits_for_its_turn() -> None:
    lane = Lane(limit=50, numbers_max=10)
    now_s, _ = filled(lane)
    launched(lane, "other", 1, urgent=False)
    assert not lane.sends(now_s)
    assert lane.owner.wake_s < float("inf")


def test_a_paused_urgent_campaign_holds_up_nothing() -> None:
    lane = Lane(limit=50, numbers_max=10)
    now_s, bulk = filled(lane)
    launched(lane, "code", 1)
    lane.campaigns.apply(99, Flowed(campaign="code", paused=True, at_ms=0, by="ann"))
    lane.owner.campaign_changed("code")
    assert not lane.sends(now_s)
    opens_s = lane.account.opens_at(lane.account.sending[bulk.intent], now_s)
    assert at_the_gate(lane, bulk, opens_s) is True


@pytest.mark.parametrize("recipients", [300])
def test_behind_an_urgent_campaign_of_many_the_others_still_get_one_chunk_in_ten(recipients: int) -> None:
    lane = Lane(limit=100, numbers_max=2, inflight_max=4)
    launched(lane, "rush", recipients)
    order: list[str] = []
    waiting: dict[int, Send] = {}
    now_s = 0.0
    while len(order) < 100:
        for effect in lane.poll(now_s):
            if isinstance(effect, Send):
                waiting[effect.intent] = effect
            assert not isinstance(effect, Fetch)
        for intent, send in list(waiting.items()):
            if at_the_gate(lane, send, now_s):
                order.append(send.campaign)
                del waiting[intent]
                lane.answered(intent, now_s)
        now_s = round(now_s + 0.005, 6)
    assert 8 <= order.count("may") <= 12


def test_beside_a_few_urgent_messages_the_others_use_the_rest_of_the_limit() -> None:
    """A chunk that is one unit too large for the room would leave the whole room unused until more of it is free."""
    lane = Lane(limit=100, numbers_max=10, inflight_max=16)
    launched(lane, "bulk", 1_000, urgent=False)
    waiting: dict[int, Send] = {}
    asked_s: dict[int, float] = {}
    left: list[tuple[float, int]] = []
    delays_s: list[float] = []
    for at_ms in range(0, 9_000, 2):
        now_s = at_ms / 1000
        if at_ms % 134 == 0:
            launched(lane, f"code{at_ms}", 1)
        for send in lane.sends(now_s):
            waiting[send.intent] = send
            asked_s[send.intent] = now_s
        for intent, send in list(waiting.items()):
            if at_the_gate(lane, send, now_s):
                left.append((now_s, send.count))
                if send.campaign.startswith("code"):
                    delays_s.append(now_s - asked_s[intent])
                del waiting[intent]
                lane.answered(intent, now_s)
    assert len(delays_s) > 60
    assert sorted(delays_s)[len(delays_s) * 9 // 10] <= 0.05
    in_all = sum(units for at_s, units in left if 2.0 <= at_s < 8.0)
    assert in_all >= 0.97 * 600
