"""`dispatcher account list | check | balance`, asking a simulated vendor."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from dispatcher.cli import main
from dispatcher.config.file import load
from dispatcher.log.opening import open_log
from loadtest.sim.process import SpawnedSimulator, spawn
from schemas.codec import decode
from schemas.records import Checked
from schemas.topics import lane_partition
from tests.cli.campaigns import CONFIG, SECRET, configured, launched

PRODUCTS = {"1234567": 1000, "1234531": 234}


@pytest.fixture(scope="module")
def vendor() -> Iterator[SpawnedSimulator]:
    account = {"account": "demo", "pswd": SECRET, "products": PRODUCTS}
    with spawn({"account": {"spring": account}, "balance_interval": 0}) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: SpawnedSimulator) -> Path:
    configured(tmp_path, monkeypatch)
    vendor.reset(everything=True)
    (tmp_path / "dispatcher.toml").write_text(CONFIG.replace("http://127.0.0.1:9", vendor.url), "utf-8")
    return tmp_path


def test_accounts_are_listed_with_their_limits_and_lane(folder: Path) -> None:
    result = invoke("account", "list")
    assert "spring   batch-a" in result.stdout
    assert "500 messages per 1 s" in result.stdout
    [account] = printed("account", "list")["accounts"]
    assert (account["account"], account["lane_partition"], account["held_by"]) == (
        "spring",
        lane_partition("spring"),
        None,
    )


def test_the_balance_is_asked_product_by_product(folder: Path, vendor: SpawnedSimulator) -> None:
    [account] = printed("account", "balance")["accounts"]
    assert account["products"] == PRODUCTS
    assert account["messages"] == sum(PRODUCTS.values())


def test_a_check_that_the_vendor_passes_tells_the_lane_and_says_so(folder: Path) -> None:
    launched(folder, "may")
    result = invoke("account", "check", "spring")
    assert result.exit_code == 0, result.output
    assert "spring: ok, 1,234 messages left" in result.stdout
    assert "continues" in result.stdout
    assert [record.account for record in inbox(folder) if isinstance(record, Checked)] == ["spring"]


def test_without_a_log_there_is_no_lane_to_tell(folder: Path) -> None:
    result = invoke("account", "check")
    assert result.exit_code == 0, result.output
    assert "continues" not in result.stdout
    assert inbox(folder) == []


REFUSALS = [
    ("101", 2, "no such user"),
    ("102", 2, "wrong password"),
    ("117", 2, "IP address"),
    ("119", 2, "expired"),
    ("104", 1, "busy"),
]


@pytest.mark.parametrize(("code", "exit_code", "words"), REFUSALS)
def test_a_refused_login_says_why_and_tells_no_lane(
    folder: Path, vendor: SpawnedSimulator, code: str, exit_code: int, words: str
) -> None:
    launched(folder, "may")
    vendor.configure(rule=[{"code": code, "on": "balance"}])
    result = invoke("account", "check")
    assert result.exit_code == exit_code, result.output
    assert words in result.stdout
    assert result.stderr.startswith("error: ")
    assert not [record for record in inbox(folder) if isinstance(record, Checked)]


GUODU = """
[account.autumn]
vendor = "guodu"
url = "http://127.0.0.1:9"
oper_id = "op"
oper_pass = "pw"
"""


def test_where_no_query_can_tell_whether_the_login_works_the_lane_is_told_to_try(folder: Path) -> None:
    launched(folder, "may")
    with (folder / "dispatcher.toml").open("a", encoding="utf-8") as file:
        file.write(GUODU)
    result = invoke("account", "check", "autumn")
    assert result.exit_code == 0, result.output
    assert "the first send will tell" in result.stdout
    assert "a lane that stopped because of the login or the balance continues" in result.stdout
    assert [record.account for record in inbox(folder, "autumn") if isinstance(record, Checked)] == ["autumn"]
    result = invoke("account", "balance", "autumn")
    assert result.exit_code == 0, result.output
    assert "no balance query" in result.stdout


def test_a_vendor_that_was_asked_too_often_is_asked_again_later(folder: Path, vendor: SpawnedSimulator) -> None:
    vendor.configure(rule=[{"code": "103", "on": "balance", "count": 1}])
    result = invoke("account", "check")
    assert result.exit_code == 0, result.output
    assert "asking again" in result.stderr
    assert "1,234" in result.stdout


def test_what_was_asked_just_now_is_told_again_and_not_asked_again(folder: Path, vendor: SpawnedSimulator) -> None:
    [first], [again] = printed("account", "balance")["accounts"], printed("account", "balance")["accounts"]
    assert (first["recalled"], again["messages"]) == (None, first["messages"])
    assert re.fullmatch(r"(just now|\d+ s ago) by .+ \(account balance\)", again["recalled"])
    assert again["says"] == "1234567 1,000, 1234531 234"
    assert vendor.totals(False)["codes"] == {"balance 0": 1}


def test_why_a_balance_is_not_known_is_told_again_too(folder: Path, vendor: SpawnedSimulator) -> None:
    vendor.configure(rule=[{"code": "102", "on": "balance"}])
    assert invoke("account", "balance").exit_code == 2
    again = invoke("account", "balance")
    assert again.exit_code == 1
    assert "102: wrong password" in again.stdout
    assert vendor.totals(False)["codes"] == {"balance 102": 1}


def test_an_http_status_is_named_beside_the_page_that_came_with_it(folder: Path, vendor: SpawnedSimulator) -> None:
    vendor.configure(rule=[{"fault": "http_503", "on": "balance"}])
    assert "gave no usable answer: http 503: " in invoke("account", "check").output


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(main, list(arguments))


def printed(*arguments: str) -> dict[str, Any]:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = orjson.loads(result.stdout)
    return found


def inbox(folder: Path, account: str = "spring") -> list[Any]:
    async def read() -> list[Any]:
        log = await open_log(load("dispatcher.toml").log.url)
        try:
            return [decode(stored.value) for stored in await log.read("jobs", lane_partition(account), 0)]
        finally:
            await log.close()

    return asyncio.run(read())
