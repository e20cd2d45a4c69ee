"""BATCH-A: every code of vendors.md 3.1 and 3.2, from the simulator to the export."""

from __future__ import annotations

from pathlib import Path

from loadtest.sim.batch.codes_and_switches import CODES, STATUSES_A, STATUSES_B, STATUSES_ODD
from tests.e2e.every_code import Behaviour, Told, check_report_codes, check_submit_codes, every_code

BEHAVIOURS: dict[str, Behaviour] = {
    "0": "taken",
    "101": "auth",
    "102": "auth",
    "103": "throttled",
    "104": "again",
    "105": "refused",
    "106": "refused",
    "107": "divided",
    "108": "refused",
    "109": "balance",
    "110": "held",
    "111": "balance",
    "112": "refused",
    "113": "refused",
    "115": "refused",
    "116": "refused",
    "117": "auth",
    "118": "auth",
    "119": "auth",
    "120": "refused",
}
ODD = {"MK:0001": "MK:0001", "ID:0076": "ID:0076", "": "", "delivrd": "delivrd"}


def test_the_table_has_every_code_of_the_simulator() -> None:
    assert set(BEHAVIOURS) == set(CODES)
    assert set(ODD) == set(STATUSES_ODD)


def test_every_submit_code_has_its_consequence(tmp_path: Path) -> None:
    with every_code(tmp_path, "batch-a", BEHAVIOURS) as at:
        check_submit_codes(at, BEHAVIOURS)


def test_every_report_status_has_its_meaning(tmp_path: Path) -> None:
    statuses = dict.fromkeys((*STATUSES_A, *STATUSES_B))
    told = [Told(status, "delivered" if status == "DELIVRD" else "failed", status) for status in statuses]
    told += [Told(s, "delivered" if s == "delivrd" else "failed", code, known=False) for s, code in ODD.items()]
    check_report_codes(tmp_path, "batch-a", told)
