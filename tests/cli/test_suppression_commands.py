"""`dispatcher suppression …` as people use it: on a real log, said plainly, and every launch goes by it."""

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main
from dispatcher.log.opening import open_log
from dispatcher.suppression.list import put
from tests.cli.campaigns import LAUNCH, configured

A, B, C = "13800138000", "13800138001", "13800138002"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configured(tmp_path, monkeypatch)
    return tmp_path


def run(*arguments: str, code: int = 0, typed: str = "") -> Result:
    result = CliRunner().invoke(main, list(arguments), input=typed)
    assert result.exit_code == code, result.output
    return result


def suppression(*arguments: str, code: int = 0) -> str:
    return run("suppression", *arguments, code=code).output


def listed() -> list[str]:
    return [entry["number"] for entry in json.loads(run("suppression", "list", "--json").stdout)["entries"]]


def test_a_number_is_added_found_and_taken_off_again():
    assert "2 numbers put on the suppression list." in suppression("add", A, f"+86 {B}", "--why", "by phone")
    assert "1 number put on the suppression list (1 was there already)." in suppression("add", A, C)
    said = suppression("list", "--number", f"86{A}")
    assert A in said
    assert "by phone" in said
    assert "(person)" in said
    removed = suppression("remove", A, "13900000000", "--yes")
    assert "13900000000 is not on the suppression list" in removed
    assert "1 number taken off the suppression list (1 was not there)." in removed
    assert f"{A} is not on the suppression list." in suppression("list", "--number", A)
    assert sorted(listed()) == [B, C]


def test_taking_a_number_off_asks_first():
    suppression("add", A)
    said = suppression("remove", A, code=2)
    assert "add --yes" in said
    assert listed() == [A]
    assert "0 numbers taken off" in suppression("remove", B)


def test_numbers_from_reports_are_taken_off_by_reason_and_no_others(folder):
    async def report(code: str, *numbers: str) -> None:
        log = await open_log("sqlite:data/log.db", create=True)
        found = np.array([int(number) for number in numbers], np.int64)
        await put(log, found, adds=True, source="report", by="spring", why=code, at_ms=1)
        await log.close()

    asyncio.run(report("MBBLACK", A, B))
    asyncio.run(report("DTBLACK", C))
    assert "1 number put on the suppression list." in suppression("add", B, "--why", "asked by phone")
    assert "asked by phone" in suppression("list", "--number", B)
    assert "give either numbers or --listed-why" in suppression("remove", "--yes", code=2)
    assert 'for "asked by phone"' in suppression("remove", "--listed-why", "asked by phone", "--yes", code=2)
    assert "1 number taken off" in suppression("remove", "--listed-why", "mbblack", "--yes")
    assert sorted(listed()) == [B, C]


@pytest.mark.parametrize("number", ["12", "447700900123", "abc", "1380013800"])
def test_what_is_no_number_is_refused_and_nothing_is_changed(number):
    suppression("add", A)
    said = suppression("add", B, number, code=2)
    assert f'"{number}" is no phone number' in said
    assert listed() == [A]


def test_a_file_is_imported_and_what_cannot_be_used_is_counted(folder):
    rows = ["姓名,手机号", f"Ann,{A}", "Bob,+447700900123", f"Cid,{A}", "Dan,123", "Eve,0755-25227898", "Fay,1.38E+10"]
    (folder / "old.csv").write_text("\n".join(rows), "utf-8")
    done = json.loads(run("suppression", "import", "old.csv", "--json").stdout)
    assert done == {
        "rows": 6, "added": 3, "already": 0, "repeated": 1, "invalid": 2,
        "invalid_reasons": {"too short": 1, "scientific notation": 1}, "listed": 3,
    }  # fmt: skip
    assert sorted(listed()) == ["+447700900123", "075525227898", A]
    entries = json.loads(run("suppression", "list", "--json").stdout)["entries"]
    assert {(entry["source"], entry["why"]) for entry in entries} == {("import", "old.csv")}
    again = suppression("import", "old.csv", "--column", "手机号")
    assert "0 numbers put on the suppression list (3 were there already); 3 in all." in again


def test_what_changes_nothing_is_not_written_again(folder):
    (folder / "old.txt").write_text(f"{A}\n{B}\n", "ascii")
    suppression("import", "old.txt")
    before = records()
    suppression("import", "old.txt")
    suppression("add", A)
    suppression("remove", C)
    assert records() == before == 1
    suppression("add", A, C)
    assert records() == 2


