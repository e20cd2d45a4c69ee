"""The test vectors in docs/vendors are right: computed here afresh, with nothing of the product.

They are computed from placeholder credentials, so no vendor's document vouches for them.
"""

from __future__ import annotations

import base64
import re
from hashlib import md5
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

PAGES = Path(__file__).parents[2] / "docs" / "vendors"
BATCH, CMPP, COSMS, HEZHONG, GUODU = (
    (PAGES / f"{name}.md").read_text(encoding="utf-8") for name in ("batch", "cmpp", "cosms", "hezhong", "guodu")
)


def hexed(*pieces: bytes) -> str:
    return md5(b"".join(pieces)).hexdigest()


def des(text: str, key: bytes, iv: bytes) -> str:
    padder = PKCS7(64).padder()
    encryptor = Cipher(TripleDES(key * 3), CBC(iv)).encryptor()
    return base64.b64encode(encryptor.update(padder.update(text.encode()) + padder.finalize())).decode()


def test_the_md5_login_of_cosms() -> None:
    inner = hexed(b"100DEMOs3cret")
    assert f"md5hex(`100DEMOs3cret`) =\n  `{inner}`" in COSMS
    assert f"md5hex(that + `112233`) = `{hexed(inner.encode(), b'112233')}`" in COSMS
    assert f"`demo` the result is `{hexed(hexed(b'100demos3cret').encode(), b'112233')}`" in COSMS
    assert f"upper-case hex it is `{hexed(inner.upper().encode(), b'112233')}`" in COSMS


def test_the_signature_of_a_batch_agent() -> None:
    assert f"\n`{hexed(b'demo', b's3cret', b'20260131123456')}`." in BATCH


def test_the_encrypted_texts_of_a_batch_agent() -> None:
    rows = re.findall(r"^\| (?:`([^`]+)`.*?|empty) \| `([^`]+)` \| `([^`]+)` \|$", BATCH, re.MULTILINE)
    assert [text for text, _, _ in rows] == ["agent01", "Agent01", "testacct", "p@ss w0rd+/", ""]
    for text, encrypted, wire in rows:
        assert des(text, b"12345678", b"12345678") == encrypted
        assert quote(encrypted, safe="") == wire
    assert f"all-zero IV `agent01` would be `{des('agent01', b'12345678', bytes(8))}`" in BATCH


@pytest.mark.parametrize(
    ("page", "escaped", "charset", "text"),
    [
        (COSMS, "%C6%F3%D0%C5%D7%A8%BC%D2%23http%3A%2F%2Fnews.example", "gbk", "企信专家#http://news.example"),
        (HEZHONG, "%A1%BEXX+%BF%C6%BC%BC%A1%BF%D1%E9%D6%A4%C2%EB%3A986710", "gbk", "【XX 科技】验证码:986710"),
        (GUODU, "%E6%B5%8B%E8%AF%95%E6%B6%88%E6%81%AF1", "utf-8", "测试消息1"),
        (GUODU, "%E4%B8%AD%E6%96%87%E7%9F%AD%E4%BF%A1abc", "utf-8", "中文短信abc"),
    ],
    ids=["cosms", "hezhong", "guodu request", "guodu escapes"],
)
def test_the_escaped_texts(page: str, escaped: str, charset: str, text: str) -> None:
    assert escaped in page
    assert f"`{text}`" in page
    assert unquote_to_bytes(escaped.replace("+", " ")).decode(charset) == text


def test_the_length_of_every_cmpp_pdu() -> None:
    pdus = [bytes.fromhex(pdu) for pdu in re.findall(r"\b000000[0-9a-f]{18,}\b", CMPP)]
    assert len(pdus) > 30
    assert [len(pdu) for pdu in pdus] == [int.from_bytes(pdu[:4]) for pdu in pdus]


def test_the_authenticators_of_cmpp() -> None:
    secret = b"sim-secret"
    source = hexed(b"901234", bytes(9), secret, b"0131235959")
    assert f"AuthenticatorSource            {source}   (timestamp integer 131235959 = 0x{131235959:08x})" in CMPP
    assert f"zero is lost  {hexed(b'901234', bytes(9), secret, b'131235959')} " in CMPP
    for name, status in (("1-byte status", b"\0"), ("4-byte status", bytes(4)), ("ASCII '0'    ", b"0")):
        assert f"{name}  {hexed(status, bytes.fromhex(source), secret)} " in CMPP
    padded, bare = (hexed(name, bytes(9), secret, b"0131235959") for name in (b"90123\0", b"90123"))
    assert f"padded to 6 -> {padded} ; unpadded -> {bare}" in CMPP


def test_the_msg_ids_of_cmpp() -> None:
    row = re.compile(
        r"^\| (\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) \| (\d+) \| (\d+) \| `([0-9A-F]{16})` \| (\d+) \| (.*) \|$", re.M
    )
    rows = row.findall(CMPP)
    assert len(rows) == 5
    for *numbers, hexadecimal, unsigned, signed in rows:
        month, day, hour, minute, second, gateway, sequence = map(int, numbers)
        value = month << 60 | day << 55 | hour << 50 | minute << 44 | second << 38 | gateway << 16 | sequence
        assert (f"{value:016X}", str(value)) == (hexadecimal, unsigned)
        assert signed == ("same" if value < 1 << 63 else f"−{(1 << 64) - value}")
