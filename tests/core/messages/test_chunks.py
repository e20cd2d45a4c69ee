"""Chunks cover a batch exactly once and never break a limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.messages.chunks import Batch

mobiles = st.integers(13_000_000_000, 19_999_999_999).map(str)
any_numbers = st.one_of(mobiles, st.integers(10**6, 10**15 - 1).map(str), st.integers(10**7, 10**9).map("0{}".format))


def cut_all(batch: Batch, start: int, end: int, **limits: int) -> list[tuple[int, int]]:
    chunks = []
    while start < end:
        count = batch.cut(start, end, **limits)
        chunks.append((start, count))
        start += count
    return chunks


@given(
    numbers=st.one_of(st.lists(mobiles, min_size=1, max_size=60), st.lists(any_numbers, min_size=1, max_size=60)),
    numbers_max=st.integers(1, 70),
    chars_max=st.one_of(st.none(), st.integers(16, 300)),
)
def test_chunks_cover_a_batch_exactly_once_and_never_break_a_limit(numbers, numbers_max, chars_max):
    batch = Batch(",".join(numbers).encode(), len(numbers))
    chunks = cut_all(batch, 0, len(numbers), numbers_max=numbers_max, chars_max=chars_max)
    slices = [bytes(batch.slice(start, count)) for start, count in chunks]
    assert b",".join(slices) == ",".join(numbers).encode()
    assert all(piece.count(b",") + 1 == count for piece, (_, count) in zip(slices, chunks, strict=True))
    assert all(count <= numbers_max for _, count in chunks)
    assert chars_max is None or all(len(piece) <= chars_max for piece in slices)


@given(numbers=st.lists(any_numbers, min_size=1, max_size=60), chars_max=st.integers(16, 300))
def test_a_chunk_is_as_long_as_its_limits_allow(numbers, chars_max):
    batch = Batch(",".join(numbers).encode(), len(numbers))
    for start, count in cut_all(batch, 0, len(numbers), numbers_max=1000, chars_max=chars_max):
        if start + count < len(numbers):
            assert len(batch.slice(start, count + 1)) > chars_max


@given(total=st.integers(1, 500), numbers_max=st.integers(1, 60), numbers_min=st.integers(1, 30))
def test_a_rest_below_the_minimum_is_avoided_where_the_maximum_allows(total, numbers_max, numbers_min):
    batch = Batch(b",".join(b"13800138000" for _ in range(total)), total)
    counts = [count for _, count in cut_all(batch, 0, total, numbers_max=numbers_max, numbers_min=numbers_min)]
    assert sum(counts) == total
    assert all(count <= numbers_max for count in counts)
    if total >= numbers_min and numbers_max >= 2 * numbers_min:
        assert all(count >= numbers_min for count in counts)


def test_the_cosms_limits_both_bite():
    domestic = Batch(b",".join(b"13800138000" for _ in range(1500)), 1500)
    international = Batch(b",".join(b"8613800138000" for _ in range(1500)), 1500)
    assert domestic.cut(0, 1500, 1000, 13_000) == 1000
    assert international.cut(0, 1500, 1000, 13_000) == 928
    assert len(international.slice(0, 928)) == 928 * 14 - 1 <= 13_000


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_count_that_is_not_what_is_there_is_refused(count):
    with pytest.raises(ValueError, match="commas"):
        Batch(b"13800138000,13800138001", count)
