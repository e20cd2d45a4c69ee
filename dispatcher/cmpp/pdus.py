"""The PDUs of CMPP 2.0, each the table of vendors.md 6.5 to 6.13: sizes, order, meaning. docs/CMPP.md comes from here.

`LAYOUTS` has every layout of a command, the document's own first; the others are what real peers send instead
(AMB-CMPP-4 and 5).
"""

from __future__ import annotations

from typing import Annotated, Final

from dispatcher.cmpp.layout import RESPONSE, Layout, Pdu, content, numbers, octets, pdu, raw, right, sint, uint

# The commands. After 0x09 follows 0x10: these are constants, never a counter (AMB-CMPP-27).
CONNECT: Final = 0x00000001
TERMINATE: Final = 0x00000002
SUBMIT: Final = 0x00000004
DELIVER: Final = 0x00000005
QUERY: Final = 0x00000006
CANCEL: Final = 0x00000007
ACTIVE_TEST: Final = 0x00000008
FWD: Final = 0x00000009
MT_ROUTE: Final = 0x00000010
MO_ROUTE: Final = 0x00000011
GET_ROUTE: Final = 0x00000012
MT_ROUTE_UPDATE: Final = 0x00000013
MO_ROUTE_UPDATE: Final = 0x00000014
PUSH_MT_ROUTE_UPDATE: Final = 0x00000015
PUSH_MO_ROUTE_UPDATE: Final = 0x00000016

CONNECT_RESP: Final = CONNECT | RESPONSE
TERMINATE_RESP: Final = TERMINATE | RESPONSE
SUBMIT_RESP: Final = SUBMIT | RESPONSE
DELIVER_RESP: Final = DELIVER | RESPONSE
QUERY_RESP: Final = QUERY | RESPONSE
CANCEL_RESP: Final = CANCEL | RESPONSE
ACTIVE_TEST_RESP: Final = ACTIVE_TEST | RESPONSE
FWD_RESP: Final = FWD | RESPONSE
MT_ROUTE_RESP: Final = MT_ROUTE | RESPONSE
MO_ROUTE_RESP: Final = MO_ROUTE | RESPONSE
GET_ROUTE_RESP: Final = GET_ROUTE | RESPONSE
MT_ROUTE_UPDATE_RESP: Final = MT_ROUTE_UPDATE | RESPONSE
MO_ROUTE_UPDATE_RESP: Final = MO_ROUTE_UPDATE | RESPONSE
PUSH_MT_ROUTE_UPDATE_RESP: Final = PUSH_MT_ROUTE_UPDATE | RESPONSE
PUSH_MO_ROUTE_UPDATE_RESP: Final = PUSH_MO_ROUTE_UPDATE | RESPONSE

VERSION_20: Final = 0x20


# The session


@pdu(CONNECT)
class Connect(Pdu, frozen=True):
    """SP → ISMG: log in. Between gateways the code of the one that calls is the Source_Addr."""

    source_addr: Annotated[bytes, octets(6, "Source_Addr", "SP_Id")] = b""
    authenticator: Annotated[
        bytes, raw(16, "AuthenticatorSource", "MD5(Source_Addr + 9 NUL + shared secret + timestamp of 10 digits)")
    ] = bytes(16)
    version: Annotated[int, uint(1, "Version", "0x20: 2.0")] = VERSION_20
    timestamp: Annotated[int, uint(4, "Timestamp", "MMDDHHMMSS as a number: its leading zero is lost")] = 0


@pdu(CONNECT_RESP)
class ConnectResp(Pdu, frozen=True):
    """ISMG → SP."""

    status: Annotated[
        int, uint(1, "Status", "0 taken, 1 structure, 2 source address, 3 authentication, 4 version too high, 5… other")
    ] = 0
    authenticator: Annotated[
        bytes, raw(16, "AuthenticatorISMG", "MD5(Status + AuthenticatorSource + shared secret); zeros after a failure")
    ] = bytes(16)
    version: Annotated[int, uint(1, "Version", "the highest that the gateway speaks")] = VERSION_20


