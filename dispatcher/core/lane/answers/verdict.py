"""The outcome classes and a classified answer: the common terms of vendors and lane (vendors.md 0.1). Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from schemas.records import Kind as Kind

NO_ANSWER: Final = "no answer"
NOT_CONNECTED: Final = "not connected"
"""Codes of verdicts that no vendor gave: after the first byte, and before it. Nothing depends on them."""

UNREADABLE: Final = "unreadable"
"""The code of an answer that is not in the form of the vendor's document."""
TEXT_NOT_CARRIED: Final = "local"
"""The code of a text that the account cannot carry."""
NOT_WRITTEN: Final = "not sent"
"""The code of a request that the dispatcher did not write."""
HISTORY: Final = "history"
HISTORY_PARTLY: Final = "history, partly"
"""Codes for unknown recipients of a chunk that was looked for in the vendor's history: it has none, or only others."""


class Origin(StrEnum):
    """The origin of a verdict."""

    VENDOR = "vendor"  # the body of a 200
    HTTP = "http"  # another status: a web server's
    LINK = "link"  # the connection's, or its end
    OURS = "ours"  # the dispatcher did not let the request out


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's answer to one submit, classified once. `text` is the answer's first 200 characters, for people.

    `vendor_ids` (one per recipient in submitted order) only if the vendor gives one each. `divide`: send the slice
    again in halves. `hold_s`: no try before then is useful. `doubtful`: a temporary refusal that the document does not
    explain; if no other answer comes, the chunk ends unknown, not failed. `separate_credit`: another balance than the
    account's is empty (international credit), so only this slice waits. `slower`: the rate is lowered as for a
    throttle. `wrong_server`: a status that means that no vendor is at this address. `warn`: an oddity (an accepted
    answer without an id: its reports cannot be joined).
    """

    kind: Kind
    code: str = ""
    text: str = ""
    vendor_id: str = ""
    vendor_ids: tuple[str, ...] = ()
    divide: bool = False
    hold_s: float = 0.0
    doubtful: bool = False
    separate_credit: bool = False
    slower: bool = False
    wrong_server: bool = False
    warn: str = ""
    origin: Origin = Origin.VENDOR


class AnswerRun(msgspec.Struct, frozen=True):
    """Neighbouring recipients of a submit with the same verdict."""

    count: int
    verdict: Verdict


class RunsAnswer(msgspec.Struct, frozen=True):
    """A vendor's answers to one submit, if it gives one for each recipient: `runs` cover all of them, in order.

    The ids are those of schemas.records.Outcomes, for every recipient of the submit.
    """

    runs: tuple[AnswerRun, ...]
    ids: bytes = b""
    parts: int = 1
    vendor_ids: tuple[str, ...] = ()
