"""The BATCH platform, editions A and B: HttpBatchSendSM and QueryBalance (vendors.md 3, 4.1, 8.3).

Every code of 3.1 has a natural cause here, in the order of `_refusal`; any code at all can be forced by a rule
(faults.py). Not here: HttpVarSM, Recharge, UserManage (vendors.md 4.2 to 4.4). Weak spot: what the platform checks
first when several things are wrong is not documented; ours is one possible order. What it pushes: batch_pushes.py.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from loadtest.sim import form, numbers
from loadtest.sim.batch_pushes import BatchPushes
from loadtest.sim.batch_table import SWITCHES
from loadtest.sim.faults import Rule
from loadtest.sim.ledger import Book
from loadtest.sim.state import Arrived, Pushing, State
from loadtest.sim.submission import Ids, Order, decide, parts, record, report
from loadtest.sim.switches import Switch
from loadtest.sim.wire import HTML, Reply

SEND = "/msg/HttpBatchSendSM"
BALANCE = "/msg/QueryBalance"

EXTRA_PRODUCT = ("7654321", 2000)
NOT_TAKEN = "104"
TRUE = (b"true", b"True", b"TRUE", b"1")
FALSE = (b"false", b"False", b"FALSE", b"0")


class Submit(NamedTuple):
    """A submit request, taken apart; the order's text is None if it is not UTF-8."""

    fields: dict[str, bytes]
    order: Order
    length: int


class Batch:
    """One simulator's vendor."""

    name: ClassVar[str] = "batch"
    table: ClassVar[tuple[Switch, ...]] = SWITCHES
    paths: ClassVar[tuple[str, ...]] = (SEND, BALANCE)

    def __init__(self, state: State) -> None:
        self._state = state
        self.pushes: Pushing = BatchPushes(state)
        self._ids = Ids()

    @staticmethod
    def example(url: str, account: str, pswd: str) -> list[str]:
        """A submit request to try."""
        return [
            f"curl '{url}{SEND}' \\",
            f"     -d 'account={account}&pswd={pswd}&mobile=13800138000&msg=hello&needstatus=true'",
        ]

    def receive(self, arrived: Arrived) -> Reply:
        """One request to SEND or BALANCE."""
        fields = form.parameters(arrived.query)
        if arrived.body:
            fields |= form.parameters(arrived.body)  # AMB-BATCH-14: the body wins
        if arrived.path == SEND:
            return self._send(arrived, fields)
        return self._balance(arrived, fields)

    # sending

    def _send(self, arrived: Arrived, fields: dict[str, bytes]) -> Reply:
        state = self._state
        book = state.ledger.by_account.get(form.text(fields, "account"))
        if book is None:
            state.ledger.unmatched["101"] += 1
            return self._reply("101")
        submit = self._submit(book, fields)
        order = submit.order

        def check(fits: bool) -> str:
            return self._refusal(arrived, book, submit, fits)

        verdict = decide(state, arrived, book, order, check, "0", NOT_TAKEN)
        if verdict.accepted:
            self._charge(book, submit)
        if not order.parsed.column.size:
            return self._reply(verdict.code, rule=verdict.rule)
        msgid = self._ids.next()
        wants_report = fields.get("needstatus") in TRUE
        entry = record(state, arrived, book, order, verdict, msgid, wants_report)
        shows_id = wants_report or state.switches.msgid_without_status == "yes"
        reply = self._reply(verdict.code, msgid if shows_id else "", verdict.rule)
        if verdict.accepted:  # AMB-BATCH-22
            delay_s = 0.0 if state.switches.review == "off" else state.clock.real_s(state.switches.review_delay_s)
            report(state, entry, reply, delay_s, "REJECT" if state.switches.review == "reject_after" else None)
        return reply

    def _submit(self, book: Book, fields: dict[str, bytes]) -> Submit:
        switches = self._state.switches
        parsed = numbers.parse(form.value(fields.get("mobile", b"")))
        raw = form.value(fields.get("msg", b""))
        try:
            text: str | None = raw.decode("utf-8", "strict" if switches.bad_utf8 == "106" else "replace")
        except UnicodeDecodeError:
            text = None
        length = form.length(text or "", switches.length_unit)
        if switches.split == "account":
            single, multi = book.config.split_single, book.config.split_multi
        else:
            single, multi = map(int, switches.split.split("/"))
        return Submit(fields, Order(parsed, text, parts(length, single, multi)), length)

    def _refusal(self, arrived: Arrived, book: Book, submit: Submit, fits: bool) -> str:
        """The code; "0" if nothing is wrong."""
        state, account, fields = self._state, book.config, submit.fields
        switches = state.switches
        if form.value(fields.get("pswd", b"")) != account.pswd.encode():
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
        order = submit.order
        if order.text is None or not 0 < submit.length <= switches.max_chars:
            return "106"
        count = order.parsed.column.size
        if not max(1, switches.min_numbers) <= count <= switches.max_numbers:
            return "108"
        if order.parsed.odd and switches.bad_number == "107":
            return "107"
        return self._content_refusal(book, order.text) or self._order_refusal(book, submit)

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
        extno = form.value(submit.fields.get("extno", b""))
        if extno and (not extno.isdigit() or len(extno) > state.switches.extno_max):
            return "113"
        start, end = map(int, state.switches.send_hours.split("-"))
        local = state.clock.local()
        if not start <= local.hour < end:
            return "110"
        cost = submit.order.cost
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
        asked = form.text(submit.fields, "product")
        if asked:
            return asked
        if len(book.balance) > 1:
            book.violations["product_missing"] += 1
        return next(iter(book.balance), "")

    def _charge(self, book: Book, submit: Submit) -> None:
        product = form.text(submit.fields, "product") or next(iter(book.balance))
        cost = submit.order.cost
        book.balance[product] -= cost
        book.month_used += cost

    # balance

    def _balance(self, arrived: Arrived, fields: dict[str, bytes]) -> Reply:
        state = self._state
        book = state.ledger.by_account.get(form.text(fields, "account"))
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
        if form.value(fields.get("pswd", b"")) != book.config.pswd.encode():
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
