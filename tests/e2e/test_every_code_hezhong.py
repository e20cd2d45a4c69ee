"""HEZHONG: every code of vendors.md 2.1 and every status of Annexes A and B, from the simulator to the export."""

from __future__ import annotations

from pathlib import Path

from loadtest.sim.hezhong.codes_and_switches import CODES, FIELD, RESERVED, STATUSES
from tests.e2e.every_code import Behaviour, Told, check_report_codes, check_submit_codes, every_code

BEHAVIOURS: dict[str, Behaviour] = {
    "0": "taken",
    "-1": "auth",
    "-2": "auth",
    "-3": "auth",
    "-4": "balance",
    "-5": "refused",
    "-6": "refused",
    "-7": "refused",
    "-8": "refused",
    "-9": "refused",
    "-10": "divided",
    "-11": "refused",
    "-12": "refused",
    "-13": "refused",
    "-99": "doubtful",
}
DELIVERED = {"DELIVRD", "0", "000"}  # AMB-X-1
WAITING = {"1", "ACCEPTD"}  # Unicom: waiting; Annex A and 6.8: not the last word


def test_the_table_has_every_code_of_the_simulator() -> None:
    assert set(BEHAVIOURS) == set(CODES)
    assert set(STATUSES) >= DELIVERED | WAITING


def test_every_submit_code_has_its_consequence(tmp_path: Path) -> None:
    with every_code(tmp_path, "hezhong", BEHAVIOURS) as at:
        check_submit_codes(at, BEHAVIOURS, goes_on=())


def test_every_report_status_has_its_meaning(tmp_path: Path) -> None:
    undocumented = {*FIELD, *RESERVED}
    told = [
        Told(
            status,
            "delivered" if status in DELIVERED else "accepted" if status in WAITING else "failed",
            status,
            known=status not in undocumented,
        )
        for status in dict.fromkeys(STATUSES)
    ]
    check_report_codes(tmp_path, "hezhong", told)
