"""GUODU SubmitJson: one endpoint, JSON in and out (vendors.md 5, 8.4). What it pushes: pushes.py.

Every code of 5.1 has a natural cause here, in the order of `_refusal`; any code at all can be forced by a rule
(faults.py). Weak spots: what is checked first when several things are wrong is not documented, ours is one possible
order; an account that may not send, or is expired, has no code of its own and gets 04.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote_to_bytes

import orjson

from loadtest.sim.clock import SHANGHAI
from loadtest.sim.config import AccountConfig
from loadtest.sim.guodu.codes_and_switches import SWITCHES
from loadtest.sim.guodu.pushes import GuoduPushes
from loadtest.sim.http.wire import Reply
from loadtest.sim.ledger import numbers
from loadtest.sim.ledger.ledger import Book
from loadtest.sim.requests import form
from loadtest.sim.requests.faults import Rule
from loadtest.sim.requests.submission import Ids, Order, charge, credit, decide, parts, record, report
from loadtest.sim.state import ArrivedRequest, BundlePushing, State
from loadtest.sim.switches import Switch

SEND = "/HttpQuickProcess/submitJson"

CONTENT_TYPE = "application/json; charset=UTF-8"
FIELDS = ("OperID", "OperPass", "SendTime", "AppendID", "DesMobile", "Content")
DISPLAYED_MAX = 20  # digits of spnumber + platform id + AppendID
NOT_TAKEN = "-1"
GOOD = ("00", "01", "03")
PAST_S = 60.0  # a SendTime that old is past
UNAVAILABLE, DROPPED = "http503", "dropped"  # what `_refusal` says instead of a code
ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Submit(NamedTuple):
    """A submit request, taken apart; the order's text is None if it cannot be read, "" if there is none."""

    fields: Mapping[str, str]
    order: Order
    length: int
    good: str  # the code of success
    wait_s: float | None  # until SendTime, simulated seconds; None: not a time


