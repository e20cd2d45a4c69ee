"""Spreadsheets, Parquet files and tables in memory."""

from __future__ import annotations

import datetime
import io

import openpyxl  # type: ignore[import-untyped]  # it has no types
import polars as pl
import pytest

from dispatcher.errors import InputError
from producers.lists import tables as source_tables
from producers.lists.columns import Choice
from producers.lists.normalise import normalise
from producers.lists.tables import TableList, read_parquet
from producers.lists.xlsx.sheet_list import SheetList

A, B, C = 13800138000, 13900139000, 13700137000


def numbers_of(source):
    return [number for table in source.tables([]) for number in normalise(table.frame.to_series()).numbers.tolist()]


def opened(path, column=None):
    return SheetList(io.BytesIO(path.read_bytes()), "list.xlsx", Choice(column=column))


@pytest.fixture
def sheet(tmp_path):
    def write(*rows, others=()):
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        for name in others:
            book.create_sheet(name)
        path = tmp_path / "list.xlsx"
        book.save(path)
        return path

    return write


def test_cells_of_a_spreadsheet_may_be_numbers_or_text(sheet):
    path = sheet(
        ["姓名", "手机"], ["x", A], ["y", "139 0013 9000"], ["z", None], ["v", float(C)], ["w", 1.5], ["u", "n/a"]
    )
    source = opened(path)
    assert numbers_of(source) == [A, B, 0, C, 0, 0]
    assert source.column.name == '"手机" (column 2)'


def test_dates_and_truth_values_are_cells_like_any_other(sheet):
    path = sheet(
        ["when", "ok", "phone"], [datetime.date(2025, 5, 1), True, A], [datetime.datetime(2025, 5, 1), False, B]
    )
    assert numbers_of(opened(path)) == [A, B]


def test_a_spreadsheet_without_a_header_is_judged_by_its_content(sheet):
    source = opened(sheet(["x", A], ["y", B]))
    assert numbers_of(source) == [A, B]


def test_blank_rows_inside_a_spreadsheet_keep_the_row_numbers(sheet):
    assert numbers_of(opened(sheet(["phone"], [A], [], [B]))) == [A, 0, B]


def test_other_sheets_are_mentioned(sheet):
    source = opened(sheet(["phone"], [A], others=["May", "June"]))
    assert source.notes == ('only sheet "Sheet" is read, not "May", "June"; choose with --sheet',)


def test_an_asked_for_column_of_a_spreadsheet_is_taken(sheet):
    path = sheet(["a", "b"], [A, B], [B, C])
    assert numbers_of(opened(path, "b")) == [B, C]
    with pytest.raises(InputError, match='no column "c"'):
        opened(path, "c")


@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda _: b"PK\x03\x04 and no more"])
def test_a_broken_spreadsheet_is_one_sentence(sheet, damage):
    path = sheet(["phone"], [A])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="list.xlsx is not a readable workbook") as caught:
        opened(path)
    assert "\n" not in str(caught.value)


def test_an_empty_spreadsheet_is_refused(sheet):
    with pytest.raises(InputError, match="is empty"):
        opened(sheet())


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (pl.Int64, [A, B, C]),
        (pl.UInt64, [A, B, C]),
        (pl.Float64, [A, B, C]),
        (pl.String, [str(A), f"+86{B}", str(C)]),
        (pl.Categorical, [str(A), str(B), str(C)]),
        (pl.Int64, [A, 8600000000000 + B, C]),
    ],
)
def test_a_parquet_column_of_any_type_is_read_slice_by_slice(tmp_path, monkeypatch, dtype, values):
    monkeypatch.setattr(source_tables, "ROWS", 2)
    path = tmp_path / "list.parquet"
    pl.DataFrame({"id": [1, 2, 3], "mobile": pl.Series(values, dtype=dtype)}).write_parquet(path)
    source = read_parquet(path, "list.parquet", Choice())
    assert numbers_of(source) == [A, B, C]
    assert source.column.name == '"mobile" (column 2)'


def test_missing_and_odd_values_of_a_parquet_column_are_rows_too(tmp_path):
    path = tmp_path / "list.parquet"
    pl.DataFrame({"mobile": [float(A), None, 1.5, float("nan"), 1e300]}).write_parquet(path)
    assert numbers_of(read_parquet(path, "list.parquet", Choice())) == [A, 0, 0, 0, 0]


def test_a_broken_parquet_file_is_one_sentence(tmp_path):
    path = tmp_path / "list.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="list.parquet cannot be read as Parquet"):
        read_parquet(path, "list.parquet", Choice())


def test_a_parquet_file_without_rows_is_refused(tmp_path):
    path = tmp_path / "list.parquet"
    pl.DataFrame({"mobile": pl.Series([], dtype=pl.Int64)}).write_parquet(path)
    with pytest.raises(InputError, match="is empty"):
        read_parquet(path, "list.parquet", Choice())


def test_a_parquet_file_without_a_phone_column_is_refused(tmp_path):
    path = tmp_path / "list.parquet"
    pl.DataFrame({"a": [1], "b": ["x"]}).write_parquet(path)
    with pytest.raises(InputError, match="no column looks like phone numbers"):
        read_parquet(path, "list.parquet", Choice())


def test_a_table_in_memory_is_a_list_too():
    assert numbers_of(TableList(pl.LazyFrame({"x": [1, 2], "手机": [A, B]}), "the table", Choice())) == [A, B]
