"""Text lists in every usual encoding and shape: every line is a row, and none is lost to a quote."""

from __future__ import annotations

import csv
import io
import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dispatcher.errors import InputError
from producers.lists.columns import Choice
from producers.lists.text_file import TextList

A, B, C = "13800138000", "13900139000", "13700137000"


def read(content: bytes, wanted=None, **options):
    """(the column's values, the list)."""
    numbers = TextList(io.BytesIO(content), "list.csv", Choice(column=wanted), **options)
    return [value for table in numbers.tables([]) for value in table.frame.to_series().to_list()], numbers


TABLE = f"姓名,手机号,城市\n张伟,{A},北京\n李娜,{B},上海\n"


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("gbk", "gb18030"),
        ("gb18030", "gb18030"),
        ("utf-16", "utf-16"),
        ("utf-16-le-bom", "utf-16"),
        ("utf-16-be-bom", "utf-16"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_usual_encoding_and_line_end_is_read(encoding, named, ending):
    text = TABLE.replace("\n", ending)
    bom = {"utf-16-le-bom": b"\xff\xfe", "utf-16-be-bom": b"\xfe\xff"}.get(encoding, b"")
    values, numbers = read(bom + text.encode(encoding.removesuffix("-bom")))
    assert [value.strip() for value in values] == [A, B]
    assert (numbers.encoding, numbers.column.name) == (named, '"手机号" (column 2)')


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "utf-16"])
def test_every_usual_delimiter_divides(delimiter, encoding):
    # 镀 is 0xE67C in GBK: its second byte is "|".
    text = TABLE.replace(",", delimiter).replace("张伟", "张镀")
    assert read(text.encode(encoding))[0] == [A, B]


def test_one_number_a_line_needs_no_header():
    assert read(f"{A}\n{B}\n".encode())[0] == [A, B]
    assert read(f"{A}\n{B}".encode())[0] == [A, B], "the last line end may be missing"


def test_blank_lines_are_rows_so_that_row_numbers_are_line_numbers():
    assert read(f"{A}\n\n{B}\n\n".encode())[0] == [A, None, B, None]


def test_gbk_after_megabytes_of_ascii_is_still_gbk():
    text = "name,phone\n" + f"x,{A}\n" * 2000 + f"张伟,{B}手\n" + f"x,{C}\n" * 10
    values, numbers = read(text.encode("gbk"), block_bytes=1024)
    assert values == [A] * 2000 + [f"{B}手"] + [C] * 10
    assert numbers.encoding == "gb18030"


def test_a_broken_character_in_utf8_costs_that_character_only():
    content = ("手机,备注\n" + f"{A},张伟的备注很长很长\n" * 50).encode() + f"{B},x".encode() + b"\xe5\xff\n"
    content += b"139\xff00139000,y\n"
    values, numbers = read(content)
    assert values == [A] * 50 + [B, "139\ufffd00139000"]
    assert numbers.encoding == "utf-8"


def test_full_width_digits_in_gbk_are_kept_as_such():
    assert read("号码\n１３８００１３８０００\n".encode("gbk"))[0] == ["１３８００１３８０００"]


QUOTED = [
    ("a quoted number", f'n,phone\n"x","{A}"\ny,"{B}"\n', [A, B]),
    ("a delimiter inside quotes", f'n,phone\n"x,z",{A}\ny,{B}\n', [A, B]),
    ("a doubled quote", f'n,phone\n"x ""z""",{A}\ny,{B}\n', [A, B]),
    ("a line break inside quotes", f'n,phone\n"x\nz",{A}\ny,{B}\n', [A, B]),
    ("CRLF inside quotes", f'n,phone\r\n"x\r\nz",{A}\r\ny,{B}\r\n', [A, B]),
    ("several line breaks", f'n,phone\n"1\n2\n\n3",{A}\n"4\n5",{B}\n', [A, B]),
    ("a break after a doubled quote", f'n,phone\n"he said ""hi\nyou""",{A}\ny,{B}\n', [A, B]),
    ("an inch", f'n,phone\n5" pipe,{A}\ny,{B}\n', [A, B]),
    ("two inches on two lines", f'n,phone\n5" pipe,{A}\n6" pipe,{B}\nz,{C}\n', [A, B, C]),
    ("a quote that never closes", f'n,phone\n"x,{A}\ny,{B}\n', [A, B]),
    ("a quote that never closes in the first row", f'n,phone\n"x,{A}\n' + f"y,{B}\n" * 600, [A] + [B] * 600),
    ("a quote that closes far away", f'n,phone\n"x,{A}\n' + f"y,{B}\n" * 200 + f'z",{C}\n', [A] + [B] * 200 + [C]),
    ("text after a quote", f'n,phone\n"x"z,{A}\ny,{B}\n', [A, B]),
    ("Excel's way", f'n,phone\nx,="{A}"\ny,="{B}"\n', [f'="{A}"', f'="{B}"']),
    ("short and long rows", f"n,phone\nx\ny,{A},1,2,3\n{C}\n", [None, A, None]),
    ("a header over two lines", f'"na\nme",phone\nx,{A}\n', [A]),
]


