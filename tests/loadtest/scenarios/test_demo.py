"""The demo: its list is what it says, its comparison finds what disagrees, and it runs from end to end."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest

from dispatcher.config.file import parse
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import open_session
from dispatcher.store.port import Page
from loadtest.scenarios.demo import demo_scenario
from loadtest.scenarios.file import check
from loadtest.scenarios.ledger_comparison import Comparison, compare, our_rows, their_rows
from loadtest.scenarios.lists import FORMS, JUNK, write_dirty, write_lists
from loadtest.scenarios.stage import own_topics
from loadtest.sim.profiles import VENDORS
from producers.launch.prepare import prepare
from schemas.states import State

TEXTS = {"the text": "big"}
ACCOUNT = {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "secret"}

# --- the list --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [50, 333, 20_000])
async def test_the_dirty_list_holds_exactly_what_it_is_said_to_hold(tmp_path: Path, rows: int) -> None:
    made = write_dirty(tmp_path, rows)
    config = parse({"log": {"url": f"sqlite:{tmp_path}/log.db"}, "account": {"spring": ACCOUNT}}, "x.toml")
    request = LaunchRequest(numbers=str(made.path), text="hello", route=["spring"], suppress=[str(made.suppress)])
    async with open_session(config) as session:
        prepared = await prepare(session, request, ask_balance=False)
    plan = prepared.plan
    prepared.close()
    assert (plan.rows, plan.recipients, plan.invalid, plan.duplicate, plan.suppressed) == (
        made.rows, made.recipients, made.invalid, made.duplicate, made.suppressed,
    )  # fmt: skip
    assert made.rows == rows == made.recipients + made.invalid + made.duplicate + made.suppressed


def test_the_dirty_list_is_dirty_in_every_way(tmp_path: Path) -> None:
    text = write_dirty(tmp_path, 5_000).path.read_text("utf-8-sig")
    for value in JUNK:
        assert f",{value}," in text
    for written in {form("13800000000")[:3] for form in FORMS}:
        assert written.replace('"', '""') in text


def test_the_same_number_of_rows_is_the_same_list(tmp_path: Path) -> None:
    first = write_dirty(tmp_path, 500).path.read_bytes()
    assert write_dirty(tmp_path, 500).path.read_bytes() == first


def test_the_urgent_list_has_nobody_of_the_dirty_one(tmp_path: Path) -> None:
    lists = write_lists(demo_scenario(2_000, "batch-a"), tmp_path)
    dirty = lists["autumn-sale"].path.read_text("utf-8-sig")
    urgent = lists["water-alert"].path.read_text("utf-8").split()[1:]
    assert len(set(urgent)) == 200
    assert not [number for number in urgent if number in dirty]


# --- the comparison --------------------------------------------------------------------------------------------------


def page(count: int = 6) -> Iterator[Page]:
    """Recipients of one batch: the last one failed, the others were delivered."""
    states = np.full(count, State.DELIVERED, np.uint8)
    states[-1] = State.FAILED
    yield Page(
        batch=0,
        numbers=np.arange(13_800_000_000, 13_800_000_000 + count),
        states=states,
        codes=["", "DELIVRD", "UNDELIV"],
        code_index=np.where(states == State.FAILED, 2, 1).astype(np.uint32),
        from_report=np.ones(count, np.bool_),
        vendor_ids=["", "id-1"],
        vendor_id_index=np.ones(count, np.uint32),
        accounts=["", "spring"],
        account_index=np.ones(count, np.uint32),
        submitted_ms=np.ones(count, np.int64),
        reported_s=np.ones(count, np.uint32),
        parts=np.zeros(count, np.uint8),
        parts_delivered=np.zeros(count, np.uint8),
        parts_named=np.zeros(count, np.uint8),
        positions=np.arange(count, dtype=np.uint16),
    )


def ledger(count: int = 6) -> pl.DataFrame:
    """What a vendor that agrees has."""
    return pl.DataFrame(
        {
            "number": [str(13_800_000_000 + number) for number in range(count)],
            "text": "the text",
            "msgid": "id-1",
            "status": ["DELIVRD"] * (count - 1) + ["UNDELIV"],
            "account": "spring",
            "accepted": True,
            "acked": True,
        }
    )


def compared(theirs: pl.DataFrame, ours: pl.DataFrame | None = None) -> Comparison:
    return compare(our_rows("big", page()) if ours is None else ours, their_rows(theirs, TEXTS, {"DELIVRD"}))


def set_first(column: str, value: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    first = pl.int_range(pl.len()) == 0
    return lambda rows: rows.with_columns(pl.when(first).then(pl.lit(value)).otherwise(pl.col(column)).alias(column))


DISAGREEMENTS: list[tuple[str, Callable[[pl.DataFrame], pl.DataFrame], int, str]] = [
    ("the vendor never took one", lambda rows: rows[1:], 1, "never took"),
    ("the vendor refused one", set_first("accepted", False), 1, "never took"),
    ("the vendor took one twice", lambda rows: pl.concat([rows, rows[:1]]), 0, "more than once"),
    ("one failed there", set_first("status", "EXPIRED"), 0, "another state"),
    ("one has no status there", set_first("status", None), 0, "another report code"),
    ("one has another code", lambda rows: rows.with_columns(status=pl.col("status").replace("UNDELIV", "EXPIRED")), 0,
     "another report code"),
    ("one has another id", set_first("msgid", "id-2"), 0, "another message id"),
    ("one went elsewhere", set_first("account", "summer"), 0, "another account"),
    ("one got another text", set_first("text", "nobody's text"), 2, "do not know of it"),
    ("a stranger was texted", lambda rows: pl.concat([rows, rows[:1].with_columns(number=pl.lit("13900000000"))]), 1,
     "do not know of it"),
]  # fmt: skip


def test_ledgers_that_agree_agree() -> None:
    assert compared(ledger()) == Comparison(compared=6, lost=0, disagreements=())


@pytest.mark.parametrize(
    ("change", "lost", "words"), [row[1:] for row in DISAGREEMENTS], ids=[row[0] for row in DISAGREEMENTS]
)
def test_every_disagreement_is_found_counted_and_named_without_a_whole_number(
    change: Callable[[pl.DataFrame], pl.DataFrame], lost: int, words: str
) -> None:
    found = compared(change(ledger()))
    assert found.lost == lost
    assert any(words in disagreement for disagreement in found.disagreements)
    assert not any("13800000000" in disagreement for disagreement in found.disagreements)


def test_which_statuses_mean_delivered_is_the_vendors_affair() -> None:
    operators = ledger().with_columns(status=pl.col("status").replace("DELIVRD", "0"))
    ours = our_rows("big", page()).with_columns(code=pl.col("code").cast(pl.String).replace("DELIVRD", "0"))
    ours = ours.with_columns(code=pl.col("code").cast(pl.Categorical))
    assert not compare(ours, their_rows(operators, TEXTS, {"DELIVRD", "0"})).disagreements
    assert "another state" in compare(ours, their_rows(operators, TEXTS, {"DELIVRD"})).disagreements[0]


def test_a_code_that_we_tell_in_other_words_is_the_same_code() -> None:
    theirs = ledger().with_columns(status=pl.col("status").replace("UNDELIV", "9"))
    ours = our_rows("big", page())
    assert not compare(ours, their_rows(theirs, TEXTS, {"DELIVRD"}, {"9": "UNDELIV"})).disagreements
    assert compare(ours, their_rows(theirs, TEXTS, {"DELIVRD"}, {"8": "UNDELIV"})).disagreements


def test_a_recipient_we_forgot_is_lost() -> None:
    found = compared(ledger(), our_rows("big", page())[1:])
    assert (found.lost, len(found.disagreements)) == (1, 1)


# --- the whole -------------------------------------------------------------------------------------------------------

URLS = [
    ("kafka://127.0.0.1:9092", r"kafka://127\.0\.0\.1:9092/loadtest-[0-9a-f]{8}\."),
    ("kafka://127.0.0.1:9092/", r"kafka://127\.0\.0\.1:9092/loadtest-[0-9a-f]{8}\."),
    ("kafka://a:1,b:2?timeout_s=3", r"kafka://a:1,b:2/loadtest-[0-9a-f]{8}\.\?timeout_s=3"),
    ("kafka://a:1/mine.", r"kafka://a:1/mine\."),
    ("sqlite:/tmp/x.db", r"sqlite:/tmp/x\.db"),
]


@pytest.mark.parametrize(("url", "pattern"), URLS)
def test_a_demo_on_kafka_gets_topics_of_its_own_unless_it_names_some(url: str, pattern: str) -> None:
    assert re.fullmatch(pattern, own_topics(url))


def demo(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from dispatcher.cli import main; main()", "demo", "--numbers", "300", *arguments]
    return subprocess.run(command, capture_output=True, check=False)


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_demo_is_a_scenario_against_every_vendor(vendor: str) -> None:
    scenario = check(demo_scenario(300, vendor))
    assert (scenario.vendors["simulated"].vendor, scenario.campaigns[0].recipients) == (vendor, 300)


def test_the_demo_runs_and_its_json_says_that_everything_agrees(tmp_path: Path) -> None:
    done = demo("--vendor", "guodu", "--json", "--keep", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stderr
    found = orjson.loads(done.stdout)
    assert found.keys() >= {
        "campaigns", "vendor", "double_texts", "lost", "windows_over_limit", "limit_used", "seconds"
    }  # fmt: skip
    assert (found["double_texts"], found["lost"], found["windows_over_limit"], found["agreed"]) == (0, 0, 0, True)
    assert (
        found["compared"]
        == found["vendor"]["numbers_accepted"]
        == sum(each["counts"]["delivered"] + each["counts"]["failed"] for each in found["campaigns"])
    )
    assert all(each["adds_up"] and each["status"] == "finished" for each in found["campaigns"])
    assert (tmp_path / "kept" / "dispatcher.toml").exists()
    password = (tmp_path / "kept" / "pswd.txt").read_text().strip()
    said = [path.read_text() for path in (tmp_path / "kept").glob("*.log")]
    assert len(said) == 3
    assert password not in "".join(said)
    assert password.encode() not in done.stdout + done.stderr


def test_the_demo_runs_on_kafka(kafka_bootstrap: str) -> None:
    done = demo("--log", f"kafka://{kafka_bootstrap}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"compared with the vendor's ledger" in done.stdout
    assert re.search(rb"console     http://127\.0\.0\.1:\d+/, .* http://127\.0\.0\.1:\d+/link/[\w-]{43}\n", done.stdout)


def test_a_demo_that_cannot_have_its_log_says_so() -> None:
    done = demo("--log", "mysql:somewhere")
    assert done.returncode == 2
    assert b"error: " in done.stderr
    assert b"Traceback" not in done.stderr
