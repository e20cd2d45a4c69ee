"""Deliberate mistakes in the code that ships, each of which the simulation must catch: proof that it can fail.

A mutant is a function that changes the code under a pytest MonkeyPatch; `make mutants` plays seeds until it is caught.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.ownership import Ownership
from dispatcher.core.results import columns as core_join
from dispatcher.store.fold.fold import Fold
from tests.simulation.mutants_evidence import EVIDENCE_MUTANTS
from tests.simulation.mutants_flow import FLOW_MUTANTS
from tests.simulation.mutants_gate import GATE_MUTANTS
from tests.simulation.mutants_lane import LANE_MUTANTS
from tests.simulation.mutants_personal import PERSONAL_MUTANTS
from tests.simulation.mutants_standing import STANDING_MUTANTS

Mutant = Callable[[MonkeyPatch], None]

MUTANT_SEEDS_MAX: Final = 1_500
"""A rare mistake needs this many histories to show."""


def a_report_counts_twice(patch: MonkeyPatch) -> None:
    patch.setattr(core_join, "_first_of_each", lambda positions, size: None)


def a_report_before_its_outcome_is_dropped(patch: MonkeyPatch) -> None:
    patch.setattr(Fold, "parked", lambda self: self.working.save_chunks())


def the_joiner_believes_a_deposed_owner(patch: MonkeyPatch) -> None:
    patch.setattr(Ownership, "valid", lambda self, record: True)


JOIN_MUTANTS: Final[tuple[Mutant, ...]] = (
    a_report_counts_twice,
    a_report_before_its_outcome_is_dropped,
    the_joiner_believes_a_deposed_owner,
)
MUTANTS: Final[tuple[Mutant, ...]] = (
    *LANE_MUTANTS,
    *FLOW_MUTANTS,
    *GATE_MUTANTS,
    *EVIDENCE_MUTANTS,
    *PERSONAL_MUTANTS,
    *STANDING_MUTANTS,
    *JOIN_MUTANTS,
)
