"""Finding the phone column: by its name in Chinese or English, else by what is in it, never by luck."""

from __future__ import annotations

import pytest

from dispatcher.errors import InputError
from dispatcher.i18n import language_is
from producers.lists.phone_column import DELIMITERS, NO_DELIMITER, find_column, headers_of, sniff_delimiter, split_rows

A, B, C = "13800138000", "13900139000", "13700137000"


def found(rows, wanted=None, **known):
    column = find_column(rows, wanted, label="list.csv", **known)
    return column.index, column.header


CHINESE = "手机 手机号 手机号码 电话 电话号码 号码 联系电话 联系方式 移动电话 客户手机号(必填)"
ENGLISH = "phone PhoneNumber mobile MOBILE_NO msisdn tel Tel. cell number telephone phone1"


@pytest.mark.parametrize("header", [*CHINESE.split(), *ENGLISH.split(), "phone number", "Mobile No."])
def test_a_header_says_which_column_it_is(header):
    assert found([["id", header, "city"], ["1", A, "x"], ["2", B, "y"]]) == (1, True)


def test_the_surest_header_wins_over_one_to_its_left():
    assert found([["No.", "联系电话", "手机号"], [A, B, C]]) == (2, True)


TWO_ROWS = [
    ("merged cells", [["姓名", "联系方式", ""], ["", "手机号", "邮箱"]], ("姓名", "手机号", "邮箱")),
    ("two languages", [["Name", "Mobile", "Mail"], ["姓名", "手机号", "邮箱"]], ("姓名", "手机号", "邮箱")),
    ("a title above", [["May", "", ""], ["姓名", "手机号", ""]], ("姓名", "手机号", "")),
]


@pytest.mark.parametrize(("header", "names"), [each[1:] for each in TWO_ROWS], ids=[each[0] for each in TWO_ROWS])
def test_a_header_of_two_rows_is_no_row_of_the_list_and_names_every_column(header, names):
    rows = [*header, ["Ann", A, "a@b.c"], ["Bob", B, ""]]
    column = find_column(rows, None, label="list.csv")
    assert (column.index, column.header_at, headers_of(rows, column)) == (1, 1, names)


def test_a_row_without_a_number_is_no_second_row_of_the_header():
    rows = [["姓名", "手机号"], ["Ann", "手机号不详"], ["Bob", B]]
    assert find_column(rows, None, label="list.csv").header_at == 0


def test_numbers_abroad_are_shown_as_they_are_written():
    column = find_column([["phone"], ["+44 7700 900123"], [A]], None, label="list.csv")
    assert column.samples == ("447****0123", "138****8000")


def test_a_header_over_no_numbers_is_not_believed():
    assert found([["number", "contact"], ["1", A], ["2", B]]) == (1, True)


def test_without_a_header_the_content_says_which_column_it_is():
    assert found([["1", "x", A], ["2", "y", B], ["3", "z", "n/a"]]) == (2, False)


def test_an_unknown_header_is_known_by_having_no_digits():
    assert found([["id", "contact"], ["1", A], ["2", B]]) == (1, True)


def test_a_damaged_first_number_is_a_row_not_a_header():
    assert found([["1380013800"], [A], [B]]) == (0, False)


def test_a_single_column_needs_no_numbers_to_be_found():
    assert found([["n/a 1"], ["x"]]) == (0, False)


def test_a_list_of_nothing_but_a_header_has_its_column():
    assert found([["name", "手机"]]) == (1, True)


def test_a_column_can_be_asked_for_by_name_or_number():
    rows = [["id", "a", "b", "7"], ["1", A, B, C], ["2", A, B, C]]
    assert found(rows, "B") == (2, True)
    assert found(rows, "3") == (2, True)
    assert found(rows, 2) == (1, True)
    assert found(rows, "7") == (3, True), "a name wins over a number"
    assert found([["1", A], ["2", B]], 2) == (1, False)


def test_short_rows_are_no_trouble():
    assert found([[], ["1", A], ["2"], ["3", B]], None) == (1, False)


def test_a_table_with_named_columns_has_no_header_row():
    assert found([["x", "phone"], ["1", A]], named=True) == (1, True)
    assert found([["x", "13800138000"], ["1", A], ["2", "3"]], named=True)[0] == 1


@pytest.mark.parametrize(
    ("rows", "wanted", "sentence"),
    [
        ([], None, "is empty"),
        ([["", " "], [""]], None, "is empty"),
        ([["a", "b"], [A, B]], None, r"columns 1 \(\"a\"\), 2 \(\"b\"\) all look like phone numbers"),
        ([["a", "b"], ["x", "y"]], None, r"no column looks like phone numbers \(columns: \"a\", \"b\"\)"),
        ([["a", "b"], [A, "y"]], "c", r'no column "c". It has: "a", "b"'),
        ([["a", "b"], [A, "y"]], "3", "has no column 3: it has 2"),
        ([["a", "b"], [A, "y"]], 0, "has no column 0"),
    ],
)
def test_what_cannot_be_found_is_asked_for_in_one_sentence(rows, wanted, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        found(rows, wanted)
    assert str(caught.value).startswith("list.csv")


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        ([f"1,x,{A}", f"2,y,{B}"], ","),
        ([f"1;x,z;{A}", f"2;y;{B}"], ";"),
        ([f"1\tx\t{A}", f"2\ty\t{B}"], "\t"),
        ([f"1|x|{A}", f"2|y|{B}"], "|"),
        ([A, B], NO_DELIMITER),
        ([A, "n/a, see remarks", B, C], NO_DELIMITER),
        (["138 0013 8000", "139-0013-9000"], NO_DELIMITER),
        (['"a,b",1', '"c,d,e",2'], ","),
        ([], NO_DELIMITER),
    ],
)
def test_the_delimiter_is_what_divides_most_lines_alike(lines, delimiter):
    assert sniff_delimiter({each: split_rows(lines, each) for each in DELIMITERS}) == delimiter


def test_the_delimiter_is_one_that_gives_the_column_that_is_asked_for():
    lines = ["name,Phone", f"a;b;{A}", f"c;d;{B}", f"e;f;{C}"]
    divided = {each: split_rows(lines, each) for each in DELIMITERS}
    assert sniff_delimiter(divided) == ";"
    assert sniff_delimiter(divided, "phone") == ","
    assert sniff_delimiter(divided, "mobile") == sniff_delimiter(divided, 2) == ";"


def test_every_part_of_what_is_wrong_is_in_the_language_of_the_reader_and_its_str_in_english():
    rows = [["姓名", "手机号", "手机号"], ["Ann", A, B]]
    damaged = [["姓名", "手机号"], ["Ann", "1.38E+10"], ["Bob", "1.39E+10"]]
    with language_is("zh"):
        with pytest.raises(InputError) as twice:
            find_column(rows, None, label="list.csv")
        with pytest.raises(InputError) as cut:
            find_column(damaged, None, label="list.csv")
        assert "columns are called" in str(twice.value)
        assert "scientific notation" in str(cut.value)
        assert twice.value.said() == "list.csv：有 2 列名为“手机号”。请用列号指明：--column 2 或 --column 3。"
        assert cut.value.said().startswith("list.csv：“手机号”（第 2 列）按名称是手机号列，但保存时用了科学计数法：")
        assert cut.value.said().endswith("或用 --column 指定其他列。")


def test_rows_that_a_csv_reader_refuses_are_still_split():
    assert split_rows(["a,b"], ",") == [["a", "b"]]
    huge = "x" * 200_000
    assert split_rows([f"{huge},b"], ",") == [[huge, "b"]]
