"""The owner of a lane partition: folds what it reads, decides what to do next. Pure; `now_s` is monotonic seconds.

The order that the guarantees depend on (docs/LANE.md, "The lane"): choose a chunk and append its Intent; act on
it only after it was read back behind our own, still newest Owned; build the request and connect; call `may_write` right
before the first byte, which refuses after the time to live (counted from the request to append) and makes the request
wait until the flow limit has a place; append the Outcome. A link calls `grant` instead, for every few messages of a
chunk, and its answer is in runs (Outcomes). Nothing else in the program starts a request.

A shell (consumers/lanes/runner.py; the simulation) feeds it records, answers and the time, and performs its effects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.account import AccountLane, LaneSpec
from dispatcher.core.lane.account_states import AccountEvent
from dispatcher.core.lane.admission import Admission
from dispatcher.core.lane.answers.consequences import Consequences, once, tell
from dispatcher.core.lane.answers.policy import POLICY, found_in_history, noted, row_of
from dispatcher.core.lane.answers.verdict import Kind, RunsAnswer, Verdict
from dispatcher.core.lane.budgets import LaneBudgets
from dispatcher.core.lane.effects import Append, Effect, Go, Point, Tell, Warn
from dispatcher.core.lane.gate import NOTHING_EVER, Grant
from dispatcher.core.lane.moves.decision import LaneMoves
from dispatcher.core.lane.next_sends import NEVER, NextSends, given_up
from dispatcher.core.lane.notices import Notices
from dispatcher.core.lane.requests import Ready, Sending
from dispatcher.core.lane.state import Change, Chunk, ChunkState, LaneState
from dispatcher.core.lane.suppressed import JudgedBatch, Suppressed
from dispatcher.core.lane.unknowns import Unknowns
from dispatcher.core.lane.work import Content, Piece, Wait
from dispatcher.core.streams.messages import AppendedMessages
from schemas.records import (
    AnyRecord,
    Appended,
    Ceded,
    Checked,
    Checkpoint,
    CheckpointAt,
    Decided,
    Intent,
    Job,
    Moved,
    Owned,
    Stop,
    StreamKeys,
    Why,
)

DOUBT_S: Final = 10.0
"""How long after its time to live an uncertain intent is awaited."""

SILENT_S: Final = 600.0
"""How long an intent without any answer from the log is awaited."""


class OwnerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one owner. `checkpoint_every` counts journal records."""

    partition: int
    owner: str
    ttl_s: float = 5.0
    checkpoint_every: int = 2_000


