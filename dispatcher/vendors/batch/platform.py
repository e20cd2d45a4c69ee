"""The BATCH platform over HTTP in UTF-8: what its two editions share (vendors.md 3, 4, 8.3).

An edition (edition_a.py, edition_b.py) is its table of codes and its limits. Pushes are in pushes.py.
Pure: values in, values out; no client, no clock, no logging.
Weak spots: a success without a message id cannot be joined with its reports (there is a warning); a vendor that ends
its answers by closing the connection can cut a message id short unnoticed. HttpVarSM is known from one damaged example
(vendors.md 4.4): have the vendor confirm the placeholder before the first campaign.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import quote

import msgspec

from dispatcher.core.lane.answers.verdict import UNREADABLE
from dispatcher.core.messages.text import Split
from dispatcher.errors import TextError
from dispatcher.vendors.batch.agent import Agent
from dispatcher.vendors.batch.pushes import REPORT_CODES, Junk, form_of, read_message, read_report
from dispatcher.vendors.reading import forms
from dispatcher.vendors.reading.identifiers import ID_CHARS_MAX, identifier
from dispatcher.vendors.reading.text_checks import check_characters, check_length
from dispatcher.vendors.seam.vendor import (
    Answer,
    Balance,
    BalanceFlow,
    HttpVendor,
    InboundParsed,
    Kind,
    Limits,
    Message,
    Product,
    Push,
    PushProof,
    Refusal,
    ReportCodes,
    ReportsParsed,
    Request,
    Secret,
    SubmitFlow,
    Template,
    VariableLimits,
    Verdict,
)

SUBMIT_PATH: Final = "/msg/HttpBatchSendSM"
VARIABLE_PATH: Final = "/msg/HttpVarSM"
BALANCE_PATH: Final = "/msg/QueryBalance"

NUMBERS_MAX: Final = 50_000
NUMBERS_MAX_SINGLE: Final = 200
CONTRACT_CHARS_MAX: Final = 700
"""The longest text that a document of either edition mentions: what a contract may carry (AMB-BATCH-1)."""
VARIABLE_RECIPIENTS_MAX: Final = 1_000
VARIABLE_CHARS_MAX: Final = 100_000
"""Characters of values in one HttpVarSM request. At nine bytes each at worst they stay well below the 2 MB that many
servers take. No document gives a limit."""
PLACEHOLDERS: Final = ("{$var}", "{var}")
"""What the platform may take for a placeholder under any configuration (AMB-BATCH-16)."""

ONE_OF_MANY: Final = ("105", "106", "108", "115")
"""Refusals of a whole HttpVarSM request that one of its texts may cause, or their number (no document limits it)."""

_TIME_LINE: Final = re.compile(r"[\d\s:/.-]*", re.ASCII)
_CODE: Final = re.compile(r"-?\d{1,9}", re.ASCII)
_DIGITS: Final = re.compile(r"\d+", re.ASCII)
_AMOUNT: Final = re.compile(r"\s*(-?\d{1,15}(?:\.\d{1,9})?)\s*", re.ASCII)


class BatchPlatform(HttpVendor, frozen=True, kw_only=True):
    """An account at the platform, of either edition. Keys besides those of every vendor:

    `product` is mandatory if the account has several (wrong billing otherwise). With `needstatus` false no reports
    come. `text_chars_max` may go up to `text_chars_hard_max`: the documents say 500, 536, 585 and 700
    (AMB-BATCH-1). `extno_digits_max` 3 or 6 (AMB-BATCH-8). `text_split` [70, 67] or [60, 57] (AMB-BATCH-2).
    The vendor must send `receiver` and `push_pswd` with every push; a key that is left out is not checked.
    `variable_sms`: whether personalised campaigns go through HttpVarSM, up to `variable_recipients_max` texts a
    request; otherwise each text is a request. `variable_placeholder` is what the vendor replaces (AMB-BATCH-16).
    `agent` is a table: what an agent recharges and adds other accounts with (agent.py).
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
    variable_sms: bool = False
    variable_placeholder: str = "{$var}"
    variable_recipients_max: int = VARIABLE_RECIPIENTS_MAX
    agent: Agent | None = None

    report_codes: ClassVar[ReportCodes] = REPORT_CODES
    extension: ClassVar[str] = "extno"
    reports_to_the_minute: ClassVar[bool] = True
    optional_tables: ClassVar[tuple[str, ...]] = ("agent",)

    numbers_usual: ClassVar[int]
    """The default of numbers in one request."""
    query_interval_s_min: ClassVar[float]
    """The interval between balance queries in the edition's document."""

    @property
    def limits(self) -> Limits:
        """At most 50,000 numbers and `text_chars_max` UTF-16 units of UTF-8 text (vendors.md 3.1, AMB-X-3)."""
        asked = self.numbers_per_request
        numbers_max = min(asked, NUMBERS_MAX) if asked and asked > 0 else self.numbers_usual
        return Limits(numbers_max=numbers_max, numbers_min=self.numbers_min, text_chars_max=self.text_chars_max)

    @property
    def split(self) -> Split:
        """As configured; by default 70 in one message and 67 in each part (AMB-BATCH-2)."""
        return Split(*self.text_split)

    def check(self) -> str | None:
        """What is wrong with the keys, in one sentence, or None."""
        longest = CONTRACT_CHARS_MAX
        if not self.account or not self.pswd:
            return f"{'pswd' if self.account else 'account'} is empty: write what the vendor gave you."
        for key in ("receiver", "push_pswd"):
            if getattr(self, key) == "":
                return f"{key} is empty, as if any push carried it: write what was agreed, or leave the key out."
        if not 1 <= self.text_chars_hard_max <= longest:
            return f"text_chars_hard_max must be 1 to {longest}."
        if not 1 <= self.text_chars_max <= self.text_chars_hard_max:
            return (
                f"text_chars_max must be 1 to {self.text_chars_hard_max}; if your contract carries longer texts, raise "
                f"text_chars_hard_max too (up to {longest})."
            )
        if self.extno and (wrong := self._wrong_extno(self.extno)):
            return wrong
        if min(self.text_split) < 1:
            return "text_split must be [SINGLE, MULTI] of 1 or more, for example [70, 67]."
        if not 1 <= self.numbers_min <= self.limits.numbers_max:
            return "numbers_min must be 1 to numbers_per_request."
        if not self.variable_placeholder.strip():
            return f'variable_placeholder must be what the vendor replaces, for example "{PLACEHOLDERS[0]}".'
        if self.variable_recipients_max < 1:
            return "variable_recipients_max must be 1 or more."
        if self.agent is not None and (wrong := self.agent.check()):
            return wrong
        least_s = self.query_interval_s_min
        if self.balance_interval_s is None or self.balance_interval_s < least_s:
            return f"balance_interval_s must be {least_s:g} or more: the vendor refuses faster queries."
        return super().check()

    # --- sending -----------------------------------------------------------------------------------------------------

    def prepare(self, message: Message) -> bytes:
        """The form up to and including `mobile=`. Options: `extno`, `product`. Raises TextError."""
        return self._form(message.text, message, "mobile")

    def submit(self, prepared: bytes, chunk: memoryview, count: int) -> SubmitFlow:
        """One POST for the whole chunk; the answer is `time,code` and, if taken, a line with the message id."""
        answer = yield Request(path=SUBMIT_PATH, prefix=prepared, tail=chunk, submits=True)
        # 108, too many for this contract: 200 is the smallest maximum in the documents; below it halves do not help.
        return self._verdict(answer, ("108",) if count > NUMBERS_MAX_SINGLE else ())

    @property
    def variable_limits(self) -> VariableLimits | None:
        """HttpVarSM's limits: `,` divides values, `;` divides groups, and no escape is known (vendors.md 4.4)."""
        if not self.variable_sms:
            return None
        return VariableLimits(
            recipients_max=self.variable_recipients_max,
            separators=(",", ";", *self._placeholders()),
            chars_max=VARIABLE_CHARS_MAX,
        )

    def prepare_variable(self, message: Message, template: Template) -> bytes:
        """The form of HttpVarSM up to and including `params=`. Raises TextError."""
        for placeholder in self._placeholders():
            if placeholder in template.plain:
                raise TextError(
                    'the text holds "{placeholder}", which this vendor takes for a placeholder. Write it otherwise, '
                    "or set variable_sms = false for this account.",
                    placeholder=placeholder,
                    about="--text",
                )
        return self._form(template.marked(self.variable_placeholder), message, "params")

    def submit_variable(
        self, prepared: bytes, chunk: memoryview, count: int, values: Sequence[Sequence[str]]
    ) -> SubmitFlow:
        """One POST of a group `mobile,v1,v2` for each number, divided by `;`; answer and codes as of `submit`."""
        numbers = bytes(chunk).decode("ascii").split(",")
        groups = (
            ",".join([number, *(quote(value, safe="") for value in row)])
            for number, row in zip(numbers, values, strict=True)
        )
        params = "%3B".join(groups).encode("ascii")  # some servers divide the fields of a form at a bare ;
        answer = yield Request(path=VARIABLE_PATH, prefix=prepared, tail=params, submits=True)
        return self._verdict(answer, ONE_OF_MANY if count > 1 else ())

    def _form(self, text: str, message: Message, last: str) -> bytes:
        check_length(text, self.text_chars_max, ", or raise text_chars_max if the contract allows it")
        check_characters(text)
        extno, product = self.extno, self.product
        for name, value in message.options.items():
            if name == "extno":
                if wrong := self._wrong_extno(value):
                    raise TextError(wrong)
                extno = value
            elif name == "product":
                product = value
            else:
                raise TextError(
                    '{vendor} has no option "{name}" (it has extno and product). Leave it out.',
                    vendor=self.tag,
                    name=name,
                )
        form = [
            ("account", self.account),
            ("pswd", self.pswd),
            ("msg", text),
            ("needstatus", "true" if self.needstatus else "false"),
            *([("product", product)] if product else []),
            *([("extno", extno)] if extno else []),
        ]
        return "&".join([*(f"{name}={quote(value, safe='')}" for name, value in form), f"{last}="]).encode("ascii")

    def _verdict(self, answer: Answer, halves: Sequence[str]) -> Verdict:
        """`halves`: codes that a smaller request may avoid, besides those in the table."""
        code, lines, text = read_answer(answer)
        if code is None:
            return Verdict(kind=Kind.UNKNOWN, code=UNREADABLE, text=text, warn="the answer is not of the document")
        if code != "0":
            verdict = self.codes.verdict(code, text=text)
            return msgspec.structs.replace(verdict, divide=verdict.divide or code in halves)
        vendor_id = identifier(lines[0]) if lines else ""
        odd = ""
        if len(vendor_id) > ID_CHARS_MAX:
            vendor_id, odd = "", "the answer's message id is no id; its reports cannot be joined"
        elif not vendor_id and self.needstatus:
            odd = "the answer has no message id; its reports cannot be joined"
        return self.codes.verdict(code, text=text, vendor_id=vendor_id, warn=odd)

    # --- balance -----------------------------------------------------------------------------------------------------

    def balance(self) -> BalanceFlow:
        """One POST; the answer is `time,code` and a line `product,messages` per product (vendors.md 3.4)."""
        form = f"account={quote(self.account, safe='')}&pswd={quote(self.pswd, safe='')}"
        answer = yield Request(path=BALANCE_PATH, prefix=form.encode("ascii"))
        code, lines, text = read_answer(answer)
        if code is None:
            odd = Verdict(kind=Kind.RETRY_LATER, code=UNREADABLE, text=text, warn="the answer is not of the document")
            return Balance(messages=None, verdict=odd)
        if code != "0":
            return Balance(messages=None, verdict=self.codes.verdict(code, text=text))
        return self._counted(lines)

    def _counted(self, lines: list[str]) -> Balance:
        """The configured product's messages, else the sum (AMB-BATCH-23)."""
        products, unreadable = [], 0
        for line in lines:
            name, _, amount = line.partition(",")
            if read := _AMOUNT.fullmatch(amount):
                products.append(Product(name.strip(), float(read[1])))
            else:
                unreadable += 1
        mine = [product for product in products if product.name == self.product] if self.product else products
        warn = f"{unreadable} lines of the answer are no balance" if unreadable else ""
        if not mine:
            missing = f'product "{self.product}"' if self.product else "product"
            return Balance(messages=None, products=tuple(products), warn=f"the answer names no {missing}")
        if len(mine) > 1:
            warn = warn or f"the sum of {len(mine)} products: set `product` to count the one you send with"
        return Balance(messages=sum(product.messages for product in mine), products=tuple(products), warn=warn)

    # --- pushes ------------------------------------------------------------------------------------------------------

    def push_proof(self, query: bytes, body: bytes | None) -> PushProof:
        """`receiver` and `pswd` in the query or in the form (AMB-BATCH-14)."""
        return forms.form_proof({"receiver": self.receiver, "pswd": self.push_pswd}, query, body)

    def report_push(self, push: Push) -> ReportsParsed:
        """One report per push, GET or POST form (vendors.md 3.2; AMB-BATCH-11)."""
        form = form_of(push)
        if not self._from_vendor(form):
            return Refusal(403, "receiver or pswd is wrong", False)
        try:
            return [read_report(form)]
        except Junk as junk:
            return self._junk(junk)

    def inbound_push(self, push: Push) -> InboundParsed:
        """One message, or one part of a long one, per push (vendors.md 3.3)."""
        form = form_of(push)
        if not self._from_vendor(form):
            return Refusal(403, "receiver or pswd is wrong", False)
        try:
            return [read_message(form, push.account, push.received_ms)]
        except Junk as junk:
            return self._junk(junk)

    def _from_vendor(self, form: dict[str, bytes]) -> bool:
        """Whether the push carries the account's secrets. Both are compared, so timing reveals nothing."""
        receiver = forms.same(form.get("receiver"), self.receiver)
        return forms.same(form.get("pswd"), self.push_pswd) and receiver

    def _junk(self, junk: Junk) -> Refusal:
        return Refusal(400, str(junk), self.receiver is not None or self.push_pswd is not None)

    def _wrong_extno(self, extno: str) -> str | None:
        if _DIGITS.fullmatch(extno) and len(extno) <= self.extno_digits_max:
            return None
        return f"extno must be 1 to {self.extno_digits_max} digits (extno_digits_max says how many)."

    def _placeholders(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.variable_placeholder, *PLACEHOLDERS)))


def read_answer(answer: Answer) -> tuple[str | None, list[str], str]:
    """(code, the lines after the first, the text for people) of an answer; code None: not in the document.

    The first line is `time,code`; the time may be missing (AMB-BATCH-20). The last line of a cut body is ignored.
    """
    text = answer.body.decode("utf-8", "replace").removeprefix("\ufeff")
    whole = text[: text.rfind("\n") + 1] if answer.cut else text
    lines = [line.strip() for line in whole.split("\n") if line.strip()]
    time, comma, code = lines[0].partition(",") if lines else ("", "", "")
    code = code.strip()
    if not comma or not _TIME_LINE.fullmatch(time) or not _CODE.fullmatch(code):
        return None, [], text[:200]
    return str(int(code)), lines[1:], text[:200].strip()
