"""What each class of answer does: to the chunk it is about and to the account. One table, POLICY. Pure.

The owner (dispatcher/core/lane/owner.py) calls `consequence` for the effect on the chunk and gives the account the
event; docs/ADDING_A_VENDOR.md shows the table to authors of vendors (a test compares them).
"""

from __future__ import annotations

from enum import Enum
from itertools import groupby
from typing import Final

import msgspec

from dispatcher.core.backoff import Backoff
from dispatcher.core.lane.account_states import AccountEvent
from dispatcher.core.lane.answers.verdict import HISTORY, HISTORY_PARTLY, Kind, Origin, Verdict
from dispatcher.core.lane.spec import LaneSpec
from dispatcher.core.lane.state import Chunk
from schemas.records import Effect, Outcome, Outcomes, Run, Why

RETRY: Final = Backoff(1.0, 60.0)
OTHER_CREDIT_RETRY: Final = Backoff(300.0, 300.0)
TEXT_CHARS_MAX: Final = 200


class Mark(Enum):
    """Answers that their class alone does not describe."""

    HELD = "retry-later/hold"  # the vendor is closed for a while
    OTHER_CREDIT = "balance/apart"  # another credit than the account's own is missing
    WEB = "a web server's 3xx or 4xx"
    REDIRECTED = "a web server's redirect"  # the chunk may have been taken
    OURS = "not sent by us"  # the dispatcher itself held the request back
    UNFIT = "not for this account"  # it cannot carry the text: its configuration was changed after the launch


class Policy(msgspec.Struct, frozen=True):
    """One row: the effect on the chunk, the event for the account, and when the chunk may be tried again (None: at
    once). `strikes`: it counts against the chunk's tries, after which it fails. `says`: both in words.
    """

    effect: Effect
    event: AccountEvent | None
    says: tuple[str, str]
    retry: Backoff | None = None
    strikes: bool = False

    @property
    def stops(self) -> bool:
        """Whether the account cannot send until a person acts or tops it up."""
        return self.event in (AccountEvent.LOGIN_REFUSED, AccountEvent.NO_CREDIT)


_E = AccountEvent
_ALONE: Final = "after 3 in a row holds back: growing pauses and one small request at a time until one is answered"
POLICY: Final[dict[Kind | Mark, Policy]] = {
    Kind.ACCEPTED: Policy(Effect.ACCEPTED, _E.ANSWERED, ("waits for reports", "continues")),
    Kind.PARTIAL: Policy(Effect.UNKNOWN, _E.ANSWERED, ("is unknown", "continues")),
    Kind.THROTTLED: Policy(Effect.QUEUED, _E.TOO_FAST, ("is sent again", "slows down; without a `flow` holds back")),
    Kind.RETRY_LATER: Policy(
        Effect.QUEUED,
        _E.BUSY,
        (
            "is sent again; after `attempts_max` tries and `give_up_after_s` it fails, with `/doubtful` it is unknown",
            _ALONE,
        ),
        retry=RETRY,
        strikes=True,
    ),
    Mark.HELD: Policy(
        Effect.QUEUED, _E.VENDOR_CLOSED, ("stays queued", "waits that long, then tries one small request"), retry=RETRY
    ),
    Kind.REJECTED: Policy(
        Effect.FAILED,
        _E.ANSWERED,
        ("fails; with `/divide` it is sent again in halves, to find the bad number", "continues"),
    ),
    Kind.CONTENT: Policy(Effect.FAILED, _E.ANSWERED, ("fails", "continues")),
    Kind.AUTH: Policy(
        Effect.QUEUED, _E.LOGIN_REFUSED, ("stays queued", "stops until `dispatcher account check` passes")
    ),
    Kind.BALANCE: Policy(
        Effect.QUEUED, _E.NO_CREDIT, ("stays queued", "stops until there is credit, or `dispatcher account check`")
    ),
    Mark.OTHER_CREDIT: Policy(
        Effect.QUEUED, None, ("waits 5 minutes, a top-up or `account check`", "continues"), retry=OTHER_CREDIT_RETRY
    ),
    Kind.UNKNOWN: Policy(
        Effect.UNKNOWN,
        _E.NO_ANSWER,
        ("follows the campaign's policy; is never sent again by itself", _ALONE),
    ),
    Kind.NOT_SENT: Policy(Effect.QUEUED, _E.NOT_REACHED, ("is sent again", _ALONE)),
    Mark.WEB: Policy(
        Effect.QUEUED,
        _E.WEB_REFUSED,
        (
            "is sent again; after `attempts_max` tries and `give_up_after_s` it fails",
            "after 3 in a row stops: check `url`",
        ),
        retry=RETRY,
        strikes=True,
    ),
    Mark.REDIRECTED: Policy(Effect.UNKNOWN, _E.WEB_REFUSED, ("is unknown", "after 3 in a row stops: check `url`")),
    Mark.OURS: Policy(Effect.QUEUED, None, ("is sent again", "continues")),
    Mark.UNFIT: Policy(Effect.FAILED, None, ("fails", "continues")),
}


