"""What GUODU's reports say, and how it names the fields of a message (vendors.md 3)."""

from __future__ import annotations

from typing import Final

import msgspec

from dispatcher.vendors.seam.vendor import report_codes

REPORT_CODES: Final = report_codes("""
    0 | delivered | delivered | 发送成功
""")


class MoFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The vendor's names for the fields of a message; the first present name of each list counts."""

    mobile: tuple[str, ...] = ("mobile",)
    text: tuple[str, ...] = ("content", "msg")
    time: tuple[str, ...] = ("moTime", "time")
    to: tuple[str, ...] = ("spCode", "destCode", "appendId")
    id: tuple[str, ...] = ()
