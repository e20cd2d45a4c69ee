"""GUODU: every code of vendors.md 5.1 with its 02/03 trap, every status of 5.3, from the simulator to the export."""

from __future__ import annotations

from pathlib import Path

from loadtest.sim.guodu.codes_and_switches import CODES, STATUSES
from tests.e2e.every_code import Behaviour, Told, check_report_codes, check_submit_codes, every_code

BEHAVIOURS: dict[str, Behaviour] = {
    "00": "taken",
    "01": "taken",
    "03": "taken",
    "02": "auth",
    "04": "auth",
    "05": "auth",
    "06": "refused",
    "07": "refused",
    "08": "refused",
    "09": "refused",
    "10": "refused",
    "11": "balance",
    "-1": "doubtful",
}


def test_the_table_has_every_code_of_the_simulator() -> None:
    assert set(BEHAVIOURS) == set(CODES)


def test_every_submit_code_has_its_consequence(tmp_path: Path) -> None:
    with every_code(tmp_path, "guodu", BEHAVIOURS) as at:
        check_submit_codes(at, BEHAVIOURS, goes_on=("auth",))


def test_every_report_status_has_its_meaning(tmp_path: Path) -> None:
    told = [
        Told(
            status,
            "delivered" if status == "0" else "failed",
            status if status == "0" else f"{status} {words}",
            known=False,
        )
        for status, words in STATUSES.items()
    ]
    check_report_codes(tmp_path, "guodu", told)
