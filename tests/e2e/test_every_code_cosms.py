"""COSMS: every code of vendors.md 1.13 and every report value of 1.7 and Annex A, from the simulator to the export."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from loadtest.sim.cosms.codes_and_switches import CODES, FIELD, STATUSES
from tests.e2e.every_code import Behaviour, Told, check_report_codes, check_submit_codes, every_code

BEHAVIOURS: dict[str, Behaviour] = {
    "100": "taken",
    "200": "partial",
    "300": "again",
    "201": "auth",
    "202": "auth",
    "203": "auth",
    "204": "auth",
    "205": "auth",
    "206": "auth",
    "207": "auth",
    "208": "auth",
    "400": "auth",
    "401": "refused",
    "402": "refused",
    "403": "divided",
    "404": "divided",
    "405": "refused",
    "406": "refused",
    "407": "refused",
    "408": "refused",
    "409": "refused",
    "410": "refused",
    "411": "divided",
    "412": "refused",
    "413": "divided",
    "414": "refused",
    "415": "refused",
    "416": "refused",
    "417": "refused",
    "501": "again",
    "502": "throttled",
    "503": "balance",
    "504": "balance",
    "505": "held",  # only what goes abroad waits: the account has other credit
    "506": "held",
}
TWICE = {"208"}  # once more with a fresh MD5str


def test_the_table_has_every_code_of_the_simulator() -> None:
    assert set(BEHAVIOURS) == set(CODES)


WORDS: dict[str, Literal["delivered", "accepted"]] = {
    "0": "delivered",
    "DELIVRD": "delivered",
    "ACCEPTD": "accepted",  # Annex A and 6.8: not the last word
}
"""All others are failed: 5 too, which is in no document."""


def test_every_submit_code_has_its_consequence(tmp_path: Path) -> None:
    with every_code(tmp_path, "cosms", BEHAVIOURS) as at:
        check_submit_codes(at, BEHAVIOURS, goes_on=(), twice=TWICE)


def test_every_report_value_has_its_meaning(tmp_path: Path) -> None:
    told = [Told(status, WORDS.get(status, "failed"), status, known=status not in {*FIELD, "5"}) for status in STATUSES]
    check_report_codes(tmp_path, "cosms", told)
