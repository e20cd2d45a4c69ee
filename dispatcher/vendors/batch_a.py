"""BATCH-A: the HttpBatchSendSM platform, edition A, over HTTP in UTF-8 (vendors.md 3, 8.3).

Pure: values in, values out; no client, no clock, no logging.
Weak spots: a success without a message id cannot be joined with its reports (a warning says so), and a vendor that ends
its answers by closing the connection can cut a message id short without anybody being able to tell.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final
from urllib.parse import quote

import msgspec

from dispatcher.core.numbers import to_wire
from dispatcher.core.text import Split, not_carried, units
from dispatcher.errors import TextError
from dispatcher.vendors import forms
from dispatcher.vendors.outcomes import OPERATOR_REPORTS
from dispatcher.vendors.seam import (
    Answer,
    Balance,
    BalanceFlow,
    Codes,
    InboundParsed,
    Kind,
    Limits,
    Message,
    Product,
    Push,
    Refused,
    ReportCodes,
    ReportRow,
    ReportsParsed,
    Request,
    Secret,
    SubmitFlow,
    Vendor,
    Verdict,
    codes,
    report_codes,
)
from schemas.records import Inbound

SUBMIT_PATH: Final = "/msg/HttpBatchSendSM"
BALANCE_PATH: Final = "/msg/QueryBalance"

NUMBERS_MAX: Final = 50_000
NUMBERS_MAX_SINGLE: Final = 200
TEXT_CHARS_MAX: Final = 700
BALANCE_INTERVAL_S_MIN: Final = 10.0
ID_CHARS_MAX: Final = 64
STATUS_CHARS_MAX: Final = 64
INBOUND_CHARS_MAX: Final = 10_000
EMPTY_PUSH = "the push has no {} field"

# fmt: off
CODES: Final = codes("""
    0   | accepted           | accepted                                | 提交成功
    101 | auth               | no such user                            | 无此用户 | fix account
    102 | auth               | wrong password                          | 密码错 | fix pswd
    103 | throttled          | submitting too fast                     | 提交过快 | set flow to the contract's limit
    104 | retry-later        | the vendor's system is busy             | 系统忙
    105 | content            | sensitive words in the text             | 敏感短信 | change the text
    106 | content            | wrong text length (over 536 or empty)   | 消息长度错 | shorten the text
    107 | rejected-permanent/divide | wrong numbers in the request     | 包含错误的手机号码
    108 | rejected-permanent | wrong count of numbers                  | 手机号码个数错 | set numbers_per_request
    109 | balance            | no credit left                          | 无发送额度 | top up the account
    110 | retry-later/hold=300 | not inside the sending time           | 不在发送时间内 | set send_hours
    111 | balance            | over this month's quota                 | 超出当月发送额度 | raise the quota, or wait
    112 | rejected-permanent | the product is not subscribed           | 无此产品 | fix product
    113 | rejected-permanent | extno is not numeric or of wrong length | extno格式错 | fix extno
    115 | content            | refused by automatic review             | 自动审核驳回 | change the text
    116 | content            | signature illegal or missing            | 签名不合法 | add your 【signature】
    117 | auth               | our IP address is not registered        | IP地址认证错 | have the vendor add our address
    118 | auth               | no permission to send                   | 用户没有发送权限 | ask the vendor
    119 | auth               | the user has expired                    | 用户已过期 | renew the contract
    120 | content            | the text is not in the white list       | 内容不在白名单中 | have it approved
""")

REPORT_CODES: Final = report_codes(OPERATOR_REPORTS + """
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

_TIME_LINE: Final = re.compile(r"[\d\s:/.-]*", re.ASCII)
_CODE: Final = re.compile(r"-?\d{1,9}", re.ASCII)
_DIGITS: Final = re.compile(r"\d+", re.ASCII)
_AMOUNT: Final = re.compile(r"\s*(-?\d{1,15}(?:\.\d{1,9})?)\s*", re.ASCII)


