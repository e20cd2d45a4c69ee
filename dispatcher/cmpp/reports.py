"""The body of a report: 60 octets in 2.0, 71 where a gateway uses the layout of 3.0 (vendors.md 6.8, AMB-CMPP-20).

Any other length stays as it came: it is to be acknowledged, kept and shown.
"""

from __future__ import annotations

from dispatcher.cmpp.pdus import ReportBody, ReportBodyWide

INTERMEDIATE = b"ACCEPTD"
"""No final word: the message is on its way."""


def read_report(content: bytes) -> ReportBody | ReportBodyWide | None:
    """The report, or None if the content has neither length."""
    for kind in (ReportBody, ReportBodyWide):
        if len(content) == kind.layout.body_bytes_min:
            made = kind.layout.unpack(content)
            return made if isinstance(made, ReportBody | ReportBodyWide) else None
    return None
