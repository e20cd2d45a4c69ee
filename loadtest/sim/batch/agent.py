"""What agents do at the BATCH platform: Recharge and UserManage (vendors.md 4.2, 4.3, AMB-BATCH-17 to 19).

An account with `agent` credentials is an agent's. Checked in this order: is everything there (201, 301), is it
well-formed (205, 305), is it the agent, from its address, now (202, 302), and only then the account it is about, which
is encrypted with the agent's key. Readings of ours: an agent may charge and delete every account of its platform; only
extno, signature and the two IP lists may be empty; fee_back, anti_phshing, self_subscribe and sms_check are kept and do
nothing.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from loadtest.sim.batch.cipher import decrypted, signature
from loadtest.sim.batch.user import USER_FIELDS, account_of, is_strong, moment, what_is_wrong
from loadtest.sim.http.wire import Reply
from loadtest.sim.ledger.ledger import Book
from loadtest.sim.requests import form
from loadtest.sim.requests.faults import Rule
from loadtest.sim.state import ArrivedRequest, State

RECHARGE_NEEDS = ("username", "password", "timestamp", "operator", "account", "fee", "type")
USER_NEEDS = ("username", "password", "timestamp", "operator", "action", "account")
MAY_BE_EMPTY = ("extno", "signature", "web_client_ip", "http_client_ip")
MISSING, CHECK, FORMAT, SUBJECT, PRODUCT = "01", "02", "05", "03", "06"
WORDS = {
    "301": "缺少参数",
    "302": "验证失败",
    "303": "用户已存在或不存在",
    "304": "扩展号已存在",
    "305": "参数格式错误",
    "306": "产品不存在",
}


class Answers(Protocol):
    """Who writes answers of the platform."""

    def reply(self, code: str, more: str = "", rule: Rule | None = None, description: str = "") -> Reply: ...


class AgentRefusal(Exception):
    """The code, and for UserManage what is wrong."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.description = description


class AgentRequest(NamedTuple):
    """One request: its parameters, the names of all of them, who asks, and the account it is about."""

    arrived: ArrivedRequest
    fields: dict[str, str]
    names: set[str]
    agent: Book | None
    target: str | None

    def missing(self, needed: tuple[str, ...]) -> bool:
        """Is a parameter not there, or empty although it may not be?"""
        return any(not self.fields.get(name) and not (name in MAY_BE_EMPTY and name in self.names) for name in needed)


