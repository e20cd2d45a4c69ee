"""BATCH-B: every code of vendors.md 3.1 and 4.1 that a submission can get, every status of 3.2, to the export.

The codes of Recharge and UserManage (201 to 306) are answers to operations, which no lane and no export ever sees.
"""

from __future__ import annotations

from pathlib import Path

from loadtest.sim.batch.codes_and_switches import STATUSES_A, STATUSES_B
from loadtest.sim.batch.codes_and_switches_b import CODES, RECHARGE_CODES, SEND_CODES, USER_CODES
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
}


def test_the_table_has_every_code_of_the_simulator() -> None:
    assert set(BEHAVIOURS) == set(SEND_CODES)
    assert set(CODES) == {*SEND_CODES, *RECHARGE_CODES, *USER_CODES}


def test_every_submit_code_has_its_consequence(tmp_path: Path) -> None:
    with every_code(tmp_path, "batch-b", BEHAVIOURS) as at:
        check_submit_codes(at, BEHAVIOURS, goes_on=())


def test_every_report_status_has_its_meaning(tmp_path: Path) -> None:
    statuses = dict.fromkeys((*STATUSES_A, *STATUSES_B))
    told = [Told(status, "delivered" if status == "DELIVRD" else "failed", status) for status in statuses]
    check_report_codes(tmp_path, "batch-b", told)
