"""The base of all records, and the words they share."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class Effect(StrEnum):
    """What an outcome does to its chunk."""

    ACCEPTED = "accepted"
    FAILED = "failed"  # refused for good
    QUEUED = "queued"  # provably not taken: it is sent again
    UNKNOWN = "unknown"  # the vendor may have taken it


class Kind(StrEnum):
    """The outcome classes of vendors.md 0.1, and `not-sent`: nothing was written. dispatcher/core/lane/policy.py says
    what each one does.
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


class Why(StrEnum):
    """What keeps recipients of an account from going out."""

    LOGIN = "login"  # the vendor refuses the login
    ADDRESS = "address"  # a web server answers instead of the vendor: `url` is wrong
    CREDIT = "credit"
    OTHER_CREDIT = "other-credit"  # a credit for some recipients only
    HOURS = "hours"  # outside the account's own send_hours
    VENDOR_HOURS = "vendor-hours"  # the vendor says that it is closed
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no-answer"  # requests arrive, and nothing that can be used comes back
    BUSY = "busy"
    TOO_FAST = "too-fast"
    BATCH = "batch"  # the recipients' numbers cannot be read from the log
    UNWRITTEN = "unwritten"  # a chunk was tried again and again without a byte written
    OTHER = "other"  # a newer release says something that this one does not know

    @classmethod
    def _missing_(cls, value: object) -> Why:
        return cls.OTHER


class Stop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What keeps recipients of an account from going out, since when and until when (0: nobody knows).

    `code`: the vendor's own, `row`: how often in a row it was heard. `trying`: one request is let through to find out.
    `recipients`: how many are concerned, 0: all of the account's.
    """

    why: Why
    code: str = ""
    since_ms: int = 0
    until_ms: int = 0
    row: int = 0
    trying: bool = False
    recipients: int = 0


class ResolvedAs(StrEnum):
    """What an unknown chunk is resolved as: accepted after all; or sent again, knowing or not knowing it is safe."""

    SENT = "sent"
    NOT_SENT = "not-sent"
    RESEND = "resend"


UnknownPolicy = Literal["hold", "resend"]

MessageKind = Literal["sms", "wap", "mms"]
"""A text; a WAP push (its text is `title#URL`); a multimedia message (its text is the URL of its frames)."""

SuppressionSource = Literal["opt-out", "person", "import"]
"""A phone that sent an opt-out word; a person's command; a list that a person imported."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="t"):
    """The base of all records; gives them their tag field."""
