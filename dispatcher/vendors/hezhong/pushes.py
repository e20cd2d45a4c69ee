"""What HEZHONG pushes: up to 500 reports (`rpts`) or messages (`mos`) as text, entries by `;`, fields by `,`.

vendors.md 2.3, 2.4, 8.2, AMB-X-1, Annexes A and B. Pure. Unreadable entries are returned beside the others.
The log keeps what follows an entry's four fields (the platform's serial, AMB-HZ-1; `extras`); nothing depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np

from dispatcher.vendors.reading import forms, inbound
from dispatcher.vendors.reading import report_columns as columns
from dispatcher.vendors.reading.byte_columns import ByteColumn, Spans, column_of
from dispatcher.vendors.reading.escapes import TextForm, pushed_text
from dispatcher.vendors.reading.identifiers import ID_CHARS_MAX
from dispatcher.vendors.reading.unreadable import Unreadable
from schemas.records import Inbound, Reports

FIELDS: Final = 4
EXTRA_BYTES_MAX: Final = 64

_BLANKS: Final = b" \t\r\n"
_ODD: Final = b"%,;+\0"
_ENTRY_END: Final = re.compile(rb".*,\s*\d{14}\s*", re.DOTALL | re.ASCII)
_ENTRY: Final = re.compile(rb"\s*\+?\d{5,20}\s*,[^,]*,.*,\s*\d{14}\s*", re.DOTALL | re.ASCII)


# --- reports ---------------------------------------------------------------------------------------------------------


def read_at_once(
    values: Sequence[bytes], account: str, at_ms: int, state: Callable[[str], int]
) -> tuple[list[Reports], list[int]] | None:
    """The reports of these pushes (still escaped) and the number in each, if all are in the usual form.

    Usual: equally many fields in each entry, only separators escaped, no oddities. Otherwise None.
    """
    mark, comma = (b"%3B", b"%2C") if values[0].count(b"%", 0, 64) else (b";", b",")
    texts = [value.removesuffix(mark) for value in values]
    fields = _of_one_length(texts, mark, comma) or _of_marks(texts, mark)
    if fields is None:
        return None
    phones, codes, ids, stamps = fields[:FIELDS]
    numbers, times = phones.numbers(), stamps.times()
    if numbers is None or times is None:
        return None
    of_ids, (known, code_index) = ids.distinct(), codes.distinct()
    of_codes = [forms.unescaped(code) for code in known], code_index
    if any(value.strip() != value or b"%" in value for value in (*of_ids[0], *of_codes[0])):
        return None
    found = columns.records(account, at_ms, ids=of_ids, numbers=numbers, codes=of_codes, state=state, times=times)
    if len(fields) > FIELDS:
        extras = _lines(fields[FIELDS])
        if extras is None:
            return None
        found = _with_extras(found, extras)
    return found, [each.count(mark) + 1 for each in texts]


def _lines(column: ByteColumn) -> bytes | None:
    """The values joined by LF; None if they are too long or hold an LF."""
    if column.width > EXTRA_BYTES_MAX:
        return None
    ends = np.full((len(column.rows), 1), ord("\n"), np.uint8)
    text = forms.unescaped(np.concatenate((column.rows, ends), axis=1).tobytes().replace(b"\0", b""))[:-1]
    return text if text.count(b"\n") == len(ends) - 1 and len(text) <= columns.BYTES_MAX else None


def _with_extras(records: list[Reports], extras: bytes) -> list[Reports]:
    """The same with a line per row."""
    if len(records) == 1:
        return [msgspec.structs.replace(records[0], extras=extras)]
    lines, found, at = extras.split(b"\n"), [], 0
    for record in records:
        end = at + len(record.states)
        found.append(msgspec.structs.replace(record, extras=b"\n".join(lines[at:end])))
        at = end
    return found


def _of_one_length(texts: Sequence[bytes], mark: bytes, comma: bytes) -> list[ByteColumn] | None:
    """The fields, if all entries have the length and the separator positions of the first."""
    first = texts[0].partition(mark)[0]
    length = len(first) + len(mark)
    if any((len(text) + len(mark)) % length for text in texts):
        return None
    entries = column_of(np.frombuffer(mark.join([*texts, b""]), np.uint8).reshape(-1, length))
    fields = []
    start = 0
    for value in first.split(comma):
        end = start + len(value)
        fields.append(entries.part(start, end))
        start = end + len(comma if end < len(first) else mark)
        if not value or not entries.part(end, start).is_same():
            return None
    if len(fields) not in (FIELDS, FIELDS + 1):
        return None
    odd = any(field.holds(each) for field in fields if not field.is_digits() for each in _ODD)
    return None if odd else fields


def _of_marks(texts: Sequence[bytes], mark: bytes) -> list[ByteColumn] | None:
    """The fields of entries of any length, if all have equally many."""
    text = mark.join(texts)
    characters = np.frombuffer(text, np.uint8)
    if b"+" in text:
        return None
    if b"%" in text:
        at = np.flatnonzero(characters == ord("%"))
        if len(text) - at[-1] <= 2 or b"," in text or b";" in text:
            return None
        first, second = characters[at + 1], characters[at + 2]
        ends_entry = (first == ord("3")) & (second == ord("B"))
        marks = ends_entry | ((first == ord("2")) & (second == ord("C")))
        if not marks.all():  # codes may hold escapes
            at, ends_entry = at[marks], ends_entry[marks]
        after = at + 3
    else:
        at = np.flatnonzero((characters == ord(",")) | (characters == ord(";")))
        ends_entry = characters[at] == ord(";")
        after = at + 1
    width = next((width for width in (FIELDS, FIELDS + 1) if (len(at) + 1) % width == 0), 0)
    if not width:
        return None
    entries = (len(at) + 1) // width
    if np.count_nonzero(ends_entry) != entries - 1 or not ends_entry[width - 1 :: width].all():
        return None
    starts = np.concatenate(([0], after)).reshape(entries, width)
    ends = np.concatenate((at, [len(text)])).reshape(entries, width)
    fields = [Spans(characters, starts[:, k], ends[:, k]).column() for k in range(width)]
    whole = [field for field in fields if field is not None]
    return whole if len(whole) == width else None


def read_reports(
    raw: bytes, account: str, at_ms: int, state: Callable[[str], int], unreadable: Unreadable
) -> list[Reports]:
    """The entries `phone,status,id,time[,serial]` of `rpts`, still escaped, one by one; `unreadable` gets the rest."""
    phones, codes, ids, stamps, extras = _cells(forms.unescaped(raw), unreadable)
    if not phones:
        return []
    numbers, times = columns.numbers(phones), columns.times(stamps)
    if not (numbers.all() and _ids_fit(ids) and (times.all() or _stamps_fit(stamps))):
        entries = [entry for entry in forms.unescaped(raw).split(b";") if entry.count(b",") >= FIELDS - 1]
        rows = []
        for row, (number, vendor_id, stamp) in enumerate(zip(numbers.tolist(), ids, stamps, strict=True)):
            if wrong := _wrong(number, vendor_id, stamp):
                unreadable.add(entries[row], f"it is not phone,status,id,time: {wrong}")
            else:
                rows.append(row)
        codes, ids = [codes[row] for row in rows], [ids[row] for row in rows]
        extras = [extras[row] for row in rows]
        kept = np.array(rows, np.intp)
        numbers, times = numbers[kept], times[kept]
    found = columns.in_columns(account, at_ms, ids=ids, numbers=numbers, codes=codes, state=state, times=times)
    if not any(extras):
        return found
    return _with_extras(found, b"\n".join(extra.replace(b"\n", b" ")[:EXTRA_BYTES_MAX] for extra in extras))


def _cells(value: bytes, unreadable: Unreadable) -> list[list[bytes]]:
    """The four columns and the rest, entry by entry; empty entries are skipped (AMB-HZ-6)."""
    found: list[list[bytes]] = [[] for _ in range(FIELDS + 1)]
    for entry in value.split(b";"):
        cells = [cell.strip() for cell in entry.split(b",")]
        if len(cells) >= FIELDS:
            for column, cell in zip(found, (*cells[:FIELDS], b",".join(cells[FIELDS:])), strict=True):
                column.append(cell)
        elif entry.strip():
            unreadable.add(entry, f"it has {len(cells)} fields instead of {FIELDS}")
    return found


def _ids_fit(ids: list[bytes]) -> bool:
    return all(0 < len(vendor_id) <= ID_CHARS_MAX for vendor_id in set(ids))


def _stamps_fit(stamps: list[bytes]) -> bool:
    return set(map(len, stamps)) == {columns.TIME_DIGITS} and b"".join(stamps).isdigit()


def _wrong(number: int, vendor_id: bytes, stamp: bytes) -> str:
    """Why the entry is not credible, or "". Fields in another order than the table's are not a report (AMB-HZ-1)."""
    if not number:
        return "the first is no number"
    if not _ids_fit([vendor_id]):
        return "the third is no message id"
    return "" if _stamps_fit([stamp]) else "the fourth is not a time of 14 digits"


