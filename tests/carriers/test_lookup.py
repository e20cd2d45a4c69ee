from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.carriers.lookup import Overrides, carrier_of, carriers_of, count_carriers, numbering_plan
from dispatcher.core.carriers import CARRIER_WORDS, Carrier
from dispatcher.core.wire_number import OTHER, from_wire

INT64 = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("number", "carrier"),
    [
        ("13812345678", Carrier.MOBILE),
        ("13412345678", Carrier.MOBILE),
        ("17031234567", Carrier.MOBILE),
        ("13012345678", Carrier.UNICOM),
        ("17091234567", Carrier.UNICOM),
        ("19912345678", Carrier.TELECOM),
        ("17001234567", Carrier.TELECOM),
        ("17405123456", Carrier.TELECOM),
        ("19212345678", Carrier.BROADNET),
        ("19412345678", Carrier.UNKNOWN),
        ("16212345678", Carrier.UNKNOWN),
        ("13491234567", Carrier.UNKNOWN),
        ("16112345678", Carrier.UNKNOWN),
        ("85291234567", Carrier.ABROAD),
        ("01012345678", Carrier.UNKNOWN),
    ],
)
def test_a_number_has_the_carrier_of_its_prefix(number: str, carrier: Carrier) -> None:
    assert carrier_of(from_wire(number)) is carrier


def test_the_ends_of_the_mobile_range_have_a_carrier_and_what_lies_outside_has_none() -> None:
    inside = carriers_of(np.array([13_000_000_000, 19_999_999_999]))
    assert inside.tolist() == [Carrier.UNICOM, Carrier.TELECOM]
    outside = carriers_of(np.array([0, 12_999_999_999, 20_000_000_000, OTHER - 1, 2 * OTHER]))
    assert set(outside.tolist()) == {Carrier.UNKNOWN}


@given(st.lists(INT64, max_size=20))
def test_every_int64_has_a_carrier_and_a_column_answers_like_single_numbers(values: list[int]) -> None:
    column = carriers_of(np.array(values, np.int64))
    assert column.tolist() == [carrier_of(each) for each in values]


def test_a_ported_number_has_the_carrier_of_its_override() -> None:
    overrides = Overrides(
        np.array([13_000_000_001, 13_800_000_005]), np.array([Carrier.TELECOM, Carrier.UNKNOWN], np.uint8)
    )
    numbers = np.array([13_800_000_005, 13_000_000_000, 13_000_000_001, 19_999_999_999])
    assert carriers_of(numbers, overrides).tolist() == [
        Carrier.UNKNOWN,
        Carrier.UNICOM,
        Carrier.TELECOM,
        Carrier.TELECOM,
    ]
    nobody = Overrides(np.zeros(0, np.int64), np.zeros(0, np.uint8))
    assert carriers_of(numbers, nobody).tolist() == carriers_of(numbers).tolist()


def test_the_input_column_is_not_changed() -> None:
    numbers = np.array([13_800_000_000, 0])
    carriers_of(numbers)
    assert numbers.tolist() == [13_800_000_000, 0]


def test_carriers_are_counted_without_those_that_have_no_number() -> None:
    column = carriers_of(np.array([13_800_000_000, 13_900_000_000, 13_000_000_000]))
    assert count_carriers(column) == {Carrier.MOBILE: 2, Carrier.UNICOM: 1}
    assert count_carriers(column[:0]) == {}


def test_every_carrier_has_a_word_and_a_name_in_both_languages() -> None:
    assert list(CARRIER_WORDS) == ["unknown", "mobile", "unicom", "telecom", "broadnet", "abroad"]
    assert all(each.title and each.chinese for each in Carrier)


def test_the_numbering_plan_says_where_it_was_read_and_when() -> None:
    source = numbering_plan().source
    assert (source.published.isoformat(), source.as_of.isoformat()) == ("2023-06-05", "2023-03-31")
