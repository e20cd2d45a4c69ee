"""Deliberate mistakes in how a budget is kept. Each breaks a history of tests/simulation/budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.lane import state as lane
from dispatcher.core.lane.budgets import LaneBudgets
from dispatcher.core.lane.effects import Effect
from dispatcher.core.lane.state import Chunk, ChunkState, LaneState
from dispatcher.core.money.budget import Budget
from dispatcher.core.money.costs import Costs
from schemas.records import Budgeted, BudgetShare, Checkpoint, ResolvedAs
from tests.simulation import catching

Mutant = Callable[[MonkeyPatch], None]


def what_is_unknown_is_not_spent(patch: MonkeyPatch) -> None:
    original = LaneState._owned

    def owned(self: LaneState) -> Any:
        for chunk in self.open.values():
            if chunk.state is ChunkState.IN_FLIGHT:
                self._spend(chunk, -chunk.cost_of(chunk.open_ranges))
        return original(self)

    patch.setattr(LaneState, "_owned", owned)


def what_is_sent_again_in_doubt_is_given_back(patch: MonkeyPatch) -> None:
    original = LaneState._moved

    def moved(self: LaneState, chunk: Chunk, ranges: Any, event: Any) -> Any:
        if event is ResolvedAs.RESEND:
            self._spend(chunk, -chunk.cost_of(chunk.open_ranges))
        return original(self, chunk, ranges, event)

    patch.setattr(LaneState, "_moved", moved)


def what_is_announced_is_not_counted(patch: MonkeyPatch) -> None:
    patch.setattr(LaneBudgets, "announced", lambda *_: None)
    patch.setattr(LaneBudgets, "settled", lambda *_: None)


def a_checkpoint_forgets_what_is_spent(patch: MonkeyPatch) -> None:
    original = LaneState.checkpoint

    def checkpoint(self: LaneState, *arguments: Any) -> Checkpoint:
        return msgspec.structs.replace(original(self, *arguments), committed=())

    patch.setattr(LaneState, "checkpoint", checkpoint)


def money_is_ceded_before_the_journal_says_so(patch: MonkeyPatch) -> None:
    original = LaneBudgets._cede

    def cede(self: LaneBudgets, key: Any, amount: int, *times: Any) -> Any:
        self._state.ceded[key] = amount
        return original(self, key, amount, *times)

    patch.setattr(LaneBudgets, "_cede", cede)


def a_share_that_is_told_twice_counts_twice(patch: MonkeyPatch) -> None:
    original = Budget.apply

    def apply(self: Budget, record: Budgeted | BudgetShare) -> None:
        if isinstance(record, BudgetShare) and record.account in self.allotted:
            self.reserve += min(record.ceded, self.ceded(record.account))
        original(self, record)

    patch.setattr(Budget, "apply", apply)


def the_part_that_costs_too_much_is_still_sent(patch: MonkeyPatch) -> None:
    original = Costs.affordable

    def affordable(self: Costs, start: int, count: int, amount: int) -> int:
        return min(count, original(self, start, count, amount) + 1)

    patch.setattr(Costs, "affordable", affordable)


def what_is_left_is_never_ceded(patch: MonkeyPatch) -> None:
    def nothing(*_: Any) -> Iterator[Effect]:
        yield from ()

    patch.setattr(LaneBudgets, "_ceded", nothing)


def what_was_refused_stays_spent(patch: MonkeyPatch) -> None:
    patch.setattr(lane, "_NOT_CHARGED", ())


MUTANTS: Final[tuple[Mutant, ...]] = (
    what_is_unknown_is_not_spent,
    what_is_sent_again_in_doubt_is_given_back,
    what_is_announced_is_not_counted,
    a_checkpoint_forgets_what_is_spent,
    money_is_ceded_before_the_journal_says_so,
    a_share_that_is_told_twice_counts_twice,
    the_part_that_costs_too_much_is_still_sent,
    what_is_left_is_never_ceded,
    what_was_refused_stays_spent,
)


def seeds_of(mutant: Mutant) -> list[int]:
    """The histories to look for it in."""
    return catching.seeds_of(mutant, lambda seed: True)
