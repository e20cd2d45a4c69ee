"""Recipients that moved to another account, for people: what moved, from where to where, since when and why."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dispatcher.store.views import CampaignView, Move
from dispatcher.wording import clock, counted
from schemas.records import Why

REASONS = {
    Why.LOGIN: "the login was refused",
    Why.ADDRESS: "no vendor was at its url",
    Why.CREDIT: "it had no credit",
    Why.VENDOR_HOURS: "the vendor was closed",
    Why.UNREACHABLE: "it was not reachable",
    Why.NO_ANSWER: "the vendor did not answer",
    Why.BUSY: "the vendor was busy",
    Why.TOO_FAST: "the vendor throttled",
}


def moved_since(views: Iterable[CampaignView], account: str, since_ms: int) -> list[Move]:
    """What left this account since then, of all campaigns together, by the account that it moved to."""
    found: dict[str, Move] = {}
    for move in (move for view in views for move in view.moves):
        if move.account != account or move.back or move.last_ms < since_ms:
            continue
        before = found.get(move.to)
        found[move.to] = msgspec.structs.replace(
            move,
            recipients=move.recipients + (0 if before is None else before.recipients),
            first_ms=move.first_ms if before is None else min(before.first_ms, move.first_ms),
            last_ms=move.last_ms if before is None else max(before.last_ms, move.last_ms),
        )
    return list(found.values())


def move_sentence(move: Move) -> str:
    """The move in words, without a full stop."""
    people = counted(move.recipients, "recipient")
    if move.back:
        return f"{people} went back from {move.account} to {move.to} since {clock(move.first_ms)}"
    why = REASONS.get(Why(move.why), "it did not send")
    return f"{people} moved from {move.account} to {move.to} since {clock(move.first_ms)}: {why}"
