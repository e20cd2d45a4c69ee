"""Deliberate mistakes in how recipients move between accounts. Each breaks a history of tests/simulation/failover."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.campaigns import Campaign
from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.budgets import LaneBudgets
from dispatcher.core.lane.effects import Append, Effect, Hand
from dispatcher.core.lane.moves.decision import LaneMoves
from dispatcher.core.lane.moves.handover import Handovers
from dispatcher.core.lane.next_sends import NextSends
from dispatcher.core.lane.state import ChunkState, LaneState
from dispatcher.core.lane.work import CampaignWork, Piece
from dispatcher.core.ownership import Ownership
from dispatcher.store.fold.fold import Fold
from dispatcher.store.fold.transactions import FoldingStore
from schemas.records import AnyRecord, Checkpoint, Moved, Resolved, ResolvedAs

Mutant = Callable[[MonkeyPatch], None]


def a_job_is_handed_over_before_its_move_was_read_back(patch: MonkeyPatch) -> None:
    original = LaneMoves.of

    def of(self: LaneMoves, *arguments: Any) -> Iterator[Effect]:
        for effect in original(self, *arguments):
            yield effect
            assert isinstance(effect, Append)
            assert isinstance(effect.record, Moved)
            job, account = effect.record.as_job, effect.record.account
            asked = [each.piece.job.account for each in self._asked.values()]
            number = self._state.handovers.moved_to.get((account, job.campaign, job.attempt, job.account), 0)
            yield Hand((msgspec.structs.replace(job, number=number + asked.count(account) - 1),))

    patch.setattr(LaneMoves, "of", of)


def a_move_counts_whoever_owns_the_lane(patch: MonkeyPatch) -> None:
    original = Ownership.valid
    patch.setattr(Ownership, "valid", lambda self, record: isinstance(record, Moved) or original(self, record))


def what_is_announced_is_moved_too(patch: MonkeyPatch) -> None:
    original = LaneMoves._failover

    def failover(self: LaneMoves, lane: AccountLane, campaign: Any, work: CampaignWork, *more: Any) -> Any:
        work.returned.extend(proposal.piece for proposal in lane.proposed.values() if proposal.piece.job.then)
        return original(self, lane, campaign, work, *more)

    patch.setattr(LaneMoves, "_failover", failover)


def what_is_unknown_is_taken_for_not_sent_and_moved(patch: MonkeyPatch) -> None:
    original = LaneMoves._failover

    def failover(self: LaneMoves, lane: AccountLane, *more: Any) -> Iterator[Effect]:
        for chunk in self._state.open.values():
            if chunk.state is ChunkState.UNKNOWN and chunk.account == lane.spec.account:
                yield Append(
                    Resolved(
                        owner=self._owner,
                        account=chunk.account,
                        intent=chunk.intent,
                        verdict=ResolvedAs.NOT_SENT,
                        at_ms=0,
                        by="failover",
                    )
                )
        yield from original(self, lane, *more)

    patch.setattr(LaneMoves, "_failover", failover)
    patch.setattr(LaneMoves, "_may_move", lambda self, piece: True)


def whoever_was_unknown_once_moves_like_the_others(patch: MonkeyPatch) -> None:
    patch.setattr(LaneMoves, "_may_move", lambda self, piece: True)


def a_repeat_is_another_job(patch: MonkeyPatch) -> None:
    patch.setattr(Handovers, "takes", lambda self, job: True)


def a_checkpoint_forgets_what_was_taken_over(patch: MonkeyPatch) -> None:
    _without(patch, "taken_over")


def a_checkpoint_forgets_what_is_not_handed_over(patch: MonkeyPatch) -> None:
    _without(patch, "waiting")


def a_checkpoint_forgets_how_many_jobs_were_moved(patch: MonkeyPatch) -> None:
    _without(patch, "moved_to")


def _without(patch: MonkeyPatch, field: str) -> None:
    original = LaneState.checkpoint

    def checkpoint(self: LaneState, *arguments: Any) -> Checkpoint:
        found = original(self, *arguments)
        if found.moves is None:
            return found
        return msgspec.structs.replace(found, moves=msgspec.structs.replace(found.moves, **{field: ()}))

    patch.setattr(LaneState, "checkpoint", checkpoint)


def void_moves_are_numbered_too(patch: MonkeyPatch) -> None:
    """The other account waits for a number that never comes."""
    original = LaneState.apply

    def apply(self: LaneState, offset: int, record: AnyRecord) -> Any:
        if isinstance(record, Moved) and offset >= self.position and record.owner != self.ownership.owner:
            job = record.as_job
            pair = record.account, record.campaign, job.attempt, job.account
            self.handovers.moved_to[pair] = self.handovers.moved_to.get(pair, 0) + 1
        return original(self, offset, record)

    patch.setattr(LaneState, "apply", apply)


def what_the_log_did_not_confirm_counts_as_handed_over(patch: MonkeyPatch) -> None:
    def not_handed(self: LaneMoves, now_s: float) -> None:
        self._handed.update(self._handing)
        self._handing = ()

    patch.setattr(LaneMoves, "not_handed", not_handed)


def a_repeat_begins_with_the_newest_job(patch: MonkeyPatch) -> None:
    original = LaneMoves.hands

    def hands(self: LaneMoves, now_s: float) -> Iterator[Hand]:
        for hand in original(self, now_s):
            self._handing = self._handing[-1:]
            yield Hand(hand.jobs[-1:])

    patch.setattr(LaneMoves, "hands", hands)


def recipients_go_back_without_being_told(patch: MonkeyPatch) -> None:
    patch.setattr(Campaign, "fails_back", property(lambda self: True))


def an_account_that_stops_for_a_moment_loses_its_recipients(patch: MonkeyPatch) -> None:
    original = LaneMoves._failover

    def failover(self: LaneMoves, lane: Any, campaign: Any, work: Any, stop: Any, after_s: float, *more: Any) -> Any:
        return original(self, lane, campaign, work, stop, 0.0, *more)

    patch.setattr(LaneMoves, "_failover", failover)


def a_move_that_the_log_refused_is_forgotten(patch: MonkeyPatch) -> None:
    def refused(self: LaneMoves, moved: Moved) -> None:
        self._asked.pop((moved.job, moved.as_job.start), None)

    patch.setattr(LaneMoves, "refused", refused)


def a_move_in_doubt_is_given_up(patch: MonkeyPatch) -> None:
    """Its recipients may be sent here, though the log may still take it."""

    def doubted(self: LaneMoves, moved: Moved, now_s: float) -> None:
        asked = self._asked.pop((moved.job, moved.as_job.start), None)
        if asked is not None:
            self.__dict__.setdefault("given_back", []).append(asked.piece)

    original = LaneMoves.of

    def of(self: LaneMoves, lane: AccountLane, *times: Any) -> Any:
        pieces: list[Piece] = self.__dict__.get("given_back", [])
        for piece in [piece for piece in pieces if piece.job.account == lane.spec.account]:
            pieces.remove(piece)
            lane.work_of(piece.job.campaign).put_back(piece)
        return original(self, lane, *times)

    patch.setattr(LaneMoves, "doubted", doubted)
    patch.setattr(LaneMoves, "of", of)


def a_moved_job_waits_behind_later_waves(patch: MonkeyPatch) -> None:
    original = CampaignWork.add_job

    def add_job(self: CampaignWork, job: Any) -> None:
        before = list(self.fresh)
        self.fresh.clear()
        original(self, job)
        self.fresh.extendleft(reversed(before))

    patch.setattr(CampaignWork, "add_job", add_job)


def results_read_who_is_announced_before_who_left(patch: MonkeyPatch) -> None:
    patch.setattr(FoldingStore, "moves_needed", lambda self, delivery: {})


def results_leave_who_moved_at_the_first_account(patch: MonkeyPatch) -> None:
    patch.setattr(Fold, "moved_away", lambda self, job, moved: None)


def who_moved_is_texted_though_they_opted_out(patch: MonkeyPatch) -> None:
    original = NextSends._leaving_out

    def leaving_out(self: NextSends, piece: Piece, batch: Any, count: int, numbers_min: int) -> Any:
        return (count, ()) if piece.job.moved is not None else original(self, piece, batch, count, numbers_min)

    patch.setattr(NextSends, "_leaving_out", leaving_out)


def recipients_move_though_their_campaign_is_outside_its_hours(patch: MonkeyPatch) -> None:
    original = LaneMoves.of

    def of(self: LaneMoves, lane: AccountLane, now_s: float, now_ms: int) -> Iterator[Effect]:
        yield from original(self, lane, now_s, now_ms + 120_000)

    patch.setattr(LaneMoves, "of", of)


def who_moved_is_not_held_against_the_budget(patch: MonkeyPatch) -> None:
    covers, most = LaneBudgets.covers, LaneBudgets.most

    def covers_all(self: LaneBudgets, lane: Any, now_ms: int, campaign: Any, piece: Piece, batch: Any) -> bool:
        return piece.job.moved is not None or covers(self, lane, now_ms, campaign, piece, batch)

    def most_of_all(self: LaneBudgets, lane: Any, campaign: Any, piece: Piece, *of: Any) -> int:
        if piece.job.moved is not None:
            count: int = of[1]
            return min(count, piece.end - piece.start)
        return most(self, lane, campaign, piece, *of)

    patch.setattr(LaneBudgets, "covers", covers_all)
    patch.setattr(LaneBudgets, "most", most_of_all)


def what_a_stopped_account_was_given_stays_there(patch: MonkeyPatch) -> None:
    """Those who moved have no money where they are."""
    original = LaneBudgets._ceded

    def ceded(self: LaneBudgets, lane: AccountLane, *of: Any) -> Iterator[Effect]:
        return iter(()) if lane.standing.stop is not None else original(self, lane, *of)

    patch.setattr(LaneBudgets, "_ceded", ceded)


WITH_OTHERS: Final[tuple[Mutant, ...]] = (
    who_moved_is_texted_though_they_opted_out,
    recipients_move_though_their_campaign_is_outside_its_hours,
    who_moved_is_not_held_against_the_budget,
    what_a_stopped_account_was_given_stays_there,
)
"""Those that only histories with hours, a budget or opt-outs catch."""

OF_THE_JOIN: Final[tuple[Mutant, ...]] = (
    results_read_who_is_announced_before_who_left,
    results_leave_who_moved_at_the_first_account,
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    a_job_is_handed_over_before_its_move_was_read_back,
    a_move_counts_whoever_owns_the_lane,
    what_is_announced_is_moved_too,
    what_is_unknown_is_taken_for_not_sent_and_moved,
    whoever_was_unknown_once_moves_like_the_others,
    a_repeat_is_another_job,
    a_checkpoint_forgets_what_was_taken_over,
    a_checkpoint_forgets_what_is_not_handed_over,
    a_checkpoint_forgets_how_many_jobs_were_moved,
    void_moves_are_numbered_too,
    what_the_log_did_not_confirm_counts_as_handed_over,
    a_repeat_begins_with_the_newest_job,
    recipients_go_back_without_being_told,
    an_account_that_stops_for_a_moment_loses_its_recipients,
    a_move_that_the_log_refused_is_forgotten,
    a_move_in_doubt_is_given_up,
    a_moved_job_waits_behind_later_waves,
)
