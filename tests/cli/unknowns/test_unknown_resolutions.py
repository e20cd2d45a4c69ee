"""Past resolutions, read from the lanes' journals: only those that counted, and only what is still kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from dispatcher.errors import LogDamaged, LogNewer
from dispatcher.log.port import Log, StoredRecord
from dispatcher.service.resolutions import Resolution, resolution_list, resolutions
from schemas.topics import lane_partition
from tests.memory_log import MemoryLog
from tests.store.joined_history import FIRST_NUMBER, History

ACCOUNT = "spring"
LANE = lane_partition(ACCOUNT)


class KeptLog(MemoryLog):
    """What lies before offset `first` of the journals is over its retention."""

    def __init__(self, history: History, first: int = 0) -> None:
        super().__init__()
        self.records.update(history.records)
        self.first = first

    async def read(self, topic: str, partition: int, offset: int, **limits: Any) -> list[StoredRecord]:
        if (topic, partition) == ("lanes", LANE) and offset < self.first:
            raise LogDamaged(f"{topic}/{partition}: offset {offset} is not kept any more")
        return await super().read(topic, partition, offset, **limits)

    async def fetch(self, topic: str, partition: int, offset: int) -> StoredRecord:
        if offset < self.first:
            raise LogDamaged("gone")
        return await super().fetch(topic, partition, offset)


def history(count: int = 3) -> tuple[History, list[int]]:
    """So many requests that became unknown, in two campaigns by turns."""
    made = History()
    may = made.launch("may", {ACCOUNT: [count]})[ACCOUNT][0]
    june = made.launch("june", {ACCOUNT: [count]}, first_number=FIRST_NUMBER + 100)[ACCOUNT][0]
    made.owned(ACCOUNT, "me")
    intents = []
    for number in range(count):
        intent = made.intent(ACCOUNT, "me", june if number % 2 else may, number, 1)
        made.outcome(ACCOUNT, intent, "unknown")
        intents.append(intent)
    return made, intents


def found(
    made: History, *, campaign: str | None = None, newest: int = 100, first: int = 0, lanes: Sequence[int] = range(8)
) -> list[Resolution]:
    log = cast(Log, KeptLog(made, first))
    return asyncio.run(resolutions(log, lanes, campaign=campaign, newest=newest, progress=lambda records: None))


def told(list_: list[Resolution]) -> list[tuple[int, str]]:
    return [(each.resolved.intent, each.resolved.verdict) for each in list_]


def test_each_is_told_with_its_request_in_the_order_of_their_times():
    made, (first, second, third) = history()
    for intent, verdict in ((third, "sent"), (first, "resend"), (second, "not-sent")):
        made.resolved(ACCOUNT, "me", intent, verdict)
    assert told(found(made)) == [(first, "resend"), (second, "not-sent"), (third, "sent")]
    assert found(made)[0].chunk == f"{LANE}:{first}"
    assert found(made)[0].intent.campaign == "may"


def test_resolutions_of_some_recipients_of_a_chunk_are_told_one_by_one_with_how_many_they_are():
    made = History()
    job = made.launch("may", {ACCOUNT: [10]})[ACCOUNT][0]
    made.owned(ACCOUNT, "me")
    intent = made.intent(ACCOUNT, "me", job, 0, 10)
    made.outcome(ACCOUNT, intent, "unknown")
    for ranges, verdict in (
        (((2, 3), (7, 1)), "sent"),
        (((2, 3), (7, 1)), "sent"),
        (((0, 2), (5, 2), (8, 2)), "resend"),
    ):
        made.resolved(ACCOUNT, "me", intent, verdict, ranges=ranges)
    listed = resolution_list(found(made), 100).resolutions
    assert [(each.as_, each.recipients) for each in listed] == [("sent", 4), ("resend", 6)]


def test_one_from_a_former_owner_and_a_second_one_did_not_count():
    made, (first, second, _) = history()
    made.owned(ACCOUNT, "you")
    made.resolved(ACCOUNT, "me", first, "resend")
    made.resolved(ACCOUNT, "you", second, "sent")
    made.resolved(ACCOUNT, "you", second, "resend")
    assert told(found(made)) == [(second, "sent")]


def test_one_campaign_and_the_newest_can_be_asked_for():
    made, intents = history(6)
    for intent in intents:
        made.resolved(ACCOUNT, "me", intent, "sent")
    assert [each.resolved.intent for each in found(made, campaign="june")] == intents[1::2]
    assert [each.resolved.intent for each in found(made, newest=2)] == intents[-2:]
    assert found(made, lanes=[lane for lane in range(8) if lane != LANE]) == []


@pytest.mark.parametrize("gone", range(8))
def test_what_is_over_its_retention_is_left_out(gone: int):
    made, intents = history()
    made.owned(ACCOUNT, "you")
    for intent in intents:
        made.resolved(ACCOUNT, "you", intent, "sent")
    assert [each.resolved.intent for each in found(made, first=gone)] == [i for i in intents if i >= gone]


def test_a_record_of_a_newer_release_is_not_guessed_at():
    made, (first, *_) = history()
    offset = made.resolved(ACCOUNT, "me", first, "sent")
    stored = made.records["lanes", LANE][offset]
    made.records["lanes", LANE][offset] = StoredRecord(offset, b"", b"\x7f" + stored.value[1:], (), 0)
    with pytest.raises(LogNewer, match="Update this dispatcher"):
        found(made)
