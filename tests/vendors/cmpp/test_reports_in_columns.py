"""Reports that came together say the same in columns as each says by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.arrivals import columns
from dispatcher.cmpp import pdus
from dispatcher.cmpp.link import Reported
from dispatcher.vendors.cmpp.vendor import Cmpp
from dispatcher.vendors.seam.vendor import ReportRow, Secret

AT_MS = 1_800_000_000_000
BODIES = {60: pdus.ReportBody, 71: pdus.ReportBodyWide}
REPORT = st.tuples(
    st.integers(0, 2**64 - 1),
    st.sampled_from([b"DELIVRD", b"UNDELIV", b"ACCEPTD", b"MK:0001", b"DB:0141", b""]),
    st.sampled_from([b"2601312359", b"2602290000", b"2602010000", b"", b"26013123"]),
    st.integers(13_000_000_000, 19_999_999_999),
)


def account(**keys):
    return Cmpp(url="cmpp://127.0.0.1:7890", sp_id="901234", secret=Secret("sim-secret"), **keys)


def reported(rows, *, octets=60, prefix=b"", tail=b"", source=b"13800138000"):
    """A DELIVER for each row (id, code, time, number)."""
    frames = []
    for sequence, (msg_id, stat, done, number) in enumerate(rows, 1):
        shown = number if isinstance(number, bytes) else prefix + b"%d" % number
        body = BODIES[octets](msg_id, stat, b"2601310000", done, shown, 7)
        content = body.pack(0)[12:] + tail
        deliver = pdus.Deliver(7, b"1069", src_terminal_id=source, registered_delivery=1, msg_content=content)
        frames.append(deliver.pack(sequence))
    return Reported(list(range(1, len(rows) + 1)), b"".join(frames), len(frames[0]))


def together(vendor, reports):
    return vendor.read_reports(reports.frames, reports.frame_bytes, "polar", AT_MS)


def each_by_itself(vendor, reports):
    rows = [vendor.read(deliver, "polar", AT_MS) for deliver in reports.delivers()]
    assert all(isinstance(row, ReportRow) for row in rows)
    return columns("polar", rows, AT_MS)


@given(st.lists(REPORT, min_size=1, max_size=40), st.sampled_from([60, 71]), st.sampled_from([b"", b"86"]))
def test_reports_say_the_same_together_as_each_by_itself(rows, octets, prefix):
    reports = reported(rows, octets=octets, prefix=prefix)
    assert together(account(), reports) == [each_by_itself(account(), reports)]


@pytest.mark.parametrize(("layout", "octets", "tail"), [("2.0", 60, b"\0" * 11), ("2.0", 60, b"x"), ("3.0", 71, b"x")])
def test_a_layout_that_the_account_names_is_read_whatever_is_behind_it(layout, octets, tail):
    reports = reported([(1, b"DELIVRD", b"2601312359", 13_800_138_000)] * 3, octets=octets, tail=tail)
    vendor = account(report_layout=layout)
    assert together(vendor, reports) == [each_by_itself(vendor, reports)]


GOOD = (1, b"DELIVRD", b"2601312359", 13_800_138_000)
ODD = {
    "no number": (2, b"DELIVRD", b"2601312359", b""),
    "a plus": (2, b"DELIVRD", b"2601312359", b"+8613800138000"),
    "another prefix than the others": (2, b"DELIVRD", b"2601312359", b"8613800138000"),
    "blanks behind the number": (2, b"DELIVRD", b"2601312359", b"13800138000".ljust(21)),
    "a foreign number": (2, b"DELIVRD", b"2601312359", b"85251234567"),
    "a longer number": (2, b"DELIVRD", b"2601312359", b"138001380001"),
    "a code with blanks beside one without": (2, b" DELIVRD"[:7], b"2601312359", b"13800138000"),
    "two spellings of a code": (2, b"DELIVRD"[:5] + b" ", b"2601312359", b"13800138000"),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_an_odd_report_never_says_something_else_in_columns(odd):
    others = [GOOD, (3, b"DELIV", *GOOD[2:])]
    for rows in ([*others, odd], [odd, *others], [odd, odd]):
        reports = reported(rows)
        assert together(account(), reports) in (None, [each_by_itself(account(), reports)])


def test_a_content_of_another_length_is_no_report():
    reports = reported([GOOD, GOOD], tail=b"xyz")
    assert together(account(), reports) is None
    assert together(account(report_layout="3.0"), reports) is None
