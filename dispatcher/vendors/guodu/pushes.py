"""What GUODU pushes as JSON: up to 250 reports, or messages from phones (vendors.md 5.3 to 5.6, AMB-GD-9, 10, 13).

Pure. The document ends before it describes messages, so a configurable map of field names reads them; entries that fit
no name are returned as unreadable, never guessed. Keys match without case; numbers and strings are equivalent.
Weak spot: a failed report's code is its status and the vendor's text, as the document explains only status 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from dispatcher.vendors.guodu.codes import REPORT_CODES, MoFields
from dispatcher.vendors.guodu.lenient_json import folded, parse, trimmed, word
from dispatcher.vendors.reading import forms, inbound
from dispatcher.vendors.reading import report_columns as columns
from dispatcher.vendors.reading.byte_columns import beside
from dispatcher.vendors.reading.escapes import TextForm, pushed_text
from dispatcher.vendors.reading.identifiers import CODE_CHARS_MAX, ID_CHARS_MAX
from dispatcher.vendors.reading.same_shape_json import Shape, read_alike
from dispatcher.vendors.reading.unreadable import Unreadable
from schemas.records import Inbound, Reports

TIME_MARKS: Final = b"-:/. T"


def _list(text: bytes) -> list[Any]:
    """The entries of a trimmed push: a list, or a single object (AMB-GD-10). Raises ValueError."""
    value = parse(text)
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list):
        return value
    raise ValueError("neither a list nor an object")


# --- reports ---------------------------------------------------------------------------------------------------------


_PRINTED: Final = {"mobile", "msgId", "status", "reportTime"}
_PRINTED_TIME: Final = (b"-- ::", (4, 7, 10, 13, 16))


def read_at_once(bodies: Sequence[bytes], account: str, at_ms: int) -> tuple[list[Reports], list[int]] | None:
    """The reports of these pushes and the number in each, if all are written as the document prints them."""
    lists = [_inside(body) for body in bodies]
    found = None if None in lists else read_alike([each for each in lists if each is not None])
    records = None if found is None else _of_shapes(account, at_ms, found[0])
    return None if found is None or records is None else (records, found[1])


def _inside(body: bytes) -> memoryview | None:
    """The list in the body, without its brackets and without a copy; None if it is not a list of objects."""
    end = len(body) - 1 if body.endswith(b";") else len(body)
    fits = body.startswith(b"[{") and body.endswith(b"}]", 0, end)
    return memoryview(body)[1 : end - 1] if fits else None


def _of_shapes(account: str, at_ms: int, shapes: Sequence[Shape]) -> list[Reports] | None:
    """The records, or None if a field is not as the document prints it."""
    count = sum(len(shape.rows) for shape in shapes)
    numbers, times = np.empty(count, np.int64), np.empty(count, np.uint32)
    id_index, code_index = np.empty(count, np.intp), np.empty(count, np.intp)
    ids: columns.NumberedValues[bytes] = columns.NumberedValues()
    codes: columns.NumberedValues[str] = columns.NumberedValues()
    for shape in shapes:
        rows, values = shape.rows, shape.values
        if not values.keys() >= _PRINTED:
            return None
        of_numbers, of_times = values["mobile"].numbers(), values["reportTime"].times(*_PRINTED_TIME)
        if of_numbers is None or of_times is None or not 0 < values["msgId"].width <= ID_CHARS_MAX:
            return None
        numbers[rows], times[rows] = of_numbers, of_times
        known, index = values["msgId"].distinct()
        if any(b" " in vendor_id for vendor_id in known):
            return None
        id_index[rows] = np.array([ids[vendor_id] for vendor_id in known], np.intp)[index]
        status, words = values["status"], values.get("msg")
        known, index = (status if words is None else beside(status, words)).distinct()
        of_codes = [codes[_code(each[: status.width].decode(), each[status.width :].decode())] for each in known]
        code_index[rows] = np.array(of_codes, np.intp)[index]
    return columns.records(
        account,
        at_ms,
        ids=(list(ids), id_index),
        numbers=numbers,
        codes=(list(codes), code_index),
        state=REPORT_CODES.state,
        times=times,
    )


def read_reports(body: bytes, account: str, at_ms: int, unreadable: Unreadable) -> list[Reports]:
    """The reports, one by one, with keys in any case and values of any type; unreadable ones go into `unreadable`.

    Raises ValueError if the body is not a JSON list.
    """
    rows: list[tuple[str, str, str, str]] = []
    for entry in _list(trimmed(body)):
        fields = folded(entry) if isinstance(entry, dict) else {}
        mobile, vendor_id, status = (word(fields.get(name)) for name in ("mobile", "msgid", "status"))
        if not mobile or not vendor_id or status is None:
            missing = "mobile" if not mobile else "status" if vendor_id else "msgId"
            unreadable.add(msgspec.json.encode(entry), f"it has no {missing}" if fields else "it is no object")
        elif not forms.number(mobile.encode()) or len(vendor_id) > ID_CHARS_MAX:
            long = len(vendor_id) > ID_CHARS_MAX
            unreadable.add(msgspec.json.encode(entry), "msgId is too long" if long else "mobile is no number")
        else:
            rows.append((mobile, vendor_id, _code(status, fields.get("msg")), word(fields.get("reporttime")) or ""))
    if not rows:
        return []
    mobiles, ids, codes, stamps = (list(column) for column in zip(*rows, strict=True))
    return columns.records(
        account,
        at_ms,
        ids=columns.indexed(ids),
        numbers=columns.numbers(_bytes(mobiles)),
        codes=columns.indexed(codes),
        state=REPORT_CODES.state,
        times=columns.times(_bytes(stamps, TIME_MARKS)),
    )


def _code(status: str | int, msg: Any) -> str:
    """`0`, or the status with the vendor's text: the document explains no other status."""
    code = str(status).strip()
    if code == "0" or not isinstance(msg, str):
        return code
    return f"{code} {msg.strip()}".strip()[:CODE_CHARS_MAX]


