"""What a gateway delivers: reports, messages from phones, and neither (vendors.md 6.8, AMB-CMPP-20, 22, 24, 29). Pure.

A report's id is its message's Msg_Id in decimal digits, unsigned. Numbers are compared without `86` and `+86`.
Weak spot: a message has no time of its own; the one in its Msg_Id is not to be trusted (AMB-CMPP-1).
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dispatcher.cmpp.layout import HEADER_BYTES, Layout, trimmed
from dispatcher.cmpp.long_texts import behind_header, read_part
from dispatcher.cmpp.pdus import Deliver, ReportBody, ReportBodyWide
from dispatcher.cmpp.reports import read_report
from dispatcher.cmpp.texts import GB, UCS2, ReadText, read_text
from dispatcher.core.wire_number import DOMESTIC_DIGITS
from dispatcher.vendors.cmpp.codes import REPORT_CODES
from dispatcher.vendors.reading import forms, inbound
from dispatcher.vendors.reading import report_columns as columns
from dispatcher.vendors.reading.byte_columns import ByteColumn, column_of
from dispatcher.vendors.reading.identifiers import CODE_CHARS_MAX, identifier
from dispatcher.vendors.seam.exchange import ReportRow
from dispatcher.vendors.seam.link import Unreadable
from schemas.records import Inbound, Reports

MISLABELLED: Final = "gb-as-ucs2"
"""GB octets whose Msg_Fmt says UCS2 (AMB-CMPP-29): as such they are Hangul or nothing, and opt-outs would be lost."""

_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_FOREIGN: Final = re.compile(r"[^\t\n\r -~\u2010-\u2027\u3000-\u303f\u3400-\u9fff\uff00-\uffef\U0001f000-\U0001faff]")

ReportLayout = Literal["auto", "2.0", "3.0"]
_OCTETS: Final = {"2.0": ReportBody.layout.body_bytes_min, "3.0": ReportBodyWide.layout.body_bytes_min}
_BODIES: Final = {kind.layout.body_bytes_min: kind for kind in (ReportBody, ReportBodyWide)}
_FIXED_BYTES: Final = HEADER_BYTES + Deliver.layout.body_bytes_min
_CONTENT_AT: Final = HEADER_BYTES + Deliver.layout.octets_before("msg_content") + 1
_PREFIX: Final = b"86"


def read_delivery(
    deliver: Deliver, account: str, received_ms: int, layout: ReportLayout
) -> ReportRow | Inbound | Unreadable:
    """A report if it says that it is one, else a message."""
    if deliver.registered_delivery:
        return _report(deliver, layout)
    return _message(deliver, account, received_ms)


def _report(deliver: Deliver, layout: ReportLayout) -> ReportRow | Unreadable:
    content = deliver.msg_content
    octets = _OCTETS.get(layout, len(content))
    body = read_report(content[:octets]) if len(content) >= octets else None
    if body is None:
        return Unreadable(f"a report of {len(content)} octets", content)
    number = forms.number(body.dest_terminal_id) or forms.number(deliver.src_terminal_id)
    code = identifier(body.stat)[:CODE_CHARS_MAX]
    return ReportRow(str(body.msg_id), number, REPORT_CODES.state(code), code, forms.time_s(body.done_time))


def read_report_frames(
    frames: bytes, frame_bytes: int, account: str, received_ms: int, layout: ReportLayout
) -> list[Reports] | None:
    """The same for reports of one length (whole DELIVERs), with no object per report; None if one has an odd number or
    several spellings of a code.
    """
    rows = column_of(np.frombuffer(frames, np.uint8).reshape(-1, frame_bytes))
    octets = _OCTETS.get(layout, frame_bytes - _FIXED_BYTES)
    kind = _BODIES.get(octets)
    if kind is None or frame_bytes - _FIXED_BYTES < octets:
        return None
    body = rows.part(_CONTENT_AT, _CONTENT_AT + octets)
    fields = {name: _field(body, kind.layout, name) for name in ("msg_id", "stat", "done_time", "dest_terminal_id")}
    numbers = _numbers(fields["dest_terminal_id"])
    if numbers is None:
        return None
    ids = np.ascontiguousarray(fields["msg_id"].rows).view(">u8").ravel().tolist()
    stats, code_index = fields["stat"].distinct()
    codes = [identifier(trimmed(stat)) for stat in stats]
    if len(set(codes)) < len(codes):
        return None
    moments, time_index = fields["done_time"].distinct()
    return columns.records(
        account,
        received_ms,
        ids=columns.indexed(list(map(str, ids))),
        numbers=numbers,
        codes=(codes, code_index),
        state=REPORT_CODES.state,
        times=np.array([forms.time_s(trimmed(moment)) for moment in moments], np.uint32)[time_index],
    )


def _field(body: ByteColumn, layout: Layout, name: str) -> ByteColumn:
    at = layout.octets_before(name)
    return body.part(at, at + layout.fields[name].size)


def _numbers(column: ByteColumn) -> NDArray[np.int64] | None:
    """Mobiles, all of them with 86 before them or none, and NUL behind them."""
    start = len(_PREFIX) if column.low[: len(_PREFIX)].tobytes() == _PREFIX else 0
    end = start + DOMESTIC_DIGITS
    if column.high[end] or not column.part(0, start).is_same():
        return None
    return column.part(start, end).numbers()


def _message(deliver: Deliver, account: str, received_ms: int) -> Inbound:
    content = deliver.msg_content
    flags: tuple[str, ...] = ()
    part: tuple[int, int, int] | None = None
    if deliver.tp_udhi:
        found = read_part(content)
        content = found.content if found is not None else behind_header(content)
        if found is not None:
            # References of 8 and of 16 bits are different ones, though the number may be the same.
            part = (found.reference | (found.reference_bits == 16) << 16, found.total, found.number)
    text = read_text(deliver.msg_fmt, content)
    if deliver.msg_fmt == UCS2 and not _is_chinese(text.text) and _is_chinese(meant := read_text(GB, content).text):
        text, flags = ReadText(meant, True), (MISLABELLED,)
    if not text.exact:
        flags = (f"msg-fmt-{deliver.msg_fmt}",)
    return inbound.message(
        account,
        received_ms,
        number=deliver.src_terminal_id,
        text=text.text,
        flags=flags,
        to=deliver.dest_id,
        time=b"",
        message_id=_id(deliver),
        part=part,
    )


def _is_chinese(text: str) -> bool:
    """Whether it has Chinese characters, and besides them only what stands in Chinese texts."""
    return bool(_HAN.search(text)) and not _FOREIGN.search(text)


def _id(deliver: Deliver) -> bytes:
    """What a message is recognised by when it comes again: its Msg_Id with its content, as some gateways give all
    messages one Msg_Id.
    """
    content = hashlib.blake2b(deliver.msg_content, digest_size=4).hexdigest()
    return f"{deliver.msg_id}-{content}".encode()
