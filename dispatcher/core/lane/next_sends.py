"""The next appends of an owner's lanes and the next requests for their drivers. Pure; `now_s` is monotonic seconds.

Three queues per lane: proposals become intents, which count after they were read back (dispatcher/core/lane/owner.py);
read-back intents go to the driver as soon as the account may have one more request under way; built and connected
requests stand at the gate (dispatcher/core/lane/gate.py) until the flow limit has a place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import msgspec

from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.account_states import AccountEvent
from dispatcher.core.lane.answers.policy import not_sent
from dispatcher.core.lane.batches import Batches
from dispatcher.core.lane.budgets import LaneBudgets
from dispatcher.core.lane.effects import Append, Effect, Go, Send, Warn
from dispatcher.core.lane.requests import Proposal, Ready, Sending
from dispatcher.core.lane.state import OpenJob
from dispatcher.core.lane.suppressed import Suppressed
from dispatcher.core.lane.work import CampaignWork, Content, Piece
from dispatcher.core.ranges import Ranges, total, without
from dispatcher.core.schedule.holds import hold_sentence
from dispatcher.core.streams.messages import SegmentBatch
from schemas.records import Intent, LeftOut, StreamIntent

NEVER: Final = float("inf")
PAUSED: Final = "its campaign was paused or cancelled"
HELD: Final = "its campaign is held"
EXPIRED: Final = "its time is over"


class NextSends:
    """The sends of one owner. `wake_s`: when to call again if nothing happens before."""

    def __init__(
        self,
        owner: str,
        campaigns: Campaigns,
        suppressed: Suppressed,
        budgets: LaneBudgets,
        jobs: Mapping[int, OpenJob],
    ) -> None:
        """`jobs` are those of the lane's state."""
        self._jobs = jobs
        self.batches = Batches()
        self.wake_s = NEVER
        self._owner = owner
        self._campaigns = campaigns
        self._suppressed = suppressed
        self._budgets = budgets
        self._n = 0

    def of(self, lane: AccountLane, now_s: float, now_ms: int, *, draining: bool) -> Iterator[Effect]:
        """Everything to do now for this lane, in order. The lane changes while this is read."""
        yield from self._sent(lane, now_s, now_ms)
        if not draining:
            yield from self._proposed(lane, now_s, now_ms)
            yield from self._over(lane, now_s, now_ms)
            yield from self._sent(lane, now_s, now_ms)
        yield from self._let_go(lane, now_s, now_ms, draining=draining)
        yield from (Warn(lane.spec.account, "nothing written", news) for news in lane.news)
        lane.news.clear()

    def refusal(self, lane: AccountLane, sending: Sending, now_ms: int) -> str:
        """Why a request that is being built may not be written; empty if it may."""
        sends = lane.standing.lets_out(trial=sending.trial)
        return self._refused(lane, sending, now_ms, sends=sends)

    def _refused(self, lane: AccountLane, chunk: Ready | Sending, now_ms: int, *, sends: bool) -> str:
        """Why nothing of this chunk may be sent; `sends`: whether the account may send."""
        campaign = chunk.chunk.campaign
        if chunk.expires_ms is not None and now_ms > chunk.expires_ms:
            return EXPIRED
        if not sends:
            return f"the account does not send ({lane.standing.state.value})"
        known = self._campaigns.get(campaign)
        if known is None or not known.sends:
            return PAUSED
        hold = known.held(now_ms)
        return "" if hold is None else f"{HELD}: {hold_sentence(hold, campaign)}"

    def _sent(self, lane: AccountLane, now_s: float, now_ms: int) -> Iterator[Effect]:
        """Hand read-back intents to the driver."""
        while (ready := lane.next_ready()) is not None:
            if now_s > ready.deadline_s:
                why = lane.too_late(ready, now_s)
            else:
                why = self._refused(lane, ready, now_ms, sends=lane.may_send(ready.chunk.asked))
            if why:
                lane.ready.remove(ready)
                yield given_up(lane, ready, why, now_ms)
                continue
            if len(lane.sending) >= lane.requests_max:
                return
            chunk = lane.goes(ready, now_s).chunk
            of = (chunk.intent, lane.spec.account, chunk.campaign)
            places = chunk.in_request if chunk.left_out else ()
            yield Send(*of, ready.numbers, chunk.asked, ready.texts, ready.variant, places)

    def _let_go(self, lane: AccountLane, now_s: float, now_ms: int, *, draining: bool) -> Iterator[Effect]:
        """Wake the requests at the gate that may not be written any more, and the one that has a place."""
        for sending in lane.at_gate:
            stopped = not sending.started and (draining or self.refusal(lane, sending, now_ms))
            if stopped or now_s > sending.deadline_s:
                yield Go(sending.chunk.intent)
            else:
                self.wake_s = min(self.wake_s, sending.deadline_s + 0.001)
        first = lane.first_at_gate
        if first is not None:
            at_s = lane.opens_at(first, now_s)
            if at_s <= now_s:
                yield Go(first.chunk.intent)
            else:
                self.wake_s = min(self.wake_s, at_s)

    def _proposed(self, lane: AccountLane, now_s: float, now_ms: int) -> Iterator[Effect]:
        yield from self.batches.wanted(lane, now_s, now_ms)
        self.wake_s = min(self.wake_s, self.batches.next_try_s(now_s))
        while self._suppressed.is_current(now_s):
            yield from self._over(lane, now_s, now_ms)
            at_s = lane.propose_at(now_s)
            only_urgent = at_s > now_s
            if only_urgent:
                self.wake_s = min(self.wake_s, at_s)
                at_s = lane.propose_at(now_s, urgent=True) if lane.has_urgent_work(now_ms) else NEVER
                if at_s > now_s:
                    self.wake_s = min(self.wake_s, at_s)
                    return
            self._budgets.begins(lane)
            covers = partial(self._budgets.covers, lane, now_ms)
            found = lane.next_piece(now_s, now_ms, self.batches.loaded, covers, only_urgent=only_urgent)
            if found is None:
                due_s = min((work.next_due_s(now_s) for _, work in lane.active(now_ms)), default=NEVER)
                self.wake_s = min(self.wake_s, due_s, lane.released_s(now_s, now_ms))
                return
            campaign, work, piece, campaigns = found
            count_max = lane.chunk_max(lane.segments(campaign.id), now_s, campaigns, urgent=campaign.urgent)
            if count_max < 1:
                announced = lane.proposed or lane.ready or any(lane.unsent)
                if not announced:  # announced chunks are covered by the balance, and go first
                    lane.tell(AccountEvent.NO_CREDIT, now_s, now_ms)
                return
            yield Append(self._cut(lane, campaign, work, piece, count_max, now_s, now_ms))

    def _cut(
        self,
        lane: AccountLane,
        campaign: Campaign,
        work: CampaignWork,
        piece: Piece,
        count_max: int,
        now_s: float,
        now_ms: int,
    ) -> Intent:
        """Propose a chunk from the front of the piece."""
        batch, spec, segments = self.batches.loaded[piece.job_offset], lane.spec, lane.segments(campaign.id)
        count_max = self._budgets.most(lane, campaign, piece, batch, count_max, now_ms)
        end = self._end(piece, batch, now_ms)
        count = batch.cut(piece.start, end, count_max, spec.chars_max, spec.numbers_min)
        count, left_out = self._leaving_out(piece, batch, count, spec.numbers_min)
        intent = self._intent(lane, piece, batch, count, left_out, now_ms)
        self._budgets.announced(intent)
        asked = count - total(left_out)
        if left_out:
            parts, texts = asked * segments, None
            kept = without(((piece.start, count),), tuple((piece.start + at, size) for at, size in left_out))
            numbers = memoryview(b",".join(batch.slice(start, size) for start, size in kept))
        else:
            parts = batch.parts(piece.start, count, segments)
            numbers, texts = batch.slice(piece.start, count), batch.texts(piece.start, count)
        whole = msgspec.structs.replace(piece)
        cost = 0 if intent.cost is None else intent.cost.whole
        of = (self._n, whole, asked, parts, numbers, texts)
        proposal = Proposal(*of, now_s, lane.ttl.s, cost=cost, urgent=campaign.urgent)
        if isinstance(batch, SegmentBatch):
            proposal.expires_ms = batch.expires_ms(piece.start, count)
        lane.proposed[self._n] = proposal
        work.cut(piece, count)
        lane.spent_since_poll += parts
        if asked:  # a chunk without a request takes nobody's turn
            lane.fair.charge(campaign.id, lane.units(asked, parts), campaign.weight, urgent=campaign.urgent)
        return intent

    def _intent(
        self,
        lane: AccountLane,
        piece: Piece,
        batch: Content,
        count: int,
        left_out: Ranges,
        now_ms: int,
        because: LeftOut = LeftOut.SUPPRESSED,
    ) -> Intent:
        """The intent of the next `count` recipients of the piece."""
        self._n += 1
        sends = because is LeftOut.SUPPRESSED
        make = Intent
        if isinstance(batch, SegmentBatch):
            make = partial(StreamIntent, appended=batch.appended(piece.start), because=because)  # type: ignore[assignment]
        return make(
            owner=self._owner,
            n=self._n,
            account=lane.spec.account,
            campaign=piece.job.campaign,
            job=piece.job_offset,
            batch=piece.job.batch,
            start=piece.start,
            count=count,
            attempt=piece.attempt,
            at_ms=now_ms,
            strikes=piece.strikes,
            ttl_ms=round(lane.ttl.s * 1000),
            left_out=left_out,
            cost=None if batch.costs is None or not sends else batch.costs.at(now_ms).packed(piece.start, count),
        )

    def _over(self, lane: AccountLane, now_s: float, now_ms: int) -> Iterator[Append]:
        """Leave out the messages of streams that repeat a key, or whose time is over, before the next one to be sent.

        Their chunks have no request, so the account need not send now, and the campaign may be paused or held.
        """
        for work in list(lane.streams()):
            for piece in list(work.returned):
                yield from self._leaves_over(lane, work, piece, now_s, now_ms)
            while work.fresh:
                first = work.fresh[0]
                yield from self._leaves_over(lane, work, first, now_s, now_ms)
                if work.fresh and work.fresh[0] is first:  # else all of it was over: look at the one behind it
                    break

    def _leaves_over(
        self, lane: AccountLane, work: CampaignWork, piece: Piece, now_s: float, now_ms: int
    ) -> Iterator[Append]:
        while piece.start < piece.end and piece.is_in(self.batches.loaded):
            batch = self.batches.loaded[piece.job_offset]
            assert isinstance(batch, SegmentBatch)
            count, because = self._left_out_of(piece, batch, now_ms)
            if not count:
                self.wake_s = min(self.wake_s, now_s + (batch.expires_ms(piece.start, 1) - now_ms + 1) / 1000)
                return
            intent = self._intent(lane, piece, batch, count, ((0, count),), now_ms, because)
            whole, nothing = msgspec.structs.replace(piece), (memoryview(b""), None)
            lane.proposed[self._n] = Proposal(self._n, whole, 0, 0, *nothing, now_s, lane.ttl.s)
            work.cut(piece, count)
            yield Append(intent)

    def _left_out_of(self, piece: Piece, batch: SegmentBatch, now_ms: int) -> tuple[int, LeftOut]:
        """How many messages at the beginning of the piece are not sent any more, and why."""
        end = min(piece.end, batch.end)
        repeated = self._jobs[piece.job_offset].repeated_from(piece.start, end)
        if repeated:
            return repeated, LeftOut.REPEATED
        fresh = self._jobs[piece.job_offset].until_repeated(piece.start, end)
        return batch.expired(piece.start, piece.start + fresh, now_ms), LeftOut.EXPIRED

    def _end(self, piece: Piece, batch: Content, now_ms: int) -> int:
        """Where the next chunk of the piece ends at the latest: a stream's, before what is not sent any more."""
        if not isinstance(batch, SegmentBatch):
            return piece.end
        fresh = self._jobs[piece.job_offset].until_repeated(piece.start, min(piece.end, batch.end))
        return piece.start + batch.in_time(piece.start, piece.start + fresh, now_ms)

    def _leaving_out(self, piece: Piece, batch: Content, count: int, numbers_min: int) -> tuple[int, Ranges]:
        """How many recipients the chunk has, at first `count`, and the positions of those that it leaves out.

        The recipients of a personalised request are neighbours. Below `numbers_min` the chunk takes more, in place of
        those it leaves out; not where each costs something of a budget.
        """
        left_out = self.batches.left_out(piece.job_offset, self._suppressed, piece.start, count)
        if left_out and batch.is_personal:
            first, size = left_out[0]
            return (first, ()) if first else (size, ((0, size),))
        least = min(numbers_min, count) if batch.costs is None else 0
        while left_out and 0 < (asked := count - total(left_out)) < least and piece.start + count < piece.end:
            count = min(count + least - asked, piece.end - piece.start)
            left_out = self.batches.left_out(piece.job_offset, self._suppressed, piece.start, count)
        return count, left_out


def given_up(lane: AccountLane, ready: Ready, why: str, now_ms: int) -> Append:
    """A read-back intent that is not sent."""
    lane.not_sent(ready.chunk.campaign, ready.chunk.asked, ready.parts)
    return Append(not_sent(ready.chunk, why, now_ms))