def _bytes(values: Sequence[str], dropped: bytes = b"") -> list[bytes]:
    """All of them in UTF-8, without the `dropped` characters."""
    text = "\n".join(values).encode().translate(None, dropped).split(b"\n")
    if len(text) == len(values):
        return text
    return [value.encode().translate(None, dropped) for value in values]


# --- messages from phones --------------------------------------------------------------------------------------------


def read_messages(
    body: bytes, account: str, received_ms: int, names: MoFields, form: TextForm, unreadable: Unreadable
) -> list[Inbound]:
    """The messages; entries that fit no name go into `unreadable`. Raises ValueError if the body is not a JSON list."""
    found = []
    for entry in _list(trimmed(body)):
        message = _message(entry, account, received_ms, names, form)
        if isinstance(message, str):
            unreadable.add(msgspec.json.encode(entry), message)
        else:
            found.append(message)
    return found


def _message(entry: Any, account: str, received_ms: int, names: MoFields, form: TextForm) -> Inbound | str:
    """The message, or why the entry is not one."""
    if not isinstance(entry, dict):
        return "it is no object"
    fields = folded(entry)
    if "status" in fields and "reporttime" in fields:
        return "it is a report: its place is the other push URL"
    mobile, written = _first(fields, names.mobile), _first(fields, names.text)
    if not mobile or written is None:
        which, tried = ("mobile", names.mobile) if not mobile else ("text", names.text)
        return f"it has no {which} ({', '.join(tried)}); mo_fields says how the vendor names it"
    text, flags = pushed_text(written.encode(), form)
    to, time, message_id = ((_first(fields, each) or "").encode() for each in (names.to, names.time, names.id))
    return inbound.message(
        account,
        received_ms,
        number=mobile.encode(),
        text=text,
        flags=flags,
        to=to,
        time=time.translate(None, TIME_MARKS),
        message_id=message_id,
    )


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The value of the first present name."""
    return next((found for name in names if (found := word(fields.get(name.lower()))) is not None), None)
