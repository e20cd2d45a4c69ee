"""The outcome classes and a classified answer: the words in which vendors and the lane speak (vendors.md 0.1). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec

from schemas.records import Effect

NO_ANSWER: Final = "no answer"
NOT_CONNECTED: Final = "not connected"
"""Codes of verdicts that no vendor gave: after the first byte, and before it."""


class Kind(Enum):
    """The outcome classes of vendors.md 0.1, with what each means for the chunk and for the lane."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"
    RETRY_LATER = "retry-later"
    THROTTLED = "throttled"
    REJECTED = "rejected-permanent"
    CONTENT = "content"
    AUTH = "auth"
    BALANCE = "balance"
    UNKNOWN = "unknown"
    NOT_SENT = "not-sent"

    @property
    def effect(self) -> Effect:
        """What becomes of the chunk's recipients."""
        return _EFFECT[self]

    @property
    def stops_lane(self) -> bool:
        """The account cannot send until somebody acts (auth) or tops it up (balance); its work is kept."""
        return self in (Kind.AUTH, Kind.BALANCE)


_EFFECT: Final[Mapping[Kind, Effect]] = {
    Kind.ACCEPTED: "accepted",
    Kind.PARTIAL: "unknown",
    Kind.RETRY_LATER: "queued",
    Kind.THROTTLED: "queued",
    Kind.REJECTED: "failed",
    Kind.CONTENT: "failed",
    Kind.AUTH: "queued",
    Kind.BALANCE: "queued",
    Kind.UNKNOWN: "unknown",
    Kind.NOT_SENT: "queued",
}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's answer to one submit, classified once. `text` is the answer's first 200 characters, for people.

    `vendor_ids` (one per recipient in submitted order) only where the vendor gives one each. `divide`: send the
    slice again in halves. `hold_s`: nothing needs to be tried before then. `doubtful`: a refusal for now that the
    document does not explain; if it is all we ever get, the chunk is unknown in the end, not failed. `apart`: the
    balance that is empty is not the account's own (international credit), so only this slice waits. `warn` says what is
    odd (an accepted answer without an id: no reports can be joined).
    """

    kind: Kind
    code: str = ""
    text: str = ""
    vendor_id: str = ""
    vendor_ids: tuple[str, ...] = ()
    divide: bool = False
    hold_s: float = 0.0
    doubtful: bool = False
    apart: bool = False
    warn: str = ""
