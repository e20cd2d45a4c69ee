"""Events from records of the log: which, in which order, and what is posted of them."""

from __future__ import annotations

import json
import struct

import pytest

from dispatcher.callbacks.bodies import bot_body, standard_body
from dispatcher.callbacks.requests import retry_after_s
from dispatcher.core.callbacks.answers import answer_of
from dispatcher.core.callbacks.events import (
    KINDS,
    Event,
    Wanted,
    events_of,
    message_id,
    position_of,
)
from dispatcher.core.callbacks.signing import feishu_sign
from schemas.records import AnyRecord, CallbackEvent, Cancelled, Finding, Finished, Inbound, WaveDecided

ALL = Wanted("shop", frozenset(KINDS))
NUMBERS = tuple(range(13_800_138_000, 13_800_139_500))
FINISHED = Finished(
    campaign="may", account="spring", batch=2, start=100, vendor_id="v1", numbers=struct.pack("<1500q", *NUMBERS),
    states=bytes([3] * 1_499 + [4]), codes=["DELIVRD", "MK:0001"],
    code_index=struct.pack("<1500H", *[0] * 1_499, 1), at_ms=7,
)  # fmt: skip
INBOUND = Inbound(account="spring", number="13800138000", text="TD", to="1069", at_ms=1, received_ms=2_000)
HALTED = WaveDecided(
    campaign="may", wave=1, verdict="halted", at_ms=1, by="x", why="found",
    findings=(Finding(statistic="failures", since_wave=1, trials=9, events=8, learnt_ppm=1, odds=100, halts_at=20),),
)  # fmt: skip


def found(record: AnyRecord, wanted: Wanted = ALL, place: str = "results-3") -> list[Event]:
    return events_of(place, 9, record, 1_700_000_000_123, wanted)


def test_a_large_chunk_of_results_comes_in_parts_with_ids_of_their_own() -> None:
    events = found(FINISHED)
    assert [(each.id, each.first, each.rows) for each in events] == [
        ("results-3-9-0", 0, 1_000),
        ("results-3-9-1", 1_000, 500),
    ]
    [body] = [json.loads(standard_body([events[1]]))]
    assert (body["type"], body["timestamp"]) == ("results", "2023-11-14T22:13:20.123Z")
    [chunk] = body["data"]["chunks"]
    assert (chunk["position"], chunk["start"], len(chunk["recipients"])) == ("results-3-9-1", 1_100, 500)
    assert chunk["recipients"][0] == {"number": "13800139000", "state": "delivered", "code": "DELIVRD"}
    assert chunk["recipients"][-1] == {"number": "13800139499", "state": "failed", "code": "MK:0001"}


def test_several_chunks_share_a_message_whose_id_names_the_first_and_the_last() -> None:
    events = found(FINISHED)
    assert message_id(events) == "results-3-9-0+results-3-9-1"
    assert [len(each["recipients"]) for each in json.loads(standard_body(events))["data"]["chunks"]] == [1_000, 500]


@pytest.mark.parametrize(
    ("record", "kind", "order", "data"),
    [
        (HALTED, "halted", "may", {"campaign": "may", "why": "found", "wave": 1, "by": "x"}),
        (Cancelled(campaign="may", at_ms=1, by="ann"), "halted", "may", {"why": "cancelled", "by": "ann"}),
        (INBOUND, "inbound", "inbound spring", {"number": "13800138000", "text": "TD", "part": None}),
        (
            CallbackEvent(kind="finished", subject="may", campaign="may", at_ms=1, figures={"rows": 3}),
            *("finished", "may", {"campaign": "may", "rows": 3}),
        ),
        (
            CallbackEvent(kind="alert", word="credit-low", subject="spring", at_ms=1, says="low", over=True),
            *("alert", "spring", {"alert": "credit-low", "subject": "spring", "over": True, "says": "low"}),
        ),
    ],
)
def test_each_record_is_an_event_of_its_kind(record: AnyRecord, kind: str, order: str, data: dict[str, object]) -> None:
    [event] = found(record)
    assert (event.kind, event.order, event.id) == (kind, order, "results-3-9")
    body = json.loads(standard_body([event]))
    assert body["type"] == kind
    assert body["data"].items() >= data.items()
    assert found(record, Wanted("shop", frozenset(KINDS) - {kind})) == []


