"""Sound lists of every kind to begin with, and what damage does to their bytes. Everything comes from a seed."""

from __future__ import annotations

import datetime
import io
import random
import re
import zipfile
from collections.abc import Callable
from typing import Any, Final, cast

import polars as pl
import xlsxwriter

KINDS: Final = ("csv", "xlsx", "parquet")
NUMBERS: Final = (0, 1, 7, 255, 65_535, 1_048_577, 2**31 - 1, 2**32, 2**40, 2**63 - 1, 10**25)

_NAMES: Final = ("Ann", "李雷", "Zoë", "", 'a "b"', "x,y;z", "a\nb", "#N/A", '="0012"', "😀" * 5)


def sound(kind: str, dice: random.Random) -> bytes:
    """A list of this kind that can be read."""
    rows = [
        (str(13_000_000_000 + dice.randrange(10**9)), dice.choice(_NAMES), dice.random() * 1000)
        for _ in range(dice.choice((1, 3, 40, 400)))
    ]
    return {"csv": _csv, "xlsx": _xlsx, "parquet": _parquet}[kind](rows, dice)


def damaged(kind: str, whole: bytes, dice: random.Random) -> bytes:
    """The bytes after one to four accidents; of a workbook mostly within its parts, which are packed again."""
    if kind == "xlsx" and dice.random() < 0.8:
        return _repacked(whole, dice)
    for _ in range(dice.randint(1, 4)):
        whole = dice.choice(_ACCIDENTS)(whole, dice)
    return whole


# --- sound lists -----------------------------------------------------------------------------------------------------

Rows = list[tuple[str, str, float]]


def _csv(rows: Rows, dice: random.Random) -> bytes:
    quoted = ['"{}"'.format(name.replace('"', '""')) for _, name, _ in rows]
    delimiter, end = dice.choice(",;\t|"), dice.choice(("\n", "\r\n", "\r"))
    lines = [delimiter.join((name, number, f"{price}")) for name, (number, _, price) in zip(quoted, rows, strict=True)]
    head = dice.choice(("", f"sep={delimiter}{end}", f"名单{end}")) + delimiter.join(("姓名", "手机号", "价格"))
    text = end.join((head, *lines, ""))
    encoding = dice.choice(("utf-8", "utf-8-sig", "utf-16", "gb18030", "big5", "windows-1252"))
    return text.encode(encoding, "replace")


def _xlsx(rows: Rows, dice: random.Random) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"constant_memory": dice.random() < 0.3}) as book:
        forms = [book.add_format({"num_format": code}) for code in ("0.00", "yyyy-mm-dd", "¥#,##0.00", "# ?/?", "0%")]
        for number in range(dice.randint(1, 3)):
            sheet = book.add_worksheet()
            if number and dice.random() < 0.5:
                sheet.hide()
            sheet.write_row(0, 0, ["姓名", "手机号", "价格"] if number == 0 else ["x"])
            for at, (mobile, name, price) in enumerate(rows if number == 0 else []):
                sheet.write(at + 1, 0, name)
                sheet.write(at + 1, 1, mobile if dice.random() < 0.5 else int(mobile))
                sheet.write_number(at + 1, 2, price, dice.choice(forms))
            if dice.random() < 0.3:
                sheet.set_row(1, None, None, {"hidden": True})
    return file.getvalue()


def _parquet(rows: Rows, dice: random.Random) -> bytes:
    frame = pl.DataFrame(rows, schema=["手机号", "姓名", "价格"], orient="row")
    if dice.random() < 0.5:
        frame = frame.with_columns(pl.col("手机号").cast(pl.Int64))
    if dice.random() < 0.3:
        frame = frame.with_columns(pl.lit(datetime.date(2025, 5, 1)).alias("day"), pl.lit([1, 2]).alias("many"))
    if dice.random() < 0.3:
        frame = frame.with_columns(pl.col("姓名").cast(pl.Categorical))
    file = io.BytesIO()
    compression = cast("Any", dice.choice(("zstd", "snappy", "gzip", "lz4", "uncompressed", "brotli")))
    frame.write_parquet(file, compression=compression, row_group_size=dice.choice((7, 1000)))
    return file.getvalue()


# --- accidents -------------------------------------------------------------------------------------------------------


def _flipped(whole: bytes, dice: random.Random) -> bytes:
    changed = bytearray(whole)
    for _ in range(dice.choice((1, 1, 2, 8, 64))):
        if changed:
            changed[dice.randrange(len(changed))] = dice.choice((0, 255, dice.randrange(256)))
    return bytes(changed)


def _cut(whole: bytes, dice: random.Random) -> bytes:
    return whole[: dice.randrange(len(whole) + 1)]


def _removed(whole: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(whole) + 1)
    return whole[:start] + whole[start + dice.choice((1, 2, 16, 300)) :]


def _repeated(whole: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(whole) + 1)
    piece = whole[start : start + dice.choice((1, 8, 100, 2000))]
    return whole[:start] + piece * dice.choice((2, 3, 50)) + whole[start:]


def _inserted(whole: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(whole) + 1)
    junk = dice.choice((b"\0" * 8, b'"', b"\xff\xff\xff\xff\xff\xff\xff\x7f", dice.randbytes(dice.choice((1, 9, 200)))))
    return whole[:start] + junk + whole[start:]


def _enlarged(whole: bytes, dice: random.Random) -> bytes:
    """Another number in place of one that is written in digits."""
    found = list(re.finditer(rb"\d+", whole[: 1 << 16]))
    if not found:
        return whole
    place = dice.choice(found)
    return whole[: place.start()] + str(dice.choice(NUMBERS)).encode() + whole[place.end() :]


_ACCIDENTS: Final[tuple[Callable[[bytes, random.Random], bytes], ...]] = (
    _flipped, _flipped, _cut, _removed, _repeated, _inserted, _enlarged,
)  # fmt: skip


def _repacked(whole: bytes, dice: random.Random) -> bytes:
    """A workbook with some of its parts damaged, lost, exchanged or there twice."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(dice.randint(1, 3)):
        name, other = dice.choice(list(parts)), dice.choice(list(parts))
        if dice.random() < 0.1:
            parts[name], parts[other] = parts[other], parts[name]
        elif dice.random() < 0.05 and len(parts) > 1:
            del parts[name]
        else:
            for _ in range(dice.randint(1, 3)):
                parts[name] = dice.choice((*_ACCIDENTS, _enlarged, _enlarged))(parts[name], dice)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()