class Owner:
    """One process's attempt at a lane partition. `state` is folded up to the last checkpoint; feed it the rest."""

    def __init__(
        self,
        settings: OwnerSettings,
        specs: Sequence[LaneSpec],
        state: LaneState,
        campaigns: Campaigns,
        now_s: float,
        suppressed: Suppressed | None = None,
    ) -> None:
        """`suppressed` (shared with the shell, as `campaigns`): the suppression list. None: nobody is on it."""
        self.settings = settings
        self.state = state
        self.campaigns = campaigns
        self.unknowns = Unknowns(settings.owner, campaigns)
        self.lanes = {spec.account: AccountLane(spec, campaigns, now_s, settings.ttl_s) for spec in specs}
        self.suppressed = Suppressed(float("inf")) if suppressed is None else suppressed
        self.budgets = LaneBudgets(settings.owner, state, campaigns)
        self.moves = LaneMoves(settings.partition, settings.owner, state, campaigns)
        self.next = NextSends(settings.owner, campaigns, self.suppressed, self.budgets, state.jobs)
        self.in_charge = False
        self.deposed = False
        self.draining = False
        self.wake_s = NEVER
        self._confirmed_s = now_s  # when the newest intent that was read back was asked for
        self._consequences = Consequences()
        self._notices: dict[str, Notices] = {}
        self._admission = Admission(state, campaigns, self.lanes)
        self._last_checkpoint = state.position
        self._unread_ms = 0  # since when the suppression list is not read
        self._pages_asked: set[tuple[str, str, str, int]] = set()  # pages of keys that were appended: stream, first key
        self._out: list[Effect] = []

    # --- what was read ---

    def journal_read(self, offset: int, record: AnyRecord, now_s: float, now_ms: int) -> None:
        """A journal record, in order. Raises LaneBroken."""
        if isinstance(record, Owned):
            self._owned_read(offset, record, now_s, now_ms)
            return
        change = self.state.apply(offset, record)
        if not self.in_charge:
            return
        if isinstance(record, Checkpoint) and record.owner == self.settings.owner and not self.deposed:
            self._out.append(Point(CheckpointAt(partition=self.settings.partition, offset=offset)))
        elif isinstance(record, Intent) and change.chunk is not None:
            self._intent_read(change.chunk, now_s)
        elif isinstance(record, Moved) and change.moved:
            self.moves.read(record)
            if record.job not in self.state.jobs:
                self.next.batches.forget(record.job)
        elif change.chunk is not None:
            self._chunk_moved(change, change.chunk, now_s, now_ms)
        if offset - self._last_checkpoint >= self.settings.checkpoint_every and not self.deposed:
            self._last_checkpoint = offset
            self._out.append(Append(self._checkpoint(now_ms)))

    def inbox_read(
        self, offset: int, record: AnyRecord, now_s: float, now_ms: int, messages: AppendedMessages | None = None
    ) -> None:
        """An inbox record, in order; only after the journal was read up to our own Owned.

        `messages`: of an Appended as this lane sends them; None: they are fetched later.
        """
        match record:
            case Appended():
                self._appended(offset, record, messages)
            case Job():
                job = self.state.take_job(offset, record)
                if job is not None and self.in_charge:
                    self._admission.admit(job.offset)
            case Checked():
                self.state.skip_inbox(offset)
                if record.account in self.lanes:
                    self.lanes[record.account].checked(now_s, now_ms)
            case Decided():
                self.state.skip_inbox(offset)
                self._decided(offset, record, now_s, now_ms)
            case _:
                self.state.skip_inbox(offset)

    def campaign_changed(self, campaign: str) -> None:
        """`campaigns` (shared with the shell) folded a record about this campaign."""
        known = self.campaigns.get(campaign)
        if known is None or not self.in_charge:
            return
        if known.launched is not None:
            self._admission.launched(campaign)
        if known.cancelled:
            for lane in self.lanes.values():
                lane.drop(campaign)

    def _appended(self, offset: int, record: Appended, messages: AppendedMessages | None) -> None:
        growth = self.state.take_appended(offset, record)
        if growth is None or not self.in_charge:
            return
        if growth.sealed is not None:
            self.next.batches.forget(growth.sealed)
        self.next.batches.grew(growth.job.offset, growth.start, messages)
        self._admission.grew(growth)
        of = record.account, record.campaign, record.attempt
        for first, keys, newest_ms in self.state.keys[of].unwritten():
            if (*of, first) not in self._pages_asked and not self.deposed:
                self._pages_asked.add((*of, first))
                names = {"account": record.account, "campaign": record.campaign, "attempt": record.attempt}
                self._out.append(Append(StreamKeys(**names, first=first, keys=keys, newest_ms=newest_ms)))

    def batch_loaded(self, job_offset: int, batch: Content, judged: JudgedBatch | None = None) -> None:
        """The batch requested by Fetch; `judged`: by the suppression list, which takes a while for a large one."""
        self.next.batches.add(job_offset, batch, judged)

    def batch_failed(self, job_offset: int, why: str, now_s: float) -> None:
        """The batch failed; its recipients stay queued, and it is requested again later."""
        self.next.batches.failed(job_offset, now_s)
        job = self.state.jobs.get(job_offset)
        if job is not None and job.job is not None:
            self._out.append(Warn(job.job.account, "batch unreadable", f"{job.job.campaign}/{job.job.batch}: {why}"))

    # --- what happened to appends and requests ---

    def append_refused(self, record: AnyRecord, now_s: float) -> None:
        """The log certainly wrote nothing (full, unreachable before the write): an intent's piece goes back."""
        if isinstance(record, Ceded):
            self.budgets.not_ceded(record)
        if isinstance(record, Moved):
            moving = self.moves.refused(record)
            if moving is not None:
                self.lanes[record.account].work_of(record.campaign).put_back(moving)
        if isinstance(record, StreamKeys):
            self._append_page_again(record)
        if not isinstance(record, Intent):
            return
        lane = self.lanes[record.account]
        proposal = lane.proposed.pop(record.n, None)
        if proposal is None:
            return
        self.budgets.settled(record.account, record.campaign, proposal.cost)
        piece = msgspec.structs.replace(proposal.piece, start=record.start, end=record.start + record.count)
        lane.not_sent(record.campaign, proposal.count, proposal.parts)
        lane.work_of(record.campaign).put_back(piece)
        lane.hold(now_s + 1.0)

    def append_doubted(self, record: AnyRecord, now_s: float) -> None:
        """The log failed and may have written this: an intent of ours may still be read back."""
        if isinstance(record, Moved):
            self.moves.doubted(record, now_s)
        if isinstance(record, StreamKeys):
            self._append_page_again(record)
        proposal = self.lanes[record.account].proposed.get(record.n) if isinstance(record, Intent) else None
        if proposal is not None and proposal.doubted_s is None:
            proposal.doubted_s = now_s

    def _append_page_again(self, page: StreamKeys) -> None:
        """With the stream's next messages; a second copy changes nothing."""
        self._pages_asked.discard((page.account, page.campaign, page.attempt, page.first))

    def in_doubt(self, now_s: float) -> bool:
        """Whether a missing intent or Moved may be in the log, or get there: only a new start can void it."""
        if self.moves.in_doubt(now_s, DOUBT_S, SILENT_S):
            return True
        for lane in self.lanes.values():
            for proposal in lane.proposed.values():
                doubted = proposal.doubted_s is not None and now_s - proposal.asked_s > proposal.ttl_s + DOUBT_S
                if doubted or now_s - proposal.asked_s > proposal.ttl_s + SILENT_S:
                    return True
        return False

    def handed(self, now_ms: int) -> None:
        """The jobs of the last Hand are in their inboxes."""
        self._out.extend(self.moves.handed(now_ms))

    def not_handed(self, now_s: float) -> None:
        """The log did not confirm the jobs of the last Hand."""
        self.moves.not_handed(now_s)

    def may_write(self, intent: int, account: str, now_s: float, now_ms: int) -> bool | None:
        """Called right before a request's first byte, when only the write is left.

        True: it must be written now, and has its place in the flow limit. False: it must be reported as never written.
        None: it waits at the gate; call again at its Go.
        """
        lane = self.lanes[account]
        sending = lane.sending.get(intent)
        return False if sending is None else self._may_leave(lane, sending, sending.units, now_s, now_ms)

    def grant(
        self, intent: int, account: str, messages: int, now_s: float, now_ms: int, *, started: bool = False
    ) -> Grant | None:
        """Called by a link that has room for `messages` of this chunk: how many of them it must write now.

        It asks again for the others. No messages: none of the rest may ever be written, and is reported as never
        written. None: it waits at the gate; ask again at its Go. `started`: these are messages of a recipient whose
        first one is out: no pause and no hold keeps them back, and their time to live counts from the newest intent
        that was read back as valid, because no next owner sends within it either.
        """
        lane = self.lanes[account]
        sending = lane.sending.get(intent)
        if sending is None:
            return NOTHING_EVER
        sending.started, sending.confirmed_s = started, self._confirmed_s
        units = lane.at_once(messages, now_s)
        leaves = self._may_leave(lane, sending, units, now_s, now_ms)
        if leaves is None:
            return None
        if not leaves:
            return NOTHING_EVER
        sending.granted += units
        return Grant(units, sending.ticket)

    def messages_answered(self, account: str, ticket: int, wrote_s: float, answered_s: float) -> None:
        """All messages of a grant are answered. Without this, they are taken to arrive as late as any request can."""
        pacer = self.lanes[account].pacer
        if pacer is not None:
            pacer.answered(ticket, wrote_s, answered_s)

    def heard(self, account: str, verdict: Verdict, now_s: float, now_ms: int, *, intent: int | None = None) -> None:
        """A link heard this of a message (of this chunk): it counts for the account at once, for the recipients later.

        Of one chunk, only "too fast" counts more than once.
        """
        lane, event = self.lanes[account], POLICY[row_of(verdict)].event
        sending = None if intent is None else lane.sending.get(intent)
        known = () if sending is None else sending.heard
        if event is None or (event is not AccountEvent.TOO_FAST and event not in once([event], known)):
            return
        if sending is not None and event not in known:
            sending.heard = (*known, event)
        tell(lane, verdict, event, now_s, now_ms)

    def _may_leave(self, lane: AccountLane, sending: Sending, units: int, now_s: float, now_ms: int) -> bool | None:
        lane.stands(sending, units, now_s)
        sending.refused = self._refusal(lane, sending, now_s, now_ms)
        if sending.refused:
            sending.waits_for = 0
            return False
        in_turn = lane.pacer is None or lane.first_at_gate is sending
        if not in_turn or lane.opens_at(sending, now_s) > now_s:
            return None
        lane.leaves(sending, now_s)
        return True

    def _refusal(self, lane: AccountLane, sending: Sending, now_s: float, now_ms: int) -> str:
        if self.deposed:
            return "another process owns the lane"
        if now_s > sending.deadline_s:
            return lane.too_late(sending, now_s)
        if sending.started:
            return ""
        return "stopping" if self.draining else self.next.refusal(lane, sending, now_ms)

    def answered(
        self,
        intent: int,
        account: str,
        verdict: Verdict,
        now_s: float,
        now_ms: int,
        *,
        wrote_s: float | None,
        answered_s: float | None,
        sent_ms: int = 0,
    ) -> None:
        """The driver's verdict on a Send. `answered_s` None: no complete answer came."""
        lane = self.lanes[account]
        sending = lane.sending.pop(intent)
        if lane.pacer is not None:
            if verdict.kind is Kind.NOT_SENT:
                lane.pacer.unanswered(sending.ticket, never_left=True)
            elif wrote_s is not None and answered_s is not None:
                lane.pacer.answered(sending.ticket, wrote_s, answered_s)
            else:
                lane.pacer.unanswered(sending.ticket, never_left=False)
        self._out.append(Append(self._consequences.whole(lane, sending, verdict, now_s, now_ms, sent_ms)))
        if verdict.warn:
            self._out.append(Warn(account, "odd answer", verdict.warn))

    def runs_answered(
        self, intent: int, account: str, answer: RunsAnswer, now_s: float, now_ms: int, *, sent_ms: int = 0
    ) -> None:
        """A link's verdicts on a Send, when all of them are there. Raises ValueError if they do not cover it."""
        lane = self.lanes[account]
        sending = lane.sending.pop(intent)
        self._out.append(Append(self._consequences.in_runs(lane, sending, answer, now_s, now_ms, sent_ms)))
        for warning in dict.fromkeys(run.verdict.warn for run in answer.runs if run.verdict.warn):
            self._out.append(Warn(account, "odd answer", warning))

    # --- what the vendor was asked beside the sending ---

    def may_query(self, account: str) -> bool:
        """Whether the account's vendor may be queried (balance, reports) now."""
        return self.lanes[account].may_ask

    def query_begins(self, account: str) -> None:
        """A query is about to leave."""
        self.lanes[account].queries += 1

    def query_ends(self, account: str) -> None:
        """The query is over, with any result."""
        self.lanes[account].queries -= 1

    def query_answered(self, account: str, verdict: Verdict | None, now_s: float, now_ms: int) -> None:
        """The result of a query: None is an answer, so the login succeeded."""
        if verdict is None:
            self.lanes[account].tell(AccountEvent.LET_IN, now_s, now_ms)
        elif verdict.kind is Kind.AUTH:
            self.lanes[account].tell(AccountEvent.LOGIN_REFUSED, now_s, now_ms, code=verdict.code)

    def balance_asked(self, account: str) -> float:
        """A balance query leaves; the mark for `balance_answered`."""
        return self.lanes[account].balance_asked()

    def balance_answered(self, account: str, messages: float | None, mark: float, now_s: float, now_ms: int) -> None:
        """Its answer; None: unknown."""
        if messages is None:
            self.lanes[account].tell(AccountEvent.CREDIT_UNKNOWN, now_s, now_ms)
        else:
            self.lanes[account].balance_is(messages, mark, now_s, now_ms)

    def history_says(
        self, intent: int, vendor_ids: tuple[str, ...], why: str, intent_ms: int, now_s: float, now_ms: int
    ) -> None:
        """The vendor's history of an unknown chunk: an id for each recipient, "" if it has none.

        All: the chunk was taken. Some: these were taken, with these ids, and the others stay unknown.
        """
        chunk = self.state.open.get(intent)
        if chunk is None or chunk.state is not ChunkState.UNKNOWN or len(vendor_ids) != chunk.count:
            return
        if all(vendor_ids) and not chunk.ranges:
            self.unknowns.found(chunk, vendor_ids, why, now_s, now_ms)
        elif any(vendor_ids):
            self.unknowns.found_in_part(intent)
            self._out.append(Append(found_in_history(chunk, vendor_ids, why, intent_ms)))
        else:
            self._out.append(Append(noted(chunk, why, intent_ms)))

    # --- what to do next ---

    def poll(self, now_s: float, now_ms: int) -> list[Effect]:
        """Everything to do now, in order; `wake_s`: when to call again if nothing happens before."""
        self.wake_s = self.next.wake_s = NEVER
        if self.in_charge and not self.deposed:
            self._resolve_due(now_s)
            self.wake_s = self.unknowns.next_s
            self.moves.wake_s = NEVER
            for lane in self.lanes.values():
                lane.at(now_s, now_ms)
                self._out.extend(self.next.of(lane, now_s, now_ms, draining=self.draining))
                if not self.draining:
                    self._out.extend(self.moves.of(lane, now_s, now_ms))
                    self._out.extend(self.budgets.effects(lane, now_s, now_ms))
                self._notice(lane, now_s, now_ms)
            if not self.draining:
                self._out.extend(self.moves.hands(now_s))
                self.wake_s = min(self.wake_s, self.moves.wake_s, self.budgets.next_s())
            self.wake_s = min(self.wake_s, self.next.wake_s)
        elif self.deposed:
            for lane in self.lanes.values():
                self._out.extend(Go(sending.chunk.intent) for sending in lane.at_gate)
        out, self._out = self._out, []
        return out

    def drain(self, now_ms: int) -> None:
        """Request no more intents; unwritten requests become `not sent`; written ones are awaited."""
        self.draining = True
        for lane in self.lanes.values():
            self._out.extend(given_up(lane, ready, "stopping", now_ms) for ready in lane.ready)
            lane.ready.clear()

    @property
    def drained(self) -> bool:
        """Whether every intent of ours has an outcome in the journal (or we are not the owner and nothing is sent)."""
        if any(lane.sending for lane in self.lanes.values()):
            return False
        if self.deposed or not self.in_charge:
            return True
        under_way = any(chunk.state is ChunkState.IN_FLIGHT for chunk in self.state.open.values())
        proposed = self.moves.under_way or any(lane.proposed for lane in self.lanes.values())
        return not under_way and not proposed

    def last_checkpoint(self, now_ms: int) -> Checkpoint:
        """The state to write on an orderly stop."""
        return self._checkpoint(now_ms)

    # --- inside ---

    def _owned_read(self, offset: int, record: Owned, now_s: float, now_ms: int) -> None:
        nobody_before = self.state.owner is None
        self.state.apply(offset, record)
        if record.owner != self.settings.owner:
            self.deposed = self.in_charge
            return
        self.in_charge = True
        self._last_checkpoint = offset
        longest_s = max((lane.spec.timeout_s for lane in self.lanes.values()), default=0.0)
        ttl_s = max(map(self._ttl_s, self.state.open.values()), default=self.settings.ttl_s)
        self.unknowns.took_over(now_s, ttl_s + longest_s)
        for lane in self.lanes.values():
            stopped = self.campaigns.stops.get(lane.spec.account)
            told = () if stopped is None else stopped.reasons()
            self._notices[lane.spec.account] = Notices(told)
            lane.inherit(told, now_s, now_ms)
            inherited = [self._ttl_s(chunk) for chunk in self.state.open.values() if chunk.account == lane.spec.account]
            if not nobody_before:
                lane.took_over(now_s, max(inherited, default=0.0))
        for job_offset in list(self.state.jobs):
            self._admission.admit(job_offset)
        for chunk in self.state.open.values():
            self._became_unknown(chunk, now_s, 0)

    def _notice(self, lane: AccountLane, now_s: float, now_ms: int) -> None:
        """Write what keeps recipients of this account from being sent, if it changed."""
        notices = self._notices[lane.spec.account]
        if notices.looks_again(now_s):
            notices.saw([*lane.waiting(now_s), *self._unreadable(lane), *self._unwritten(lane)], now_s, now_ms)
        on_log = self.campaigns.stops.get(lane.spec.account)
        notices.log_says(() if on_log is None else on_log.reasons(), now_s)
        unread = self._list_unread(now_s, now_ms)
        stops = notices.due(lane.standing.stop or unread, now_s)
        if stops is not None:
            self._out.append(Tell(lane.spec.account, stops, now_ms))
        self.wake_s = min(self.wake_s, lane.wake_s(now_s), notices.wake_s)

    def _list_unread(self, now_s: float, now_ms: int) -> Stop | None:
        """The stop of all accounts while the suppression list is not read."""
        if self.suppressed.is_current(now_s):
            self._unread_ms = 0
            self.wake_s = min(self.wake_s, self.suppressed.stale_s + 0.001)
            return None
        self._unread_ms = self._unread_ms or now_ms
        return Stop(why=Why.SUPPRESSION, since_ms=self._unread_ms)

    def _unreadable(self, lane: AccountLane) -> Iterator[Piece]:
        """The recipients that wait because their batch cannot be read."""
        for offset, again_s in self.next.batches.unreadable():
            job = self.state.jobs.get(offset)
            if job is not None and job.job is not None and job.job.account == lane.spec.account:
                wait = Wait(again_s, Why.BATCH)
                yield from (Piece(offset, job.job, start, end, wait=wait) for start, end in job.queued())

    def _unwritten(self, lane: AccountLane) -> Iterator[Piece]:
        """The chunks that were tried repeatedly without a byte written."""
        for (offset, start), tried in lane.unwritten.items():
            job = self.state.jobs.get(offset)
            if tried.told and job is not None and job.job is not None:
                wait = Wait(why=Why.UNWRITTEN, code=tried.sentence())
                yield Piece(offset, job.job, start, start + tried.recipients, wait=wait)

    def _intent_read(self, chunk: Chunk, now_s: float) -> None:
        lane = self.lanes.get(chunk.account)
        proposal = lane.proposed.pop(chunk.n, None) if lane is not None else None
        if lane is None or proposal is None or self.deposed:
            return  # a newer owner's intents have numbers of their own
        self.budgets.settled(chunk.account, chunk.campaign, proposal.cost)
        self._confirmed_s = max(self._confirmed_s, proposal.asked_s)
        if not chunk.asked:
            if chunk.job not in self.state.jobs:
                self.next.batches.forget(chunk.job)
            return
        self._consequences.opened(chunk.intent, proposal.piece.wait)
        campaign = self.campaigns.get(chunk.campaign)
        urgent = campaign is not None and campaign.urgent
        text, asked_s, ttl_s = (proposal.numbers, proposal.texts), proposal.asked_s, proposal.ttl_s
        variant = 0 if campaign is None else campaign.waves.variant(proposal.piece.job.variant)
        ready = Ready(chunk, proposal.parts, *text, asked_s, ttl_s, now_s, urgent, variant, proposal.expires_ms)
        lane.ready.append(ready)

    def _chunk_moved(self, change: Change, chunk: Chunk, now_s: float, now_ms: int) -> None:
        if chunk.state is ChunkState.UNKNOWN and change.before is not ChunkState.UNKNOWN:
            self._became_unknown(chunk, now_s, now_ms)
        self.unknowns.moved(chunk)
        job = self.state.jobs.get(chunk.job)
        lane = self.lanes.get(chunk.account)
        campaign = self.campaigns.get(chunk.campaign)
        cancelled = campaign is not None and campaign.cancelled
        for piece, wait in self._consequences.waits(chunk, change.returned):
            if not cancelled and lane is not None and job is not None and job.job is not None:
                lane.work_of(chunk.campaign).give_back(chunk.job, job.job, piece, wait)
        if chunk.job not in self.state.jobs:
            self.next.batches.forget(chunk.job)
        elif job is not None and job.grows and not job.open and not job.returned and len(job.taken) == 1:
            self.next.batches.over(chunk.job, job.taken[0][1])

    def _became_unknown(self, chunk: Chunk, now_s: float, now_ms: int) -> None:
        lane = self.lanes.get(chunk.account)
        request_s = lane.spec.timeout_s + lane.spec.evidence_s if lane is not None else 0.0
        self.unknowns.became_unknown(chunk, now_s, now_ms, self._ttl_s(chunk) + request_s)

    def _ttl_s(self, chunk: Chunk) -> float:
        """How long after the request to append it the author of this intent may write its request."""
        return chunk.ttl_ms / 1000 if chunk.ttl_ms else self.settings.ttl_s

    def _decided(self, offset: int, record: Decided, now_s: float, now_ms: int) -> None:
        for intent in record.intents:
            chunk = self.state.open.get(intent)
            if chunk is not None and (chunk.campaign, chunk.account) == (record.campaign, record.account):
                self.unknowns.decided(offset, chunk, record, now_s, now_ms)

    def _resolve_due(self, now_s: float) -> None:
        for resolved in self.unknowns.due(now_s):
            chunk = self.state.open.get(resolved.intent)
            if chunk is not None and chunk.state is ChunkState.UNKNOWN:
                if chunk.ranges and not resolved.ranges and not resolved.vendor_ids:
                    resolved = msgspec.structs.replace(resolved, ranges=chunk.ranges)  # whoever reads it sees how many
                self._out.append(Append(resolved))

    def _checkpoint(self, now_ms: int) -> Checkpoint:
        for job_offset in self._admission.forget_cancelled(self.moves.under_way):
            self.next.batches.forget(job_offset)
        checkpoint = self.state.checkpoint(self.settings.owner, now_ms)
        undone = self.unknowns.undone
        if undone is not None and undone < checkpoint.inbox:  # jobs read twice are recognised by their number
            checkpoint = msgspec.structs.replace(checkpoint, inbox=undone)
        return checkpoint
