"""Deliberate mistakes in streams, each of which their histories must catch."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.lane import state
from dispatcher.core.lane.batches import Batches
from dispatcher.core.lane.next_sends import NextSends
from dispatcher.core.lane.owner import Owner
from dispatcher.core.lane.state import LaneState, OpenJob
from dispatcher.core.streams.keys import KnownKeys
from dispatcher.core.streams.messages import AppendedMessages, SegmentBatch, SegmentCosts
from dispatcher.core.streams.segments import stream_of
from dispatcher.store.fold import fold
from dispatcher.store.fold.fold import Fold
from schemas.records import Appended, Cost, LeftOut, Slice, why_left_out


def a_checkpoint_forgets_the_keys_behind_its_last_page(patch: MonkeyPatch) -> None:
    patch.setattr(KnownKeys, "tail", property(lambda self: b""))


def a_new_owner_forgets_the_keys_in_pages(patch: MonkeyPatch) -> None:
    def load(following: int, first: int, newest_ms: int, tail: bytes, pages: Any) -> KnownKeys:
        known = KnownKeys()
        known.next, known._at_first, known.newest_ms = following, first, newest_ms
        known._tail = [int.from_bytes(tail[at : at + 8], "little") for at in range(0, len(tail), 8)]
        known._tail_set = set(known._tail)
        known.pages = [(offset, page.newest_ms) for offset, page in pages]
        return known

    patch.setattr(KnownKeys, "load", load)


def keys_are_known_only_within_their_page(patch: MonkeyPatch) -> None:
    patch.setattr(KnownKeys, "_merge", lambda self, digests, newest_ms: None)


def a_checkpoint_forgets_what_repeats_a_key(patch: MonkeyPatch) -> None:
    original = LaneState._stream

    def stream(self: LaneState, of: Any, segment: Any, at_ms: int) -> Any:
        return msgspec.structs.replace(original(self, of, segment, at_ms), repeated=())

    patch.setattr(LaneState, "_stream", stream)


def appends_are_taken_again_after_a_checkpoint(patch: MonkeyPatch) -> None:
    original = LaneState.load.__func__  # type: ignore[attr-defined]

    def load(cls: Any, checkpoint: Any, pages: Any = None) -> LaneState:
        found: LaneState = original(cls, checkpoint, pages)
        found.segments.clear()
        return found

    patch.setattr(LaneState, "load", classmethod(load))


def a_repeat_is_sent(patch: MonkeyPatch) -> None:
    patch.setattr(OpenJob, "repeated_from", lambda self, start, end: 0)
    patch.setattr(OpenJob, "until_repeated", lambda self, start, end: end - start)


def the_time_is_not_judged_at_the_gate(patch: MonkeyPatch) -> None:
    original = NextSends._refused

    def refused(self: NextSends, lane: Any, chunk: Any, now_ms: int, *, sends: bool) -> str:
        chunk.expires_ms = None
        return original(self, lane, chunk, now_ms, sends=sends)

    patch.setattr(NextSends, "_refused", refused)


def the_time_is_not_judged_when_a_request_is_cut(patch: MonkeyPatch) -> None:
    patch.setattr(SegmentBatch, "expired", lambda self, start, end, now_ms: 0)
    patch.setattr(SegmentBatch, "in_time", lambda self, start, end, now_ms: end - start)


def what_expired_is_queued_again(patch: MonkeyPatch) -> None:
    original = LaneState._intent

    def intent(self: LaneState, offset: int, record: Any) -> Any:
        change = original(self, offset, record)
        if record.job in self.jobs and why_left_out(record) is LeftOut.EXPIRED:
            again = [Slice(record.start + at, count, record.attempt + 1) for at, count in record.left_out]
            self.jobs[record.job].returned.extend(again)
        return change

    patch.setattr(LaneState, "_intent", intent)


def who_expired_counts_as_a_repeat(patch: MonkeyPatch) -> None:
    original = NextSends._left_out_of

    def left_out_of(self: NextSends, *of: Any) -> tuple[int, LeftOut]:
        return original(self, *of)[0], LeftOut.REPEATED

    patch.setattr(NextSends, "_left_out_of", left_out_of)


def a_request_has_a_number_twice(patch: MonkeyPatch) -> None:
    patch.setattr(AppendedMessages, "distinct", lambda self, start, count: count)


def a_segment_that_is_over_and_grows_is_forgotten(patch: MonkeyPatch) -> None:
    patch.setattr(OpenJob, "grows", property(lambda self: False, lambda self, value: None), raising=False)


def a_new_segment_hides_what_the_one_before_has_left(patch: MonkeyPatch) -> None:
    patch.setattr(LaneState, "_seal", lambda self, offset: self.jobs.pop(offset, None) and offset)


def a_repeat_counts_as_two_rows(patch: MonkeyPatch) -> None:
    original = Fold._appended

    def appended(self: Fold, partition: int, offset: int, record: Appended) -> None:
        original(self, partition, offset, record)
        key = record.campaign, record.attempt, record.account, self._segments[stream_of(record)].day
        keys = [record.keys[at : at + 8] for at in range(0, len(record.keys), 8)]
        self._tallies.of(key).appended += len(keys) - len(set(keys))

    patch.setattr(Fold, "_appended", appended)


def a_message_belongs_to_the_day_of_the_one_before(patch: MonkeyPatch) -> None:
    from dispatcher.core.streams import segments

    original = segments.placed

    def placed(last: Any, offset: int, record: Appended) -> Any:
        if last is not None and last.count + record.count <= segments.SEGMENT_MAX:
            return segments.Segment(last.job, last.count + record.count, last.day), last.count
        return original(last, offset, record)

    for module in (state, fold):
        patch.setattr(module, "placed", placed)


def what_is_read_behind_a_gap_is_taken_to_follow(patch: MonkeyPatch) -> None:
    original = Batches.grew

    def grew(self: Batches, job_offset: int, start: int, messages: Any) -> None:
        held = self.loaded.get(job_offset)
        original(self, job_offset, held.end if isinstance(held, SegmentBatch) else 0, messages)

    patch.setattr(Batches, "grew", grew)


def an_opt_out_does_not_reach_streams(patch: MonkeyPatch) -> None:
    patch.setattr(SegmentBatch, "left_out", lambda self, suppressed, start, count: ())


def messages_cost_nothing(patch: MonkeyPatch) -> None:
    patch.setattr(SegmentCosts, "packed", lambda self, start, count: Cost(0))


def a_message_costs_what_the_first_one_of_its_append_costs(patch: MonkeyPatch) -> None:
    original = SegmentCosts._within

    def within(self: SegmentCosts, start: int, count: int) -> Any:
        _, count, costs = original(self, start, count)
        return start, count, costs

    patch.setattr(SegmentCosts, "_within", within)


def a_new_owner_forgets_what_a_stream_spent(patch: MonkeyPatch) -> None:
    original = LaneState.checkpoint

    def checkpoint(self: LaneState, *of: Any) -> Any:
        return msgspec.structs.replace(original(self, *of), committed=())

    patch.setattr(LaneState, "checkpoint", checkpoint)


def a_deposed_owner_settles_what_a_newer_one_announced(patch: MonkeyPatch) -> None:
    """Its numbers of intents are those of others."""
    original = Owner._intent_read

    def intent_read(self: Owner, chunk: Any, now_s: float) -> None:
        proposal = self.lanes[chunk.account].proposed.get(chunk.n)
        if proposal is not None and self.deposed:
            self.budgets.settled(chunk.account, chunk.campaign, proposal.cost)
        original(self, chunk, now_s)

    patch.setattr(Owner, "_intent_read", intent_read)


OF_BUDGETS: Final = (
    messages_cost_nothing,
    a_message_costs_what_the_first_one_of_its_append_costs,
    a_new_owner_forgets_what_a_stream_spent,
    a_deposed_owner_settles_what_a_newer_one_announced,
)
"""Those that only histories with a budget catch."""

MUTANTS: Final = (
    a_checkpoint_forgets_the_keys_behind_its_last_page,
    a_new_owner_forgets_the_keys_in_pages,
    keys_are_known_only_within_their_page,
    a_checkpoint_forgets_what_repeats_a_key,
    appends_are_taken_again_after_a_checkpoint,
    a_repeat_is_sent,
    the_time_is_not_judged_at_the_gate,
    the_time_is_not_judged_when_a_request_is_cut,
    what_expired_is_queued_again,
    who_expired_counts_as_a_repeat,
    a_request_has_a_number_twice,
    a_segment_that_is_over_and_grows_is_forgotten,
    a_new_segment_hides_what_the_one_before_has_left,
    a_repeat_counts_as_two_rows,
    a_message_belongs_to_the_day_of_the_one_before,
    what_is_read_behind_a_gap_is_taken_to_follow,
    an_opt_out_does_not_reach_streams,
)
