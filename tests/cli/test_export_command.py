"""Exports: every recipient once, in every format the same, bounded in memory, whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl
import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main
from dispatcher.errors import StoreError
from dispatcher.store.export.recipients import FORMATS, export
from dispatcher.store.port import StoreReader
from schemas.records import Rejects
from tests.store.joined_history import FIRST_NUMBER, LAUNCHED_MS, History
from tests.store.joined_store import Driver

N = FIRST_NUMBER
NOW_MS = LAUNCHED_MS + 60_000


def story() -> History:
    """Ten recipients in as many states as there are, and five rejected rows."""
    history = History()
    jobs = history.launch("c1", {"spring": [10]}, invalid=5)["spring"]
    history.owned("spring", "o")
    first, second, third = (history.intent("spring", "o", jobs[0], start, 2) for start in (0, 2, 4))
    history.outcome("spring", first, "accepted", vendor_id="=cmd()", sent_ms=LAUNCHED_MS + 2001)
    history.outcome("spring", second, "failed", code="107", sent_ms=LAUNCHED_MS + 3000)
    history.outcome("spring", third, "unknown", code="no answer", sent_ms=LAUNCHED_MS + 4000)
    history.reports("spring", [("=cmd()", N, 1, "DELIVRD", 1_700_000_077)])
    record = Rejects(
        campaign="c1", attempt="a1", part=0, rows=b"".join(n.to_bytes(8, "little") for n in (2, 4, 6, 8, 9)),
        values='=HYPERLINK("x")\n三\n+86 138\n-5\nhas "quotes", and comma'.encode(),
        reasons=["no number", "duplicate", "suppressed"], reason_index=bytes([0, 0, 1, 2, 0]),
        repeats=b"".join(n.to_bytes(8, "little") for n in (0, 0, 2, 0, 0)),
    )  # fmt: skip
    history.append("rejects", 0, record)
    return history


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[StoreReader]:
    driver = Driver(tmp_path / "results.db", story())
    driver.all()
    reader = driver.reader()
    yield reader
    reader.close()
    driver.close()


def exported(reader: StoreReader, kind: Any, states: list[str] | None = None) -> bytes:
    view = reader.campaign("c1", NOW_MS)
    assert view is not None
    out = io.BytesIO()
    rows = export(reader, view, out, kind, states=states, now_ms=NOW_MS)
    found = out.getvalue()
    assert rows == len(records(kind, found))
    return found


def records(kind: str, data: bytes) -> list[dict[str, Any]]:
    """The rows, as a stranger's program would read them."""
    if kind == "csv":
        return [{k: v or None for k, v in row.items()} for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig")))]
    if kind == "ndjson":
        return [json.loads(line) for line in data.decode().splitlines()]
    if kind == "xlsx":
        frame = fastexcel.read_excel(data).load_sheet(0, dtypes="string").to_polars()
        return frame.to_dicts()
    return pl.read_parquet(io.BytesIO(data)).to_dicts()


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_a_row_says_who_got_it_who_did_not_and_why(reader: StoreReader, kind: str):
    rows = records(kind, exported(reader, kind))
    assert [row["number"] for row in rows] == [str(N + index) for index in range(10)]
    assert [row["state"] for row in rows] == (
        ["delivered", "accepted", "failed", "failed", "unknown", "unknown", *["queued"] * 4]
    )
    assert list(rows[0]) == [
        "number", "state", "code", "meaning", "vendor_id", "account", "submitted_at", "reported_at",
    ]  # fmt: skip
    delivered, accepted, failed, queued = rows[0], rows[1], rows[2], rows[9]
    assert (delivered["code"], delivered["account"]) == ("DELIVRD", "spring")
    assert delivered["submitted_at"] == "2023-11-15T06:13:22.001+08:00"
    assert delivered["reported_at"] == "2023-11-15T06:14:37+08:00"
    assert (accepted["code"], accepted["reported_at"]) == ("0", None)
    assert (failed["code"], failed["submitted_at"]) == ("107", "2023-11-15T06:13:23+08:00")
    assert delivered["meaning"]
    assert failed["meaning"]
    assert delivered["meaning"] != failed["meaning"]
    assert {value for key, value in queued.items() if key not in ("number", "state")} == {None}


def test_all_formats_say_the_same(reader: StoreReader):
    for states in (None, ["failed", "unknown"], ["queued", "invalid", "duplicate"]):
        found = {kind: records(kind, exported(reader, kind, states)) for kind in FORMATS}
        for row in found["parquet"]:
            for name in ("submitted_at", "reported_at"):
                row[name] = row[name] and row[name].isoformat(timespec="auto").replace(".001000", ".001")
        assert found["ndjson"] == found["parquet"]
        plain = [{k: v if v is None else str(v) for k, v in row.items()} for row in found["ndjson"]]
        assert [{k: v and v.removeprefix("'") for k, v in row.items()} for row in found["csv"]] == plain
        assert found["xlsx"] == plain


HIGH = 2**63 + 12_345


def in_parts() -> History:
    """Four recipients of a vendor that gives each part of a message an id: delivered, failed, accepted, queued."""
    history = History()
    job = history.launch("c1", {"spring": [4]}, vendor="cmpp")["spring"][0]
    history.owned("spring", "o")
    intent = history.intent("spring", "o", job, 0, 4)
    ids = [HIGH, HIGH + 1, 21, 22, 2**64 - 1, 0, 0, 0]
    history.outcomes("spring", intent, (0, 3, "accepted", "0"), (3, 1, "queued", "8"), ids=ids, parts=2)
    rows = [
        (str(HIGH), N, 1, "DELIVRD"),
        (str(HIGH + 1), N, 1, "DELIVRD"),
        ("22", 0, 2, "UNDELIV"),
        ("21", 0, 1, "DELIVRD"),
    ]
    history.reports("spring", [(*row, 1_700_000_077) for row in rows])
    return history


@pytest.mark.parametrize("language", ["en", "zh"])
def test_of_messages_in_parts_it_says_how_many_were_delivered_and_every_id(tmp_path: Path, language: Any):
    driver = Driver(tmp_path / "results.db", in_parts())
    driver.all()
    reader = driver.reader()
    view = reader.campaign("c1", NOW_MS)
    assert view is not None
    for kind in FORMATS:
        out = io.BytesIO()
        export(reader, view, out, kind, now_ms=NOW_MS, language=language)
        rows = records(kind, out.getvalue())
        names = (
            ("vendor_id", "parts", "parts_delivered") if language == "en" else ("供应商消息号", "短信条数", "送达条数")
        )
        assert [[None if row[name] is None else str(row[name]) for name in names] for row in rows] == [
            [f"{HIGH} {HIGH + 1}", "2", "2"], ["21 22", "2", "1"], [str(2**64 - 1), "1", "0"], [None] * 3,
        ]  # fmt: skip
    reader.close()
    driver.close()


def test_a_number_is_looked_up_with_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    in_parts().write_to(tmp_path)
    shown = CliRunner().invoke(main, ["lookup", str(N + 1)]).stdout
    assert "failed (1 of 2 parts)" in " ".join(shown.split())
    [found] = json.loads(CliRunner().invoke(main, ["lookup", str(N), "--json"]).stdout)["campaigns"]
    assert (found["state"], found["vendor_id"]) == ("delivered", f"{HIGH} {HIGH + 1}")
    assert (found["parts"], found["parts_delivered"]) == (2, 2)


def test_parquet_holds_real_timestamps_in_beijing_time(reader: StoreReader):
    frame = pl.read_parquet(io.BytesIO(exported(reader, "parquet")))
    assert frame.schema["submitted_at"] == pl.Datetime("ms", "Asia/Shanghai")
    assert frame["reported_at"][0].isoformat() == "2023-11-15T06:14:37+08:00"


def test_rejected_rows_come_with_row_value_and_reason(reader: StoreReader):
    rows = records("ndjson", exported(reader, "ndjson", ["invalid"]))
    assert [(row["row"], row["value"], row["state"], row["meaning"]) for row in rows] == [
        (2, '=HYPERLINK("x")', "invalid", "no number"),
        (4, "三", "invalid", "no number"),
        (9, 'has "quotes", and comma', "invalid", "no number"),
    ]
    both = records("ndjson", exported(reader, "ndjson", ["duplicate", "suppressed", "delivered"]))
    assert [(row["state"], row["row"], row["repeats"]) for row in both] == [
        ("delivered", None, None),
        ("duplicate", 6, 2),
        ("suppressed", 8, None),
    ]


def test_nothing_in_a_csv_is_a_formula_for_a_spreadsheet_and_numbers_stay_numbers(reader: StoreReader):
    data = exported(reader, "csv", ["delivered", "invalid", "duplicate", "suppressed"])
    assert data.startswith("\ufeff".encode())  # so that a spreadsheet reads 三 as it is
    rows = records("csv", data)
    assert rows[0]["vendor_id"] == "'=cmd()"
    values = ['\'=HYPERLINK("x")', "三", "'+86 138", "-5", 'has "quotes", and comma']
    assert [row["value"] for row in rows[1:]] == values


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_without_rows_is_an_empty_table_with_its_columns(reader: StoreReader, kind: str):
    data = exported(reader, kind, ["no_report"])
    assert records(kind, data) == []
    if kind == "csv":
        assert data.decode("utf-8-sig").startswith("number,state,code")


class Failing:
    """A reader that breaks in the middle."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader

    def pages(self, *arguments: Any) -> Iterator[Any]:
        yield from self._reader.pages(*arguments)
        raise StoreError("the disk is gone")


@pytest.mark.parametrize("kind", FORMATS)
def test_what_breaks_while_exporting_is_said_as_what_it_is(reader: StoreReader, kind: Any):
    view = reader.campaign("c1", NOW_MS)
    assert view is not None
    with pytest.raises(StoreError, match="the disk is gone"):
        export(Failing(reader), view, io.BytesIO(), kind)  # type: ignore[arg-type]


MEASURED = """
import resource, sys
from pathlib import Path
from dispatcher.store.export.recipients import export
from tests.store.joined_store import SqlitePlace
store, out, kind, *campaigns = sys.argv[1:]
reader = SqlitePlace(Path(store)).reader()
for campaign in campaigns:
    with open(out, "wb") as file:
        rows = export(reader, reader.campaign(campaign), file, kind)
    print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
BATCHES = {"text": (2, 20, 50_000), "xlsx": (1, 6, 10_000)}
"""Batches of a small and of a large campaign, and their size: a sheet's row takes ten times as long."""


@pytest.fixture(scope="module")
def campaigns_of_two_sizes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a small and a large campaign for each of BATCHES."""
    history = History()
    for sizes, (small, large, size) in BATCHES.items():
        for campaign, batches in ((f"small {sizes}", small), (f"large {sizes}", large)):
            jobs = history.launch(campaign, {"spring": [size] * batches}, first_number=N)["spring"]
            history.owned("spring", "o")
            for job in jobs:
                history.outcome("spring", history.intent("spring", "o", job, 0, size), "accepted", vendor_id=f"v{job}")
            history.reports("spring", [(f"v{jobs[0]}", N + at, 1, "DELIVRD", 0) for at in range(5000)])
    driver = Driver(tmp_path_factory.mktemp("sizes") / "results.db", history)
    driver.all()
    driver.close()
    return driver.path


@pytest.mark.parametrize("kind", FORMATS)
def test_memory_does_not_grow_with_the_campaign(campaigns_of_two_sizes: Path, tmp_path: Path, kind: str):
    sizes = "xlsx" if kind == "xlsx" else "text"
    small, large, size = BATCHES[sizes]
    command = [sys.executable, "-c", MEASURED, str(campaigns_of_two_sizes), str(tmp_path / "out"), kind]
    output = subprocess.run(
        [*command, f"small {sizes}", f"large {sizes}"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    ).stdout  # fmt: skip
    of_small, of_large = (tuple(map(int, line.split())) for line in output.splitlines())
    assert (of_small[0], of_large[0]) == (small * size, large * size)
    assert of_large[1] - of_small[1] < (large - small) * size / 9  # KiB; the rows alone are as much as text


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, a log and a campaign in it."""
    story().write_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dispatcher(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_the_command_writes_a_file_that_appears_when_it_is_complete(folder: Path):
    result = dispatcher("campaign", "export", "c1", "--format", "csv", "-o", "c1.csv")
    assert result.exit_code == 0, result.output
    assert "10 rows written to c1.csv" in result.stderr
    assert len(records("csv", (folder / "c1.csv").read_bytes())) == 10
    assert sorted(os.listdir(folder)) == sorted(
        name for name in os.listdir(folder) if name.startswith(("log.db", "results.db", "dispatcher.toml", "c1.csv"))
    )


def test_the_command_writes_to_standard_output_for_pipes(folder: Path):
    result = dispatcher("campaign", "export", "c1", "--state", "failed,unknown", "--format", "ndjson")
    assert result.exit_code == 0, result.output
    assert [row["state"] for row in records("ndjson", result.stdout_bytes)] == [
        "failed",
        "failed",
        "unknown",
        "unknown",
    ]


def test_the_command_says_as_json_what_it_wrote(folder: Path):
    result = dispatcher("campaign", "export", "c1", "--format", "parquet", "-o", "c1.parquet", "--json")
    assert json.loads(result.stdout) == {
        "campaign": "c1",
        "format": "parquet",
        "rows": 10,
        "path": "c1.parquet",
        "unknown": 2,
    }


MISTAKES = [
    ("a state there is not", ["c1", "--state", "failed,lost"], '"lost" is no state'),
    ("no state at all", ["c1", "--state", ","], "is no state"),
    ("a campaign there is not", ["c9"], "c9"),
    ("parquet to a terminal", ["c1", "--format", "parquet"], "Name a file"),
    ("json beside the rows", ["c1", "--json"], "Name one: -o FILE"),
    ("a folder as file", ["c1", "-o", "."], "is a folder"),
    ("a file in no folder", ["c1", "-o", "nowhere/c1.csv"], "there is no folder"),
    ("a file that is there", ["c1", "-o", "dispatcher.toml"], "--force"),
]


@pytest.mark.parametrize(("what", "arguments", "words"), MISTAKES, ids=[case[0] for case in MISTAKES])
def test_a_mistake_is_said_in_a_sentence_and_writes_nothing(folder: Path, what, arguments, words):
    before = (folder / "dispatcher.toml").read_bytes()
    result = dispatcher("campaign", "export", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""
    assert (folder / "dispatcher.toml").read_bytes() == before


def test_force_replaces_a_file(folder: Path):
    (folder / "c1.csv").write_text("old")
    assert dispatcher("campaign", "export", "c1", "-o", "c1.csv").exit_code == 2
    assert (folder / "c1.csv").read_text() == "old"
    assert dispatcher("campaign", "export", "c1", "-o", "c1.csv", "--force").exit_code == 0
    assert len(records("csv", (folder / "c1.csv").read_bytes())) == 10


def test_ctrl_c_in_the_middle_leaves_no_file(folder: Path):
    script = (
        "import os, signal; from dispatcher.cli import main; from dispatcher.store.export import recipients as export;"
        "whole = export._Frames.__iter__;"
        "export._Frames.__iter__ = lambda self: (f for f in whole(self) if os.kill(os.getpid(), signal.SIGINT) or f);"
        "main(['campaign', 'export', 'c1', '-o', 'c1.csv'])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr.strip()) == (130, "interrupted.")
    assert not [name for name in os.listdir(folder) if "c1.csv" in name]


def test_a_full_disk_leaves_no_file(folder: Path):
    script = (
        "import resource, signal, sys; from dispatcher.cli import main;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from dispatcher.store.export import recipients as export;"
        "whole = export._Frames.__iter__;"
        "export._Frames.__iter__ = lambda self: (resource.setrlimit(resource.RLIMIT_FSIZE, (100, -1)), whole(self))[1];"
        "main(['campaign', 'export', 'c1', '-o', 'c1.csv'])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "cannot write c1.csv" in result.stderr
    assert "Traceback" not in result.stderr
    assert not [name for name in os.listdir(folder) if "c1.csv" in name]
