"""Files that are no lists: each is called what it is, with what to do, by its bytes alone."""

from __future__ import annotations

import io
import zipfile

import pytest

from dispatcher.errors import InputError
from producers.lists.file_kinds import PARQUET, SHEET, TEXT, kind_of
from producers.lists.opening import Opened


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, "x")
    return file.getvalue()


def office(*streams: str) -> bytes:
    """A container of Office before 2007 with these streams in its directory."""
    head = bytearray(512)
    head[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    head[30:32] = (9).to_bytes(2, "little")
    head[48:52] = (1).to_bytes(4, "little")
    entries = b"".join(name.encode("utf-16-le").ljust(128, b"\0") for name in ("Root Entry", *streams))
    return bytes(head) + b"\0" * 512 + entries.ljust(4096, b"\0")


HTML = (
    "<html><head><meta charset=utf-8></head><body><table><tr><td>手机号</td></tr><tr><td>13910000001</td></tr></table>"
)
XML_2003 = (
    '<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>'
    '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet/></Workbook>'
)
KINDS = [
    (HTML.encode(), "a web page (HTML)"),
    (f"\n\n <!DOCTYPE html>{HTML}".encode(), "a web page (HTML)"),
    (b"\xef\xbb\xbf" + HTML.encode(), "a web page (HTML)"),
    (b"\xff\xfe" + HTML.encode("utf-16-le"), "a web page (HTML)"),
    (b"<table border=1><tr><td>13910000001</td></tr></table>", "a web page (HTML)"),
    (b"MIME-Version: 1.0\nContent-Type: multipart/related", "a web page (MHTML)"),
    (XML_2003.encode(), "an XML spreadsheet of Excel 2003"),
    (b"<?xml version='1.0'?><people><phone>13910000001</phone></people>", "an XML file"),
    (b"BEGIN:VCARD\r\nVERSION:3.0\r\nTEL:13910000001\r\nEND:VCARD\r\n", "a file of contacts (vCard)"),
    (b'[{"phone": "13910000001"}]', "a JSON file"),
    (b'{"phone": "13910000001"}\n{"phone": "13910000002"}\n', "a JSON file"),
    (b"[13910000001, 13910000002]", "a JSON file"),
    (archive("list.csv", "more.csv"), "a ZIP archive (in it: list.csv, more.csv). Unpack it"),
    (archive(), "an empty ZIP archive"),
    (archive("content.xml", "META-INF/manifest.xml"), "an OpenDocument file (.ods)"),
    (archive("[Content_Types].xml", "word/document.xml"), "a Word document"),
    (archive("[Content_Types].xml", "ppt/presentation.xml"), "a set of slides"),
    (archive("[Content_Types].xml", "xl/workbook.bin"), "a binary workbook (.xlsb)"),
    (archive("Index/Document.iwa"), "an Apple Numbers file"),
    (office("Workbook"), "an old Excel workbook (.xls)"),
    (office("Book"), "an old Excel workbook (.xls)"),
    (office("EncryptionInfo", "EncryptedPackage"), "a workbook with a password"),
    (office("WordDocument"), "a Word document"),
    (office("Other"), "an old Office file"),
    (b"\x09\x08\x10\x00\x00\x06\x05\x00", "an old Excel workbook"),
    (b"%PDF-1.7", "a PDF file"),
    (b"{\\rtf1\\ansi", "a rich text (RTF) file"),
    (b"\x1f\x8b\x08", "a gzip file"),
    (b"\x89PNG\r\n\x1a\n", "a picture (PNG)"),
    (b"\xff\xd8\xff\xe0", "a picture (JPEG)"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"ARROW1\0\0", "an Arrow (Feather) file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"x" * 257 + b"ustar\x0000", "a tar archive"),
]


@pytest.mark.parametrize(("content", "words"), KINDS, ids=[f"{at}-{row[1][:20]}" for at, row in enumerate(KINDS)])
@pytest.mark.parametrize("name", ["list.xls", "list.csv"])
def test_a_file_that_is_no_list_is_called_what_it_is(tmp_path, content, words, name):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        Opened(path)
    assert f"{path} is {words}" in str(caught.value)
    assert "\n" not in str(caught.value)


TEXTS = [
    b"13910000001\n13910000002\n",
    b"phone,name\n13910000001,Ann\n",
    b"[VIP],phone\nyes,13910000001\n",
    b"<b>,phone\nyes,13910000001\n",
    b"{name},phone\nAnn,13910000001\n",
    b"MIME,phone\nx,13910000001\n",
    "姓名,手机号\n".encode("utf-16"),
    b"",
]


@pytest.mark.parametrize("content", TEXTS, ids=range(len(TEXTS)))
def test_a_text_is_a_text(content):
    assert kind_of(content, "list") == TEXT


def test_parquet_and_zip_files_are_looked_into():
    assert kind_of(b"PAR1\x15\x04", "list") == PARQUET
    assert kind_of(archive("x"), "list") == SHEET


def test_an_encrypted_parquet_file_is_said_so():
    with pytest.raises(InputError, match="is an encrypted Parquet file"):
        kind_of(b"PARE\x15\x04", "list")
