"""What a verdict means for an account and for the chunk it is about. Pure; used by dispatcher/core/lane/owner.py."""

from __future__ import annotations

from typing import Final

import msgspec

from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.state import Chunk
from dispatcher.core.lane.verdict import NOT_CONNECTED, Kind, Verdict
from schemas.records import Effect, Outcome

RETRY_MAX_S: Final = 60.0
APART_RETRY_S: Final = 300.0
"""When to try again what only lacks a balance that is not the account's own."""

TEXT_CHARS_MAX: Final = 200
REDIRECTED: Final = "http 3"
REFUSED: Final = ("http 4", REDIRECTED)
LET_IN: Final = (Kind.ACCEPTED, Kind.PARTIAL, Kind.CONTENT, Kind.REJECTED, Kind.BALANCE)
"""What only a vendor says who has let us in: "busy" and "too fast" may come before it looked at the password."""


class Policy(msgspec.Struct, frozen=True):
    """What a class of answers does to its chunk; `stops`: the account cannot send until a person acts."""

    effect: Effect
    stops: bool = False


POLICY: Final[dict[Kind, Policy]] = {
    Kind.ACCEPTED: Policy(Effect.ACCEPTED),
    Kind.PARTIAL: Policy(Effect.UNKNOWN),
    Kind.RETRY_LATER: Policy(Effect.QUEUED),
    Kind.THROTTLED: Policy(Effect.QUEUED),
    Kind.REJECTED: Policy(Effect.FAILED),
    Kind.CONTENT: Policy(Effect.FAILED),
    Kind.AUTH: Policy(Effect.QUEUED, stops=True),
    Kind.BALANCE: Policy(Effect.QUEUED, stops=True),
    Kind.UNKNOWN: Policy(Effect.UNKNOWN),
    Kind.NOT_SENT: Policy(Effect.QUEUED),
}


class Consequence(msgspec.Struct, frozen=True):
    """The effect on the chunk's recipients; when it may be tried again (0: at once); why the lane stopped, if so.

    `waits`: why only these recipients wait, for people.
    """

    effect: Effect
    not_before_s: float = 0.0
    stopped: str = ""
    waits: str = ""


def consequence(lane: AccountLane, chunk: Chunk, verdict: Verdict, now_s: float) -> Consequence:
    """Apply the verdict to the account's lane (hold, rate, stop) and say what becomes of the chunk."""
    if verdict.kind is not Kind.NOT_SENT:
        lane.connected()
    if not _is_of_http(verdict):
        lane.refusals = 0
        lane.let_in = lane.let_in or verdict.kind in LET_IN
        if verdict.kind in (Kind.ACCEPTED, Kind.PARTIAL):
            lane.dry = lane.throttles = 0
    elif lane.refused_by_http(verdict.code, now_s):
        return Consequence(POLICY[verdict.kind].effect, stopped="auth")
    if verdict.hold_s > 0:
        lane.hold(now_s + verdict.hold_s)
    if verdict.divide and chunk.count > 1:
        return Consequence(Effect.QUEUED)
    match verdict.kind:
        case Kind.NOT_SENT:
            if verdict.code == NOT_CONNECTED:
                lane.trouble(now_s)
        case Kind.THROTTLED:
            lane.too_fast(now_s)
        case Kind.AUTH:
            lane.stop("auth", f"code {verdict.code}", now_s)
            return Consequence(Effect.QUEUED, stopped="auth")
        case Kind.BALANCE if verdict.apart:
            why = f"code {verdict.code}: {chunk.count:,} recipients wait for another credit; tried again in"
            return Consequence(Effect.QUEUED, now_s + APART_RETRY_S, waits=f"{why} {APART_RETRY_S / 60:g} min")
        case Kind.BALANCE:
            lane.no_credit(f"code {verdict.code}", now_s)
            return Consequence(Effect.QUEUED, stopped="balance")
        case Kind.RETRY_LATER:
            if verdict.hold_s <= 0 and chunk.strikes + 1 >= lane.spec.attempts_max:
                return Consequence(Effect.UNKNOWN if verdict.doubtful else Effect.FAILED)
            return Consequence(Effect.QUEUED, now_s + min(RETRY_MAX_S, 2.0 ** min(chunk.strikes, 10)))
        case _:
            pass
    return Consequence(POLICY[verdict.kind].effect)


def _is_of_http(verdict: Verdict) -> bool:
    """Is this no word of the vendor but of a web server that probably is not its? A redirect may be unknown, too."""
    if verdict.kind is Kind.UNKNOWN:
        return verdict.code.startswith(REDIRECTED)
    return verdict.kind is Kind.REJECTED and verdict.code.startswith(REFUSED)


def outcome_of(chunk: Chunk, verdict: Verdict, effect: Effect, now_ms: int, sent_ms: int) -> Outcome:
    """The record of what came of a chunk. `sent_ms`: when its first byte was written."""
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
        vendor_ids=verdict.vendor_ids,
        divide=effect == Effect.QUEUED and verdict.divide,
    )


def not_sent(chunk: Chunk, why: str, now_ms: int) -> Outcome:
    """The record of a chunk that provably never went out."""
    return outcome_of(chunk, Verdict(kind=Kind.NOT_SENT, text=why), Effect.QUEUED, now_ms, 0)


HISTORY: Final = "history"
HISTORY_PARTLY: Final = "history, partly"
"""Codes of what the vendor's history says of an unknown chunk: none of its recipients, or some of them."""


def noted(chunk: Chunk, vendor_ids: tuple[str, ...], why: str, intent_ms: int) -> Outcome:
    """The record of an unknown chunk that stays unknown, of which the vendor's history has some recipients, or none."""
    some = any(vendor_ids)
    return Outcome(
        account=chunk.account,
        intent=chunk.intent,
        effect=Effect.UNKNOWN,
        kind=Kind.UNKNOWN,
        code=HISTORY_PARTLY if some else HISTORY,
        text=why[:TEXT_CHARS_MAX],
        at_ms=intent_ms,
        vendor_ids=vendor_ids if some else (),
    )
