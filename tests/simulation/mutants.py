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
from tests.simulation.evidence import is_searched
from tests.simulation.history import WAR_S, credit_of, is_hurried
from tests.simulation.mutants_account_states import STANDING_MUTANTS
from tests.simulation.mutants_evidence import (
    EVIDENCE_MUTANTS,
    an_answer_counts_only_for_what_was_due,
    an_earlier_attempt_may_have_been_to_somebody_else,
)
from tests.simulation.mutants_flow import (
    BALANCE_MUTANTS,
    FLOW_MUTANTS,
    what_is_ready_and_urgent_always_goes_first,
    who_becomes_urgent_keeps_the_clock_it_had,
)
from tests.simulation.mutants_gate import (
    GATE_MUTANTS,
    a_new_owner_does_not_know_how_long_intents_live,
    the_last_at_the_gate_goes_first,
    the_time_to_live_does_not_grow,
)
from tests.simulation.mutants_lane import (
    LANE_MUTANTS,
    a_cancelled_campaign_is_forgotten_with_an_intent_on_its_way,
    a_job_remembers_a_cursor_not_ranges,
    policy_resend_does_not_wait,
)
from tests.simulation.mutants_opt_outs import (
    OPT_OUT_MUTANTS,
    who_is_suppressed_counts_as_queued,
)
from tests.simulation.mutants_personal import PERSONAL_MUTANTS
from tests.simulation.mutants_runs import RUNS_MUTANTS
from tests.simulation.mutants_schedules import SCHEDULE_MUTANTS
from tests.simulation.mutants_waves import WAVE_MUTANTS
from tests.simulation.opt_outs import opts_out
from tests.simulation.outages import outages_of
from tests.simulation.personal import runs_of
from tests.simulation.recall import remembers
from tests.simulation.schedules import has_hours
from tests.simulation.sim_log import FAULTS, faults_of
from tests.simulation.sim_vendor import in_runs
from tests.simulation.slowness import slowness_of
from tests.simulation.waves import has_waves

Mutant = Callable[[MonkeyPatch], None]


MUTANT_SEEDS_MAX: Final = 500
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


CAUGHT_AT: Final = {
    "intents_void_behind_a_newer_owned_are_acted_on": 17,
    "a_newer_owned_is_ignored": 3,
    "the_time_to_live_is_not_checked": 1,
    "a_checkpoint_forgets_returned_slices": 13,
    "a_recovered_job_begins_a_chunk_too_early": 9,
    "a_cancelled_campaign_is_forgotten_with_an_intent_on_its_way": 89,
    "a_refused_intent_goes_back_twice": 48,
    "pacing_is_not_seeded_after_recovery": 66,
    "weights_are_ignored": 9,
    "weight_changes_are_ignored": 58,
    "who_was_idle_catches_up": 9,
    "what_is_ready_and_urgent_always_goes_first": 173,
    "who_becomes_urgent_keeps_the_clock_it_had": 382,
    "an_empty_balance_does_not_stop_the_lane": 18,
    "what_was_spent_since_is_forgotten": 26,
    "what_was_under_way_when_it_was_asked_is_forgotten": 26,
    "everybody_at_the_gate_goes_at_once": 49,
    "the_last_at_the_gate_goes_first": 173,
    "a_place_is_counted_from_when_building_began": 49,
    "a_new_owner_does_not_know_how_long_intents_live": 320,
    "an_answer_counts_only_for_what_was_due": 38,
    "an_earlier_attempt_may_have_been_to_somebody_else": 241,
    "attempts_of_the_same_recipients_are_rivals": 7,
    "a_long_text_is_billed_as_one": 23,
    "a_run_moves_its_chunk_up_to_its_end": 27,
    "a_late_run_overwrites_a_definite_one": 99,
    "a_checkpoint_forgets_which_recipients_are_open": 41,
    "a_new_owner_calls_the_whole_chunk_unknown": 81,
    "a_chunk_of_which_something_was_not_sent_was_not_sent": 27,
    "an_answer_for_one_recipient_is_one_for_those_behind_it": 27,
    "a_proof_of_one_recipient_is_one_of_its_whole_chunk": 41,
    "a_resolution_of_some_recipients_is_one_of_the_others_too": 27,
    "who_was_proven_to_be_texted_is_sent_again": 55,
    "what_is_built_already_is_let_out": 37,
    "two_trials_at_a_time": 37,
    "an_answer_does_not_end_a_row_of_troubles": 18,
    "a_web_server_s_refusal_fails_recipients": 69,
    "a_web_server_s_refusals_stop_no_account": 69,
    "a_new_owner_forgets_what_stopped_the_account": 8,
    "what_keeps_an_account_from_sending_is_told_to_nobody": 55,
    "closing_is_not_checked_at_the_gate": 218,
    "the_joiner_believes_a_deposed_owner": 14,
    "a_new_owner_does_not_know_the_waves_of_its_jobs": 122,
}
"""The histories that caught the rarer ones last: `make mutants` says them. An old entry costs time, nothing else."""


def seeds_of(mutant: Mutant) -> list[int]:
    """The histories to look for it in: the one that caught it, then those that contain what it breaks, then others."""
    contains, caught_at = TELLING.get(mutant, _is_plain), CAUGHT_AT.get(mutant.__name__)
    return sorted(range(MUTANT_SEEDS_MAX), key=lambda seed: (seed != caught_at, not contains(seed)))


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
