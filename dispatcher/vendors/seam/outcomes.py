"""What answers mean: the outcome classes of vendors.md 0.1, code tables, HTTP statuses and broken connections.

This file decides once for all vendors what an HTTP status other than 200 or a broken connection means (vendors.md 0.2).
A vendor has its two tables as text rows; nothing else reads codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from dispatcher.core.lane.answers.verdict import (
    HISTORY,
    HISTORY_PARTLY,
    NO_ANSWER,
    NOT_CONNECTED,
    NOT_WRITTEN,
    TEXT_NOT_CARRIED,
    UNREADABLE,
    Kind,
    Origin,
    Verdict,
)
from schemas.states import REPORT_DELIVERED, REPORT_FAILED, REPORT_WAITING

TEXT_CHARS_MAX: Final = 200

HTTP_PREFIX: Final = "http "
HTTP_MEANING: Final = "a web server's status instead of the vendor's answer"
HTTP_CHINESE: Final = "网页服务器的状态，不是供应商的回答"
HTTP_ADVICE: Final = "check `url`"

UNLISTED_MEANING: Final = "not in the vendor's document; ask the vendor"
UNLISTED_CHINESE: Final = "供应商文档中没有此代码，请咨询供应商"
UNLISTED_ADVICE: Final = "ask the vendor"

NO_VENDORS_CODES: Final[Mapping[str, tuple[str, str]]] = {
    NO_ANSWER: ("no answer came to the request", ""),
    NOT_CONNECTED: ("no connection to the vendor", "check `url` and the network"),
    UNREADABLE: ("an answer that is not in the form of the vendor's document", UNLISTED_ADVICE),
    TEXT_NOT_CARRIED: ("the account cannot carry this text", "compare the account's configuration with the text"),
    NOT_WRITTEN: ("the dispatcher did not send the request", ""),
    HISTORY: ("the vendor's history does not name the recipients", ""),
    HISTORY_PARTLY: ("the vendor's history names some of the recipients", ""),
}
"""Codes that the dispatcher gives: their meaning and advice."""

# --- code tables -----------------------------------------------------------------------------------------------------


FAILURE_CLASSES: Final = (
    "temporary",
    "number",
    "blacklist",
    "content",
    "frequency",
    "channel",
    "auth",
    "other",
)
"""Why a message failed, in groups of codes. `temporary`: it may arrive later; `other`: no document says."""

_CLASS_OF_KIND: Final[Mapping[Kind, str]] = {
    Kind.RETRY_LATER: "temporary",
    Kind.THROTTLED: "temporary",
    Kind.BALANCE: "temporary",
    Kind.NOT_SENT: "temporary",
    Kind.CONTENT: "content",
    Kind.AUTH: "auth",
}
_CLASS_OF_CAUSE: Final = {"": "temporary", "operator": "temporary"}
"""Causes of reports that are no class themselves."""


class Code(msgspec.Struct, frozen=True):
    """One row of a vendor's code table: class, meaning in English and Chinese, advice for the operator."""

    code: str
    kind: Kind
    english: str
    chinese: str
    advice: str = ""
    divide: bool = False
    hold_s: float = 0.0
    doubtful: bool = False
    separate_credit: bool = False
    slower: bool = False


class Codes(msgspec.Struct, frozen=True):
    """A vendor's code table. A code that is not in it gets `other` (the safest class for that vendor)."""

    rows: Mapping[str, Code]
    other: Kind = Kind.REJECTED

    def find(self, code: str) -> Code | None:
        """The row of a code, or None if the document lacks it."""
        return self.rows.get(code)

    def verdict(self, code: str, *, text: str = "", vendor_id: str = "", warn: str = "") -> Verdict:
        """The verdict of this code."""
        row = self.rows.get(code)
        return Verdict(
            kind=row.kind if row else self.other,
            code=code,
            text=text[:TEXT_CHARS_MAX],
            vendor_id=vendor_id,
            divide=row is not None and row.divide,
            hold_s=row.hold_s if row else 0.0,
            doubtful=row is not None and row.doubtful,
            separate_credit=row is not None and row.separate_credit,
            slower=row is not None and row.slower,
            warn=warn or ("" if row else f"code {code} is not in the vendor's document"),
        )

    def failure_class(self, code: str) -> str:
        """Which of FAILURE_CLASSES a failure with this code is."""
        row = self.rows.get(code)
        return "other" if row is None else _CLASS_OF_KIND.get(row.kind, "other")

    def meaning(self, code: str) -> str:
        """The English meaning of a code; "" only where there is no code."""
        row = self.rows.get(code)
        if row is not None:
            return row.english
        if code.startswith(HTTP_PREFIX):
            return HTTP_MEANING
        ours, _ = NO_VENDORS_CODES.get(code, (UNLISTED_MEANING if code else "", ""))
        return ours

    def chinese(self, code: str) -> str:
        """The Chinese meaning of a code; "" for none and for those that the dispatcher gives."""
        row = self.rows.get(code)
        if row is not None:
            return row.chinese
        if code.startswith(HTTP_PREFIX):
            return HTTP_CHINESE
        return UNLISTED_CHINESE if code and code not in NO_VENDORS_CODES else ""

    def advice(self, code: str) -> str:
        """What the operator should do about a code, or ""."""
        row = self.rows.get(code)
        if row is not None:
            return row.advice
        if code.startswith(HTTP_PREFIX):
            return HTTP_ADVICE
        _, ours = NO_VENDORS_CODES.get(code, ("", UNLISTED_ADVICE if code else ""))
        return ours


