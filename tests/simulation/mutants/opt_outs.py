"""Deliberate mistakes about who is left out of a chunk because of the suppression list."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.lane import next_sends
from dispatcher.core.lane.answers import consequences
from dispatcher.core.lane.next_sends import NextSends
from dispatcher.core.lane.state import Change, LaneState
from dispatcher.core.lane.suppressed import Suppressed
from dispatcher.core.lane.work import Piece
from dispatcher.store import campaign_view
from schemas.records import Intent, Slice


def who_is_left_out_is_sent_to_all_the_same(patch: MonkeyPatch) -> None:
    patch.setattr(next_sends, "without", lambda ranges, others: ranges)


def an_answer_is_about_the_recipient_at_its_place_in_the_request(patch: MonkeyPatch) -> None:
    patch.setattr(consequences, "spread", lambda ranges, start, count: ((start, count),))


def who_was_left_out_returns_to_the_queue(patch: MonkeyPatch) -> None:
    original = LaneState._intent

    def intent(self: LaneState, offset: int, record: Intent) -> Change:
        change = original(self, offset, record)
        if record.job in self.jobs:
            again = [Slice(record.start + at, count, record.attempt + 1) for at, count in record.left_out]
            self.jobs[record.job].returned.extend(again)
        return change

    patch.setattr(LaneState, "_intent", intent)


def a_new_owner_forgets_who_was_left_out(patch: MonkeyPatch) -> None:
    original = LaneState._owned

    def owned(self: LaneState) -> Change:
        for chunk in self.open.values():
            if chunk.left_out:
                chunk.ranges = ()
        return original(self)

    patch.setattr(LaneState, "_owned", owned)


def the_list_is_read_only_once(patch: MonkeyPatch) -> None:
    original = Suppressed.read

    def read(self: Suppressed, numbers: Any, touched: Any, began_s: float) -> None:
        if self.serial:
            self.read_s = began_s
        else:
            original(self, numbers, touched, began_s)

    patch.setattr(Suppressed, "read", read)


def who_is_sent_to_again_is_not_judged_again(patch: MonkeyPatch) -> None:
    original = NextSends._leaving_out

    def leaving_out(self: NextSends, piece: Piece, batch: Any, count: int, numbers_min: int) -> Any:
        return (count, ()) if piece.attempt else original(self, piece, batch, count, numbers_min)

    patch.setattr(NextSends, "_leaving_out", leaving_out)


def who_is_suppressed_counts_as_queued(patch: MonkeyPatch) -> None:
    original = campaign_view._account

    def account(rows: int, tally: Any, *rest: Any) -> Any:
        return original(rows, tally and msgspec.structs.replace(tally, suppressed=0), *rest)

    patch.setattr(campaign_view, "_account", account)


OPT_OUT_MUTANTS: Final = (
    who_is_left_out_is_sent_to_all_the_same,
    an_answer_is_about_the_recipient_at_its_place_in_the_request,
    who_was_left_out_returns_to_the_queue,
    a_new_owner_forgets_who_was_left_out,
    the_list_is_read_only_once,
    who_is_sent_to_again_is_not_judged_again,
)