class Agents:
    """The agent functions of one simulator."""

    def __init__(self, state: State, answers: Answers) -> None:
        self._state = state
        self._answers = answers

    def recharge(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        """One request to Recharge."""
        return self._answer("recharge", "2", arrived, fields, self._recharge)

    def manage(self, arrived: ArrivedRequest, fields: dict[str, bytes]) -> Reply:
        """One request to UserManage."""
        return self._answer("user", "3", arrived, fields, self._manage)

    def _answer(
        self,
        on: str,
        family: str,
        arrived: ArrivedRequest,
        raw: dict[str, bytes],
        carry_out: Callable[[AgentRequest], dict[str, Any]],
    ) -> Reply:
        """Look for a rule, carry out, write down, answer. `family`: the first digit of the codes."""
        state = self._state
        asked = self._asked(arrived, raw)
        rule = state.rules.pick(on, asked.agent.config.name if asked.agent else "", None, asked.target or "")
        taken = rule is None or rule.is_taken
        code, description, what = f"{family}{CHECK}", "", {}
        if taken:
            try:
                code, what = "0", carry_out(asked)
            except AgentRefusal as refused:
                code, description = refused.code, refused.description
        done = taken and code == "0"
        said = rule.code if rule and rule.code else code
        if said != code or not taken or on != "user":  # Recharge answers with a code alone
            description = ""
        answer = said if taken or (rule and rule.code) else "none"
        self._write_down(on, asked, answer, done, rule, what)
        return self._answers.reply(said, rule=rule, description=description or WORDS.get(said, ""))

    def _asked(self, arrived: ArrivedRequest, raw: dict[str, bytes]) -> AgentRequest:
        fields = {name: form.value(value).decode("utf-8", "replace") for name, value in raw.items()}
        username = fields.get("username", "")
        agent = None
        for book in self._state.ledger.by_account.values():
            if book.config.agent is not None and book.config.agent.username == username:
                agent = book
        target = None
        if agent is not None and agent.config.agent is not None:
            keys = agent.config.agent
            target = decrypted(fields.get("account", ""), keys.des_key, keys.des_iv)
        return AgentRequest(arrived, fields, form.names(arrived.query) | form.names(arrived.body), agent, target)

    def _write_down(
        self, on: str, asked: AgentRequest, code: str, done: bool, rule: Rule | None, what: dict[str, Any]
    ) -> None:
        ledger, fields = self._state.ledger, asked.fields
        action = {"0": "user add", "1": "user delete"}.get(fields.get("action", ""), on) if on == "user" else on
        if asked.agent is None:
            ledger.unmatched[f"{on} {code}"] += 1
        else:
            asked.agent.codes[f"{on} {code}"] += 1
            if rule:
                asked.agent.faults[f"{on} {rule.name}"] += 1
        ledger.operated(
            {
                "at_s": self._state.clock.at(asked.arrived.at_s),
                "agent": asked.agent.config.name if asked.agent else None,
                "operator": fields.get("operator"),
                "what": action,
                "target": asked.target,
                "fee": fields.get("fee"),
                "type": fields.get("type"),
                "product": what.get("product"),
                "code": code,
                "done": done,
            }
        )

    # checks

    def _check(self, asked: AgentRequest, family: str) -> str:
        """Is it the agent, from its address, now? The account that it is about."""
        fields, agent = asked.fields, asked.agent
        stamp = fields["timestamp"]
        stamped_s = moment(stamp)
        if stamped_s is None:
            raise AgentRefusal(f"{family}{FORMAT}", "时间戳格式错误")
        if agent is None or agent.config.agent is None:
            raise AgentRefusal(f"{family}{CHECK}")
        keys, switches = agent.config.agent, self._state.switches
        right = signature(keys.username, keys.secret_key, stamp)
        now_s = self._state.clock.at(asked.arrived.at_s)
        used: set[str] = agent.own or set()
        if (
            not hmac.compare_digest(right.encode(), fields["password"].encode())
            or (keys.ips and asked.arrived.peer not in keys.ips)
            or abs(now_s - stamped_s) > switches.timestamp_tolerance_s
            or (switches.timestamp_reuse == "refused" and stamp in used)
        ):
            raise AgentRefusal(f"{family}{CHECK}")
        agent.own = used | {stamp}
        if not asked.target:
            raise AgentRefusal(f"{family}{FORMAT}", "账号格式错误")
        return asked.target

    # Recharge

    def _recharge(self, asked: AgentRequest) -> dict[str, Any]:
        fields, ledger = asked.fields, self._state.ledger
        if asked.missing(RECHARGE_NEEDS):
            raise AgentRefusal("201")
        fee, product = fields["fee"], fields.get("productid", "")
        well_formed = fee.isascii() and fee.isdigit() and 0 < int(fee) < 10**10 and fields["type"] in ("1", "2")
        if not well_formed or (product and not re.fullmatch(r"\w+", product)):
            raise AgentRefusal("205")
        book = ledger.by_account.get(self._check(asked, "2"))
        if book is None:
            raise AgentRefusal("203")
        product = product or next(iter(book.balance), "")
        if product not in book.balance:
            raise AgentRefusal("206")
        messages = int(fee) * self._state.switches.messages_per_fee
        if fields["type"] == "2":
            if book.balance[product] < messages:
                raise AgentRefusal("204")
            messages = -messages
        book.balance[product] += messages
        return {"product": product}

    # UserManage

    def _manage(self, asked: AgentRequest) -> dict[str, Any]:
        fields, ledger = asked.fields, self._state.ledger
        adds = fields.get("action") == "0"
        if asked.missing(USER_NEEDS + USER_FIELDS if adds else USER_NEEDS):
            raise AgentRefusal("301")
        if fields["action"] not in ("0", "1"):
            raise AgentRefusal("305", "操作类型错误")
        if adds and (wrong := what_is_wrong(fields)):
            raise AgentRefusal("305", wrong)
        target = self._check(asked, "3")
        if adds == (target in ledger.by_account):
            raise AgentRefusal("303", "用户已存在" if adds else "用户不存在")
        if adds:
            self._add(asked, target)
        else:
            ledger.by_account[target].gone = True
        ledger.index_accounts()
        return {}

    def _add(self, asked: AgentRequest, target: str) -> None:
        fields, ledger = asked.fields, self._state.ledger
        assert asked.agent is not None
        assert asked.agent.config.agent is not None
        keys = asked.agent.config.agent
        password = decrypted(fields["ac_password"], keys.des_key, keys.des_iv)
        if password is None or not is_strong(password, self._state.switches.password_rule):
            raise AgentRefusal("305", "密码格式错误")
        extno = fields.get("extno", "")
        if extno and any(book.config.extno == extno for book in ledger.by_account.values()):
            raise AgentRefusal("304")
        products = fields["product_list"].split(",")
        known = {product for book in ledger.by_account.values() for product in book.balance}
        if not known.issuperset(products):
            raise AgentRefusal("306")
        name = target if target not in ledger.books else f"{target} ({len(ledger.books)})"
        account = account_of(fields, name, target, password)
        ledger.books[name] = Book(account, self._state.switches.judge_idle_s)