class BatchA(Vendor, frozen=True, kw_only=True, tag="batch-a"):
    """An account at a BATCH-A platform. Keys besides those of every vendor:

    `product` is mandatory where the account has several (wrong billing otherwise). `needstatus` false means that no
    reports come. `text_chars_max` may go up to `text_chars_hard_max`: the documents say 500, 536, 585 and 700
    (AMB-BATCH-1). `extno_digits_max` 3 or 6 (AMB-BATCH-8). `text_split` [70, 67] or [60, 57] (AMB-BATCH-2).
    `receiver` and `push_pswd` are what the vendor must send with every push; leave a key out to not ask for it.
    """

    account: str
    pswd: Secret
    product: str = ""
    extno: str = ""
    needstatus: bool = True
    numbers_min: int = 1
    text_chars_max: int = 500
    text_chars_hard_max: int = 536
    text_split: tuple[int, int] = (70, 67)
    extno_digits_max: int = 3
    receiver: str | None = None
    push_pswd: Secret | None = None
    balance_interval_s: float | None = 10.0

    codes: ClassVar[Codes] = CODES
    report_codes: ClassVar[ReportCodes] = REPORT_CODES

    @property
    def limits(self) -> Limits:
        """At most 50,000 numbers and `text_chars_max` UTF-16 units of UTF-8 text (vendors.md 3.1, AMB-X-3)."""
        asked = self.numbers_per_request
        numbers_max = min(asked, NUMBERS_MAX) if asked and asked > 0 else NUMBERS_MAX
        return Limits(numbers_max=numbers_max, numbers_min=self.numbers_min, text_chars_max=self.text_chars_max)

    @property
    def split(self) -> Split:
        """As configured: 70 in one message and 67 in each part unless the platform cuts at 60 (AMB-BATCH-2)."""
        return Split(*self.text_split)

    def check(self) -> str | None:
        """What is wrong with the keys, in one sentence, or None."""
        if not self.account or not self.pswd:
            return f"{'pswd' if self.account else 'account'} is empty: write what the vendor gave you."
        if not 1 <= self.text_chars_hard_max <= TEXT_CHARS_MAX:
            return f"text_chars_hard_max must be 1 to {TEXT_CHARS_MAX}."
        if not 1 <= self.text_chars_max <= self.text_chars_hard_max:
            return (
                f"text_chars_max must be 1 to {self.text_chars_hard_max}; if your contract carries longer texts, raise "
                f"text_chars_hard_max too (up to {TEXT_CHARS_MAX})."
            )
        if self.extno and (wrong := self._wrong_extno(self.extno)):
            return wrong
        if min(self.text_split) < 1:
            return "text_split must be [SINGLE, MULTI] of 1 or more, for example [70, 67]."
        if not 1 <= self.numbers_min <= self.limits.numbers_max:
            return "numbers_min must be 1 to numbers_per_request."
        if self.balance_interval_s is None or self.balance_interval_s < BALANCE_INTERVAL_S_MIN:
            return f"balance_interval_s must be {BALANCE_INTERVAL_S_MIN:g} or more: the vendor refuses faster queries."
        return super().check()

    # --- sending -----------------------------------------------------------------------------------------------------

    def prepare(self, message: Message) -> bytes:
        """The form up to and including `mobile=`. Options: `extno`, `product`. Raises TextError."""
        text = message.text
        length = units(text)
        if not text.strip():
            raise TextError("the text is empty. Give --text something to send.")
        if length > self.text_chars_max:
            raise TextError(
                f"the text has {length} characters, this account takes {self.text_chars_max}. Shorten it by "
                f"{length - self.text_chars_max}, or raise text_chars_max if the contract allows it."
            )
        if odd := not_carried(text, "utf-8"):
            raise TextError(f"character {odd.position} of the text is broken ({odd.character!r}). Type it again.")
        extno, product = self.extno, self.product
        for name, value in message.options.items():
            if name == "extno":
                if wrong := self._wrong_extno(value):
                    raise TextError(wrong)
                extno = value
            elif name == "product":
                product = value
            else:
                raise TextError(f'batch-a has no option "{name}" (it has extno and product). Leave it out.')
        form = [
            ("account", self.account),
            ("pswd", self.pswd),
            ("msg", text),
            ("needstatus", "true" if self.needstatus else "false"),
            *([("product", product)] if product else []),
            *([("extno", extno)] if extno else []),
        ]
        return "&".join([*(f"{name}={quote(value, safe='')}" for name, value in form), "mobile="]).encode("ascii")

    def submit(self, prepared: bytes, chunk: memoryview, count: int) -> SubmitFlow:
        """One POST for the whole chunk; the answer is `time,code` and, if taken, a line with the message id."""
        answer = yield Request(path=SUBMIT_PATH, prefix=prepared, tail=chunk, submits=True)
        code, lines, text = read_answer(answer)
        if code is None:
            return Verdict(kind=Kind.UNKNOWN, code="unreadable", text=text, warn="the answer is not of the document")
        if code != "0":
            verdict = CODES.verdict(code, text=text)
            # 108, too many for this contract: 200 is the smallest maximum in the documents, below it halves don't help.
            divide = verdict.divide or (code == "108" and count > NUMBERS_MAX_SINGLE)
            return msgspec.structs.replace(verdict, divide=divide)
        vendor_id = lines[0] if lines else ""
        if len(vendor_id) > ID_CHARS_MAX:
            return CODES.verdict(code, text=text, warn="the answer's message id is no id; its reports cannot be joined")
        if not vendor_id and self.needstatus:
            return CODES.verdict(code, text=text, warn="the answer has no message id; its reports cannot be joined")
        return CODES.verdict(code, text=text, vendor_id=vendor_id)

    def balance(self) -> BalanceFlow:
        """One POST; the answer is `time,code` and a line `product,messages` per product (vendors.md 3.4)."""
        form = f"account={quote(self.account, safe='')}&pswd={quote(self.pswd, safe='')}"
        answer = yield Request(path=BALANCE_PATH, prefix=form.encode("ascii"))
        code, lines, text = read_answer(answer)
        if code is None:
            odd = Verdict(kind=Kind.RETRY_LATER, code="unreadable", text=text, warn="the answer is not of the document")
            return Balance(messages=None, verdict=odd)
        if code != "0":
            return Balance(messages=None, verdict=CODES.verdict(code, text=text))
        return self._counted(lines)

    def _counted(self, lines: list[str]) -> Balance:
        """The configured product's messages, else the sum (AMB-BATCH-23)."""
        products, unread = [], 0
        for line in lines:
            name, _, amount = line.partition(",")
            if read := _AMOUNT.fullmatch(amount):
                products.append(Product(name.strip(), float(read[1])))
            else:
                unread += 1
        mine = [product for product in products if product.name == self.product] if self.product else products
        warn = f"{unread} lines of the answer are no balance" if unread else ""
        if not mine:
            missing = f'product "{self.product}"' if self.product else "product"
            return Balance(messages=None, products=tuple(products), warn=f"the answer names no {missing}")
        if len(mine) > 1:
            warn = warn or f"the sum of {len(mine)} products: set `product` to count the one you send with"
        return Balance(messages=sum(product.messages for product in mine), products=tuple(products), warn=warn)

    # --- pushes ------------------------------------------------------------------------------------------------------

    def report_push(self, push: Push) -> ReportsParsed:
        """One report per push, GET or POST form (vendors.md 3.2; AMB-BATCH-9, 10, 11)."""
        form = _form(push)
        if not self._from_vendor(form):
            return Refused(403, "receiver or pswd is wrong", False)
        vendor_id, mobile, status = form.get("msgid", b"").strip(), form.get("mobile"), form.get("status")
        if not vendor_id or mobile is None or status is None:
            missing = "msgid" if not vendor_id else "mobile" if mobile is None else "status"
            return self._junk(EMPTY_PUSH.format(missing))
        number = forms.number(mobile)
        if not number:
            return self._junk("mobile is not a number")
        if len(vendor_id) > ID_CHARS_MAX:
            return self._junk("msgid is too long")
        code = status.decode("utf-8", "replace").strip()[:STATUS_CHARS_MAX]
        time_s = forms.time_s(form.get("reportTime", b""))
        return [ReportRow(vendor_id.decode("utf-8", "replace"), number, REPORT_CODES.state(code), code, time_s)]

    def inbound_push(self, push: Push) -> InboundParsed:
        """One message, or one part of a long one, per push (vendors.md 3.3; AMB-BATCH-12)."""
        form = _form(push)
        if not self._from_vendor(form):
            return Refused(403, "receiver or pswd is wrong", False)
        mobile, text = form.get("mobile"), form.get("msg")
        if not mobile or text is None:
            return self._junk(EMPTY_PUSH.format("mobile" if not mobile else "msg"))
        flags = []
        try:
            words = text.decode("utf-8")
        except UnicodeDecodeError:
            words = text.decode("utf-8", "replace")
            flags.append("broken-utf8")
        if len(words) > INBOUND_CHARS_MAX:
            words = words[:INBOUND_CHARS_MAX]
            flags.append("cut")
        part = None
        if form.get("isems", b"").strip() == b"1":
            part = _part(form.get("emshead", b""))
            if part is None:
                flags.append("broken-emshead")
        number = forms.number(mobile)
        if not number:
            flags.append("no-number")
        time_s = forms.time_s(form.get("moTime", b""))
        if not time_s:
            flags.append("no-time")
        return [
            Inbound(
                account=push.account,
                number=to_wire(number) if number else _short(mobile),
                text=words,
                to=_short(form.get("destcode", b"")),
                at_ms=time_s * 1000 or push.received_ms,
                received_ms=push.received_ms,
                part=part,
                flags=tuple(flags),
            )
        ]

    def _from_vendor(self, form: dict[str, bytes]) -> bool:
        """Did the push carry what the account asks for? Both are compared, so that the time tells nothing."""
        receiver = forms.same(form.get("receiver"), self.receiver)
        return forms.same(form.get("pswd"), self.push_pswd) and receiver

    def _junk(self, why: str) -> Refused:
        return Refused(400, why, self.receiver is not None or self.push_pswd is not None)

    def _wrong_extno(self, extno: str) -> str | None:
        if _DIGITS.fullmatch(extno) and len(extno) <= self.extno_digits_max:
            return None
        return f"extno must be 1 to {self.extno_digits_max} digits (extno_digits_max says how many)."


