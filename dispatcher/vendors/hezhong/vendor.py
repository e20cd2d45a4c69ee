"""HEZHONG 1.1 over HTTP, charset GBK (vendors.md 2, 8.2). Codes: codes.py; pushes: pushes.py.

Pure: values in, values out; no client, no clock, no logging.
Weak spots: the document has no "too fast" code, so only our own pacing protects the account; and it gives pushes no
secret, so without `push_key` anybody who reaches the address can push.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from dispatcher.core.lane.answers.verdict import UNREADABLE
from dispatcher.core.messages.text import Split, not_carried, units
from dispatcher.errors import TextError
from dispatcher.vendors.hezhong.codes import CODES, OPERATOR_OK, REPORT_CODES
from dispatcher.vendors.reading import forms
from dispatcher.vendors.reading.escapes import TextForm, pushed_text, url_encoded
from dispatcher.vendors.reading.identifiers import ID_CHARS_MAX, identifier
from dispatcher.vendors.reading.text_checks import check_characters, check_length
from dispatcher.vendors.reading.unreadable import Unreadable
from dispatcher.vendors.seam.vendor import (
    Answer,
    Balance,
    BalanceFlow,
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
)
from schemas.records import Reports
from schemas.states import REPORT_FAILED

SUBMIT_PATH: Final = "/sms/api/SendMt.do"
BALANCE_PATH: Final = "/sms/api/QueryBalance.do"

CHARSET: Final = "gbk"
FORMAT_GBK, FORMAT_UTF8 = "0", "2"
NUMBERS_MAX: Final = 1_000
TEXT_CHARS_MAX: Final = 1_000
TEXT_CHARS_SURE: Final = 500
SUB_DIGITS_MAX: Final = 6
BALANCE_INTERVAL_S_MIN: Final = 30.0

UNEXPLAINED: Final = frozenset({"-6", "-12", "-13"})
REFUSED_QUERIES: Final = frozenset({"-1", "-2", "-3"})

_ANSWER: Final = re.compile(r"\s*(-?\d{1,9})\s*(?:,\s*(\S+?))?\s*", re.ASCII)
_AMOUNT: Final = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*", re.ASCII)
_NUMBER: Final = re.compile(r"\s*(-\d{1,9})\s*", re.ASCII)
_DIGITS: Final = re.compile(r"\d+", re.ASCII)


class Hezhong(HttpVendor, frozen=True, kw_only=True, tag="hezhong"):
    """An account at HEZHONG. Keys besides those of every vendor:

    `sub`: the extension behind the sender's number, at most `sub_max` digits (AMB-HZ-9). `utf8`: a text that GBK cannot
    carry is sent as UTF-8 (`msgFormat` 2, AMB-HZ-10) instead of being refused. `accept_operator_zero`: reports `0` and
    `000` count as delivered (AMB-X-1). `mo_text`: whether the text of a pushed message is escaped once more (AMB-HZ-5).
    `push_key`: what the vendor's push URLs carry as `?key=…`.
    """

    userid: str
    username: str
    password: Secret
    sub: str = ""
    sub_max: int = 5
    utf8: bool = False
    text_chars_max: int = TEXT_CHARS_MAX
    accept_operator_zero: bool = True
    mo_text: TextForm = "auto"
    push_key: Secret | None = None
    balance_interval_s: float | None = BALANCE_INTERVAL_S_MIN

    codes: ClassVar[Codes] = CODES
    report_codes: ClassVar[ReportCodes] = REPORT_CODES
    extension: ClassVar[str] = "sub"

    @property
    def limits(self) -> Limits:
        """At most 1000 numbers, and `text_chars_max` UTF-16 units that GBK can carry (vendors.md 2.1, AMB-X-3)."""
        return Limits(
            numbers_max=NUMBERS_MAX,
            text_chars_max=self.text_chars_max,
            charset="utf-8" if self.utf8 else CHARSET,
        )

    @property
    def split(self) -> Split:
        """The document is silent; operators use 70 and 67 (vendors.md 7)."""
        return Split(70, 67)

    def check(self) -> str | None:
        """What is wrong with the keys, in one sentence, or None."""
        for name in ("userid", "username", "password"):
            value = getattr(self, name)
            if not value:
                return f"{name} is empty: write what the vendor gave you."
            if not_carried(value, CHARSET):
                return f"{name} has a character that GBK cannot carry: write what the vendor gave you."
        if not 1 <= self.text_chars_max <= TEXT_CHARS_MAX:
            return f"text_chars_max must be 1 to {TEXT_CHARS_MAX}."
        if not 1 <= self.sub_max <= SUB_DIGITS_MAX:
            return f"sub_max must be 1 to {SUB_DIGITS_MAX}: the vendor takes no longer extension."
        if self.sub and (wrong := self._wrong_sub(self.sub)):
            return wrong
        if self.push_key is not None and not forms.PUSH_KEY.fullmatch(self.push_key):
            return forms.WRONG_PUSH_KEY
        if self.balance_interval_s is None or self.balance_interval_s < BALANCE_INTERVAL_S_MIN:
            return (
                f"balance_interval_s must be {BALANCE_INTERVAL_S_MIN:g} or more: faster queries may be held against us."
            )
        return super().check()

    # --- sending -----------------------------------------------------------------------------------------------------

    def prepare(self, message: Message) -> bytes:
        """The form up to and including `mobs=`. Option: `sub`. Raises TextError."""
        text, sub = message.text, self.sub
        check_length(text, self.text_chars_max)
        lost = not_carried(text, CHARSET)
        if lost and not self.utf8:
            raise TextError(
                "GBK cannot carry {character!r}, character {position} of the text. Replace it, or set "
                "utf8 = true if the vendor takes UTF-8.",
                character=lost.character,
                position=lost.position,
                about="--text",
            )
        check_characters(text)
        for name, value in message.options.items():
            if name != "sub":
                raise TextError('hezhong has no option "{name}" (it has sub). Leave it out.', name=name)
            if wrong := self._wrong_sub(value):
                raise TextError(wrong)
            sub = value
        form = [
            *self._login(),
            ("msg", url_encoded(text, "utf-8" if lost else CHARSET)),
            ("msgFormat", FORMAT_UTF8 if lost else FORMAT_GBK),
            *([("sub", sub)] if sub else []),
        ]
        return "&".join([*(f"{name}={value}" for name, value in form), "mobs="]).encode("ascii")

    def notes(self, message: Message) -> tuple[str, ...]:
        """A warning, as "1000 characters" may mean 1000 bytes (AMB-HZ-11)."""
        length = units(message.text)
        if length <= TEXT_CHARS_SURE:
            return ()
        return (
            f"the text has {length} characters; the vendor's document does not say whether its {TEXT_CHARS_MAX} counts "
            f"characters or bytes, so more than {TEXT_CHARS_SURE} may be refused (-9)",
        )

    def submit(self, prepared: bytes, chunk: memoryview, count: int) -> SubmitFlow:
        """One POST for the whole chunk; the answer is `0,MESSAGE_ID` or a negative code."""
        answer = yield Request(path=SUBMIT_PATH, prefix=prepared, tail=chunk, submits=True)
        text = read_line(answer)
        read = _ANSWER.fullmatch(text)
        code = str(int(read[1])) if read else ""
        if read is None or (code not in CODES.rows and not code.startswith("-")):
            odd = "the answer is not of the document"
            return Verdict(kind=Kind.UNKNOWN, code=UNREADABLE, text=text[:200].strip(), warn=odd)
        text = text[:200].strip()
        if code in UNEXPLAINED:
            return CODES.verdict(code, text=text, warn=f"the document does not explain code {code}: ask the vendor")
        if code != "0":
            return CODES.verdict(code, text=text)
        vendor_id = identifier(read[2] or "")
        if not vendor_id or len(vendor_id) > ID_CHARS_MAX:
            odd = "message id is no id" if vendor_id else "answer has no message id"
            return CODES.verdict(code, text=text, warn=f"the {odd}; its reports cannot be joined")
        return CODES.verdict(code, text=text, vendor_id=vendor_id)

    def balance(self) -> BalanceFlow:
        """One POST; the answer is a number of messages, 0 or more; anything else is a failure (AMB-HZ-13)."""
        form = "&".join(f"{name}={value}" for name, value in self._login())
        answer = yield Request(path=BALANCE_PATH, prefix=form.encode("ascii"))
        text = read_line(answer)
        if amount := _AMOUNT.fullmatch(text):
            return Balance(messages=float(amount[1]))
        read = _NUMBER.fullmatch(text)
        if read is None:
            odd = "the answer is no balance"
            failed = Verdict(kind=Kind.RETRY_LATER, code=UNREADABLE, text=text[:200].strip(), warn=odd)
        else:
            code = str(int(read[1]))
            kind = Kind.AUTH if code in REFUSED_QUERIES else Kind.RETRY_LATER
            failed = Verdict(kind=kind, code=code, text=text[:200].strip())
        return Balance(messages=None, verdict=failed)

    # --- pushes: what reads them is imported with the first one, as a configuration needs no numpy -------------------

    def push_proof(self, query: bytes, body: bytes | None) -> PushProof:
        """The `push_key` in the URL."""
        return forms.key_proof(query, self.push_key)

    def report_push(self, push: Push) -> ReportsParsed:
        """Up to 500 reports in `rpts`, as POST form, POST query or GET query (vendors.md 2.3, AMB-HZ-3)."""
        from dispatcher.vendors.hezhong.pushes import read_reports

        value = self._pushed(push, b"rpts")
        if isinstance(value, Refusal):
            return value
        unreadable = Unreadable()
        reports = read_reports(value, push.account, push.received_ms, self._state, unreadable)
        return unreadable.beside(reports, authenticated=self.push_key is not None)

    def report_pushes(self, pushes: Sequence[Push]) -> tuple[list[Reports], list[int]] | None:
        from dispatcher.vendors.hezhong.pushes import read_at_once

        values = [self._pushed(push, b"rpts") for push in pushes]
        whole = [value for value in values if isinstance(value, bytes) and value]
        if len(whole) < len(values):
            return None
        return read_at_once(whole, pushes[0].account, pushes[0].received_ms, self._state)

    def inbound_push(self, push: Push) -> InboundParsed:
        """Up to 500 messages in `mos`, the same three ways (vendors.md 2.4, AMB-HZ-2)."""
        from dispatcher.vendors.hezhong.pushes import read_messages

        value = self._pushed(push, b"mos")
        if isinstance(value, Refusal):
            return value
        unreadable = Unreadable()
        messages = read_messages(forms.unescaped(value), push.account, push.received_ms, self.mo_text, unreadable)
        return unreadable.beside(messages, authenticated=self.push_key is not None)

    def _pushed(self, push: Push, name: bytes) -> bytes | Refusal:
        """The field from the body or, if it is missing or empty there, from the query, still escaped."""
        vendors, query = forms.keyed(push.query, self.push_key)
        if not vendors:
            return Refusal(403, "the key in the URL is wrong or missing", False)
        value = forms.raw(push.body, name)
        if not value and (asked := forms.raw(query, name)) is not None:
            value = asked
        if value is None:
            return Refusal(400, f"the push has no {name.decode()} field", self.push_key is not None, keep=True)
        return value

    def _state(self, code: str) -> int:
        """What a report's code means for this account."""
        if not self.accept_operator_zero and code.strip() in OPERATOR_OK:
            return REPORT_FAILED
        return REPORT_CODES.state(code)

    def _login(self) -> list[tuple[str, str]]:
        """The three parameters that every request begins with, encoded."""
        return [(name, url_encoded(getattr(self, name), CHARSET)) for name in ("userid", "username", "password")]

    def _wrong_sub(self, sub: str) -> str | None:
        if _DIGITS.fullmatch(sub) and len(sub) <= self.sub_max:
            return None
        return f"sub must be 1 to {self.sub_max} digits (sub_max says how many)."


def read_line(answer: Answer) -> str:
    """The answer's text (an error page may be GBK) without a byte order mark; only whole lines of a cut body."""
    text = pushed_text(answer.body, "plain")[0].removeprefix("\ufeff")
    return text[: text.rfind("\n") + 1] if answer.cut else text
