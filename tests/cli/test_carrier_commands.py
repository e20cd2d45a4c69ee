"""`dispatcher carrier list | export`, and the carrier in `dispatcher lookup`."""

from __future__ import annotations

import asyncio
import csv
import json

import pytest
from click.testing import CliRunner

from dispatcher.arrivals import take_reports
from dispatcher.carriers.learnt import LearntCarriers
from dispatcher.cli import main
from dispatcher.config.file import SuppressionConfig
from dispatcher.log.opening import open_log
from dispatcher.report_effects import ReportEffects
from dispatcher.vendors.batch.pushes import REPORT_CODES
from dispatcher.vendors.seam.vendor import ReportRow
from schemas.states import REPORT_FAILED

ROWS = [ReportRow("7", 13_800_138_000, REPORT_FAILED, "NP:1243", 0), ReportRow("7", 13_000_130_000, 1, "MB:1047", 0)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a log on which two reports taught something."""
    (tmp_path / "dispatcher.toml").write_text('[log]\nurl = "sqlite:log.db"\n[store]\nurl = "sqlite:results.db"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHER_CONFIG", raising=False)

    async def teach():
        log = await open_log("sqlite:log.db")
        try:
            effects = ReportEffects(REPORT_CODES, SuppressionConfig(), LearntCarriers())
            await take_reports(log, "spring", ROWS, 1_000_000_000_000, effects)
        finally:
            await log.close()

    asyncio.run(teach())
    return tmp_path


def run(*arguments):
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_ported_numbers_are_listed(folder):
    shown = run("carrier", "list")
    assert "13800138000" in shown
    assert "China Unicom" in shown
    found = json.loads(run("carrier", "list", "--json"))
    assert found["known"] == 2
    assert {each["number"]: (each["carrier"], each["by_prefix"], each["code"]) for each in found["entries"]} == {
        "13800138000": ("unicom", "mobile", "NP:1243"),
        "13000130000": ("unknown", "unicom", "MB:1047"),
    }
    assert len(json.loads(run("carrier", "list", "--json", "--limit", "1"))["entries"]) == 1


def test_ported_numbers_are_exported_in_order(folder):
    run("carrier", "export", "-o", "ported.csv")
    with open("ported.csv", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(each["number"], each["carrier"], each["by_prefix"], each["account"]) for each in rows] == [
        ("13000130000", "unknown", "unicom", "spring"),
        ("13800138000", "unicom", "mobile", "spring"),
    ]
    assert rows[0]["since"].startswith("2001-09-09")


def test_a_look_up_says_the_carrier_and_where_it_was_ported_from(folder):
    assert "13800138000: China Unicom, ported from China Mobile (report NP:1243 of spring" in run(
        "lookup", "13800138000"
    )
    assert "13900139000: China Mobile\n" in run("lookup", "13900139000")
    assert json.loads(run("lookup", "13000130000", "--json"))["carrier"]["by_prefix"] == "unicom"
