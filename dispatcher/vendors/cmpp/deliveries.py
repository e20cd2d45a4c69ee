"""What a gateway delivers: reports, messages from phones, and neither (vendors.md 6.8, AMB-CMPP-20, 22, 24, 29). Pure.

A report's id is its message's Msg_Id in decimal digits, unsigned. Numbers are compared without `86` and `+86`.
Weak spot: a message has no time of its own; the one in its Msg_Id is not to be trusted (AMB-CMPP-1).
"""

from __future__ import annotations

import hashlib
import re
import struct
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from dispatcher.cmpp.layout import HEADER_BYTES, trimmed
from dispatcher.cmpp.long_texts import behind_header, read_part
from dispatcher.cmpp.pdus import Deliver, ReportBody, ReportBodyWide
from dispatcher.cmpp.reports import read_report
from dispatcher.cmpp.texts import ASCII, GB, UCS2, ReadText, read_text
from dispatcher.core.messages import divided_characters
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
    ids, stats, moments, shown = zip(*_body_of(frame_bytes, octets).iter_unpack(frames), strict=True)
    numbers = columns.numbers([trimmed(each) for each in shown])
    spellings, code_index = columns.indexed(stats)
    codes = [identifier(trimmed(stat)) for stat in spellings]
    if not numbers.all() or len(set(codes)) < len(codes):
        return None
    distinct, time_index = columns.indexed(moments)
    return columns.records(
        account,
        received_ms,
        ids=columns.indexed(list(map(str, ids))),
        numbers=numbers,
        codes=(codes, code_index),
        state=REPORT_CODES.state,
        times=np.array([forms.time_s(trimmed(moment)) for moment in distinct], np.uint32)[time_index],
    )


@lru_cache(maxsize=64)
def _body_of(frame_bytes: int, octets: int) -> struct.Struct:
    """Of a DELIVER with a report of so many octets: its Msg_Id, Stat, Done_time and Dest_terminal_Id."""
    size = {name: field.size for name, field in _BODIES[octets].layout.fields.items()}
    wanted = "Q{stat}s{submit_time}x{done_time}s{dest_terminal_id}s".format(**size)
    before = f">{_CONTENT_AT}x{wanted}"
    return struct.Struct(f"{before}{frame_bytes - struct.calcsize(before)}x")


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