# --- messages from phones --------------------------------------------------------------------------------------------


def read_messages(
    value: bytes, account: str, received_ms: int, form: TextForm, unreadable: Unreadable
) -> list[Inbound]:
    """The entries `phone,extension,text,time` of `mos`; commas and semicolons in a text are part of it (AMB-HZ-5)."""
    return [_message(entry, account, received_ms, form) for entry in _entries(value, unreadable)]


def _entries(value: bytes, unreadable: Unreadable) -> list[bytes]:
    """The entries. Each ends with its time; an earlier `;` belongs to the text, unless a whole entry follows."""
    found: list[bytes] = []
    begun: list[bytes] = []
    for piece in value.split(b";"):
        if begun and _ENTRY.fullmatch(piece):
            unreadable.add(b";".join(begun), "it does not end with a time")
            begun = []
        if begun or piece.strip():
            begun.append(piece)
        if begun and _ENTRY_END.fullmatch(piece):
            entry = b";".join(begun)
            if entry.count(b",") >= FIELDS - 1:
                found.append(entry)
            else:
                unreadable.add(entry, f"it has fewer than {FIELDS} fields")
            begun = []
    if b"".join(begun).strip():
        unreadable.add(b";".join(begun), "it does not end with a time")
    return found


def _message(entry: bytes, account: str, received_ms: int, form: TextForm) -> Inbound:
    phone, extension, *middle, stamp = entry.split(b",")
    text, flags = pushed_text(b",".join(middle).strip(_BLANKS), form)
    return inbound.message(account, received_ms, number=phone, text=text, flags=flags, to=extension, time=stamp)