def records() -> int:
    async def count() -> int:
        log = await open_log("sqlite:data/log.db")
        end = await log.end("suppression", 0)
        await log.close()
        return end

    return asyncio.run(count())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("手机号\n", "none of its 0 rows"),
        ("手机号\nabc\n", "none of its 1 rows"),
        (None, "no such file"),
    ],
)
def test_a_file_without_numbers_is_a_plain_sentence(folder, content, says):
    if content is not None:
        (folder / "list.csv").write_text(content, "utf-8")
    assert says in suppression("import", "list.csv", code=2)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "xlsx"])
def test_what_is_exported_can_be_imported_again(folder, kind):
    suppression("add", A, "+447700900123", "0755-25227898", "--why", "=1+1")
    file = f"out.{kind}"
    assert "3 rows written to" in suppression("export", "--format", kind, "-o", file)
    assert "is there already" in suppression("export", "--format", kind, "-o", file, code=2)
    if kind == "jsonl":
        first = json.loads((folder / file).read_text("utf-8").splitlines()[0])
        assert (first["number"], first["source"], first["why"]) == (A, "person", "=1+1")
        return
    if kind == "parquet":
        assert pl.read_parquet(folder / file)["number"].to_list() == [A, "+447700900123", "075525227898"]
    if kind == "csv":
        with (folder / file).open(encoding="utf-8-sig", newline="") as text:
            assert [row["why"] for row in csv.DictReader(text)] == ["'=1+1"] * 3
    assert "(3 were there already); 3 in all." in suppression("import", file)


def test_a_table_is_no_text_for_a_pipe():
    suppression("add", A)
    assert "Name a file: -o FILE" in suppression("export", "--format", "xlsx", code=2)
    assert "Name one: -o FILE" in suppression("export", "--json", code=2)
    assert f"{A}," in suppression("export")


def test_without_a_log_there_is_nothing_to_list(folder):
    assert "there is no log" in suppression("list", code=2)
    assert not (folder / "data").exists() or not list((folder / "data").glob("*.db"))


def test_the_newest_are_listed_first_up_to_the_limit():
    for number in (A, B, C):
        suppression("add", number)
    assert json.loads(run("suppression", "list", "--limit", "2", "--json").stdout)["listed"] == 3
    assert len(json.loads(run("suppression", "list", "--limit", "2", "--json").stdout)["entries"]) == 2
    assert "1 of 3 numbers on the suppression list." in suppression("list", "--limit", "1")


def test_the_next_launch_leaves_them_out_and_says_why_everywhere(folder):
    (folder / "may.csv").write_text(f"手机号\n{A}\n{B}\n{C}\n", "utf-8")
    (folder / "out.txt").write_text(f"{C}\n", "utf-8")
    (folder / "empty.txt").write_text("", "utf-8")
    suppression("add", B)
    files = ["--suppress", "out.txt", "--suppress", "empty.txt"]
    plan = run("campaign", "launch", "may.csv", *LAUNCH, *files, "--dry-run", "--id", "may").stdout
    for words in ("suppressed  2", "1 in a suppression file", "1 on the suppression list", "empty.txt is empty"):
        assert words in plan
    assert "1 recipient in 1 batch" in run("campaign", "launch", "may.csv", *LAUNCH, *files, "--id", "may").stdout
    suppression("add", A)
    assert "already launched" in run("campaign", "launch", "may.csv", *LAUNCH, *files, "--id", "may").stdout
    shown = run("campaign", "show", "may").stdout
    assert "on the suppression list" in shown
    assert "in a suppression file" in shown
    view = json.loads(run("campaign", "show", "may", "--json").stdout)
    assert view["suppressed_reasons"] == {"in a suppression file": 1, "on the suppression list": 1}
    run("campaign", "export", "may", "--state", "suppressed", "-o", "set-aside.csv")
    with (folder / "set-aside.csv").open(encoding="utf-8-sig", newline="") as text:
        rows = [(row["state"], row["value"], row["meaning"]) for row in csv.DictReader(text)]
    assert rows == [
        ("suppressed", B, "on the suppression list"),
        ("suppressed", C, "in a suppression file"),
    ]
