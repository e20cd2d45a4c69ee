"""The cells of a sheet, a chunk of rows at a time: where each is, its attributes, and what it holds.

Most sheets are written by few programs in one way, so patterns read them (as fast as a reader in Rust, and several
times as fast as an XML parser with handlers in Python). A chunk that holds anything the pattern does not account for is
read by a whole XML parser, with the rest of the sheet. Rows have to ascend, as they do in what spreadsheets write.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Collection, Iterator
from typing import Final

import msgspec
import polars as pl

from producers.lists.xlsx.workbook import SHEET_BYTES_MAX, Damaged, NotPlain, Sheet, Workbook, is_plain_utf8, parsed

ROWS_MAX: Final = 1_048_576
COLUMNS_MAX: Final = 16_384
ROW_BYTES_MAX: Final = 64 << 20
HEAD_BYTES: Final = 64 << 10


class Chunk(msgspec.Struct, frozen=True):
    """Cells in the order of the sheet; those without content may be among them.

    `cells` are `column` (letters), `row`, `attributes` as they are written, and `text`, what the cell holds. `unsaved`
    is how many are formulas without a result; `hidden` are the rows that are not shown; `last_row` is the last row with
    any content, 0 if none has.
    """

    cells: pl.DataFrame
    unsaved: int
    hidden: list[int]
    last_row: int

    @property
    def end(self) -> int:
        """The last row that is mentioned."""
        last = self.cells.item(-1, "row") if self.cells.height else 0
        return max(last, self.last_row, *self.hidden)


_SCHEMA: Final = {"column": pl.String, "row": pl.Int64, "attributes": pl.String, "text": pl.String}


class Head(msgspec.Struct, frozen=True):
    """What a sheet says before its cells: the columns (from 0) that are not shown."""

    hidden_columns: frozenset[int]


def head_of(book: Workbook, sheet: Sheet) -> Head:
    """The head of a sheet. Raises Damaged."""
    hidden: set[int] = set()
    reached = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal reached
        reached = reached or name == "sheetData"
        if name == "col" and not reached and attributes.get("hidden", "0") in ("1", "true"):
            first, last = _number(attributes.get("min", "0")), _number(attributes.get("max", "0"))
            hidden.update(range(max(first - 1, 0), min(last, COLUMNS_MAX)))

    for _ in parsed(_pieces(book.chunks(sheet.part, SHEET_BYTES_MAX)), start):
        if reached:
            break
    return Head(frozenset(hidden))


def _pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), HEAD_BYTES):
            yield chunk[start : start + HEAD_BYTES]


def chunks_of(book: Workbook, sheet: Sheet, columns: Collection[int] | None = None) -> Iterator[Chunk]:
    """The cells of these columns (from 0; None: all), a chunk of rows at a time. Raises Damaged."""
    letters = None if columns is None else {letters_of(column) for column in columns}
    done = 0
    try:
        for chunk in _by_pattern(book.chunks(sheet.part, SHEET_BYTES_MAX), letters):
            yield chunk
            done = max(done, chunk.end)
    except (NotPlain, UnicodeDecodeError):
        yield from _by_parser(book.chunks(sheet.part, SHEET_BYTES_MAX), letters, done)


def letters_of(column: int) -> str:
    """The letters of a column (from 0): A, B, …, Z, AA, …"""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def column_of(letters: str) -> int:
    """The column (from 0) of these letters."""
    value = 0
    for letter in letters:
        value = value * 26 + ord(letter) - ord("A") + 1
    return value - 1


# --- by pattern ------------------------------------------------------------------------------------------------------

_CELL: Final = (
    r'(?s)^(?P<column>[A-Z]{1,3})(?P<row>[1-9]\d{0,6})"(?P<attributes>[^<>]*?)(?:/>|>'
    r"(?:(?:<f[^<>]*/>|<f[^<>]*>[^<]*</f>)?<v>(?P<text>[^<]*)</v></c>"
    r"|<is><t(?: [^<>]*)?>(?P<inline>[^<]*)</t></is></c>"
    r"|(?P<other>.*?)</c>))"
)
"""A cell behind its `<c r="`, for the regular expressions of polars."""
_PLACED: Final = r'^[A-Z]{1,3}[1-9]\d{0,6}"'
_PREFIXED: Final = re.compile(r"<[\w.-]+:c[\s/>]")
_ROW: Final = re.compile(r"<row((?: [^<>]*)?)>")
_ROW_NUMBER: Final = re.compile(r' r="([1-9]\d{0,6})"')
_HIDDEN: Final = re.compile(r' hidden="(?:1|true)"| ht="0(?:\.0+)?"')
_FIRST_CELL: Final = re.compile(r'<c r="[A-Z]{1,3}(\d+)"')
_VALUE: Final = re.compile(r"<v(?: [^<>]*)?>([^<]*)</v>")
_INLINE: Final = re.compile(r"<t(?: [^<>]*)?>([^<]*)</t>")
_PHONETIC: Final = re.compile(r"<rPh.*?</rPh>", re.DOTALL)


def _by_pattern(parts: Iterator[bytes], letters: set[str] | None) -> Iterator[Chunk]:
    rest = b""
    begun = False
    for part in parts:
        block = rest + part
        if not begun:
            if not is_plain_utf8(block[:1024]):
                raise NotPlain
            start = block.find(b"<sheetData>")
            if start < 0:
                if b"<sheetData/>" in block:
                    return
                if len(block) > ROW_BYTES_MAX or re.search(rb"<[\w.-]*:?sheetData", block):
                    raise NotPlain
                rest = block
                continue
            if b"<!" in block[:start]:
                raise NotPlain
            begun, block = True, block[start + len(b"<sheetData>") :]
        end = block.find(b"</sheetData>")
        if end >= 0:
            yield _matched(block[:end].decode(), letters)
            return
        cut = block.rfind(b"</row>") + len(b"</row>")
        if cut < len(b"</row>"):
            if len(block) > ROW_BYTES_MAX:
                raise Damaged("one of its rows is over {max} MiB", max=ROW_BYTES_MAX >> 20)
            rest = block
            continue
        yield _matched(block[:cut].decode(), letters)
        rest = block[cut:]
    raise Damaged("its sheet ends in the middle")


def _matched(block: str, letters: set[str] | None) -> Chunk:
    """The cells of these rows. Raises NotPlain if there is more in them than the patterns account for."""
    pieces = pl.Series(block.split('<c r="')[1:], dtype=pl.String)
    odd = "<!" in block or "<?" in block or (":c" in block and _PREFIXED.search(block))
    if odd or len(pieces) != block.count("<c") or not bool(pieces.str.contains(_PLACED).all()):
        raise NotPlain
    if letters is not None:
        pieces = pieces.filter(pieces.str.contains(f"^(?:{'|'.join(sorted(letters))})[1-9]"))
    cells = pieces.str.extract_groups(_CELL).struct.unnest()
    if cells["column"].has_nulls():
        raise NotPlain
    others = cells["other"].drop_nulls()
    texts = pl.coalesce("text", "inline") if not len(others) else pl.coalesce("text", "inline", _others(cells["other"]))
    cells = cells.select("column", pl.col("row").cast(pl.Int64), "attributes", texts.fill_null("").alias("text"))
    if "&" in block:
        cells = cells.with_columns(_each(cells["text"], html.unescape, "&"))
    unsaved = sum("<f" in inner and not _inner(inner) for inner in others)
    return Chunk(cells, unsaved, _hidden_rows(block), _last_row(block))


def _others(inner: pl.Series) -> pl.Series:
    """What cells hold that are not written in the usual way."""
    return pl.Series([None if each is None else _inner(each) for each in inner.to_list()], dtype=pl.String)


def _inner(inner: str) -> str:
    value = _VALUE.search(inner)
    if value is not None:
        return value[1]
    return "".join(_INLINE.findall(_PHONETIC.sub("", inner))) if "<is>" in inner else ""


def _each(texts: pl.Series, change: Callable[[str], str], mark: str) -> pl.Series:
    """The texts, changed where this mark is in them."""
    return pl.Series(texts.name, [change(text) if mark in text else text for text in texts.to_list()], dtype=pl.String)


def _hidden_rows(block: str) -> list[int]:
    hidden = []
    if " hidden=" in block or ' ht="0' in block:
        for row in _ROW.findall(block):
            if _HIDDEN.search(row):
                number = _ROW_NUMBER.search(row)
                if number is None:
                    raise NotPlain
                hidden.append(int(number[1]))
    return hidden


def _last_row(block: str) -> int:
    """The last row of a block that has a cell with content; 0 if none has."""
    end = max(block.rfind("</v>"), block.rfind("</is>"), block.rfind("</f>"))
    start = block.rfind('<c r="', 0, max(end, 0))
    number = _FIRST_CELL.match(block, start) if start >= 0 else None
    return int(number[1]) if number else 0


# --- by a whole parser -----------------------------------------------------------------------------------------------


def _by_parser(parts: Iterator[bytes], letters: set[str] | None, done: int) -> Iterator[Chunk]:
    """The cells of all rows behind row `done`."""
    reader = _Reader(letters, done)
    for _ in parsed(parts, reader.start, reader.end, reader.text):
        if not reader.empty:
            yield reader.taken()
        if reader.over:
            return


class _Reader:
    """Handlers that gather cells. A row that is begun stays here when a chunk is taken."""

    def __init__(self, letters: set[str] | None, done: int) -> None:
        self.over = False
        self._letters = letters
        self._done = done
        self._cells: list[tuple[str, int, str, str]] = []
        self._hidden: list[int] = []
        self._unsaved = self._last_row = 0
        self._row = self._column = 0
        self._inside = ""
        self._phonetic = self._formula = False
        self._attributes = ""
        self._value: list[str] = []

    @property
    def empty(self) -> bool:
        """Whether nothing was gathered since the last time."""
        return not self._cells and not self._hidden

    def taken(self) -> Chunk:
        """What was gathered since the last time."""
        chunk = Chunk(pl.DataFrame(self._cells, _SCHEMA, orient="row"), self._unsaved, self._hidden, self._last_row)
        self._cells, self._hidden, self._unsaved, self._last_row = [], [], 0, 0
        return chunk

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match name:
            case "row":
                self._row = _number(attributes["r"]) if "r" in attributes else self._row + 1
                self._column = 0
                unseen = attributes.get("hidden", "0") in ("1", "true") or attributes.get("ht", "") in ("0", "0.0")
                if unseen and self._row > self._done:
                    self._hidden.append(self._row)
            case "c":
                self._begin_cell(attributes)
            case "v" | "t":
                self._inside = "" if self._phonetic else name
            case "rPh":
                self._phonetic = True
            case "f":
                self._formula = True

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        place = _PLACE.fullmatch(attributes.get("r", ""))
        if "r" in attributes and place is None:
            raise Damaged('it has a cell "{cell}", which no sheet has', cell=attributes["r"][:20])
        self._column = column_of(place[1]) + 1 if place else self._column + 1
        self._row = int(place[2]) if place else self._row
        self._attributes = f' s="{attributes.get("s", "")}" t="{attributes.get("t", "n")}"'
        self._value.clear()
        self._formula = self._phonetic = False

    def end(self, name: str) -> None:
        if name == "c":
            self._end_cell()
        elif name == "rPh":
            self._phonetic = False
        elif name == "sheetData":
            self.over = True
        self._inside = ""

    def _end_cell(self) -> None:
        text = "".join(self._value)
        if self._row <= self._done:
            return
        if text or self._formula:
            self._last_row = max(self._last_row, self._row)
        letters = letters_of(self._column - 1)
        if self._letters is None or letters in self._letters:
            self._unsaved += self._formula and not text
            self._cells.append((letters, self._row, self._attributes, text))

    def text(self, piece: str) -> None:
        if self._inside:
            self._value.append(piece)


_PLACE: Final = re.compile(r"\$?([A-Z]{1,3})\$?([1-9]\d{0,6})")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 7):
        raise Damaged('it has a row or column "{text}", which no sheet has', text=text[:20])
    return int(text)
