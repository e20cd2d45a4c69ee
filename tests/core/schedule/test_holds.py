"""What holds a campaign: its hours, and the end of the session in which it began or was resumed."""

from __future__ import annotations

from msgspec.structs import replace

from dispatcher.core.campaigns import Campaign
from dispatcher.core.schedule.holds import Hold, Schedule
from dispatcher.core.schedule.hours import ALWAYS, hours_of
from schemas.records import Flowed, HoursChanged
from tests.core.schedule.test_hours import at
from tests.core.test_campaigns import LAUNCHED, folded

DAY = hours_of("08:00-20:00")
MAY = replace(LAUNCHED, hours=DAY.spans, at_ms=at("2026-11-30 10:00"))
CLOSING = Hold("closing")


def may(*records: Flowed | HoursChanged, continues: bool = False) -> Campaign:
    found = folded(replace(MAY, at_closing="continue") if continues else MAY, *records).get("may")
    assert found is not None
    return found


def until(text: str) -> Hold:
    return Hold("hours", at(text))


def resumed(text: str) -> Flowed:
    return Flowed(campaign="may", paused=False, at_ms=at(text), by="bob")


def test_a_campaign_is_sent_until_its_session_closes_and_then_waits_for_a_person() -> None:
    campaign = may()
    assert campaign.held(at("2026-11-30 19:59:59.999")) is None
    assert campaign.held(at("2026-11-30 20:00")) == CLOSING
    assert campaign.held(at("2026-12-01 08:00")) == CLOSING
    assert not campaign.sends_at(at("2026-12-07 12:00"))


def test_a_campaign_that_continues_waits_for_the_next_opening() -> None:
    campaign = may(continues=True)
    assert campaign.held(at("2026-11-30 20:00")) == until("2026-12-01 08:00")
    assert campaign.held(at("2026-12-01 08:00")) is None


def test_a_campaign_launched_outside_its_hours_has_the_next_session() -> None:
    campaign = folded(replace(MAY, at_ms=at("2026-11-30 21:00"))).by_id["may"]
    assert campaign.held(at("2026-11-30 23:00")) == until("2026-12-01 08:00")
    assert campaign.held(at("2026-12-01 19:00")) is None
    assert campaign.held(at("2026-12-01 20:00")) == CLOSING


def test_a_resumed_campaign_has_the_session_that_is_open_or_comes_next() -> None:
    assert may(resumed("2026-11-30 20:30")).held(at("2026-11-30 21:00")) == until("2026-12-01 08:00")
    assert may(resumed("2026-11-30 20:30")).held(at("2026-12-01 08:00")) is None
    assert may(resumed("2026-12-01 09:00")).held(at("2026-12-01 20:00")) == CLOSING


def test_a_pause_gives_no_new_session() -> None:
    paused = replace(resumed("2026-12-01 09:00"), paused=True)
    assert may(paused).held(at("2026-12-01 09:00")) == CLOSING


def test_changed_hours_count_at_once_and_for_the_session_of_the_launch() -> None:
    longer = HoursChanged(
        campaign="may", hours=hours_of("08:00-22:00").spans, at_closing="pause", at_ms=at("2026-11-30 20:30"), by="bob"
    )
    assert may(longer).held(at("2026-11-30 20:30")) is None
    assert may(longer).held(at("2026-11-30 22:00")) == CLOSING
    night = replace(longer, hours=hours_of("21:00-23:00").spans)
    assert may(night).held(at("2026-11-30 20:30")) == until("2026-11-30 21:00")
    continues = replace(longer, hours=DAY.spans, at_closing="continue")
    assert may(continues).held(at("2026-11-30 20:30")) == until("2026-12-01 08:00")


def test_a_record_without_hours_is_never_held() -> None:
    campaign = folded(LAUNCHED).by_id["may"]
    assert [campaign.held(now_ms) for now_ms in (0, at("2026-11-30 03:00"))] == [None, None]


def test_changed_hours_that_are_read_before_the_launch_are_in_force_after_it() -> None:
    """Compaction keeps the changed hours behind the launch or before it."""
    changed = HoursChanged(campaign="may", hours=DAY.spans, at_closing="continue", at_ms=1, by="bob")
    campaign = folded(changed, LAUNCHED).by_id["may"]
    assert campaign.held(at("2026-11-30 21:00")) == until("2026-12-01 08:00")


def test_a_clock_that_is_set_back_gets_the_answer_of_its_time() -> None:
    schedule = Schedule(DAY, "continue", 0)
    times = ["2026-11-30 12:00", "2026-11-30 07:00", "2026-12-01 21:00", "2026-11-30 19:00", "2026-11-30 20:00"]
    asked = [schedule.hold(at(time)) for time in times]
    assert asked == [None, until("2026-11-30 08:00"), until("2026-12-02 08:00"), None, until("2026-12-01 08:00")]
    assert asked == [Schedule(DAY, "continue", 0).hold(at(time)) for time in times]


def test_hours_that_never_close_hold_nothing() -> None:
    assert Schedule(ALWAYS, "pause", 0).hold(at("2040-01-01 03:00")) is None
