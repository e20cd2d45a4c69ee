"""What reads many fields at once says the same as what reads one; and what the escapes of vendors come to."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.vendors.reading import forms
from dispatcher.vendors.reading import report_columns as columns
from dispatcher.vendors.reading.escapes import pushed_text, url_encoded

NUMBERS = st.one_of(
    st.integers(13_000_000_000, 19_999_999_999).map(lambda number: b"%d" % number),
    st.sampled_from([b"", b"+8613800138000", b"8613800138000", b"4915112345678", b"12345678901", b"1380013800O", b"0"]),
    st.binary(max_size=12),
)
TIMES = st.one_of(
    st.datetimes().map(lambda moment: f"{moment:%Y%m%d%H%M%S}".rjust(14, "0").encode()),
    st.from_regex(rb"20[0-9]{12}", fullmatch=True),
    st.sampled_from([b"", b"20091231235959", b"21060207142816", b"19691231235959", b"2009042210332a"]),
)


@given(st.lists(NUMBERS, max_size=8))
def test_a_column_of_numbers_is_each_of_them(values):
    assert columns.numbers(values).tolist() == [forms.number(value) for value in values]


@given(st.lists(TIMES, max_size=8))
def test_a_column_of_times_is_each_of_them_if_it_has_fourteen_digits(values):
    assert columns.times(values).tolist() == [forms.time_s(value) if len(value) == 14 else 0 for value in values]


@given(st.binary(max_size=40), st.lists(st.sampled_from([b"%2C", b"%3b", b"%", b"%%", b"%2", b"2C", b"%E4", b"+"])))
def test_a_long_text_is_unescaped_as_a_short_one(start, pieces):
    text = start + b"".join(pieces)
    padded = text + b"x" * 2_000
    assert forms.unescaped(padded)[:-2_000] == forms.unescaped(text + b"x")[:-1]
    assert forms.unescaped(b"x" * 2_000 + text)[2_000:] == unquote_to_bytes(text.replace(b"+", b" "))


def test_records_of_columns_are_bounded_and_their_codes_cut():
    records = columns.in_columns(
        "spring",
        7,
        ids=["a"] * 1_501,
        numbers=np.zeros(1_501, np.int64),
        codes=["c" * 99] * 1_501,
        state=len,
        times=np.zeros(1_501, np.uint32),
    )
    assert [len(record.states) for record in records] == [1_500, 1]
    assert (records[1].ids, records[1].codes, list(records[1].states)) == (["a"], ["c" * 64], [64])


KEYS = [
    (b"key=secret-1", "secret-1", True, b""),
    (b"key=secret-1&a=b", "secret-1", True, b"a=b"),
    (b"key=secret-1?a=b?c&d", "secret-1", True, b"a=b?c&d"),
    (b"a=b&key=secret-1", "secret-1", True, b"a=b&key=secret-1"),
    (b"key=secret-2&a=b", "secret-1", False, b"a=b"),
    (b"", "secret-1", False, b""),
    (b"key", "secret-1", False, b"key"),
    (b"a=b", None, True, b"a=b"),
    (b"key=anything&a=b", None, True, b"a=b"),
]


@pytest.mark.parametrize(("query", "push_key", "theirs", "rest"), KEYS)
def test_a_push_keys_place_is_the_front_of_the_query(query, push_key, theirs, rest):
    assert forms.keyed(query, push_key) == (theirs, rest)


@pytest.mark.parametrize(
    ("text", "charset", "escaped"),
    [
        ("镕", "gbk", "%E9%46"),
        ("~*", "gbk", "%7E*"),
        ("a b+c", "utf-8", "a+b%2Bc"),
        ("中文短信abc", "utf-8", "%E4%B8%AD%E6%96%87%E7%9F%AD%E4%BF%A1abc"),
    ],
)
def test_texts_are_escaped_as_java_does(text, charset, escaped):
    assert url_encoded(text, charset) == escaped


@pytest.mark.parametrize("text", ["€", "😀", "\ud83d"])
def test_nothing_is_replaced_where_the_charset_has_no_place_for_it(text):
    with pytest.raises(UnicodeEncodeError):
        url_encoded(text, "gbk")


@given(st.text(max_size=30))
def test_any_text_that_is_escaped_once_more_comes_back(text):
    assert pushed_text(url_encoded(text, "utf-8").encode(), "escaped") == (text, ())
    assert pushed_text(text.encode(), "plain") == (text, ())


@pytest.mark.parametrize(
    ("value", "text", "flags"),
    [
        (b"\xb6\xcc\xa2\xe3", "短€", ("gbk",)),
        (b"\xb6\xcc\x80", "短€", ("gbk",)),
        ("一€".encode(), "一€", ()),
        (b"\xb6\xcc\xff", r"\xb6\xcc\xff", ("broken-text",)),
    ],
)
def test_a_pushed_text_in_gbk_may_have_the_euro_of_java_or_that_of_windows(value, text, flags):
    assert pushed_text(value, "plain") == (text, flags)
