"""The BATCH platform, editions A and B: HttpBatchSendSM and QueryBalance (vendors.md 3, 4.1, 8.3).

Every code of 3.1 has a natural cause here, in the order of `_refusal`; any code at all can be forced by a rule
(faults.py). Not here: HttpVarSM, Recharge, UserManage, which edition_b.py has around this. Weak spot: what the platform
checks first when several things are wrong is not documented; ours is one possible order. What it pushes: pushes.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from loadtest.sim.batch.answer import answer_text, is_signed
from loadtest.sim.batch.codes_and_switches import SWITCHES
from loadtest.sim.batch.pushes import BatchPushes
from loadtest.sim.config import AccountConfig
from loadtest.sim.http.wire import Reply
from loadtest.sim.ledger import numbers
from loadtest.sim.ledger.ledger import Book
from loadtest.sim.requests import form
from loadtest.sim.requests.faults import Rule
from loadtest.sim.requests.submission import Ids, Order, decide, parts, record, report
from loadtest.sim.state import ArrivedRequest, Pushing, State
from loadtest.sim.switches import Switch

SEND = "/msg/HttpBatchSendSM"
BALANCE = "/msg/QueryBalance"

EXTRA_PRODUCT = ("7654321", 2000)
NOT_TAKEN = "104"
SINGLE_NUMBERS_MAX = 200  # of users who have the single-send API alone (vendors.md 3.1 (108), 4.3 send_type)
TRUE = (b"true", b"True", b"TRUE", b"1")
FALSE = (b"false", b"False", b"FALSE", b"0")


class Submit(NamedTuple):
    """A submit request, taken apart; the order's text is None if it is not UTF-8.

    `lengths` are those of its texts, `counts` the fewest and the most numbers it may have, `roads` the letters of
    send_type of which its user needs one. `misfit`: a number has not the values that its text wants.
    """

    fields: dict[str, bytes]
    order: Order
    lengths: Sequence[int]
    counts: tuple[int, int]
    roads: str
    misfit: bool = False


Read = Callable[[Book, dict[str, bytes]], Submit]
"""Takes a request to one of the sending endpoints apart."""


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
    def example(url: str, account: AccountConfig) -> list[str]:
        """A submit request to try."""
        return [
            f"curl '{url}{SEND}' \\",
            f"     -d 'account={account.account}&pswd={account.shown_pswd}"
            "&mobile=13800138000&msg=hello&needstatus=true'",
        ]

    def receive(self, arrived: ArrivedRequest) -> Reply:
        """One request to SEND or BALANCE."""
        if arrived.path == SEND:
            return self.send(arrived, self._bulk)
        return self._balance(arrived, fields_of(arrived))

    # sending

    def send(self, arrived: ArrivedRequest, read: Read) -> Reply:
        """One request to a sending endpoint, taken apart by `read`."""
        state = self._state
        fields = fields_of(arrived)
        book = state.ledger.by_account.get(form.text(fields, "account"))
        if book is None:
            state.ledger.unmatched["101"] += 1
            return self.reply("101")
        submit = read(book, fields)
        order = submit.order

        def check(fits: bool) -> str:
            return self._refusal(arrived, book, submit, fits)

        verdict = decide(state, arrived, book, order, check, "0", NOT_TAKEN)
        if verdict.accepted:
            self._charge(book, submit)
        if not order.parsed.column.size:
            return self.reply(verdict.code, rule=verdict.rule)
        msgid = self._ids.next()
        wants_report = fields.get("needstatus") in TRUE and book.config.need_reportmo
        entry = record(state, arrived, book, order, verdict, msgid, wants_report)
        shows_id = fields.get("needstatus") in TRUE or state.switches.msgid_without_status == "yes"
        reply = self.reply(verdict.code, msgid if shows_id else "", verdict.rule)
        if verdict.accepted:  # AMB-BATCH-22
            reviewed = state.switches.review != "off" or book.config.need_audit
            delay_s = state.clock.real_s(state.switches.review_delay_s) if reviewed else 0.0
            report(state, entry, reply, delay_s, "REJECT" if state.switches.review == "reject_after" else None)
        return reply

    def _bulk(self, book: Book, fields: dict[str, bytes]) -> Submit:
        """All numbers get the same text."""
        switches = self._state.switches
        parsed = numbers.parse(form.value(fields.get("mobile", b"")))
        text = self.text(fields, "msg")
        length = form.length(text or "", switches.length_unit)
        order = Order(parsed, text, self.parts(book, length))
        most = switches.max_numbers
        if book.config.send_type and not set("BP") & set(book.config.send_type):
            most = min(most, SINGLE_NUMBERS_MAX)
        return Submit(fields, order, (length,), (max(1, switches.min_numbers), most), "BPH")

    def text(self, fields: dict[str, bytes], name: str) -> str | None:
        """A parameter's text; None if it is not UTF-8 and has to be (AMB-BATCH-15)."""
        errors = "strict" if self._state.switches.bad_utf8 == "106" else "replace"
        try:
            return form.value(fields.get(name, b"")).decode("utf-8", errors)
        except UnicodeDecodeError:
            return None

    def parts(self, book: Book, length: int) -> int:
        """How many parts a text of this length is charged as."""
        split = self._state.switches.split
        if split == "account":
            return parts(length, book.config.split_single, book.config.split_multi)
        single, multi = map(int, split.split("/"))
        return parts(length, single, multi)

    def _refusal(self, arrived: ArrivedRequest, book: Book, submit: Submit, fits: bool) -> str:
        """The code; "0" if nothing is wrong."""
        state, account, fields = self._state, book.config, submit.fields
        switches = state.switches
        if form.value(fields.get("pswd", b"")) != account.pswd.encode():
            return "102"
        if account.ips and arrived.peer not in account.ips:
            return "117"
        if account.expires and state.clock.local().isoformat() >= account.expires:
            return "119"
        if not account.may_send or (account.send_type and not set(submit.roads) & set(account.send_type)):
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
        if order.text is None or not all(0 < length <= switches.max_chars for length in submit.lengths):
            return "106"
        fewest, most = submit.counts
        if not fewest <= order.parsed.column.size <= most:
            return "108"
        if submit.misfit or (order.parsed.odd and switches.bad_number == "107"):
            return "107"
        return self._content_refusal(book, order) or self._order_refusal(book, submit)

    def _content_refusal(self, book: Book, order: Order) -> str:
        switches, account = self._state.switches, book.config
        words = order.words
        texts = order.each.texts if order.each is not None else [words]
        if any(word in words for word in switches.sensitive_words):
            return "105"
        if any(word in words for word in switches.review_words):
            return "115"
        signature = account.signature if account.force_signature else ""
        if (switches.signature_needed == "on" or signature) and not all(is_signed(text, signature) for text in texts):
            return "116"
        listed = all(any(allowed in text for allowed in account.white_list) for text in texts)
        return "120" if switches.edition == "A" and account.white_list and not listed else ""

    def _order_refusal(self, book: Book, submit: Submit) -> str:
        state, account = self._state, book.config
        product = self._product(book, submit)
        if product not in book.balance:
            return "112"
        extno = form.value(submit.fields.get("extno", b""))
        if extno and (not extno.isdigit() or len(extno) > state.switches.extno_max):
            return "113"
        local = state.clock.local()
        for hours in filter(None, (state.switches.send_hours, account.send_hours)):
            start, end = map(int, hours.split("-"))
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

    def _balance(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        state = self._state
        book = state.ledger.by_account.get(form.text(fields, "account"))
        if book is None:
            state.ledger.unmatched["101"] += 1
            return self.reply("101")
        book.balance_requests += 1
        rule = state.rules.pick("balance", book.config.name)
        code = rule.code if rule and rule.code else self._balance_refusal(arrived, book, fields)
        book.codes[f"balance {code}"] += 1
        if rule:
            book.faults[f"balance {rule.name}"] += 1
        lines = [f"{product},{credit}" for product, credit in self._products(book)] if code == "0" else []
        return self.reply(code, "\n".join(lines), rule)

    def _balance_refusal(self, arrived: ArrivedRequest, book: Book, fields: dict[str, bytes]) -> str:
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

    def reply(self, code: str, more: str = "", rule: Rule | None = None, description: str = "") -> Reply:
        """`time,code`, with a description behind it if there is one, and the lines of `more` if the code is 0."""
        if rule and rule.body is not None:
            return Reply(rule.body.encode(), rule=rule)
        return Reply(answer_text(self._state, code, more, description).encode(), rule=rule)


def fields_of(arrived: ArrivedRequest) -> dict[str, bytes]:
    """The parameters of query and body; the body's count (AMB-BATCH-14)."""
    fields = form.parameters(arrived.query)
    return fields | form.parameters(arrived.body) if arrived.body else fields
