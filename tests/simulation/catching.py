"""Which history catches a deliberate mistake in the code: what all searches for mutants share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

SEEDS_MAX: Final = 500
"""A rare mistake needs this many histories to show."""

CAUGHT_AT: Final = {
    "a_moved_job_waits_behind_later_waves": 57,
    "intents_void_behind_a_newer_owned_are_acted_on": 17,
    "a_newer_owned_is_ignored": 28,
    "the_time_to_live_is_not_checked": 1,
    "a_checkpoint_forgets_an_open_range": 19,
    "a_checkpoint_forgets_returned_slices": 13,
    "a_recovered_job_begins_a_chunk_too_early": 9,
    "a_cancelled_campaign_is_forgotten_with_an_intent_on_its_way": 89,
    "a_refused_intent_goes_back_twice": 48,
    "no_answer_counts_as_not_sent": 6,
    "a_resend_is_never_done": 6,
    "pacing_is_not_seeded_after_recovery": 66,
    "weights_are_ignored": 58,
    "weight_changes_are_ignored": 58,
    "who_was_idle_catches_up": 9,
    "what_is_ready_and_urgent_always_goes_first": 173,
    "who_becomes_urgent_keeps_the_clock_it_had": 51,
    "an_empty_balance_does_not_stop_the_lane": 18,
    "what_was_spent_since_is_forgotten": 26,
    "what_was_under_way_when_it_was_asked_is_forgotten": 26,
    "everybody_at_the_gate_goes_at_once": 49,
    "the_last_at_the_gate_goes_first": 102,
    "a_place_is_counted_from_when_building_began": 49,
    "a_new_owner_does_not_know_how_long_intents_live": 320,
    "an_answer_counts_only_for_what_was_due": 38,
    "an_earlier_attempt_may_have_been_to_somebody_else": 241,
    "attempts_of_the_same_recipients_are_rivals": 36,
    "a_long_text_is_billed_as_one": 23,
    "a_run_begins_a_recipient_too_late": 46,
    "a_run_moves_its_chunk_up_to_its_end": 27,
    "a_late_run_overwrites_a_definite_one": 126,
    "a_checkpoint_forgets_which_recipients_are_open": 41,
    "a_new_owner_calls_the_whole_chunk_unknown": 111,
    "a_chunk_of_which_something_was_not_sent_was_not_sent": 27,
    "an_answer_for_one_recipient_is_one_for_those_behind_it": 27,
    "an_answer_is_about_the_recipient_at_its_place_in_the_request": 219,
    "a_proof_of_one_recipient_is_one_of_its_whole_chunk": 41,
    "a_resolution_of_some_recipients_is_one_of_the_others_too": 41,
    "who_was_proven_to_be_texted_is_sent_again": 55,
    "what_is_built_already_is_let_out": 37,
    "two_trials_at_a_time": 37,
    "an_answer_does_not_end_a_row_of_troubles": 31,
    "a_web_server_s_refusal_fails_recipients": 69,
    "a_web_server_s_refusals_stop_no_account": 69,
    "a_new_owner_forgets_what_stopped_the_account": 8,
    "what_keeps_an_account_from_sending_is_told_to_nobody": 55,
    "closing_is_not_checked_at_the_gate": 218,
    "a_report_before_its_outcome_is_dropped": 6,
    "the_joiner_believes_a_deposed_owner": 14,
    "a_new_owner_does_not_know_the_waves_of_its_jobs": 122,
    "a_frame_is_sent_again_on_another_connection": 3,
    "a_late_answer_is_about_the_first_recipient": 193,
    "the_unknown_of_a_broken_link_returns_to_the_queue": 11,
    "what_had_no_answer_in_time_returns_to_the_queue": 11,
    "the_first_number_of_a_group_alone_is_marked": 73,
    "marks_are_written_after_the_write": 73,
    "money_is_ceded_before_the_journal_says_so": 205,
    "a_slice_given_back_is_queued_twice": 9,
    "a_chunk_with_a_run_to_send_again_is_sent_again": 55,
    "a_trial_goes_to_as_many_as_any_request": 4,
    "what_pauses_at_closing_continues_at_the_next_opening": 53,
    "a_place_is_taken_before_the_request_is_built": 12,
    "a_paused_campaign_is_granted_on": 80,
    "who_left_a_chunk_stays_in_it": 134,
    "every_opening_is_a_session_of_its_own": 53,
    "a_run_is_taken_for_its_whole_chunk": 27,
    "a_deposed_owner_grants_on": 16,
    "the_time_to_live_does_not_grow": 51,
    "a_run_comes_back_from_the_beginning_of_its_chunk": 41,
    "a_checkpoint_forgets_what_repeats_a_key": 2,
    "a_request_has_a_number_twice": 5,
    "what_is_read_behind_a_gap_is_taken_to_follow": 2,
    "an_opt_out_does_not_reach_streams": 3,
    "recipients_move_though_their_campaign_is_outside_its_hours": 103,
    "who_moved_is_not_held_against_the_budget": 27,
    "what_a_stopped_account_was_given_stays_there": 49,
    "the_time_is_not_judged_at_the_gate": 9,
    "a_segment_that_is_over_and_grows_is_forgotten": 3,
    "a_message_costs_what_the_first_one_of_its_append_costs": 36,
    "a_deposed_owner_settles_what_a_newer_one_announced": 114,
    "a_busy_vendor_fails_recipients": 71,
    "a_new_owner_forgets_who_was_left_out": 47,
    "pauses_do_not_grow": 37,
    "an_account_that_is_held_back_is_never_tried": 7,
    "who_waits_at_the_gate_is_not_told_to_go": 3,
}
"""A short history that caught each of the rarer ones last, by the mutant's name: `make mutants` finds another one.

An old entry costs time, nothing else.
"""

DOES_NOT_FIT: Final = (TypeError, AttributeError, NameError, ImportError)
"""What a mutant raises that was made for other code: it proves nothing."""


def seeds_of(mutant: Callable[..., Any], contains: Callable[[int], bool]) -> list[int]:
    """The histories to look for it in: the one that caught it, then those that contain what it breaks, then others."""
    caught_at = CAUGHT_AT.get(mutant.__name__)
    return sorted(range(SEEDS_MAX), key=lambda seed: (seed != caught_at, not contains(seed)))


def catches(play: Callable[[], object]) -> bool:
    """Whether this history breaks a guarantee. Raises what it raises if the mutant does not fit the code any more."""
    try:
        play()
    except Exception as error:
        if isinstance(error, DOES_NOT_FIT) or isinstance(error.__cause__, DOES_NOT_FIT):
            raise
        return True
    return False
