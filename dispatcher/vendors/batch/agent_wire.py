"""How the BATCH platform's agents sign and encrypt, and their answers (vendors.md 4.2, 4.3). Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime
from typing import Final

from dispatcher.vendors.reading.escapes import pushed_text
from dispatcher.vendors.reading.forms import SHANGHAI
from dispatcher.vendors.seam.exchange import Answer

DES_BYTES: Final = 8

_ANSWER: Final = re.compile(r"[\d\s:/.-]*,\s*(-?\d{1,9})\s*(?:,(.*))?", re.ASCII)


def timestamp(now_s: int) -> str:
    """yyyyMMddHHmmss in the platform's local time, from Unix seconds."""
    return datetime.fromtimestamp(now_s, SHANGHAI).strftime("%Y%m%d%H%M%S")


def signature(username: str, secret_key: str, stamp: str) -> str:
    """The platform's `password`: md5hex(username + secret key + timestamp)."""
    return hashlib.md5(f"{username}{secret_key}{stamp}".encode(), usedforsecurity=False).hexdigest()


def encrypted(text: str, key: str, iv: str) -> str:
    """DES/CBC/PKCS5Padding of UTF-8 in Base64. Key and IV have 8 bytes; triple DES with one key thrice is DES."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    padder = PKCS7(DES_BYTES * 8).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    cipher = Cipher(TripleDES(key.encode() * 3), modes.CBC(iv.encode())).encryptor()
    return base64.b64encode(cipher.update(padded) + cipher.finalize()).decode("ascii")


def read_answer(answer: Answer, hidden: tuple[str, ...] = ()) -> tuple[str | None, str, str]:
    """(code or None, the vendor's description, the answer for people): `time,code` or `time,code,description`.

    An answer whose first line may be incomplete is not read: `20` of `203` would mean something else. `hidden` is
    masked before any cut to length. A description that is not UTF-8 is read as GBK.
    """
    text = pushed_text(answer.body, "plain")[0].removeprefix("\ufeff")
    for secret in filter(None, hidden):
        text = text.replace(secret, "***")
    whole = text[: text.rfind("\n") + 1] if answer.cut else text
    line = next((line.strip() for line in whole.splitlines() if line.strip()), "")
    found = _ANSWER.fullmatch(line)
    if found is None:
        return None, "", text[:200].strip()
    return str(int(found[1])), (found[2] or "").strip()[:200], text[:200].strip()
