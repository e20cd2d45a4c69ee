"""Random histories of drafts keep their rules; with a deliberate mistake in a rule some history shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dispatcher.core import campaigns, drafts
from dispatcher.core.campaigns import Campaign
from dispatcher.core.drafts import Draft
from dispatcher.log.port import Entry
from schemas.records import Scheduled
from tests.simulation import drafting
from tests.simulation.drafting import RuleBroken, play

HISTORIES = 800


def test_in_random_histories_a_draft_is_launched_as_it_is_once_and_only_if_it_may_be() -> None:
    launched = sum(play(seed) for seed in range(HISTORIES))
    assert HISTORIES // 10 < launched < HISTORIES


def a_replaced_draft_is_launched(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Campaign, "may_be_launched_as", lambda self, revision: not self.cancelled)


def a_cancelled_draft_is_launched(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Campaign, "may_be_launched_as", lambda self, revision: revision == self.revision)


def a_move_leaves_the_revision(patch: pytest.MonkeyPatch) -> None:
    original = campaigns.Campaigns.apply

    def apply(self: Any, offset: int, record: Any) -> str | None:
        before = self.by_id["may"].revision if "may" in self.by_id else ""
        changed = original(self, offset, record)
        if isinstance(record, Scheduled):
            self.by_id["may"].revision = before
        return changed

    patch.setattr(campaigns.Campaigns, "apply", apply)


def an_approval_holds_for_any_content(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Draft, "approved_by", property(lambda self: self.approved.by if self.approved else ""))


def an_approval_is_not_bound_to_the_list(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(drafts, "content", lambda drafted: drafted.text)


def no_approval_is_needed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Draft, "lacks_approval", lambda self, above: False)


def it_starts_outside_its_hours(patch: pytest.MonkeyPatch) -> None:
    def starts_ms(draft: Draft, revision: str, above: int | None, now_ms: int, *, cancelled: bool) -> int | None:
        waits = drafts.status(draft, revision, above, cancelled=cancelled) != "scheduled"
        return None if waits else max(draft.start_ms, now_ms)

    patch.setattr(drafts, "starts_ms", starts_ms)


def it_starts_before_its_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Draft, "start_ms", property(lambda self: min(self.scheduled.start_ms, 1) if self.scheduled else 0))


def compaction_drops_a_schedule(patch: pytest.MonkeyPatch) -> None:
    _with_key(patch, "schedule_entry", b"may!schedule")


def compaction_drops_a_draft(patch: pytest.MonkeyPatch) -> None:
    _with_key(patch, "draft_entry", b"may!draft")


def compaction_moves_a_cancellation(patch: pytest.MonkeyPatch) -> None:
    _with_key(patch, "cancel_entry", b"may!cancelled")


def _with_key(patch: pytest.MonkeyPatch, name: str, key: bytes) -> None:
    original = getattr(drafting, name)
    patch.setattr(drafting, name, lambda *arguments: Entry(key, original(*arguments).value))


MUTANTS: list[Callable[[pytest.MonkeyPatch], None]] = [
    a_replaced_draft_is_launched,
    a_cancelled_draft_is_launched,
    a_move_leaves_the_revision,
    an_approval_holds_for_any_content,
    an_approval_is_not_bound_to_the_list,
    no_approval_is_needed,
    it_starts_outside_its_hours,
    it_starts_before_its_time,
    compaction_drops_a_schedule,
    compaction_drops_a_draft,
    compaction_moves_a_cancellation,
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mistake_in_a_rule_is_found(monkeypatch: pytest.MonkeyPatch, mutant: Any) -> None:
    mutant(monkeypatch)
    with pytest.raises(RuleBroken):
        for seed in range(20 * HISTORIES):
            play(seed)