class Guodu:
    """One simulator's vendor."""

    name: ClassVar[str] = "guodu"
    table: ClassVar[tuple[Switch, ...]] = SWITCHES
    paths: ClassVar[tuple[str, ...]] = (SEND,)

    def __init__(self, state: State) -> None:
        self._state = state
        self.pushes: BundlePushing = GuoduPushes(state)
        self._ids = Ids()

    @staticmethod
    def example(url: str, account: AccountConfig) -> list[str]:
        """A submit request to try."""
        body = {
            "OperID": account.account,
            "OperPass": account.shown_pswd,
            "DesMobile": "13800138000",
            "Content": "hello",
        }
        return [f"curl '{url}{SEND}' \\", f"     -d '{orjson.dumps(body).decode()}'"]

    def receive(self, arrived: ArrivedRequest) -> Reply:
        """One request to SEND."""
        state = self._state
        if arrived.method == "GET" and state.switches.get == "405":
            state.ledger.unmatched["http 405"] += 1
            return Reply(b"", 405, CONTENT_TYPE)
        fields = _fields(arrived)
        if fields is None:
            state.ledger.unmatched["06"] += 1
            return self._reply("06")
        book = state.ledger.by_account.get(fields["OperID"])
        if book is None:
            state.ledger.unmatched["04"] += 1
            return self._reply("04")
        submit = self._submit(book, fields)
        overloaded = False

        def check(fits: bool) -> str:
            nonlocal overloaded
            overloaded = not fits or 0 < state.switches.busy_over < state.in_work
            return self._refusal(arrived, book, submit, overloaded)

        verdict = decide(state, arrived, book, submit.order, check, submit.good, NOT_TAKEN)
        if verdict.accepted:
            charge(book, submit.order.cost)
        if not submit.order.parsed.column.size:
            return self._reply(verdict.code, rule=verdict.rule)
        vendor_id = self._ids.next()
        entry = record(state, arrived, book, submit.order, verdict, vendor_id, wants_report=True)
        reply = self._reply(verdict.code, vendor_id, verdict.rule)
        if verdict.accepted:
            report(state, entry, reply, state.clock.real_s(submit.wait_s or 0.0))
            if overloaded and reply.rule is None:  # `overload` is `delay`, or it would not be accepted
                reply.rule = Rule(fault="delay", delay_s=state.switches.overload_delay_s)
        return reply

    def _submit(self, book: Book, fields: Mapping[str, str]) -> Submit:
        switches, account = self._state.switches, book.config
        parsed = numbers.parse(fields["DesMobile"].encode("utf-8", "replace"))
        text = fields["Content"]
        readable = _decoded(text) if switches.content == "urlencoded" else text
        units = form.length(readable or "", "utf16")
        length = units if switches.length_unit == "utf16" else len(readable or "")
        good = "01" if switches.personalised == "on" else "03" if parsed.column.size == 1 else "00"
        order = Order(parsed, readable, parts(units, account.split_single, account.split_multi))
        return Submit(fields, order, length, good, self._wait_s(fields["SendTime"]))

    def _wait_s(self, send_time: str) -> float | None:
        """Simulated seconds from now to a SendTime, negative if it is past; 0 without one; None if it is not a time."""
        if not send_time:
            return 0.0
        if not (len(send_time) == 14 and send_time.isascii() and send_time.isdigit()):
            return None
        try:
            at = datetime.strptime(send_time, "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI)
        except ValueError:
            return None
        return at.timestamp() - self._state.clock.now()

    def _refusal(self, arrived: ArrivedRequest, book: Book, submit: Submit, overloaded: bool) -> str:
        """The code; `submit.good` if nothing is wrong."""
        state, account, order = self._state, book.config, submit.order
        switches = state.switches
        expired = account.expires and state.clock.local().isoformat() >= account.expires
        if expired or not account.may_send:
            return "04"
        if submit.fields["OperPass"] != account.pswd:
            return "05"
        if account.ips and arrived.peer not in account.ips:
            return "02"
        if overloaded and switches.overload != "delay":
            return str(switches.overload)
        count = order.parsed.column.size
        if count > switches.max_numbers:
            return DROPPED if switches.oversize == "drop_connection" else "06"
        return self._wrong_parameter(submit) or self._no_credit(book, submit) or submit.good

    def _wrong_parameter(self, submit: Submit) -> str:
        switches, order, fields = self._state.switches, submit.order, submit.fields
        if order.text is None or submit.length > switches.max_chars:
            return "06"
        if submit.wait_s is None or (submit.wait_s < -PAST_S and switches.past_send_time == "07"):
            return "07"
        if not order.text:
            return "08"
        if not order.parsed.column.size:
            return "09"
        if order.parsed.odd or len(fields["DesMobile"]) + 1 != 12 * order.parsed.column.size:
            return "06"
        append = fields["AppendID"]
        if append and not (append.isascii() and append.isdigit()):
            return "10"
        return "10" if len(append) + switches.prefix_digits > DISPLAYED_MAX else ""

    def _no_credit(self, book: Book, submit: Submit) -> str:
        short = credit(book) < submit.order.cost
        return "11" if short and self._state.switches.no_credit == "11" else ""

    # answers

    def _reply(self, code: str, vendor_id: str = "", rule: Rule | None = None) -> Reply:
        if rule and rule.body is not None:
            return Reply(rule.body.encode(), 200, CONTENT_TYPE, rule)
        if code == UNAVAILABLE and not (rule and rule.fault):
            return Reply(b"", 503, CONTENT_TYPE)
        if code == DROPPED:
            return Reply(b"", rule=Rule(fault="close"))
        switches = self._state.switches
        said: dict[str, Any] = {"ResultCode": _typed(code, switches.code_type)}
        if vendor_id and (switches.msg_id == "always" or (switches.msg_id == "on_success" and code in GOOD)):
            said["MsgId"] = vendor_id
        return Reply(orjson.dumps(said), 200, CONTENT_TYPE, rule)


def _typed(code: str, kind: str) -> str | int:
    """AMB-GD-7."""
    if kind == "padded" or not code.removeprefix("-").isdigit():
        return code
    return int(code) if kind == "number" else str(int(code))


def _fields(arrived: ArrivedRequest) -> dict[str, str] | None:
    """The parameters, "" for those not given; None if it is not a JSON object or one of them no string."""
    given: Any
    if arrived.body:
        try:
            given = orjson.loads(arrived.body)
        except orjson.JSONDecodeError:
            return None
    else:
        query = form.parameters(arrived.query)
        given = {name: form.text(query, name) for name in query}
    if not isinstance(given, dict):
        return None
    fields = {name: "" if given.get(name) is None else given[name] for name in FIELDS}
    return fields if all(isinstance(value, str) for value in fields.values()) else None


def _decoded(text: str) -> str | None:
    """Url-decoded once; as it is without any escape; None if an escape is broken or the bytes are no UTF-8."""
    if not ESCAPE.search(text):
        return text
    if BAD_ESCAPE.search(text):
        return None
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        return None