def codes(table: str, *, other: Kind = Kind.REJECTED) -> Codes:
    """A code table from text rows `code | class | english | chinese | advice`.

    Class `x/divide` sets divide, `x/hold=300` sets hold_s, `retry-later/doubtful` sets doubtful, `balance/apart` sets
    separate_credit, `x/slower` sets slower. A class may have several marks.
    """
    rows: dict[str, Code] = {}
    for code, kind, english, chinese, *advice in _cells(table):
        name, *marks = kind.split("/")
        hold_s = sum(float(mark.removeprefix("hold=")) for mark in marks if mark.startswith("hold="))
        rows[code] = Code(
            code,
            Kind(name),
            english,
            chinese,
            advice[0] if advice else "",
            divide="divide" in marks,
            hold_s=hold_s,
            doubtful="doubtful" in marks,
            separate_credit="apart" in marks,
            slower="slower" in marks,
        )
    return Codes(rows, other)


ADVICE_BY_CAUSE: Final = {
    "": "nothing to mend; perhaps another day",
    "number": "take the number off the list",
    "blacklist": "put the number on the suppression list",
    "content": "change the text, or have the vendor approve it",
    "frequency": "text the same numbers less often",
    "channel": "tell the vendor if it continues",
    "operator": "the operator's trouble: send to them again later",
    "auth": "have the vendor look at the contract",
    "ported": "nothing to do: the next launches know that the number is with another carrier",
}
"""What to do about a failed message, by its cause."""


class ReportCode(msgspec.Struct, frozen=True):
    """One row of a vendor's report table. `state` as in schemas/states.py REPORT_…; `cause` groups failures.

    The cause "ported" says that the number moved to another carrier: `ported_to` it, by its word, or "unknown".
    """

    code: str
    state: int
    cause: str
    english: str
    chinese: str
    ported_to: str = ""

    @property
    def advice(self) -> str:
        """Advice for the operator; "" if nothing failed."""
        return ADVICE_BY_CAUSE[self.cause] if self.state == REPORT_FAILED else ""


class ReportCodes(msgspec.Struct, frozen=True):
    """A vendor's report table. Codes are compared trimmed and without case; an unlisted code means failed.

    A row `MA:*` stands for every code that begins with `MA:` (vendors.md, Annex A).
    """

    rows: Mapping[str, ReportCode]

    def find(self, code: str) -> ReportCode | None:
        """The row of a code, or None if no document has it."""
        folded = code.strip().upper()
        row = self.rows.get(folded)
        if row is None and ":" in folded:
            row = self.rows.get(folded.partition(":")[0] + ":*")
        return row

    def state(self, code: str) -> int:
        """REPORT_DELIVERED, REPORT_FAILED or REPORT_WAITING."""
        row = self.find(code)
        return row.state if row else REPORT_FAILED

    def failure_class(self, code: str) -> str:
        """Which of FAILURE_CLASSES a failure with this code is."""
        row = self.find(code)
        return "other" if row is None else _CLASS_OF_CAUSE.get(row.cause, row.cause)

    def meaning(self, code: str) -> str:
        """The plain English meaning of a code; "" only where there is no code."""
        row = self.find(code)
        return row.english if row else UNLISTED_MEANING if code else ""

    def chinese(self, code: str) -> str:
        """The Chinese meaning of a code; "" only where there is no code."""
        row = self.find(code)
        return row.chinese if row else UNLISTED_CHINESE if code else ""

    def advice(self, code: str) -> str:
        """What the operator should do about a code, or ""."""
        row = self.find(code)
        return row.advice if row else UNLISTED_ADVICE if code else ""


_REPORT_STATES: Final = {"delivered": REPORT_DELIVERED, "failed": REPORT_FAILED, "waiting": REPORT_WAITING}


