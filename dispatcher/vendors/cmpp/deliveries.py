"""What a gateway delivers: reports, messages from phones, and neither (vendors.md 6.8, AMB-CMPP-20, 22, 24, 29). Pure.

A report's id is its message's Msg_Id in decimal digits, unsigned. Numbers are compared without `86` and `+86`.
Weak spot: a message has no time of its own; the one in its Msg_Id is not to be trusted (AMB-CMPP-1).
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dispatcher.cmpp.layout import HEADER_BYTES, trimmed
from dispatcher.cmpp.long_texts import behind_header, read_part
from dispatcher.cmpp.pdus import Deliver, ReportBody, ReportBodyWide
from dispatcher.cmpp.reports import read_report
from dispatcher.cmpp.texts import ASCII, GB, UCS2, ReadText, read_text
from dispatcher.core.messages import divided_characters
from dispatcher.core.numbers import is_domestic
from dispatcher.core.wire_number import DOMESTIC_DIGITS
from dispatcher.vendors.cmpp.codes import REPORT_CODES
from dispatcher.vendors.reading import forms, inbound
from dispatcher.vendors.reading import report_columns as columns
from dispatcher.vendors.reading.identifiers import CODE_CHARS_MAX, identifier
from dispatcher.vendors.seam.exchange import ReportRow
from dispatcher.vendors.seam.link import Unreadable
from schemas.records import Inbound, Reports

MISLABELLED: Final = {UCS2: "gb-as-ucs2", ASCII: "gb-as-ascii"}
"""GB octets whose Msg_Fmt says UCS2 or ASCII (AMB-CMPP-29): as UCS2 they are Hangul or nothing, and opt-outs would be
lost."""

_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_FOREIGN: Final = re.compile(r"[^\t\n\r -~\u2010-\u2027\u3000-\u303f\u3400-\u9fff\uff00-\uffef\U0001f000-\U0001faff]")

ReportLayout = Literal["auto", "2.0", "3.0"]
_OCTETS: Final = {"2.0": ReportBody.layout.body_bytes_min, "3.0": ReportBodyWide.layout.body_bytes_min}
_BODIES: Final = {kind.layout.body_bytes_min: kind for kind in (ReportBody, ReportBodyWide)}
_FIXED_BYTES: Final = HEADER_BYTES + Deliver.layout.body_bytes_min
_CONTENT_AT: Final = HEADER_BYTES + Deliver.layout.octets_before("msg_content") + 1


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
    """The same for reports of one length (whole DELIVERs), with no object per report; None if one has no number, or
    several spellings of a code.
    """
    octets = _OCTETS.get(layout, frame_bytes - _FIXED_BYTES)
    if octets not in _BODIES or frame_bytes - _FIXED_BYTES < octets:
        return None
    rows = np.frombuffer(frames, np.uint8).reshape(-1, frame_bytes)
    fields = _columns_of(octets)
    numbers = _numbers(rows[:, fields["dest_terminal_id"]])
    spellings, code_index = _distinct(rows[:, fields["stat"]])
    codes = [identifier(trimmed(stat)) for stat in spellings]
    if not numbers.all() or len(set(codes)) < len(codes):
        return None
    distinct, time_index = _distinct(rows[:, fields["done_time"]])
    ids = np.ascontiguousarray(rows[:, fields["msg_id"]]).view(">u8").ravel().tolist()
    return columns.records(
        account,
        received_ms,
        ids=columns.indexed(list(map(str, ids))),
        numbers=numbers,
        codes=(codes, code_index),
        state=REPORT_CODES.state,
        times=np.array([forms.time_s(trimmed(moment)) for moment in distinct], np.uint32)[time_index],
    )


@cache
def _columns_of(octets: int) -> dict[str, slice]:
    """Where the fields of a report's body of so many octets are in its DELIVER."""
    layout = _BODIES[octets].layout
    starts = {name: _CONTENT_AT + layout.octets_before(name) for name in layout.fields}
    return {name: slice(start, start + layout.fields[name].size) for name, start in starts.items()}


def _numbers(shown: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The numbers of these fields; 0 for what is no number."""
    digits = shown[:, :DOMESTIC_DIGITS]
    padding = shown[:, DOMESTIC_DIGITS:].tobytes()
    if digits.tobytes().isdigit() and not padding.strip(b"\0") and is_domestic(found := columns.mobiles(digits)).all():
        return found
    return columns.numbers([trimmed(each) for each in _octets(shown)])


def _distinct(column: NDArray[np.uint8]) -> tuple[list[bytes], NDArray[np.intp]]:
    """The distinct values of a field, and the index of each row's value; mostly there is one."""
    first = column[0].tobytes()
    if column.tobytes() == first * len(column):
        return [first], np.zeros(len(column), np.intp)
    return columns.indexed(_octets(column))


def _octets(column: NDArray[np.uint8]) -> list[bytes]:
    packed, size = column.tobytes(), column.shape[1]
    return [packed[at : at + size] for at in range(0, len(packed), size)]


def _message(deliver: Deliver, account: str, received_ms: int) -> Inbound:
    content = deliver.msg_content
    part: tuple[int, int, int] | None = None
    if deliver.tp_udhi:
        found = read_part(content)
        content = found.content if found is not None else behind_header(content)
        if found is not None:
            # References of 8 and of 16 bits are different ones, though the number may be the same.
            part = (found.reference | (found.reference_bits == 16) << 16, found.total, found.number)
    text, flags = _text(deliver.msg_fmt, content, in_parts=part is not None)
    return inbound.message(
        account,
        received_ms,
        number=deliver.src_terminal_id,
        text=text,
        flags=flags,
        to=deliver.dest_id,
        time=b"",
        message_id=_id(deliver),
        part=part,
    )


def _text(msg_fmt: int, content: bytes, *, in_parts: bool) -> tuple[str, tuple[str, ...]]:
    """The text, and what is odd about it. A part may begin or end within a character: its half is kept."""
    read = read_text(msg_fmt, content)
    if in_parts and msg_fmt == UCS2 and not read.exact and (kept := divided_characters.read(content)) is not None:
        read = ReadText(kept, True)
    odd = msg_fmt == UCS2 or not read.exact
    if msg_fmt in MISLABELLED and odd and not _is_chinese(read.text):
        meant = read_text(GB, content).text
        if _is_chinese(meant):
            return meant, (MISLABELLED[msg_fmt],)
    return read.text, () if read.exact else (f"msg-fmt-{msg_fmt}",)


def _is_chinese(text: str) -> bool:
    """Whether it has Chinese characters, and besides them only what stands in Chinese texts."""
    return bool(_HAN.search(text)) and not _FOREIGN.search(text)


def _id(deliver: Deliver) -> bytes:
    """What a message is recognised by when it comes again: its Msg_Id with its content, as some gateways give all
    messages one Msg_Id.
    """
    content = hashlib.blake2b(deliver.msg_content, digest_size=4).hexdigest()
    return f"{deliver.msg_id}-{content}".encode()