@pytest.mark.parametrize(("text", "values"), [row[1:] for row in QUOTED], ids=[row[0] for row in QUOTED])
@pytest.mark.parametrize("block_bytes", [4 << 20, 48])
def test_quotes_end_no_row_and_swallow_none(text, values, block_bytes):
    assert read(text.encode(), "2", block_bytes=block_bytes)[0] == values


cells = st.text(st.sampled_from('ab,;"\n\r é手'), max_size=8)


@settings(max_examples=300)
@example([(";;;;é手", ';;;""""手'), (";;;\né手", ";;;;手")], 40)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=30), st.integers(40, 400))
def test_what_the_csv_module_writes_is_read_back_in_any_block_size(rows, block_bytes):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["name", "phone", "note"])
    for number, (first, last) in enumerate(rows):
        writer.writerow([first, str(13_000_000_000 + number), last])
    values, _ = read(text.getvalue().encode(), "phone", block_bytes=block_bytes + 60)
    assert values == [str(13_000_000_000 + number) for number in range(len(rows))]


@settings(max_examples=300)
@given(st.binary(max_size=300), st.integers(1, 400))
def test_no_bytes_lose_a_line(junk, block_bytes):
    junk = junk.replace(b"\r", b"")
    lines = junk.split(b"\n")
    longest = max(len(line) for line in lines)
    try:
        values, _ = read(f"{A}\n".encode() + junk, 1, block_bytes=max(block_bytes, longest + 14))
    except InputError:
        return
    joined = sum(line.count(b'"') for line in lines) > 1  # quotes may join lines, nothing else may
    expected = 1 + len(lines) - (lines[-1] == b"")
    assert len(values) == expected or (joined and len(values) < expected)


def test_an_empty_file_is_refused():
    for content in (b"", b"\n\n", b"\xef\xbb\xbf", b"\xff\xfe", b" , \n"):
        with pytest.raises(InputError, match="list.csv is empty"):
            read(content)


def test_a_line_that_never_ends_is_refused():
    with pytest.raises(InputError, match="no line end"):
        read(f"{A}\n".encode() + b"1" * 5000, block_bytes=1000)


def test_a_file_that_fails_while_it_is_read_is_an_input_error(tmp_path):
    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 100:
                raise OSError(5, os.strerror(5))
            return super().read(size)

    with pytest.raises(InputError, match="cannot be read"):
        list(TextList(Failing(f"{A}\n".encode() * 100), "list.csv", Choice(), block_bytes=64).tables([]))


def test_progress_counts_every_byte():
    content = TABLE.encode()
    assert read(content)[1].bytes_read == len(content)


@pytest.mark.parametrize("name", ["list.xlsx", "list.csv"])
def test_what_is_no_text_at_all_is_said_so_and_not_printed(name):
    junk = bytes(range(256)) * 20
    with pytest.raises(InputError, match=f"^{name} is neither text nor XLSX nor Parquet, or it is damaged"):
        TextList(io.BytesIO(junk), name, Choice())


def test_a_text_without_numbers_is_no_damaged_file():
    with pytest.raises(InputError, match="no column looks like phone numbers"):
        TextList(io.BytesIO("姓名,城市\n张伟,北京\n".encode("gbk") * 20), "list.csv", Choice())
