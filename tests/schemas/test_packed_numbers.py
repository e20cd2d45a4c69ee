"""Columns of numbers come back as they were, whatever they are; what is no column is told apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.packed_numbers import (
    NUMBERS_MAX,
    BrokenColumn,
    pack_ascending,
    pack_u32,
    unpack_ascending,
    unpack_u32,
)
from schemas.topics import SUPPRESSION


@given(st.sets(st.integers(0, 2**62), max_size=200))
def test_ascending_numbers_come_back(numbers):
    column = np.array(sorted(numbers), np.int64)
    assert unpack_ascending(pack_ascending(column), len(column)).tolist() == column.tolist()


@given(st.lists(st.integers(0, 2**32 - 1), max_size=200))
def test_any_values_come_back(values):
    column = np.array(values, np.uint32)
    assert unpack_u32(pack_u32(column), len(column)).tolist() == values


def test_the_worst_column_fits_into_a_record():
    steps = np.random.default_rng(1).integers(1, 9 * 10**13, NUMBERS_MAX)
    column = np.cumsum(steps)
    assert len(pack_ascending(column)) < SUPPRESSION.record_bytes_max * 0.9


@pytest.mark.parametrize("numbers", [[2, 1], [1, 1], [-1, 1], list(range(NUMBERS_MAX + 1))])
def test_what_is_not_ascending_or_too_much_is_refused(numbers):
    with pytest.raises(ValueError, match="column"):
        pack_ascending(np.array(numbers, np.int64))


@pytest.mark.parametrize(
    ("packed", "count"),
    [(b"", 1), (b"nonsense", 1), (pack_ascending(np.array([1, 2], np.int64)), 3), (b"", -1), (b"", NUMBERS_MAX + 1)],
)
def test_what_is_no_column_is_told_apart(packed, count):
    with pytest.raises(BrokenColumn, match="column"):
        unpack_ascending(packed, count)
