"""The outcome classes and a classified answer: the words in which vendors and the lane speak (vendors.md 0.1). Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from schemas.records import Kind as Kind

NO_ANSWER: Final = "no answer"
NOT_CONNECTED: Final = "not connected"
"""Codes of verdicts that no vendor gave: after the first byte, and before it. Nothing is decided by them."""


class Origin(StrEnum):
    """Whose word a verdict is."""

    VENDOR = "vendor"  # the body of a 200
    HTTP = "http"  # another status: some web server's
    LINK = "link"  # the connection's, or its end
    OURS = "ours"  # the dispatcher did not let the request out


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's answer to one submit, classified once. `text` is the answer's first 200 characters, for people.

    `vendor_ids` (one per recipient in submitted order) only where the vendor gives one each. `divide`: send the
    slice again in halves. `hold_s`: nothing needs to be tried before then. `doubtful`: a refusal for now that the
    document does not explain; if it is all we ever get, the chunk is unknown in the end, not failed. `apart`: the
    balance that is empty is not the account's own (international credit), so only this slice waits. `slower`: the rate
    is lowered as for a throttle. `wrong_server`: a status that says that no vendor is at this address. `warn` says what
    is odd (an accepted answer without an id: no reports can be joined).
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
    slower: bool = False
    wrong_server: bool = False
    warn: str = ""
    origin: Origin = Origin.VENDOR
