"""Numbers off the wire: whatever the bytes, every token is there once, in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.sim.ledger.numbers import BLOCK, mobile, parse, text

mobiles = st.integers(13_000_000_000, 19_999_999_999).map(lambda n: str(n).encode())
anything = st.binary(max_size=14).filter(lambda b: b"," not in b)
prefixed = st.tuples(st.sampled_from([b"86", b"+86", b"0086"]), mobiles).map(b"".join)


@given(st.lists(st.one_of(mobiles, anything, prefixed), min_size=1, max_size=30))
def test_every_token_is_kept_in_order(tokens: list[bytes]) -> None:
    if tokens == [b""]:
        return
    parsed = parse(b",".join(tokens))
    back = [text(v, parsed.odd) for v in parsed.column.tolist()]
    assert back == [
        str(mobile(t)) if mobile(t) is not None else t.decode("utf-8", "replace") for t in tokens
    ]  # fmt: skip


@given(st.lists(mobiles, min_size=1, max_size=2 * BLOCK + 2))
def test_good_numbers_need_no_object_each(tokens: list[bytes]) -> None:
    parsed = parse(b",".join(tokens))
    assert parsed.odd == []
    assert parsed.column.tolist() == [int(t) for t in tokens]


@pytest.mark.parametrize("count", [1, BLOCK, BLOCK + 1, BLOCK + 2, 50_000])
def test_blocks_meet(count: int) -> None:
    tokens = [13_800_000_000 + i for i in range(count)]
    assert parse(",".join(map(str, tokens)).encode()).column.tolist() == tokens


@pytest.mark.parametrize(
    ("token", "value"),
    [
        (b"13800138000", 13800138000), (b"8613800138000", 13800138000), (b"+8613800138000", 13800138000),
        (b"008613800138000", 13800138000), (b"12900138000", None), (b"20000000000", None), (b"1380013800", None),
        (b"138001380000", None), (b"1380013800a", None), (b" 3800138000", None), (b"", None), (b"86", None),
        (b"8612800138000", None), ("１３８00138000".encode(), None),
    ],
)  # fmt: skip
def test_what_a_mobile_number_is(token: bytes, value: int | None) -> None:
    assert mobile(token) == value


def test_nothing_is_no_number_and_a_comma_is_two_empty_ones() -> None:
    assert parse(b"").column.size == 0
    assert parse(b",").odd == [b"", b""]
    assert parse(b"13800138000,").odd == [b""]
