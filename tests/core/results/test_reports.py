"""Reports as columns: nothing is lost on the way to a parked row and back, and damage is handed back."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.results.reports import Origin, flatten, id_keys, id_text, is_exact, unpark
from schemas.records import Reports
from schemas.states import State
from tests.store.joined_history import reports_record

rows = st.lists(
    st.tuples(
        st.sampled_from(["", "1", "2", "x"]),
        st.integers(0, 2**62),
        st.integers(0, 2),
        st.sampled_from(["DELIVRD", "0", ""]),
        st.integers(0, 2**32 - 1),
    ),
    max_size=8,
)
records = st.lists(st.tuples(st.sampled_from(["spring", "summer"]), rows), max_size=5)


def given_records(found) -> list[tuple[Origin, int, Reports]]:
    return [
        (Origin(account, offset * 8, 7_000), offset, reports_record(account, rows, at_ms=7_000))
        for offset, (account, rows) in enumerate(found)
    ]


def final_rows(found) -> Counter:
    """What the records say, row by row; waiting ones left out, no time means the record's."""
    words = {1: State.DELIVERED, 2: State.FAILED}
    return Counter(
        (account, vendor_id, number, (words[state], code), time or 7, (offset << 20) + row)
        for offset, (account, rows) in enumerate(found)
        for row, (vendor_id, number, state, code, time) in enumerate(rows)
        if state
    )


def said(report_rows) -> list:
    return [
        (
            report_rows.origins[report_rows.origin_of_id[report_rows.id_of[i]]].account,
            report_rows.ids[report_rows.id_of[i]],
            int(report_rows.numbers[i]),
            report_rows.pairs[report_rows.pair[i]],
            int(report_rows.times[i]),
            int(report_rows.places[i]),
        )
        for i in range(len(report_rows))
    ]


@given(records)
def test_every_final_row_of_every_record_is_in_the_columns(found):
    flat = flatten(given_records(found))
    assert Counter(said(flat.rows)) == final_rows(found)
    assert [row[-1] for row in said(flat.rows)] == sorted(row[-1] for row in said(flat.rows))
    assert sum(flat.came.values()) == sum(len(rows) for _, rows in found)
    assert sum(flat.waiting.values()) == sum(row[2] == 0 for _, rows in found for row in rows)
    assert flat.damaged == []


@given(records)
def test_parked_rows_come_back_as_they_were(found):
    flat = flatten(given_records(found))
    parked = flat.rows.park()
    assert len({(origin.place, vendor_id) for origin, vendor_id, _ in parked}) == len(parked)
    stored = [
        (origin, origin.place // 8, vendor_id, msgspec.msgpack.decode(msgspec.msgpack.encode(group), type=type(group)))
        for origin, vendor_id, group in parked
    ]
    back = unpark(stored[::-1])
    assert Counter(said(back)) == Counter(said(flat.rows))
    assert [row[-1] for row in said(back)] == sorted(row[-1] for row in said(back))


DAMAGE = [
    ("a column is cut off", {"numbers": b"\0" * 7}),
    ("a column is too long", {"times": b"\0" * 8}),
    ("an id that is not in the list", {"id_index": b"\1\0\0\0"}),
    ("a code that is not in the list", {"code_index": b"\1\0"}),
    ("a state that there is not", {"states": b"\3"}),
]


@pytest.mark.parametrize(("what", "fields"), DAMAGE, ids=[what for what, _ in DAMAGE])
def test_a_record_whose_columns_do_not_fit_is_handed_back_and_the_others_are_read(what, fields):
    whole = reports_record("spring", [("1", 13_800_138_000, 1, "DELIVRD", 1)])
    broken = msgspec.structs.replace(whole, **fields)
    flat = flatten([(Origin("spring", n, 0), n, record) for n, record in enumerate([whole, broken, whole])])
    assert [origin.place for origin in flat.damaged] == [1]
    assert len(flat.rows) == 2


ids = st.one_of(
    st.integers(0, 2**70).map(str),
    st.text(max_size=25),
    st.sampled_from(["007", "0", "", "1e5", "１２", "+5", "9" * 19]),
)


@given(st.lists(ids, unique=True, max_size=40))
def test_different_ids_have_different_keys_one_by_one_or_together(found):
    keys = id_keys(found)
    assert len(set(keys.tolist())) == len(found)
    assert keys.tolist() == [int(id_keys([each])[0]) for each in found]
    for vendor_id, key in zip(found, keys.tolist(), strict=True):
        if is_exact(vendor_id):
            assert id_text(key) == vendor_id


@given(st.lists(st.integers(0, 16 * 10**18 - 1), unique=True, max_size=20))
def test_keys_of_decimal_ids_are_in_the_order_of_the_ids(found):
    keys = id_keys([str(number) for number in found])
    assert np.argsort(keys).tolist() == np.argsort(np.array(found, np.uint64)).tolist()
