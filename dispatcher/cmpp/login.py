"""The authenticators of CONNECT and CONNECT_RESP (vendors.md 6.5, AMB-CMPP-2, 3 and 7).

MD5 is the document's choice. The text that is hashed has all ten digits of the timestamp, its leading zero too; the
number in the PDU has lost that.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from dispatcher.cmpp.pdus import VERSION_20, Connect

AuthPad = Literal["padded", "bare"]
SOURCE_BYTES = 6


def authenticator_source(sp_id: bytes, secret: bytes, timestamp: str, pad: AuthPad = "padded") -> bytes:
    """What proves that we know the secret. `timestamp` is MMDDHHMMSS; `pad` matters for an id of less than 6 octets."""
    if len(timestamp) != 10 or not timestamp.isdigit():
        raise ValueError(f"the timestamp of a login is MMDDHHMMSS, ten digits, not {timestamp!r}")
    name = sp_id.ljust(SOURCE_BYTES, b"\0") if pad == "padded" else sp_id
    return _md5(name, bytes(9), secret, timestamp.encode())


def authenticator_ismg(status: int, source: bytes, secret: bytes) -> bytes:
    """What proves that the gateway knows it, with a status of one octet as the document has it."""
    return _md5(bytes((status,)), source, secret)


def connect(sp_id: bytes, secret: bytes, timestamp: str, pad: AuthPad = "padded", version: int = VERSION_20) -> Connect:
    """The login of this account at this time."""
    return Connect(sp_id, authenticator_source(sp_id, secret, timestamp, pad), version, int(timestamp))


def gateway_proof(given: bytes, source: bytes, secret: bytes) -> str:
    """How the AuthenticatorISMG of an answer with status 0 was made: `spec`, a form that is seen in the field (`four
    octets`, `digit`, `empty`), or `wrong`.
    """
    forms = {
        "spec": authenticator_ismg(0, source, secret),
        "four octets": _md5(bytes(4), source, secret),
        "digit": _md5(b"0", source, secret),
        "empty": bytes(16),
    }
    return next((name for name, made in forms.items() if made == given), "wrong")


def _md5(*pieces: bytes) -> bytes:
    return hashlib.md5(b"".join(pieces), usedforsecurity=False).digest()