@pdu(CONNECT_RESP)
class ConnectRespWide(Pdu, frozen=True):
    """ISMG → SP: as CMPP 3.0 has it, Status in 4 octets (AMB-CMPP-4)."""

    status: Annotated[int, uint(4, "Status", "as above")] = 0
    authenticator: Annotated[bytes, raw(16, "AuthenticatorISMG")] = bytes(16)
    version: Annotated[int, uint(1, "Version")] = VERSION_20


@pdu(TERMINATE)
class Terminate(Pdu, frozen=True):
    """Either → the other: end the session."""


@pdu(TERMINATE_RESP)
class TerminateResp(Pdu, frozen=True):
    """The answer to it."""


@pdu(ACTIVE_TEST)
class ActiveTest(Pdu, frozen=True):
    """Either → the other: are you there?"""


@pdu(ACTIVE_TEST_RESP)
class ActiveTestResp(Pdu, frozen=True):
    """The answer to it."""

    reserved: Annotated[int, uint(1, "Reserved")] = 0


@pdu(ACTIVE_TEST_RESP)
class ActiveTestRespBare(Pdu, frozen=True):
    """The answer to it as some gateways give it, without the octet (AMB-CMPP-5)."""


# Messages


@pdu(SUBMIT)
class Submit(Pdu, frozen=True):
    """SP → ISMG: a message, or a part of a long one, to 1 to 99 numbers; to one if a report is wanted."""

    msg_id: Annotated[int, uint(8, "Msg_Id", "0: the gateway makes it (AMB-CMPP-11)")] = 0
    pk_total: Annotated[int, uint(1, "Pk_total", "parts of the message")] = 1
    pk_number: Annotated[int, uint(1, "Pk_number", "which part, from 1")] = 1
    registered_delivery: Annotated[
        int, uint(1, "Registered_Delivery", "0 no report, 1 report, 2 a record for billing alone")
    ] = 1
    msg_level: Annotated[int, uint(1, "Msg_level")] = 0
    service_id: Annotated[bytes, octets(10, "Service_Id")] = b""
    fee_user_type: Annotated[
        int, uint(1, "Fee_UserType", "0 destination, 1 source, 2 SP pays, 3 see Fee_terminal_Id")
    ] = 2
    fee_terminal_id: Annotated[bytes, octets(21, "Fee_terminal_Id", "who pays if Fee_UserType is 3 (AMB-CMPP-8)")] = b""
    tp_pid: Annotated[int, uint(1, "TP_pId")] = 0
    tp_udhi: Annotated[int, uint(1, "TP_udhi", "1: the content begins with a user data header")] = 0
    msg_fmt: Annotated[int, uint(1, "Msg_Fmt", "0 ASCII, 3 card, 4 binary, 8 UCS2, 15 GB (AMB-CMPP-29)")] = 0
    msg_src: Annotated[bytes, octets(6, "Msg_src", "SP_Id")] = b""
    fee_type: Annotated[
        bytes, octets(2, "FeeType", "01 free, 02 per message, 03 monthly, 04 capped, 05 paid by the SP")
    ] = b"01"
    fee_code: Annotated[bytes, octets(6, "FeeCode", "in 1/100 yuan")] = b"000000"
    valid_time: Annotated[bytes, octets(17, "ValId_Time", "empty, or YYMMDDhhmmsstnnp (AMB-CMPP-31)")] = b""
    at_time: Annotated[bytes, octets(17, "At_Time", "empty: at once; else as ValId_Time")] = b""
    src_id: Annotated[bytes, octets(21, "Src_Id", "the sender that the phone shows: service code and extension")] = b""
    dest_terminal_ids: Annotated[tuple[bytes, ...], numbers("Dest_terminal_Id", "1 to 99 numbers")] = ()
    msg_content: Annotated[bytes, content("Msg_Content", "at most 159 octets of ASCII, else 140")] = b""
    reserve: Annotated[bytes, raw(8, "Reserve")] = bytes(8)


@pdu(SUBMIT_RESP)
class SubmitResp(Pdu, frozen=True):
    """ISMG → SP."""

    msg_id: Annotated[int, uint(8, "Msg_Id", "unsigned: from August on above 2^63")] = 0
    result: Annotated[
        int,
        uint(
            1,
            "Result",
            "0 taken, 1 structure, 2 command, 3 sequence repeated, 4 length, 5 fee code, 6 too long, 7 Service_Id, "
            "8 flow control, 9… other",
        ),
    ] = 0


