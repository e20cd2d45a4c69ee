"""The base of all records, and the words they share."""

from __future__ import annotations

from typing import Literal

import msgspec

Effect = Literal["accepted", "failed", "queued", "unknown"]
"""What an outcome does to its chunk: taken; refused for good; provably not taken, to be sent again; may be taken."""

UnknownPolicy = Literal["hold", "resend"]

MessageKind = Literal["sms", "wap", "mms"]
"""A text; a WAP push (its text is `title#URL`); a multimedia message (its text is the URL of its frames)."""

SuppressionSource = Literal["opt-out", "person", "import"]
"""A phone that sent an opt-out word; a person's command; a list that a person imported."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="t"):
    """The base of all records; gives them their tag field."""
