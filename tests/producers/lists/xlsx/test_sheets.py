"""Sheets as different programs write them, well and badly: the same cells come out, or one sentence."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import pytest
import xlsxwriter

from dispatcher.errors import EmptyInput, InputError
from producers.lists.columns import Choice
from producers.lists.xlsx.cells import column_of, letters_of
from producers.lists.xlsx.sheet_list import SheetList
from producers.lists.xlsx.workbook import Damaged, parsed

A, B, C = "13910000001", "13910000002", "13910000003"

TYPES = '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://x/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)
BOOK = (
    '<?xml version="1.0"?><workbook xmlns:r="http://x/r"><workbookPr/><sheets><sheet name="S" sheetId="1" r:id="r1"/>'
    "</sheets></workbook>"
)
BOOK_RELATIONS = (
    '<?xml version="1.0"?><Relationships><Relationship Id="r1" Type="http://x/worksheet" Target="worksheets/s.xml"/>'
    '<Relationship Id="r2" Type="http://x/sharedStrings" Target="/xl/strings.xml"/>'
    '<Relationship Id="r3" Type="http://x/styles" Target="styles.xml"/></Relationships>'
)
STYLES = '<?xml version="1.0"?><styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="9"/></cellXfs></styleSheet>'
STR = ' t="str"'
INLINE = 't="inlineStr"><is>'


def cell(place: str, text: object, attributes: str = "") -> str:
    return f'<c r="{place}"{attributes}><v>{text}</v></c>'


def row(number: int, *cells: str, attributes: str = "") -> str:
    return f'<row r="{number}"{attributes}>{"".join(cells)}</row>'


HEADER = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>手机号</t></is></c><c r="B1" t="inlineStr"><is><t>x</t></is></c></row>'
)


def packed(**parts: str | bytes) -> io.BytesIO:
    """A workbook of these parts; `sheet`, `strings`, `styles`, `book`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("_rels/.rels", RELATIONS)
        archive.writestr("xl/workbook.xml", parts.get("book", BOOK))
        archive.writestr("xl/_rels/workbook.xml.rels", BOOK_RELATIONS)
        archive.writestr("xl/styles.xml", parts.get("styles", STYLES))
        if "strings" in parts:
            archive.writestr("xl/strings.xml", parts["strings"])
        archive.writestr("xl/worksheets/s.xml", parts["sheet"])
    return file


def sheet(rows: str, before: str = "", after: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<worksheet>{before}<sheetData>{rows}</sheetData>{after}</worksheet>'
    )


def read(file: io.BytesIO, **said: Any) -> list[tuple[Any, ...]]:
    """The rows: the phone column and the second column."""
    found = SheetList(file, "list.xlsx", Choice(**said))
    return [each for table in found.tables([1]) for each in table.frame.rows()]


ROW = f'<row r="2"><c r="A2"><v>{A}</v></c><c r="B2" t="str"><v>Ann</v></c></row>'
FONTS = INLINE + "<r><t>An</t></r><r><t>n</t></r></is>"
HINTS = INLINE + '<t>Ann</t><rPh sb="0" eb="1"><t>x</t></rPh></is>'
ANN = 't="str"><v>Ann</v>'
WRITTEN = [
    ("numbers and formula texts", ROW),
    ("attributes in another order", f'<row r="2"><c t="n" r="A2"><v>{A}</v></c><c t="str" r="B2"><v>Ann</v></c></row>'),
    ("single quotes", ROW.replace('"', "'")),
    ("blanks and line breaks between tags", ROW.replace("><", ">\n  <")),
    ("without places", f'<row><c><v>{A}</v></c><c t="str"><v>Ann</v></c></row>'),
    ("a formula with its result", ROW.replace("<v>Ann", "<f>UPPER(&quot;a&quot;)</f><v>Ann")),
    ("a shared formula", ROW.replace("<v>Ann", '<f t="shared" si="0"/><v>Ann')),
    ("an inline text with fonts", ROW.replace(ANN, FONTS)),
    ("phonetic hints", ROW.replace(ANN, HINTS)),
    ("a comment", "<!-- x -->" + ROW),
    ("a CDATA section", ROW.replace("Ann", "<![CDATA[Ann]]>")),
    ("character references", ROW.replace("Ann", "&#65;nn")),
    ("an exponent", ROW.replace(A, "1.3910000001E10")),
    ("empty cells behind", ROW.replace("</row>", '<c r="C2" s="1"/><c r="D2"></c></row>')),
    ("attributes nobody knows", ROW.replace('r="A2"', 'r="A2" cm="1" vm="2"')),
]


@pytest.mark.parametrize("rows", [row[1] for row in WRITTEN], ids=[row[0] for row in WRITTEN])
def test_sheets_of_different_writers_have_the_same_cells(rows):
    assert read(packed(sheet=sheet(HEADER + rows))) == [(A, "Ann")]