@pdu(DELIVER)
class Deliver(Pdu, frozen=True):
    """ISMG → SP: a message from a phone, or a report."""

    msg_id: Annotated[int, uint(8, "Msg_Id", "of this DELIVER")] = 0
    dest_id: Annotated[bytes, octets(21, "Dest_Id", "the number that the phone wrote to")] = b""
    service_id: Annotated[bytes, octets(10, "Service_Id")] = b""
    tp_pid: Annotated[int, uint(1, "TP_pid")] = 0
    tp_udhi: Annotated[int, uint(1, "TP_udhi")] = 0
    msg_fmt: Annotated[int, uint(1, "Msg_Fmt", "means nothing in a report")] = 0
    src_terminal_id: Annotated[bytes, octets(21, "Src_terminal_Id", "the phone; in a report the SUBMIT's number")] = b""
    registered_delivery: Annotated[int, uint(1, "Registered_Delivery", "0 message, 1 report")] = 0
    msg_content: Annotated[bytes, content("Msg_Content", "of a report: ReportBody")] = b""
    reserved: Annotated[bytes, raw(8, "Reserved")] = bytes(8)


@pdu(DELIVER_RESP)
class DeliverResp(Pdu, frozen=True):
    """SP → ISMG, once what it delivered is durable."""

    msg_id: Annotated[int, uint(8, "Msg_Id", "that of the DELIVER")] = 0
    result: Annotated[int, uint(1, "Result", "0 stored, 8 come again; the others as in SUBMIT_RESP")] = 0


@pdu(QUERY)
class Query(Pdu, frozen=True):
    """SP → ISMG: the statistics of a day."""

    time: Annotated[bytes, octets(8, "Time", "YYYYMMDD")] = b""
    query_type: Annotated[int, uint(1, "Query_Type", "0 totals, 1 of one Service_Id")] = 0
    query_code: Annotated[bytes, octets(10, "Query_Code", "the Service_Id")] = b""
    reserve: Annotated[bytes, raw(8, "Reserve")] = bytes(8)


@pdu(QUERY_RESP)
class QueryResp(Pdu, frozen=True):
    """ISMG → SP."""

    time: Annotated[bytes, octets(8, "Time")] = b""
    query_type: Annotated[int, uint(1, "Query_Type")] = 0
    query_code: Annotated[bytes, octets(10, "Query_Code")] = b""
    mt_messages: Annotated[int, uint(4, "MT_TLMsg", "messages taken from the SP")] = 0
    mt_recipients: Annotated[int, uint(4, "MT_Tlusr", "recipients of these")] = 0
    mt_forwarded: Annotated[int, uint(4, "MT_Scs")] = 0
    mt_waiting: Annotated[int, uint(4, "MT_WT")] = 0
    mt_failed: Annotated[int, uint(4, "MT_FL")] = 0
    mo_delivered: Annotated[int, uint(4, "MO_Scs", "messages from phones, delivered to the SP")] = 0
    mo_waiting: Annotated[int, uint(4, "MO_WT")] = 0
    mo_failed: Annotated[int, uint(4, "MO_FL")] = 0


@pdu(CANCEL)
class Cancel(Pdu, frozen=True):
    """SP → ISMG: take back a message that waits for its At_Time."""

    msg_id: Annotated[int, uint(8, "Msg_Id")] = 0


@pdu(CANCEL_RESP)
class CancelResp(Pdu, frozen=True):
    """ISMG → SP."""

    success_id: Annotated[int, uint(1, "Success_Id", "0 taken back, 1 not")] = 0


# Between gateways


