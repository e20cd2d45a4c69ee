"""Recipients of every state beside the vendors' ledgers: what agrees, and what is found where it does not."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from loadtest.scenarios.ledger_comparison import compare, their_rows
from tests.loadtest.scenarios.test_demo import ledger

NUMBER = 13_800_000_000
TAKEN: dict[str, Any] = {"acked": True, "status": "DELIVRD"}

AGREEING: list[tuple[str, bool, dict[str, Any] | None]] = [
    ("delivered", True, TAKEN),
    ("failed", True, {"acked": True, "status": "UNDELIV"}),
    ("failed", False, None),  # refused: nobody was texted
    ("queued", False, None),
    ("cancelled", False, None),
    ("in_flight", False, None),
    ("accepted", False, {"acked": False, "status": "DELIVRD"}),
    ("no_report", False, {"acked": False, "status": "DELIVRD"}),
    ("unknown", False, None),
    ("unknown", False, {"acked": False, "status": "DELIVRD"}),
]
DISAGREEING: list[tuple[str, bool, dict[str, Any] | None, str]] = [
    ("delivered", True, {"acked": True, "status": "UNDELIV"}, "another state"),
    ("failed", True, TAKEN, "another state"),
    ("failed", False, TAKEN, "do not know of it"),
    ("queued", False, TAKEN, "do not know of it"),
    ("cancelled", False, TAKEN, "do not know of it"),
    ("accepted", False, TAKEN, "still wait for it"),
    ("no_report", False, TAKEN, "still wait for it"),
    ("accepted", False, None, "never took"),
    ("no_report", False, None, "never took"),
    ("delivered", True, None, "never took"),
]


def ours(state: str, from_report: bool) -> pl.DataFrame:
    """One recipient."""
    code = {"delivered": "DELIVRD", "failed": "UNDELIV"}.get(state, "0")
    values = {"number": NUMBER, "state": state, "code": code, "vendor_id": "id-1", "account": "spring",
              "from_report": from_report, "campaign": "big"}  # fmt: skip
    categories = ("state", "code", "vendor_id", "account", "campaign")
    return pl.DataFrame([values]).with_columns(pl.col(name).cast(pl.Categorical) for name in categories)


def theirs(row: dict[str, Any] | None, named: bool = True, times: int = 1) -> pl.DataFrame:
    """The vendor's row of the same recipient, or none."""
    rows = ledger(1).with_columns(**{name: pl.lit(value) for name, value in (row or TAKEN).items()})
    return their_rows(pl.concat([rows] * times)[: times if row else 0], {"the text": "big"}, {"DELIVRD"}, named=named)


@pytest.mark.parametrize(("state", "from_report", "row"), AGREEING)
def test_what_agrees_agrees(state: str, from_report: bool, row: dict[str, Any] | None) -> None:
    found = compare(ours(state, from_report), theirs(row))
    assert (found.disagreements, found.lost, found.doubles, found.unsettled) == ((), 0, 0, 0)


@pytest.mark.parametrize(("state", "from_report", "row", "words"), DISAGREEING)
def test_what_disagrees_is_found(state: str, from_report: bool, row: dict[str, Any] | None, words: str) -> None:
    found = compare(ours(state, from_report), theirs(row))
    assert [each for each in found.disagreements if words in each], found


def test_a_text_more_is_a_double_whichever_vendor_sent_it() -> None:
    again = pl.concat([theirs(TAKEN), theirs(TAKEN)])
    assert compare(ours("delivered", True), again).doubles == 1
    assert compare(ours("delivered", True), theirs(TAKEN, times=3)).doubles == 2


def test_who_is_unknown_although_a_report_names_it_is_unsettled() -> None:
    assert compare(ours("unknown", False), theirs(TAKEN)).unsettled == 1
    assert compare(ours("unknown", False), theirs(TAKEN, named=False)).unsettled == 0
