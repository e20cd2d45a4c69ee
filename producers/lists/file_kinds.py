"""What a file is, by its first bytes, whatever its name. A file that cannot be a list is called what it is.

Each kind that is refused has what to do about it. Only the bytes decide: a web page that was saved as `.xls` is one.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from typing import Final

from dispatcher.errors import InputError
from dispatcher.sentences import N_, Sentence

START_BYTES: Final = 64 << 10
PARQUET: Final = "parquet"
SHEET: Final = "sheet"
TEXT: Final = "text"

_SAVE: Final = N_("Open it in a spreadsheet program and save it as XLSX or CSV.")
_UNPACK: Final = N_("Unpack it and give the list inside.")
_EXPORT: Final = N_("Export the list as CSV, XLSX or Parquet.")
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_BYTES: Final[Sequence[tuple[bytes, str, str]]] = (
    (b"\x1f\x8b", N_("a gzip file"), _UNPACK),
    (b"BZh", N_("a bzip2 file"), _UNPACK),
    (b"\xfd7zXZ", N_("an xz file"), _UNPACK),
    (b"\x28\xb5\x2f\xfd", N_("a zstd file"), _UNPACK),
    (b"\x04\x22\x4d\x18", N_("an lz4 file"), _UNPACK),
    (b"Rar!", N_("a RAR archive"), _UNPACK),
    (b"7z\xbc\xaf", N_("a 7z archive"), _UNPACK),
    (b"%PDF", N_("a PDF file"), N_("Get the list as CSV or XLSX from where the PDF comes from.")),
    (b"{\\rtf", N_("a rich text (RTF) file"), N_("Save it as plain text, one number a line.")),
    (b"\x89PNG", N_("a picture (PNG)"), N_("Get the list itself, as CSV or XLSX.")),
    (b"\xff\xd8\xff", N_("a picture (JPEG)"), N_("Get the list itself, as CSV or XLSX.")),
    (b"GIF8", N_("a picture (GIF)"), N_("Get the list itself, as CSV or XLSX.")),
    (b"SQLite format 3\0", N_("an SQLite database"), _EXPORT),
    (b"\0\1\0\0Standard ", N_("an Access database"), _EXPORT),
    (b"ARROW1", N_("an Arrow (Feather) file"), N_("Save it as Parquet or CSV.")),
    (b"Obj\1", N_("an Avro file"), N_("Save it as Parquet or CSV.")),
    (b"ORC", N_("an ORC file"), N_("Save it as Parquet or CSV.")),
    (b"ID;P", N_("a SYLK (.slk) file"), _SAVE),
    (b"\x09\x08", N_("an old Excel workbook"), _SAVE),
    (b"\x09\x04", N_("an old Excel workbook"), _SAVE),
    (b"\x09\x02", N_("an old Excel workbook"), _SAVE),
)
_WORDS: Final[Sequence[tuple[str, str, str]]] = (
    (r"BEGIN:VCARD", N_("a file of contacts (vCard)"), N_("Export the contacts as CSV.")),
    (r"BEGIN:VCALENDAR", N_("a calendar file"), _EXPORT),
    (r"(?=.*urn:schemas-microsoft-com:office:spreadsheet)<", N_("an XML spreadsheet of Excel 2003"), _SAVE),
    (r"<(!doctype html|html|head|body|table|meta|style|div)\b", N_("a web page (HTML)"), _SAVE),
    (r"(<\?xml.{0,200}?\?>\s*)(<!--.*?-->\s*)?<(!doctype html|html)", N_("a web page (HTML)"), _SAVE),
    (r"MIME-Version:", N_("a web page (MHTML)"), _SAVE),
    (r"<\?xml\b|<[a-z][\w:.-]*(\s[^<>]*)?>\s*<", N_("an XML file"), _EXPORT),
    (r'\{\s*("[^"\n]*"\s*:|\})|\[\s*([{\["]|-?\d+\s*[,\]]|\])', N_("a JSON file"), _EXPORT),
)


def kind_of(start: bytes, label: str, read_at: Callable[[int, int], bytes] | None = None) -> str:
    """PARQUET, SHEET (to be looked into) or TEXT, by the first START_BYTES. Raises InputError for anything else.

    `read_at` reads (offset, size) of the file, where that is possible.
    """
    if start.startswith(b"PAR1"):
        return PARQUET
    if start.startswith(b"PARE"):
        raise InputError("{label} is an encrypted Parquet file. Save it without encryption.", label=label)
    if start.startswith(_ZIP):
        return SHEET
    if start.startswith(_OLE):
        raise InputError("{label} is {kind}", label=label, kind=_ole_kind(start, read_at))
    for magic, name, advice in _BYTES:
        if start.startswith(magic):
            raise InputError("{label} is {name}. {advice}", label=label, name=Sentence(name), advice=Sentence(advice))
    if start[257:262] == b"ustar":
        raise InputError("{label} is a tar archive. {advice}", label=label, advice=Sentence(_UNPACK))
    words = _decoded(start[:4096])
    for pattern, name, advice in _WORDS:
        if re.match(rf"\s*(?:{pattern})", words, re.IGNORECASE | re.DOTALL):
            raise InputError(
                "{label} is {name}, whatever its name says. {advice}",
                label=label,
                name=Sentence(name),
                advice=Sentence(advice),
            )
    return TEXT


def check_archive(names: Sequence[str], *, encrypted: bool, label: str) -> None:
    """Raises InputError for a ZIP file with these members that is no XLSX workbook."""
    folded = {name.casefold() for name in names}
    kind: Sentence | None = None
    if "xl/workbook.bin" in folded:
        kind = Sentence("a binary workbook (.xlsb). {advice}", advice=Sentence(_SAVE))
    elif any(name.startswith("word/") for name in folded):
        kind = Sentence("a Word document. Copy its table into a spreadsheet and save that as XLSX or CSV.")
    elif any(name.startswith("ppt/") for name in folded):
        kind = Sentence("a set of slides. Copy its table into a spreadsheet and save that as XLSX or CSV.")
    elif {"content.xml", "meta-inf/manifest.xml"} <= folded:
        kind = Sentence("an OpenDocument file (.ods). {advice}", advice=Sentence(_SAVE))
    elif any(name.startswith("index/") and name.endswith(".iwa") for name in folded) or "index.zip" in folded:
        kind = Sentence("an Apple Numbers file. Export it from Numbers as Excel or CSV.")
    elif encrypted:
        kind = Sentence("a ZIP archive with a password. Unpack it and give the list inside.")
    elif not any(name.endswith(".xml") and "workbook" in name for name in folded):
        shown = ", ".join(sorted(name for name in names if not name.endswith("/"))[:3])
        more = ", …" if len(names) > 3 else ""
        kind = Sentence("an empty ZIP archive. Give a list.")
        if shown:
            advice = Sentence(_UNPACK)
            kind = Sentence("a ZIP archive (in it: {shown}{more}). {advice}", shown=shown, more=more, advice=advice)
    if kind:
        raise InputError("{label} is {kind}", label=label, kind=kind)


def _decoded(start: bytes) -> str:
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if start.startswith(mark):
            return start[2:].decode(encoding, "replace")
    return start.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")


def _ole_kind(start: bytes, read_at: Callable[[int, int], bytes] | None) -> Sentence:
    """What is in a container that Office used before 2007, and uses for passwords, by the names of its streams."""
    size = 1 << min(int.from_bytes(start[30:32], "little"), 16)
    offset = (int.from_bytes(start[48:52], "little") + 1) * size
    names = start[offset : offset + 4096]
    if len(names) < 4096 and read_at is not None:
        names = read_at(offset, 4096)
    names += start
    if _wide("EncryptedPackage") in names or _wide("EncryptionInfo") in names:
        return Sentence("a workbook with a password. Open it, save it without a password, and give that file.")
    if _wide("Workbook") in names or _wide("Book") in names:
        return Sentence("an old Excel workbook (.xls). {advice}", advice=Sentence(_SAVE))
    if _wide("WordDocument") in names:
        return Sentence("a Word document. Copy its table into a spreadsheet and save that as XLSX or CSV.")
    return Sentence("an old Office file. {advice}", advice=Sentence(_SAVE))


def _wide(name: str) -> bytes:
    return name.encode("utf-16-le")
