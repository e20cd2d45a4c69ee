"""Tables as files: a full sheet is continued, formulas stay texts, nothing but a header is a table too."""

from __future__ import annotations

import io

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
    write_table(frames(rows), SCHEMA, out, kind, written=("text",))
    return out.getvalue()


def test_a_full_sheet_is_continued_on_the_next(monkeypatch):
    monkeypatch.setattr(table_files, "SHEET_ROWS_MAX", 4)
    book = fastexcel.read_excel(written("xlsx", 7))
    sheets = [book.load_sheet(name).to_polars() for name in book.sheet_names]
    assert [sheet.columns for sheet in sheets] == [["text", "count"]] * 3
    assert [int(count) for sheet in sheets for count in sheet["count"]] == list(range(7))
    assert [text for sheet in sheets for text in sheet["text"]] == [None, *(f"={number}" for number in range(1, 7))]


@pytest.mark.parametrize(("kind", "expected"), [("csv", b"text,count\n"), ("ndjson", b"")])
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
