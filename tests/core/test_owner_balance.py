"""An owner whose account has less credit than work sends what the credit covers, and stops then."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.core.account_lane import LaneSpec
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.chunks import Batch
from dispatcher.core.effects import Append, Fetch, Send, Warn
from dispatcher.core.lane import LaneState
from dispatcher.core.owner import Owner, OwnerSettings
from dispatcher.core.verdict import Kind, Verdict
from schemas.records import Job, Launched, Leg, Owned

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


@pytest.mark.parametrize("limit", [None, 1_000], ids=["unpaced", "paced"])
@pytest.mark.parametrize("credit", [0, 9, 20, 25, 30])
def test_all_the_credit_is_spent_and_no_more(limit: int | None, credit: int):
    spec = LaneSpec(account="spring", numbers_max=CHUNK, limit=limit, polls_balance=True)
    owner = Owner(OwnerSettings(partition=0, owner="me"), [spec], LaneState(), campaigns(), 0.0)
    journal: list[Any] = [Owned(owner="me", at_ms=0, where="")]
    owner.journal_read(0, journal[0], 0.0, 0)
    job = Job(
        campaign="may", attempt="a", account="spring", number=0, batch=0, partition=0, offset=0, sha256=b"", start=0,
        count=RECIPIENTS,
    )  # fmt: skip
    owner.inbox_read(0, job, 0.0, 0)
    lane = owner.lanes["spring"]
    sent = 0
    lane.balance_is(credit, lane.balance_asked(), 0)
    for step in range(200):
        now_s = step * 0.01
        for effect in owner.poll(now_s, 0):
            match effect:
                case Fetch():
                    owner.batch_loaded(effect.job_offset, Batch(b",".join([b"13800138000"] * RECIPIENTS), RECIPIENTS))
                case Append():
                    journal.append(effect.record)
                case Send():
                    assert owner.may_write(effect.intent, "spring", now_s)
                    sent += effect.count
                    taken = Verdict(kind=Kind.ACCEPTED, code="0", vendor_id=str(effect.intent))
                    owner.answered(effect.intent, "spring", taken, now_s, 0, wrote_s=now_s, answered_s=now_s)
                case Warn():
                    assert effect.event == "stopped: balance"
        while owner.state.position < len(journal):
            offset = owner.state.position
            owner.journal_read(offset, journal[offset], now_s, 0)
    assert sent == credit
    assert (lane.stopped == "balance") is (credit < RECIPIENTS)
