"""What commands print in Chinese has no English words left, besides names, codes and what is typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main

CONFIG = """
[hours]
marketing = "00:00-24:00"
[log]
url = "sqlite:log.db"
[store]
url = "sqlite:results.db"
[account.spring]
vendor = "batch-a"
url = "http://127.0.0.1:9"
account = "demo"
pswd = "secret"
flow = { limit = 500, per_s = 1.0, unit = "messages" }
price = { default = "0.05" }
"""
LIST = "手机号,name\n13800138000,Ann\n13800138001,Bob\n13800138001,Bob\n123,Cid\n18900138002,Dan\n"
TEXT = "【商店】今晚八点促销，拒收请回复R"
AS_THEY_ARE = {
    *("spring", "batch-a", "demo", "may", "june", "waves", "codes", "erp", "ann", "root", "list", "csv", "cny", "name"),
    *("asia", "shanghai", "id", "uuid", "utf", "gb", "http", "number", "key", "msgs", "dsp", "account", "admin"),
    *("sqlite", "results", "db", "log", "campaigns", "read", "toml", "code", "batch", "lanes", "web", "ascii", "abc"),
    *("connected", "connection", "refused", "not", "campaign", "launch", "opt", "out", "signature", "vendor"),
}
"""Names, what is typed (an option, a key, a scope, a role), codes (`not connected`) and what a socket says."""

TYPED = re.compile(
    r"`[^`]*`|[\w-]+\.(?:csv|xlsx|toml)|dispatcher(?: [\w.:,|=<>-]+)*|--\w[\w-]*|\[[\w.]+\]|\{\w+\}"
    r"|dsp_\S+|\b[0-9a-f]{8}\b|x{5,}|  来源：.*"
)
"""What is typed, a token, the part of a bar, where a rule comes from."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a draft, a campaign, one in waves and a stream."""
    made = tmp_path_factory.mktemp("chinese")
    (made / "dispatcher.toml").write_text(CONFIG, "utf-8")
    (made / "list.csv").write_text(LIST, "utf-8")
    return made


@pytest.fixture(autouse=True)
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DISPATCHER_CONFIG", raising=False)


def invoke(*words: str) -> Result:
    return CliRunner().invoke(main, ["--lang", "zh", *words], prog_name="dispatcher")


LAUNCH = ("campaign", "launch", "list.csv", "--route", "spring", "--yes", "--even-if-short", "--id")

FAMILIES = {
    "suppression": [
        ("suppression", "add", "13900138000", "--why", "电话"),
        ("suppression", "list"),
        ("suppression", "list", "--number", "13900138000"),
        ("suppression", "import", "list.csv"),
        ("suppression", "remove", *("13900138000", "13800138000", "13800138001", "18900138002"), "--yes"),
    ],
    "drafts": [
        ("campaign", "draft", "list.csv", "--text", TEXT, "--route", "spring", "--id", "june", "--budget", "10"),
        ("campaign", "show", "june"),
        ("campaign", "schedule", "june", "--at", "tomorrow 09:00"),
        ("campaign", "schedule", "june", "--off"),
        ("campaign", "list"),
        ("campaign", "cancel", "june", "--yes"),
    ],
    "campaigns": [
        (*LAUNCH, "may", "--text", TEXT, "--budget", "5"),
        ("campaign", "list"),
        ("campaign", "show", "may"),
        ("campaign", "pause", "may"),
        ("campaign", "resume", "may"),
        ("campaign", "weight", "may", "3", "--urgent"),
        ("campaign", "hours", "may", "--between", "09:00-20:00"),
        ("campaign", "budget", "may", "6"),
        ("campaign", "export", "may", "--state", "queued,invalid"),
        ("campaign", "export", "may", "-o", "may.csv", "--force"),
        ("lookup", "13800138000"),
        ("campaign", "pause-all", "--yes"),
        ("campaign", "cancel", "may", "--yes"),
        ("campaign", "show", "may"),
    ],
    "waves": [
        (*LAUNCH, "waves", "--text", TEXT, "--text", f"{TEXT}。", "--waves", "50 %, rest"),
        ("campaign", "show", "waves"),
        ("campaign", "halt", "waves"),
        ("campaign", "show", "waves"),
        ("campaign", "release", "waves"),
        ("campaign", "decide", "waves", "--text", "A"),
    ],
    "streams": [
        ("stream", "open", "--id", "codes", "--route", "spring", "--class", "code", "--text", "【商店】验证码 {code}"),
        ("stream", "send", "codes", "13800138000", "--key", "k1", "--value", "code=1234"),
        ("stream", "list"),
        ("campaign", "show", "codes"),
        ("verify", "start", "13800138001", "--stream", "codes"),
        ("verify", "check", "13800138001", "000000"),
        ("stream", "close", "codes"),
    ],
    "people": [
        ("person", "add", "ann", "--role", "admin", "--no-password"),
        ("person", "list"),
        ("token", "add", "erp", "--scope", "campaigns:read"),
        ("token", "list"),
    ],
    "accounts": [
        ("account", "list"),
        ("account", "operations"),
        ("callback", "list"),
        ("carrier", "list"),
        ("inbound", "list"),
        ("inbound", "dead"),
        ("unknown", "list"),
        ("unknown", "list", "--resolved"),
    ],
    "reports": [
        ("report", "delivery"),
        ("report", "spend", "--from", "2026-01-01"),
        ("content", "check", "你好", "--route", "spring"),
        ("store", "rebuild", "--yes"),
    ],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_no_english_word_is_left(family: str) -> None:
    english = {}
    for words in FAMILIES[family]:
        done = invoke(*words)
        assert done.exit_code in (0, 3), (words, done.output, done.exception)
        text = TYPED.sub(" ", re.sub(r"（[^）]*）|\([^)]*\)", lambda found: TYPED.sub(" ", found[0]), done.output))
        if left := {word for word in re.findall(r"[A-Za-z]{3,}", text) if word.lower() not in AS_THEY_ARE}:
            english[" ".join(words[:2])] = left
    assert not english


def test_json_is_the_same_in_every_language() -> None:
    assert invoke("suppression", "list", "--json").exit_code == 0
    chinese = json.loads(invoke("account", "list", "--json").stdout)
    english = json.loads(CliRunner().invoke(main, ["account", "list", "--json"], prog_name="dispatcher").stdout)
    assert chinese == english
