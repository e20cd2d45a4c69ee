"""HEZHONG 1.1: SendMt.do and QueryBalance.do (vendors.md 2, 8.2). What it pushes: pushes.py.

Every code of 2.1 has a natural cause here, in the order of `_refusal`, but for -12 and -13, which the document leaves
blank: those, like any code, are forced by a rule (faults.py). Weak spot: what is checked first when several things are
wrong is not documented; ours is one possible order.
"""

from __future__ import annotations

import codecs
from typing import ClassVar, NamedTuple
from urllib.parse import quote_plus

from loadtest.sim.config import AccountConfig
from loadtest.sim.hezhong.codes_and_switches import SWITCHES
from loadtest.sim.hezhong.pushes import HezhongPushes
from loadtest.sim.http.wire import Reply
from loadtest.sim.ledger import numbers
from loadtest.sim.ledger.ledger import Book
from loadtest.sim.requests import form
from loadtest.sim.requests.faults import Rule
from loadtest.sim.requests.submission import Ids, Order, charge, credit, decide, parts, record, report
from loadtest.sim.state import ArrivedRequest, BundlePushing, State
from loadtest.sim.switches import Switch

SEND = "/sms/api/SendMt.do"
BALANCE = "/sms/api/QueryBalance.do"

CONTENT_TYPE = "text/plain; charset=GBK"
NOT_TAKEN = "-99"
UNAVAILABLE = "http_503"  # what `_refusal` says instead of a code
FORMATS = {b"": "gbk", b"0": "gbk", b"1": "iso-8859-1", b"2": "utf-8"}  # msgFormat (AMB-HZ-10)
JAVA_EURO = b"\xa2\xe3"  # vendors.md 0.5: Python's GBK does not know it


class Submit(NamedTuple):
    """A submit request, taken apart; the order's text is None if it cannot be read, "" if there is none."""

    fields: dict[str, bytes]
    order: Order
    length: int


