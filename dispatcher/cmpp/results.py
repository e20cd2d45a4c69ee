"""What a Result of SUBMIT_RESP means for the message (vendors.md 6.7)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Effect(Enum):
    """What becomes of the message."""

    ACCEPTED = "accepted"
    THROTTLED = "throttled"
    CONTENT = "content"
    REJECTED = "rejected-permanent"
    UNKNOWN = "unknown"


REPEATED: Final = 3
EFFECTS: Final[dict[int, Effect]] = {
    0: Effect.ACCEPTED,
    6: Effect.CONTENT,
    8: Effect.THROTTLED,
}


def effect(result: int, transmissions: int, account: Mapping[int, Effect] | None = None) -> Effect:
    """The effect of a Result. `account` says what the operator's own Results, from 9 on, mean.

    Result 3 (sequence repeated) after a frame was sent again says that the first copy arrived: the message may be on
    its way, under an id that nobody knows, and must never be sent again.
    """
    if result == REPEATED and transmissions > 1:
        return Effect.UNKNOWN
    if result > 8 and account and result in account:
        return account[result]
    return EFFECTS.get(result, Effect.REJECTED)
