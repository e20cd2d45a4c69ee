"""What the balance says of unknown requests, as people read it, and as JSON. Drawing only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from dispatcher.service.unknowns import Doubt
from schemas.records import BalanceTold

NAMES_SHOWN: Final = 5


def hints(found: Sequence[Doubt]) -> Iterator[str]:
    """What the balances say, one line for all requests between the same two answers."""
    together: dict[BalanceTold, list[Doubt]] = {}
    for doubt in found:
        if doubt.hint is not None:
            together.setdefault(doubt.hint, []).append(doubt)
    for hint, doubts in together.items():
        settled = len(hint.intents) - len(doubts)
        which = f"{_names(doubts)}{f' and {settled:,} settled since' if settled else ''}"
        requests = f"{len(hint.intents):,} request{'s' if len(hint.intents) > 1 else ''} ({which})"
        before = f"{_amount(hint.before)} at {_clock(hint.before_ms)}"
        after = f"{_amount(hint.after)} at {_clock(hint.after_ms)}"
        said = (
            f"A hint only, the balance of {hint.account}: {before}, before {requests} with {_amount(hint.messages)} "
            f"messages; {after}, after."
        )
        fell = hint.before - hint.after
        if hint.taken is None:
            yield f"{said} That is {_amount(fell)} less, for these and whatever else was sent meanwhile."
            continue
        spread = f", {_amount(hint.under_way)} more or less" if hint.under_way else ""
        left = max(0.0, fell - hint.taken)
        yield (
            f"{said} Requests that were answered cost {_amount(hint.taken)} of the difference{spread}. What is left "
            f"for these: {_amount(left) if left else 'nothing'}, unless others spent or somebody paid in."
        )


def _names(found: Sequence[Doubt]) -> str:
    names = [doubt.name for doubt in found[:NAMES_SHOWN]]
    return f"{', '.join(names)}{f' and {len(found) - NAMES_SHOWN:,} more' if len(found) > NAMES_SHOWN else ''}"


def _clock(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000):%H:%M:%S}"


def _amount(messages: float) -> str:
    return f"{messages:,.0f}"


def hint_object(doubt: Doubt) -> dict[str, Any] | None:
    """One request's, for `--json`. Amounts are messages, times Unix milliseconds."""
    hint = doubt.hint
    if hint is None:
        return None
    chunks = [f"{doubt.chunk.partition}:{intent}" for intent in hint.intents]
    told = {"before": hint.before, "before_ms": hint.before_ms, "after": hint.after, "after_ms": hint.after_ms}
    return told | {"chunks": chunks, "messages": hint.messages, "taken": hint.taken, "under_way": hint.under_way}
