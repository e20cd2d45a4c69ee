"""`dispatcher account codes`: every code with its class, both languages and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dispatcher.cli import main
from dispatcher.vendors.registry import BUILT_IN, find
from schemas.states import REPORT_FAILED

CONFIG = """
[account.spring]
vendor = "cosms"
url = "http://127.0.0.1:1"
corp_id = "1"
login_name = "a"
password = "${NOT_SET}"
"""


def told(folder: Path, *arguments: str) -> tuple[int, str]:
    path = folder / "dispatcher.toml"
    path.write_text(CONFIG)
    result = CliRunner().invoke(main, ["account", "codes", *arguments, "--config", str(path)])
    return result.exit_code, result.output


@pytest.mark.parametrize("vendor", [find(tag) for tag in BUILT_IN], ids=list(BUILT_IN))
def test_every_code_says_in_both_languages_what_it_means_and_what_to_do(vendor):
    for row in vendor.codes.rows.values():
        assert row.english
        assert row.chinese
        assert row.advice or row.kind.value == "accepted", row
    for row in vendor.report_codes.rows.values():
        assert row.english
        assert row.chinese
        assert bool(row.advice) is (row.state == REPORT_FAILED), row


def test_all_codes_are_listed_without_any_secret(tmp_path):
    code, output = told(tmp_path, "spring", "--json")
    rows = json.loads(output)["codes"]
    assert code == 0
    assert {"of": "a request", "code": "203"}.items() <= next(row for row in rows if row["code"] == "203").items()
    assert {row["of"] for row in rows} == {"a request", "a message"}


def test_one_code_is_found_in_any_case_and_by_its_family(tmp_path):
    code, output = told(tmp_path, "spring", "ma:0001", "--json")
    assert code == 0
    assert [row["code"] for row in json.loads(output)["codes"]] == ["MA:*"]
    assert "密码错误或为空" in told(tmp_path, "spring", "203")[1]


def test_a_code_outside_the_tables_has_a_meaning_and_an_advice(tmp_path):
    code, output = told(tmp_path, "spring", "999", "--json")
    assert code == 0
    rows = json.loads(output)["codes"]
    assert [(row["of"], row["class"]) for row in rows] == [("a request", "unknown"), ("a message", "failed")]
    assert {(row["english"], row["advice"]) for row in rows} == {
        ("not in the vendor's document; ask the vendor", "ask the vendor")
    }


def test_a_code_that_begins_with_a_minus_is_no_option(tmp_path):
    (tmp_path / "hezhong.toml").write_text(
        '[account.autumn]\nvendor = "hezhong"\nurl = "http://127.0.0.1:1"\n'
        'userid = "1"\nusername = "a"\npassword = "x"\n'
    )
    result = CliRunner().invoke(main, ["account", "codes", "autumn", "-4", "--config", str(tmp_path / "hezhong.toml")])
    assert result.exit_code == 0
    assert "余额不足" in result.output


def test_a_misspelt_option_is_no_code(tmp_path):
    code, output = told(tmp_path, "spring", "--jsn")
    assert code == 2
    assert "No such option" in output
