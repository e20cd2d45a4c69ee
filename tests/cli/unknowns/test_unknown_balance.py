"""`dispatcher unknown`: what the balance says of a request, shown as a hint beside the evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.records import BalanceTold
from tests.cli.unknowns.unknown_log import ACCOUNT, LANE, Desk

NOON_MS = 1_700_020_800_000


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHER_CONFIG", raising=False)
    return Desk(tmp_path)


def told(desk: Desk, *names: str, taken: float | None = 60, after: float = 900, under_way: float = 0) -> None:
    intents = tuple(int(name.split(":")[1]) for name in names)
    record = BalanceTold(
        account=ACCOUNT, intents=intents, messages=10 * len(intents), before=1_000, before_ms=NOON_MS, after=after,
        after_ms=NOON_MS + 10_000, taken=taken, under_way=under_way,
    )  # fmt: skip
    desk.history.append("lanes", LANE, record)


def said(desk: Desk) -> str:
    return " ".join(desk.run("unknown", "list").output.split())


@pytest.mark.parametrize(
    ("taken", "after", "under_way", "words"),
    [
        (60, 900, 0, "answered cost 60 of the difference. What is left for these: 40, unless"),
        (60, 900, 20, "answered cost 60 of the difference, 20 more or less. What is left for these: 40, unless"),
        (100, 900, 0, "What is left for these: nothing, unless others spent or somebody paid in."),
        (60, 5_900, 0, "What is left for these: nothing, unless others spent or somebody paid in."),
        (None, 900, 0, "That is 100 less, for these and whatever else was sent meanwhile."),
    ],
)
def test_the_balance_before_and_after_is_told_and_what_answered_requests_cost(
    desk: Desk, taken: float | None, after: float, under_way: float, words: str
):
    job = desk.campaign("may", 30)
    names = [desk.unknown(job, 0, 10), desk.unknown(job, 10, 10)]
    told(desk, *names, taken=taken, after=after, under_way=under_way)
    out = said(desk)
    assert "A hint only, the balance of spring: 1,000 at " in out
    assert f"before 2 requests ({names[0]}, {names[1]}) with 20 messages; {after:,} at " in out
    assert words in out


def test_a_request_that_was_settled_since_still_counts(desk: Desk):
    job = desk.campaign("may", 30)
    names = [desk.unknown(job, 0, 10), desk.unknown(job, 10, 10)]
    told(desk, *names)
    desk.history.resolved(ACCOUNT, "me", int(names[0].split(":")[1]), "sent")
    assert f"before 2 requests ({names[1]} and 1 settled since) with 20 messages" in said(desk)


def test_json_has_it_with_each_request_or_null(desk: Desk):
    job = desk.campaign("may", 30)
    name = desk.unknown(job, 0, 10)
    desk.unknown(job, 10, 10)
    told(desk, name)
    first, second = json.loads(desk.run("unknown", "list", "--json").stdout)["chunks"]
    assert first["balance"] == {
        "before": 1_000.0, "before_ms": NOON_MS, "after": 900.0, "after_ms": NOON_MS + 10_000, "chunks": [name],
        "messages": 10.0, "taken": 60.0, "under_way": 0.0,
    }  # fmt: skip
    assert second["balance"] is None


def test_it_is_told_again_before_a_decision_and_decides_nothing(desk: Desk):
    job = desk.campaign("may", 30)
    told(desk, desk.unknown(job, 0, 10))
    result = desk.run("unknown", "resolve", "may", "--as", "not-sent")
    assert result.exit_code == 2
    assert "A hint only, the balance of spring" in " ".join(result.output.split())
    assert json.loads(desk.run("unknown", "list", "--json").stdout)["requests"] == 1