def read_answer(answer: Answer) -> tuple[str | None, list[str], str]:
    """(code, the lines after the first, the text for people) of an answer; code None: not of the document.

    The first line is `time,code`, the time may be missing (AMB-BATCH-20). A cut body's last line does not count.
    """
    text = answer.body.decode("utf-8", "replace").removeprefix("\ufeff")
    whole = text[: text.rfind("\n") + 1] if answer.cut else text
    lines = [line.strip() for line in whole.split("\n") if line.strip()]
    time, comma, code = lines[0].partition(",") if lines else ("", "", "")
    code = code.strip()
    if not comma or not _TIME_LINE.fullmatch(time) or not _CODE.fullmatch(code):
        return None, [], text[:200]
    return str(int(code)), lines[1:], text[:200].strip()


def _form(push: Push) -> dict[str, bytes]:
    """The fields of query and body together; the body's count (AMB-BATCH-14)."""
    form = forms.fields(push.query)
    if push.body:
        form |= forms.fields(push.body)
    return form


def _short(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip()[:ID_CHARS_MAX]


def _part(emshead: bytes) -> tuple[int, int, int] | None:
    """(id, total, number) of a part, or None if the head is not one (AMB-BATCH-12)."""
    cells = emshead.strip().split(b",")
    if len(cells) != 3 or not all(cell.strip().isdigit() for cell in cells) or len(emshead) > 32:
        return None
    message, total, number = (int(cell) for cell in cells)
    return (message, total, number) if 1 <= number <= total else None
