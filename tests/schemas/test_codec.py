"""Every record survives the codec; records of every earlier version stay readable, byte for byte."""

from __future__ import annotations

import typing

import msgspec
import pytest

from schemas.codec import VERSION, BrokenRecord, NewerRecord, decode, encode, peek_tag
from schemas.records import (
    DECIDED_LATER,
    AnyRecord,
    Approved,
    BalanceAsked,
    BalanceTold,
    Cancelled,
    CarrierLearnt,
    Checked,
    Checkpoint,
    CheckpointAt,
    Closed,
    Dead,
    Decided,
    Drafted,
    Effect,
    Finding,
    Finished,
    Flowed,
    HoursChanged,
    Inbound,
    Intent,
    Job,
    JobState,
    Kind,
    Launched,
    Leg,
    OpenRange,
    Operated,
    Outcome,
    Outcomes,
    Owned,
    Rejects,
    Reports,
    Resolved,
    ResolvedAs,
    Run,
    Scheduled,
    Slice,
    StartFailed,
    Stop,
    Stopped,
    Suppression,
    SuppressionOrigin,
    SuppressionSnapshot,
    SuppressionSnapshotAt,
    Taken,
    TextDecided,
    Wave,
    WaveDecided,
    Weighed,
    Why,
)
from tests.schemas.golden import VERSION_1, VERSION_2, VERSION_3

