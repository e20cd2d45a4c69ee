"""The parts of an XLSX workbook: its sheets, texts and number formats. Sizes are bounded before anything is read.

A workbook is a ZIP file of XML parts. What a part says of its own size or count is never believed: parts are unpacked
as streams, up to a bound. Document type declarations, which no spreadsheet writes, are refused (entity bombs).
"""

from __future__ import annotations

import html
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO, Final
from xml.parsers import expat

import msgspec
import polars as pl

from dispatcher.errors import InputError
from producers.lists.file_kinds import check_archive
from producers.lists.xlsx.number_formats import BUILT_IN, GENERAL, NumberFormat

PARTS_MAX: Final = 10_000
SMALL_PART_BYTES_MAX: Final = 32 << 20
STRINGS_BYTES_MAX: Final = 768 << 20
SHEET_BYTES_MAX: Final = 4 << 30
CHUNK_BYTES: Final = 4 << 20
TEXT_CHARS_MAX: Final = 32_767
"""The longest text of a cell that a spreadsheet allows."""


class Damaged(InputError):
    """A workbook that is not what a spreadsheet writes; the message is the reason alone."""


class Sheet(msgspec.Struct, frozen=True):
    """A sheet of the workbook: its name, whether it is hidden, and its part."""

    name: str
    hidden: bool
    part: str


class Workbook:
    """An open workbook. Raises Damaged, and InputError for another kind of file."""

    def __init__(self, file: BinaryIO, label: str) -> None:
        try:
            self._zip: Final = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, struct_error) as error:
            raise Damaged("its ZIP directory cannot be read: {error}", error=error) from error
        names = self._zip.namelist()
        if len(names) > PARTS_MAX:
            raise Damaged("it has {count:,} parts, over {max:,}", count=len(names), max=PARTS_MAX)
        encrypted = any(member.flag_bits & 1 for member in self._zip.infolist())
        check_archive(names, encrypted=encrypted, label=label)
        self._names: Final = {name.casefold().lstrip("/"): name for name in names}
        self._strings: pl.Series | None = None
        self._read_workbook()
        self._read_styles()

    def _read_workbook(self) -> None:
        root = next(
            (target for kind, target in self._relations("_rels/.rels", "").values() if kind == "officeDocument"),
            "xl/workbook.xml",
        )
        folder = str(PurePosixPath(root).parent)
        rels = f"{folder}/_rels/{PurePosixPath(root).name}.rels"
        relations = self._relations(rels, folder)
        found: list[tuple[str, str, str]] = []
        self.date1904 = False

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "workbookPr":
                self.date1904 = attributes.get("date1904", "0").lower() in ("1", "true", "on")
            if name == "sheet":
                found.append((attributes.get("name", ""), attributes.get("state", "visible"), attributes.get("id", "")))

        self._parse(root, start)
        self.sheets: list[Sheet] = []
        for name, state, relation in found:
            kind, target = relations.get(relation, ("", ""))
            if kind == "worksheet":
                self.sheets.append(Sheet(name, state.lower() != "visible", target))
        self._strings_part = next((target for kind, target in relations.values() if kind == "sharedStrings"), "")
        self._styles_part = next((target for kind, target in relations.values() if kind == "styles"), "")
        if not self.sheets:
            raise Damaged("it has no sheet of cells")

    def _read_styles(self) -> None:
        codes: dict[int, str] = dict(BUILT_IN)
        used: list[int] = []
        inside = False

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal inside
            if name == "numFmt":
                codes[_integer(attributes.get("numFmtId"))] = attributes.get("formatCode", GENERAL)
            if name == "cellXfs":
                inside = True
            elif name == "xf" and inside:
                used.append(_integer(attributes.get("numFmtId")))

        def end(name: str) -> None:
            nonlocal inside
            inside = inside and name != "cellXfs"

        if self._styles_part and self._has(self._styles_part):
            self._parse(self._styles_part, start, end)
        known: dict[str, NumberFormat] = {}
        self._formats = [
            known.setdefault(code, NumberFormat(code, date1904=self.date1904))
            for code in (codes.get(number, GENERAL) for number in used)
        ]
        self._general = NumberFormat(GENERAL)

    def number_format(self, style: int) -> NumberFormat:
        """The number format of cells with this style."""
        return self._formats[style] if 0 <= style < len(self._formats) else self._general

    def strings(self) -> pl.Series:
        """The texts that cells refer to by their place."""
        if self._strings is None:
            parts = [pl.Series([], dtype=pl.String)]
            if self._strings_part and self._has(self._strings_part):
                parts += _strings(self.chunks(self._strings_part, STRINGS_BYTES_MAX))
            self._strings = pl.concat(parts)
        return self._strings

    def chunks(self, part: str, bytes_max: int) -> Iterator[bytes]:
        """The bytes of a part, a piece at a time. Raises Damaged."""
        whole = 0
        try:
            with self._open(part) as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    whole += len(chunk)
                    if whole > bytes_max:
                        raise Damaged("its part {part} is over {max:,} MiB unpacked", part=part, max=bytes_max >> 20)
                    yield chunk
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            ValueError,
            NotImplementedError,
            RuntimeError,
        ) as error:
            raise Damaged("its part {part} cannot be unpacked: {error}", part=part, error=error) from error

    def _has(self, part: str) -> bool:
        return part.casefold() in self._names

    def _open(self, part: str) -> IO[bytes]:
        name = self._names.get(part.casefold())
        if name is None:
            raise Damaged("its part {part} is missing", part=part)
        return self._zip.open(name)

    def _relations(self, part: str, folder: str) -> dict[str, tuple[str, str]]:
        """By id: the kind of a related part, and where it is."""
        found: dict[str, tuple[str, str]] = {}

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "Relationship" and attributes.get("TargetMode", "Internal") != "External":
                kind = attributes.get("Type", "").rpartition("/")[2]
                found[attributes.get("Id", "")] = kind, _resolved(folder, attributes.get("Target", ""))

        if self._has(part):
            self._parse(part, start)
        return found

    def _parse(
        self,
        part: str,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None] | None = None,
    ) -> None:
        for _ in parsed(self.chunks(part, SMALL_PART_BYTES_MAX), start, end):
            pass


