"""GUODU SubmitJson: JSON over HTTP, the text URL-encoded inside it (vendors.md 5, 8.4). Pushes: pushes.py.

Pure: values in, values out; no client, no clock, no logging.
Weak spots: the document has no "too fast" code, no balance code and no balance query, so only our own pacing protects
the account; it breaks off before it describes messages from phones; and this file cannot check whether `send_time` is
past.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec

from dispatcher.core.lane.answers.verdict import UNREADABLE
from dispatcher.core.messages.text import Split
from dispatcher.errors import TextError
from dispatcher.vendors.guodu.codes import REPORT_CODES, MoFields
from dispatcher.vendors.guodu.lenient_json import folded, parse, trimmed, word
from dispatcher.vendors.reading import forms
from dispatcher.vendors.reading.escapes import TextForm, url_encoded
from dispatcher.vendors.reading.identifiers import ID_CHARS_MAX, identifier
from dispatcher.vendors.reading.text_checks import check_characters, check_length
from dispatcher.vendors.reading.unreadable import Unreadable
from dispatcher.vendors.seam.vendor import (
    Answer,
    Codes,
    HttpVendor,
    InboundParsed,
    Kind,
    Limits,
    Message,
    Push,
    PushProof,
    Refusal,
    ReportCodes,
    ReportsParsed,
    Request,
    Secret,
    SubmitFlow,
    Verdict,
    codes,
)
from schemas.records import Reports

SUBMIT_PATH: Final = "/HttpQuickProcess/submitJson"
CONTENT_TYPE: Final = "application/json; charset=UTF-8"

NUMBERS_MAX: Final = 200
NUMBERS_HARD_MAX: Final = 500
TEXT_CHARS_MAX: Final = 500
APPEND_ID_DIGITS_MAX: Final = 20
REPLY_CHARS_MAX: Final = 200

# fmt: off
CODES: Final = codes("""
    00 | accepted             | accepted: many numbers, one text             | 批量短信提交成功
    01 | accepted             | accepted: many numbers, a text each          | 个性化短信提交成功
    03 | accepted             | accepted: one number                         | 单条短信提交成功
    02 | auth                 | our IP address is not registered             | IP限制 | have the vendor add our address
    04 | auth                 | no such user                                 | 用户名错误 | fix oper_id
    05 | auth                 | wrong password                               | 密码错误 | fix oper_pass
    06 | rejected-permanent   | a wrong parameter                            | 参数有误 | ask the vendor which one
    07 | rejected-permanent   | the sending time is not in the right form    | SendTime格式错误 | fix send_time
    08 | content              | no text in the request                       | 短信内容为空 | give the campaign a text
    09 | rejected-permanent   | no numbers in the request                    | 手机号码为空 | report it to us
    10 | rejected-permanent   | the extension is not in the right form       | AppendID格式错误 | fix append_id
    11 | balance              | no credit left (not in this document)        | 余额不足 | top up the account
    -1 | retry-later/doubtful/slower | the submission went wrong             | 提交异常 | ask the vendor
