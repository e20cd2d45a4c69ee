"""The search for evidence beside the join: what it tells the lane, how often, and what it waits for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest

from consumers.results.evidence_search import AGAIN, LOOK_EVERY_S, EvidenceWatch
from consumers.results.role import run_joiner
from dispatcher.config.file import parse
from dispatcher.core.results.message_evidence import PARTS_WITHIN_MS
from dispatcher.errors import LogDamaged, LogTimeout
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log
from dispatcher.store import evidence as store_evidence
from dispatcher.store.opening import open_reader
from schemas import codec
from schemas.records import Decided, Launched, Resolved, ResolvedAs
from schemas.topics import lane_partition
from tests.consumers.results.evidence_world import HistoryLog, write_out
from tests.store.joined_history import FIRST_NUMBER, LAUNCHED_MS, History
from tests.store.joined_store import Driver, MemoryPlace, SqlitePlace, StorePlace

ACCOUNT = "spring"
NUMBER = FIRST_NUMBER


class Bench:
    """A history, a store that folds it, and the watch at any moment."""

    def __init__(self, place: StorePlace) -> None:
        self.history = History()
        self.log = HistoryLog(self.history)
        self.driver = Driver(place, self.history)
        self.reader = self.driver.reader()
        self.watch = self.restarted()
        self.now_s = 1000.0

    def restarted(self) -> EvidenceWatch:
        """The watch of a new process."""
        self.watch = EvidenceWatch(cast(Log, self.log), self.reader, lambda: LAUNCHED_MS + 9000)
        return self.watch

    def one_unknown(self, campaign: str = "may", first_number: int = NUMBER) -> int:
        """A request of ten recipients whose answer never came; its intent."""
        jobs = self.history.launch(campaign, {ACCOUNT: [10]}, first_number=first_number)
        if ("lanes", lane_partition(ACCOUNT)) not in self.history.records:
            self.history.owned(ACCOUNT, "me")
        intent = self.history.intent(ACCOUNT, "me", jobs[ACCOUNT][-1], 0, 10)
        self.history.outcome(ACCOUNT, intent, "unknown", code="no answer")
        return intent

    def reports(self, vendor_id: str, *numbers: int) -> None:
        self.history.reports(ACCOUNT, [(vendor_id, number, 1, "DELIVRD", 0) for number in numbers])

    def look(self, after_s: float = LOOK_EVERY_S, *, fold: bool = True) -> list[Decided]:
        """What the watch tells now."""
        if fold:
            self.driver.all()
        before = len(self.log.decided)
        self.now_s += after_s
        asyncio.run(self.watch.look(self.now_s))
        return self.log.decided[before:]

    def close(self) -> None:
        self.reader.close()
        self.driver.close()


@pytest.fixture(params=["sqlite", "memory"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(MemoryPlace() if request.param == "memory" else SqlitePlace(tmp_path / "results.db"))
    yield made
    made.close()


def test_reports_under_an_unheard_of_id_tell_the_lane_that_the_request_was_taken(bench: Bench):
    intent = bench.one_unknown()
    bench.reports("77", NUMBER + 3, NUMBER + 4)
    [decided] = bench.look()
    assert decided == Decided(
        account=ACCOUNT, campaign="may", intents=(intent,), verdict=ResolvedAs.SENT, at_ms=LAUNCHED_MS + 9000,
        by="evidence", vendor_id="77", why=decided.why,
    )  # fmt: skip
    assert "77" in decided.why
    assert "all 2 numbers" in decided.why
    assert "138****0003" in decided.why
    assert str(NUMBER + 3) not in decided.why


def test_it_is_told_once_and_again_only_long_after_if_nothing_came_of_it(bench: Bench):
    bench.one_unknown()
    bench.reports("77", NUMBER)
    assert len(bench.look()) == 1
    looks = int(AGAIN.first_s / LOOK_EVERY_S) - 1
    assert [len(bench.look()) for _ in range(looks)] == [0] * looks
    assert len(bench.look()) == 1
    assert bench.look(AGAIN.first_s) == []
    assert len(bench.look(AGAIN.first_s)) == 1
    bench.restarted()
    assert len(bench.look()) == 1


def test_the_joiner_of_a_resolved_request_joins_the_reports_that_waited(bench: Bench):
    intent = bench.one_unknown()
    bench.reports("77", *range(NUMBER, NUMBER + 9))
    [decided] = bench.look()
    bench.history.resolved(ACCOUNT, "me", intent, "sent", decided.vendor_id)
    assert bench.look(AGAIN.first_s) == []
    view = bench.reader.campaign("may", LAUNCHED_MS + 9000)
    assert view is not None
    assert (view.counts.delivered, view.counts.accepted, view.counts.unknown) == (9, 1, 0)


def test_it_does_not_look_more_often_than_every_few_seconds(bench: Bench):
    bench.one_unknown()
    assert bench.look() == []
    bench.reports("77", NUMBER)
    assert bench.look(LOOK_EVERY_S / 4) == []
    assert len(bench.look(LOOK_EVERY_S)) == 1


def test_a_further_look_is_wanted_while_reports_may_be_about_an_unknown_request(bench: Bench):
    def wanted_after(after_s: float = LOOK_EVERY_S) -> bool:
        bench.look(after_s)
        return bench.watch.is_wanted

    assert not wanted_after()
    intent = bench.one_unknown()
    assert wanted_after(LOOK_EVERY_S / 4), "the last look was too short ago for this one"
    assert not wanted_after(), "only news could change this"
    bench.reports("77", NUMBER)
    assert wanted_after()
    bench.history.resolved(ACCOUNT, "me", intent, "sent", "77")
    assert not wanted_after()


def test_a_report_read_before_the_journal_that_explains_it_proves_nothing(bench: Bench):
    bench.one_unknown()
    bench.driver.all()
    jobs = bench.history.launch("june", {ACCOUNT: [10]})  # to the same numbers
    bench.history.intent(ACCOUNT, "me", jobs[ACCOUNT][0], 0, 10)
    bench.reports("77", NUMBER)
    bench.driver.inputs("campaigns", "jobs")
    bench.driver.take([("reports", lane_partition(ACCOUNT))])
    assert bench.look(fold=False) == []
    assert bench.look(fold=True) == []  # now the request of june is there: ambiguous
    [trace] = bench.reader.evidence(ACCOUNT).traces
    assert [holder.campaign for holder in trace.holders] == ["may", "june"]


def test_what_two_requests_can_be_is_told_as_soon_as_one_of_them_is_known(bench: Bench):
    first, second = bench.one_unknown("may"), bench.one_unknown("june")
    bench.reports("77", NUMBER)
    assert bench.look() == []
    bench.history.outcome(ACCOUNT, first, "accepted", vendor_id="76")  # its owner was frozen, not dead
    assert [decided.intents for decided in bench.look()] == [(second,)]


# --- a chunk that became unknown before ------------------------------------------------------------------------------


class Attempts:
    """Attempts of ten recipients, one after the other; each becomes unknown and is returned to the queue."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.history = bench, bench.history
        [self.job] = self.history.launch("may", {ACCOUNT: [10]})[ACCOUNT]
        self.history.owned(ACCOUNT, "me")
        self.attempt = 0

    def unknown(self, start: int = 0, count: int = 10) -> int:
        """An attempt whose answer does not say what happened."""
        intent = self.under_way(start, count)
        self.history.outcome(ACCOUNT, intent, "unknown", code="http 503")
        return intent

    def under_way(self, start: int = 0, count: int = 10) -> int:
        self.attempt += 1
        return self.history.intent(ACCOUNT, "me", self.job, start, count, attempt=self.attempt - 1)

    def returned(self, start: int = 0, count: int = 10) -> int:
        """One that its policy puts back into the queue."""
        intent = self.unknown(start, count)
        self.history.resolved(ACCOUNT, "me", intent, "resend")
        return intent

    def look(self) -> list[tuple[tuple[int, ...], str]]:
        """What the watch tells now, and the lane obeys."""
        told = self.bench.look()
        for decided in told:
            self.history.resolved(ACCOUNT, "me", decided.intents[0], decided.verdict, decided.vendor_id)
        return [(decided.intents, decided.vendor_id) for decided in told]


