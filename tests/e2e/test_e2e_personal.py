"""Personalised campaigns through every vendor: its own ledger says that each recipient got exactly their text."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.stand import Stand, stand

TEXT: Final = "【Test】Dear {name}, {{order}} {order}: {name}"
FIRST: Final = 13_800_000_000
NAMES: Final = ("Ann", "李雷", "Smith, Bob", "semi;colon", "100% & more=+", "{$var}", "{var}", 'quoted "O\'Neil"')
PACED: Final = {"limit": 400, "unit": "parts"}


@pytest.fixture
def log_url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path}/log.db"


def written(folder: Path, rows: list[tuple[str, str]], first: int = FIRST) -> tuple[Path, dict[str, str]]:
    """A list of these (name, order), and the text each of its numbers must get."""
    path = folder / f"{first}.csv"
    texts = {}
    with path.open("w", encoding="utf-8", newline="") as file:
        write = csv.writer(file)
        write.writerow(["手机号", "name", "order"])
        for index, (name, order) in enumerate(rows):
            write.writerow([first + index, f" {name} ", order])
            texts[str(first + index)] = f"【Test】Dear {name}, {{order}} {order}: {name}"
    return path, texts


def compare(at: Stand, campaign: str, texts: dict[str, str]) -> None:
    """Each number once, with its own text, under the message id and in the state that we say."""
    ledger = {row["number"]: row for row in at.ledger().iter_rows(named=True) if row["number"] in texts}
    assert {number: row["text"] for number, row in ledger.items()} == texts
    exported = {line["number"]: line for line in at.export(campaign)}
    assert exported.keys() == texts.keys()
    for number, row in ledger.items():
        line = exported[number]
        assert (line["vendor_id"], line["account"]) == (row["msgid"], row["account"])
        assert line["state"] == ("delivered" if row["status"] in at.kind.delivered else "failed")
    assert at.vendor.totals()["double_texts"] == 0


VENDORS: list[tuple[str, dict[str, Any], int]] = [
    # vendor, keys of the account, requests of 400 texts, eight different ones, of which four can't go by HttpVarSM
    ("batch-b", {}, 5),
    ("batch-b", {"variable_recipients_max": 30}, 11),
    ("batch-b", {"variable_sms": False}, 8),
    ("batch-a", {}, 8),
    ("hezhong", {}, 8),
    ("guodu", {"numbers_per_request": 20}, 24),
    ("cosms", {}, 400),  # an id each
]


@pytest.mark.parametrize(("vendor", "keys", "requests"), VENDORS, ids=[f"{row[0]} {row[1]}" for row in VENDORS])
def test_everybody_gets_their_own_text_and_equal_texts_share_requests(
    tmp_path: Path, log_url: str, vendor: str, keys: dict[str, Any], requests: int
) -> None:
    with stand(tmp_path, log_url, vendor=vendor, ours={"spring": keys}) as at:
        numbers, texts = written(tmp_path, [(NAMES[index % 8], "7") for index in range(400)])
        at.run()
        at.launch("may", numbers, text=TEXT)
        at.until_settled("may")
        compare(at, "may", texts)
        assert at.ledger()["msgid"].n_unique() == requests


@pytest.mark.parametrize("vendor", ["batch-b", "guodu"])
def test_texts_that_are_all_different_are_sent_within_the_limit_of_their_own_parts(
    tmp_path: Path, log_url: str, vendor: str
) -> None:
    with stand(tmp_path, log_url, vendor=vendor, ours={"spring": {"flow": PACED}}) as at:
        numbers, texts = written(tmp_path, [("x" * (1 + index % 119), str(index)) for index in range(300)])
        at.run()
        at.launch("may", numbers, text=TEXT)
        at.until_settled("may")
        compare(at, "may", texts)
        assert at.vendor.totals()["windows_over_limit"] == 0


def test_one_refused_text_in_a_request_does_not_affect_the_others(tmp_path: Path, log_url: str) -> None:
    with stand(tmp_path, log_url, vendor="batch-b", switches={"sensitive_words": ["坏词"]}) as at:
        rows = [("坏词" if index in (17, 118) else f"Ann {index}", "7") for index in range(120)]
        numbers, texts = written(tmp_path, rows)
        at.run()
        at.launch("may", numbers, text=TEXT)
        at.until_settled("may")
        refused = {str(FIRST + 17), str(FIRST + 118)}
        failed = {line["number"]: line["code"] for line in at.export("may") if line["code"] == "105"}
        assert failed == dict.fromkeys(refused, "105")
        ledger = {row["number"]: row["text"] for row in at.ledger().iter_rows(named=True)}
        assert ledger == {number: text for number, text in texts.items() if number not in refused}


def test_a_personalised_campaign_and_a_plain_one_share_two_accounts_and_a_killed_dispatcher_doubles_nothing(
    tmp_path: Path, log_url: str
) -> None:
    accounts: dict[str, dict[str, Any]] = {"spring": {"flow": {"limit": 300}}, "summer": {"flow": {"limit": 200}}}
    with stand(tmp_path, log_url, vendor="batch-b", ours=accounts) as at:
        numbers, texts = written(tmp_path, [(f"{index % 50}", str(index % 7)) for index in range(1200)])
        plain, _ = written(tmp_path, [("x", "y")] * 300, first=13_900_000_000)
        first = at.run()
        at.launch("may", numbers, text=TEXT, route="spring,summer")
        at.launch("june", plain, text="【Test】{{for all}}", route="summer")
        at.until(lambda: at.taken() > 200, "something was sent")
        first.kill()
        at.run()
        at.until(lambda: at.counts("may").queued == at.counts("may").in_flight == 0, "all of it is sent")
        at.until(lambda: at.counts("may").accepted == at.counts("june").accepted == 0, "all of it is reported")
        got = {row["number"]: row["text"] for row in at.ledger().iter_rows(named=True)}
        assert len(got) == at.ledger().height
        plain_texts = {number: text for number, text in got.items() if number not in texts}
        assert set(plain_texts.values()) == {"【Test】{for all}"}
        unknown = {line["number"] for line in at.export("may") if line["state"] == "unknown"}
        assert all(got[number] == text for number, text in texts.items() if number not in unknown)
        assert at.vendor.totals()["double_texts"] == 0