@pdu(FWD)
class Fwd(Pdu, frozen=True):
    """ISMG → ISMG: a message, or a report of one."""

    source_id: Annotated[bytes, right(6, "Source_Id", "gateway it comes from")] = b""
    destination_id: Annotated[bytes, right(6, "Destination_Id", "gateway it goes to")] = b""
    nodes_count: Annotated[int, uint(1, "NodesCount", "gateways passed")] = 0
    msg_fwd_type: Annotated[int, uint(1, "Msg_Fwd_Type", "0 MT, 1 MO, 2 report of an MT, 3 report of an MO")] = 0
    msg_id: Annotated[int, uint(8, "Msg_Id")] = 0
    pk_total: Annotated[int, uint(1, "Pk_total")] = 1
    pk_number: Annotated[int, uint(1, "Pk_number")] = 1
    registered_delivery: Annotated[int, uint(1, "Registered_Delivery")] = 1
    msg_level: Annotated[int, uint(1, "Msg_level")] = 0
    service_id: Annotated[bytes, octets(10, "Service_Id")] = b""
    fee_user_type: Annotated[int, uint(1, "Fee_UserType")] = 2
    fee_terminal_id: Annotated[bytes, octets(21, "Fee_terminal_Id")] = b""
    tp_pid: Annotated[int, uint(1, "TP_pid")] = 0
    tp_udhi: Annotated[int, uint(1, "TP_udhi")] = 0
    msg_fmt: Annotated[int, uint(1, "Msg_Fmt")] = 0
    msg_src: Annotated[bytes, octets(6, "Msg_src", "SP_Id")] = b""
    fee_type: Annotated[bytes, octets(2, "FeeType", "00: fees between gateways alone")] = b"01"
    fee_code: Annotated[bytes, octets(6, "FeeCode")] = b"000000"
    valid_time: Annotated[bytes, octets(17, "Valid_Time")] = b""
    at_time: Annotated[bytes, octets(17, "At_Time")] = b""
    src_id: Annotated[bytes, octets(21, "Src_Id", "MT: service code; MO: the phone")] = b""
    dest_ids: Annotated[tuple[bytes, ...], numbers("Dest_Id", "MT: the phones; MO: the service code")] = ()
    msg_content: Annotated[bytes, content("Msg_Content", "of a report: ReportBody or MoReportBody")] = b""
    reserve: Annotated[bytes, raw(8, "Reserve")] = bytes(8)


@pdu(FWD_RESP)
class FwdResp(Pdu, frozen=True):
    """The answer to it."""

    msg_id: Annotated[int, uint(8, "Msg_Id")] = 0
    pk_total: Annotated[int, uint(1, "Pk_total")] = 1
    pk_number: Annotated[int, uint(1, "Pk_number")] = 1
    result: Annotated[int, uint(1, "Result", "as in SUBMIT_RESP; 9: the SP is not of this gateway; 10… other")] = 0


# Between a gateway and the name server


@pdu(MT_ROUTE)
class MtRoute(Pdu, frozen=True):
    """ISMG → GNS: which gateway has this phone?"""

    source_id: Annotated[bytes, octets(6, "Source_Id", "the gateway that asks")] = b""
    terminal_id: Annotated[bytes, octets(21, "Terminal_Id")] = b""


@pdu(MT_ROUTE_RESP)
class MtRouteResp(Pdu, frozen=True):
    """GNS → ISMG."""

    route_id: Annotated[int, uint(4, "Route_Id", "from 0, given by the name server")] = 0
    destination_id: Annotated[bytes, octets(6, "Destination_Id")] = b""
    gateway_ip: Annotated[bytes, octets(15, "Gateway_IP")] = b""
    gateway_port: Annotated[int, uint(2, "Gateway_port")] = 0
    start_id: Annotated[bytes, octets(6, "Start_Id", "first of the number segment")] = b""
    end_id: Annotated[bytes, octets(6, "End_Id", "last of it")] = b""
    area_code: Annotated[bytes, octets(4, "Area_code", "of the capital of the province")] = b""
    result: Annotated[int, uint(1, "Result", "0 found, 1 no such route, 2 the last one")] = 0


@pdu(MO_ROUTE)
class MoRoute(Pdu, frozen=True):
    """ISMG → GNS: which gateway has this service?"""

    source_id: Annotated[bytes, octets(6, "Source_Id")] = b""
    sp_code: Annotated[bytes, octets(21, "SP_Code")] = b""
    service_id: Annotated[bytes, octets(10, "Service_Id")] = b""
    service_code: Annotated[int, uint(4, "Service_Code", "0 without a Service_Id")] = 0