def report_codes(table: str) -> ReportCodes:
    """A report table from text rows `code | state | english | chinese`; state `failed/blacklist` names the cause.

    `failed/ported=unicom` also names the carrier that the number moved to.
    """
    rows: dict[str, ReportCode] = {}
    for code, state, english, chinese in _cells(table):
        name, _, cause = state.partition("/")
        cause, _, carrier = cause.partition("=")
        ported_to = carrier or ("unknown" if cause == "ported" else "")
        rows[code] = ReportCode(code, _REPORT_STATES[name], cause, english, chinese, ported_to)
    return ReportCodes(rows)


OPERATOR_REPORTS: Final = """
    EXPIRED | failed          | the validity period was over               | 短消息超过有效期
    DELETED | failed          | deleted before delivery                    | 短消息已被删除
    UNDELIV | failed          | not deliverable                            | 短消息无法投递
    ACCEPTD | waiting         | taken by the operator, no final word yet   | 短消息已被接收，无最终状态
    UNKNOWN | failed          | the operator does not know its state       | 短消息状态未知
    REJECTD | failed          | refused by the operator's message centre   | 短消息被短信中心拒绝
    MA:*    | failed/operator | the message centre did not answer          | 短信中心无应答
    MB:1047 | failed/ported   | the number moved to another carrier        | 号码已携出
    MB:1048 | failed/ported   | the number moved to another carrier        | 号码已携出
    MB:1049 | failed/ported   | the number moved to another carrier        | 号码已携出
    NP:1243 | failed/ported=unicom | the number moved to China Unicom      | 号码已转网至中国联通
    NP:*    | failed/ported   | the number moved to another carrier        | 携号转网
    MB:*    | failed/operator | the message centre answered with an error  | 短信中心返回错误
    MC:*    | failed/operator | no report came from the message centre     | 未收到短信中心的状态报告
    CA:*    | failed/operator | the operator's SCP did not answer          | SCP无应答
    CB:*    | failed/operator | the operator's SCP answered with an error  | SCP返回错误
    DA:*    | failed/operator | the operator's DSMP did not answer         | DSMP无应答
    DB:*    | failed/operator | the operator's DSMP answered with an error | DSMP返回错误
    SA:*    | failed/operator | the service provider did not answer        | SP无应答
    SB:*    | failed/operator | the service provider answered an error     | SP返回错误
    IA:*    | failed/operator | the next gateway did not answer            | 下一级网关无应答
    IB:*    | failed/operator | the next gateway answered with an error    | 下一级网关返回错误
    IC:*    | failed/operator | no report came from the next gateway       | 未收到下一级网关的状态报告
"""
"""Operator codes that any vendor may pass on (vendors.md 6.8 and Annex A); a vendor's own rows follow them.

The codes of ported numbers are not in the vendors' documents, but in error lists that several platforms publish.
"""


def _cells(table: str) -> list[list[str]]:
    """The cells of each non-blank line."""
    return [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if line.strip()]


# --- what is no vendor's word ----------------------------------------------------------------------------------------


def status_verdict(status: int, text: str, *, submits: bool) -> Verdict:
    """What an HTTP status other than 200 means (vendors.md 0.2); its body is not parsed.

    No document mentions one. 503 also lowers the rate. A 5xx may come from a proxy although the vendor behind it took
    the submit; so may a 2xx other than 200, a 303 ("see the result elsewhere") and a 302, which many servers send
    instead. Redirects are never followed.
    """
    code = f"{HTTP_PREFIX}{status}"
    cut = text[:TEXT_CHARS_MAX]
    if status == 429:
        return Verdict(kind=Kind.THROTTLED, code=code, text=cut, origin=Origin.HTTP)
    wrong_server = 300 <= status < 500 and status != 408
    if status in (408, 302, 303) or status >= 500 or status < 300:
        kind = Kind.UNKNOWN if submits else Kind.RETRY_LATER
        slower = status == 503
        return Verdict(kind=kind, code=code, text=cut, slower=slower, wrong_server=wrong_server, origin=Origin.HTTP)
    odd = "an HTTP status no document mentions: check `url`"
    return Verdict(kind=Kind.REJECTED, code=code, text=cut, warn=odd, wrong_server=wrong_server, origin=Origin.HTTP)


def broken_verdict(why: str, *, sent: bool, submits: bool) -> Verdict:
    """What a failed connection means: before the first byte not sent, after it unknown (vendors.md 0.2)."""
    cut = why[:TEXT_CHARS_MAX]
    if sent and submits:
        return Verdict(kind=Kind.UNKNOWN, code=NO_ANSWER, text=cut, origin=Origin.LINK)
    if sent:
        return Verdict(kind=Kind.RETRY_LATER, code=NO_ANSWER, text=cut, origin=Origin.LINK)
    return Verdict(kind=Kind.NOT_SENT, code=NOT_CONNECTED, text=cut, origin=Origin.LINK)