def test_a_cell_that_holds_nothing_is_no_value():
    assert read(packed(sheet=sheet(HEADER + ROW.replace("<v>Ann</v>", "<v></v>")))) == [(A, None)]
    assert read(packed(sheet=sheet(HEADER + ROW.replace(' t="str"><v>Ann</v></c>', ' s="1"/>')))) == [(A, None)]


def test_prefixes_of_names_do_not_matter():
    prefixed = sheet(HEADER + ROW).replace("<", "<x:").replace("<x:/", "</x:").replace("<x:?", "<?")
    prefixed = prefixed.replace("<x:worksheet", '<x:worksheet xmlns:x="http://x"')
    assert read(packed(sheet=prefixed)) == [(A, "Ann")]


def test_texts_are_shared_with_and_without_fonts():
    strings = (
        '<?xml version="1.0"?><sst count="9" uniqueCount="9"><si><t>手机号</t></si>'
        '<si><t xml:space="preserve"> A&amp;B </t></si>'
        "<si><r><rPr/><t>An</t></r><r><t>n</t></r><rPh><t>no</t></rPh></si><si/><si><t/></si>"
        "<si><t>_x0041__x005F_x</t></si></sst>"
    )
    rows = "".join(
        f'<row r="{at + 2}"><c r="A{at + 2}"><v>{int(A) + at}</v></c><c r="B{at + 2}" t="s"><v>{at + 1}</v></c></row>'
        for at in range(5)
    )
    expected = [" A&B ", "Ann", None, None, "A_x"]
    for text in (strings, strings.replace("<si>", "<!-- --><si>", 1)):
        found = read(packed(sheet=sheet(f'<row r="1"><c r="A1" t="s"><v>0</v></c></row>{rows}'), strings=text))
        assert [value for _, value in found] == expected


def test_rows_and_columns_count_from_the_corner_of_the_sheet():
    rows = f'<row r="4"><c r="C4" t="str"><v>手机</v></c></row><row r="7"><c r="C7"><v>{A}</v></c></row>'
    found = SheetList(packed(sheet=sheet(rows)), "list.xlsx", Choice())
    tables = list(found.tables([]))
    assert (found.header_line, found.column.index) == (4, 2)
    assert [(table.first, table.frame.height) for table in tables] == [(5, 3)]
    assert tables[0].frame.to_series().to_list() == [None, None, A]


def test_rows_that_are_not_shown_are_counted_and_left_out_on_demand():
    unseen = ' hidden="1"'
    hidden = row(3, cell("A3", B), attributes=unseen) + row(4, attributes=unseen) + row(5, cell("A5", C))
    file = packed(sheet=sheet(HEADER + ROW + hidden))
    assert [each[0] for each in read(file)] == [A, B, None, C]
    found = SheetList(file, "list.xlsx", Choice(hidden_rows="skip"))
    (table,) = found.tables([])
    assert table.frame.to_series().to_list() == [A, C]
    assert table.lines is not None
    assert (table.lines.tolist(), found.hidden_rows) == ([2, 5], 1)


def test_a_hidden_column_is_taken_only_if_it_is_asked_for():
    rows = row(1, cell("A1", "手机号", STR), cell("B1", "联系人", STR)) + row(2, cell("A2", A), cell("B2", B))
    file = packed(sheet=sheet(rows, before='<cols><col min="1" max="1" hidden="1"/></cols>'))
    assert [each[0] for each in read(file)] == [B]
    assert [each[0] for each in read(file, column="手机号")] == [A]


DAMAGED = [
    ("two cells far apart", HEADER + ROW + '<row r="99999999"><c r="A99999999"><v>1</v></c></row>'),
    ("a row beyond the end", HEADER + ROW + '<row r="2000000"><c r="A2000000"><v>1</v></c></row>'),
    ("a column beyond the end", HEADER + ROW + '<row r="3"><c r="ZZZ3"><v>1</v></c></row>'),
    ("a cell that is there twice", HEADER + ROW + ROW),
    ("rows out of order", HEADER + f'<row r="3"><c r="A3"><v>{B}</v></c></row>' + ROW),
    ("a text that is not there", HEADER + ROW.replace('t="str"><v>Ann', 't="s"><v>7')),
    ("a place that is none", HEADER + ROW.replace('r="B2"', 'r="2B"')),
    ("an open tag", HEADER + ROW + "<row"),
    ("a declaration", '<!DOCTYPE x [<!ENTITY e "x">]>' + HEADER + ROW),
]


@pytest.mark.parametrize("rows", [row[1] for row in DAMAGED], ids=[row[0] for row in DAMAGED])
def test_a_damaged_sheet_is_one_sentence(rows):
    with pytest.raises(InputError, match="list.xlsx is not a readable workbook") as caught:
        read(packed(sheet=sheet(rows)))
    assert "\n" not in str(caught.value)


