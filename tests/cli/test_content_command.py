"""`dispatcher content check`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from dispatcher.cli import main

ACCOUNT = 'vendor = "batch-a"\nurl = "http://127.0.0.1:9"\naccount = "demo"\npswd = "${NO_SUCH_SECRET}"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "dispatcher.toml").write_text(
        f'[account.spring]\n{ACCOUNT}[account.strict]\n{ACCOUNT}signature = "text"\n', encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHER_CONFIG", raising=False)


def run(*arguments):
    return CliRunner().invoke(main, ["content", "check", *arguments])


def test_a_good_text_breaks_no_rule_and_needs_no_secret(folder):
    result = run("【Shop】五月大促，拒收请回复R")
    assert (result.exit_code, result.output) == (0, "no rule is broken.\n")


def test_each_rule_is_said_with_accounts_change_and_source(folder):
    result = run("【Shop】见 t.cn/Ab12", "--route", "spring")
    assert result.exit_code == 0
    for words in (
        'WARNING link at "spring": the text has a link: t.cn/Ab12',
        "短信内容含链接：t.cn/Ab12",
        "to change: leave it out",
        "read 2026-11-30",
        "WARNING opt-out",
    ):
        assert words in result.output
    assert "opt-out" not in run("【Shop】见 t.cn/Ab12", "--class", "notice").output


def test_a_text_that_an_account_refuses_ends_with_code_1(folder):
    result = run("五月大促，拒收请回复R", "--json")
    assert result.exit_code == 1
    findings = json.loads(result.stdout)["findings"]
    assert [(each["rule"], each["severity"], each["accounts"]) for each in findings] == [
        ("signature", "error", ["strict"]),
        ("signature", "warning", ["spring"]),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"), [(("hi", "--route", "nobody"), '"nobody"'), ((" ",), "the text is empty")]
)
def test_a_mistake_is_one_sentence(folder, arguments, said):
    result = run(*arguments)
    assert result.exit_code != 0
    assert said in str(result.exception) + result.output
