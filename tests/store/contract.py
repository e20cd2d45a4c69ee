"""What every store says of campaigns, recipients and reports, case by case. Nothing here knows which one runs.

An adapter's test class inherits `StoreContract` and gives the fixture `place`. Messages from phones are in
test_store_inbound.py, what random histories come to in test_join_property.py.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from random import Random

import orjson
import pytest
from msgspec.structs import replace

from dispatcher.core.schedule.holds import Hold
from dispatcher.core.schedule.hours import daily
from dispatcher.core.shanghai import DAY_MS
from dispatcher.errors import LogNewer, StoreBusy, StoreError
from dispatcher.log.port import StoredRecord
from dispatcher.store.export.recipients import export
from dispatcher.store.port import LoadedBatch, StoreReader
from schemas import codec
from schemas.records import (
    AnyRecord,
    BalanceAsked,
    BudgetShare,
    Cancelled,
    CheckpointAt,
    Closed,
    Dead,
    Flowed,
    HoursChanged,
    Inbound,
    Rejects,
    Reports,
    Scheduled,
    Weighed,
)
from schemas.states import State
from schemas.topics import lane_partition
from tests.core.test_drafts import DRAFTED
from tests.store.joined_history import FIRST_NUMBER, LAUNCHED_MS, History, reports_record
from tests.store.joined_store import NO_REPORT_AFTER_S, Driver, MemoryPlace, StorePlace, states
from tests.store.test_join_property import write

SENT_MS = LAUNCHED_MS + 2500
NOW_MS = LAUNCHED_MS + 60_000
LATE_MS = SENT_MS + int(NO_REPORT_AFTER_S * 1000)
N = FIRST_NUMBER


class Scene:
    """One campaign of ten recipients on the account `spring`, its owner `o` at work."""

    def __init__(self, place: StorePlace) -> None:
        self.history = History()
        self.jobs = self.history.launch("c1", {"spring": [10]}, invalid=2)
        self.history.owned("spring", "o")
        self.driver = Driver(place, self.history, emits=True)
        self._reader = self.driver.reader()

    def intent(self, start: int, count: int, attempt: int = 0) -> int:
        return self.history.intent("spring", "o", self.jobs["spring"][0], start, count, attempt=attempt)

    def reader(self) -> StoreReader:
        self.driver.all()
        return self._reader

    def counts(self, now_ms: int = NOW_MS) -> dict[str, int]:
        view = self.reader().campaign("c1", now_ms)
        assert view is not None
        assert sum((a.rows for a in view.accounts.values()), 2) == view.counts.check().rows
        return {name: n for name, n in view.counts.as_dict().items() if n}

    def words(self, now_ms: int = NOW_MS) -> list[str]:
        found = states(self.reader(), "c1", now_ms)["c1", 0]
        return [found[N + index][0] for index in range(10)]

    def close(self) -> None:
        self._reader.close()
        self.driver.close()


def rejects(attempt: str, value: bytes, part: int = 0) -> Rejects:
    return Rejects(
        campaign="c1",
        attempt=attempt,
        part=part,
        rows=b"\x05" + b"\0" * 7 + b"\x09" + b"\0" * 7,
        values=value + b"\n",
        reasons=["empty", "too short"],
        reason_index=b"\1\0",
    )


class StoreContract:
    """What every store promises. Adapters inherit it and provide `place`."""

    @pytest.fixture
    def scene(self, place: StorePlace) -> Iterator[Scene]:
        scene = Scene(place)
        yield scene
        scene.close()

    def test_a_launched_campaign_is_queued_as_a_whole(self, scene: Scene):
        assert scene.counts() == {"rows": 12, "invalid": 2, "queued": 10}
        assert scene.words() == ["queued"] * 10

    def test_a_launch_that_was_not_committed_is_not_there(self, scene: Scene):
        scene.history.launch("ghost", {"spring": [5]}, committed=False)
        assert [view.id for view in scene.reader().campaigns(NOW_MS)] == ["c1"]
        assert scene.reader().campaign("ghost") is None
        assert list(scene.reader().pages("ghost")) == []

    def test_the_first_launch_of_an_id_counts_and_only_its_jobs(self, scene: Scene):
        scene.history.launch("c1", {"spring": [4]}, first_number=N + 500, attempt="a2")
        assert scene.counts() == {"rows": 12, "invalid": 2, "queued": 10}
        assert len(scene.words()) == 10
        assert scene.reader().lookup(N + 500) == []

    def test_each_recipient_is_where_its_chunk_is_until_its_own_report(self, scene: Scene):
        first, second, third = scene.intent(0, 3), scene.intent(3, 3), scene.intent(6, 2)
        scene.history.outcome("spring", first, "accepted", vendor_id="v1")
        scene.history.outcome("spring", second, "failed", code="107", kind="rejected-permanent", text="no such thing")
        scene.history.reports("spring", [("v1", N, 1, "DELIVRD", 0), ("v1", N + 2, 2, "MBBLACK", 77)])
        assert scene.words() == [
            "delivered",
            "accepted",
            "failed",
            *["failed"] * 3,
            *["in_flight"] * 2,
            *["queued"] * 2,
        ]
        assert scene.counts() == {
            "rows": 12, "invalid": 2, "delivered": 1, "accepted": 1, "failed": 4, "in_flight": 2, "queued": 2,
        }  # fmt: skip
        view = scene.reader().campaign("c1", NOW_MS)
        assert view is not None
        assert [(f.source, f.code, f.recipients) for f in view.failures] == [
            ("submit", "107", 3),
            ("report", "MBBLACK", 1),
        ]
        assert all(failure.meaning for failure in view.failures)
        assert (view.first_sent_ms, view.last_sent_ms, view.last_report_ms) == (SENT_MS, SENT_MS, LAUNCHED_MS + 5000)
        assert third

    def test_the_requests_of_a_campaign_say_what_became_of_their_recipients(self, scene: Scene):
        first, second, third, fourth = (scene.intent(start, 2) for start in (0, 2, 4, 6))
        scene.intent(8, 1)
        scene.history.outcome("spring", first, "accepted", vendor_id="v1")
        scene.history.outcome("spring", second, "failed", code="107", kind="rejected-permanent", text="no such thing")
        scene.history.outcome("spring", third, "queued")
        scene.history.outcome("spring", fourth, "unknown")
        scene.history.reports("spring", [("v1", N, 1, "DELIVRD", 0), ("v1", N + 1, 2, "MBBLACK", 77)])
        found = scene.reader().sent_requests("c1")
        rows = zip(
            *(getattr(found, name).tolist() for name in ("batches", "recipients", "delivered", "failed", "unknown")),
            strict=True,
        )
        assert found.accounts == ("spring",)
        assert sorted(rows) == [(0, 2, 0, 0, 2), (0, 2, 0, 2, 0), (0, 2, 1, 1, 0)]
        assert sorted(found.requests.tolist()) == found.requests.tolist()
        assert set(found.sent_ms.tolist()) == {SENT_MS}
        assert len(scene.reader().sent_requests("other").batches) == 0

    def test_a_new_owner_makes_what_was_open_unknown_and_a_late_outcome_settles_it(self, scene: Scene):
        intent = scene.intent(0, 4)
        scene.history.owned("spring", "p", at_ms=LAUNCHED_MS + 9000)
        view = scene.reader().campaign("c1", NOW_MS)
        assert view is not None
        assert (view.counts.unknown, view.unknown_since_ms) == (4, LAUNCHED_MS + 9000)
        (chunk,) = scene.reader().unknown("c1")
        assert (chunk.partition, chunk.intent, chunk.recipients) == (lane_partition("spring"), intent, 4)
        scene.history.outcome("spring", intent, "accepted", vendor_id="v1")
        assert scene.counts() == {"rows": 12, "invalid": 2, "accepted": 4, "queued": 6}
        assert scene.reader().unknown() == []

    def test_a_second_outcome_changes_nothing(self, scene: Scene):
        intent = scene.intent(0, 4)
        scene.history.outcome("spring", intent, "accepted", vendor_id="v1")
        scene.history.outcome("spring", intent, "failed")
        assert scene.counts() == {"rows": 12, "invalid": 2, "accepted": 4, "queued": 6}

    def test_what_was_sent_again_is_delivered_once_whichever_request_the_report_is_for(self, scene: Scene):
        first = scene.intent(0, 4)
        scene.history.owned("spring", "p")
        scene.history.resolved("spring", "p", first, "resend")
        scene.history.intent("spring", "p", scene.jobs["spring"][0], 0, 4, attempt=1)
        again = len(scene.history.records["lanes", lane_partition("spring")]) - 1
        scene.history.outcome("spring", again, "accepted", vendor_id="v2")
        scene.history.outcome("spring", first, "accepted", vendor_id="v1")  # the frozen owner had sent it after all
        scene.history.reports(
            "spring", [("v1", N, 1, "DELIVRD", 1), ("v2", N, 1, "DELIVRD", 2), ("v2", N + 1, 2, "EXPIRED", 3)]
        )
        assert scene.words()[:4] == ["delivered", "failed", "accepted", "accepted"]
        assert scene.counts() == {
            "rows": 12, "invalid": 2, "delivered": 1, "failed": 1, "accepted": 2, "queued": 6,
        }  # fmt: skip

    def test_early_reports_are_parked_over_a_restart_and_matched_when_the_outcome_comes(self, scene: Scene):
        intent = scene.intent(0, 4)
        scene.history.reports("spring", [("v1", N, 1, "DELIVRD", 0), ("v9", N, 1, "DELIVRD", 0)])
        assert scene.counts()["in_flight"] == 4
        (before,) = scene.reader().reports()
        assert (before.rows, before.applied, before.parked) == (2, 0, 2)
        scene.driver.reopen()
        scene.history.outcome("spring", intent, "accepted", vendor_id="v1")
        assert scene.counts()["delivered"] == 1
        (after,) = scene.reader().reports()
        assert (after.rows, after.applied, after.parked) == (2, 1, 1)

    def test_a_stranger_is_kept_apart_from_what_is_only_early(self, scene: Scene):
        intent = scene.intent(0, 4)
        scene.history.outcome("spring", intent, "accepted", vendor_id="v1")
        scene.history.reports(
            "spring", [("v1", N + 7, 1, "DELIVRD", 0), ("v1", 999, 1, "DELIVRD", 0), ("v1", N, 0, "ENROUTE", 0)]
        )
        assert scene.counts()["accepted"] == 4
        (reports,) = scene.reader().reports()
        assert (reports.rows, reports.waiting, reports.strangers, reports.parked) == (3, 1, 2, 0)

    def test_repeated_reports_are_counted_and_the_first_word_stays(self, scene: Scene):
        intent = scene.intent(0, 2)
        scene.history.outcome("spring", intent, "accepted", vendor_id="v1")
        for state, code in ((2, "UNDELIV"), (1, "DELIVRD"), (2, "UNDELIV")):
            scene.history.reports("spring", [("v1", N, state, code, 0)])
        assert scene.words()[:2] == ["failed", "accepted"]
        assert [r.repeats for r in scene.reader().reports()] == [2]

    def test_reports_of_another_account_with_the_same_id_are_not_ours(self, scene: Scene):
        intent = scene.intent(0, 2)
        scene.history.outcome("spring", intent, "accepted", vendor_id="v1")
        scene.history.reports("summer", [("v1", N, 1, "DELIVRD", 0)])
        assert scene.words()[:2] == ["accepted", "accepted"]

    def test_after_48_hours_without_a_report_it_is_no_report_and_a_later_report_still_counts(self, scene: Scene):
        intent = scene.intent(0, 3)
        scene.history.outcome("spring", intent, "accepted", vendor_id="v1")
        scene.history.reports("spring", [("v1", N, 1, "DELIVRD", 0)])
        assert scene.counts(LATE_MS - 1)["accepted"] == 2
        derived = scene.counts(LATE_MS)
        assert (derived["no_report"], derived.get("accepted", 0)) == (2, 0)
        scene.driver.store.expire(SENT_MS)
        assert scene.counts(NOW_MS)["no_report"] == 2
        assert scene.words(NOW_MS)[:3] == ["delivered", "no_report", "no_report"]
        scene.history.reports("spring", [("v1", N + 1, 2, "EXPIRED", 0)])
        assert scene.counts(LATE_MS) == {
            "rows": 12, "invalid": 2, "delivered": 1, "failed": 1, "no_report": 1, "queued": 7,
        }  # fmt: skip

    def test_the_wait_for_reports_of_messages_that_the_vendor_sends_later_begins_then(self, scene: Scene):
        sent_later_ms = LATE_MS + 1000
        [job] = scene.history.launch("c2", {"spring": [4]}, reports_from_ms=sent_later_ms)["spring"]
        for intent, vendor_id in ((scene.intent(0, 10), "v1"), (scene.history.intent("spring", "o", job, 0, 4), "v2")):
            scene.history.outcome("spring", intent, "accepted", vendor_id=vendor_id)

        def later(now_ms: int) -> tuple[int, int, set[str]]:
            view = scene.reader().campaign("c2", now_ms)
            assert view is not None
            words = {state for state, *_ in states(scene.reader(), "c2", now_ms)["c2", 0].values()}
            return view.counts.accepted, view.counts.no_report, words

        over_ms = sent_later_ms + LATE_MS - SENT_MS
        for expired_ms, now_ms, expected in (
            (0, over_ms - 1, (4, 0, {"accepted"})),
            (0, over_ms, (0, 4, {"no_report"})),
            (sent_later_ms - 1, over_ms - 1, (4, 0, {"accepted"})),
            (sent_later_ms, SENT_MS, (0, 4, {"no_report"})),
        ):
            scene.driver.store.expire(expired_ms)
            assert later(now_ms) == expected
        assert scene.counts(SENT_MS)["no_report"] == 10

    def test_a_closed_campaign_waits_for_no_report_and_one_that_still_comes_counts(self, scene: Scene):
        scene.history.outcome("spring", scene.intent(0, 3), "accepted", vendor_id="v1")
        scene.history.outcome("spring", scene.intent(3, 7), "accepted", vendor_id="v2", sent_ms=LATE_MS)
        scene.history.append("campaigns", 0, Closed(campaign="c1", at_ms=NOW_MS, by="me"))
        assert scene.counts() == {"rows": 12, "invalid": 2, "no_report": 10}
        assert scene.words() == ["no_report"] * 10
        assert [each.state for each in scene.reader().lookup(N, NOW_MS)] == [State.NO_REPORT]
        view = scene.reader().campaign("c1", NOW_MS)
        assert view is not None
        assert (view.status, view.closed_ms) == ("finished", NOW_MS)
        scene.history.reports("spring", [("v1", N, 1, "DELIVRD", 0), ("v2", N + 3, 2, "EXPIRED", 0)])
        assert scene.counts() == {"rows": 12, "invalid": 2, "delivered": 1, "failed": 1, "no_report": 8}

    def test_a_closed_campaign_is_told_downstream_at_once_and_others_wait_on(self, scene: Scene):
        other = scene.history.launch("c2", {"summer": [2]}, first_number=N + 500)["summer"][0]
        scene.history.owned("summer", "o")
        of_other = scene.history.intent("summer", "o", other, 0, 2)
        scene.history.outcome("summer", of_other, "accepted", vendor_id="w1")
        scene.history.outcome("spring", scene.intent(0, 2), "accepted", vendor_id="v1")
        scene.history.append("campaigns", 0, Closed(campaign="c1", at_ms=NOW_MS, by="me"))
        scene.driver.all()
        scene.driver.store.expire(0)
        [(chunk, record)] = scene.driver.store.outbox(10)
        assert (record.campaign, bytes(record.states)) == ("c1", bytes([State.NO_REPORT] * 2))
        scene.driver.store.told([chunk])
        scene.driver.store.expire(0)
        assert scene.driver.store.outbox(10) == []
        assert scene.counts()["no_report"] == 2
        scene.history.reports("spring", [("v1", N, 1, "DELIVRD", 0)])
        assert (scene.counts()["no_report"], scene.counts()["delivered"]) == (1, 1)

    def test_what_is_accepted_after_the_campaign_was_closed_is_not_waited_for_either(self, scene: Scene):
        intent = scene.intent(0, 4)
        scene.history.append("campaigns", 0, Closed(campaign="c1", at_ms=NOW_MS, by="me"))
        scene.history.owned("spring", "p")
        assert scene.counts()["unknown"] == 4
        scene.history.outcome("spring", intent, "accepted", vendor_id="v1")
        assert scene.counts()["no_report"] == 4

    def test_an_unknown_chunk_never_turns_into_no_report(self, scene: Scene):
        scene.intent(0, 10)
        scene.history.owned("spring", "p")
        scene.driver.all()
        scene.driver.store.expire(LATE_MS * 2)
        view = scene.reader().campaign("c1", LATE_MS * 2)
        assert view is not None
        assert (view.counts.unknown, view.status, view.counts.settled) == (10, "holding", False)

    def test_what_is_queued_of_a_cancelled_campaign_is_cancelled_and_what_was_on_its_way_moves_on(self, scene: Scene):
        intent = scene.intent(0, 4)
        scene.history.append("campaigns", 0, Cancelled(campaign="c1", at_ms=NOW_MS, by="me"))
        assert scene.counts() == {"rows": 12, "invalid": 2, "in_flight": 4, "cancelled": 6}
        assert scene.words()[4:] == ["cancelled"] * 6
        scene.history.outcome("spring", intent, "queued", kind="throttled", sent_ms=0)
        assert scene.counts() == {"rows": 12, "invalid": 2, "cancelled": 10}

    def test_pausing_and_weighing_are_shown_even_if_they_were_read_before_the_launch(self, place: StorePlace):
        history = History()
        history.append("campaigns", 0, Flowed(campaign="c1", paused=True, at_ms=1, by="me"))
        history.append("campaigns", 0, Weighed(campaign="c1", weight=7, urgent=True, at_ms=1, by="me"))
        history.launch("c1", {"spring": [2]})
        driver = Driver(place, history)
        driver.all()
        view = driver.reader().campaign("c1", NOW_MS)
        assert view is not None
        assert (view.status, view.paused, view.weight, view.urgent) == ("paused", True, 7, True)
        driver.close()

    @pytest.mark.parametrize(
        ("after", "launched"),
        [
            ((), True),
            ((Scheduled(campaign="c1", revision="r2", start_ms=5, at_ms=2, by="me"),), False),
            ((Cancelled(campaign="c1", at_ms=2, by="me"),), False),
        ],
        ids=["it was drafted", "it was moved", "it was cancelled"],
    )
    def test_a_launch_of_a_draft_counts_if_nothing_changed_before_it(
        self, place: StorePlace, after: tuple[AnyRecord, ...], launched: bool
    ):
        history = History()
        for record in (replace(DRAFTED, campaign="c1"), *after):
            history.append("campaigns", 0, record)
        history.launch("c1", {"spring": [2]}, revision="r1")
        driver = Driver(place, history)
        driver.all()
        assert (driver.reader().campaign("c1", NOW_MS) is not None) == launched
        driver.close()

    def test_a_launch_that_was_judged_without_another_one_is_void(self, place: StorePlace):
        history = History()
        history.launch("c1", {"spring": [2]}, judged_upto=0)
        history.launch("c2", {"spring": [2]}, judged_upto=0, first_number=FIRST_NUMBER + 10)
        history.launch("c3", {"spring": [3]}, judged_upto=1, first_number=FIRST_NUMBER + 20)
        driver = Driver(place, history)
        driver.all()
        assert [(view.id, view.counts.queued) for view in driver.reader().campaigns(NOW_MS)] == [("c3", 3), ("c1", 2)]
        assert [sighting.campaign for sighting in driver.reader().lookup(FIRST_NUMBER + 10, NOW_MS)] == []
        history.launch("c2", {"spring": [1]}, judged_upto=3, attempt="a2", first_number=FIRST_NUMBER + 10)
        driver.all()
        view = driver.reader().campaign("c2", NOW_MS)
        assert view is not None
        assert view.counts.queued == 1
        driver.close()

    def test_who_lacks_money_depends_on_every_record_about_a_budget(self, place: StorePlace):
        """The records of a run: what is left pays no account's next recipient, which the last two alone do not show."""
        history = History()
        history.launch("c1", {"spring": [2], "summer": [2]}, budget={"spring": 2_368_421, "summer": 2_631_579})
        for account, ceded, least in (
            ("spring", 0, 2_385_000),
            ("summer", 0, 2_650_000),
            ("summer", 31_579, 2_681_579),
            ("spring", 28_421, 2_413_421),
            ("spring", 88_421, 2_473_421),
            ("summer", 41_579, 2_741_579),
        ):
            share = BudgetShare(campaign="c1", account=account, ceded=ceded, least=least, wanted=9_000_000, at_ms=1)
            history.append("campaigns", 0, share)
        driver = Driver(place, history)
        driver.all()
        view = driver.reader().campaign("c1", NOW_MS)
        assert view is not None
        assert (view.status, view.held) == ("held", Hold("budget"))
        hours = daily(8, 20)
        changed = HoursChanged(campaign="c1", hours=hours.spans, at_closing="continue", at_ms=1, by="me")
        history.append("campaigns", 0, changed)
        driver.all()
        view = driver.reader().campaign("c1", hours.session(LAUNCHED_MS)[0] - 1)
        assert view is not None
        assert view.held == Hold("budget", also=("hours",))  # their opening ends nothing
        driver.close()

    def test_a_campaign_outside_its_hours_is_held_until_it_is_resumed(self, place: StorePlace):
        hours = daily(8, 20)
        opens_ms, closes_ms = hours.session(LAUNCHED_MS)
        history = History()
        history.launch("c1", {"spring": [2]})
        changed = HoursChanged(campaign="c1", hours=hours.spans, at_closing="pause", at_ms=1, by="me")
        history.append("campaigns", 0, changed)
        driver = Driver(place, history)
        driver.all()

        def seen(now_ms: int) -> tuple[str, Hold | None, str, int | None]:
            view = driver.reader().campaign("c1", now_ms)
            assert view is not None
            return view.status, view.held, view.hours, view.ends_ms

        assert seen(opens_ms) == ("running", None, "08:00-20:00", closes_ms)
        assert seen(opens_ms - 1) == ("held", Hold("hours", opens_ms), "08:00-20:00", closes_ms)
        assert seen(closes_ms) == ("held", Hold("closing"), "08:00-20:00", closes_ms)
        history.append("campaigns", 0, Flowed(campaign="c1", paused=False, at_ms=closes_ms, by="me"))
        driver.all()
        assert seen(closes_ms)[:2] == ("held", Hold("hours", opens_ms + DAY_MS))
        driver.close()

    def test_a_chunk_of_one_is_found_without_a_number_and_any_other_is_not(self, scene: Scene):
        for start, count, vendor_id in ((0, 1, "v1"), (1, 2, "v2")):
            scene.history.outcome("spring", scene.intent(start, count), "accepted", vendor_id=vendor_id)
        scene.history.reports("spring", [("v1", 0, 1, "DELIVRD", 0), ("v2", 0, 1, "DELIVRD", 0)])
        assert scene.words()[:3] == ["delivered", "accepted", "accepted"]

    @pytest.mark.parametrize("prefix", ["", "m-"], ids=["decimal", "text"])
    def test_an_id_per_recipient_finds_it_without_a_number_and_is_exported(self, scene: Scene, prefix: str):
        ids = tuple(f"{prefix}{5_000 + index}" for index in range(4))
        scene.history.outcome("spring", scene.intent(2, 4), "accepted", vendor_ids=ids)
        scene.history.reports(
            "spring", [(ids[1], 0, 1, "0", 0), (ids[2], N + 4, 2, "1", 0), (ids[3], N + 2, 1, "0", 0)]
        )
        assert scene.words()[:6] == ["queued", "queued", "accepted", "delivered", "failed", "accepted"]
        (page,) = scene.reader().pages("c1", now_ms=NOW_MS)
        assert [page.vendor_ids[index] for index in page.vendor_id_index.tolist()] == ["", "", *ids, *[""] * 4]
        assert sum(r.parked + r.strangers for r in scene.reader().reports()) == 1

    def test_a_recipient_with_an_id_in_an_unknown_chunk_was_taken(self, scene: Scene):
        offset = scene.intent(2, 5)
        scene.history.outcome("spring", offset, "unknown", code="no answer", kind="unknown")
        assert scene.counts()["unknown"] == 5
        scene.history.outcome(
            "spring", offset, "unknown", code="history", kind="unknown", vendor_ids=("7", "", "8", "", "")
        )
        scene.history.outcome(
            "spring", offset, "unknown", code="history", kind="unknown", vendor_ids=("7", "", "8", "9", "")
        )
        assert scene.words()[2:7] == ["accepted", "unknown", "accepted", "accepted", "unknown"]
        assert (scene.counts()["accepted"], scene.counts()["unknown"]) == (3, 2)
        assert [chunk.recipients for chunk in scene.reader().unknown()] == [2]
        (page,) = scene.reader().pages("c1", {State.ACCEPTED}, NOW_MS)
        assert {page.codes[index] for index in page.code_index.tolist()} == {""}
        scene.history.reports("spring", [("8", 0, 1, "DELIVRD", 0), ("8", 0, 1, "DELIVRD", 0)])
        assert scene.words()[2:7] == ["accepted", "unknown", "delivered", "accepted", "unknown"]
        assert (scene.counts()["accepted"], scene.counts()["unknown"], scene.counts()["delivered"]) == (2, 2, 1)

    @pytest.mark.parametrize(("verdict", "accepted", "queued"), [("sent", 5, 5), ("resend", 0, 10)])
    def test_an_unknown_chunk_of_which_some_were_taken_is_resolved_as_a_whole(
        self, scene: Scene, verdict: str, accepted: int, queued: int
    ):
        offset = scene.intent(2, 5)
        scene.history.outcome(
            "spring", offset, "unknown", code="history", kind="unknown", vendor_ids=("7", "", "8", "", "")
        )
        assert scene.counts()["accepted"] == 2
        scene.history.resolved("spring", "o", offset, verdict)
        counts = scene.counts()
        assert (counts.get("accepted", 0), counts["queued"], counts.get("unknown", 0)) == (accepted, queued, 0)

    def test_a_report_under_an_earlier_attempts_id_is_of_whoever_the_later_one_named(self, scene: Scene):
        first = scene.intent(0, 4)
        scene.history.outcome(
            "spring", first, "unknown", code="no answer", kind="unknown", vendor_ids=("1", "2", "3", "")
        )
        scene.history.resolved("spring", "o", first, "resend")
        second = scene.intent(0, 4, attempt=1)
        scene.history.outcome(
            "spring", second, "unknown", code="no answer", kind="unknown", vendor_ids=("", "6", "", "")
        )
        assert (scene.counts()["accepted"], scene.counts()["unknown"]) == (1, 3)
        scene.history.reports("spring", [("1", 0, 1, "DELIVRD", 0), ("2", 0, 1, "DELIVRD", 0)])
        assert scene.words()[:4] == ["delivered", "delivered", "unknown", "unknown"]
        assert (scene.counts()["delivered"], scene.counts()["unknown"], scene.counts().get("accepted", 0)) == (2, 2, 0)

    # --- results of some recipients of a chunk -----------------------------------------------------------------------

    def test_each_run_of_a_chunk_has_its_own_result_and_the_rest_keeps_its_state(self, scene: Scene):
        intent = scene.intent(0, 9)
        runs = [(0, 3, "accepted", "0"), (3, 1, "failed", "13", "bad number"), (5, 2, "queued", "8")]
        scene.history.outcomes("spring", intent, *runs, ids=[2**64 - 5, 2**63, 7, 0, 0, 0])
        assert scene.words() == [
            *["accepted"] * 3, "failed", "in_flight", "queued", "queued", "in_flight", "in_flight", "queued",
        ]  # fmt: skip
        assert scene.counts() == {"rows": 12, "invalid": 2, "accepted": 3, "failed": 1, "in_flight": 3, "queued": 3}
        scene.history.reports("spring", [(str(2**64 - 5), N, 1, "DELIVRD", 0), (str(2**63), 0, 2, "UNDELIV", 0)])
        scene.history.outcomes("spring", intent, (4, 1, "unknown", "broken", "the link broke"))
        assert scene.words()[:9] == [
            "delivered", "failed", "accepted", "failed", "unknown", "queued", "queued", "unknown", "unknown",
        ]  # fmt: skip
        [chunk] = scene.reader().unknown()
        assert (chunk.intent, chunk.start, chunk.count, chunk.recipients) == (intent, 0, 9, 3)
        assert (chunk.ranges, chunk.code) == (((4, 1), (7, 2)), "broken")
        (page,) = scene.reader().pages("c1", now_ms=NOW_MS)
        ids = [page.vendor_ids[index] for index in page.vendor_id_index.tolist()]
        assert ids[:4] == [str(2**64 - 5), str(2**63), "7", ""]

    def test_what_a_new_owner_finds_open_of_a_chunk_is_unknown_and_no_more(self, scene: Scene):
        intent = scene.intent(0, 10)
        scene.history.outcomes("spring", intent, (0, 4, "accepted"), ids=[1, 2, 3, 4])
        scene.history.owned("spring", "p")
        scene.history.outcomes("spring", intent, (4, 2, "accepted"), (8, 2, "queued"), ids=[5, 6, 0, 0])
        assert scene.counts() == {"rows": 12, "invalid": 2, "accepted": 6, "unknown": 2, "queued": 2}
        assert [chunk.ranges for chunk in scene.reader().unknown()] == [((6, 2),)]

    def test_the_first_definite_result_of_a_recipient_counts(self, scene: Scene):
        intent = scene.intent(0, 4)
        scene.history.outcomes("spring", intent, (0, 2, "unknown", "?"))
        scene.history.outcomes("spring", intent, (1, 2, "accepted", "0"), ids=[1, 2])
        scene.history.outcomes("spring", intent, (0, 4, "failed", "9"))
        assert scene.words()[:4] == ["failed", "accepted", "accepted", "failed"]

    def test_ranges_of_a_chunk_are_resolved_and_their_reports_join(self, scene: Scene):
        intent = scene.intent(0, 8)
        scene.history.owned("spring", "p")
        scene.history.reports("spring", [("77", N + 2, 1, "DELIVRD", 0)])
        ids = b"".join(vendor_id.to_bytes(8, "little") for vendor_id in (77, 2**63 + 1))
        scene.history.resolved("spring", "p", intent, "sent", ranges=((2, 1), (6, 1)), ids=ids)
        assert scene.words()[:8] == [*["unknown"] * 2, "delivered", *["unknown"] * 3, "accepted", "unknown"]
        scene.history.resolved("spring", "p", intent, "resend", ranges=((5, 3),))
        assert scene.words()[4:8] == ["unknown", "queued", "accepted", "queued"]
        scene.history.resolved("spring", "p", intent, "not-sent")
        assert scene.counts() == {"rows": 12, "invalid": 2, "delivered": 1, "accepted": 1, "queued": 8}

    def test_what_was_returned_of_a_chunk_is_sent_with_another(self, scene: Scene):
        first = scene.intent(0, 6)
        scene.history.outcomes("spring", first, (0, 2, "accepted"), (2, 4, "queued", "8"), ids=[1, 2, 0, 0, 0, 0])
        again = scene.intent(3, 3, attempt=1)
        scene.history.outcomes("spring", again, (0, 3, "accepted"), ids=[3, 4, 5])
        scene.history.reports("spring", [("1", N, 1, "D", 0), ("4", N + 4, 2, "U", 0)])
        assert scene.words()[:6] == ["delivered", "accepted", "queued", "accepted", "failed", "accepted"]

    @pytest.mark.parametrize("early", [True, False], ids=["reports first", "ids first"])
    def test_a_long_message_is_delivered_with_its_last_part_and_failed_with_the_first_that_fails(
        self, scene: Scene, early: bool
    ):
        intent = scene.intent(0, 5)
        high = 2**63 + 100
        ids = [high, high + 1, high + 2, 11, 12, 13, 21, 22, 23, 31, 0, 0, 41, 42, 0]

        def taken() -> None:
            scene.history.outcomes("spring", intent, (0, 5, "accepted"), ids=ids, parts=3)
            scene.driver.all()

        def reports() -> None:
            rows = [(str(high + 1), 0, 1, "D", 5), (str(high), N, 1, "D", 6), (str(high), N, 2, "U", 7)]
            rows += [("11", 0, 1, "D", 1), ("13", N + 1, 2, "LATE", 2), ("12", 0, 2, "LATER", 3)]
            rows += [("21", N + 2, 1, "D", 1), ("22", N + 2, 0, "ACCEPTD", 1), ("31", N + 3, 1, "D", 1)]
            scene.history.reports("spring", rows)
            scene.driver.all()
            scene.history.reports("spring", [(str(high + 2), 0, 1, "LAST", 9), ("41", N + 4, 1, "D", 0)])
            scene.driver.all()

        for step in (reports, taken) if early else (taken, reports):
            step()
            scene.driver.reopen()
        assert scene.words()[:5] == ["delivered", "failed", "accepted", "delivered", "accepted"]
        (page,) = scene.reader().pages("c1", now_ms=NOW_MS)
        assert [page.codes[index] for index in page.code_index.tolist()][:5] == ["LAST", "LATE", "", "D", ""]
        assert page.parts.tolist() == [3, 3, 3, 1, 2, 0, 0, 0, 0, 0]
        assert page.parts_delivered.tolist() == [3, 1, 1, 1, 1, 0, 0, 0, 0, 0]
        texts = [page.vendor_ids[index] for index in page.vendor_id_index.tolist()]
        assert texts[:5] == [f"{high} {high + 1} {high + 2}", "11 12 13", "21 22 23", "31", "41 42"]
        [reports_of] = scene.reader().reports()
        assert (reports_of.rows, reports_of.waiting, reports_of.applied, reports_of.repeats) == (11, 1, 9, 1)

    @pytest.mark.parametrize("late", [False, True], ids=["before its reports", "after its reports"])
    def test_a_message_is_unknown_until_all_its_parts_have_an_answer(self, scene: Scene, late: bool):
        intent = scene.intent(0, 4)
        ids = [11, 0, 13, 21, 22, 23, 31, 0, 0, 0, 0, 0]
        scene.history.outcomes("spring", intent, (0, 4, "unknown", "broken"), ids=ids, parts=3)
        assert scene.words()[:4] == ["unknown", "accepted", "unknown", "unknown"]
        (page,) = scene.reader().pages("c1", now_ms=NOW_MS)
        assert (page.parts.tolist()[:4], page.parts_delivered.tolist()[:4]) == ([3, 3, 3, 0], [0] * 4)
        assert [page.vendor_ids[index] for index in page.vendor_id_index.tolist()][:3] == ["11 13", "21 22 23", "31"]

        def reports() -> None:
            rows = [("13", 0, 1, "LAST", 8), ("11", 0, 1, "FIRST", 9), *[(str(n), 0, 1, "D", 0) for n in (21, 22, 23)]]
            scene.history.reports("spring", [("12", 0, 1, "EARLY", 7), *rows, ("31", 0, 2, "UNDELIV", 0)])
            scene.driver.all()

        if late:
            reports()
            assert scene.words()[:4] == ["unknown", "delivered", "unknown", "unknown"]
        scene.history.outcomes("spring", intent, (0, 1, "accepted"), ids=[11, 12, 13], parts=3)
        scene.driver.all()
        if not late:
            reports()
        assert scene.words()[:4] == ["delivered", "delivered", "unknown", "unknown"]
        (page,) = scene.reader().pages("c1", now_ms=NOW_MS)
        assert (page.codes[page.code_index[0]], int(page.reported_s[0])) == ("FIRST", 9)
        assert (page.vendor_ids[page.vendor_id_index[0]], page.parts_delivered.tolist()[:4]) == (
            "11 12 13",
            [3, 3, 0, 0],
        )

    def test_an_id_that_two_recipients_were_given_is_the_first_ones(self, scene: Scene):
        for start, ids in ((0, ("7001", "7002")), (2, ("7001", "7003"))):
            scene.history.outcome("spring", scene.intent(start, 2), "accepted", vendor_ids=ids)
        scene.history.reports("spring", [("7001", 0, 1, "0", 0), ("7003", 0, 2, "1", 0)])
        assert scene.words()[:4] == ["delivered", "accepted", "accepted", "failed"]

    def test_pages_can_be_narrowed_to_states_and_leave_out_empty_batches(self, scene: Scene):
        scene.history.launch("c2", {"spring": [5, 5]}, first_number=N + 100)
        scene.history.outcome("spring", scene.intent(0, 3), "accepted", vendor_id="v1")
        pages = list(scene.reader().pages("c1", {State.ACCEPTED}, NOW_MS))
        assert [page.numbers.tolist() for page in pages] == [[N, N + 1, N + 2]]
        assert list(scene.reader().pages("c2", {State.DELIVERED}, NOW_MS)) == []
        assert [page.batch for page in scene.reader().pages("c2", None, NOW_MS)] == [0, 1]
        assert [page.batch for page in scene.reader().pages("c2", None, NOW_MS, from_batch=1)] == [1]

    def test_a_number_is_looked_up_in_every_campaign_and_with_what_it_sent_us(self, scene: Scene):
        scene.history.launch("c2", {"summer": [5]}, first_number=N)
        scene.history.outcome("spring", scene.intent(0, 3), "accepted", vendor_id="v1")
        scene.history.reports("spring", [("v1", N, 2, "MBBLACK", 1_700_000_077)])
        inbound = Inbound(account="spring", number=str(N), text="T", to="1069", at_ms=5, received_ms=6)
        scene.history.append("inbound", lane_partition("spring"), inbound)
        found = {sighting.campaign: sighting for sighting in scene.reader().lookup(N, NOW_MS)}
        assert sorted(found) == ["c1", "c2"]
        assert (found["c1"].state, found["c1"].code, found["c1"].vendor_id) == (State.FAILED, "MBBLACK", "v1")
        assert (found["c1"].source, found["c1"].reported_ms) == ("report", 1_700_000_077_000)
        assert found["c1"].meaning
        assert (found["c2"].state, found["c2"].submitted_ms) == (State.QUEUED, None)
        assert scene.reader().lookup(42) == []
        [message] = scene.reader().inbound(str(N))
        assert (message.account, message.text, message.to, message.at_ms) == ("spring", "T", "1069", 5)
        assert scene.reader().inbound("nobody") == []

    def test_a_report_is_never_shown_earlier_than_its_submit(self, scene: Scene):
        scene.history.outcome("spring", scene.intent(0, 3), "accepted", vendor_id="v1")
        minute = SENT_MS // 60_000 * 60
        late = SENT_MS // 1000 + 9
        scene.history.reports("spring", [("v1", N, 1, "DELIVRD", minute), ("v1", N + 1, 1, "DELIVRD", late)])
        found = [scene.reader().lookup(N + index, NOW_MS)[0] for index in range(3)]
        assert [each.reported_ms for each in found] == [SENT_MS, late * 1000, None]
        assert {each.submitted_ms for each in found} == {SENT_MS}
        out = io.BytesIO()
        view = scene.reader().campaign("c1", NOW_MS)
        assert view is not None
        export(scene.reader(), view, out, "ndjson", states=["delivered"], now_ms=NOW_MS)
        rows = [orjson.loads(line) for line in out.getvalue().splitlines()]
        assert [row["reported_at"] >= row["submitted_at"] for row in rows] == [True, True]

    @pytest.mark.parametrize("launched_first", [True, False])
    def test_rejected_rows_of_the_launched_attempt_are_kept_and_no_others(
        self, place: StorePlace, launched_first: bool
    ):
        history = History()
        if launched_first:
            history.launch("c1", {"spring": [2]}, attempt="good")
        for attempt, value in (("crashed", b"old"), ("good", b"12"), ("good", b"a second copy")):
            history.append("rejects", 0, rejects(attempt, value))
        history.append("rejects", 0, rejects("good", "三".encode(), part=1))
        if not launched_first:
            history.launch("c1", {"spring": [2]}, attempt="good")
        driver = Driver(place, history)
        for topic in ("campaigns", "rejects") if launched_first else ("rejects", "campaigns"):
            driver.inputs(topic)
        pages = list(driver.reader().rejects("c1"))
        assert [page.values for page in pages] == [["12", ""], ["三", ""]]
        assert pages[0].rows.tolist() == [5, 9]
        assert [pages[0].reasons[index] for index in pages[0].reason_index] == ["too short", "empty"]
        driver.close()

    def test_dead_letters_and_unusable_records_are_counted_not_fatal(self, scene: Scene):
        partition = lane_partition("spring")
        for why in ("no msgid", "not a form"):
            dead = Dead(account="spring", path="/push/spring/report", why=why, at_ms=9, body=b"?")
            scene.history.append("dead", partition, dead)
        scene.history.append_bytes("reports", partition, b"\x01rubbish")
        whole = reports_record("spring", [("v1", N, 1, "DELIVRD", 0)])
        scene.history.append(
            "reports", partition, Reports(**{f: getattr(whole, f) for f in whole.__struct_fields__} | {"times": b""})
        )
        scene.history.intent("spring", "o", scene.jobs["spring"][0], 0, 1)
        offset = len(scene.history.records["lanes", partition]) - 1
        scene.history.outcome("spring", offset, "accepted", vendor_ids=("1", "2"))
        assert scene.counts()["accepted"] == 1
        (dead_count,) = scene.reader().dead()
        assert (dead_count.count, dead_count.last_why) == (2, "not a form")
        assert [(o.topic, o.count) for o in scene.reader().oddities()] == [("lanes", 1), ("reports", 1), ("reports", 1)]

    def test_what_else_is_on_the_topic_of_campaigns_is_passed_over(self, scene: Scene):
        asked = BalanceAsked(account="spring", at_ms=NOW_MS, by="the lane", messages=1.0, says="")
        for record in (asked, CheckpointAt(partition=0, offset=7)):
            scene.history.append("campaigns", 0, record)
        assert scene.counts() == {"rows": 12, "invalid": 2, "queued": 10}
        assert scene.driver.store.offsets()["campaigns", 0] == len(scene.history.records["campaigns", 0])
        assert list(scene.reader().oddities()) == []

    def test_finished_chunks_go_downstream_and_again_when_their_word_changes(self, scene: Scene):
        first, second = scene.intent(0, 2), scene.intent(2, 2)
        scene.history.outcome("spring", first, "accepted", vendor_id="v1")
        scene.history.outcome("spring", second, "failed", code="107")
        scene.history.reports("spring", [("v1", N, 1, "DELIVRD", 0)])
        scene.driver.all()
        ((chunk, record),) = scene.driver.store.outbox(10)
        assert (record.start, bytes(record.states), record.codes) == (2, bytes([State.FAILED] * 2), ["107"])
        scene.driver.store.told([chunk])
        assert scene.driver.store.outbox(10) == []
        scene.driver.store.expire(SENT_MS)
        ((chunk, record),) = scene.driver.store.outbox(10)
        assert bytes(record.states) == bytes([State.DELIVERED, State.NO_REPORT])
        scene.driver.store.told([chunk])
        scene.history.reports("spring", [("v1", N + 1, 1, "DELIVRD", 0)])
        scene.driver.all()
        ((_, record),) = scene.driver.store.outbox(10)
        assert bytes(record.states) == bytes([State.DELIVERED] * 2)

    # --- transactions ------------------------------------------------------------------------------------------------

    def test_one_writer_at_a_time_and_the_next_one_continues_where_it_ended(self, scene: Scene, place: StorePlace):
        scene.driver.all()
        offsets = scene.driver.store.offsets()
        with pytest.raises(StoreBusy):
            place.open()
        scene.driver.reopen()
        assert scene.driver.store.offsets() == offsets
        assert any(offsets.values())

    def test_a_fold_that_fails_writes_nothing_and_can_be_done_again(self, scene: Scene):
        intent = scene.intent(0, 3)
        scene.driver.all()
        scene.history.outcome("spring", intent, "accepted", vendor_id="v1")
        before = scene.driver.shown(NOW_MS)
        journal = ("lanes", lane_partition("spring"))
        newer = StoredRecord(99, b"", bytes([codec.VERSION + 1]) + b"?", (), 0)
        delivery = scene.driver.read([journal])
        with pytest.raises(LogNewer):
            scene.driver.store.take({**delivery, ("reports", 0): [newer]})
        assert scene.driver.shown(NOW_MS) == before
        scene.driver.take([journal])
        assert scene.driver.store.offsets()[journal] == len(scene.history.records[journal])
        assert scene.counts()["accepted"] == 3

    def test_a_reader_keeps_its_snapshot(self, scene: Scene):
        scene.history.launch("c2", {"spring": [5, 5]}, first_number=N + 100)
        before = scene.reader().campaign("c2", NOW_MS)
        job = scene.history.launch("c3", {"spring": [2]}, first_number=N + 200)["spring"][0]
        scene.history.intent("spring", "o", job, 0, 2)
        assert scene.reader().campaign("c2", NOW_MS) == before
        assert [view.id for view in scene.reader().campaigns(NOW_MS)] == ["c3", "c2", "c1"]

    def test_a_call_on_a_closed_store_or_reader_raises_an_error_of_ours(self, scene: Scene, place: StorePlace):
        scene.driver.all()
        scene.driver.store.close()
        for call in (
            lambda: scene.driver.store.take_inputs({}),
            lambda: scene.driver.store.outbox(1),
            lambda: scene.driver.store.batches_wanted(1),
            lambda: scene.driver.store.expire(0),
        ):
            with pytest.raises(StoreError):
                call()
        reader = place.reader()
        reader.close()
        for read in (reader.campaigns, reader.reports, lambda: reader.lookup(1), lambda: list(reader.pages("c1"))):
            with pytest.raises(StoreError):
                read()

    def test_a_batch_that_the_log_has_lost_has_no_numbers_and_its_recipients_still_count(self, place: StorePlace):
        history = History()
        jobs = history.launch("c1", {"spring": [20, 30]})["spring"]
        history.owned("spring", "o")
        for index, (job, size) in enumerate(zip(jobs, (20, 30), strict=True)):
            history.outcome("spring", history.intent("spring", "o", job, 0, size), "accepted", vendor_id=f"v{index}")
        history.reports("spring", [("v0", N, 1, "DELIVRD", 0), ("v1", N + 20, 1, "DELIVRD", 0)])
        driver = Driver(place, history)
        driver.inputs("campaigns", "jobs")
        lost, found = driver.store.batches_wanted(10)
        driver.store.add_batches([LoadedBatch(lost.id, None, "the SHA-256 differs")])
        driver.load([found])
        driver.take([("lanes", lane_partition("spring")), ("reports", lane_partition("spring"))])
        reader = driver.reader()
        view = reader.campaign("c1", NOW_MS)
        assert view is not None
        assert (view.counts.check().delivered, view.counts.accepted) == (1, 49)
        assert list(reader.damaged("c1").values()) == ["the SHA-256 differs"]
        assert [page.numbers.any() for page in reader.pages("c1") if page.broken] == [False]
        assert [reports.strangers for reports in reader.reports()] == [1]
        reader.close()
        driver.close()

    @pytest.mark.parametrize("seed", range(6))
    def test_a_store_made_anew_says_the_same_however_the_first_one_was_fed(self, place: StorePlace, seed: int):
        random = Random(seed)
        history = write(random)
        places = sorted(of for of in history.records if of[0] in ("lanes", "reports"))
        fed = Driver(place, history, emits=True)
        fed.inputs("campaigns", "jobs")
        for _ in range(random.randint(0, 12)):
            fed.take(random.sample(places, random.randint(0, len(places))), random.randint(1, 15))
            if random.random() < 0.3:
                fed.reopen()
        fed.all()
        anew = Driver(MemoryPlace(), history, emits=True)
        anew.all()
        said, again = fed.shown(LATE_MS), anew.shown(LATE_MS)
        assert {name: said[name] for name in said if name != "outbox"} == {
            name: again[name] for name in again if name != "outbox"
        }
        fed.close()
        anew.close()