def test_a_document_type_is_refused_before_it_is_read():
    entities = '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">'
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [{entities}]><worksheet>&b;</worksheet>'
    for part in ("sheet", "strings", "styles", "book"):
        parts = {"sheet": sheet(HEADER + ROW.replace('t="str"><v>Ann', 't="s"><v>0')), part: bomb}
        with pytest.raises(InputError, match="document type"):
            read(packed(**parts))


def test_what_a_part_says_of_its_size_is_not_believed():
    strings = f'<?xml version="1.0"?><sst count="4000000000" uniqueCount="4000000000"><si><t>{A}</t></si></sst>'
    rows = HEADER + '<row r="2"><c r="A2" t="s"><v>0</v></c></row>'
    assert read(packed(sheet=sheet(rows, before='<dimension ref="A1:XFD1048576"/>'), strings=strings)) == [(A, None)]


def test_two_cells_far_apart_cost_no_more_than_their_rows():
    rows = HEADER + ROW + f'<row r="1048576"><c r="A1048576"><v>{B}</v></c><c r="XFD1048576"><v>1</v></c></row>'
    found = read(packed(sheet=sheet(rows)))
    assert len(found) == 1_048_575
    assert (found[0][0], found[-1][0]) == (A, B)


def test_what_a_part_says_of_its_own_size_is_not_believed():
    strings = '<?xml version="1.0"?><sst count="4000000000" uniqueCount="4000000000"><si><t>Ann</t></si></sst>'
    rows = HEADER + ROW.replace('t="str"><v>Ann', 't="s"><v>0')
    size = '<dimension ref="A1:XFD1048576"/>'
    assert read(packed(sheet=sheet(rows, before=size), strings=strings)) == [(A, "Ann")]


def test_blank_rows_at_the_end_are_no_rows():
    rows = HEADER + ROW + '<row r="900000"><c r="A900000" s="1"/></row>'
    assert len(read(packed(sheet=sheet(rows)))) == 1


def test_a_format_that_is_not_followed_and_a_formula_without_a_result_are_noted():
    styles = '<?xml version="1.0"?><styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="12"/></cellXfs></styleSheet>'
    rows = (
        HEADER
        + ROW.replace('t="str"><v>Ann</v>', 's="1"><v>0.5</v>')
        + f'<row r="3"><c r="A3"><v>{B}</v></c><c r="B3"><f>A1</f></c></row>'
    )
    found = SheetList(packed(sheet=sheet(rows), styles=styles), "list.xlsx", Choice())
    assert [row for table in found.tables([1]) for row in table.frame.rows()] == [(A, "0.5"), (B, None)]
    notes = " ".join(found.notes)
    assert 'the format "# ?/?" is not followed: 0.5 is sent as "0.5"' in notes
    assert "1 formula has no result in the file" in notes


def book(**sheets: Sequence[Sequence[object]]) -> io.BytesIO:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as made:
        for name, rows in sheets.items():
            page = made.add_worksheet(name.removeprefix("hidden_"))
            for at, row in enumerate(rows):
                page.write_row(at, 0, row)
            if name.startswith("hidden_"):
                page.hide()
        next(page for page in made.worksheets() if not page.hidden).activate()
    return file


LIST: list[list[object]] = [["手机号"], [int(A)]]


def test_the_one_visible_sheet_with_numbers_is_read():
    assert read(book(notes=[["请填写"], ["谢谢"]], people=LIST, hidden_old=[["手机号"], [int(B)]])) == [(A, None)]


def test_two_sheets_with_numbers_are_asked_about():
    with pytest.raises(InputError, match='sheets "May", "June" all hold phone numbers. Say which with --sheet'):
        read(book(May=LIST, June=LIST))
    assert read(book(May=LIST, June=[["手机号"], [int(B)]]), sheet="june") == [(B, None)]


def test_a_sheet_whose_numbers_are_damaged_is_not_passed_over():
    with pytest.raises(InputError, match=r"scientific.*Its sheets are: 1 \"May\", 2 \"June\""):
        read(book(May=[["姓名", "手机号"], ["Ann", "1.39E+10"]], June=LIST))


def test_a_book_of_hidden_sheets_only_says_what_there_is():
    with pytest.raises(
        InputError, match=r'its visible sheets are empty. Its sheets are: 1 "old" \(hidden\), 2 "new"'
    ) as caught:
        read(book(hidden_old=LIST, new=[]))
    assert not isinstance(caught.value, EmptyInput), "a suppression file must not count as empty"


def test_columns_have_letters():
    for column in (0, 25, 26, 701, 702, 16_383):
        assert column_of(letters_of(column)) == column
    assert [letters_of(column) for column in (0, 25, 26, 702)] == ["A", "Z", "AA", "AAA"]


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "no-such-encoding"])
def test_a_part_in_an_encoding_that_the_parser_cannot_read_is_damaged(encoding: str) -> None:
    part = f'<?xml version="1.0" encoding="{encoding}"?><worksheet/>'.encode()
    with pytest.raises(Damaged, match="its XML is broken"):
        list(parsed(iter([part]), lambda name, attributes: None))
