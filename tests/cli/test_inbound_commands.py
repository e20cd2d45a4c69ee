"""`dispatcher inbound …`: what phones sent, as people and programs read it; and what could not be read."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import select
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

from dispatcher.arrivals import keep_dead_letter, take_inbound
from dispatcher.cli import main
from dispatcher.log.opening import open_log
from dispatcher.wording import SHANGHAI
from schemas.records import Inbound
from tests.cli.campaigns import configured

A, B = "13800138000", "13800138001"
NOW_MS = time.time_ns() // 1_000_000


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configured(tmp_path, monkeypatch)
    return tmp_path


def said(text: str, ago_s: int = 0, part: tuple[int, int, int] | None = None, **other: Any) -> Inbound:
    at_ms = NOW_MS - ago_s * 1000
    fields: dict[str, Any] = {"account": "spring", "number": A, "to": "1069", "at_ms": at_ms, "received_ms": at_ms}
    return Inbound(text=text, part=part, **fields | other)


def arrived(*messages: Inbound, dead: tuple[bytes, ...] = ()) -> None:
    async def take() -> None:
        log = await open_log("sqlite:data/log.db")
        for message in messages:
            await take_inbound(log, message.account, [message])
        for body in dead:
            await keep_dead_letter(log, "spring", "/push/spring/inbound", "mobile is missing", body, NOW_MS)
        await log.close()

    asyncio.run(take())


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["inbound", *arguments])
    assert result.exit_code == code, result.output
    return result


def texts(*arguments: str) -> list[str]:
    return [message["text"] for message in json.loads(run("list", "--json", *arguments).stdout)["messages"]]


def test_messages_are_listed_newest_first_with_numbers_in_full_and_what_there_is_besides():
    arrived(
        said("first", 50), said("two", 40, (7, 2, 2)), said("one ", 40, (7, 2, 1)), said("first", 50),
        said("half", 30, (8, 2, 1)), said("evil\x1b[2J\nline", 20, number=B, flags=("cut",)), dead=(b"?", b"??"),
    )  # fmt: skip
    result = run("list")
    lines = result.stdout.splitlines()
    assert [line.split()[3] for line in lines[1:]] == [B, A, A]
    assert "evil [2J line" in lines[1]
    assert lines[1].split()[5] == "cut"
    assert "one two" in lines[2]
    for words in (
        "3 messages",
        "1 record repeated",
        "1 long message waits for missing parts",
        "2 dead letters (unreadable): dispatcher inbound dead",
    ):
        assert words in result.stderr
    found = json.loads(run("list", "--json").stdout)
    assert (found["repeats"], found["waiting"], found["dead_letters"], found["records_behind"]) == (1, 1, 2, 0)
    assert found["messages"][1] | {"received_ms": 0, "at_ms": 0} == {
        "account": "spring", "number": A, "to": "1069", "text": "one two", "at_ms": 0, "received_ms": 0,
        "message_id": None, "parts": 2, "missing": [], "flags": [],
    }  # fmt: skip


def test_messages_that_may_ask_for_no_more_texts_are_flagged_and_listed_alone(folder):
    arrived(said("请不要再发了", 50), said("退订，谢谢", 40), said("thanks!", 30), said("我要退订", 20, number=B))
    assert texts("--review") == ["我要退订", "请不要再发了"]
    assert texts("--review", "--limit", "1") == ["我要退订"]
    flags = {each["text"]: each["flags"] for each in json.loads(run("list", "--json").stdout)["messages"]}
    assert flags == {"我要退订": ["review"], "thanks!": [], "退订，谢谢": [], "请不要再发了": ["review"]}
    assert "review" in run("export").stdout


def test_an_account_that_is_not_configured_is_mentioned_where_nothing_is_found():
    arrived(said("hello"))
    assert "accounts there: spring" in run("list", "--account", "sprnig").stderr
    assert "accounts there" not in run("list", "--account", "spring").stderr


def test_parts_that_never_come_are_not_waited_for_longer_than_the_configuration_says(folder):
    config = folder / "dispatcher.toml"
    config.write_text("[store]\nparts_within_s = 5\n" + config.read_text("utf-8"), "utf-8")
    arrived(
        said("one ", 60, (7, 3, 1)),
        said("three", 60, (7, 3, 3)),
        said("late", 4, (9, 2, 1), at_ms=NOW_MS + 3_600_000, received_ms=NOW_MS + 3_600_000),
    )
    (message,) = json.loads(run("list", "--json").stdout)["messages"]
    assert (message["text"], message["missing"], message["flags"]) == ("one […]three", [2], ["incomplete"])
    assert "incomplete" in run("list").stdout


def test_messages_are_chosen_by_what_is_asked(folder):
    arrived(said("hello", 7200), said("TD", 60), said("hi", 30, number=B), said("hello you", 10, account="summer"))
    assert texts() == ["hello you", "hi", "TD", "hello"]
    assert texts("--number", f"+86 {B}") == ["hi"]
    assert texts("--account", "summer") == ["hello you"]
    assert texts("--contains", "HELLO") == ["hello you", "hello"]
    assert texts("--since", "1 h") == ["hello you", "hi", "TD"]
    assert texts("--until", "1 h") == ["hello"]
    assert texts("--since", f"{datetime.fromtimestamp((NOW_MS - 40_000) / 1000, SHANGHAI):%Y-%m-%d %H:%M:%S}") == [
        "hello you",
        "hi",
    ]
    assert texts("--limit", "2") == ["hello you", "hi"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list", "--since", "yesterday"], '--since "yesterday" is no time'),
        (["list", "--number", "abc"], '"abc" is no phone number'),
        (["export", "--format", "xlsx"], "XLSX is no text for a terminal or a pipe"),
        (["export", "--json"], "Name one: -o FILE"),
        (["export", "-o", "no/where.csv"], "there is no folder no"),
    ],
)
def test_a_mistake_is_one_plain_sentence(arguments, says):
    arrived(said("hello"))
    assert says in run(*arguments, code=2).stderr


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "xlsx"])
def test_messages_are_exported_oldest_first_in_every_format(folder, kind):
    arrived(said("=1+1", 60, flags=("cut", "gbk"), message_id="7"), said("退订", 30, number=B, to=""))
    file = folder / f"out.{kind}"
    assert "2 rows written to" in run("export", "--format", kind, "-o", str(file)).stderr
    assert "is there already" in run("export", "--format", kind, "-o", str(file), code=2).stderr
    if kind == "csv":
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows: list[dict[str, Any]] = list(csv.DictReader(text))
        assert rows[0]["text"] == "'=1+1"
    elif kind == "jsonl":
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    else:
        rows = (pl.read_parquet(file) if kind == "parquet" else pl.read_excel(file)).to_dicts()
    assert [row["number"] for row in rows] == ([A, B])
    assert rows[1]["text"] == "退订"
    assert (rows[0]["flags"], str(rows[0]["message_id"]), int(rows[0]["parts"])) == ("cut gbk", "7", 1)
    if kind != "parquet":
        assert rows[0]["sent_at"].endswith("+08:00")
    done = json.loads(run("export", "--json", "--force", "--format", kind, "-o", str(file), "--number", B).stdout)
    assert done["rows"] == 1


def test_an_export_of_nothing_is_a_header(folder):
    arrived(dead=(b"?",))
    assert run("export").stdout.removeprefix("\ufeff").startswith("sent_at,received_at,account,number,to,text,")
    run("export", "--format", "xlsx", "-o", "none.xlsx")
    assert pl.read_excel(folder / "none.xlsx", raise_if_empty=False).height == 0


def test_dead_letters_are_shown_with_what_they_held():
    arrived(dead=(b"msg=\xff&x=1", b"second"))
    shown = run("dead").stdout
    assert "mobile is missing" in shown
    assert "msg=\\xff&x=1" in shown
    found = json.loads(run("dead", "--json", "--limit", "1", "--account", "spring").stdout)
    assert found["counts"] == {"spring": 2}
    assert (found["letters"][0]["path"], found["letters"][0]["body"]) == ("/push/spring/inbound", "second")
    assert "0 of 2" not in run("dead").stderr
    assert "there are no dead letters" in run("dead", "--account", "nobody").stderr


def test_following_prints_what_comes_until_ctrl_c(folder):
    arrived(said("old"))
    command = [sys.executable, "-c", "from dispatcher.cli import main; main()", "inbound", "follow", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PSWD": "x"}
    ) as follower:
        assert follower.stdout is not None
        count, line = 0, b""
        while not line:
            count += 1
            arrived(said(f"new {count}", number=B))  # it may not have begun to follow yet
            if select.select([follower.stdout], [], [], 2.0)[0]:
                line = follower.stdout.readline()
        message = json.loads(line)
        assert (message["number"], message["text"][:4]) == (B, "new ")
        follower.send_signal(signal.SIGINT)
        _, errors = follower.communicate()
        assert (follower.returncode, errors) == (0, b"")
