"""Scenarios at work: each that comes with the dispatcher, small; and those that expect what is not so, which fail.

Real processes, real sockets; nothing here says how fast anything must be.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from loadtest.scenarios.file import SHIPPED
from tests.loadtest.scenarios.unhurried import unhurried

SMALL: dict[str, tuple[str, ...]] = {
    "smoke": ("--recipients", "400", "--scale", "4"),
    "all-vendors": ("--recipients", "3000", "--scale", "3"),
    "vendor-dies": ("--recipients", "6000", "--scale", "2"),
    "day-of-reports": ("--recipients", "2000", "--scale", "12"),
    "throttling": ("--recipients", "480", "--scale", "3"),
    "empty-balance": ("--recipients", "1400"),
    "hostile": ("--recipients", "3000", "--seed", "3", "--scale", "3"),
    "cmpp-network": ("--recipients", "1000", "--scale", "3"),
}
"""What makes a run of each take seconds, and still show what it is about."""


def loadtest(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from dispatcher.cli import main; main()", "loadtest", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def broken(outcome: dict[str, Any]) -> list[str]:
    return [f"{each['what']}: {each['found']}" for each in outcome["expected"] if each["holds"] is False]


def test_every_shipped_scenario_is_run_here() -> None:
    assert {path.stem for path in SHIPPED.glob("*.toml")} == {*SMALL, "demo"}  # test_demo.py runs that one


@pytest.mark.parametrize("name", SMALL)
def test_a_shipped_scenario_ends_with_ledgers_and_results_equal(name: str, tmp_path: Path) -> None:
    slower = 5 if name == "throttling" else 1  # a busy machine would not reach the vendor's limit
    done = loadtest(unhurried(name, tmp_path, slower), *SMALL[name], "--json")
    assert done.stdout, done.stderr
    outcome = orjson.loads(done.stdout)
    assert broken(outcome) == []
    assert done.returncode == 0, done.stderr
    assert outcome["passed"] is True
    sent = sum(account["ledger"]["taken"] for account in outcome["accounts"].values())
    assert sent > 0
    assert sum(account["ledger"]["double_texts"] for account in outcome["accounts"].values()) == 0
    assert SHOWN[name](outcome), "it shows what it is about"
    not_judged = {each["what"] for each in outcome["expected"] if each["holds"] is None}
    assert not_judged == {f"{vendor}: every fault happened" for vendor in outcome["vendors"] if name == "hostile"}


def _counts(outcome: dict[str, Any], term: str) -> int:
    return sum(int(campaign["counts"][term]) for campaign in outcome["campaigns"])


SHOWN: dict[str, Any] = {
    "smoke": lambda found: _counts(found, "duplicate") > 0,
    "all-vendors": lambda found: (
        {"role lanes is restarted", "orders is launched"} <= {each["what"] for each in found["happened"]}
        and any(each["what"].startswith("end of: news is paused") for each in found["happened"])
    ),
    "vendor-dies": lambda found: any("north dies" in each["what"] for each in found["happened"]),
    "day-of-reports": lambda found: found["vendors"]["north"]["reports_duplicates"] > 0,
    "throttling": lambda found: found["vendors"]["north"]["codes"]["103"] > 0,
    "empty-balance": lambda found: found["accounts"]["spring"]["ledger"]["taken"] > 700,
    "cmpp-network": lambda found: found["vendors"]["network"]["gateways"]["079101"]["network"]["mt_received"] == 600,
    "hostile": lambda found: _counts(found, "unknown") > 0 and len(found["vendors"]["north"]["faults"]) > 5,
}

SMOKE = (SHIPPED / "smoke.toml").read_text("utf-8").partition("[expect]")[0]
FAILING = [
    ("delivered = [0.0, 0.1]", "0 % to 10 % are delivered"),
    ('codes.north = ["103"]', "north answered 103"),
    ('cancelled = ["may-sale"]', "cancelled: may-sale"),
    ("inbound = 7", "7 messages from phones"),
]


@pytest.mark.parametrize(("expected", "what"), FAILING[:1])
def test_a_wrong_expectation_fails_with_exit_code_1_and_says_what(tmp_path: Path, expected: str, what: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(f"{SMOKE}\n[expect]\n{expected}\n", "utf-8")
    done = loadtest(str(path), "--recipients", "200", "--scale", "4")
    assert done.returncode == 1
    [line] = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    assert what in line
    assert " NO " in line
    assert "1 do not hold" in done.stdout


def test_several_wrong_expectations_are_each_told(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(f"{SMOKE}\n[expect]\n" + "\n".join(expected for expected, _ in FAILING[1:]), "utf-8")
    done = loadtest(str(path), "--recipients", "200", "--scale", "4", "--json")
    assert done.returncode == 1
    told = broken(orjson.loads(done.stdout))
    assert [what for _, what in FAILING[1:] if not any(line.startswith(what) for line in told)] == []
    assert len(told) == len(FAILING[1:])


def test_an_event_that_cannot_be_carried_out_is_said_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    late = '[[event]]\nat_s = 0.0\ncampaign = "water-alert"\ndo = "pause"\n'  # before it is launched
    later = SMOKE.replace("at_s = 1.0", "at_s = 36000.0")
    path.write_text(later.replace("[[campaign]]", f"{late}[[campaign]]", 1), "utf-8")
    done = loadtest(str(path), "--recipients", "200", "--scale", "4")
    assert done.returncode == 1
    assert "could not water-alert is paused" in done.stderr
    assert "there is no campaign" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_scenario_those_there_are_are_listed() -> None:
    done = loadtest()
    assert done.returncode == 0
    assert [name for name in SMALL if f"\n{name} " not in done.stdout] == []
    listed = orjson.loads(loadtest("--json").stdout)["scenarios"]
    assert {each["name"] for each in listed} == {*SMALL, "demo"}  # the demo has its own tests: test_demo.py


def test_a_scenario_that_is_not_there_is_the_user_s_mistake() -> None:
    done = loadtest("nosuch")
    assert done.returncode == 2
    assert "no such file" in done.stderr


def test_a_kept_run_can_be_looked_at_and_no_password_is_in_its_logs(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = loadtest(unhurried("smoke", tmp_path), "--recipients", "200", "--scale", "4", "--keep", str(kept))
    assert done.returncode == 0, done.stdout
    password = (kept / "pswd.txt").read_text().strip()
    for log in kept.glob("*.log"):
        assert password not in log.read_text()
    listed = subprocess.run(
        [sys.executable, "-c", "from dispatcher.cli import main; main()", "campaign", "list", "--config",
         str(kept / "dispatcher.toml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "may-sale" in listed.stdout
