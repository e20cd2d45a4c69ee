"""The PDUs printed in docs/vendors/cmpp.md, and what each of them says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from dispatcher.cmpp import pdus
from dispatcher.cmpp.layout import Pdu

PAGE = (Path(__file__).parents[2] / "docs" / "vendors" / "cmpp.md").read_text("utf-8")
FRAMES = [bytes.fromhex(pdu) for pdu in re.findall(r"\b000000[0-9a-f]{18,}\b", PAGE)]

ID = 0x1FDFBEC003E90007
_SUBMIT = pdus.Submit(service_id=b"SVC", msg_src=b"901234", src_id=b"1069000101", dest_terminal_ids=(b"13800138000",))
_GATEWAY: dict[str, Any] = {"route_id": 7, "destination_id": b"001001", "gateway_ip": b"10.0.0.1", "gateway_port": 7890}
_MT_UPDATE: dict[str, Any] = {**_GATEWAY, "start_id": b"138000", "end_id": b"138009", "area_code": b"010"}
_MO_UPDATE: dict[str, Any] = {
    **_GATEWAY,
    "sp_code": b"1000",
    "service_id": b"TPCQ",
    "start_code": 1000,
    "end_code": 2000,
}
_REPORT = pdus.ReportBody(ID, b"DELIVRD", b"2601312359", b"2602010000", b"13800138000", 0x102)


def _submit(**fields: Any) -> pdus.Submit:
    return msgspec.structs.replace(_SUBMIT, **fields)


def _authenticator(pdu: type[Pdu], at: int) -> bytes:
    """The 16 octets that tests/cmpp/test_login.py judges, of the first PDU of a kind on the page."""
    return next(frame for frame in FRAMES if int.from_bytes(frame[4:8], "big") == pdu.command)[at : at + 16]


MEANINGS: list[tuple[int, Pdu]] = [
    (1, pdus.Connect(b"901234", _authenticator(pdus.Connect, 18), 0x20, 131235959)),
    (1, pdus.ConnectResp(0, _authenticator(pdus.ConnectResp, 13))),
    (1, pdus.ConnectResp(3)),
    (9, pdus.ActiveTest()),
    (9, pdus.ActiveTestResp()),
    (0xFFFFFFFF, pdus.Terminate()),
    (0xFFFFFFFF, pdus.TerminateResp()),
    (2, _submit(msg_content=b"hello")),
    (
        3,
        _submit(
            registered_delivery=0,
            msg_fmt=8,
            dest_terminal_ids=(b"13800138000", b"8613900139000"),
            msg_content="测试".encode("utf-16-be"),
        ),
    ),
    (
        5,
        _submit(pk_total=2, tp_udhi=1, msg_fmt=8, msg_content=b"\x05\x00\x03\xa5\x02\x01" + "甲乙".encode("utf-16-be")),
    ),
    (
        6,
        _submit(
            pk_total=2,
            pk_number=2,
            tp_udhi=1,
            msg_fmt=8,
            msg_content=b"\x05\x00\x03\xa5\x02\x02" + "丙".encode("utf-16-be"),
        ),
    ),
    (4, _submit(msg_fmt=15, msg_content="测试".encode("gbk"))),
    (2, pdus.SubmitResp(ID, 0)),
    (2, pdus.SubmitResp(0, 8)),
    (
        0x10,
        pdus.Deliver(
            0x2080004003E90008,
            b"1069000101",
            b"SVC",
            src_terminal_id=b"13800138000",
            registered_delivery=1,
            msg_content=_REPORT.layout.pack(0, _REPORT)[12:],
        ),
    ),
    (0x10, pdus.DeliverResp(0x2080004003E90008, 0)),
    (
        0x12,
        pdus.Deliver(
            0x208000C003E9000A,
            b"106900010188",
            msg_fmt=8,
            src_terminal_id=b"8613800138000",
            msg_content="退订".encode("utf-16-be"),
        ),
    ),
    (7, pdus.Query(b"20260131")),
    (7, pdus.QueryResp(b"20260131", 0, b"", 100, 120, 90, 5, 5, 3, 1, 0)),
    (8, pdus.Cancel(ID)),
    (8, pdus.CancelResp(0)),
    (
        10,
        pdus.Fwd(
            b"001001",
            b"079101",
            1,
            0,
            ID,
            service_id=b"SVC",
            msg_src=b"901234",
            src_id=b"1069000101",
            dest_ids=(b"13800138000",),
            msg_content=b"hello",
        ),
    ),
    (10, pdus.FwdResp(ID, 1, 1, 9)),
    (1, pdus.MtRoute(b"079101", b"13800138000")),
    (1, pdus.MtRouteResp(**_GATEWAY, start_id=b"138000", end_id=b"138009", area_code=b"010")),
    (2, pdus.MoRoute(b"079101", b"1000", b"TPCQ", 1000)),
    (2, pdus.MoRouteResp(**_GATEWAY, sp_id=b"901234", start_code=1000, end_code=2000, result=2)),
    (3, pdus.GetRoute(b"079101", b"MT", -1)),
    (3, pdus.GetRouteResp(**_GATEWAY, start_code=1380000, end_code=1380009, area_code=b"010", result=2)),
    (4, pdus.MtRouteUpdate(**{**_MT_UPDATE, "route_id": 0, "start_id": b"138000", "end_id": b"138009"})),
    (5, pdus.MoRouteUpdate(2, **_MO_UPDATE)),
    (6, pdus.PushMtRouteUpdate(1, **_MT_UPDATE)),
    (7, pdus.PushMoRouteUpdate(0, **_MO_UPDATE)),
    (4, pdus.MtRouteUpdateResp(0)),
]
