"""A campaign with unknown recipients says so wherever it is shown, and never looks finished."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dispatcher.store.export.recipients import UNKNOWN_MEANING
from schemas.records import Cancelled
from tests.cli.unknowns.unknown_log import ACCOUNT, NUMBER, Desk

DISPATCHER = str(Path(sys.executable).with_name("dispatcher"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Nine of ten recipients of "may" are delivered; the last request of one is unknown."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHER_CONFIG", raising=False)
    return Desk(tmp_path)


def nearly_done(desk: Desk, **fields: Any) -> None:
    job = desk.campaign("may", 10, **fields)
    intent = desk.history.intent(ACCOUNT, "me", job, 0, 9)
    desk.history.outcome(ACCOUNT, intent, "accepted", vendor_id="1")
    desk.reports("1", *range(NUMBER, NUMBER + 9))
    desk.unknown(job, 9, 1)


def cancel(desk: Desk) -> None:
    desk.history.append("campaigns", 0, Cancelled(campaign="may", at_ms=1, by="me"), key=b"may!cancelled")


def said(desk: Desk, *arguments: str) -> str:
    result = desk.run(*arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize("cancelled", [False, True], ids=["", "cancelled"])
def test_show_says_not_finished_and_where_to_look(desk: Desk, cancelled: bool):
    nearly_done(desk)
    if cancelled:
        cancel(desk)
    page = said(desk, "campaign", "show", "may")
    assert "Not finished: 1 recipient is unknown since 2023-11-" in page
    assert "not sent again (policy hold)" in page
    assert "dispatcher unknown list --campaign may" in page
    assert "90 % final" in page
    shown = json.loads(desk.run("campaign", "show", "may", "--json").stdout)
    assert (shown["status"], shown["settled"], shown["counts"]["unknown"]) == (
        "cancelled" if cancelled else "holding", False, 1,
    )  # fmt: skip
    assert shown["unknown_since_ms"] is not None


@pytest.mark.parametrize("cancelled", [False, True], ids=["", "cancelled"])
def test_a_watch_ends_with_the_word_that_it_is_not_finished(desk: Desk, cancelled: bool):
    nearly_done(desk)
    if cancelled:
        cancel(desk)
    line = said(desk, "campaign", "watch", "may")
    assert line.startswith(
        "may: cancelled" if cancelled else "may: holding (not finished: only unknown recipients are left)"
    )
    assert "90 % final" in line
    assert "unknown 1" in line
    [last] = desk.run("campaign", "watch", "may", "--json").stdout.splitlines()
    assert (json.loads(last)["settled"], json.loads(last)["counts"]["unknown"]) == (False, 1)


def test_a_watch_continues_while_the_policy_will_send_again(desk: Desk):
    nearly_done(desk, unknown="resend")
    desk.run("unknown", "list")
    watching = subprocess.Popen(
        [DISPATCHER, "campaign", "watch", "may"], stdout=subprocess.PIPE, cwd=desk.folder, text=True
    )
    assert watching.stdout is not None
    with watching:
        assert watching.stdout.readline().startswith("may: holding (not finished: only unknown recipients are left)")
        with desk.lanes_running():  # they cannot reach the vendor, so what is sent again stays queued
            while not (line := watching.stdout.readline()).startswith("may: running"):
                assert line, watching.wait()
        desk.run("campaign", "cancel", "may", "--yes")
        assert watching.stdout.readlines()[-1].startswith("may: cancelled (")


def test_the_list_counts_them_and_says_what_that_means(desk: Desk):
    nearly_done(desk)
    desk.campaign("june", 5, first_number=NUMBER + 100)
    out = said(desk, "campaign", "list")
    assert "may holding" in out
    assert "90 %" in out
    assert "1 recipient is unknown: the vendor may or may not have texted them" in out
    assert "dispatcher unknown list" in out


def test_the_list_has_no_such_line_without_unknown_recipients(desk: Desk):
    desk.campaign("june", 5)
    assert "unknown:" not in said(desk, "campaign", "list")


def test_the_export_marks_them_row_by_row_and_says_that_it_is_not_the_last_word(desk: Desk):
    nearly_done(desk)
    result = desk.run("campaign", "export", "may")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["state"] for row in rows] == ["delivered"] * 9 + ["unknown"]
    assert rows[-1]["meaning"] == UNKNOWN_MEANING
    assert UNKNOWN_MEANING not in {row["meaning"] for row in rows[:-1]}
    assert "may is not finished: 1 recipient is unknown" in result.stderr
    assert "dispatcher unknown list --campaign may" in result.stderr


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_an_export_to_a_file_says_how_many_are_unknown(desk: Desk, kind: str):
    nearly_done(desk)
    result = desk.run("campaign", "export", "may", "--format", kind, "-o", f"may.{kind}", "--json")
    assert json.loads(result.stdout)["unknown"] == 1
    read: Any = {"csv": pl.read_csv, "ndjson": pl.read_ndjson, "parquet": pl.read_parquet}[kind]
    frame = read(desk.folder / f"may.{kind}")
    assert frame.filter(pl.col("state") == "unknown")["meaning"].to_list() == [UNKNOWN_MEANING]
