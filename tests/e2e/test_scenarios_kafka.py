"""A full run on a real Kafka broker with every vendor there is: the scenario `all-vendors`, small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson

from dispatcher.vendors.registry import BUILT_IN
from loadtest.scenarios.file import find, load
from tests.loadtest.scenarios.unhurried import unhurried


def test_a_full_run_on_kafka_with_all_vendors_passes(kafka_bootstrap: str, tmp_path: Path) -> None:
    scenario = load(find("all-vendors"))
    assert {vendor.vendor for vendor in scenario.vendors.values()} == set(BUILT_IN)
    done = subprocess.run(
        [sys.executable, "-c", "from dispatcher.cli import main; main()", "loadtest",
         unhurried("all-vendors", tmp_path), "--recipients", "5000", "--scale", "3",
         "--log", f"kafka://{kafka_bootstrap}", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    outcome = orjson.loads(done.stdout)
    assert outcome["log"] == "kafka"
    assert [each for each in outcome["expected"] if not each["holds"]] == []
    assert done.returncode == 0, done.stderr
    assert {account["vendor"] for account in outcome["accounts"].values()} == set(scenario.vendors)
    assert all(account["ledger"]["taken"] > 0 for account in outcome["accounts"].values())