class Hezhong:
    """One simulator's vendor."""

    name: ClassVar[str] = "hezhong"
    table: ClassVar[tuple[Switch, ...]] = SWITCHES
    paths: ClassVar[tuple[str, ...]] = (SEND, BALANCE)

    def __init__(self, state: State) -> None:
        self._state = state
        self.pushes: BundlePushing = HezhongPushes(state)
        self._ids = Ids()

    @staticmethod
    def example(url: str, account: AccountConfig) -> list[str]:
        """A submit request to try."""
        return [
            f"curl '{url}{SEND}' \\",
            f"     -d 'userid={account.userid or 1}&username={_quoted(account.account)}&password={account.shown_pswd}"
            "&mobs=13800138000&msg=hello'",
        ]

    def receive(self, arrived: ArrivedRequest) -> Reply:
        """One request to SEND or BALANCE."""
        longest = self._state.switches.get_line_max
        line = len(f"{arrived.method} {arrived.path}? HTTP/1.1") + len(arrived.query)
        if longest and line > longest:
            self._state.ledger.unmatched["http 414"] += 1
            return Reply(b"request line too long", 414)
        fields = form.parameters(arrived.query)
        if arrived.body:
            fields |= form.parameters(arrived.body)
        if arrived.path == SEND:
            return self._send(arrived, fields)
        return self._balance(arrived, fields)

    def _book(self, fields: dict[str, bytes]) -> Book | None:
        return self._state.ledger.by_account.get(_word(fields, "username"))

    def _stranger(self, arrived: ArrivedRequest, book: Book, fields: dict[str, bytes]) -> str:
        """Why this caller gets nothing, or ""."""
        account = book.config
        if _word(fields, "password") != account.pswd or not _word(fields, "userid"):
            return "-1"
        if account.userid and _word(fields, "userid") != account.userid:
            return "-1"
        if account.ips and arrived.peer not in account.ips:
            return "-3"
        expired = account.expires and self._state.clock.local().isoformat() >= account.expires
        return "-2" if expired or not account.may_send else ""

    # sending

    def _send(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        state = self._state
        book = self._book(fields)
        if book is None:
            state.ledger.unmatched["-1"] += 1
            return self._reply("-1")
        submit = self._submit(book, fields)
        order = submit.order

        def check(fits: bool) -> str:
            return self._refusal(arrived, book, submit, fits)

        verdict = decide(state, arrived, book, order, check, "0", NOT_TAKEN)
        if verdict.accepted:
            charge(book, order.cost)
        if not order.parsed.column.size:
            return self._reply(verdict.code, rule=verdict.rule)
        vendor_id = self._ids.next()
        entry = record(state, arrived, book, order, verdict, vendor_id, wants_report=True)
        reply = self._reply(verdict.code, vendor_id, verdict.rule)
        if verdict.accepted:
            report(state, entry, reply)
        return reply

    def _submit(self, book: Book, fields: dict[str, bytes]) -> Submit:
        switches, account = self._state.switches, book.config
        parsed = numbers.parse(form.value(fields.get("mobs", b"")))
        text = _decoded(form.value(fields.get("msg", b"")), form.value(fields.get("msgFormat", b"")))
        readable = text or ""
        units = form.length(readable, "utf16")
        length = {
            "gbk_bytes": lambda: len(readable.encode("gb18030")),
            "chars": lambda: len(readable),
            "utf16": lambda: units,
        }[switches.len_unit]()
        charged = parts(units, account.split_single, account.split_multi) if switches.charge_unit == "parts" else 1
        return Submit(fields, Order(parsed, text, charged), length)

    def _refusal(self, arrived: ArrivedRequest, book: Book, submit: Submit, fits: bool) -> str:
        """The code; "0" if nothing is wrong."""
        state, order = self._state, submit.order
        switches = state.switches
        stranger = self._stranger(arrived, book, submit.fields)
        if stranger:
            return stranger
        if not fits and switches.enforce != "off":
            return str(switches.enforce)
        if switches.busy_over and state.in_work > switches.busy_over:
            return "-99"
        if order.text is None:
            return "-6"
        if not order.text:
            return "-8"
        if submit.length > switches.max_chars:
            return "-9"
        count = order.parsed.column.size
        if not count:
            return "-7"
        if count > switches.max_numbers:
            return "-10"
        sub = form.value(submit.fields.get("sub", b""))
        if sub and (not sub.isdigit() or len(sub) > switches.sub_max):
            return "-11"
        if any(word in order.text for word in switches.sensitive_words):
            return "-5"
        return "-4" if credit(book) < order.cost else "0"

    # balance

    def _balance(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        state = self._state
        book = self._book(fields)
        if book is None:
            state.ledger.unmatched["-1"] += 1
            return self._failed_balance("-1")
        book.balance_requests += 1
        rule = state.rules.pick("balance", book.config.name)
        code = rule.code if rule and rule.code else self._stranger(arrived, book, fields) or "0"
        book.codes[f"balance {code}"] += 1
        if rule:
            book.faults[f"balance {rule.name}"] += 1
        if code != "0":
            return self._failed_balance(code, rule)
        now_s = state.clock.at(arrived.at_s)
        if now_s - book.last_balance_s < state.switches.balance_interval:
            book.violations["balance_too_fast"] += 1
        book.last_balance_s = now_s
        left = credit(book)
        return _plain(f"{left}.00" if state.switches.balance_form == "decimal" else str(left), rule)

    def _failed_balance(self, code: str, rule: Rule | None = None) -> Reply:
        said = {"code": code, "empty": ""}
        wanted = self._state.switches.balance_failure
        return _plain(said.get(wanted, wanted), rule)

    # answers

    def _reply(self, code: str, vendor_id: str = "", rule: Rule | None = None) -> Reply:
        if code == UNAVAILABLE and not (rule and rule.fault):
            return Reply(b"service unavailable", 503, CONTENT_TYPE)
        if code != "0":
            return _plain(code, rule)
        return _plain(
            {
                "plain": f"0,{vendor_id}",
                "blank": f"0, {vendor_id}",
                "crlf": f"0,{vendor_id}\r\n",
                "bom": f"\ufeff0,{vendor_id}",
                "no_id": "0",
            }[self._state.switches.answer_form],
            rule,
        )


def _plain(said: str, rule: Rule | None) -> Reply:
    if rule and rule.body is not None:
        said = rule.body
    return Reply(said.encode("utf-8" if said.startswith("\ufeff") else "gb18030"), 200, CONTENT_TYPE, rule)


def _quoted(name: str) -> str:
    """As a shell's curl must write it: in GBK, whatever the terminal's charset."""
    return quote_plus(name, encoding="gb18030")


def _word(fields: dict[str, bytes], name: str) -> str:
    """A parameter other than the text: always GBK (AMB-HZ-10)."""
    return _decoded(form.value(fields.get(name, b"")), b"0") or ""


def _decoded(raw: bytes, text_format: bytes) -> str | None:
    """None if it cannot be read: wrong bytes, or an unknown format."""
    charset = FORMATS.get(text_format)
    if charset is None:
        return None
    try:
        return raw.decode(charset, "java-euro" if charset == "gbk" else "strict")
    except UnicodeDecodeError:
        return None


def _java_euro(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError) and error.object[error.start : error.start + 2] == JAVA_EURO:
        return "€", error.start + 2
    raise error


codecs.register_error("java-euro", _java_euro)
