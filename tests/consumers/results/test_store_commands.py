"""`dispatcher lookup` and `dispatcher store rebuild`, as typed."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main
from dispatcher.config.file import load
from dispatcher.store.opening import open_store
from dispatcher.store.sqlite import rebuild
from schemas.records import Inbound
from schemas.topics import lane_partition
from tests.store.joined_history import FIRST_NUMBER, History

N = FIRST_NUMBER


def story() -> History:
    history = History()
    for campaign in ("may", "june"):
        history.launch(campaign, {"spring": [10]})
    history.owned("spring", "o")
    history.outcome("spring", history.intent("spring", "o", 0, 0, 5), "accepted", vendor_id="[red]881")
    history.reports("spring", [("[red]881", N, 2, "MBBLACK", 1_700_000_077)])
    message = Inbound(account="spring", number=str(N + 9), text="TD [bold]", to="1069", at_ms=5, received_ms=6_000)
    history.append("inbound", lane_partition("spring"), message)
    return history


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration and a log."""
    story().write_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dispatcher(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("written", [str(N), f"+86 {N}", f"0086{N}", "138 0000 0000"])
def test_a_number_is_found_however_it_is_written(folder: Path, written: str):
    result = dispatcher("lookup", written, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["number"] == str(N)
    assert {each["campaign"]: (each["state"], each["final"]) for each in found["campaigns"]} == {
        "may": ("failed", True),
        "june": ("queued", False),
    }
    may = next(each for each in found["campaigns"] if each["campaign"] == "may")
    assert (may["code"], may["vendor_id"], may["reported_ms"]) == ("MBBLACK", "[red]881", 1_700_000_077_000)
    assert may["meaning"]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+44 7700 900123", "447700900123"),
        ("0044 7700-900123", "447700900123"),
        ("447700900123", "447700900123"),
        ("021-29900660", "02129900660"),
    ],
)
def test_a_number_abroad_or_with_an_area_code_is_looked_for_as_people_write_it(folder: Path, written: str, number: str):
    result = dispatcher("lookup", written, "--json")
    assert (result.exit_code, json.loads(result.stdout)["number"]) == (0, number), result.output


def test_people_see_a_table_with_everything_as_it_is(folder: Path):
    result = dispatcher("lookup", str(N))
    assert result.exit_code == 0, result.output
    for word in ("may", "failed", "MBBLACK", "spring", "[red]881", "june", "queued"):
        assert word in result.stdout
    assert "TD [bold]" in dispatcher("lookup", str(N + 9)).stdout


def test_an_unknown_number_is_reported_as_nowhere(folder: Path):
    result = dispatcher("lookup", "13999999999")
    said = "13999999999: China Mobile\n13999999999 is in no campaign, and sent us nothing.\n"
    assert (result.exit_code, result.stdout) == (0, said)


@pytest.mark.parametrize("text", ["hello", "", "138-000", "1" * 30])
def test_what_is_no_number_is_said_to_be_none(folder: Path, text: str):
    result = dispatcher("lookup", text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is no phone number" in result.stderr


def test_without_a_log_lookup_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "dispatcher.toml").write_text('[log]\nurl = "sqlite:log.db"\n')
    monkeypatch.chdir(tmp_path)
    result = dispatcher("lookup", str(N))
    assert result.exit_code == 2
    assert "there is no log" in result.stderr


def test_rebuild_asks_first_and_not_without_a_terminal(folder: Path):
    result = dispatcher("store", "rebuild")
    assert result.exit_code == 2
    assert "--yes" in result.stderr


def test_rebuild_makes_the_same_store_and_says_so(folder: Path):
    before = dispatcher("lookup", str(N), "--json").stdout
    result = dispatcher("store", "rebuild", "--yes")
    assert result.exit_code == 0, result.output
    assert "was made anew from" in result.stdout
    assert dispatcher("lookup", str(N), "--json").stdout == before
    told = json.loads(dispatcher("store", "rebuild", "--yes", "--json").stdout)
    assert told["records"] == sum(
        len(records) for (topic, _), records in story().records.items() if topic != "recipients"
    )


def test_rebuild_mends_a_damaged_store(folder: Path):
    before = dispatcher("lookup", str(N), "--json").stdout
    (folder / "results.db").write_bytes(b"junk" * 5000)
    broken = dispatcher("lookup", str(N))
    assert broken.exit_code == 1
    assert "dispatcher store rebuild" in broken.stderr
    assert dispatcher("store", "rebuild", "--yes").exit_code == 0
    assert dispatcher("lookup", str(N), "--json").stdout == before


def test_rebuild_waits_for_a_command_that_folds_new_records(folder: Path):
    held = open_store(load(None).store)
    ends = threading.Timer(0.3, held.close)
    ends.start()
    result = dispatcher("store", "rebuild", "--yes")
    ends.join()
    assert result.exit_code == 0, result.stderr


def test_rebuild_beside_a_running_dispatcher_says_what_to_stop(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rebuild, "WAIT_S", 0.2)
    held = open_store(load(None).store)
    result = dispatcher("store", "rebuild", "--yes")
    held.close()
    assert result.exit_code == 2
    assert "Stop the dispatcher" in result.stderr