@pytest.mark.parametrize("before", [1, 4])
def test_a_chunk_that_becomes_unknown_again_is_resolved_by_the_reports_of_any_attempt(bench: Bench, before: int):
    attempts = Attempts(bench)
    for _ in range(before):
        attempts.returned()
    intent = attempts.unknown()
    bench.reports("77", *range(NUMBER, NUMBER + 10))
    assert attempts.look() == [((intent,), "77")]
    assert "only attempts of these recipients have all 10 numbers" in bench.log.decided[-1].why
    assert attempts.look() == []
    view = bench.reader.campaign("may", LAUNCHED_MS)
    assert view is not None
    assert (view.counts.delivered, view.counts.unknown) == (10, 0)


def test_reports_of_an_earlier_attempt_resolve_its_parts_one_after_the_other(bench: Bench):
    attempts = Attempts(bench)
    attempts.returned()
    first, second = attempts.unknown(0, 5), attempts.under_way(5, 5)
    bench.reports("77", NUMBER)
    assert attempts.look() == [((first,), "77")]
    bench.history.outcome(ACCOUNT, second, "unknown", code="no answer")
    assert attempts.look() == []
    bench.reports("77", NUMBER + 7)
    assert attempts.look() == [((second,), "77")]
    assert attempts.look() == []
    view = bench.reader.campaign("may", LAUNCHED_MS)
    assert view is not None
    assert (view.counts.delivered, view.counts.accepted, view.counts.unknown) == (2, 8, 0)


