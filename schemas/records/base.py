"""The base of all records, and their common enumerations."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class Effect(StrEnum):
    """An outcome's effect on its chunk."""

    ACCEPTED = "accepted"
    FAILED = "failed"  # refused for good
    QUEUED = "queued"  # provably not taken: sent again
    UNKNOWN = "unknown"  # the vendor may have taken it


class Kind(StrEnum):
    """The outcome classes of vendors.md 0.1, and `not-sent`: nothing was written.

    dispatcher/core/lane/answers/policy.py has the effect of each.
    """

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


class LeftOut(StrEnum):
    """Why a valid intent leaves recipients out of its request for good."""

    SUPPRESSED = "suppressed"  # they came onto the suppression list after the launch
    REPEATED = "repeated"  # a stream's message whose key it already has
    EXPIRED = "expired"  # a stream's message whose time was over


class Why(StrEnum):
    """The reason why recipients of an account are not sent."""

    LOGIN = "login"  # the vendor refuses the login
    ADDRESS = "address"  # a web server answers instead of the vendor: `url` is wrong
    CREDIT = "credit"
    OTHER_CREDIT = "other-credit"  # a credit for some recipients only
    HOURS = "hours"  # outside the account's own send_hours
    VENDOR_HOURS = "vendor-hours"  # the vendor says that it is closed
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no-answer"  # requests arrive, and no usable answer comes back
    BUSY = "busy"
    TOO_FAST = "too-fast"
    BATCH = "batch"  # the recipients' numbers cannot be read from the log
    SUPPRESSION = "suppression"  # the suppression list cannot be read from the log
    UNWRITTEN = "unwritten"  # a chunk was tried repeatedly without a byte written
    OTHER = "other"  # a reason of a newer release that this one does not know

    @classmethod
    def _missing_(cls, value: object) -> Why:
        return cls.OTHER


class Stop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why recipients of an account are not sent, since when and until when (0: unknown).

    `code`: the vendor's, `row`: how often in a row it came. `trying`: one request at a time is sent to find out.
    `recipients`: how many are affected, 0: all of the account's.
    """

    why: Why
    code: str = ""
    since_ms: int = 0
    until_ms: int = 0
    row: int = 0
    trying: bool = False
    recipients: int = 0


class ResolvedAs(StrEnum):
    """What an unknown chunk is resolved as: accepted; or sent again, known or not known to be safe."""

    SENT = "sent"
    NOT_SENT = "not-sent"
    RESEND = "resend"


UnknownPolicy = Literal["hold", "resend"]

MessageKind = Literal["sms", "wap", "mms"]
"""A text; a WAP push (its text is `title#URL`); a multimedia message (its text is the URL of its frames)."""

CampaignClass = Literal["marketing", "notice", "code"]
"""What a campaign is for; sending hours and other rules may differ by it."""

AtClosing = Literal["pause", "continue"]
"""What becomes of the rest when the session closes in which a campaign began: a person resumes it, or it continues."""

SuppressionSource = Literal["opt-out", "person", "import", "report"]
"""A phone that sent an opt-out word; a person's command; a list that a person imported; a report's code."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="t"):
    """The base of all records; gives them their tag field."""
