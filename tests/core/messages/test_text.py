"""Measuring texts: units, parts, what a charset cannot carry."""

from __future__ import annotations

import pytest

from dispatcher.core.messages.text import Split, UnsupportedCharacter, air_parts, gsm_septets, not_carried, parts, units


@pytest.mark.parametrize(("text", "length"), [("", 0), ("abc", 3), ("测试消息1", 5), ("😀", 2), ("a😀b", 4), ("é", 1)])
def test_length_is_counted_in_utf_16_units(text, length):
    assert units(text) == length


@pytest.mark.parametrize(
    ("length", "split", "expected"),
    [
        (0, Split(), 1), (70, Split(), 1), (71, Split(), 2), (134, Split(), 2), (135, Split(), 3), (500, Split(), 8),
        (60, Split(60, 57), 1), (61, Split(60, 57), 2), (536, Split(), 8), (537, Split(), 9),
    ],
)  # fmt: skip
def test_parts_are_counted_as_the_vendor_bills_them(length, split, expected):
    assert parts("字" * length, split) == expected


@pytest.mark.parametrize(
    ("text", "charset", "expected"),
    [
        ("短信", "gbk", None),
        ("价格€5", "gbk", UnsupportedCharacter("€", 3)),
        ("好😀", "gbk", UnsupportedCharacter("😀", 2)),
        ("好😀", "utf-8", None),
        ("a\ud800", "utf-8", UnsupportedCharacter("\ud800", 2)),
    ],
)
def test_the_first_character_a_charset_cannot_carry_is_named_with_its_position(text, charset, expected):
    assert not_carried(text, charset) == expected


@pytest.mark.parametrize(("text", "septets"), [("hello", 5), ("{}", 4), ("€", 2), ("短", None)])
def test_gsm_septets(text, septets):
    assert gsm_septets(text) == septets


@pytest.mark.parametrize(
    ("text", "expected"), [("a" * 160, 1), ("a" * 161, 2), ("a" * 307, 3), ("字" * 70, 1), ("字" * 71, 2)]
)
def test_parts_on_the_air(text, expected):
    assert air_parts(text) == expected