def test_a_late_answer_of_an_earlier_attempt_resolves_the_later_one(bench: Bench):
    attempts = Attempts(bench)
    before = attempts.returned()
    intent = attempts.unknown(2, 8)
    assert attempts.look() == []
    bench.history.outcome(ACCOUNT, before, "accepted", vendor_id="77")  # its owner was frozen, not dead
    assert attempts.look() == [((intent,), "77")]
    assert "earlier attempt" in bench.log.decided[-1].why
    bench.reports("77", *range(NUMBER, NUMBER + 10))
    assert attempts.look() == []
    view = bench.reader.campaign("may", LAUNCHED_MS)
    assert view is not None
    assert (view.counts.delivered, view.counts.unknown) == (10, 0)


def test_a_late_answer_that_an_earlier_attempt_was_refused_proves_nothing(bench: Bench):
    attempts = Attempts(bench)
    before = attempts.returned()
    attempts.unknown()
    bench.history.outcome(ACCOUNT, before, "queued", code="103")
    assert attempts.look() == []


def test_a_chunk_resolved_under_an_attempt_s_id_may_still_be_reported_under_its_own(bench: Bench):
    """Three attempts of 10, 10 and 5; the third and the fourth were taken, only the third's late answer says so."""
    attempts = Attempts(bench)
    attempts.returned()
    attempts.returned()
    third = attempts.returned(0, 5)
    fourth = attempts.unknown(0, 5)
    bench.reports("of the third", NUMBER)
    assert attempts.look() == [((fourth,), "of the third")]
    bench.history.outcome(ACCOUNT, third, "accepted", vendor_id="of the third")
    attempts.unknown(5, 5)
    bench.reports("of the fourth", NUMBER)
    assert attempts.look() == [], "the first two attempts are not the only ones that this id can be of"


def test_a_log_that_fails_is_asked_again(bench: Bench):
    bench.one_unknown()
    bench.reports("77", NUMBER)
    bench.log.failures.append(LogTimeout("not confirmed"))
    assert bench.look() == []
    assert len(bench.look()) == 1


def test_a_log_that_is_damaged_stops_it(bench: Bench):
    bench.one_unknown()
    bench.reports("77", NUMBER)
    bench.log.failures.append(LogDamaged("gone"))
    with pytest.raises(LogDamaged):
        bench.look()


