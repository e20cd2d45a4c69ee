"""Pages of reports and messages that COSMS serves, and its history (vendors.md 1.6, 1.7, 1.9).

Pure. Unreadable rows are returned beside the others. A row's text is decoded by the row's own msgFormat.
Weak spots: reports carry neither a number nor a time; a line of a message that looks like the start of a row is taken
for one (only if the vendor ignores our request for escaped texts).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from dispatcher.vendors.cosms.wire import LINES, CodedAnswer, read_text, rows
from dispatcher.vendors.reading import forms, inbound
from dispatcher.vendors.reading.identifiers import CODE_CHARS_MAX, ID_CHARS_MAX, identifier
from dispatcher.vendors.reading.unreadable import Unreadable
from dispatcher.vendors.seam.outcomes import OPERATOR_REPORTS
from dispatcher.vendors.seam.vendor import History, HistoryRow, PolledPage, ReportRow, report_codes
from schemas.states import REPORT_WAITING

PAGE_ROWS: Final = 100
HISTORY_ROWS_MAX: Final = 500

# fmt: off
REPORT_CODES: Final = report_codes(OPERATOR_REPORTS + """
    DELIVRD | delivered        | delivered                                                | 短消息转发成功
    0       | delivered        | delivered                                                | 成功
    1       | failed/number    | the number does not exist                                | 号码不存在
    2       | failed           | the phone is suspended (in the history: failed, Unicom)  | 停机；联通：发送失败
    3       | failed/content   | illegal content                                          | 非法内容
    4       | failed/blacklist | the number is on the protected list                      | 名单保护号码
    255     | failed           | failed for another reason                                | 其它失败
""")
# fmt: on

_MO_BEGIN: Final = re.compile(rb"\s*\d\s*,\s*\d+\s*,")
_MO_ROW: Final = re.compile(rb"\s*(\d)\s*,\s*(\d+)\s*,\s*(\d*)\s*,\s*(\+?\d{3,20})\s*,([^,]*),(.*)", re.DOTALL)
_HISTORY_ROW: Final = re.compile(
    rb"\s*(\d)\s*,(?:[^,]*,)?\s*([^\s,]+)\s*,\s*(\d{14})\s*,\s*(\+?\d{3,20})\s*,\s*(\d*)\s*,([^,]*),([^,]*),(.*)",
    re.DOTALL,
)
_MO_COMMAS: Final = 5
_HISTORY_COMMAS: Final = 7

# --- reports ---------------------------------------------------------------------------------------------------------


def polled_reports(said: CodedAnswer) -> PolledPage:
    """A page of rows `mtID,mtReport`; after a full one the next is requested."""
    found, unreadable = [], Unreadable()
    lines = rows(said.rest)
    for line in lines:
        first, comma, rest = line.partition(b",")
        vendor_id, code = identifier(first), identifier(rest)
        if not comma or not vendor_id or not code or "," in code:
            unreadable.add(line, "it is not mtID,mtReport")
        elif len(vendor_id) > ID_CHARS_MAX:
            unreadable.add(line, "mtID is too long")
        else:
            code = code[:CODE_CHARS_MAX]
            found.append(ReportRow(vendor_id, 0, REPORT_CODES.state(code), code, 0))
    return _polled(PolledPage(reports=found, more=said.cut or len(lines) >= PAGE_ROWS), unreadable)


# --- messages from phones --------------------------------------------------------------------------------------------


def polled_messages(said: CodedAnswer, account: str, received_ms: int) -> PolledPage:
    """A page of rows `msgFormat,moID,moTime,mob,destID,msg`; after a full one the next is requested (AMB-COSMS-18)."""
    found, unreadable = [], Unreadable()
    entries = _entries(said.rest, _MO_ROW, lambda line: bool(_MO_BEGIN.match(line)) and line.count(b",") >= _MO_COMMAS)
    for entry in entries:
        if not (row := _MO_ROW.fullmatch(entry)):
            unreadable.add(entry, "it is not msgFormat,moID,moTime,mob,destID,msg")
            continue
        form, message_id, time, mobile, to, value = row.groups()
        text, flags = read_text(form.decode(), value, unescape=True)
        found.append(
            inbound.message(
                account,
                received_ms,
                number=mobile,
                text=text,
                flags=flags,
                to=to,
                time=time,
                message_id=message_id,
            )
        )
    return _polled(PolledPage(inbound=found, more=said.cut or len(entries) >= PAGE_ROWS), unreadable)


# --- history ---------------------------------------------------------------------------------------------------------


def history(said: CodedAnswer) -> History:
    """Rows of eight or nine columns; the place of the time decides which (AMB-COSMS-17)."""
    found, unreadable = [], Unreadable()
    entries = _entries(said.rest, _HISTORY_ROW, lambda line: line.count(b",") >= _HISTORY_COMMAS and line[:1].isdigit())
    for entry in entries:
        row = _HISTORY_ROW.fullmatch(entry)
        number = _abroad(row[4], row[5]) if row else 0
        if row is None or not number or len(row[2]) > ID_CHARS_MAX or not forms.time_s(row[3]):
            unreadable.add(entry, "it is not msgFormat,subID,mtID,mtTime,mob,countryNum,destID,mtStatus,msg")
            continue
        code = inbound.short(row[7])
        found.append(
            HistoryRow(
                vendor_id=identifier(row[2]),
                number=number,
                state=REPORT_CODES.state(code) if code else REPORT_WAITING,
                code=code,
                sent_ms=forms.time_s(row[3]) * 1000,
                text=read_text(row[1].decode(), row[8], unescape=True)[0],
                destination=inbound.short(row[6]),
            )
        )
    complete = not said.cut and len(entries) < HISTORY_ROWS_MAX and not unreadable.entries
    rest = b"\n".join(unreadable.entries)
    return History(rows=found, complete=complete, rest=rest, count=len(unreadable.entries), why=unreadable.why)


def _abroad(mobile: bytes, country: bytes) -> int:
    """The number with its country code, which may be part of the column before it."""
    digits, code = mobile.removeprefix(b"+"), country.lstrip(b"0")
    if not code or code == b"86":
        return forms.number(digits)
    whole = digits.startswith(code) and len(digits) > _LOCAL_DIGITS_MAX
    return forms.number(b"+" + digits if whole else code + digits)


_LOCAL_DIGITS_MAX: Final = 10
"""Longer numbers that begin with the country code already have it."""

# --- rows ------------------------------------------------------------------------------------------------------------


def _entries(rest: bytes, row: re.Pattern[bytes], begins: Callable[[bytes], bool]) -> list[bytes]:
    """The rows; a line that does not start a row continues the text before it, with all line ends."""
    found: list[bytes] = []
    ends = b""
    for piece in LINES.findall(rest):
        line = piece.rstrip(b"\r\n")
        if not line.strip():
            ends += piece
            continue
        if found and not row.fullmatch(line) and not begins(line):
            found[-1] += ends + line
        else:
            found.append(line)
        ends = piece[len(line) :]
    return found


def _polled(page: PolledPage, unreadable: Unreadable) -> PolledPage:
    """The page with its unreadable rows."""
    if not unreadable.entries:
        return page
    count = len(unreadable.entries)
    why = f"{count} row{'' if count == 1 else 's'} cannot be read; of the first: {unreadable.why}"
    return PolledPage(
        reports=page.reports,
        inbound=page.inbound,
        more=page.more,
        rest=b"\n".join(unreadable.entries),
        count=count,
        why=why,
    )