struct_error: Final = zipfile.struct.error  # type: ignore[attr-defined]  # zipfile lets it through


def parsed(
    chunks: Iterator[bytes],
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], Any] | None = None,
) -> Iterator[None]:
    """Parse a part, names without their prefixes; yields after each chunk. Raises Damaged."""
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise Damaged("it declares a document type, which no spreadsheet does")

    def begin(name: str, attributes: dict[str, str]) -> None:
        start(_local(name), {_local(key): value for key, value in attributes.items()})

    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = refuse
    if end is not None:
        finish = end
        parser.EndElementHandler = lambda name: finish(_local(name))
    if text is not None:
        parser.CharacterDataHandler = text
    try:
        for chunk in chunks:
            parser.Parse(chunk, False)
            yield
        parser.Parse(b"", True)
        yield
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: an encoding that expat cannot read
        raise Damaged("its XML is broken ({error})", error=error) from error


def unescaped(text: str) -> str:
    """The characters that `_xHHHH_` stands for in the texts of cells."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


_ESCAPE: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _integer(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _resolved(folder: str, target: str) -> str:
    """A part's name, without `.` and `..`."""
    path = target if target.startswith("/") else f"{folder}/{target}"
    parts: list[str] = []
    for piece in path.split("/"):
        if piece == ".." and parts:
            parts.pop()
        elif piece not in ("", ".", ".."):
            parts.append(piece)
    return "/".join(parts)


# --- shared strings --------------------------------------------------------------------------------------------------

_STRING: Final = re.compile(r"<si>(?:<t(?: [^<>]*)?>([^<]*)</t></si>|(.*?)</si>)|<si/>", re.DOTALL)
_STRING_TAG: Final = re.compile(r"<[A-Za-z_]*:?si[\s/>]")
_PHONETIC: Final = re.compile(r"<rPh.*?</rPh>|<rPh[^>]*/>", re.DOTALL)
_TEXT: Final = re.compile(r"<t(?: [^<>]*)?>([^<]*)</t>")
_UTF8: Final = re.compile(
    rb"""\s*(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*encoding=["'](?:utf-8|us-ascii)["']|<\?xml(?![^>]*encoding)|<[^?])""",
    re.I,
)


def is_plain_utf8(start: bytes) -> bool:
    """Whether a part is UTF-8, and without what only a whole XML parser reads, by its beginning."""
    return _UTF8.match(start) is not None and b"<!" not in start


def _strings(chunks: Iterator[bytes]) -> list[pl.Series]:
    """The texts, in parts: by pattern where the part is as spreadsheets write it, else by a whole XML parser."""
    held: list[bytes] = []
    parts: list[pl.Series] = []
    rest = b""
    try:
        for chunk in chunks:
            held.append(chunk)
            if len(held) == 1 and not is_plain_utf8(chunk[:1024]):
                raise NotPlain
            block = rest + chunk
            end = block.rfind(b"</si>") + len(b"</si>")
            if end < len(b"</si>"):
                rest = block
                continue
            block, rest = block[:end], block[end:]
            parts.append(_plain_strings(block.decode()))
        if rest.count(b"<si"):
            parts.append(_plain_strings(rest.decode()))
    except (NotPlain, UnicodeDecodeError):
        return _all_strings(_chained(held, chunks))
    return parts


class NotPlain(Exception):
    """A part that is not written as spreadsheets do; a whole XML parser has to read it."""


def _chained(held: list[bytes], chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield from held
    yield from chunks


def _plain_strings(block: str) -> pl.Series:
    found = _STRING.findall(block)
    if "<!" in block or len(found) != len(_STRING_TAG.findall(block)):
        raise NotPlain
    texts = [plain or (_rich(rich) if rich else "") for plain, rich in found]
    if "&" in block or "_x" in block:
        texts = [unescaped(html.unescape(text)) for text in texts]
    return pl.Series(texts, dtype=pl.String)


def _rich(inner: str) -> str:
    """The text of runs with fonts of their own, without the phonetic hints of Japanese."""
    return "".join(_TEXT.findall(_PHONETIC.sub("", inner) if "<rPh" in inner else inner))


def _all_strings(chunks: Iterator[bytes]) -> list[pl.Series]:
    texts: list[str] = []
    parts: list[pl.Series] = []
    collected: list[str] = []
    phonetic = inside = False

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal phonetic, inside
        phonetic = phonetic or name == "rPh"
        inside = name == "t" and not phonetic
        if name == "si":
            collected.clear()

    def end(name: str) -> None:
        nonlocal phonetic, inside
        inside = False
        phonetic = phonetic and name != "rPh"
        if name == "si":
            texts.append(unescaped("".join(collected)))

    def text(piece: str) -> None:
        if inside:
            collected.append(piece)

    for _ in parsed(chunks, start, end, text):
        parts.append(pl.Series(texts, dtype=pl.String))
        texts.clear()
    return parts
