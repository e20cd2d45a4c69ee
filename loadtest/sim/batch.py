"""The BATCH platform, editions A and B: HttpBatchSendSM, QueryBalance, report and MO pushes (vendors.md 3, 4.1, 8.3).

Every code of 3.1 has a natural cause here, in the order of `_refusal`; any code at all can be forced by a rule
(faults.py). Not here: HttpVarSM, Recharge, UserManage (vendors.md 4.2 to 4.4). Weak spot: what the platform checks
first when several things are wrong is not documented; ours is one possible order.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlencode

from loadtest.sim import numbers
from loadtest.sim.batch_table import SWITCHES
from loadtest.sim.faults import Rule
from loadtest.sim.ledger import Book
from loadtest.sim.outbox import ReportRow
from loadtest.sim.state import Arrived, State
from loadtest.sim.switches import Switch
from loadtest.sim.target import Target
from loadtest.sim.wire import HTML, Reply

SEND = "/msg/HttpBatchSendSM"
BALANCE = "/msg/QueryBalance"

EXTRA_PRODUCT = ("7654321", 2000)
NOT_TAKEN = "104"  # what the answer says, if any of it is sent, when a fault kept the request from being taken
TRUE = (b"true", b"True", b"TRUE", b"1")
FALSE = (b"false", b"False", b"FALSE", b"0")


class Submit(NamedTuple):
    """A submit request, taken apart."""

    fields: dict[str, bytes]
    parsed: numbers.Parsed
    text: str | None  # None: not UTF-8
    length: int
    parts: int


class Batch:
    """One simulator's vendor."""

    name: ClassVar[str] = "batch"
    table: ClassVar[tuple[Switch, ...]] = SWITCHES
    paths: ClassVar[tuple[str, ...]] = (SEND, BALANCE)
    reports_per_push: ClassVar[int] = 1

    def __init__(self, state: State) -> None:
        self._state = state
        self._next_id = int(time.time() * 1000) * 1000  # beyond 2^31, as the document's example; new after a restart

    def receive(self, arrived: Arrived) -> Reply:
        """One request to SEND or BALANCE."""
        fields = _fields(arrived.query)
        if arrived.body:
            fields |= _fields(arrived.body)  # AMB-BATCH-14: the body wins
        if arrived.path == SEND:
            return self._send(arrived, fields)
        return self._balance(arrived, fields)

    # sending

    def _send(self, arrived: Arrived, fields: dict[str, bytes]) -> Reply:
        state = self._state
        book = state.ledger.by_account.get(_text(fields, "account"))
        if book is None:
            state.ledger.unmatched["101"] += 1
            return self._reply("101")
        submit = self._submit(book, fields)
        book.requests += 1
        flow = book.config.flow
        count = submit.parsed.column.size
        weight = {"messages": count, "requests": 1, "parts": count * submit.parts}[flow.unit]
        fits = book.judge.fits(arrived.at_s, weight)
        if not fits:
            book.violations["too_fast"] += 1
        rule = state.rules.pick("send", book.config.name, submit.parsed, submit.text or "")
        taken = rule is None or rule.is_taken
        code = self._refusal(arrived, book, submit, fits) if taken else NOT_TAKEN
        accepted = code == "0"
        book.judge.arrive(arrived.at_s, weight, accepted)
        answer = code
        if rule is not None:
            book.faults[rule.name] += 1
            code = rule.code or code
            answer = rule.name
        book.codes[code if taken or not rule or rule.code else "none"] += 1
        wants_report = fields.get("needstatus") in TRUE
        if accepted:
            self._charge(book, submit)
        if not count:
            return self._reply(code, rule=rule)
        self._next_id += 1
        msgid = str(self._next_id)
        entry = state.ledger.record(
            book, state.clock.at(arrived.at_s), code, answer, submit.parsed, submit.text or "", submit.parts, msgid,
            wants_report, accepted,
        )  # fmt: skip
        reply = self._reply(code, msgid if wants_report or state.switches.msgid_without_status == "yes" else "", rule)
        if accepted:
            delay_s = state.clock.real_s(state.switches.review_delay_s) if state.switches.review != "off" else 0.0
            forced = "REJECT" if state.switches.review == "reject_after" else None
            if state.reports.planner.chance(state.switches.report_early):
                reply.hold = state.reports.early(entry, forced)
                reply.hold_s = state.switches.report_early_hold_s
            else:
                state.reports.accepted(entry, delay_s, forced)
        return reply

    def _submit(self, book: Book, fields: dict[str, bytes]) -> Submit:
        switches = self._state.switches
        parsed = numbers.parse(_value(fields.get("mobile", b"")))
        raw = _value(fields.get("msg", b""))
        try:
            text: str | None = raw.decode("utf-8", "strict" if switches.bad_utf8 == "106" else "replace")
        except UnicodeDecodeError:
            text = None
        length = _length(text or "", switches.length_unit)
        if switches.split == "account":
            single, multi = book.config.split_single, book.config.split_multi
        else:
            single, multi = map(int, switches.split.split("/"))
        return Submit(fields, parsed, text, length, 1 if length <= single else -(-length // multi))

    def _refusal(self, arrived: Arrived, book: Book, submit: Submit, fits: bool) -> str:
        """The code; "0" if nothing is wrong."""
        state, account, fields = self._state, book.config, submit.fields
        switches = state.switches
        if _value(fields.get("pswd", b"")) != account.pswd.encode():
            return "102"
        if account.ips and arrived.peer not in account.ips:
            return "117"
        if account.expires and state.clock.local().isoformat() >= account.expires:
            return "119"
        if not account.may_send:
            return "118"
        if not fits and switches.enforce == "103":
            return "103"
        if switches.busy_over and state.in_work > switches.busy_over:
            return "104"
        needstatus = fields.get("needstatus")
        if needstatus is None:
            book.violations["needstatus_missing"] += 1
            if switches.missing_needstatus == "error":
                return "106"
        elif needstatus not in TRUE and needstatus not in FALSE:
            book.violations["needstatus_bad"] += 1
        if submit.text is None or not 0 < submit.length <= switches.max_chars:
            return "106"
        count = submit.parsed.column.size
        if not max(1, switches.min_numbers) <= count <= switches.max_numbers:
            return "108"
        if submit.parsed.odd and switches.bad_number == "107":
            return "107"
        return self._content_refusal(book, submit.text) or self._order_refusal(book, submit)

    def _content_refusal(self, book: Book, text: str) -> str:
        switches, account = self._state.switches, book.config
        if any(word in text for word in switches.sensitive_words):
            return "105"
        if any(word in text for word in switches.review_words):
            return "115"
        if not _signed(text, account.signature) and (switches.signature_needed == "on" or account.signature):
            return "116"
        if switches.edition == "A" and account.white_list and not any(t in text for t in account.white_list):
            return "120"
        return ""

    def _order_refusal(self, book: Book, submit: Submit) -> str:
        state, account = self._state, book.config
        product = self._product(book, submit)
        if product not in book.balance:
            return "112"
        extno = _value(submit.fields.get("extno", b""))
        if extno and (not extno.isdigit() or len(extno) > state.switches.extno_max):
            return "113"
        start, end = map(int, state.switches.send_hours.split("-"))
        local = state.clock.local()
        if not start <= local.hour < end:
            return "110"
        cost = submit.parts * submit.parsed.column.size
        month = local.strftime("%Y%m")
        if month != book.month:
            book.month, book.month_used = month, 0
        if account.month_quota and book.month_used + cost > account.month_quota:
            return "111"
        if book.balance[product] < cost:
            return "109"
        return "0"

    def _product(self, book: Book, submit: Submit) -> str:
        """The product asked for; without one the first, which is wrong billing if there are several (vendors.md
        3.1).
        """
        asked = _text(submit.fields, "product")
        if asked:
            return asked
        if len(book.balance) > 1:
            book.violations["product_missing"] += 1
        return next(iter(book.balance), "")

    def _charge(self, book: Book, submit: Submit) -> None:
        product = _text(submit.fields, "product") or next(iter(book.balance))
        cost = submit.parts * submit.parsed.column.size
        book.balance[product] -= cost
        book.month_used += cost

    # balance

    def _balance(self, arrived: Arrived, fields: dict[str, bytes]) -> Reply:
        state = self._state
        book = state.ledger.by_account.get(_text(fields, "account"))
        if book is None:
            state.ledger.unmatched["101"] += 1
            return self._reply("101")
        book.balance_requests += 1
        rule = state.rules.pick("balance", book.config.name)
        code = rule.code if rule and rule.code else self._balance_refusal(arrived, book, fields)
        book.codes[f"balance {code}"] += 1
        if rule:
            book.faults[f"balance {rule.name}"] += 1
        lines = [f"{product},{credit}" for product, credit in self._products(book)] if code == "0" else []
        return self._reply(code, "\n".join(lines), rule)

    def _balance_refusal(self, arrived: Arrived, book: Book, fields: dict[str, bytes]) -> str:
        state = self._state
        if _value(fields.get("pswd", b"")) != book.config.pswd.encode():
            return "102"
        now_s = state.clock.at(arrived.at_s)
        if now_s - book.last_balance_s < state.switches.balance_interval:
            book.violations["balance_too_fast"] += 1
            return "103"
        book.last_balance_s = now_s
        return "0"

    def _products(self, book: Book) -> list[tuple[str, int]]:
        products = list(book.balance.items())
        wanted = self._state.switches.balance_products
        if wanted == "account":
            return products
        return [*products, EXTRA_PRODUCT][: int(wanted)]

    # answers

    def _reply(self, code: str, more: str = "", rule: Rule | None = None) -> Reply:
        if rule and rule.body is not None:
            return Reply(rule.body.encode(), rule=rule)
        switches = self._state.switches
        second = more if code == "0" else ""
        resptime = self._state.clock.stamp14()
        text = f"{resptime},{code}\n{second}" if second else f"{resptime},{code}"
        if switches.trailing_eol == "on":
            text += "\n"
        if switches.answer_form != "plain":
            text = _formed(switches.answer_form, text, resptime, code, second)
        return Reply(text.encode(), rule=rule)

    # pushes

    def report_push(self, book: Book, target: Target, rows: Sequence[ReportRow]) -> bytes:
        """One report; this platform has no batch form."""
        row = rows[0]
        return self._report(book, target, row.entry.vendor_id, row)

    def stray_push(self, book: Book, target: Target, row: ReportRow) -> bytes:
        """A report with an id of somebody else."""
        return self._report(book, target, str(self._next_id + 1_000_000_000 + row.place), row)

    def _report(self, book: Book, target: Target, msgid: str, row: ReportRow) -> bytes:
        prefix = PREFIX[self._state.switches.report_prefix]
        number = quote(numbers.text(int(row.entry.numbers[row.place]), self._state.ledger.odd))
        query = f"msgid={msgid}&reportTime={self._time()}&mobile={prefix}{number}&status={quote(row.status)}"
        return target.request(self._state.switches.push_method, (self._receiver(book) + query).encode())

    def made_report(self, book: Book, wanted: Mapping[str, Any]) -> bytes:
        """`wanted` may give receiver, pswd, msgid, reportTime, mobile, status; null leaves a parameter out."""
        fields = dict(_pairs(self._receiver(book))) | {
            "msgid": "1", "reportTime": self._time(), "mobile": "13800138000", "status": "DELIVRD",
        }  # fmt: skip
        known = {*fields, "receiver", "pswd"}
        fields |= {k: str(v) for k, v in wanted.items() if k in known}
        query = urlencode({k: v for k, v in fields.items() if wanted.get(k, v) is not None}).encode()
        return Target.of(book.config.report_url).request(self._state.switches.push_method, query)

    def inbound_pushes(self, book: Book, wanted: Mapping[str, Any]) -> list[bytes]:
        """A message from a phone (vendors.md 3.3, AMB-BATCH-12): `mobile`, `destcode`, `msg`, `moTime`; over 70
        characters it comes in parts of 67.

        `id` of the long message, `order` (in_order, reversed, shuffled), `duplicate` and `missing` (a part's number),
        `isems` and `emshead` (as given instead of right).
        """
        text = str(wanted.get("msg", ""))
        texts = [text] if len(text) <= 70 else [text[at : at + 67] for at in range(0, len(text), 67)]
        long_id = wanted.get("id", self._state.random.randrange(256))
        parts: list[dict[str, Any]] = []
        for place, part in enumerate(texts, 1):
            fields = dict(_pairs(self._receiver(book))) | {
                "moTime": wanted.get("moTime", self._time()),
                "destcode": wanted.get("destcode", "106900000000"),
                "mobile": wanted.get("mobile", "13800138000"),
                "msg": part,
            }
            if len(texts) > 1:
                fields |= {"isems": "1", "emshead": f"{long_id},{len(texts)},{place}"}
            fields |= {k: str(wanted[k]) for k in ("isems", "emshead") if k in wanted}
            if place != wanted.get("missing"):
                parts.append(fields)
            if place == wanted.get("duplicate"):
                parts.append(fields)
        order = wanted.get("order", "in_order")
        if order == "reversed":
            parts.reverse()
        elif order == "shuffled":
            self._state.random.shuffle(parts)
        target = Target.of(book.config.inbound_url)
        return [target.request(self._state.switches.push_method, urlencode(p).encode()) for p in parts]

    def _receiver(self, book: Book) -> str:
        account = book.config
        if self._state.switches.empty_receiver == "absent" and not account.receiver and not account.receiver_pswd:
            return ""
        return f"receiver={quote(account.receiver)}&pswd={quote(account.receiver_pswd)}&"

    def _time(self) -> str:
        stamp = self._state.clock.stamp14()
        return {10: stamp[2:12], 12: stamp[2:], 14: stamp}[self._state.switches.time_digits]


PREFIX = {"none": "", "86": "86", "+86": "%2B86"}


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(k, unquote_to_bytes(v).decode()) for k, _, v in (f.partition("=") for f in query.split("&") if f)]


def _fields(raw: bytes) -> dict[str, bytes]:
    """Parameters, values still url-encoded; the first of a name counts, empty is like absent (vendors.md 4.1)."""
    fields: dict[str, bytes] = {}
    start = 0
    while start < len(raw):  # by hand: `split` would copy 600 KB twice more
        end = raw.find(b"&", start)
        end = len(raw) if end < 0 else end
        equals = raw.find(b"=", start, end)
        if start < equals < end - 1:
            fields.setdefault(raw[start:equals].decode("latin-1"), raw[equals + 1 : end])
        start = end + 1
    return fields


def _value(raw: bytes) -> bytes:
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    return unquote_to_bytes(raw) if b"%" in raw else raw


def _text(fields: dict[str, bytes], name: str) -> str:
    return _value(fields.get(name, b"")).decode("utf-8", "replace")


def _length(text: str, unit: str) -> int:
    return len(text.encode("utf-16-le")) // 2 if unit == "utf16" else len(text)


def _signed(text: str, signature: str) -> bool:
    if signature:
        return text.startswith(f"【{signature}】") or text.endswith(f"【{signature}】")
    return (text.startswith("【") and "】" in text) or (text.endswith("】") and "【" in text)


def _formed(form: str, text: str, resptime: str, code: str, second: str) -> str:
    """AMB-BATCH-20."""
    match form:
        case "crlf":
            return text.replace("\n", "\r\n")
        case "trailing_blank_lines":
            return text + "\n\n\n"
        case "no_resptime":
            return text.removeprefix(resptime)
        case "garbage":
            return "\x00\x01 system upgrade, try again later"
        case "html":
            return HTML.decode()
        case "json":
            return f'{{"resptime":"{resptime}","respstatus":"{code}","msgid":"{second}"}}'
        case _:
            return ""
