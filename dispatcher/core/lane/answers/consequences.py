"""What an answer does to the recipients it is about and to their account: for a whole chunk, or run by run. Pure.

What each class of answer means is in POLICY (dispatcher/core/lane/answers/policy.py). The account gets each event of an
answer once, however many runs it has, and at most one trouble of those that count in a row; what a link heard of before
the end of its chunk is not counted again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter
from typing import Final

import msgspec

from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.account_states import AccountEvent
from dispatcher.core.lane.answers.policy import TEXT_CHARS_MAX, Consequence, consequence, outcome_of
from dispatcher.core.lane.answers.verdict import Kind, Origin, RunsAnswer, Verdict
from dispatcher.core.lane.requests import Sending
from dispatcher.core.lane.state import Chunk
from dispatcher.core.lane.work import NO_WAIT, Wait
from dispatcher.core.ranges import Ranges, spread
from schemas.records import Effect, Outcome, Outcomes, Run, Slice, Why

IN_A_ROW: Final = (AccountEvent.BUSY, AccountEvent.NO_ANSWER, AccountEvent.NOT_REACHED)
"""Troubles of which a few in a row hold an account back."""


class Consequences:
    """Applies answers to accounts, and keeps why and until when the recipients of each intent wait that come back."""

    def __init__(self) -> None:
        self._since_s: dict[int, float] = {}  # intents of recipients that were refused for now before: since when
        self._waits: dict[int, list[tuple[int, Wait]]] = {}  # by intent: (the first position of a run, its wait)

    def opened(self, intent: int, wait: Wait) -> None:
        """The recipients of this new intent waited like this before."""
        if wait.since_s:
            self._since_s[intent] = wait.since_s

    def waits(self, chunk: Chunk, returned: Sequence[Slice]) -> Iterator[tuple[Slice, Wait]]:
        """The slices of this chunk that are queued again, with what each waits for."""
        since_s = self._since_s.pop(chunk.intent, 0.0)
        waits = self._waits.pop(chunk.intent, None)
        for piece in returned:
            if waits is None:
                yield piece, Wait(since_s=since_s) if since_s else NO_WAIT
            else:
                run = bisect_right(waits, piece.start - chunk.start, key=itemgetter(0)) - 1
                yield piece, waits[run][1]

    def whole(
        self, lane: AccountLane, sending: Sending, verdict: Verdict, now_s: float, now_ms: int, sent_ms: int
    ) -> Outcome:
        """One answer for the whole chunk."""
        chunk, since_s = sending.chunk, self._since_s.pop(sending.chunk.intent, 0.0)
        verdict = _worded(verdict, sending)
        result, wait = self._of(lane, sending, 0, chunk.asked, ((0, chunk.count),), verdict, since_s, now_s)
        tell(lane, verdict, result.event, now_s, now_ms)
        if wait is not NO_WAIT:
            self._waits[chunk.intent] = [(0, wait)]
        return outcome_of(chunk, verdict, result.effect, now_ms, sent_ms)

    def in_runs(
        self, lane: AccountLane, sending: Sending, answer: RunsAnswer, now_s: float, now_ms: int, sent_ms: int
    ) -> Outcomes:
        """An answer for each run of the chunk's recipients. Raises ValueError if it does not cover them.

        A recipient with an id was taken, at least in part, so it is never sent again: it is unknown.
        """
        chunk, since_s = sending.chunk, self._since_s.pop(sending.chunk.intent, 0.0)
        covered = sum(run.count for run in answer.runs)
        if covered != chunk.asked:
            raise ValueError(f"an answer is about {covered:,} recipients, its request has {chunk.asked:,}")
        runs: list[Run] = []
        waits, at = [], 0
        in_request = chunk.in_request
        told: dict[AccountEvent, Verdict] = {}
        for run in answer.runs:
            verdict = _worded(run.verdict, sending)
            if verdict.divide:  # only a whole chunk is divided
                verdict = msgspec.structs.replace(verdict, divide=False)
            places = spread(in_request, at, run.count)
            result, wait = self._of(lane, sending, at, run.count, places, verdict, since_s, now_s)
            if result.event is not None:
                told.setdefault(result.event, verdict)
            waits.append((places[0][0], wait))
            is_taken_in_part = result.effect == Effect.QUEUED and _has_id(answer, at, run.count)
            effect = Effect.UNKNOWN if is_taken_in_part else result.effect
            said = (effect, verdict.kind, verdict.code, verdict.text[:TEXT_CHARS_MAX])
            runs.extend(Run(start, count, *said) for start, count in places)
            at += run.count
        if any(wait is not NO_WAIT for _, wait in waits):
            self._waits[chunk.intent] = waits
        for event in once(told, sending.heard):
            tell(lane, told[event], event, now_s, now_ms)
        written = any(run.verdict.kind is not Kind.NOT_SENT for run in answer.runs)
        return Outcomes(
            account=chunk.account,
            intent=chunk.intent,
            runs=tuple(runs),
            at_ms=now_ms,
            sent_ms=(sent_ms or now_ms) if written else 0,
            ids=answer.ids,
            parts=answer.parts,
            vendor_ids=answer.vendor_ids,
        )

    def _of(
        self,
        lane: AccountLane,
        sending: Sending,
        at: int,
        count: int,
        places: Ranges,
        verdict: Verdict,
        since_s: float,
        now_s: float,
    ) -> tuple[Consequence, Wait]:
        """What this verdict does to `count` recipients of the request from number `at` on, and what they wait for.

        `places` are their positions in the chunk.
        """
        chunk, first = sending.chunk, places[0][0]
        if verdict.kind is not Kind.NOT_SENT:
            lane.was_written(chunk, first, sum(places[-1]) - first)
        elif not sending.refused:
            lane.came_back(chunk, first, count, verdict.text)
        result = consequence(verdict, chunk, lane.spec, since_s or now_s, now_s)
        if verdict.kind is Kind.NOT_SENT:
            lane.not_sent(chunk.campaign, count, sending.parts_of(at, count))
        elif result.effect in (Effect.QUEUED, Effect.FAILED):
            lane.spent_since_poll -= sending.parts_of(at, count)
        elif result.effect == Effect.ACCEPTED:
            lane.dry = 0
        if not result.not_before_s and not since_s:
            return result, NO_WAIT
        first_s = now_s if result.waits is Why.BUSY else 0.0
        return result, Wait(result.not_before_s, result.waits, verdict.code, since_s or first_s)


def _has_id(answer: RunsAnswer, at: int, count: int) -> bool:
    """Whether the vendor gave one of these recipients an id."""
    size = 8 * answer.parts
    return any(answer.vendor_ids[at : at + count]) or any(answer.ids[at * size : (at + count) * size])


def tell(lane: AccountLane, verdict: Verdict, event: AccountEvent | None, now_s: float, now_ms: int) -> None:
    """What an answer means for the account."""
    if verdict.slower and lane.pacer is not None:
        lane.pacer.throttled(now_s)
    if event is AccountEvent.NO_CREDIT:
        lane.no_credit(verdict.code, now_s, now_ms)
    elif event is not None:
        lane.tell(event, now_s, now_ms, code=verdict.code, hold_s=verdict.hold_s)


def once(events: Collection[AccountEvent], heard: Collection[AccountEvent]) -> list[AccountEvent]:
    """Of the events of one chunk's runs, those that count now: first that it answers; of troubles in a row the last."""
    troubles = [event for event in events if event in IN_A_ROW]
    left_out = {*heard, *troubles[:-1], *(troubles if any(event in IN_A_ROW for event in heard) else ())}
    return sorted(
        (event for event in events if event not in left_out), key=lambda event: event is not AccountEvent.ANSWERED
    )


def _worded(verdict: Verdict, sending: Sending) -> Verdict:
    """The verdict; of what we did not let out, with our reason."""
    if verdict.kind is not Kind.NOT_SENT or not sending.refused:
        return verdict
    return msgspec.structs.replace(verdict, text=sending.refused, origin=Origin.OURS)