@pdu(MO_ROUTE_RESP)
class MoRouteResp(Pdu, frozen=True):
    """GNS → ISMG."""

    route_id: Annotated[int, uint(4, "Route_Id")] = 0
    destination_id: Annotated[bytes, octets(6, "Destination_Id")] = b""
    gateway_ip: Annotated[bytes, octets(15, "Gateway_IP")] = b""
    gateway_port: Annotated[int, uint(2, "Gateway_port")] = 0
    sp_id: Annotated[bytes, octets(21, "SP_Id", "of 21 octets (AMB-CMPP-26)")] = b""
    start_code: Annotated[int, uint(4, "Start_code")] = 0
    end_code: Annotated[int, uint(4, "End_code")] = 0
    result: Annotated[int, uint(1, "Result")] = 0


@pdu(GET_ROUTE)
class GetRoute(Pdu, frozen=True):
    """ISMG → GNS: the next route after this one."""

    source_id: Annotated[bytes, octets(6, "Source_Id")] = b""
    route_type: Annotated[bytes, octets(2, "Route_type", "MO or MT")] = b""
    last_route_id: Annotated[int, sint(4, "Last_route_Id", "-1 at first")] = -1


@pdu(GET_ROUTE_RESP)
class GetRouteResp(Pdu, frozen=True):
    """GNS → ISMG."""

    route_id: Annotated[int, uint(4, "Route_Id")] = 0
    destination_id: Annotated[bytes, octets(6, "Destination_Id")] = b""
    gateway_ip: Annotated[bytes, octets(15, "Gateway_IP")] = b""
    gateway_port: Annotated[int, uint(2, "Gateway_port")] = 0
    sp_code: Annotated[bytes, octets(21, "SP_Code", "empty in an MT route")] = b""
    service_id: Annotated[bytes, octets(10, "Service_Id")] = b""
    start_code: Annotated[int, uint(4, "Start_code", "of an MT route: the number segment")] = 0
    end_code: Annotated[int, uint(4, "End_code")] = 0
    area_code: Annotated[bytes, octets(4, "Area_code", "empty in an MO route")] = b""
    result: Annotated[int, uint(1, "Result")] = 0


class _MtUpdate(Pdu, frozen=True):
    update_type: Annotated[int, uint(1, "Update_type", "0 add, 1 delete, 2 change")] = 0
    route_id: Annotated[int, uint(4, "Route_Id", "0 if one is added")] = 0
    destination_id: Annotated[bytes, octets(6, "Destination_Id")] = b""
    gateway_ip: Annotated[bytes, octets(15, "Gateway_IP")] = b""
    gateway_port: Annotated[int, uint(2, "Gateway_port")] = 0
    start_id: Annotated[bytes, octets(6, "Start_Id")] = b""
    end_id: Annotated[bytes, octets(6, "End_Id")] = b""
    area_code: Annotated[bytes, octets(4, "Area_code")] = b""


class _MoUpdate(Pdu, frozen=True):
    update_type: Annotated[int, uint(1, "Update_type", "0 add, 1 delete, 2 change")] = 0
    route_id: Annotated[int, uint(4, "Route_Id", "0 if one is added")] = 0
    destination_id: Annotated[bytes, octets(6, "Destination_Id")] = b""
    gateway_ip: Annotated[bytes, octets(15, "Gateway_IP")] = b""
    gateway_port: Annotated[int, uint(2, "Gateway_port")] = 0
    sp_code: Annotated[bytes, octets(21, "SP_Code")] = b""
    service_id: Annotated[bytes, octets(10, "Service_Id")] = b""
    start_code: Annotated[int, uint(4, "Start_code")] = 0
    end_code: Annotated[int, uint(4, "End_code")] = 0


class _UpdateResp(Pdu, frozen=True):
    result: Annotated[int, uint(1, "Result", "0 legal, to be checked; 1 illegal")] = 0


class _PushResp(Pdu, frozen=True):
    result: Annotated[int, uint(1, "Result", "0 changed, 1 failed")] = 0


@pdu(MT_ROUTE_UPDATE)
class MtRouteUpdate(_MtUpdate, frozen=True):
    """ISMG → GNS."""


@pdu(MT_ROUTE_UPDATE_RESP)
class MtRouteUpdateResp(_UpdateResp, frozen=True):
    """GNS → ISMG."""


@pdu(MO_ROUTE_UPDATE)
class MoRouteUpdate(_MoUpdate, frozen=True):
    """ISMG → GNS."""