class Consequence(msgspec.Struct, frozen=True):
    """What an answer means: the effect on the chunk's recipients, the event for the account (with `hold_s`), when the
    chunk may be tried again (0: at once) and what it waits for until then.
    """

    effect: Effect
    event: AccountEvent | None
    hold_s: float = 0.0
    not_before_s: float = 0.0
    waits: Why | None = None


def row_of(verdict: Verdict) -> Kind | Mark:
    """The row of POLICY for this verdict."""
    match verdict.kind:
        case Kind.NOT_SENT if verdict.origin is Origin.OURS:
            return Mark.OURS
        case Kind.CONTENT if verdict.origin is Origin.OURS:
            return Mark.UNFIT
        case Kind.REJECTED if verdict.wrong_server:
            return Mark.WEB
        case Kind.UNKNOWN if verdict.wrong_server:
            return Mark.REDIRECTED
        case Kind.RETRY_LATER if verdict.hold_s > 0:
            return Mark.HELD
        case Kind.BALANCE if verdict.separate_credit:
            return Mark.OTHER_CREDIT
    return verdict.kind


def consequence(verdict: Verdict, chunk: Chunk, spec: LaneSpec, refused_since_s: float, now_s: float) -> Consequence:
    """The effect on the chunk. `refused_since_s`: when this owner first read that it is refused for now."""
    row = row_of(verdict)
    policy = POLICY[row]
    if verdict.divide and chunk.asked > 1:
        return Consequence(Effect.QUEUED, policy.event)
    tried = chunk.strikes + 1 >= spec.attempts_max and now_s - refused_since_s >= spec.give_up_after_s
    if policy.strikes and tried:
        return Consequence(Effect.UNKNOWN if verdict.doubtful else Effect.FAILED, policy.event)
    if policy.retry is None:
        return Consequence(policy.effect, policy.event, verdict.hold_s)
    not_before_s = now_s + policy.retry.pause_s(chunk.strikes + 1)
    return Consequence(policy.effect, policy.event, verdict.hold_s, not_before_s, _WAITS.get(row))


_WAITS: Final = {Kind.RETRY_LATER: Why.BUSY, Mark.WEB: Why.BUSY, Mark.OTHER_CREDIT: Why.OTHER_CREDIT}


def outcome_of(chunk: Chunk, verdict: Verdict, effect: Effect, now_ms: int, sent_ms: int) -> Outcome:
    """The record of a chunk's outcome. `sent_ms`: when its first byte was written."""
    return Outcome(
        account=chunk.account,
        intent=chunk.intent,
        effect=effect,
        kind=verdict.kind,
        code=verdict.code,
        text=verdict.text[:TEXT_CHARS_MAX],
        at_ms=now_ms,
        sent_ms=0 if verdict.kind is Kind.NOT_SENT else sent_ms or now_ms,
        vendor_id=verdict.vendor_id,
        vendor_ids=_by_position(chunk, verdict.vendor_ids),
        divide=effect == Effect.QUEUED and verdict.divide,
    )


def _by_position(chunk: Chunk, vendor_ids: tuple[str, ...]) -> tuple[str, ...]:
    """The ids of a request's recipients as those of the chunk's: "" for those that it leaves out.

    None of them, if there are not as many as recipients.
    """
    if not vendor_ids or not chunk.left_out:
        return vendor_ids
    if len(vendor_ids) != chunk.asked:
        return ()
    found, at = [""] * chunk.count, 0
    for start, count in chunk.in_request:
        found[start : start + count] = vendor_ids[at : at + count]
        at += count
    return tuple(found)


def not_sent(chunk: Chunk, why: str, now_ms: int) -> Outcome:
    """The record of a chunk that provably never went out."""
    verdict = Verdict(kind=Kind.NOT_SENT, text=why, origin=Origin.OURS)
    return outcome_of(chunk, verdict, Effect.QUEUED, now_ms, 0)


def noted(chunk: Chunk, why: str, intent_ms: int) -> Outcome:
    """The record of a chunk that stays unknown: the vendor's history has none of its recipients."""
    return Outcome(
        account=chunk.account,
        intent=chunk.intent,
        effect=Effect.UNKNOWN,
        kind=Kind.UNKNOWN,
        code=HISTORY,
        text=why[:TEXT_CHARS_MAX],
        at_ms=intent_ms,
    )


def found_in_history(chunk: Chunk, vendor_ids: tuple[str, ...], why: str, intent_ms: int) -> Outcomes:
    """The record of a chunk of which the vendor's history has some recipients: those with an id were taken."""
    runs, at = [], 0
    for found, each in groupby(vendor_ids, key=bool):
        count = len(list(each))
        if found:
            runs.append(Run(at, count, Effect.ACCEPTED, Kind.ACCEPTED))
        else:
            runs.append(Run(at, count, Effect.UNKNOWN, Kind.UNKNOWN, HISTORY_PARTLY, why[:TEXT_CHARS_MAX]))
        at += count
    return Outcomes(
        account=chunk.account, intent=chunk.intent, runs=tuple(runs), at_ms=intent_ms, vendor_ids=vendor_ids
    )
