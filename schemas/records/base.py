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