@pytest.mark.parametrize(
    "record",
    [
        WaveDecided(campaign="may", wave=1, verdict="released", at_ms=1, by="x"),
        CallbackEvent(kind="finished", subject="may", campaign="may", at_ms=1, old=True),
        CallbackEvent(kind="failing", subject="may", campaign="may", at_ms=1, to="other"),
        CallbackEvent(kind="began", subject="", at_ms=1),
    ],
)
def test_other_records_are_no_events(record: AnyRecord) -> None:
    assert found(record) == []


def test_a_pattern_chooses_campaigns_and_leaves_messages_of_phones() -> None:
    wanted = Wanted("shop", frozenset(KINDS), "ma?")
    june = Cancelled(campaign="june", at_ms=1, by="ann")
    assert (len(found(FINISHED, wanted)), found(june, wanted), len(found(INBOUND, wanted))) == (2, [], 1)


def test_a_callback_reads_only_the_partitions_that_have_its_events() -> None:
    assert Wanted("shop", frozenset({"halted"})).places == ["campaigns-0"]
    assert Wanted("shop", frozenset({"finished", "alert", "failing"})).places == ["callbacks-0"]
    assert len(ALL.places) == 18


def test_a_position_is_read_from_any_id() -> None:
    assert position_of("results-3-9-1") == ("results-3", 9)
    assert position_of("results-3-9-0+results-4-12-1") == ("results-4", 12)
    assert position_of("campaigns-0-17") == ("campaigns-0", 17)


@pytest.mark.parametrize("id", ["", "results-3", "results-8-1", "people-0-1", "results-3-x", "test-17", "results-3--1"])
def test_what_is_no_position_is_refused(id: str) -> None:
    with pytest.raises(ValueError, match="is no position"):
        position_of(id)


def test_bots_get_a_text_with_masked_numbers() -> None:
    [event] = found(INBOUND)
    text = json.loads(bot_body("wecom", event, "", 0))["text"]["content"]
    assert text == "Message from a phone (11-15 06:13)\naccount: spring\nnumber: 138****8000\ntext: TD"
    assert json.loads(bot_body("dingtalk", event, "s", 0))["msgtype"] == "text"
    [halted] = found(HALTED)
    text_of_halt = json.loads(bot_body("wecom", halted, "", 0))["text"]["content"]
    assert text_of_halt == "Campaign halted (11-15 06:13)\ncampaign: may\nwhy: found\nwave: 1\nby: x"
    feishu = json.loads(bot_body("feishu", event, "s", 5_000))
    assert (feishu["timestamp"], feishu["sign"], feishu["content"]["text"]) == ("5", feishu_sign("s", 5), text)


@pytest.mark.parametrize(
    ("format", "status", "retry_after", "body", "result", "wait_s"),
    [
        ("standard", 204, "", b"", "taken", 0.0),
        ("standard", 410, "", b"", "gone", 0.0),
        ("standard", 302, "", b"", "again", 0.0),
        ("standard", 404, "5", b"", "again", 0.0),
        ("standard", 429, "120", b"", "again", 120.0),
        ("standard", 503, "Tue, 14 Nov 2023 22:13:50 GMT", b"", "again", 30.0),
        ("standard", 429, "99999", b"", "again", 3_600.0),
        ("standard", 429, "soon", b"", "again", 0.0),
        ("dingtalk", 200, "", b'{"errcode":0,"errmsg":"ok"}', "taken", 0.0),
        ("wecom", 200, "", b'{"errcode":45009,"errmsg":"freq"}', "again", 0.0),
        ("feishu", 200, "", b'{"code":19021}', "again", 0.0),
        ("feishu", 200, "", b"<html>", "again", 0.0),
    ],
)
def test_what_an_answer_means(format, status, retry_after, body, result, wait_s) -> None:
    answer = answer_of(format, status, retry_after_s(retry_after, 1_700_000_000_000), body)
    assert (answer.result, answer.wait_s) == (result, wait_s)
