"""`dispatcher report spend` and `campaign budget`, on a log that nobody sends from."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import fastexcel
import orjson
import polars as pl
import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main
from dispatcher.clock import now_ms
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry
from schemas.codec import encode
from schemas.records import AnyRecord, BalanceAsked, Effect, Intent, Kind, Outcome, Owned
from schemas.topics import CAMPAIGNS, LANES, lane_partition
from tests.cli.campaigns import CONFIG, configured, launched

PARTITION = lane_partition("spring")


def spend(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", "spend", "--from", "1 d", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A campaign to three, of whom two were accepted and one is unknown; a balance of yesterday and one of now."""
    configured(tmp_path, monkeypatch)
    (tmp_path / "dispatcher.toml").write_text(f'{CONFIG}price = {{ default = "0.045" }}\n', "utf-8")
    launched(tmp_path, "may")
    asyncio.run(_sent())
    return tmp_path


async def _sent() -> None:
    log, at_ms = await open_log("sqlite:data/log.db"), now_ms()
    common: dict[str, Any] = {
        "account": "spring",
        "campaign": "may",
        "owner": "me",
        "job": 0,
        "batch": 0,
        "attempt": 0,
        "at_ms": at_ms,
    }
    records: list[AnyRecord] = [
        Owned(owner="me", at_ms=at_ms, where="here"),
        Intent(n=0, start=0, count=2, **common),
        Intent(n=1, start=2, count=1, **common),
    ]
    try:
        entries = [Entry(b"spring", encode(record)) for record in records]
        _, first, second = await log.append(LANES.name, PARTITION, entries)
        for intent, effect, kind in ((first, Effect.ACCEPTED, Kind.ACCEPTED), (second, Effect.UNKNOWN, Kind.UNKNOWN)):
            outcome = Outcome(
                account="spring", intent=intent, effect=effect, kind=kind, code="0", at_ms=at_ms, sent_ms=at_ms
            )
            await log.append(LANES.name, PARTITION, [Entry(b"spring", encode(outcome))])
        for ago_ms, messages in ((2 * 86_400_000, 100.0), (-1, 90.0)):
            told = BalanceAsked(account="spring", at_ms=at_ms - ago_ms, by="ann", messages=messages, says="")
            await log.append(CAMPAIGNS.name, 0, [Entry(f"balance!spring!{messages}".encode(), encode(told))])
    finally:
        await log.close()


def test_spend_is_shown_with_what_the_balances_say(folder: Path) -> None:
    result = spend("--by", "campaign")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert any(line.split() == ["may", "2", "2", "0.0900", "CNY", "1", "0.0450", "CNY"] for line in lines)
    assert any(line.startswith("spring") and "+8" in line.split() and "0.3600" in line.split() for line in lines)
    assert "1 part open: under way, or unknown" in " ".join(result.stdout.split())


def test_spend_as_json_has_exact_amounts(folder: Path) -> None:
    found = orjson.loads(spend("--json", "--by", "account,carrier,day,person").stdout)
    [row] = found["rows"]
    assert (row["account"], row["carrier"], row["campaign"]) == ("spring", "mobile", "")
    assert row["spent"] == found["total"]
    assert (found["total"]["cost_micro_yuan"], found["total"]["open_cost_micro_yuan"]) == (90_000, 45_000)
    [balance] = found["balances"]
    assert (balance["used"], balance["charged"], balance["difference"]) == (10.0, 2, 8.0)


def test_spend_as_a_workbook_has_rows_total_and_balances(folder: Path) -> None:
    result = spend("--by", "person,campaign", "-o", "spend.xlsx")
    assert result.exit_code == 0, result.output
    book = fastexcel.read_excel("spend.xlsx")
    assert book.sheet_names == ["spend", "total", "balances"]
    [row] = book.load_sheet("spend").to_polars().to_dicts()
    assert (row["campaign"], row["parts"], row["cost_cny"], row["open_parts"]) == ("may", 2, 0.09, 1)
    [balance] = book.load_sheet("balances").to_polars().to_dicts()
    assert (balance["account"], balance["difference"], balance["difference_cny"]) == ("spring", 8, 0.36)
    assert str(balance["after_at"]).endswith("+08:00")


def test_spend_as_csv_has_the_rows(folder: Path) -> None:
    assert spend("-o", "spend.csv").exit_code == 0
    [row] = pl.read_csv("spend.csv").to_dicts()
    assert (row["account"], row["cost_cny"]) == ("spring", 0.09)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--by", "week"], '--by takes account, carrier, day, person, campaign, each once, not "week".'),
        (["--by", ""], "--by takes account, carrier, day, person, campaign"),
        (["--to", "2 d"], "the time to report must begin before it ends"),
        (["--from", "soon"], '--from "soon" is no time'),
        (["--top-up", "spring"], '--top-up "spring" must be ACCOUNT=MESSAGES'),
        (["--top-up", "spring=many"], '--top-up "spring=many" must be ACCOUNT=MESSAGES'),
        (["--top-up", "winter=5"], '--top-up: account "winter" is not in'),
    ],
)
def test_mistakes_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    configured(tmp_path, monkeypatch)
    result = spend(*arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())


def test_a_budget_is_given_shown_and_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, monkeypatch)
    (tmp_path / "dispatcher.toml").write_text(f'{CONFIG}price = {{ default = "0.045" }}\n', "utf-8")
    (tmp_path / "list.txt").write_text("13800138000\n13800138001\n", "utf-8")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["campaign", *arguments])

    launch = run("launch", "list.txt", "--text", "hi", "--route", "spring", "--id", "may", "--budget", "0.05", "--yes")
    assert launch.exit_code == 0, launch.output
    assert "0.0500 CNY pays 55 % of it" in launch.stdout
    assert any(
        line.split() == ["budget", "0.0500", "CNY,", "0.0000", "CNY", "of", "it", "spent"]
        for line in run("show", "may").stdout.splitlines()
    )
    assert "has a budget of 80.0000 CNY from now on; it had 0.0500 CNY" in run("budget", "may", "80").stdout
    assert "had a budget of 80.0000 CNY already" in run("budget", "may", "80.0").stdout
    assert orjson.loads(run("budget", "may", "0.07", "--json").stdout) == {
        "campaign": "may", "budget_micro_yuan": 70_000, "was_micro_yuan": 80_000_000
    }  # fmt: skip
    assert orjson.loads(run("show", "may", "--json").stdout)["budget_micro_yuan"] == 70_000
    refused = run("budget", "may", "much")
    assert refused.exit_code == 2
    assert '"much" is not an amount in CNY' in " ".join(refused.stderr.split())
    assert run("budget", "june", "5").exit_code == 2
