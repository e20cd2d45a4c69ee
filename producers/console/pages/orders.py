"""What orders have in common: a figure that a person typed, and whether enough was typed to confirm."""

from __future__ import annotations

from dispatcher.i18n import _

NAMED_MAX = 200


def typed_count(text: str) -> int | None:
    """The number that a person typed, with or without commas; None if it is none."""
    digits = "".join(text.split()).replace(",", "").replace("，", "")
    return int(digits) if digits.isdecimal() and len(digits) <= 12 else None


def unconfirmed(typed: str, recipients: int, above: int) -> str:
    """Why an order about so many recipients is not confirmed, or "": above a limit their number must be typed."""
    if recipients <= above or typed_count(typed) == recipients:
        return ""
    return _("To confirm, type the number of recipients: {count}").format(count=f"{recipients:,}")
