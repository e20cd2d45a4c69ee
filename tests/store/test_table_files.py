"""Tables as files: a full sheet is continued, formulas stay texts, nothing but a header is a table too."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile

import fastexcel
import polars as pl
import pytest

from dispatcher.store.export import table_files
from dispatcher.store.export.table_files import write_table

SCHEMA = {"text": pl.String, "count": pl.UInt32}


def frames(rows: int, size: int = 4):
    for start in range(0, rows, size):
        at = list(range(start, min(rows, start + size)))
        yield pl.DataFrame({"text": [f"={number}" if number else None for number in at], "count": at}, schema=SCHEMA)


def written(kind, rows: int) -> bytes:
    out = io.BytesIO()
    write_table(frames(rows), SCHEMA, out, kind)
    return out.getvalue()


def test_a_full_sheet_is_continued_on_the_next(monkeypatch):
    monkeypatch.setattr(table_files, "SHEET_ROWS_MAX", 4)
    book = fastexcel.read_excel(written("xlsx", 7))
    sheets = [book.load_sheet(name).to_polars() for name in book.sheet_names]
    assert [sheet.columns for sheet in sheets] == [["text", "count"]] * 3
    assert [int(count) for sheet in sheets for count in sheet["count"]] == list(range(7))
    assert [text for sheet in sheets for text in sheet["text"]] == [None, *(f"={number}" for number in range(1, 7))]


@pytest.mark.parametrize(("kind", "expected"), [("csv", "\ufefftext,count\n".encode()), ("ndjson", b"")])
def test_a_table_without_rows(kind, expected):
    assert written(kind, 0) == expected


def test_a_sheet_without_rows_has_its_header():
    (name,) = fastexcel.read_excel(written("xlsx", 0)).sheet_names
    sheet = fastexcel.read_excel(written("xlsx", 0)).load_sheet(name, header_row=None).to_polars()
    assert sheet.row(0) == ("text", "count")


def test_an_error_of_the_rows_comes_out_as_it_is():
    def broken():
        yield from frames(4)
        raise KeyError("the store went away")

    for kind in ("csv", "xlsx", "parquet"):
        with pytest.raises(KeyError, match="the store went away"):
            write_table(broken(), SCHEMA, io.BytesIO(), kind)


FORMULAS = [
    "=1", "+cmd|' /C calc'!A0", "-1+1", "@SUM(A1)", "\n=1", "\t=1", "\r=1", "  =1", "＝1", "＋1", "－1", "＠x",
    "\u200b=1", "\ufeff+1+1", "\u3000=1", "\tx", "+86 138",
]  # fmt: skip
PLAIN = ["1", "-5", "+8613800138000", "-0.5", "a=1", "13800138000", "1795277224854001999", "中文", "", "2026-05-01"]


def table_of(values, kind, name="value"):
    out = io.BytesIO()
    write_table([pl.DataFrame({name: values})], {name: pl.String}, out, kind)
    return out.getvalue()


@pytest.mark.parametrize("value", FORMULAS)
def test_no_text_is_a_formula_in_a_csv(value):
    ((header,), (found,)) = csv.reader(io.StringIO(table_of([value], "csv").decode("utf-8-sig"), newline=""))
    assert (header, found) == ("value", f"'{value}")


@pytest.mark.parametrize("value", PLAIN)
def test_what_is_no_formula_stays_as_it_is_in_a_csv(value):
    _, *rows = csv.reader(io.StringIO(table_of([value], "csv").decode("utf-8-sig")))
    assert [cell for row in rows for cell in row] == [value]


def test_texts_in_a_sheet_are_texts_and_stay_so_when_their_cells_are_edited():
    with zipfile.ZipFile(io.BytesIO(table_of([*FORMULAS, *PLAIN], "xlsx"))) as book:
        sheet, styles = (book.read(f"xl/{part}").decode() for part in ("worksheets/sheet1.xml", "styles.xml"))
    assert "<f>" not in sheet
    assert "<v>" not in sheet, "long numbers would lose digits"
    protected = re.findall(r'<c r="A(\d+)" s="1"', sheet)
    assert protected == [str(row) for row in range(2, len(FORMULAS) + 2)]
    assert styles.count('quotePrefix="1"') == 1


def test_a_column_may_not_be_called_a_formula_either():
    assert table_of(["x"], "csv", "=1+1").decode("utf-8-sig") == "'=1+1\nx\n"
    with zipfile.ZipFile(io.BytesIO(table_of(["x"], "xlsx", "=1+1"))) as book:
        assert '<c r="A1" s="1"' in book.read("xl/worksheets/sheet1.xml").decode()


def test_nothing_in_a_csv_moves_a_terminal():
    found = table_of(["a\x1b[2Jb\x9b1mc\x07", "two\nlines"], "csv").decode("utf-8-sig")
    assert found == 'value\na[2Jb1mc\n"two\nlines"\n'


def test_ndjson_escapes_what_moves_a_terminal_and_loses_nothing():
    text = "a\x1b[2Jb\x9b1mc\x7f中"
    found = table_of([text], "ndjson").decode()
    assert not set(found) & set("\x1b\x9b\x7f")
    assert json.loads(found) == {"value": text}
