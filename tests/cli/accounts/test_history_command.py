"""`dispatcher account history`: mistakes are one sentence, the vendor is asked at its pace, what it says is shown."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from consumers.accounts.history_command import wanted_span
from dispatcher.cli import main
from dispatcher.core.results.history import windows
from dispatcher.wording import SHANGHAI
from loadtest.sim.process import SimClient, spawn

CONFIG = """
[account.summer]
vendor = "cosms"
url = "{url}"
corp_id = "summer"
login_name = "summer"
password = "secret"

[account.spring]
vendor = "batch-a"
url = "{url}"
account = "demo"
pswd = "secret"
"""

MISTAKES = [
    ("a vendor without a history", ["spring"], "vendor batch-a has no history"),
    ("an account that is not there", ["winter"], "winter"),
    ("a time that is none", ["summer", "--from", "noon"], '--from "noon" is no time'),
    ("a day that is none", ["summer", "--to", "2026-02-30 10:00"], "--to"),
    ("backwards", ["summer", "--from", "10:01", "--to", "10:00"], "must be before its --to"),
    ("another month", ["summer", "--from", "2020-01-01 10:00", "--to", "2020-01-01 10:10"], "this month only"),
    ("the future", ["summer", "--from", "2999-01-01 10:00", "--to", "2999-01-01 10:10"], "future: it is 2"),
    ("a number that is none", ["summer", "--number", "Ann"], "no phone number"),
]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["account", "history", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dispatcher.toml").write_text(CONFIG.format(url="http://127.0.0.1:9"), "utf-8")
    return tmp_path


@pytest.mark.parametrize(("arguments", "words"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_one_sentence_and_code_2(folder: Path, arguments: list[str], words: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert "Traceback" not in result.output
    assert not (folder / "data").exists(), "nobody was asked"


def test_a_vendor_that_cannot_be_reached_is_a_failure_of_code_1(folder: Path) -> None:
    result = invoke("summer")
    assert result.exit_code == 1
    assert "the vendor did not say what it sent: " in result.output
    assert "remembers nothing" not in result.output


@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_the_last_half_hour_is_one_query(microsecond: int) -> None:
    now = datetime(2026, 11, 21, 14, 0, 7, microsecond, tzinfo=SHANGHAI)
    [window] = windows(wanted_span(None, None, now), 30 * 60_000)
    assert window.end_ms - window.start_ms == 30 * 60_000
    assert window.end_ms >= now.timestamp() * 1000


def sent(sim: SimClient, numbers: str) -> None:
    form = f"corpID=summer&loginName=summer&password=secret&msgFormat=1&mtLevel=1&Mobs={numbers}&msg=hi"
    with sim_opener(f"{sim.url}/sms/putMt/", form.encode()) as answer:
        assert answer.read().startswith(b"100")


def test_what_the_vendor_sent_is_told_for_people_and_for_programs(folder: Path) -> None:
    with spawn({"vendor": "cosms", "account": {"summer": {"pswd": "secret"}}, "hist_interval": 0}) as sim:
        (folder / "dispatcher.toml").write_text(CONFIG.format(url=sim.url), "utf-8")
        sent(sim, "13800138000,13800138001")
        now = datetime.now(SHANGHAI)
        begin = max(now - timedelta(minutes=5), now.replace(hour=0, minute=0, second=0))
        result = invoke("summer", "--json", "--number", "138 0013 8001", "--from", f"{begin:%Y-%m-%d %H:%M:%S}")
        assert result.exit_code == 0, result.output
        told = orjson.loads(result.stdout)
        assert told["complete"]
        assert [message["number"] for message in told["messages"]] == ["13800138001"]
        assert told["messages"][0]["text"] == "hi"


def sim_opener(url: str, body: bytes):
    from urllib.request import ProxyHandler, build_opener

    return build_opener(ProxyHandler({})).open(url, body)
