"""Msg_Id in its parts, and as it is written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.cmpp.message_ids import MessageId, compose, parts_of, written
from tests.cmpp.vectors import PAGE

ROW = re.compile(r"^\| (\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) \| (\d+) \| (\d+) \| `([0-9A-F]{16})` \| (\d+) \|", re.M)
ROWS = ROW.findall(PAGE)


@pytest.mark.parametrize("row", ROWS, ids=[row[7] for row in ROWS])
def test_the_ids_of_the_document(row: tuple[str, ...]) -> None:
    parts, hexadecimal, decimal = MessageId(*map(int, row[:7])), row[7], int(row[8])
    assert compose(parts) == decimal
    assert parts_of(decimal) == parts
    assert written(decimal) == hexadecimal


def test_the_document_has_ids_on_both_sides_of_2_to_the_63() -> None:
    assert len(ROWS) == 5
    assert {int(row[8]) >> 63 for row in ROWS} == {0, 1}


@given(msg_id=st.integers(0, (1 << 64) - 1))
def test_every_id_is_its_parts(msg_id: int) -> None:
    assert compose(parts_of(msg_id)) == msg_id
    assert int(written(msg_id), 16) == msg_id
    assert len(written(msg_id)) == 16
