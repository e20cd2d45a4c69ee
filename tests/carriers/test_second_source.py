"""The numbering plan beside a second source: the carrier data of the package `phonenumbers`.

Every difference is listed in the plan as disputed, so that an update of the package shows what changed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from phonenumbers.carrierdata import CARRIER_DATA

from dispatcher.carriers.lookup import PREFIX_DIGITS, numbering_plan, prefixes
from dispatcher.core.carriers import Carrier

ROOT = Path(__file__).parents[2]
FIRST = 13_000
NAMES = {each.title: each for each in Carrier if each not in (Carrier.UNKNOWN, Carrier.ABROAD)}


def of_the_second_source() -> np.ndarray:
    """The carrier of each five digits from 13000 to 19999 by the longest prefix that the package has."""
    table = np.zeros(7_000, np.uint8)
    for prefix, names in sorted(CARRIER_DATA.items(), key=lambda each: len(each[0])):
        digits = prefix.removeprefix("86")
        if prefix.startswith("861") and digits >= "13":
            width = 10 ** (PREFIX_DIGITS - len(digits))
            table[int(digits) * width - FIRST : (int(digits) + 1) * width - FIRST] = NAMES[names["en"]]
    return table


def five_digits(table_rows: np.ndarray) -> set[int]:
    return set((np.flatnonzero(table_rows) + FIRST).tolist())


def test_the_disputed_prefixes_are_every_difference_between_the_two_sources() -> None:
    differences = five_digits(numbering_plan().allocated() != of_the_second_source())
    disputed = {
        place
        for written in numbering_plan().disputed
        for each in prefixes(written)
        for place in range(
            int(each) * 10 ** (PREFIX_DIGITS - len(each)), (int(each) + 1) * 10 ** (PREFIX_DIGITS - len(each))
        )
    }
    assert (sorted(differences - disputed), sorted(disputed - differences)) == ([], [])


def test_a_disputed_number_is_of_an_unknown_carrier_and_every_other_one_as_both_sources_say() -> None:
    table, other = numbering_plan().table(), of_the_second_source()
    differs = numbering_plan().allocated() != other
    assert set(table[differs].tolist()) == {Carrier.UNKNOWN}
    assert (table[~differs] == other[~differs]).all()


def test_the_plan_was_compared_with_the_installed_version() -> None:
    pins = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    assert f"\nphonenumbers=={numbering_plan().compared.version} " in pins


def test_no_prefix_is_allocated_twice() -> None:
    plan = numbering_plan()
    found = [
        each
        for kind in (plan.own, plan.virtual, plan.satellite)
        for written in kind.values()
        for one in written
        for each in prefixes(one)
    ]
    assert len(found) == len(set(found))
    assert not [each for each in found for other in found if each != other and each.startswith(other)]
