"""Deliberate mistakes in results that are about some recipients of a chunk."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import msgspec
from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.lane import state as lane
from dispatcher.core.lane.account_states import AccountEvent
from dispatcher.core.lane.answers import consequences
from dispatcher.core.lane.answers.consequences import Consequences
from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.core.lane.state import Change, Chunk, ChunkEvent, LaneState
from dispatcher.core.lane.unknowns import Unknowns
from dispatcher.core.ranges import Ranges
from schemas.records import Decided, Effect, Outcomes, Resolved, ResolvedAs, Run, Slice
from tests.simulation.mutants.lane import mutated_checkpoint


def a_run_is_taken_for_its_whole_chunk(patch: MonkeyPatch) -> None:
    _moves(patch, lambda chunk, ranges: chunk.open_ranges)


def a_run_moves_its_chunk_up_to_its_end(patch: MonkeyPatch) -> None:
    _moves(patch, lambda chunk, ranges: ((0, ranges[-1][0] + ranges[-1][1]),))


def a_run_begins_a_recipient_too_late(patch: MonkeyPatch) -> None:
    _moves(patch, lambda chunk, ranges: tuple((start + 1, count) for start, count in ranges))


def a_late_run_overwrites_a_definite_one(patch: MonkeyPatch) -> None:
    patch.setattr(lane, "both", lambda ranges, others: others)


def who_left_a_chunk_stays_in_it(patch: MonkeyPatch) -> None:
    patch.setattr(lane, "without", lambda ranges, others: () if ranges == others else ranges)


def a_chunk_is_over_with_its_first_run(patch: MonkeyPatch) -> None:
    patch.setattr(lane, "without", lambda ranges, others: ())


def a_run_comes_back_from_the_beginning_of_its_chunk(patch: MonkeyPatch) -> None:
    original = lane._again

    def again(chunk: Chunk, start: int, count: int, strikes: int, *, divide: bool = False) -> Iterator[Slice]:
        return original(chunk, 0, count, strikes, divide=divide)

    patch.setattr(lane, "_again", again)


def a_chunk_with_a_run_to_send_again_is_sent_again(patch: MonkeyPatch) -> None:
    original = lane._again

    def again(chunk: Chunk, start: int, count: int, strikes: int, *, divide: bool = False) -> Iterator[Slice]:
        return original(chunk, 0, chunk.count, strikes, divide=divide)

    patch.setattr(lane, "_again", again)
    patch.setattr(lane, "_take_back", lambda *_: None)


def a_checkpoint_forgets_which_recipients_are_open(patch: MonkeyPatch) -> None:
    mutated_checkpoint(patch, lambda checkpoint: {"ranges": ()})


def a_new_owner_calls_the_whole_chunk_unknown(patch: MonkeyPatch) -> None:
    original = LaneState._owned

    def owned(self: LaneState) -> Change:
        for chunk in self.open.values():
            chunk.ranges = ()
        return original(self)

    patch.setattr(LaneState, "_owned", owned)


def a_chunk_of_which_something_was_not_sent_was_not_sent(patch: MonkeyPatch) -> None:
    _records(patch, lambda runs: [_not_sent(run) for run in runs] if any(map(_is_unwritten, runs)) else runs)


def an_answer_for_one_recipient_is_one_for_those_behind_it(patch: MonkeyPatch) -> None:
    def spread(runs: list[Run]) -> list[Run]:
        return [
            msgspec.structs.replace(runs[max(0, n - 1)], start=run.start, count=run.count) for n, run in enumerate(runs)
        ]

    _records(patch, spread)


def a_proof_of_one_recipient_is_one_of_its_whole_chunk(patch: MonkeyPatch) -> None:
    original = Unknowns.decided

    def decided(self: Unknowns, offset: int, chunk: Chunk, decision: Decided, now_s: float, now_ms: int) -> None:
        original(self, offset, chunk, msgspec.structs.replace(decision, ranges=(), ids=b""), now_s, now_ms)

    patch.setattr(Unknowns, "decided", decided)


def a_resolution_of_some_recipients_is_one_of_the_others_too(patch: MonkeyPatch) -> None:
    original = LaneState._resolved

    def resolved(self: LaneState, record: Resolved) -> Change:
        return original(self, msgspec.structs.replace(record, ranges=()))

    patch.setattr(LaneState, "_resolved", resolved)


def who_was_proven_to_be_texted_is_sent_again(patch: MonkeyPatch) -> None:
    original = Unknowns.decided

    def decided(self: Unknowns, offset: int, chunk: Chunk, decision: Decided, now_s: float, now_ms: int) -> None:
        verdict = ResolvedAs.NOT_SENT if decision.ranges else decision.verdict
        original(self, offset, chunk, msgspec.structs.replace(decision, verdict=verdict), now_s, now_ms)

    patch.setattr(Unknowns, "decided", decided)


def each_run_counts_as_a_trouble_of_its_own(patch: MonkeyPatch) -> None:
    def once(events: Collection[AccountEvent], heard: Collection[AccountEvent]) -> list[AccountEvent]:
        return [event for event in events for _ in range(3)]

    patch.setattr(consequences, "once", once)


RUNS_MUTANTS: Final = (
    a_run_is_taken_for_its_whole_chunk,
    a_run_moves_its_chunk_up_to_its_end,
    a_run_begins_a_recipient_too_late,
    a_late_run_overwrites_a_definite_one,
    who_left_a_chunk_stays_in_it,
    a_chunk_is_over_with_its_first_run,
    a_run_comes_back_from_the_beginning_of_its_chunk,
    a_chunk_with_a_run_to_send_again_is_sent_again,
    a_checkpoint_forgets_which_recipients_are_open,
    a_new_owner_calls_the_whole_chunk_unknown,
    a_chunk_of_which_something_was_not_sent_was_not_sent,
    an_answer_for_one_recipient_is_one_for_those_behind_it,
    a_proof_of_one_recipient_is_one_of_its_whole_chunk,
    a_resolution_of_some_recipients_is_one_of_the_others_too,
    who_was_proven_to_be_texted_is_sent_again,
    each_run_counts_as_a_trouble_of_its_own,
)


def _moves(patch: MonkeyPatch, wrong: Any) -> None:
    original = LaneState._moved

    def moved(self: LaneState, chunk: Chunk, ranges: Ranges, event: ChunkEvent) -> Ranges:
        return original(self, chunk, wrong(chunk, ranges), event)

    patch.setattr(LaneState, "_moved", moved)


def _records(patch: MonkeyPatch, wrong: Any) -> None:
    original = Consequences.in_runs

    def in_runs(self: Consequences, *args: Any) -> Outcomes:
        record = original(self, *args)
        return msgspec.structs.replace(record, runs=tuple(wrong(list(record.runs))))

    patch.setattr(Consequences, "in_runs", in_runs)


def _is_unwritten(run: Run) -> bool:
    return run.kind == Kind.NOT_SENT


def _not_sent(run: Run) -> Run:
    return msgspec.structs.replace(run, effect=Effect.QUEUED, kind=Kind.NOT_SENT)
