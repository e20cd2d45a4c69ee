"""The requests around an unknown one, read from the journal: all that can explain a message, nothing older or later."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from consumers.lanes import journal_requests as around
from consumers.lanes.journal_requests import Recipients, fetch_intent, requests_around
from dispatcher.core.results.history import Span
from dispatcher.core.results.requests import AFTERWARDS_MS, RequestTime
from dispatcher.errors import LogDamaged
from dispatcher.log.port import Entry, Log
from schemas.batch import Values, pack
from schemas.codec import encode
from schemas.records import (
    AnyRecord,
    Appended,
    Intent,
    Job,
    Kind,
    Outcome,
    Outcomes,
    Owned,
    Resolved,
    Run,
    StreamIntent,
)
from schemas.topics import JOBS, LANES, RECIPIENTS
from tests.memory_log import MemoryLog

PARTITION, REQUEST_MS = 0, 40_000
WHEN = Span(1_000_000, 1_060_000)
NUMBERS = [13_800_138_000 + number for number in range(10)]


class Journal:
    """A log with one batch of ten, and a journal to write."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        value, headers, sha256 = pack(",".join(map(str, NUMBERS)).encode(), 10)
        job = Job(campaign="may", attempt="a", account="spring", number=0, batch=0, partition=3, offset=0,
                  sha256=sha256, start=0, count=10)  # fmt: skip
        self._put(RECIPIENTS.name, 3, Entry(b"", value, headers))
        self._put(JOBS.name, PARTITION, Entry(b"spring", encode(job)))
        self.write(Owned(owner="o", at_ms=0, where=""))

    def _put(self, topic: str, partition: int, entry: Entry) -> int:
        return int(self.log._write(topic, partition, [entry])[0])

    def write(self, record: AnyRecord) -> int:
        return self._put(LANES.name, PARTITION, Entry(b"", encode(record)))

    def intent(self, at_ms: int, start: int = 0, count: int = 10, account: str = "spring") -> int:
        return self.write(
            Intent(owner="o", n=0, account=account, campaign="may", job=0, batch=0, start=start, count=count,
                   attempt=0, at_ms=at_ms)
        )  # fmt: skip

    def outcome(self, intent: int, effect: Any, *ids: str) -> None:
        self.write(
            Outcome(
                account="spring", intent=intent, effect=effect, kind=Kind.ACCEPTED, code="", at_ms=0, vendor_ids=ids
            )
        )

    def outcomes(self, intent: int, *runs: tuple[int, int, Any], ids: tuple[str, ...] = ()) -> None:
        """`runs`: (start, count, effect)."""
        named = tuple(Run(*run, Kind.ACCEPTED) for run in runs)
        self.write(Outcomes(account="spring", intent=intent, runs=named, at_ms=0, vendor_ids=ids))

    def resolved(self, intent: int, verdict: Any, *ids: str) -> None:
        self.write(
            Resolved(owner="o", account="spring", intent=intent, verdict=verdict, at_ms=0, by="", vendor_ids=ids)
        )

    async def found(self, near: int) -> dict[int, Any] | None:
        """What is known of each request: its ids, or its numbers; None: nobody can tell."""
        log = cast("Log", self.log)
        recipients = Recipients(log, PARTITION)
        others = await requests_around(
            log, PARTITION, "spring", WHEN, RequestTime(5_000, REQUEST_MS - 5_000), near, recipients
        )
        if others is None:
            return None
        return {
            each.intent: each.ids if each.ids is not None else cast("Any", each.numbers).tolist() for each in others
        }


async def test_each_is_told_by_its_ids_or_by_its_numbers_and_what_was_not_taken_not_at_all():
    journal = Journal()
    at = WHEN.start_ms
    open_, accepted, nameless, partly = (journal.intent(at + number, number, 1) for number in range(4))
    failed, queued, sent, resent = (journal.intent(at + number, number, 1) for number in range(4, 8))
    journal.outcome(accepted, "accepted", "1")
    journal.outcome(nameless, "accepted")
    journal.outcome(partly, "unknown", "")
    journal.outcome(failed, "failed")
    journal.outcome(queued, "queued")
    journal.outcome(sent, "unknown")
    journal.resolved(sent, "sent", "2")
    journal.outcome(resent, "unknown")
    journal.resolved(resent, "resend")
    journal.intent(at, account="winter")
    assert await journal.found(open_) == {
        open_: NUMBERS[0:1],
        accepted: frozenset({"1"}),
        nameless: NUMBERS[2:3],
        partly: NUMBERS[3:4],
        sent: frozenset({"2"}),
        resent: NUMBERS[7:8],
    }