""")
# fmt: on

_CODE: Final = re.compile(r"-?\d{1,9}", re.ASCII)
_DIGITS: Final = re.compile(r"\d+", re.ASCII)


class Guodu(HttpVendor, frozen=True, kw_only=True, tag="guodu"):
    """An account at GUODU. Keys besides those of every vendor:

    `append_id`: the extension behind the sender's number, at most `append_id_digits_max` digits: together with the
    vendor's own digits the number may have 20 (AMB-GD-11). `numbers_per_request` may go up to 500 if the contract
    allows it; more than 200 may be dropped without an answer (AMB-GD-1). `mo_fields` and `mo_text`: how the
    vendor names the fields of a pushed message, and whether its text is escaped (vendors.md 5.6). `push_reply`: the
    answer it expects to a push (AMB-GD-13). `push_key`: what its push URLs carry as `?key=…`.
    """

    oper_id: str
    oper_pass: Secret
    append_id: str = ""
    append_id_digits_max: int = 4
    text_chars_max: int = TEXT_CHARS_MAX
    mo_fields: MoFields = MoFields()
    mo_text: TextForm = "auto"
    push_reply: str = ""
    push_key: Secret | None = None

    codes: ClassVar[Codes] = CODES
    report_codes: ClassVar[ReportCodes] = REPORT_CODES
    extension: ClassVar[str] = "append_id"

    @property
    def limits(self) -> Limits:
        """200 numbers, or the configured number up to 500; `text_chars_max` UTF-16 units (AMB-GD-1, AMB-GD-4)."""
        asked = self.numbers_per_request
        numbers_max = min(asked, NUMBERS_HARD_MAX) if asked and asked > 0 else NUMBERS_MAX
        return Limits(numbers_max=numbers_max, text_chars_max=self.text_chars_max)

    @property
    def split(self) -> Split:
        """70 characters in one message, 67 in each part of a longer one (vendors.md 5.1)."""
        return Split(70, 67)

    def check(self) -> str | None:
        """What is wrong with the keys, in one sentence, or None."""
        if not self.oper_id or not self.oper_pass:
            return f"{'oper_pass' if self.oper_id else 'oper_id'} is empty: write what the vendor gave you."
        if not 1 <= self.text_chars_max <= TEXT_CHARS_MAX:
            return f"text_chars_max must be 1 to {TEXT_CHARS_MAX}."
        if not 1 <= self.append_id_digits_max <= APPEND_ID_DIGITS_MAX:
            return f"append_id_digits_max must be 1 to {APPEND_ID_DIGITS_MAX}: the whole sender's number has no more."
        if self.append_id and (wrong := self._wrong_append_id(self.append_id)):
            return wrong
        if not self.mo_fields.mobile or not self.mo_fields.text:
            return "mo_fields needs a name or more for mobile and for text; leave a key out to keep its default."
        if len(self.push_reply) > REPLY_CHARS_MAX:
            return f"push_reply must be at most {REPLY_CHARS_MAX} characters."
        if self.push_key is not None and not forms.PUSH_KEY.fullmatch(self.push_key):
            return forms.WRONG_PUSH_KEY
        if self.balance_interval_s is not None:
            return "balance_interval_s: this vendor has no balance query. Leave the key out."
        return super().check()

    # --- sending -----------------------------------------------------------------------------------------------------

    def prepare(self, message: Message) -> bytes:
        """The JSON up to and including `"DesMobile":"`. Options: `append_id`, `send_time`. Raises TextError."""
        text = message.text
        check_length(text, self.text_chars_max)
        check_characters(text)
        append_id, send_time = self.append_id, ""
        for name, value in message.options.items():
            if name == "append_id":
                if wrong := self._wrong_append_id(value):
                    raise TextError(wrong)
                append_id = value
            elif name == "send_time":
                if len(value) != 14 or not forms.time_s(value.encode("utf-8", "replace")):
                    raise TextError(
                        'send_time "{value}" is no time. Write YYYYMMDDhhmmss, Shanghai time, as 20300101080000.',
                        value=value,
                    )
                send_time = value
            else:
                raise TextError(
                    'guodu has no option "{name}" (it has append_id and send_time). Leave it out.', name=name
                )
        fields = {
            "OperID": self.oper_id,
            "OperPass": self.oper_pass,
            "SendTime": send_time,
            "AppendID": append_id,
            # %20, not Java's +: a reader that looks for %XX before unescaping keeps the + of "a b" (AMB-GD-3).
            "Content": url_encoded(text, "utf-8").replace("+", "%20"),
        }
        return (json.dumps(fields, separators=(",", ":"))[:-1] + ',"DesMobile":"').encode("ascii")

    def notes(self, message: Message) -> tuple[str, ...]:
        """When the vendor will send, if it schedules the message."""
        at = message.options.get("send_time", "")
        if not at:
            return ()
        moment = f"{at[:4]}-{at[4:6]}-{at[6:8]} {at[8:10]}:{at[10:12]}:{at[12:]}"
        return (f"the vendor takes the messages now and sends them at {moment}, Shanghai time (send_time)",)

    def reports_from_ms(self, options: Mapping[str, str]) -> int:
        return forms.time_s(options.get("send_time", "").encode("utf-8", "replace")) * 1000

    def submit(self, prepared: bytes, chunk: memoryview, count: int) -> SubmitFlow:
        """One POST for the whole chunk; the answer is an object with ResultCode and, if taken, MsgId."""
        answer = yield Request(
            path=SUBMIT_PATH, content_type=CONTENT_TYPE, prefix=prepared, tail=chunk, suffix=b'"}', submits=True
        )
        text = answer.body.decode("utf-8", "replace").removeprefix("\ufeff")[:200].strip()
        fields = read_object(answer)
        code = result_code(fields.get("resultcode"))
        if code is None:
            odd = "the answer is not of the document"
            return Verdict(kind=Kind.UNKNOWN, code=UNREADABLE, text=text, warn=odd)
        verdict = CODES.verdict(code, text=text)
        vendor_id = identifier(word(fields.get("msgid")) or "")
        if verdict.kind is not Kind.ACCEPTED:
            if verdict.doubtful and vendor_id:  # a failure with an id: it may have been taken (AMB-GD-8)
                odd = f"code {code} with a message id; the messages may have been taken"
                return msgspec.structs.replace(verdict, kind=Kind.UNKNOWN, warn=odd)
            # 06, a wrong parameter: halves help if it was too many numbers for this contract (AMB-GD-1).
            return msgspec.structs.replace(verdict, divide=code == "06" and count > NUMBERS_MAX)
        if not vendor_id or len(vendor_id) > ID_CHARS_MAX:
            odd = "MsgId is no id" if vendor_id else "answer has no MsgId"
            return CODES.verdict(code, text=text, warn=f"the {odd}; its reports cannot be joined")
        return CODES.verdict(code, text=text, vendor_id=vendor_id)

    # --- pushes: what reads them is imported with the first one, as a configuration needs no numpy -------------------

    def push_proof(self, query: bytes, body: bytes | None) -> PushProof:
        """The `push_key` in the URL."""
        return forms.key_proof(query, self.push_key)

    def report_push(self, push: Push) -> ReportsParsed:
        """Up to 250 reports as JSON (vendors.md 5.3)."""
        from dispatcher.vendors.guodu.pushes import read_reports

        if refused := self._stranger(push):
            return refused
        unreadable = Unreadable()
        try:
            reports = read_reports(push.body, push.account, push.received_ms, unreadable)
        except ValueError:
            return self._junk()
        return unreadable.beside(reports, authenticated=self.push_key is not None)

    def report_pushes(self, pushes: Sequence[Push]) -> tuple[list[Reports], list[int]] | None:
        from dispatcher.vendors.guodu.pushes import read_at_once

        if any(self._stranger(push) for push in pushes):
            return None
        return read_at_once([push.body for push in pushes], pushes[0].account, pushes[0].received_ms)

    def inbound_push(self, push: Push) -> InboundParsed:
        """Messages as JSON; the document does not give their form (vendors.md 5.4, 5.6)."""
        from dispatcher.vendors.guodu.pushes import read_messages

        if refused := self._stranger(push):
            return refused
        unreadable = Unreadable()
        try:
            messages = read_messages(
                push.body, push.account, push.received_ms, self.mo_fields, self.mo_text, unreadable
            )
        except ValueError:
            return self._junk()
        return unreadable.beside(messages, authenticated=self.push_key is not None)

    def push_answer(self) -> bytes:
        """As configured; the document breaks off before it gives the expected answer."""
        return self.push_reply.encode()

    def _stranger(self, push: Push) -> Refusal | None:
        vendors, _ = forms.keyed(push.query, self.push_key)
        return None if vendors else Refusal(403, "the key in the URL is wrong or missing", False)

    def _junk(self) -> Refusal:
        return Refusal(400, "the body is no JSON list", self.push_key is not None, keep=True)

    def _wrong_append_id(self, append_id: str) -> str | None:
        if _DIGITS.fullmatch(append_id) and len(append_id) <= self.append_id_digits_max:
            return None
        return f"append_id must be 1 to {self.append_id_digits_max} digits (append_id_digits_max says how many)."


def read_object(answer: Answer) -> dict[str, Any]:
    """The answer's object with keys in lower case; empty if it is not an object or is incomplete."""
    try:
        value = {} if answer.cut else parse(trimmed(answer.body))
    except ValueError:
        return {}
    return folded(value) if isinstance(value, dict) else {}


def result_code(value: object) -> str | None:
    """A ResultCode as the table has it: `0`, 0 and `00` are `00` (AMB-GD-7). None: not a code.

    Success and failure interleave (02 is one, 03 the other; vendors.md 5.2): codes are compared, never ordered.
    """
    code = word(value)
    return f"{int(code):02d}" if code is not None and _CODE.fullmatch(code) else None