def test_where_each_recipient_has_an_id_a_report_proves_one_message_and_not_the_request(bench: Bench):
    jobs = bench.history.launch("april", {ACCOUNT: [2]}, first_number=NUMBER + 100)
    bench.one_unknown()
    intent = bench.history.intent(ACCOUNT, "me", jobs[ACCOUNT][0], 0, 2)
    bench.history.outcome(ACCOUNT, intent, "accepted", vendor_ids=("1", "2"))
    bench.reports("77", NUMBER)
    assert [(decided.campaign, decided.ranges) for decided in bench.look()] == [("may", ((0, 1),))]
    assert bench.reader.evidence(ACCOUNT).traces == ()


def test_an_account_with_too_many_requests_without_an_id_is_left_to_people(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(store_evidence, "CANDIDATES_MAX", 1)
    bench.one_unknown("may")
    bench.one_unknown("june", NUMBER + 100)
    bench.reports("77", NUMBER)
    assert (bench.look(), bench.look()) == ([], [])
    assert capsys.readouterr().err.count("decide by hand") == 1


@pytest.mark.parametrize("limit", ["PARKED_MAX", "PARKED_BYTES_MAX"])
def test_more_ids_than_one_look_takes_are_looked_at_one_piece_after_the_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, limit: str
):
    monkeypatch.setattr(store_evidence, limit, 2)
    intent = bench.one_unknown()
    for vendor_id in ("1", "2", "3", "4"):
        bench.reports(vendor_id, 13_900_000_000)  # of another program on this account
    bench.reports("5", NUMBER)
    told = [decided.intents for _ in range(5) for decided in bench.look()]
    assert told == [(intent,)]


def test_a_report_of_a_known_id_for_a_strange_number_proves_nothing(bench: Bench):
    jobs = bench.history.launch("april", {ACCOUNT: [2]}, first_number=NUMBER + 100)
    bench.one_unknown()
    intent = bench.history.intent(ACCOUNT, "me", jobs[ACCOUNT][0], 0, 2)
    bench.history.outcome(ACCOUNT, intent, "accepted", vendor_id="77")
    bench.reports("77", NUMBER)
    assert bench.look() == []


def test_reports_without_an_id_or_a_number_prove_nothing(bench: Bench):
    bench.one_unknown()
    bench.reports("", NUMBER)
    bench.reports("77", 0)
    assert bench.look() == []


# --- the running joiner ----------------------------------------------------------------------------------------------