@pdu(MO_ROUTE_UPDATE_RESP)
class MoRouteUpdateResp(_UpdateResp, frozen=True):
    """GNS → ISMG."""


@pdu(PUSH_MT_ROUTE_UPDATE)
class PushMtRouteUpdate(_MtUpdate, frozen=True):
    """GNS → ISMG."""


@pdu(PUSH_MT_ROUTE_UPDATE_RESP)
class PushMtRouteUpdateResp(_PushResp, frozen=True):
    """ISMG → GNS."""


@pdu(PUSH_MO_ROUTE_UPDATE)
class PushMoRouteUpdate(_MoUpdate, frozen=True):
    """GNS → ISMG."""


@pdu(PUSH_MO_ROUTE_UPDATE_RESP)
class PushMoRouteUpdateResp(_PushResp, frozen=True):
    """ISMG → GNS."""


KINDS: Final[tuple[type[Pdu], ...]] = (
    *(Connect, ConnectResp, ConnectRespWide, Terminate, TerminateResp, ActiveTest, ActiveTestResp, ActiveTestRespBare),
    *(Submit, SubmitResp, Deliver, DeliverResp, Query, QueryResp, Cancel, CancelResp, Fwd, FwdResp),
    *(MtRoute, MtRouteResp, MoRoute, MoRouteResp, GetRoute, GetRouteResp),
    *(MtRouteUpdate, MtRouteUpdateResp, MoRouteUpdate, MoRouteUpdateResp),
    *(PushMtRouteUpdate, PushMtRouteUpdateResp, PushMoRouteUpdate, PushMoRouteUpdateResp),
)

LAYOUTS: Final[dict[int, tuple[Layout, ...]]] = {
    command: tuple(kind.layout for kind in KINDS if kind.command == command)
    for command in dict.fromkeys(kind.command for kind in KINDS)
}


# Bodies inside Msg_Content


@pdu(0)
class ReportBody(Pdu, frozen=True):
    """Msg_Content of a report."""

    msg_id: Annotated[int, uint(8, "Msg_Id", "of the SUBMIT, not of this DELIVER")] = 0
    stat: Annotated[bytes, octets(7, "Stat", "DELIVRD, EXPIRED, DELETED, UNDELIV, ACCEPTD, UNKNOWN, REJECTD …")] = b""
    submit_time: Annotated[bytes, octets(10, "Submit_time", "YYMMDDHHMM")] = b""
    done_time: Annotated[bytes, octets(10, "Done_time", "YYMMDDHHMM")] = b""
    dest_terminal_id: Annotated[bytes, octets(21, "Dest_terminal_Id")] = b""
    smsc_sequence: Annotated[int, uint(4, "SMSC_sequence")] = 0


@pdu(0)
class ReportBodyWide(Pdu, frozen=True):
    """The same as CMPP 3.0 has it, with a number of 32 octets (AMB-CMPP-20)."""

    msg_id: Annotated[int, uint(8, "Msg_Id")] = 0
    stat: Annotated[bytes, octets(7, "Stat")] = b""
    submit_time: Annotated[bytes, octets(10, "Submit_time")] = b""
    done_time: Annotated[bytes, octets(10, "Done_time")] = b""
    dest_terminal_id: Annotated[bytes, octets(32, "Dest_terminal_Id")] = b""
    smsc_sequence: Annotated[int, uint(4, "SMSC_sequence")] = 0


@pdu(0)
class MoReportBody(Pdu, frozen=True):
    """Msg_Content of a FWD that reports an MO."""

    msg_id: Annotated[int, uint(8, "Msg_Id", "of the DELIVER")] = 0
    stat: Annotated[bytes, octets(7, "Stat", "DELIVRD if the SP answered 0, else REJECTD")] = b""
    deliver_time: Annotated[bytes, octets(10, "CMPP_DELIVER_time", "YYMMDDHHMM")] = b""
    deliver_resp_time: Annotated[bytes, octets(10, "CMPP_DELIVER_RESP_time", "YYMMDDHHMM")] = b""
    dest_id: Annotated[bytes, octets(21, "Dest_Id", "the service code")] = b""
    reserved: Annotated[bytes, raw(4, "Reserved")] = bytes(4)


BODIES: Final[tuple[type[Pdu], ...]] = (ReportBody, ReportBodyWide, MoReportBody)
