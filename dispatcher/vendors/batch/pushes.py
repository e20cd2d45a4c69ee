"""What the BATCH platform pushes, both editions: reports and messages, one each time (vendors.md 3.2, 3.3, 8.3).

Pure: bytes in, values out. platform.py checks whether a push is the vendor's. Edition B's document has no chapter on
messages; they come as in edition A (AMB-BATCH-13).
"""

from __future__ import annotations

from typing import Final

from dispatcher.vendors.reading import forms, inbound
from dispatcher.vendors.reading.escapes import pushed_text
from dispatcher.vendors.reading.identifiers import CODE_CHARS_MAX, ID_CHARS_MAX, identifier
from dispatcher.vendors.seam.outcomes import OPERATOR_REPORTS
from dispatcher.vendors.seam.vendor import Push, ReportCodes, ReportRow, report_codes
from schemas.records import Inbound

PARTS_MAX: Final = 255  # one byte on the air
LONG_IDS: Final = 1 << 32  # one or two bytes there; an SMSC's own numbers may be longer

# fmt: off
REPORT_CODES: Final[ReportCodes] = report_codes(OPERATOR_REPORTS + """
    DELIVRD  | delivered        | delivered                              | 短消息转发成功
    MBBLACK  | failed/blacklist | the number is on a blacklist           | 黑名单号码
    DTBLACK  | failed/blacklist | the destination is on a blacklist      | 目的号码是黑名单号码
    ROUTEERR | failed/channel   | the vendor's channel is out of order   | 通道异常
    REJECT   | failed/content   | refused in review                      | 审核驳回
    DISTURB  | failed/frequency | the number got too many messages       | 号码发送次数过多
    EMSERR   | failed           | the long message arrived incomplete    | 长短信不完整
    SIGNERR  | failed/content   | wrong signature                        | 签名错
    KEYWORD  | failed/content   | sensitive word in the text             | 敏感词
    ERR:104  | failed/channel   | the vendor's system was busy           | 系统忙
""")
# fmt: on


class Junk(ValueError):
    """The push cannot be read; its text says why."""


def form_of(push: Push) -> dict[str, bytes]:
    """The fields of query and body together; the body's override (AMB-BATCH-14)."""
    form = forms.fields(push.query)
    if push.body:
        form |= forms.fields(push.body)
    return form


def read_report(form: dict[str, bytes]) -> ReportRow:
    """The report in a push (AMB-BATCH-9, 10). Raises Junk."""
    vendor_id, mobile, status = identifier(form.get("msgid", b"")), form.get("mobile"), form.get("status")
    if not vendor_id or mobile is None or status is None:
        missing = "msgid" if not vendor_id else "mobile" if mobile is None else "status"
        raise Junk(f"the push has no {missing} field")
    number = forms.number(mobile)
    if not number:
        raise Junk("mobile is not a number")
    if len(vendor_id) > ID_CHARS_MAX:
        raise Junk("msgid is too long")
    code = identifier(status)[:CODE_CHARS_MAX]
    time_s = forms.time_s(form.get("reportTime", b""))
    return ReportRow(vendor_id, number, REPORT_CODES.state(code), code, time_s)


def read_message(form: dict[str, bytes], account: str, received_ms: int) -> Inbound:
    """The message, or the part of a long one, in a push (AMB-BATCH-12). Raises Junk."""
    mobile, text = form.get("mobile"), form.get("msg")
    if not mobile or text is None:
        raise Junk(f"the push has no {'mobile' if not mobile else 'msg'} field")
    words, flags = pushed_text(text, "plain")
    part = None
    if form.get("isems", b"").strip() == b"1":
        part = _part(form.get("emshead", b""))
        if part is None:
            flags = (*flags, "broken-emshead")
    return inbound.message(
        account,
        received_ms,
        number=mobile,
        text=words,
        flags=flags,
        to=form.get("destcode", b""),
        time=form.get("moTime", b""),
        part=part,
    )


def _part(emshead: bytes) -> tuple[int, int, int] | None:
    """(id, total, number) of a part, or None if the head is not one (AMB-BATCH-12)."""
    cells = emshead.strip().split(b",")
    if len(cells) != 3 or not all(cell.strip().isdigit() for cell in cells) or len(emshead) > 32:
        return None
    message, total, number = (int(cell) for cell in cells)
    possible = 1 <= number <= total <= PARTS_MAX and message < LONG_IDS
    return (message, total, number) if possible else None
