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
from tests.simulation import catching
from tests.simulation.history import WAR_S, credit_of, is_hurried
from tests.simulation.judging.evidence import is_searched
from tests.simulation.judging.recall import remembers
from tests.simulation.mutants.account_states import STANDING_MUTANTS
from tests.simulation.mutants.evidence import (
    EVIDENCE_MUTANTS,
    an_answer_counts_only_for_what_was_due,
    an_earlier_attempt_may_have_been_to_somebody_else,
)
from tests.simulation.mutants.flow import (
    BALANCE_MUTANTS,
    FLOW_MUTANTS,
    what_is_ready_and_urgent_always_goes_first,
    who_becomes_urgent_keeps_the_clock_it_had,
)
from tests.simulation.mutants.gate import (
    GATE_MUTANTS,
    a_new_owner_does_not_know_how_long_intents_live,
    the_last_at_the_gate_goes_first,
    the_time_to_live_does_not_grow,
)
from tests.simulation.mutants.lane import (
    LANE_MUTANTS,
    a_cancelled_campaign_is_forgotten_with_an_intent_on_its_way,
    a_job_remembers_a_cursor_not_ranges,
    policy_resend_does_not_wait,
)
from tests.simulation.mutants.opt_outs import (
    OPT_OUT_MUTANTS,
    who_is_suppressed_counts_as_queued,
)
from tests.simulation.mutants.personal import PERSONAL_MUTANTS
from tests.simulation.mutants.runs import RUNS_MUTANTS
from tests.simulation.mutants.schedules import SCHEDULE_MUTANTS
from tests.simulation.mutants.waves import WAVE_MUTANTS
from tests.simulation.opt_outs import opts_out
from tests.simulation.personal import runs_of
from tests.simulation.schedules import has_hours
from tests.simulation.waves import has_waves
from tests.simulation.world.outages import outages_of
from tests.simulation.world.sim_log import FAULTS, faults_of
from tests.simulation.world.sim_vendor import in_runs
from tests.simulation.world.slowness import slowness_of

Mutant = Callable[[MonkeyPatch], None]


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
    who_is_suppressed_counts_as_queued,
)
MUTANTS: Final[tuple[Mutant, ...]] = (
    *LANE_MUTANTS,
    *FLOW_MUTANTS,
    *GATE_MUTANTS,
    *EVIDENCE_MUTANTS,
    *PERSONAL_MUTANTS,
    *RUNS_MUTANTS,
    *WAVE_MUTANTS,
    *OPT_OUT_MUTANTS,
    *STANDING_MUTANTS,
    *SCHEDULE_MUTANTS,
    *JOIN_MUTANTS,
)


def seeds_of(mutant: Mutant) -> list[int]:
    """The histories to look for it in."""
    return catching.seeds_of(mutant, TELLING.get(mutant, _is_plain))


def _is_slow(seed: int) -> bool:
    return slowness_of(seed).all_s > 0.1


def _is_long(seed: int) -> bool:
    return slowness_of(seed).is_long


def _has_outages(seed: int) -> bool:
    return bool(outages_of(seed, WAR_S)) and not _is_slow(seed)


def _is_personal(seed: int) -> bool:
    return any(runs_of(seed, 4))


def _has_runs(seed: int) -> bool:
    return in_runs(seed) and not remembers(seed)


def _is_torn(seed: int) -> bool:
    return faults_of(seed) == max(FAULTS)


def _is_poor(seed: int) -> bool:
    return credit_of(seed) is not None


def _is_plain(seed: int) -> bool:
    return not (_is_slow(seed) or outages_of(seed, WAR_S))


TELLING: Final[dict[Mutant, Callable[[int], bool]]] = {
    **dict.fromkeys(GATE_MUTANTS, _is_slow),
    **dict.fromkeys(EVIDENCE_MUTANTS, is_searched),
    **dict.fromkeys(PERSONAL_MUTANTS, _is_personal),
    **dict.fromkeys(RUNS_MUTANTS, _has_runs),
    **dict.fromkeys(WAVE_MUTANTS, has_waves),
    **dict.fromkeys((*OPT_OUT_MUTANTS, who_is_suppressed_counts_as_queued), opts_out),
    **dict.fromkeys(STANDING_MUTANTS, _has_outages),
    **dict.fromkeys(SCHEDULE_MUTANTS, has_hours),
    **dict.fromkeys(BALANCE_MUTANTS, _is_poor),
    what_is_ready_and_urgent_always_goes_first: lambda seed: is_hurried(seed) and _is_slow(seed),
    who_becomes_urgent_keeps_the_clock_it_had: is_hurried,
    policy_resend_does_not_wait: _is_long,
    an_answer_counts_only_for_what_was_due: remembers,
    an_earlier_attempt_may_have_been_to_somebody_else: remembers,
    the_last_at_the_gate_goes_first: lambda seed: is_hurried(seed) and _is_slow(seed),
    the_time_to_live_does_not_grow: _is_long,
    a_new_owner_does_not_know_how_long_intents_live: _is_long,
    a_job_remembers_a_cursor_not_ranges: _is_torn,
    a_cancelled_campaign_is_forgotten_with_an_intent_on_its_way: _is_torn,
}
"""What a history must contain to show a mistake; without an entry: neither outages nor slow steps."""
