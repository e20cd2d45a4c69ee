"""Many rows of text at once, against the same row by row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadtest.sim.requests import text_rows as stencil

NUMBERS = st.one_of(st.integers(13_000_000_000, 19_999_999_999), st.integers(-3, -1))
ODD = [b"", b"12", b"0571-88888888-1234"]
WORDS = st.binary(max_size=12).filter(lambda w: b"\0" not in w)


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 2), WORDS, st.integers(0, 9999)), min_size=1, max_size=40))
def test_rows_are_what_they_would_be_one_by_one(rows: list[tuple[int, int, bytes, int]]) -> None:
    names = [b"", b"DELIVRD", b"0"]
    numbers, which, words, serials = zip(*rows, strict=True)
    made = stencil.lines(
        len(rows),
        stencil.mobiles(np.array(numbers), ODD),
        b",",
        stencil.chosen(names, np.array(which, np.uint8)),
        b";",
        stencil.column(np.array(words, np.bytes_)),
        stencil.groups(np.array(serials)),
        b"\r\n",
    )
    wanted = [
        b"%b,%b;%b%04d\r\n" % (ODD[-1 - number] if number < 0 else b"%d" % number, names[place], word, serial)
        for number, place, word, serial in rows
    ]
    assert made == b"".join(wanted)


def test_no_rows_are_no_text() -> None:
    assert stencil.lines(0, stencil.mobiles(np.empty(0, np.int64)), b",") == b""
