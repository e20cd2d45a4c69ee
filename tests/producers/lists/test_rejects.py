"""Rows that become no recipients are kept with row number, value as written and reason."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.numbers import REASONS, normalise_one
from dispatcher.errors import DispatcherError
from producers.lists import rejects
from producers.lists.dedupe import Growing, Listed, ascending_of, separate
from producers.lists.normalise import VALUE_CHARS_MAX, normalise
from producers.lists.rejects import Spool
from schemas.states import BY_FILE, DUPLICATE, EXCLUDED, ON_LIST

FORMS = ["13800138000", "+86 138 0013 8000", "13900139000", "139-0013-9000", "13700137000", "n/a", "", "1.38E+10", "12"]


def rejected(values, suppressed=(), block=5):
    """What the records say: (row, value, reason, the row it repeats) of every rejected row."""
    spool, listed, barred = Spool(), Listed(), Growing()
    for start in range(0, len(values), block):
        part = normalise(pl.Series(values[start : start + block], dtype=pl.String))
        listed.add_block(part.numbers, start)
        spool.add(part, start, start + 1)
    barred.add(np.array(suppressed, np.int64).view(np.uint64))
    records = list(spool.rejects("may", "a1", separate(listed, {BY_FILE: ascending_of(barred)})))
    spool.close()
    assert [record.part for record in records] == list(range(len(records)))
    assert all((record.campaign, record.attempt) == ("may", "a1") for record in records)
    return [row for record in records for row in unpacked(record)], records


def unpacked(record):
    rows = np.frombuffer(record.rows, "<u8").tolist()
    reasons = [record.reasons[index] for index in record.reason_index]
    repeats = np.frombuffer(record.repeats, "<u8").tolist() or [0] * len(rows)
    return list(zip(rows, record.values.decode().split("\n"), reasons, repeats, strict=True))


def expected(values, suppressed):
    seen: dict[int, int] = {}
    found: list[tuple[int, str, str, int]] = []
    for row, value in enumerate(values, 1):
        number = normalise_one(value)
        if not number:
            reasons = {"n/a": "no number", "": "empty", "1.38E+10": "scientific notation", "12": "too short"}
            found.append((row, value, reasons[value], 0))
        elif number in seen:
            found.append((row, value, "duplicate", seen[number]))
        elif number in suppressed:
            found.append((row, value, "suppressed", 0))
        seen.setdefault(number, row)
    return found


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from(FORMS), max_size=40),
    st.sets(st.sampled_from([13800138000, 13900139000])),
    st.integers(1, 50),
)
def test_every_rejected_row_says_where_it_was_what_it_held_and_why(values, suppressed, block):
    assert rejected(values, sorted(suppressed), block)[0] == expected(values, suppressed)


def test_a_list_without_rejects_makes_no_records():
    assert rejected(["13800138000", "139 0013 9000"]) == ([], [])


def test_many_rejects_make_many_records_of_bounded_size(monkeypatch):
    monkeypatch.setattr(rejects, "RECORD_ROWS_MAX", 10)
    rows, records = rejected(["n/a"] * 35, block=100)
    assert rows == [(row, "n/a", "no number", 0) for row in range(1, 36)]
    assert [len(record.reason_index) for record in records] == [10, 10, 10, 5]


def test_long_values_are_kept_whole_in_records_of_bounded_size(monkeypatch):
    monkeypatch.setattr(rejects, "RECORD_VALUES_BYTES_MAX", 4000)
    values = ["手" * 1000 if row % 3 == 0 else "n/a" for row in range(30)]
    rows, records = rejected(values, block=30)
    assert rows == [(row, value, "no number", 0) for row, value in enumerate(values, 1)]
    assert max(len(record.values) for record in records) <= 4000
    assert len(records) == 10


def test_a_value_longer_than_any_cell_is_cut():
    rows, records = rejected(["手" * (VALUE_CHARS_MAX + 1), "n/a"])
    assert rows == [(1, "手" * VALUE_CHARS_MAX, "no number", 0), (2, "n/a", "no number", 0)]
    assert max(len(record.values) for record in records) <= rejects.RECORD_VALUES_BYTES_MAX


def test_line_breaks_inside_a_value_are_blanks():
    assert rejected(["a\nb", "138\n00138000", "13800138000"])[0] == [
        (1, "a b", "no number", 0),
        (3, "13800138000", "duplicate", 2),
    ]


def test_what_does_not_fit_into_memory_goes_to_a_file_and_comes_back(monkeypatch):
    monkeypatch.setattr(rejects, "MEMORY_BYTES_MAX", 100)
    values = FORMS * 200
    assert rejected(values, block=150)[0] == expected(values, ())


def test_a_full_disk_is_one_sentence(monkeypatch):
    class Full:
        def write(self, _):
            raise OSError(28, "No space left on device")

    spool = Spool()
    spool.close()
    monkeypatch.setattr(spool, "_file", Full())
    with pytest.raises(DispatcherError, match=r"No space left on device.*TMPDIR"):
        spool.add(normalise(pl.Series(["x"])), 0, 1)


def test_every_reason_has_a_name_of_its_own():
    names = [*REASONS[1:], DUPLICATE, BY_FILE, EXCLUDED, ON_LIST]
    assert len(set(names)) == len(names)