async def test_a_running_joiner_tells_the_lane_and_joins_what_waited(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("consumers.results.role.EXPIRE_EVERY_S", 0.5)  # how long it rests when nothing comes in
    config = parse({"log": {"url": f"sqlite:{tmp_path}/log.db"}, "store": {"url": f"sqlite:{tmp_path}/r.db"}}, "test")
    partition = lane_partition(ACCOUNT)
    intent = bench.one_unknown()
    bench.reports("77", *range(NUMBER, NUMBER + 10))
    log = await open_log(config.log.url)
    stop = asyncio.Event()
    try:
        await write_out(log, bench.history)
        joining = asyncio.create_task(run_joiner(config, log, stop))
        decided = await the_decision(log, partition)
        assert (decided.intents, decided.vendor_id) == ((intent,), "77")
        resolved = Resolved(
            owner="me", account=ACCOUNT, intent=intent, verdict=ResolvedAs.SENT, at_ms=0, by=decided.by, vendor_id="77"
        )
        await log.append("lanes", partition, [Entry(ACCOUNT.encode(), codec.encode(resolved))])
        with contextlib.closing(open_reader(config.store)) as reader:
            while (view := reader.campaign("may", LAUNCHED_MS)) is None or view.counts.delivered < 10:
                await asyncio.sleep(0.05)
        stop.set()
        await joining
    finally:
        await log.close()


async def the_decision(log: Log, partition: int) -> Decided:
    """The first one in a lane's inbox, as soon as it is there."""
    async for records in log.follow("jobs", partition, 0):
        for stored in records:
            if isinstance(record := codec.decode(stored.value), Decided):
                return record
    raise AssertionError


# --- vendors that give an id to each recipient -----------------------------------------------------------------------


def each(bench: Bench, now_ms: int = LAUNCHED_MS + 9000) -> None:
    """From now on the watch knows that the vendor gives an id to each recipient."""
    bench.watch = EvidenceWatch(cast(Log, bench.log), bench.reader, lambda: now_ms, ids_each=[ACCOUNT])


def packed(*ids: int) -> bytes:
    return b"".join(each_id.to_bytes(8, "little") for each_id in ids)


def test_a_report_under_an_id_that_no_answer_gave_proves_its_recipient_and_no_other(bench: Bench):
    intent = bench.one_unknown()
    each(bench)
    high = 2**63 + 7
    bench.history.reports(ACCOUNT, [(str(high), NUMBER + 3, 1, "D", 0), ("78", NUMBER + 4, 2, "U", 0)])
    bench.history.reports(ACCOUNT, [("79", NUMBER + 9, 1, "D", 0)])
    [decided] = bench.look()
    assert decided == Decided(
        account=ACCOUNT, campaign="may", intents=(intent,), verdict=ResolvedAs.SENT, at_ms=LAUNCHED_MS + 9000,
        by="evidence", why=decided.why, ranges=((3, 2), (9, 1)), ids=packed(high, 78, 79),
    )  # fmt: skip
    assert "3 numbers, for example 138****0003" in decided.why
    assert bench.look() == []
    bench.history.resolved(ACCOUNT, "me", intent, "sent", ranges=decided.ranges, ids=decided.ids)
    assert bench.look(AGAIN.first_s) == []
    view = bench.reader.campaign("may", LAUNCHED_MS + 9000)
    assert view is not None
    assert (view.counts.delivered, view.counts.failed, view.counts.unknown) == (2, 1, 7)


def test_a_recipient_that_is_proven_later_is_told_at_once(bench: Bench):
    bench.one_unknown()
    each(bench)
    bench.reports("77", NUMBER)
    assert [decided.ranges for decided in bench.look()] == [((0, 1),)]
    bench.reports("78", NUMBER + 5)
    assert [decided.ranges for decided in bench.look()] == [((0, 1), (5, 1))]


def test_what_remains_of_a_chunk_is_proven_by_its_place_in_the_whole_chunk(bench: Bench):
    intent = bench.one_unknown()
    each(bench)
    bench.history.outcomes(ACCOUNT, intent, (0, 4, "accepted"), (6, 1, "failed", "9"), ids=[1, 2, 3, 4, 0])
    bench.reports("77", NUMBER + 8)
    bench.reports("3", NUMBER + 2)
    assert [decided.ranges for decided in bench.look()] == [((8, 1),)]


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        ("an id of two numbers is no message's", [("77", NUMBER + 3, 1, "D", 0), ("77", NUMBER + 4, 1, "D", 0)]),
        ("a report without a number is nobody's", [("77", 0, 1, "D", 0)]),
        ("an id that is no number is not of this vendor", [("x7", NUMBER + 3, 1, "D", 0)]),
        ("more ids than the message has parts: one is foreign", [(str(n), NUMBER + 3, 1, "D", 0) for n in (7, 8)]),
        ("a number that nothing unknown has", [("77", NUMBER + 30, 1, "D", 0)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_certain_proves_no_recipient(bench: Bench, what: str, rows: list[tuple[str, int, int, str, int]]):
    bench.one_unknown()
    each(bench)
    bench.history.reports(ACCOUNT, rows)
    assert bench.look() == [], what


def test_two_unknown_recipients_with_the_number_are_not_told_apart(bench: Bench):
    bench.one_unknown()
    bench.one_unknown("june", first_number=NUMBER + 5)
    each(bench)
    bench.reports("77", NUMBER + 7)
    bench.reports("78", NUMBER + 1)
    assert [(decided.campaign, decided.ranges) for decided in bench.look()] == [("may", ((1, 1),))]


def test_a_report_from_before_the_request_is_not_of_it(bench: Bench):
    bench.history.reports(ACCOUNT, [("77", NUMBER + 3, 1, "D", 0)], at_ms=LAUNCHED_MS - 60_000)
    bench.one_unknown()
    each(bench)
    assert bench.look() == []


def test_an_id_that_another_recipient_was_given_proves_nothing(bench: Bench):
    intent = bench.one_unknown()
    each(bench)
    bench.history.outcomes(ACCOUNT, intent, (0, 1, "accepted"), ids=[77])
    bench.reports("77", NUMBER + 3)
    assert bench.look() == []


def test_the_parts_of_a_long_message_are_awaited_and_named_together(bench: Bench):
    intent = bench.one_unknown()
    launched = bench.history.decoded["campaigns", 0].pop()
    bench.history.records["campaigns", 0].pop()
    assert isinstance(launched, Launched)
    bench.history.append("campaigns", 0, msgspec.structs.replace(launched, segments=3))
    each(bench)
    bench.reports("79", NUMBER + 3)
    bench.reports("77", NUMBER + 3)
    bench.reports("5", NUMBER + 4)
    assert bench.look() == []
    bench.reports("78", NUMBER + 3)
    [decided] = bench.look()
    assert (decided.ranges, decided.ids, decided.parts) == (((3, 1),), packed(79, 77, 78), 3)
    each(bench, LAUNCHED_MS + 5000 + PARTS_WITHIN_MS)
    [both] = bench.look()
    assert (both.ranges, both.ids, both.parts) == (((3, 2),), packed(79, 77, 78, 5, 0, 0), 3)
    bench.history.resolved(ACCOUNT, "me", intent, "sent", ranges=both.ranges, ids=both.ids, parts=both.parts)
    assert bench.look(AGAIN.first_s) == []
    view = bench.reader.campaign("may", LAUNCHED_MS + 9000)
    assert view is not None
    assert (view.counts.delivered, view.counts.unknown) == (2, 8)


def test_a_message_with_answers_for_some_parts_is_proven_by_reports_of_the_others(bench: Bench):
    intent = bench.one_unknown()
    each(bench)
    bench.history.outcomes(ACCOUNT, intent, (0, 3, "unknown"), ids=[11, 0, 13, 21, 0, 0, 0, 32, 33], parts=3)
    for vendor_id, number in (("11", 0), ("13", 0), ("12", 0), ("21", 1), ("22", 1), ("32", 2), ("33", 2)):
        bench.reports(vendor_id, NUMBER + number)
    [decided] = bench.look()
    assert (decided.intents, decided.ranges, decided.parts) == ((intent,), ((0, 1),), 3)
    assert decided.ids == packed(11, 12, 13)
    bench.history.resolved(ACCOUNT, "me", intent, "sent", ranges=decided.ranges, ids=decided.ids, parts=3)
    bench.history.outcomes(ACCOUNT, intent, (5, 1, "accepted"), ids=[31, 0, 0], parts=3)
    bench.reports("31", NUMBER + 2)
    assert bench.look(AGAIN.first_s) == [], "one part of two, and an id of another recipient"
    view = bench.reader.campaign("may", LAUNCHED_MS + 9000)
    assert view is not None
    assert (view.counts.delivered, view.counts.unknown, view.counts.accepted) == (1, 8, 1)
    bench.reports("23", NUMBER + 1)
    [decided] = bench.look()
    assert (decided.ranges, decided.ids) == (((1, 1),), packed(21, 22, 23))


def test_the_store_knows_such_a_vendor_once_it_gave_ids_and_the_configuration_before(bench: Bench):
    intent = bench.one_unknown()
    bench.reports("77", NUMBER + 3, NUMBER + 4)
    each(bench)
    assert bench.look() == [], "an id of two numbers"
    bench.restarted()
    assert len(bench.look()) == 1, "any other vendor's would prove the chunk"
    bench.history.outcomes(ACCOUNT, intent, (0, 1, "accepted"), ids=[1])
    bench.restarted()
    assert bench.look() == []