RECORDS: dict[str, typing.Any] = {
    "launched": Launched(
        campaign="may",
        attempt="a1",
        fingerprint="f0",
        name="May",
        text="你好",
        legs=(Leg(account="spring", vendor="batch-a", jobs=2, recipients=70),),
        weight=2,
        urgent=True,
        unknown="resend",
        rows=100,
        recipients=70,
        invalid=10,
        duplicate=15,
        suppressed=5,
        batches=2,
        segments=1,
        at_ms=1700000000000,
        by="ann",
        invalid_reasons={"no number": 10},
        options={"extno": "1"},
    ),
    "launched, personalised": Launched(
        campaign="june",
        attempt="a2",
        fingerprint="f1",
        name="June",
        text="你好{name}",
        legs=(Leg(account="winter", vendor="batch-b", jobs=1, recipients=2),),
        weight=1,
        urgent=False,
        unknown="hold",
        rows=2,
        recipients=2,
        invalid=0,
        duplicate=0,
        suppressed=0,
        batches=1,
        segments=1,
        at_ms=1700000000001,
        by="ann",
        options={"winter.extno": "1"},
        variables=("name",),
    ),
    "launched, wap": Launched(
        campaign="wap",
        attempt="a3",
        fingerprint="f2",
        name="",
        text="店#http://127.0.0.1/",
        legs=(Leg(account="summer", vendor="cosms", jobs=1, recipients=2),),
        weight=1,
        urgent=False,
        unknown="hold",
        rows=2,
        recipients=2,
        invalid=0,
        duplicate=0,
        suppressed=0,
        batches=1,
        segments=1,
        at_ms=1700000000002,
        by="ann",
        kind="wap",
    ),
    "launched, hours": Launched(
        campaign="day",
        attempt="a4",
        fingerprint="f3",
        name="",
        text="【店】hi",
        legs=(Leg(account="spring", vendor="hezhong", jobs=1, recipients=2),),
        weight=1,
        urgent=False,
        unknown="hold",
        rows=2,
        recipients=2,
        invalid=0,
        duplicate=0,
        suppressed=0,
        batches=1,
        segments=1,
        at_ms=1700000000003,
        by="ann",
        campaign_class="marketing",
        hours=((480, 1200), (1920, 2640)),
        at_closing="continue",
    ),
    "hours-changed": HoursChanged(
        campaign="day", hours=((540, 1080),), at_closing="continue", at_ms=1700000000004, by="bob"
    ),
    "launched, waves": Launched(
        campaign="test",
        attempt="a5",
        fingerprint="f4",
        name="",
        text="a",
        legs=(Leg(account="spring", vendor="hezhong", jobs=3, recipients=10),),
        weight=1,
        urgent=False,
        unknown="hold",
        rows=10,
        recipients=10,
        invalid=0,
        duplicate=0,
        suppressed=0,
        batches=3,
        segments=1,
        at_ms=1700000000005,
        by="ann",
        waves=(Wave(2, (1, 1)), Wave(8, (1,))),
        wave_wait_ms=7200000,
        texts=("a", "b"),
    ),
    "job, of a wave": Job(
        campaign="test",
        attempt="a5",
        account="spring",
        number=2,
        batch=2,
        partition=3,
        offset=9,
        sha256=b"12345678",
        start=0,
        count=8,
        wave=2,
        variant=DECIDED_LATER,
    ),
    "wave-decided": WaveDecided(
        campaign="test",
        wave=1,
        verdict="halted",
        at_ms=6,
        by="box:7",
        why="found",
        recipients=2,
        settled=2,
        findings=(
            Finding(
                statistic="failures",
                account="spring",
                since_wave=1,
                trials=2,
                events=2,
                learnt_ppm=20000,
                odds=900,
                halts_at=156,
            ),
        ),
    ),
    "text-decided": TextDecided(campaign="test", variant=1, at_ms=7, by="ann"),
    "flowed": Flowed(campaign="may", paused=True, at_ms=1, by="ann"),
    "cancelled": Cancelled(campaign="may", at_ms=2, by="ann"),
    "closed": Closed(campaign="may", at_ms=4, by="ann"),
    "weighed": Weighed(campaign="may", weight=3, urgent=False, at_ms=3, by="ann"),
    "launched, from a draft": Launched(
        campaign="july.test-1",
        attempt="a3",
        fingerprint="f2",
        name="",
        text="hi",
        legs=(),
        weight=1,
        urgent=False,
        unknown="hold",
        rows=2,
        recipients=2,
        invalid=0,
        duplicate=0,
        suppressed=0,
        batches=1,
        segments=1,
        at_ms=1700000000002,
        by="ann",
        revision="r1",
        approved_by="bob",
        test_of="july",
    ),
    "drafted": Drafted(
        campaign="july",
        revision="r1",
        fingerprint="f2",
        list_digest="d0",
        terms=b'{"text":"hi"}',
        places=b"\x92\x90\x90",
        name="July",
        text="hi",
        accounts=("spring",),
        rows=9,
        recipients=5,
        invalid=1,
        duplicate=2,
        suppressed=1,
        at_ms=5,
        by="ann",
        invalid_reasons={"no number": 1},
        suppressed_reasons={"on a --suppress list": 1},
        even_if_short=True,
        plan=b"{}",
    ),
    "scheduled": Scheduled(campaign="july", revision="r2", start_ms=7, at_ms=6, by="ann"),
    "approved": Approved(campaign="july", content="c0", at_ms=7, by="bob"),
    "start-failed": StartFailed(campaign="july", revision="r2", says="nobody is left", at_ms=8),
    "checkpoint-at": CheckpointAt(partition=1, offset=77),
    "balance-asked": BalanceAsked(account="spring", at_ms=17, by="the lane", messages=None, says=""),
    "balance-asked, answered": BalanceAsked(
        account="spring", at_ms=18, by="ann (account check)", messages=1234.5, says="7 1,000, 8 234"
    ),
    "balance-asked, refused": BalanceAsked(
        account="spring",
        at_ms=21,
        by="the lane",
        messages=None,
        says="102: wrong password",
        kind=Kind.AUTH,
        code="102",
    ),
    "balance-asked, history": BalanceAsked(
        account="summer", at_ms=20, by="the lane", messages=3.0, says="", what="history"
    ),
    "operated": Operated(
        operation="9f3a01",
        account="boss",
        name="recharge",
        shows=(("account", "spring"), ("fee", "100")),
        result="unknown",
        at_ms=19,
        by="ann",
        code="no answer",
        says="no answer within 30 s",
    ),
    "job": Job(
        campaign="may",
        attempt="a1",
        account="spring",
        number=0,
        batch=0,
        partition=3,
        offset=9,
        sha256=bytes(range(32)),
        start=0,
        count=50,
    ),
    "checked": Checked(account="spring", at_ms=4, by="ann"),
    "decided": Decided(
        account="spring",
        campaign="may",
        intents=(5, 6),
        verdict=ResolvedAs.RESEND,
        at_ms=5,
        by="ann",
        why="asked the vendor",
    ),
    "owned": Owned(owner="0123456789abcdef", at_ms=6, where="host:1"),
    "intent": Intent(
        owner="0123456789abcdef",
        n=1,
        account="spring",
        campaign="may",
        job=0,
        batch=0,
        start=0,
        count=50,
        attempt=1,
        at_ms=7,
        strikes=1,
    ),
    "outcome": Outcome(
        account="spring",
        intent=8,
        effect=Effect.ACCEPTED,
        kind=Kind.ACCEPTED,
        code="0",
        at_ms=9,
        sent_ms=8,
        text="20110725160412,0",
        vendor_id="1234567890100",
        vendor_ids=("1", "2"),
        divide=False,
    ),
    "outcome, divided": Outcome(
        account="spring", intent=8, effect=Effect.QUEUED, kind=Kind.REJECTED, code="107", at_ms=9, divide=True
    ),
    "resolved": Resolved(
        owner="0123456789abcdef",
        account="spring",
        intent=8,
        verdict=ResolvedAs.SENT,
        at_ms=10,
        by="ann",
        why="report",
        vendor_id="77",
    ),
    "resolved, found in the history": Resolved(
        owner="0123456789abcdef",
        account="summer",
        intent=9,
        verdict=ResolvedAs.SENT,
        at_ms=11,
        by="history",
        why="the vendor's history has 2 of its 2 recipients",
        vendor_ids=("567890009", "567890010"),
    ),
    "balance-told": BalanceTold(
        account="spring",
        intents=(8, 9),
        messages=40.0,
        before=1000.0,
        before_ms=11,
        after=900.0,
        after_ms=12,
        taken=60.0,
        under_way=20.0,
    ),
    "checkpoint": Checkpoint(
        owner="0123456789abcdef",
        upto=20,
        inbox=3,
        jobs=(
            JobState(
                2,
                Job(
                    campaign="may",
                    attempt="a1",
                    account="spring",
                    number=0,
                    batch=0,
                    partition=3,
                    offset=9,
                    sha256=b"x",
                    start=0,
                    count=50,
                ),
                ((0, 10), (20, 30)),
                (Slice(0, 10, 1, 1),),
            ),
        ),
        open=(OpenRange(19, "spring", "may", 2, 0, 20, 10, 0, 0, True),),
        taken=(Taken("spring", "may", "a1", 1),),
        at_ms=11,
    ),
    "outcomes": Outcomes(
        account="spring",
        intent=8,
        runs=(
            Run(0, 1, Effect.ACCEPTED, Kind.ACCEPTED),
            Run(1, 1, Effect.FAILED, Kind.REJECTED, "9", "no such number"),
            Run(2, 3, Effect.QUEUED, Kind.THROTTLED, "8"),
            Run(300, 1, Effect.UNKNOWN, Kind.UNKNOWN, "no answer"),
        ),
        at_ms=9,
        sent_ms=8,
        ids=(2**64 - 1).to_bytes(8, "little") + bytes(8 * 5),
    ),
    "outcomes, in parts": Outcomes(
        account="spring",
        intent=9,
        runs=(Run(0, 1, Effect.ACCEPTED, Kind.ACCEPTED),),
        at_ms=9,
        ids=bytes(range(16)),
        parts=2,
    ),
    "outcomes, named": Outcomes(
        account="summer",
        intent=10,
        runs=(Run(0, 1, Effect.ACCEPTED, Kind.ACCEPTED), Run(1, 1, Effect.UNKNOWN, Kind.UNKNOWN)),
        at_ms=9,
        vendor_ids=("567890009", ""),
    ),
    "resolved, in part": Resolved(
        owner="0123456789abcdef",
        account="spring",
        intent=8,
        verdict=ResolvedAs.SENT,
        at_ms=12,
        by="report",
        ranges=((84, 1), (90, 1)),
        ids=bytes(range(16)),
    ),
    "decided, in part": Decided(
        account="spring",
        campaign="may",
        intents=(8,),
        verdict=ResolvedAs.SENT,
        at_ms=13,
        by="report",
        ranges=((84, 1),),
        ids=bytes(range(8)),
    ),
    "checkpoint, in part": Checkpoint(
        owner="0123456789abcdef",
        upto=20,
        inbox=3,
        jobs=(JobState(2, None, ((20, 30),), (Slice(21, 2, 1, 1),)),),
        open=(OpenRange(19, "spring", "may", 2, 0, 20, 10, 0, 0, True),),
        taken=(),
        at_ms=11,
        ranges=((19, ((0, 1), (3, 7))),),
    ),
    "intent, in part": Intent(
        owner="0123456789abcdef",
        n=1,
        account="spring",
        campaign="may",
        job=0,
        batch=0,
        start=0,
        count=50,
        attempt=0,
        at_ms=7,
        ttl_ms=5_000,
        left_out=((3, 1), (7, 40)),
    ),
    "checkpoint, with some left out": Checkpoint(
        owner="0123456789abcdef",
        upto=20,
        inbox=3,
        jobs=(),
        open=(OpenRange(19, "spring", "may", 2, 0, 20, 10, 0, 0, True),),
        taken=(),
        at_ms=11,
        ranges=((19, ((0, 1), (3, 7))),),
        left_out=((19, ((1, 2),)),),
    ),
    "reports": Reports(
        account="spring",
        at_ms=12,
        ids=["77"],
        id_index=b"\0\0\0\0",
        numbers=b"\1\0\0\0\0\0\0\0",
        states=b"\1",
        codes=["DELIVRD"],
        code_index=b"\0\0",
        times=b"\0\0\0\0",
    ),
    "inbound": Inbound(
        account="spring",
        number="13800138000",
        text="TD",
        to="10690000",
        at_ms=13,
        received_ms=14,
        message_id="m1",
        part=(234, 4, 1),
        flags=("long",),
    ),
    "dead": Dead(account="spring", path="/push/spring/report", why="no msgid", at_ms=15, body=b"x=1"),
    "finished": Finished(
        campaign="may",
        account="spring",
        batch=0,
        start=0,
        vendor_id="77",
        numbers=b"\1\0\0\0\0\0\0\0",
        states=b"\3",
        codes=["DELIVRD"],
        code_index=b"\0\0",
        at_ms=16,
    ),
    "rejects": Rejects(
        campaign="may",
        attempt="a1",
        part=0,
        rows=b"\7\0\0\0\0\0\0\0",
        values=b"abc",
        reasons=["no number"],
        reason_index=b"\0",
    ),
    "stopped": Stopped(account="spring", at_ms=17, why="balance", says="no credit left"),
    "stopped, with values": Stopped(
        account="spring",
        at_ms=17,
        why="unreachable",
        says="the vendor answers 104",
        stops=(
            Stop(why=Why.BUSY, code="104", since_ms=7, until_ms=9, row=3, trying=True),
            Stop(why=Why.OTHER_CREDIT, code="505", since_ms=8, recipients=12),
        ),
    ),
    "suppression": Suppression(adds=True, count=1, numbers=b"packed", source="opt-out", by="spring", at_ms=8, why="TD"),
    "suppression-snapshot": SuppressionSnapshot(
        snapshot="0a1b",
        part=2,
        count=1,
        numbers=b"packed",
        times=b"times",
        origins=[SuppressionOrigin("import", "ann", "old.csv")],
        origin_index=b"index",
    ),
    "suppression-snapshot-at": SuppressionSnapshotAt(snapshot="0a1b", upto=7, parts=3, numbers=200_001),
    "carrier-learnt": CarrierLearnt(account="spring", code="NP:1243", carrier=2, count=1, numbers=b"packed", at_ms=8),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_survives_the_codec(name):
    assert decode(encode(RECORDS[name])) == RECORDS[name]


GOLDEN = VERSION_1 | VERSION_2 | VERSION_3


@pytest.mark.parametrize("name", GOLDEN)
def test_a_record_of_an_older_release_is_read_and_written_as_ever(name):
    golden = bytes.fromhex(GOLDEN[name])
    assert decode(golden) == RECORDS[name]
    assert encode(RECORDS[name]) == golden


def test_every_kind_of_record_has_golden_bytes():
    kinds = set(typing.get_args(AnyRecord))
    assert {type(record) for record in RECORDS.values()} == kinds
    assert RECORDS.keys() == GOLDEN.keys()


def test_only_records_that_an_older_release_would_obey_wrongly_have_a_higher_version():
    assert {value[:2] for value in VERSION_1.values()} == {"01"}
    assert {value[:2] for value in VERSION_2.values()} == {"02"}
    assert {value[:2] for value in VERSION_3.values()} == {"03"}


def test_a_field_this_release_does_not_know_is_ignored():
    more = msgspec.msgpack.encode({"t": "cancelled", "campaign": "may", "at_ms": 2, "by": "ann", "mood": "calm"})
    assert decode(bytes([VERSION]) + more) == RECORDS["cancelled"]


def test_a_record_of_a_newer_version_is_refused_by_name():
    with pytest.raises(NewerRecord, match=f"version {VERSION + 1}"):
        decode(bytes([VERSION + 1]) + b"whatever")


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x01\x80", b"\x01garbage", encode(RECORDS["job"])[:-3]])
def test_bytes_that_are_no_record_are_told_apart(value):
    with pytest.raises(BrokenRecord):
        decode(value)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_s_tag_is_read_without_the_rest(name):
    value = encode(RECORDS[name])
    tag = type(RECORDS[name]).__struct_config__.tag
    assert peek_tag(value) == peek_tag(memoryview(value)) == peek_tag(value[: len(tag) + 8]) == tag
    assert peek_tag(bytes.fromhex(GOLDEN[name])) == tag


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x01\x80", b"\x01\x81\xa1t", b"\x01garbage"])
def test_bytes_without_a_tag_have_none(value):
    assert peek_tag(value) == ""


def test_why_an_account_stops_may_be_a_word_of_a_newer_release():
    value = msgspec.msgpack.encode({"t": "stopped", "account": "x", "at_ms": 1, "why": "auth", "says": "s",
                                    "stops": [{"why": "the moon", "since_ms": 5}]})  # fmt: skip
    assert decode(bytes([VERSION]) + value).stops == (Stop(why=Why.OTHER, since_ms=5),)  # type: ignore[union-attr]
