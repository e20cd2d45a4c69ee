"""The encoding of a list: found by its bytes, or named."""

from __future__ import annotations

import io

import pytest

from dispatcher.errors import InputError
from producers.lists.columns import Choice
from producers.lists.encodings import codec_of, guessed
from producers.lists.files import open_file
from producers.lists.text_file import TextList

LISTS = [
    ("手机,姓名\n13800138000,张伟\n", "gbk", "gb18030"),
    ("mobile,name\n13800138000,李\n", "gbk", "gb18030"),
    ("mobile,name\n13800138000,喆\n", "gbk", "gb18030"),
    ("mobile,name\n13800138000,镕\n", "gbk", "gb18030"),
    ("姓名,积分\n王玥,1\n赵喆,2\n", "gb18030", "gb18030"),
    ("手機號碼,姓名\n13800138000,陳大文\n", "gb18030", "gb18030"),
    ("手機,姓名\n13800138000,陳大文\n", "big5", "big5"),
    ("號碼\n13800138000\n", "big5", "big5"),
    ("客戶編號,行動電話,會員等級\n1,13800138000,金卡\n", "big5", "big5"),
    ("mobile,name\n1,陳\n2,林美玲\n3,黃志明\n", "big5", "big5"),
    ("編號,名稱,價格\n1,“蘋果”，100€\n", "cp950", "big5"),
    ("手機,備註\n13800138000,嘅啲\n", "big5hkscs", "big5hkscs"),
    ("name,mobile\nMüller,13800138000\n", "cp1252", "windows-1252"),
    ("name,mobile\nZoë,1\nJosé,2\nBjörk Guðmundsdóttir,3\n", "latin-1", "windows-1252"),
    ("mobile,price\n13800138000,£5 – €9\n", "cp1252", "windows-1252"),
    ("手机,姓名\n13800138000,张伟\n", "utf-8", "utf-8"),
]


@pytest.mark.parametrize(("text", "encoding", "name"), LISTS)
def test_the_encoding_is_that_in_which_the_bytes_make_sense(text, encoding, name):
    content = text.encode(encoding)
    assert guessed(content)[0] == name
    assert content.decode(codec_of(name)) == text


def test_the_longer_list_is_judged_by_its_first_lines():
    rows = "".join(f"1380013{at:04},會員{at}\n" for at in range(9000))
    assert guessed(f"手機,姓名\n{rows}".encode("big5")) == ("big5", True)


def test_a_broken_character_makes_utf_8_no_other_encoding():
    assert guessed("手机,备注\n138,张伟的备注很长很长\n".encode() + b"x\xe5\xff\n") == ("utf-8", True)


@pytest.mark.parametrize("encoding", ["shift_jis", "cp1251"])
def test_bytes_that_make_no_sense_in_any_of_the_usual_encodings_are_noted(encoding):
    text = {"shift_jis": "携帯電話,名前\n13800138000,さくら\n", "cp1251": "телефон,имя\n13800138000,Анна\n"}[encoding]
    found, _ = table(text.encode(encoding))
    assert [note for note in found.notes if "--encoding" in note] == [
        f"its encoding may be another than {found.encoding}: look at the values, or name it (--encoding)"
    ]
    assert not any("--encoding" in note for note in table(text.encode(encoding), encoding)[0].notes)


def table(content: bytes, encoding: str | None = None) -> tuple[TextList, list[str | None]]:
    found = TextList(io.BytesIO(content), "list.csv", Choice(encoding=encoding), block_bytes=64)
    return found, [name for part in found.tables([1]) for name in part.frame.to_series(1).to_list()]


TRADITIONAL = "手機,姓名,備註\n13800138000,陳大文,功成|名就\n13800138001,許功蓋,\n"


@pytest.mark.parametrize("encoding", ["big5", "gb18030", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_traditional_list_is_read_as_its_people_wrote_it(encoding):
    found, names = table(TRADITIONAL.encode(encoding))
    assert (found.column.name, names) == ('"手機" (column 1)', ["陳大文", "許功蓋"])
    assert found.headers == ("手機", "姓名", "備註")


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("big5", "Big5"),
        ("gb18030", "GBK"),
        ("cp1252", "latin-1"),
        ("shift_jis", "shift_jis"),
        ("utf-16-be", "utf-16"),
        ("utf-8-sig", "big5"),
        ("koi8-r", "koi8-r"),
    ],
)
def test_the_encoding_that_is_named_is_taken_unless_the_file_is_marked(encoding, named):
    name = {"cp1252": "José", "shift_jis": "さくら", "koi8-r": "Анна"}.get(encoding, "王")
    found, names = table(f"mobile,name\r\n13800138000,{name}\r\n".encode(encoding), named)
    assert names == [name]
    assert found.encoding != "ascii"


def test_bytes_that_are_not_in_the_named_encoding_are_refused():
    with pytest.raises(InputError, match=r"^list.csv is not in cp950. Name its encoding, or let it be found"):
        table("手机,姓名\n13800138000,张伟\n".encode(), "big5")
    with pytest.raises(InputError, match=r"is not in utf-8\."):
        table("手机,姓名\n13800138000,张".encode() + b"\xe5", "utf-8")


@pytest.mark.parametrize("name", ["", "x", "base64", "rot13", "idna", "unicode_escape", "a\0b", "手机"])
def test_what_is_no_encoding_of_texts_is_refused(name):
    with pytest.raises(InputError, match="is no encoding. Write it like utf-8"):
        codec_of(name)


def test_a_workbook_has_no_encoding_to_choose():
    with pytest.raises(InputError, match="Leave --encoding out"):
        open_file(io.BufferedReader(io.BytesIO(b"PAR1" + b"\0" * 20 + b"PAR1")), "list.parquet", Choice(encoding="gbk"))
