"""`dispatcher campaign draft`, `test`, `approve`, `schedule`, `launch ID`, and what other commands say of a draft."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main
from dispatcher.service.campaigns.drafts import approve_campaign
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import open_session
from producers.drafts.api import draft
from tests.cli.campaigns import CONFIG, TEXT, configured

TERMS = ("may.csv", "--text", TEXT, "--route", "spring", "--id", "may")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configured(tmp_path, monkeypatch)
    (tmp_path / "may.csv").write_text("phone,name\n13800138000,Ann\n13800138001,李雷\n13800138000,Ann\nx,y\n", "utf-8")
    return tmp_path


def run(*words: str, code: int = 0) -> Result:
    """Run `dispatcher campaign …` in this process."""
    done = CliRunner().invoke(main, ["campaign", *words])
    assert done.exit_code == code, done.output
    return done


def said(*words: str, code: int = 0) -> str:
    return run(*words, code=code).output


def answer(*words: str) -> Any:
    """What it prints with --json."""
    return orjson.loads(run(*words, "--json").stdout)


def test_a_draft_is_made_shown_and_launched_by_its_id() -> None:
    assert "drafted may to 2 recipients." in said("draft", *TERMS)
    assert "draft" in said("list")
    shown = said("show", "may")
    assert all(words in shown for words in (TEXT, "4: 2 recipients, 2 set aside", "1 no number"))
    assert (answer("show", "may")["status"], answer("show", "may")["recipients"]) == ("draft", 2)
    assert "launched may: 2 recipients in 1 batch" in said("launch", "may", "--yes")
    assert "was already launched to 2 recipients" in said("launch", "may", "--yes")
    assert answer("launch", "may", "--yes")["already_launched"] is True
    found = answer("list")
    assert ([each["campaign"] for each in found["campaigns"]], found["drafts"]) == (["may"], [])
    assert answer("show", "may")["counts"]["rows"] == 4


def test_drafting_again_replaces_the_draft() -> None:
    said("draft", *TERMS)
    assert "again; the draft before is replaced" in said("draft", *TERMS, "--weight", "5", "--urgent")
    view = answer("show", "may")
    assert (view["terms"]["weight"], view["terms"]["urgent"]) == (5, True)


def test_only_the_plan_of_a_draft_is_printed_with_dry_run() -> None:
    assert "valid       2 recipients" in said("draft", *TERMS, "--dry-run")
    assert "there is no log" in said("launch", "may", code=2)
    said("draft", *TERMS)
    assert "valid       2 recipients" in said("launch", "may", "--dry-run")
    assert answer("show", "may")["status"] == "draft"


def test_a_launch_at_a_time_is_a_scheduled_draft_that_is_moved_taken_off_and_cancelled() -> None:
    made = said("launch", *TERMS, "--at", "2199-01-01 09:00", "--yes")
    assert "it starts at 2199-01-01 09:00:00 Asia/Shanghai by itself" in made
    assert "no process starts scheduled campaigns here" in said("list")
    assert "it starts at 2199-02-01 09:00:00" in said("schedule", "may", "--at", "2199-02-01 09:00")
    assert "it starts at 2199-03-01 09:00:00" in said("launch", "may", "--at", "2199-03-01 09:00")
    assert answer("schedule", "may", "--off")["status"] == "draft"
    assert answer("schedule", "may", "--now")["status"] == "scheduled"
    assert 'draft "may" is cancelled.' in said("cancel", "may", "--yes")
    assert 'draft "may" was cancelled already.' in said("cancel", "may", "--yes")
    assert answer("list", "--status", "cancelled")["drafts"][0]["cancelled_by"]
    assert "cancelled, and that is final" in said("draft", *TERMS, code=2)


def test_a_test_is_listed_only_if_tests_are_wanted() -> None:
    said("draft", *TERMS[:2], "【Test】Dear {name}", *TERMS[3:])
    sent = said("test", "may", "--to", "13900139000，13900139001", "--row", "3", "--yes")
    assert "launched may.test-1: the message of may to 2 numbers." in sent
    assert answer("list")["campaigns"] == []
    assert [each["test_of"] for each in answer("list", "--tests")["campaigns"]] == ["may"]
    assert "of the draft may" in said("show", "may.test-1")


def test_a_large_draft_is_launched_after_another_person_approved_it(folder: Path) -> None:
    (folder / "dispatcher.toml").write_text(f"[approval]\nabove = 1\n{CONFIG}", "utf-8")
    assert "another person must approve it" in said("launch", *TERMS, "--yes", code=2)
    assert "must approve it: dispatcher campaign approve may\n" in said("draft", *TERMS)
    assert "another person must approve it" in said("approve", "may", "--yes", code=2)

    async def approve() -> None:
        async with open_session("dispatcher.toml") as session:
            await approve_campaign(session, "may", by="bob")

    asyncio.run(approve())
    assert "by bob" in said("show", "may")
    assert "its approval is void: text changed." in said("draft", *TERMS[:2], f"{TEXT}!", *TERMS[3:])
    assert "void: text changed since" in said("show", "may")
    said("draft", *TERMS)
    assert "it starts at 2199-01-01 09:00:00" in said("schedule", "may", "--at", "2199-01-01 09:00")
    again = said("draft", *TERMS, "--weight", "2")
    assert "When that is done: it starts at 2199-01-01 09:00:00 Asia/Shanghai by itself." in again
    view = answer("show", "may")
    assert (view["starts_ms"], view["due_ms"]) == (None, view["scheduled_ms"])
    said("draft", *TERMS)
    assert "launched may" in said("launch", "may", "--yes")
    assert answer("show", "may")["approved_by"] == "bob"
    assert ", approved by bob" in said("show", "may")


def test_the_start_is_said_with_the_reason_if_hours_move_it(folder: Path) -> None:
    (folder / "dispatcher.toml").write_text(CONFIG.replace("00:00-24:00", "08:00-20:00"), "utf-8")
    moved = (
        "2199-01-01 21:30:00 is outside its hours (08:00-20:00 Asia/Shanghai, class marketing): "
        "it starts at 2199-01-02 08:00:00 Asia/Shanghai"
    )
    at = ("--at", "2199-01-01 21:30")
    for words in (
        ("launch", *TERMS, *at, "--yes"),
        ("draft", *TERMS),
        ("schedule", "may", *at),
        ("launch", "may", *at),
    ):
        assert f"{moved} by itself." in said(*words), words
    assert moved in " ".join(said("show", "may").split())
    assert "it starts at 2199-01-02 09:00:00" in said("schedule", "may", "--at", "2199-01-02 09:00")


ALIKE = (
    *("counts", "cost", "class", "hours", "at_closing", "weight", "urgent", "unknown_policy", "budget_micro_yuan"),
    *("name", "text", "variables", "invalid_reasons", "suppressed_reasons"),
)


def test_a_draft_is_shown_with_what_its_approver_must_know_under_the_keys_of_a_launched_campaign(folder: Path) -> None:
    priced = f'{CONFIG}price = {{ default = "0.045" }}\n[routes.national]\ndefault = "spring"\n'
    (folder / "dispatcher.toml").write_text(priced, "utf-8")
    terms = ("--budget", "0.5", "--class", "notice", "--weight", "3", "--between", "09:00-18:00")
    said("draft", *TERMS[:4], "national", *TERMS[5:], *terms)
    page = said("show", "may")
    wanted = (
        "national: spring (batch-a): 2 recipients",
        "0.0900 CNY",
        "0.5000 CNY",
        "weight 3",
        "09:00-18:00",
        "notice",
    )
    assert all(words in page for words in wanted), page
    drafted = answer("show", "may")
    said("launch", "may", "--yes", "--even-if-short")
    launched = answer("show", "may")
    assert [(key, drafted[key]) for key in ALIKE] == [(key, launched[key]) for key in ALIKE]
    assert [each.items() <= leg.items() for each, leg in zip(drafted["route"], launched["route"], strict=True)] == [
        True
    ]


def test_the_plan_of_a_draft_says_where_its_list_came_from() -> None:
    plan = answer("draft", *TERMS)["plan"]
    again = answer("launch", "may", "--dry-run")
    origin = ("source", "column", "encoding", "header_line", "first_numbers")
    assert plan["column"]
    assert [again[key] for key in origin] == [plan[key] for key in origin]


def test_a_cancelled_draft_is_not_said_to_be_sent_later() -> None:
    drafted()
    said("cancel", "may", "--yes")
    for order in ("watch", "pause"):
        assert "was cancelled: nothing of it was sent, and nothing will be" in said(order, "may", code=2)


def drafted() -> None:
    """A draft on the log, without a file."""

    async def work() -> None:
        async with open_session("dispatcher.toml") as session:
            await draft(session, LaunchRequest(numbers=["13800138000"], text=TEXT, route=["spring"], id="may"))

    asyncio.run(work())


MISTAKES = [
    (("launch", "nothing"), 'no draft "nothing"'),
    (("launch", "may", "--weight", "3"), "--weight goes with a list"),
    (("launch", *TERMS[:3]), "Missing option '--route'"),
    (("launch", "may.csv", "--route", "spring"), "Missing option '--text'"),
    (("schedule", "may"), "say when"),
    (("schedule", "may", "--now", "--off"), "say when"),
    (("schedule", "may", "--at", "2001-01-01 09:00"), "is over"),
    (("schedule", "june", "--now"), 'no draft "june"'),
    (("launch", "may", "--text", TEXT), "To launch the draft may leave --text out"),
    (("launch", *TERMS[:5], "--exclude-campaign", "may", "--yes"), '"may" is a draft, and nothing of it is sent yet'),
    (("approve", "may", "--yes"), '"may" needs no approval: it has 1 recipient, and [approval] above is not set.'),
    (("watch", "may"), "is a draft, and nothing of it is sent yet"),
    (("follow-up", "may", "--to", "failed", "--yes"), "is a draft, and nothing of it is sent yet"),
    (("release", "may"), "is a draft, and nothing of it is sent yet"),
    (("close", "may"), "is a draft, and nothing of it is sent yet"),
    (("pause", "may"), "is a draft, and nothing of it is sent yet"),
    (("weight", "may", "3"), "is a draft, and nothing of it is sent yet"),
    (("launch", *TERMS, "--yes"), "is a draft. Launch that"),
    (("test", "may", "--to", " ", "--yes"), "--to names no number"),
    (("test", "may", "--to", "1", "--yes"), '--to: "1" is no mobile number (too short).'),
]


@pytest.mark.parametrize(("words", "says"), MISTAKES, ids=[" ".join(words)[:40] for words, _ in MISTAKES])
def test_a_mistake_is_one_sentence(words: tuple[str, ...], says: str) -> None:
    drafted()
    out = said(*words, code=2)
    assert says in out
    assert "Traceback" not in out