async def test_a_request_is_told_by_its_ids_once_all_that_it_took_have_one():
    journal = Journal()
    at = WHEN.start_ms
    whole, part, none, nameless = (journal.intent(at + number, 2 * number, 2) for number in range(4))
    journal.outcomes(whole, (0, 1, "accepted"), (1, 1, "unknown"), ids=("1", ""))
    journal.outcomes(part, (0, 1, "accepted"), ids=("2",))
    journal.outcomes(none, (0, 1, "failed"), (1, 1, "queued"))
    journal.outcomes(nameless, (0, 2, "accepted"), ids=("3", ""))
    journal.outcomes(whole, (1, 1, "accepted"), ids=("4",))
    journal.outcomes(whole, (0, 2, "accepted"), ids=("5", "6"))
    assert await journal.found(whole) == {
        whole: frozenset({"1", "4"}),
        part: NUMBERS[2:4],
        nameless: NUMBERS[6:8],
    }


@pytest.mark.parametrize("block", [3, 10, 1_000])
async def test_the_journal_is_read_back_to_the_first_that_counts_and_on_to_the_last(monkeypatch, block):
    monkeypatch.setattr(around, "READ_RECORDS", block)
    journal = Journal()
    for number in range(50):
        journal.intent(number)
    just_too_old = journal.intent(WHEN.start_ms - REQUEST_MS)
    counts = [journal.intent(WHEN.start_ms - REQUEST_MS + 1_000 * number) for number in range(1, 100)]
    for number in range(20):
        journal.intent(WHEN.end_ms + 1_000 + number)
    journal.outcome(counts[0], "failed")
    journal.intent(WHEN.end_ms + AFTERWARDS_MS + 1)
    journal.outcome(counts[1], "failed")  # too late to be read
    found = await journal.found(counts[70])
    assert found is not None
    assert just_too_old not in found
    assert set(found) == set(counts[1:])


async def test_too_many_without_an_id_are_too_many_to_tell(monkeypatch):
    monkeypatch.setattr(around, "NAMELESS_MAX", 3)
    journal = Journal()
    intents = [journal.intent(WHEN.start_ms) for _ in range(4)]
    assert await journal.found(intents[0]) is None
    journal.outcome(intents[0], "accepted", "1")
    assert len(await journal.found(intents[0]) or {}) == 4


async def test_an_offset_that_holds_no_intent_is_said_so():
    journal = Journal()
    with pytest.raises(LogDamaged, match="no intent"):
        await fetch_intent(cast("Log", journal.log), PARTITION, 0)
    offset = journal.intent(7)
    assert (await fetch_intent(cast("Log", journal.log), PARTITION, offset)).at_ms == 7
    await asyncio.sleep(0)


async def test_messages_of_a_stream_are_requests_with_their_numbers_as_the_segment_grows() -> None:
    journal = Journal()
    recipients = Recipients(cast("Log", journal.log), PARTITION)

    async def sent(number: int, start: int) -> list[int]:
        record = Appended(
            campaign="codes", attempt="s", account="spring", at_ms=0, numbers=b"%d" % number,
            values=Values((), (), (), ()), keys=bytes([start]) * 8, expires=bytes(8), keep_ms=1,
        )  # fmt: skip
        offset = journal._put(JOBS.name, PARTITION, Entry(b"spring", encode(record)))
        intent = StreamIntent(
            owner="o", n=0, account="spring", campaign="codes", job=1, batch=1, start=start, count=1, attempt=0,
            at_ms=WHEN.start_ms, appended=offset,
        )  # fmt: skip
        return [int(number) for number in await recipients.of(intent)]

    assert [await sent(NUMBERS[at], at) for at in range(3)] == [[NUMBERS[0]], [NUMBERS[1]], [NUMBERS[2]]]
