"""What is wrong with a login or a SUBMIT, by the switches (vendors.md 6.5, 6.7, 8.5). Pure."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from hashlib import md5
from typing import Any

from dispatcher.cmpp.pdus import Connect, ConnectResp, Fwd, Submit
from loadtest.sim.config import AccountConfig

CONTENT_MAX = 140
FEE_USER_TYPES = (0, 1, 2, 3)
FEE_TYPES = (b"01", b"02", b"03", b"04", b"05")
TIME_CHARACTERS = 16
MSG_FMT_ASCII = 0
BILLING_ALONE = 2

PEER_SECRET = b"secret"  # of the gateways and the name server
LENGTH = 4
OK, STRUCTURE, SOURCE, AUTHENTICATION, VERSION, OTHER = range(6)  # Status of CONNECT_RESP


def login_status(login: Connect, account: AccountConfig, switches: Any, local: datetime) -> int:
    """The Status of the answer."""
    if not _version_taken(login.version, switches.version_policy):
        return VERSION
    text = f"{login.timestamp:010d}".encode()
    secret = account.pswd.encode()
    bare = account.account.encode()
    if login.authenticator not in (source_hash(name, secret, text) for name in (bare, bare.ljust(6, b"\0"))):
        return AUTHENTICATION
    if switches.timestamp_window_s and _distance_s(login.timestamp, local) > switches.timestamp_window_s:
        return AUTHENTICATION
    return OK


def peer_status(login: Connect, codes: Container[bytes], secret: bytes) -> int:
    """The Status for a gateway or the name server: one of these codes, with the network's secret."""
    if login.source_addr not in codes:
        return SOURCE
    text = f"{login.timestamp:010d}".encode()
    proved = login.authenticator == source_hash(login.source_addr.ljust(6, b"\0"), secret, text)
    return OK if proved else AUTHENTICATION


def peer_resp(status: int, login: Connect, secret: bytes = PEER_SECRET) -> ConnectResp:
    """The answer to the login of a gateway or the name server."""
    return ConnectResp(status, bytes(16) if status else ismg_hash("spec1", login.authenticator, secret, b""))


def source_hash(name: bytes, secret: bytes, timestamp: bytes) -> bytes:
    """AuthenticatorSource."""
    return md5(name + b"\0" * 9 + secret + timestamp, usedforsecurity=False).digest()


def ismg_hash(form: str, source: bytes, secret: bytes, garbage: bytes) -> bytes:
    """AuthenticatorISMG of a login that was taken, in one of the forms of AMB-CMPP-3."""
    match form:
        case "zeros":
            return bytes(16)
        case "copy_of_source":
            return source
        case "garbage":
            return garbage
    status = {"spec1": b"\0", "be4": b"\0\0\0\0", "ascii": b"0"}[form]
    return md5(status + source + secret, usedforsecurity=False).digest()


def _version_taken(version: int, policy: str) -> bool:
    return policy == "any" or version == 0x20 or (policy == "accept_2x" and version >> 4 == 2)


def _distance_s(timestamp: int, local: datetime) -> float:
    text = f"{local.year}{timestamp:010d}"
    try:
        given = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=local.tzinfo)
    except ValueError:
        return float("inf")
    return abs((given - local).total_seconds())


def submit_result(submit: Submit, account: AccountConfig, switches: Any) -> int:
    """The Result that the fields deserve."""
    count = len(submit.dest_terminal_ids)
    if not 1 <= count <= switches.max_dest or not all(submit.dest_terminal_ids):
        return 1
    if count > 1 and submit.registered_delivery == 1 and switches.group_with_report == "reject":
        return 1
    if not _parts_right(submit, switches.pk_zero == "accept"):
        return 1
    if not all(len(time) in (0, TIME_CHARACTERS) for time in (submit.valid_time, submit.at_time)):
        return 1
    if switches.fee_check == "on" and not _fees_right(submit):
        return 5
    if not content_fits(submit, switches.ascii_max):
        return 6
    if account.services and submit.service_id.decode("latin-1") not in account.services:
        return 7
    if submit.msg_src != account.account.encode()[:6] or not submit.src_id.startswith(account.service_code.encode()):
        return 9
    return 0


def content_fits(message: Submit | Fwd, ascii_max: int) -> bool:
    """Is the content of a SUBMIT or FWD short enough?"""
    plain = message.msg_fmt == MSG_FMT_ASCII and not message.tp_udhi
    return len(message.msg_content) <= (ascii_max if plain else CONTENT_MAX)


def _parts_right(submit: Submit, zero_taken: bool) -> bool:
    total, number = submit.pk_total, submit.pk_number
    if zero_taken:
        total, number = total or 1, number or 1
    return 1 <= number <= total


def _fees_right(submit: Submit) -> bool:
    if submit.fee_type not in FEE_TYPES or submit.fee_user_type not in FEE_USER_TYPES or not submit.fee_code.isdigit():
        return False
    return bool(submit.fee_terminal_id) == (submit.fee_user_type == 3)
