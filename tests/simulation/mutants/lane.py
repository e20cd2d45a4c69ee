"""Deliberate mistakes in what is sent, and whether: the fold, the owner, the jobs, the checkpoints, the unknowns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import Any, Final

import msgspec
from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.lane import state as lane
from dispatcher.core.lane import work
from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.admission import Admission
from dispatcher.core.lane.answers import policy
from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.core.lane.effects import Append, Effect
from dispatcher.core.lane.next_sends import NextSends
from dispatcher.core.lane.owner import Owner
from dispatcher.core.lane.state import Change, Chunk, ChunkState, LaneState, OpenJob
from dispatcher.core.lane.unknowns import Unknowns
from schemas import records
from schemas.records import Checkpoint, Intent, Outcome, Slice


def intents_void_behind_a_newer_owned_are_acted_on(patch: MonkeyPatch) -> None:
    original = Owner.journal_read

    def journal_read(self: Owner, offset: int, record: Any, now_s: float, now_ms: int) -> None:
        original(self, offset, record, now_s, now_ms)
        if isinstance(record, Intent) and record.owner == self.settings.owner and self.deposed:
            chunk = Chunk(
                offset, record.account, record.campaign, record.job, record.batch, record.start, record.count,
                record.attempt, record.strikes, ChunkState.IN_FLIGHT, record.n,
            )  # fmt: skip
            _blind(Owner._intent_read)(self, chunk, now_s)

    patch.setattr(Owner, "journal_read", journal_read)
    _goes_on_when_deposed(patch, "poll", "may_write")


def a_newer_owned_is_ignored(patch: MonkeyPatch) -> None:
    original = Owner._owned_read

    def owned_read(self: Owner, offset: int, record: Any, now_s: float, now_ms: int) -> None:
        if self.in_charge and record.owner != self.settings.owner:
            self.state.position = offset + 1
        else:
            original(self, offset, record, now_s, now_ms)

    patch.setattr(Owner, "_owned_read", owned_read)


def unknown_chunks_are_sent_again_by_a_new_owner(patch: MonkeyPatch) -> None:
    original = LaneState._owned

    def owned(self: LaneState) -> Change:
        original(self)
        for chunk in list(self.open.values()):
            del self.open[chunk.intent]
            job = self.jobs[chunk.job]
            job.open -= 1
            job.returned.append(Slice(chunk.start, chunk.count, chunk.attempt + 1))
        return lane.NOTHING

    patch.setattr(LaneState, "_owned", owned)


def no_answer_counts_as_not_sent(patch: MonkeyPatch) -> None:
    queued = msgspec.structs.replace(policy.POLICY[Kind.UNKNOWN], effect=records.Effect.QUEUED)
    patch.setitem(policy.POLICY, Kind.UNKNOWN, queued)


def the_time_to_live_is_not_checked(patch: MonkeyPatch) -> None:
    original = Owner._intent_read

    def intent_read(self: Owner, chunk: Chunk, now_s: float) -> None:
        original(self, chunk, now_s)
        for ready in self.lanes[chunk.account].ready:
            ready.ttl_s = float("inf")

    patch.setattr(Owner, "_intent_read", intent_read)


def pause_and_cancel_are_not_seen(patch: MonkeyPatch) -> None:
    patch.setattr(Campaign, "sends", property(lambda self: self.launched is not None))


def an_outcome_is_written_before_the_answer_is_read(patch: MonkeyPatch) -> None:
    original = NextSends._sent

    def sent(self: NextSends, lane: AccountLane, now_s: float, now_ms: int) -> Iterator[Effect]:
        before = set(lane.sending)
        yield from original(self, lane, now_s, now_ms)
        for intent in set(lane.sending) - before:
            yield Append(
                Outcome(
                    account=lane.spec.account,
                    intent=intent,
                    effect=records.Effect.ACCEPTED,
                    kind=Kind.ACCEPTED,
                    code="",
                    at_ms=0,
                )
            )

    patch.setattr(NextSends, "_sent", sent)


def a_checkpoint_forgets_an_open_range(patch: MonkeyPatch) -> None:
    mutated_checkpoint(patch, lambda c: {"open": c.open[1:]})


def a_checkpoint_forgets_returned_slices(patch: MonkeyPatch) -> None:
    def without(checkpoint: Checkpoint) -> dict[str, Any]:
        return {"jobs": tuple(msgspec.structs.replace(job, returned=()) for job in checkpoint.jobs)}

    mutated_checkpoint(patch, without)


def a_checkpoint_forgets_which_jobs_were_taken(patch: MonkeyPatch) -> None:
    mutated_checkpoint(patch, lambda c: {"taken": ()})


def a_checkpoint_says_it_is_newer_than_it_is(patch: MonkeyPatch) -> None:
    mutated_checkpoint(patch, lambda c: {"upto": c.upto + 2})


def a_recovered_job_begins_a_chunk_too_early(patch: MonkeyPatch) -> None:
    original = OpenJob.untaken

    def untaken(self: OpenJob) -> Any:
        for start, end in original(self):
            yield max(0, start - 10), end

    patch.setattr(OpenJob, "untaken", untaken)
    patch.setattr(OpenJob, "take", lambda self, start, end: bool(self.taken.append((start, end))) or True)


def a_recovered_job_begins_a_recipient_too_late(patch: MonkeyPatch) -> None:
    original = OpenJob.untaken
    patch.setattr(
        OpenJob, "untaken", lambda self: ((start + 1, end) for start, end in original(self) if start + 1 < end)
    )


def a_job_in_the_inbox_twice_is_sent_twice(patch: MonkeyPatch) -> None:
    def take_job(self: LaneState, offset: int, job: Any) -> OpenJob | None:
        if offset < self.inbox:
            return None
        self.inbox = offset + 1
        self.taken[job.account, job.campaign, job.attempt] = job.number + 1
        known = self.jobs.setdefault(offset, OpenJob(offset, job, [], []))
        known.job = job
        return known

    patch.setattr(LaneState, "take_job", take_job)


def jobs_of_an_attempt_that_crashed_are_sent(patch: MonkeyPatch) -> None:
    original = Campaigns.counts
    patch.setattr(Campaigns, "counts", lambda self, c, a: None if original(self, c, a) is None else True)


def jobs_are_sent_before_their_campaign_is_launched(patch: MonkeyPatch) -> None:
    patch.setattr(Campaigns, "counts", lambda self, campaign, attempt: True)
    patch.setattr(Campaign, "sends", property(lambda self: not self.paused and not self.cancelled))


def the_last_launched_wins_not_the_first(patch: MonkeyPatch) -> None:
    original = Campaigns.apply

    def apply(self: Campaigns, offset: int, record: Any) -> str | None:
        known = self.by_id.get(getattr(record, "campaign", ""))
        if known is not None and type(record).__name__ == "Launched":
            known.launched = None
        return original(self, offset, record)

    patch.setattr(Campaigns, "apply", apply)


def a_slice_given_back_is_queued_twice(patch: MonkeyPatch) -> None:
    original = work.CampaignWork.give_back

    def give_back(self: Any, job_offset: int, job: Any, piece: Slice, wait: Any) -> None:
        original(self, job_offset, job, piece, wait)
        original(self, job_offset, job, piece, wait)

    patch.setattr(work.CampaignWork, "give_back", give_back)
    patch.setattr(lane, "_take_back", lambda *_: None)


def policy_resend_does_not_wait(patch: MonkeyPatch) -> None:
    original = Unknowns.became_unknown

    def became_unknown(self: Unknowns, chunk: Chunk, now_s: float, now_ms: int, request_s: float) -> None:
        original(self, chunk, now_s, now_ms, request_s)
        for pending in self._waiting.get(chunk.intent, {}).values():
            pending.at_s = now_s

    patch.setattr(Unknowns, "became_unknown", became_unknown)


def a_resend_is_never_done(patch: MonkeyPatch) -> None:
    patch.setattr(Owner, "_became_unknown", lambda self, chunk, now_s, now_ms: None)


def a_returned_slice_is_forgotten(patch: MonkeyPatch) -> None:
    patch.setattr(work.CampaignWork, "give_back", lambda self, *_: None)


def a_job_remembers_a_cursor_not_ranges(patch: MonkeyPatch) -> None:
    def take(self: OpenJob, start: int, end: int) -> bool:
        assert self.job is None or start == (self.taken[0][1] if self.taken else self.job.start)
        self.taken[:] = [(self.taken[0][0] if self.taken else start, end)]
        return True

    patch.setattr(OpenJob, "take", take)


def a_cancelled_campaign_is_forgotten_with_an_intent_on_its_way(patch: MonkeyPatch) -> None:
    def forget_cancelled(self: Admission, moving: Set[int] = frozenset()) -> list[int]:
        for offset, job in list(self._state.jobs.items()):
            campaign = self._campaigns.get(job.job.campaign) if job.job is not None else None
            if campaign is not None and campaign.cancelled and job.open == 0:
                self._state.drop_job(offset)
        return []

    patch.setattr(Admission, "forget_cancelled", forget_cancelled)


def a_refused_intent_goes_back_twice(patch: MonkeyPatch) -> None:
    original = work.CampaignWork.put_back

    def put_back(self: Any, piece: Any) -> None:
        original(self, msgspec.structs.replace(piece))
        self.fresh.append(msgspec.structs.replace(piece))

    patch.setattr(work.CampaignWork, "put_back", put_back)


LANE_MUTANTS: Final = (
    intents_void_behind_a_newer_owned_are_acted_on,
    a_newer_owned_is_ignored,
    unknown_chunks_are_sent_again_by_a_new_owner,
    no_answer_counts_as_not_sent,
    the_time_to_live_is_not_checked,
    pause_and_cancel_are_not_seen,
    an_outcome_is_written_before_the_answer_is_read,
    a_checkpoint_forgets_an_open_range,
    a_checkpoint_forgets_returned_slices,
    a_checkpoint_forgets_which_jobs_were_taken,
    a_checkpoint_says_it_is_newer_than_it_is,
    a_recovered_job_begins_a_chunk_too_early,
    a_recovered_job_begins_a_recipient_too_late,
    a_job_in_the_inbox_twice_is_sent_twice,
    jobs_of_an_attempt_that_crashed_are_sent,
    jobs_are_sent_before_their_campaign_is_launched,
    the_last_launched_wins_not_the_first,
    a_slice_given_back_is_queued_twice,
    policy_resend_does_not_wait,
    a_resend_is_never_done,
    a_returned_slice_is_forgotten,
    a_job_remembers_a_cursor_not_ranges,
    a_cancelled_campaign_is_forgotten_with_an_intent_on_its_way,
    a_refused_intent_goes_back_twice,
)


def _goes_on_when_deposed(patch: MonkeyPatch, *methods: str) -> None:
    for method in methods:
        patch.setattr(Owner, method, _blind(getattr(Owner, method)))


def _blind(original: Callable[..., Any]) -> Callable[..., Any]:
    def blind(self: Owner, *arguments: Any) -> Any:
        was, self.deposed = self.deposed, False
        try:
            return original(self, *arguments)
        finally:
            self.deposed = was

    return blind


def mutated_checkpoint(patch: MonkeyPatch, change: Callable[[Checkpoint], dict[str, Any]]) -> None:
    original = LaneState.checkpoint

    def checkpoint(self: LaneState, name: str, at_ms: int) -> Checkpoint:
        made = original(self, name, at_ms)
        return msgspec.structs.replace(made, **change(made))

    patch.setattr(LaneState, "checkpoint", checkpoint)
