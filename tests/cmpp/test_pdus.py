"""The tables of the PDUs: the vectors of the document, exact sizes, round trips, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import FrameReader, read
from dispatcher.cmpp.layout import Field, Kind, Pdu
from tests.cmpp import pdu_tables
from tests.cmpp.vectors import FRAMES, MEANINGS, PAGE

# The totals of vendors.md 6.5 to 6.13, read from there by a person and not from the tables under test.
TOTALS = {
    "Connect": 39, "ConnectResp": 30, "ConnectRespWide": 33, "Terminate": 12, "TerminateResp": 12, "ActiveTest": 12,
    "ActiveTestResp": 13, "ActiveTestRespBare": 12, "Submit": 138, "SubmitResp": 21, "Deliver": 85, "DeliverResp": 21,
    "Query": 39, "QueryResp": 63, "Cancel": 20, "CancelResp": 13, "Fwd": 152, "FwdResp": 23, "MtRoute": 39,
    "MtRouteResp": 56, "MoRoute": 53, "MoRouteResp": 69, "GetRoute": 24, "GetRouteResp": 83, "MtRouteUpdate": 56,
    "MtRouteUpdateResp": 13, "MoRouteUpdate": 79, "MoRouteUpdateResp": 13, "PushMtRouteUpdate": 56,
    "PushMtRouteUpdateResp": 13, "PushMoRouteUpdate": 79, "PushMoRouteUpdateResp": 13,
}  # fmt: skip


def values(field: Field) -> st.SearchStrategy[Any]:
    """Every value that a field can carry and give back."""
    bits = 8 * field.size
    text = st.binary(max_size=field.size).filter(lambda b: b"\0" not in b and b == b.strip(b" "))
    match field.kind:
        case Kind.UINT:
            return st.integers(0, (1 << bits) - 1)
        case Kind.INT:
            return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)
        case Kind.OCTETS:
            return text
        case Kind.RIGHT | Kind.RAW:
            return st.binary(min_size=field.size, max_size=field.size)
        case Kind.NUMBERS:
            return st.lists(text, max_size=99).map(tuple)
        case Kind.CONTENT:
            return st.binary(max_size=255)


def filled(kind: type[Pdu]) -> st.SearchStrategy[Pdu]:
    """A PDU of this kind with any values."""
    return st.builds(kind, **{name: values(field) for name, field in kind.layout.fields.items()})


def test_every_vector_is_packed_octet_for_octet() -> None:
    assert [pdu.pack(sequence) for sequence, pdu in MEANINGS] == FRAMES


@pytest.mark.parametrize(("frame", "meaning"), list(zip(FRAMES, MEANINGS, strict=True)))
def test_every_vector_is_read(frame: bytes, meaning: tuple[int, Pdu]) -> None:
    [(command, sequence, body)] = FrameReader().feed(frame)
    assert (sequence, read((command, sequence, body))) == meaning


def test_the_report_body_of_the_document_is_read() -> None:
    body = PAGE.partition("report body      ")[2].split()[0]
    assert pdus.ReportBody.layout.unpack(bytes.fromhex(body)) == pdus.ReportBody(
        0x1FDFBEC003E90007, b"DELIVRD", b"2601312359", b"2602010000", b"13800138000", 0x102
    )


def test_every_pdu_has_the_size_of_the_document() -> None:
    assert {kind.__name__: len(kind().pack(0)) for kind in pdus.KINDS} == TOTALS
    assert [kind.layout.body_bytes_min for kind in pdus.BODIES] == [60, 71, 60]


@pytest.mark.parametrize(("count", "length", "total"), [(99, 140, 2357), (99, 159, 2376), (99, 160, 2377), (1, 5, 164)])
def test_a_submit_has_21_octets_a_number_and_its_content(count: int, length: int, total: int) -> None:
    assert len(pdus.Submit(dest_terminal_ids=(b"1",) * count, msg_content=bytes(length)).pack(0)) == total


def test_commands_jump_from_0x09_to_0x10() -> None:
    requests = sorted(command for command in pdus.LAYOUTS if command < 0x80000000)
    assert requests == [1, 2, 4, 5, 6, 7, 8, 9, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16]
    assert sorted(set(pdus.LAYOUTS) - set(requests)) == [request | 0x80000000 for request in requests]


@pytest.mark.parametrize("kind", pdus.KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=12, deadline=None)
@given(data=st.data(), sequence=st.integers(0, 0xFFFFFFFF))
def test_every_pdu_comes_back_as_it_was_sent(kind: type[Pdu], data: st.DataObject, sequence: int) -> None:
    pdu = data.draw(filled(kind))
    [frame] = FrameReader(frame_bytes_max=10_000).feed(pdu.pack(sequence))
    assert frame[:2] == (kind.command, sequence)
    assert read(frame) == pdu


@pytest.mark.parametrize("kind", pdus.BODIES, ids=lambda kind: kind.__name__)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_every_body_inside_a_content_comes_back_as_it_was_sent(kind: type[Pdu], data: st.DataObject) -> None:
    pdu = data.draw(filled(kind))
    assert kind.layout.unpack(pdu.pack(0)[12:]) == pdu


@pytest.mark.parametrize("msg_id", [0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_message_ids_are_unsigned(msg_id: int) -> None:
    kinds = (pdus.SubmitResp, pdus.DeliverResp, pdus.Cancel, pdus.FwdResp)
    for frame in FrameReader().feed(b"".join(kind(msg_id=msg_id).pack(1) for kind in kinds)):
        assert getattr(read(frame), "msg_id") == msg_id  # noqa: B009


@pytest.mark.parametrize(
    ("pdu", "sentence"),
    [
        (pdus.Submit(service_id=b"12345678901"), "Service_Id has 11 octets; at most 10 fit"),
        (pdus.Submit(msg_content=bytes(256)), "Msg_Content has 256 items; its count is one octet, at most 255"),
        (pdus.Submit(dest_terminal_ids=(b"1" * 22,)), "Dest_terminal_Id has an item of 22 octets; at most 21 fit"),
        (pdus.Submit(dest_terminal_ids=(b"1",) * 256), "Dest_terminal_Id has 256 items"),
        (pdus.SubmitResp(msg_id=1 << 64), "Msg_Id = 18446744073709551616 does not fit into 8 octets"),
        (pdus.SubmitResp(result=-1), "Result = -1 does not fit into 1 octets"),
        (pdus.GetRoute(last_route_id=1 << 31), "Last_route_Id = 2147483648 does not fit into 4 octets"),
    ],
)
def test_what_does_not_fit_is_named(pdu: Pdu, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        pdu.pack(1)


def test_octet_strings_end_at_the_first_nul_and_lose_blanks() -> None:
    frame = pdus.Query(time=b"20260131").pack(1)
    padded = frame[:21] + b" SVC \0junk" + frame[31:]
    [got] = FrameReader().feed(padded)
    assert read(got) == pdus.Query(time=b"20260131", query_code=b"SVC")


def test_ids_of_gateways_are_filled_with_zeros_on_the_left() -> None:
    assert pdus.Fwd(source_id=b"1001").pack(1)[12:18] == b"001001"


def test_the_document_has_the_tables_of_the_code() -> None:
    document = pdu_tables.DOCUMENT.read_text("utf-8")
    assert document == pdu_tables.written(document), "run: python -m tests.cmpp.pdu_tables"
