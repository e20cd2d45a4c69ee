"""Amounts of money as people write and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.money.amounts import AMOUNT_MAX, decimal, micro_yuan, yuan

WRITTEN = [("0.045", 45_000), ("500", 500_000_000), ("0.000001", 1), (" 12.5 ", 12_500_000), ("0", 0)]


@pytest.mark.parametrize(("written", "amount"), WRITTEN)
def test_an_amount_is_read_exactly(written, amount):
    assert micro_yuan(written) == amount


@pytest.mark.parametrize(
    "written", ["", "-1", "1e3", "1,000", "0.0000001", "¥5", "5 CNY", "٥", "1000000001", "nan", "."]
)
def test_what_is_no_amount_is_refused(written):
    with pytest.raises(ValueError, match="is not an amount in CNY"):
        micro_yuan(written)


SHOWN = [
    (45_000, "0.0450 CNY"),
    (1_234_500_000, "1,234.5000 CNY"),
    (1, "0.000001 CNY"),
    (-45_500, "-0.0455 CNY"),
    (0, "0.0000 CNY"),
    (123_450, "0.12345 CNY"),
]


@pytest.mark.parametrize(("amount", "shown"), SHOWN)
def test_an_amount_is_shown_exactly(amount, shown):
    assert yuan(amount) == shown


@given(st.integers(0, AMOUNT_MAX))
def test_what_is_shown_is_read_again(amount):
    assert micro_yuan(decimal(amount).replace(",", "")) == amount
