"""Messages of streams through the API: durable when they are answered, each key once, single ones in one append."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dispatcher.errors import LogTimeout
from schemas.codec import decode
from schemas.records import Appended
from schemas.topics import JOBS, lane_partition
from tests.producers.api.api_kit import NUMBERS, served

TERMS = {"route": ["spring"], "text": "【Shop】Your order {order} is on its way"}
PATH = "/v1/streams/orders/messages"


def one(number: str, order: str) -> dict[str, object]:
    return {"messages": [{"number": number, "key": order, "values": {"order": order}}]}


@pytest.fixture
async def api(tmp_path: Path):
    async with served(tmp_path) as running:
        opened = await running.call("PUT", "/v1/streams/orders", TERMS)
        assert (opened.status, opened.json["opened"]) == (201, True)
        yield running


async def test_a_stream_is_opened_once_and_takes_no_message_after_it_was_closed(api):
    again = await api.call("PUT", "/v1/streams/orders", TERMS)
    assert (again.status, again.json["opened"]) == (200, False)
    closed = await api.call("POST", "/v1/streams/orders:close")
    assert closed.json == {"stream": "orders", "changed": True}
    refused = await api.call("POST", PATH, one(NUMBERS[0], "a"))
    assert (refused.status, refused.kind) == (409, "conflict")
    unknown = await api.call("POST", "/v1/streams/none/messages", one(NUMBERS[0], "a"))
    assert (unknown.status, unknown.kind) == (404, "not-found")


async def test_messages_that_come_at_once_share_an_append_and_each_gets_its_own_answer(api):
    answers = await asyncio.gather(*(api.call("POST", PATH, one(number, f"o{number}")) for number in NUMBERS))
    assert {answer.status for answer in answers} == {202}
    taken = [answer.json["messages"][0] for answer in answers]
    assert [each["key"] for each in taken] == [f"o{number}" for number in NUMBERS]
    assert len({(each["offset"], each["position"]) for each in taken}) == len(NUMBERS)
    stored = await api.log.read(JOBS.name, lane_partition("spring"), 0)
    records = [record for each in stored if isinstance(record := decode(each.value), Appended)]
    assert sum(record.numbers.count(b",") + 1 for record in records) == len(NUMBERS)
    assert len(records) < len(NUMBERS)


async def test_a_key_is_taken_once_in_the_body_or_in_the_header(api):
    first = await api.call("POST", PATH, one(NUMBERS[0], "a"))
    again = await api.call("POST", PATH, one(NUMBERS[0], "a"))
    assert [answer.json["messages"][0]["result"] for answer in (first, again)] == ["taken", "already there"]
    without = {"messages": [{"number": NUMBERS[1], "values": {"order": "b"}}]}
    by_header = await api.call("POST", PATH, without, headers={"Idempotency-Key": "b"})
    assert by_header.json["messages"][0]["key"] == "b"
    two = {"messages": [*without["messages"], *without["messages"]]}
    refused = await api.call("POST", PATH, two, headers={"Idempotency-Key": "b"})
    assert (refused.status, refused.kind) == (422, "invalid")


async def test_what_is_refused_is_named_and_the_others_are_taken(api):
    wrong = {"number": "nonsense", "key": "w", "values": {"order": "x"}}
    right = {"number": NUMBERS[0], "key": "r", "values": {"order": "x"}}
    found = await api.call("POST", PATH, {"messages": [wrong, right]})
    assert (found.status, [each["result"] for each in found.json["messages"]]) == (202, ["refused", "taken"])
    refused = await api.call("POST", PATH, {"messages": [wrong]})
    assert (refused.status, refused.kind) == (422, "unusable")
    assert refused.json["errors"][0]["pointer"] == "/messages/0"


async def test_nothing_is_answered_with_202_that_the_log_has_not_confirmed(api, monkeypatch):
    async def times_out(*_: object) -> list[int]:
        raise LogTimeout("the log did not answer in time")

    monkeypatch.setattr(api.log, "append", times_out)
    answers = await asyncio.gather(*(api.call("POST", PATH, one(number, number)) for number in NUMBERS[:5]))
    assert {(answer.status, answer.kind) for answer in answers} == {(503, "uncertain")}
    monkeypatch.undo()
    again = await api.call("POST", PATH, one(NUMBERS[0], NUMBERS[0]))
    assert (again.status, again.json["messages"][0]["result"]) == (202, "taken")
