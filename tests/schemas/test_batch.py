"""A batch on the log: what goes in comes out, or it is known to be damaged."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.batch import BYTES_MAX, RECIPIENTS_MAX, BrokenBatch, pack, unpack

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
