"""Exports with the list's own columns, in Chinese, as sheets; and launched again as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl
import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main
from producers.lists.phone_column import number_header
from tests.cli.campaigns import configured, launched

TEXT = "【Shop】Dear {姓名}, call {联系电话}: {state} {price}"
LIST = """\
姓名,手机号,联系电话,state,price,note
Ann,13800138000,13900000000,new,=1+1,"a
b"
李雷,13800138001,13900000000,old,0012,
,13800138002,13900000000,x,1,no name
Eve,13800138002,13900000000,x,3,second row counts
Bob,+86 138 0013 8003,13900000000,new,5,
Ann,13800138000,13900000000,new,7,again
"""
N = 13_800_138_000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configured(tmp_path, monkeypatch)
    (tmp_path / "list.csv").write_text(LIST, "utf-8")
    return tmp_path


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == code, result.output
    return result


def launch(file: str, *arguments: str) -> dict[str, Any]:
    given = ("campaign", "launch", file, "--text", TEXT, "--route", "spring", "--json", *arguments)
    plan: dict[str, Any] = json.loads(run(*given).stdout)
    return plan


def sheet(path: Path) -> pl.DataFrame:
    return fastexcel.read_excel(path).load_sheet(0, dtypes="string").to_polars()


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_personalised_campaign_is_launched_again_from_its_export_with_the_same_values(folder, kind, language):
    first = launch("list.csv", "--dry-run")
    launch("list.csv", "--id", "june", "--yes")
    given = ("campaign", "export", "june", "--state", "queued", "--lang", language, "-o", f"again.{kind}")
    run(*given, "--with-columns")
    again = launch(f"again.{kind}", "--dry-run")
    assert again["samples"] == first["samples"]
    assert again["recipients"] == first["recipients"] == 4
    assert (again["invalid"], again["duplicate"]) == (0, 0)


@pytest.mark.usefixtures("folder")
def test_the_columns_of_the_list_are_found_again_by_number_and_rejected_rows_by_line(folder):
    launch("list.csv", "--id", "june", "--yes")
    states = "queued,invalid,duplicate"
    run("campaign", "export", "june", "--state", states, "-o", "all.xlsx", "--with-columns", "list.csv")
    found = sheet(folder / "all.xlsx")
    assert found.columns == [
        "手机号", "sms_state", "code", "meaning", "vendor_id", "account", "submitted_at", "reported_at", "row", "value",
        "repeats", "姓名", "联系电话", "state", "price", "note",
    ]  # fmt: skip
    rows = found.select("手机号", "sms_state", "姓名", "price", "note", "row", "repeats").rows()
    assert sorted(rows, key=str) == sorted(
        [
            (str(N), "queued", "Ann", "=1+1", "a b", None, None),
            (str(N + 1), "queued", "李雷", "0012", None, None, None),
            (str(N + 2), "queued", "Eve", "3", "second row counts", None, None),
            (str(N + 3), "queued", "Bob", "5", None, None, None),
            (None, "invalid", None, "1", "no name", "5", None),
            (None, "duplicate", "Ann", "7", "again", "8", "2"),
        ],
        key=str,
    )


def test_recipients_that_are_not_in_the_list_are_told(folder):
    launched(folder, "may")
    (folder / "other.csv").write_text(f"phone,city\n{N},Ürümqi\n1,x\n", "utf-8")
    done = run("campaign", "export", "may", "--with-columns", "other.csv", "-o", "may.csv")
    assert "2 recipients not in other.csv" in done.stderr
    assert "Ürümqi" in (folder / "may.csv").read_text("utf-8-sig").splitlines()[1]


def test_an_export_in_chinese_has_no_english_words(folder):
    launched(folder, "may")
    run("campaign", "export", "may", "--state", "queued,invalid,duplicate", "--lang", "zh", "-o", "may.xlsx")
    found = sheet(folder / "may.xlsx")
    assert found.columns == [
        "手机号", "状态", "状态码", "说明", "供应商消息号", "账号", "提交时间", "回执时间", "行号", "原值",
        "与此行重复",
    ]  # fmt: skip
    assert found["状态"].to_list() == ["待发送"] * 3 + ["无效", "重复"]
    assert found["说明"].drop_nulls().to_list() == ["不是号码"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--with-columns"], "is not personalised"),
        (["--with-columns", "none.csv"], "no such file"),
        (["--with-columns", "plain.txt"], "has no columns beside the numbers"),
        (["--column", "2"], "--with-columns LIST"),
        (["--format", "xlsx"], "XLSX is no text for a terminal or a pipe"),
    ],
)
def test_a_mistake_is_one_sentence(folder, arguments, says):
    launched(folder, "may")
    (folder / "plain.txt").write_text(f"{N}\n", "utf-8")
    assert says in run("campaign", "export", "may", *arguments, code=2).stderr


@pytest.mark.parametrize(
    ("others", "header"),
    [
        (["姓名", "price"], "number"),
        (["姓名", "联系电话"], "mobile"),
        (["推荐人手机"], "mobile"),
        (["手机号", "联系电话"], "手机号"),
    ],
)
def test_numbers_get_a_header_by_which_they_are_found_again(others, header):
    assert number_header(others, "number", "mobile") == header
