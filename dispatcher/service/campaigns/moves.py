"""Recipients that moved to another account, for people: what moved, from where to where, since when and why."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dispatcher.i18n import N_, _
from dispatcher.store.views import CampaignView, Move
from dispatcher.wording import clock, counted
from schemas.records import Why

REASONS = {
    Why.LOGIN: N_("the login was refused"),
    Why.ADDRESS: N_("no vendor was at its url"),
    Why.CREDIT: N_("it had no credit"),
    Why.VENDOR_HOURS: N_("the vendor was closed"),
    Why.UNREACHABLE: N_("it was not reachable"),
    Why.NO_ANSWER: N_("the vendor did not answer"),
    Why.BUSY: N_("the vendor was busy"),
    Why.TOO_FAST: N_("the vendor throttled"),
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
    values = {
        "people": counted(move.recipients, "recipient"),
        "account": move.account,
        "other": move.to,
        "time": clock(move.first_ms),
    }
    if move.back:
        return _("{people} went back from {account} to {other} since {time}", **values)
    why = _(REASONS.get(Why(move.why), N_("it did not send")))
    return _("{people} moved from {account} to {other} since {time}: {why}", **values, why=why)
