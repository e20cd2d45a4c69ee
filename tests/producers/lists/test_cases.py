"""Lists that people really have, and what each must come out as. The files are in cases/; nobody's numbers are in them.

Each row: a file, what the user says of it, and what is read: the phone column, the line of the header, the numbers, and
the values of every column. Where it must be refused: what the sentence says.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import InputError
from producers.lists.columns import Choice
from producers.lists.files import open_file
from producers.lists.normalise import normalise
from producers.lists.opening import Opened
from producers.lists.reader.blocks import Reading

CASES = Path(__file__).parent / "cases"
A, B, C, D, E = range(13910000001, 13910000006)
OLD = 13930000001


def read(name: str, **said: Any) -> dict[str, Any]:
    with io.BufferedReader(io.FileIO(CASES / name)) as stream:
        found = open_file(stream, name, Choice(**said))
        assert found.column is not None
        numbers: list[int] = []
        rows: list[tuple[Any, ...]] = []
        lines: list[int] = []
        for table in found.tables(range(len(found.headers))):
            numbers += normalise(table.frame.to_series()).numbers.tolist()
            rows += [row[1:] for row in table.frame.rows()]
            count = table.frame.height
            lines += table.lines.tolist() if table.lines is not None else range(table.first, table.first + count)
    return {
        "column": found.column.index + 1,
        "header": found.header_line,
        "numbers": numbers,
        "rows": rows,
        "lines": lines,
        "others": len(found.column.others),
        "samples": list(found.column.samples),
        "hidden": found.hidden_rows,
        "notes": " ".join(found.notes),
        "headers": found.headers,
    }


MASKED = ["139****0001", "139****0002"]
ONLY = 'only sheet "名单" is read, not "{}"{}; choose with --sheet'
BROKEN_HEADERS = ("姓名 (必填)", "手机号 (必填)")
TAKEN_FOR_HEADER = 'line 1, "abc" (column 1), is taken for the header; --header-row 0 reads it as a row of the list'
TITLES = "2 rows above the header on line 3 not read"
SURPLUS = (
    "2 rows with more cells than the header, first on line 2: what divides columns stands inside a value and moves "
    "the cells behind"
)

READ: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("01-empty-left-column.xlsx", {}, {"column": 3, "numbers": [A, B], "others": 1, "samples": MASKED}),
    ("01-empty-left-column.xlsx", {"column": "手机号"}, {"column": 3, "numbers": [A, B]}),
    ("01-empty-left-column.xlsx", {"column": 3}, {"column": 3, "numbers": [A, B]}),
    ("01-empty-left-column.xlsx", {"column": "2"}, {"column": 2, "numbers": [OLD, OLD + 1]}),
    ("01-empty-left-column.xlsx", {}, {"rows": [(None, str(OLD), str(A), "Ann"), (None, str(OLD + 1), str(B), "Bob")]}),
    ("01-empty-left-column-one-column.xlsx", {}, {"column": 2, "numbers": [A], "header": 1}),
    ("01-empty-left-column-two-columns.xlsx", {}, {"column": 3, "numbers": [A], "rows": [(None, "Ann", str(A))]}),
    ("02-two-phone-columns.csv", {}, {"column": 3, "numbers": [A, B], "others": 1}),
    ("02-two-columns-one-name.csv", {"column": "1"}, {"column": 1, "numbers": [A, B]}),
    ("02-two-columns-one-name.csv", {"column": 3}, {"column": 3, "numbers": [OLD, OLD + 1]}),
    ("02-named-column-damaged.csv", {"column": "积分"}, {"column": 3, "numbers": [13912345678, 13900000000]}),
    ("03-with-decimals.csv", {}, {"numbers": [A, B]}),
    ("03-with-separators.csv", {}, {"numbers": [A, B]}),
    ("04-digit-in-header.csv", {}, {"column": 1, "header": 1, "numbers": [A, B], "headers": ("联系人1", "姓名")}),
    ("04-sep-line.csv", {}, {"column": 2, "header": 2, "numbers": [A, B], "lines": [3, 4]}),
    ("04-title-row.xlsx", {}, {"column": 2, "header": 2, "numbers": [A, B], "headers": ("姓名", "手机号", "订单号")}),
    ("04-title-row.xlsx", {"header_row": 2}, {"header": 2, "numbers": [A, B]}),
    ("05-first-sheet-empty.xlsx", {}, {"numbers": [A], "notes": ONLY.format("说明", "")}),
    ("05-first-sheet-hidden.xlsx", {}, {"numbers": [A], "notes": ONLY.format("去年", " (hidden)")}),
    ("05-first-sheet-hidden.xlsx", {"sheet": "去年"}, {"numbers": [OLD]}),
    ("05-first-sheet-hidden.xlsx", {"sheet": 1}, {"numbers": [OLD]}),
    ("05-first-sheet-hidden.xlsx", {"sheet": "2"}, {"numbers": [A]}),
    ("05-first-sheet-instructions.xlsx", {}, {"numbers": [A]}),
    ("06-rows-hidden-by-a-filter.xlsx", {}, {"numbers": [A, B, C], "hidden": 1}),
    ("06-rows-hidden-by-a-filter.xlsx", {"hidden_rows": "include"}, {"numbers": [A, B, C], "hidden": 1}),
    ("06-rows-hidden-by-a-filter.xlsx", {"hidden_rows": "skip"}, {"numbers": [A, C], "hidden": 1, "lines": [2, 4]}),
    ("07-break-in-header.csv", {}, {"headers": BROKEN_HEADERS, "rows": [("Ann Lee", str(A))], "numbers": [A]}),
    ("07-break-in-header.xlsx", {}, {"headers": BROKEN_HEADERS, "rows": [("Ann Lee", str(A))], "numbers": [A]}),
    ("08-protected-values.csv", {}, {"rows": [(str(A), "0012", "0013")]}),
    ("08-values-as-seen.xlsx", {}, {"rows": [(str(A), "14:30", "85%", "¥1,299.50", "000042", "202605010000123")]}),
    ("09-mac-last-lf.csv", {}, {"numbers": [A, B], "rows": [("Ann", str(A)), ("Bob", str(B))]}),
    ("09-mac-with-break.csv", {}, {"numbers": [A, B], "rows": [("Ann Lee", str(A)), ("Bob", str(B))], "lines": [2, 4]}),
    ("10-row-number.csv", {}, {"numbers": [A, 0], "lines": [2, 3]}),
    ("12-numbers-in-one-line.txt", {}, {"numbers": [A, B, C], "lines": [1, 1, 1]}),
    ("12-numbers-in-one-line-chinese-comma.txt", {}, {"numbers": [A, B, C], "lines": [1, 1, 1]}),
    ("13-invisible-in-header.csv", {}, {"headers": ("姓名", "手机号"), "numbers": [A]}),
    ("13-invisible-marks.csv", {}, {"numbers": [A, B, C, D, E]}),
    ("14-list.csv", {}, {"numbers": [A]}),
    ("15-error-values.csv", {}, {"numbers": [A, B, C]}),
    ("16-column-hidden.xlsx", {"column": "手机号"}, {"column": 1, "numbers": [A, B]}),
    ("17-text-beside.csv", {"column": 1}, {"numbers": [A, 0, 0, 0, 0]}),
    ("18-junk-first.txt", {}, {"column": 1, "header": 1, "numbers": [0, A, B], "notes": TAKEN_FOR_HEADER}),
    ("18-junk-first.txt", {"header_row": 0}, {"column": 1, "header": None, "numbers": [0, 0, A, B], "notes": ""}),
    ("18-junk-second.txt", {}, {"header": None, "numbers": [0, 0, A, B], "lines": [1, 2, 3, 4], "notes": ""}),
    ("19-surplus-cells.csv", {}, {"numbers": [A, B, C], "notes": SURPLUS}),
    ("20-two-titles.csv", {}, {"header": 3, "numbers": [A], "lines": [4], "notes": TITLES}),
    ("21-utf-32.txt", {}, {"numbers": [A, B], "lines": [1, 2]}),
    ("21-utf-16-big-unmarked.csv", {}, {"numbers": [A, B], "rows": [(str(A), "张三"), (str(B), "李四")]}),
    ("22-quote-never-closed.csv", {}, {"numbers": [A, B, C], "lines": [2, 3, 4]}),
    ("23-sql-values.txt", {}, {"numbers": [A, B]}),
    ("24-merged-titles.xlsx", {}, {"column": 3, "header": 3, "numbers": [A, B], "lines": [4, 5]}),
    ("25-formulas.xlsx", {}, {"numbers": [A, B, 0], "rows": [(str(A), "Ann"), (str(B), "5"), ("#N/A", None)]}),
    ("26-two-row-header.xlsx", {}, {"header": 2, "numbers": [A], "lines": [3]}),
    ("27-fixed-lines-beside.csv", {}, {"column": 2, "numbers": [A, B]}),
    ("28-order-numbers-like-mobiles.csv", {}, {"column": 2, "numbers": [A, B], "others": 1}),
    ("32-full-width-comma.csv", {}, {"numbers": [A, B], "rows": [(str(A), "Lee, Ann"), (str(B), "李四")]}),
    ("32-full-width-comma.csv", {"column": "手机号"}, {"column": 1, "numbers": [A, B]}),
    ("29-prefixes.csv", {}, {"numbers": [A, B, C, D, E]}),
]  # fmt: skip

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("02-named-column-damaged.csv", {}, '"手机号" (column 2) names the phone numbers, but it was saved in scientific'),
    ("02-named-column-damaged.csv", {}, 'Only if another column is meant (3 ("积分")), say so with --column.'),
    (
        "02-two-columns-one-name.csv",
        {},
        '2 columns are called "手机号". Say which by its number: --column 1 or --column 3.',
    ),
    ("02-two-columns-one-name.csv", {"column": "手机号"}, "Say which by its number: --column 1 or --column 3."),
    ("03-all-scientific.csv", {}, "format the column as text and save the list again"),
    (
        "05-first-sheet-hidden.xlsx",
        {"sheet": "x"},
        'Its sheets are: 1 "去年" (hidden), 2 "名单". Say which with --sheet',
    ),
    ("05-first-sheet-empty.xlsx", {"sheet": 1}, 'sheet "说明" is empty'),
    ("11-list-column.parquet", {}, "column phone holds no text and no numbers (List(String)). Write it as text."),
    ("14-list.csv", {"sheet": 1}, "has no sheets"),
    ("16-column-hidden.xlsx", {}, '"手机号" (column 1) names the phone numbers, but the column is hidden in the sheet'),
    ("17-text-beside-all.csv", {}, "other text beside the number: leave only the number in its cell"),
    ("30-quoted-in-one-line.txt", {}, "put each number on a line of its own"),
    ("31-moved-numbers.csv", {}, "there are phone numbers behind the last column with a header (column 3)"),
    ("14-list.csv", {"header_row": 7}, "no row begins on line 7"),
]


@pytest.mark.parametrize(("name", "said", "expected"), READ, ids=[f"{row[0]}-{row[1]}" for row in READ])
def test_a_list_is_read_as_people_see_it(name, said, expected):
    found = read(name, **said)
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(("name", "said", "words"), REFUSED, ids=[f"{row[0]}-{row[1]}" for row in REFUSED])
def test_what_is_not_clear_is_asked_for_in_one_sentence(name, said, words):
    with pytest.raises(InputError) as caught:
        read(name, **said)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "said", "expected"), READ, ids=[f"{row[0]}-{row[1]}" for row in READ])
def test_the_process_that_reads_files_gives_the_same(name, said, expected):
    with Opened(CASES / name, Reading(choice=Choice(**said))) as opened:
        parts = opened.list.parts()
        assert isinstance(parts, Iterator)
        numbers = [number for part in parts for number in part.block.numbers.tolist()]
        assert opened.list.header_line == expected.get("header", opened.list.header_line)
        assert opened.list.hidden_rows == expected.get("hidden", opened.list.hidden_rows)
    assert numbers == expected.get("numbers", numbers)


def test_every_file_of_the_cases_is_tried():
    tried = {row[0] for row in READ} | {row[0] for row in REFUSED} | {"11-duration-value.parquet"}
    assert tried == {path.name for path in CASES.iterdir()}
