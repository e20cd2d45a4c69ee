"""Bodies of reports of 60 and of 71 octets, and others."""

from __future__ import annotations

import pytest

from dispatcher.cmpp.pdus import ReportBody, ReportBodyWide
from dispatcher.cmpp.reports import read_report

FIELDS = (0xCFDFBEFFFFFFFFFF, b"MK:0001", b"2608301056", b"2608301057", b"13800138000", 7)


@pytest.mark.parametrize("kind", [ReportBody, ReportBodyWide])
def test_both_layouts_say_the_same(kind: type[ReportBody] | type[ReportBodyWide]) -> None:
    assert read_report(kind(*FIELDS).pack(0)[12:]) == kind(*FIELDS)


@pytest.mark.parametrize("length", [0, 8, 59, 61, 70, 72, 140])
def test_a_body_of_another_length_stays_raw(length: int) -> None:
    assert read_report(bytes(length)) is None


def test_a_status_of_operators_is_kept_whole() -> None:
    report = read_report(ReportBody(1, b"DB:0141", dest_terminal_id=b"8613800138000").pack(0)[12:])
    assert report is not None
    assert (report.stat, report.dest_terminal_id) == (b"DB:0141", b"8613800138000")
