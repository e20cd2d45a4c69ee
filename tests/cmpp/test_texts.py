"""Texts in the codings of Msg_Fmt, there and back."""

from __future__ import annotations

import pytest

from dispatcher.cmpp.texts import ASCII, BINARY, GB, UCS2, ReadText, format_of, read_text


@pytest.mark.parametrize(
    ("text", "coding", "msg_fmt"),
    [
        ("hello", "auto", ASCII),
        ("", "auto", ASCII),
        ("测试", "auto", UCS2),
        ("é", "auto", UCS2),
        ("hello", "ucs2", UCS2),
        ("hello", "gb18030", ASCII),
        ("测试", "gb18030", GB),
    ],
)
def test_the_coding_of_a_text(text, coding, msg_fmt):
    assert format_of(text, coding) == msg_fmt


@pytest.mark.parametrize(
    ("msg_fmt", "content", "expected"),
    [
        (ASCII, b"TD", ReadText("TD", True)),
        (UCS2, "退订😀".encode("utf-16-be"), ReadText("退订😀", True)),
        (GB, "退订€㐀".encode("gb18030"), ReadText("退订€㐀", True)),
        (BINARY, b"\x01\xff", ReadText("01ff", False)),
        (246, b"\x01\xff", ReadText("01ff", False)),
        (ASCII, "退".encode("gbk"), ReadText("\ufffd\ufffd", False)),
        (UCS2, b"\x90\x00\x8b", ReadText("退\ufffd", False)),
        (UCS2, b"\xd8\x3d", ReadText("\ufffd", False)),
    ],
)
def test_a_text_that_came(msg_fmt, content, expected):
    assert read_text(msg_fmt, content) == expected
