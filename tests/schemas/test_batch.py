"""A batch on the log: what goes in comes out, or it is known to be damaged."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.batch import BYTES_MAX, RECIPIENTS_MAX, BrokenBatch, Values, pack, unpack, unpack_values

NUMBERS = b"13800138000,13900139000,13700137000"


@given(st.lists(st.integers(13_000_000_000, 19_999_999_999), min_size=1, max_size=200))
def test_a_batch_comes_back_as_it_was(values):
    numbers = ",".join(map(str, values)).encode()
    value, headers, sha256 = pack(numbers, len(values), attempt="a1", batch=7)
    assert unpack(value, headers) == (numbers, len(values))
    assert unpack(value, headers, sha256) == (numbers, len(values))
    assert sha256 == hashlib.sha256(numbers).digest()
    assert dict(headers)["attempt"] == b"a1"
    assert dict(headers)["batch"] == b"7"


def test_a_full_batch_fits_a_record():
    numbers = b",".join([b"13800138000"] * RECIPIENTS_MAX)
    value, headers, _ = pack(numbers, RECIPIENTS_MAX)
    assert len(value) < 1_000_000
    assert unpack(value, headers) == (numbers, RECIPIENTS_MAX)


def test_plain_bytes_are_read_as_well():
    headers = (("count", b"3"), ("sha256", hashlib.sha256(NUMBERS).digest()), ("enc", b"plain"))
    assert unpack(NUMBERS, headers) == (NUMBERS, 3)


@pytest.mark.parametrize(
    ("numbers", "count"), [(NUMBERS, 0), (NUMBERS, RECIPIENTS_MAX + 1), (b"1" * (BYTES_MAX + 1), 1)]
)
def test_a_batch_over_its_limits_is_refused(numbers, count):
    with pytest.raises(ValueError):
        pack(numbers, count)


@pytest.mark.parametrize("missing", ["count", "sha256", "enc"])
def test_a_missing_header_is_noticed(missing):
    value, headers, _ = pack(NUMBERS, 3)
    with pytest.raises(BrokenBatch, match="headers"):
        unpack(value, tuple(header for header in headers if header[0] != missing))


def _changed(headers, **changes):
    return tuple({**dict(headers), **changes}.items())


def test_damage_is_noticed():
    value, headers, sha256 = pack(NUMBERS, 3)
    with pytest.raises(BrokenBatch, match="decompress"):
        unpack(value[:-4], headers)
    with pytest.raises(BrokenBatch, match="SHA-256"):
        unpack(value, _changed(headers, sha256=bytes(32)))
    with pytest.raises(BrokenBatch, match="SHA-256"):
        unpack(value, headers, bytes(32))
    with pytest.raises(BrokenBatch, match="encoding"):
        unpack(value, _changed(headers, enc=b"lz4"))
    with pytest.raises(BrokenBatch, match="headers"):
        unpack(value, _changed(headers, count=b"three"))
    other, other_headers, _ = pack(b"13600136000", 1)
    with pytest.raises(BrokenBatch, match="SHA-256"):
        unpack(other, other_headers, sha256)


def test_a_batch_that_unpacks_to_more_than_a_batch_holds_is_refused():
    import zstandard

    huge = zstandard.ZstdCompressor().compress(b"1" * (BYTES_MAX * 2))
    headers = (("count", b"3"), ("sha256", bytes(32)), ("enc", b"zstd"))
    with pytest.raises(BrokenBatch):
        unpack(huge, headers)


# --- values ----------------------------------------------------------------------------------------------------------

VALUES = Values(
    names=("name", "城市"),
    ends=(b"\x03\0\0\0\x06\0\0\0", b"\x06\0\0\0"),
    texts=(b"AnnBob", "北京".encode()),
    rows=(b"\x01\0\0\0\x01\0", b"\0\0\0\0\0\0"),
)
PERSONAL_1 = (
    "31333830303133383030302c31333930303133393030302c3133373030313337303030"
    "9492a46e616d65a6e59f8ee5b88292c4080300000006000000c4040600000092c406416e6e426f62c406e58c97e4baac92c406010000000100"
    "c406000000000000"
)
"""The plain bytes of a personalised batch of log version 1. Never change them: old logs are full of such."""


def test_a_personalised_batch_comes_back_as_it_was():
    value, headers, sha256 = pack(NUMBERS, 3, attempt="a1", batch=7, values=VALUES)
    assert unpack_values(value, headers, sha256) == (NUMBERS, 3, VALUES)
    assert unpack(value, headers, sha256) == (NUMBERS, 3)
    assert sha256 == hashlib.sha256(bytes.fromhex(PERSONAL_1)).digest()


def test_a_personalised_batch_of_version_1_is_read():
    plain = bytes.fromhex(PERSONAL_1)
    headers = (("count", b"3"), ("sha256", hashlib.sha256(plain).digest()), ("enc", b"plain"), ("numbers", b"35"))
    assert unpack_values(plain, headers) == (NUMBERS, 3, VALUES)


def test_a_plain_batch_has_no_values_and_is_written_as_ever():
    value, headers, sha256 = pack(NUMBERS, 3)
    assert unpack_values(value, headers, sha256) == (NUMBERS, 3, None)
    assert [name for name, _ in headers] == ["count", "sha256", "enc", "attempt", "batch"]


@pytest.mark.parametrize(
    "values",
    [
        Values(names=("a", "b"), ends=VALUES.ends, texts=VALUES.texts, rows=VALUES.rows[:1]),
        Values(names=("a",), ends=VALUES.ends, texts=VALUES.texts, rows=VALUES.rows),
        Values(names=VALUES.names, ends=VALUES.ends, texts=VALUES.texts, rows=(b"\0\0", b"\0\0")),
    ],
)
def test_values_that_do_not_fit_the_numbers_are_known_to_be_damaged(values):
    value, headers, sha256 = pack(NUMBERS, 3, values=values)
    with pytest.raises(BrokenBatch, match="values"):
        unpack_values(value, headers, sha256)


@pytest.mark.parametrize("size", [b"34", b"x", b"10"])
def test_a_wrong_size_of_the_numbers_is_known_to_be_damaged(size):
    value, headers, sha256 = pack(NUMBERS, 3, values=VALUES)
    with pytest.raises(BrokenBatch):
        unpack_values(value, _changed(headers, numbers=size), sha256)


def test_a_batch_of_too_many_values_is_refused():
    long = Values(names=("a",), ends=(b"",), texts=(b"x" * BYTES_MAX,), rows=(b"\0\0" * 3,))
    with pytest.raises(ValueError, match="a batch holds"):
        pack(NUMBERS, 3, values=long)
