"""Deliberate mistakes in sending hours and what becomes of a campaign when they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.campaigns import Campaign
from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.next_sends import NextSends
from dispatcher.core.schedule import hours
from dispatcher.core.schedule.holds import Schedule
from dispatcher.core.schedule.hours import MINUTE_MS, Hours
from dispatcher.core.shanghai import DAY_MS, HOUR_MS


def closing_is_not_checked_at_the_gate(patch: MonkeyPatch) -> None:
    held, refusal = Campaign.held, NextSends.refusal
    at_gate = [False]

    def blind_refusal(self: NextSends, lane: AccountLane, sending: Any, now_ms: int) -> str:
        at_gate[0] = True
        try:
            return refusal(self, lane, sending, now_ms)
        finally:
            at_gate[0] = False

    patch.setattr(Campaign, "held", lambda self, now_ms: None if at_gate[0] else held(self, now_ms))
    patch.setattr(NextSends, "refusal", blind_refusal)


def hours_are_those_of_another_zone(patch: MonkeyPatch) -> None:
    patch.setattr(hours, "_MONDAY_MS", hours._MONDAY_MS + 8 * HOUR_MS)


def days_of_the_week_are_off_by_one(patch: MonkeyPatch) -> None:
    patch.setattr(hours, "_MONDAY_MS", hours._MONDAY_MS + DAY_MS)


def what_pauses_at_closing_continues_at_the_next_opening(patch: MonkeyPatch) -> None:
    original = Schedule.__init__

    def init(self: Schedule, hours: Any, at_closing: Any, *rest: Any) -> None:
        original(self, hours, "continue", *rest)

    patch.setattr(Schedule, "__init__", init)


def hours_close_a_minute_late(patch: MonkeyPatch) -> None:
    original = Hours.session

    def session(self: Hours, at_ms: int) -> tuple[int, int]:
        before = original(self, at_ms - MINUTE_MS)
        return before if before[1] > at_ms - MINUTE_MS and before[0] <= at_ms - MINUTE_MS else original(self, at_ms)

    patch.setattr(Hours, "session", session)


def an_answer_about_hours_is_remembered_for_ever(patch: MonkeyPatch) -> None:
    original = Schedule.hold

    def hold(self: Schedule, now_ms: int) -> Any:
        if not self._known[1]:
            original(self, now_ms)
        return self._known[2]

    patch.setattr(Schedule, "hold", hold)


def every_opening_is_a_session_of_its_own(patch: MonkeyPatch) -> None:
    original = Schedule.hold

    def hold(self: Schedule, now_ms: int) -> Any:
        return original(Schedule(self.hours, self.at_closing, now_ms), now_ms)

    patch.setattr(Schedule, "hold", hold)


SCHEDULE_MUTANTS: Final[tuple[Callable[[MonkeyPatch], None], ...]] = (
    closing_is_not_checked_at_the_gate,
    hours_are_those_of_another_zone,
    days_of_the_week_are_off_by_one,
    what_pauses_at_closing_continues_at_the_next_opening,
    hours_close_a_minute_late,
    an_answer_about_hours_is_remembered_for_ever,
    every_opening_is_a_session_of_its_own,
)
