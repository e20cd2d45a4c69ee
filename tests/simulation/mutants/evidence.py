"""Deliberate mistakes in what reports prove of unknown chunks; each is caught by some history (test_histories.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.results.evidence import Candidate, Search, UnexplainedId
from dispatcher.core.results.history import HistoryTarget
from dispatcher.core.results.history_looks import HistoryLooks, Look, Spoken


def attempts_of_the_same_recipients_are_rivals(patch: MonkeyPatch) -> None:
    original = Search._proven

    def proven(self: Search, of: UnexplainedId, holders: Sequence[Candidate]) -> list[Candidate]:
        return original(self, of, holders) if len(holders) == 1 else []

    patch.setattr(Search, "_proven", proven)


def an_id_proves_all_that_is_unknown_of_its_batch(patch: MonkeyPatch) -> None:
    def proven(self: Search, of: UnexplainedId, holders: Sequence[Candidate]) -> list[Candidate]:
        return self._unknown.get(holders[0].batch, []) if holders else []

    patch.setattr(Search, "_proven", proven)


def an_answer_counts_only_for_what_was_due(patch: MonkeyPatch) -> None:
    original = HistoryLooks.spoken

    def spoken(self: HistoryLooks, look: Look, upto_ms: int) -> list[Spoken]:
        return [each for each in original(self, look, upto_ms) if each.due]

    patch.setattr(HistoryLooks, "spoken", spoken)


def an_earlier_attempt_may_have_been_to_somebody_else(patch: MonkeyPatch) -> None:
    patch.setattr(HistoryTarget, "is_again", lambda self, other: False)


EVIDENCE_MUTANTS: Final = (
    an_answer_counts_only_for_what_was_due,
    an_earlier_attempt_may_have_been_to_somebody_else,
    attempts_of_the_same_recipients_are_rivals,
    an_id_proves_all_that_is_unknown_of_its_batch,
)
