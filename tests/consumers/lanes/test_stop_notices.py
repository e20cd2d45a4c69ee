"""What keeps an account from sending stands on the log, in values and in words, whatever the log does. Virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import cast

import pytest

from consumers.lanes.stop_notices import StopNotices
from dispatcher.accounts.stops import as_object, sentence
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.effects import Tell
from dispatcher.errors import LogDamaged, LogUnavailable
from dispatcher.log.port import Log
from dispatcher.vendors.batch.edition_a import BatchA
from schemas.codec import decode
from schemas.records import Stop, Stopped, Why
from tests import memory_log
from tests.virtual_time import CLOCK, TimedLog, virtually

SINCE_MS = 1_790_000_000_000
LOGIN = Stop(why=Why.LOGIN, code="102", since_ms=SINCE_MS)
EMPTY = Stop(why=Why.CREDIT, since_ms=SINCE_MS)


@pytest.fixture(autouse=True)
def _virtual(monkeypatch):
    monkeypatch.setattr(memory_log, "time", CLOCK)


def told(*tells: tuple[Stop, ...], log: TimedLog | None = None, pause_s: float = 30.0) -> list[Stopped]:
    """What the log has in the end, if the lane tells these, `pause_s` apart, and half a minute passes."""
    log = TimedLog() if log is None else log

    async def play() -> None:
        notices = StopNotices(cast("Log", log), {"spring": BatchA.codes})
        running = asyncio.create_task(notices.run())
        for stops in tells:
            notices.put(Tell("spring", stops, SINCE_MS))
            await asyncio.sleep(pause_s)
        await asyncio.sleep(30.0)
        if running.done():
            running.result()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    virtually(play())
    found = [decode(stored.value) for stored in log.records["campaigns", 0]]
    return [record for record in found if isinstance(record, Stopped)]


def stopped_by(log: TimedLog) -> dict[str, Stopped]:
    """The accounts that do not send, as whoever reads the log sees them."""
    campaigns = Campaigns()
    for stored in log.records["campaigns", 0]:
        campaigns.apply(stored.offset, decode(stored.value))
    return campaigns.stopped()


def words(stops: Sequence[Stop]) -> str:
    [record] = told(tuple(stops))
    return sentence(record)


def test_the_record_has_the_values_and_what_older_releases_read():
    stopped, sends = told((LOGIN,), ())
    assert (stopped.why, stopped.stops) == ("auth", (LOGIN,))
    assert stopped.says == "the vendor answers 102, wrong password (fix pswd)"
    assert (sends.why, sends.says, sends.stops) == ("", "", ())


def test_a_log_that_is_away_gets_the_newest_word_once_it_is_back():
    log = TimedLog()
    log.failures.extend([(LogUnavailable("away"), False)] * 2)
    assert [record.why for record in told((LOGIN,), (EMPTY,), log=log, pause_s=0.1)] == ["balance"]


def test_a_log_that_waiting_does_not_mend_is_said():
    log = TimedLog()
    log.failures.append((LogDamaged("broken"), False))
    with pytest.raises(LogDamaged):
        told((LOGIN,), log=log)


@pytest.mark.parametrize(
    ("stop", "parts"),
    [
        (LOGIN, ("does not send since 2026-", "wrong password (fix pswd)", "dispatcher account check spring")),
        (EMPTY, ("the balance covers no further message", "dispatcher account check spring")),
        (Stop(why=Why.CREDIT, code="109"), ("the vendor answers 109, no credit left (top up the account)",)),
        (Stop(why=Why.ADDRESS, code="http 404", row=3), ("http 404 3 times in a row", "check `url`")),
        (Stop(why=Why.HOURS, until_ms=SINCE_MS + 60_000), ("until 2026-", "outside its send_hours")),
        (Stop(why=Why.VENDOR_HOURS, code="110"), ("not inside the sending time", "account check spring")),
        (Stop(why=Why.UNREACHABLE, row=4), ("could not be reached 4 times in a row",)),
        (Stop(why=Why.NO_ANSWER, code="http 503", row=3), ("no answer that can be used 3 times", "http 503")),
        (Stop(why=Why.BUSY, code="104", row=3, trying=True), ("one request is tried now", "busy", "3 times in a row")),
        (Stop(why=Why.TOO_FAST, code="103"), ("submitting too fast",)),
        (
            Stop(why=Why.OTHER_CREDIT, code="505", recipients=1_200),
            (
                "cannot send to all since",
                "no credit of another kind than the account's own for 1,200 recipients: the vendor answers 505, "
                "not in the vendor's document",
            ),
        ),
        (Stop(why=Why.BUSY, code="104", recipients=1), ("1 recipient refused for now, to be tried again",)),
        (
            Stop(
                why=Why.UNWRITTEN, code="a chunk of may was tried 10 times without a byte written: late", recipients=9
            ),
            (
                "cannot send to all since",
                "a chunk of may was tried 10 times without a byte written: late",
                "tried again",
            ),
        ),
        (Stop(why=Why.BATCH, recipients=500), ("the numbers of 500 recipients cannot be read",)),
    ],
    ids=lambda value: value.why if isinstance(value, Stop) else "",
)
def test_people_read_why_since_when_until_when_and_what_to_do(stop: Stop, parts: tuple[str, ...]) -> None:
    said = words([stop])
    assert 'account "spring" ' in said
    for part in parts:
        assert part in said


def test_people_read_of_each_account_what_was_told_last():
    log = TimedLog()
    told((EMPTY,), (LOGIN,), log=log)
    [record] = stopped_by(log).values()
    shown = as_object(record)
    assert (shown["why"], shown["since_ms"], shown["until_ms"]) == ("auth", SINCE_MS, None)
    assert [stop["why"] for stop in shown["stops"]] == ["login"]
    told((), log=log)
    assert stopped_by(log) == {}


def test_a_record_of_an_older_release_is_shown_in_its_own_words():
    record = Stopped(account="spring", at_ms=SINCE_MS, why="balance", says="no credit left")
    assert sentence(record).startswith('account "spring" does not send since 2026-')
    assert "no credit left" in sentence(record)
    assert as_object(record)["since_ms"] == SINCE_MS
