"""The control endpoint `/_sim/…`, apart from the vendor's own paths: switches, accounts, rules, ledger, pushes.

GET  /_sim/config        every switch with value, allowed values and source; accounts (without passwords); rules
POST /_sim/config        {"max_chars": 585, "account": {"spring": {"report_url": "…"}}, "rule": [{"fault": "close"}]}
POST /_sim/rules         one more rule; DELETE takes all away
GET  /_sim/ledger        totals; ?doubles=no leaves out what has to sort (for polling)
GET  /_sim/operations    what was done to accounts, and what was refused (top-ups, new users), without secrets
GET  /_sim/ledger/rows   Parquet; ?format=ndjson, ?from=0&limit=100000, ?account=NAME
POST /_sim/balance       {"account": "spring", "product": "1234567", "add": 1000}  (or "set")
POST /_sim/report        {"account": "spring", "msgid": "…", "mobile": "…", "status": "…"}
POST /_sim/mo            {"account": "spring", "mobile": "…", "msg": "…"}
POST /_sim/repeat        {"account": "spring"}: every report already pushed, once more
POST /_sim/outage        {"seconds": 5}: reset every connection and close the port, for this time (real seconds)
POST /_sim/reset         forget ledger, judge and pending pushes; settings and balances stay; {"all": true}: those too
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import msgspec
import orjson

from dispatcher.config.mistakes import converted
from dispatcher.errors import ConfigError, UserError
from loadtest.sim import config as configuration
from loadtest.sim.control_values import NDJSON, PARQUET, json_object, outage_s, rows_asked
from loadtest.sim.http.wire import Reply
from loadtest.sim.ledger import rows
from loadtest.sim.ledger.ledger import Book
from loadtest.sim.requests.faults import rule
from loadtest.sim.state import Fetchable, State, Vendor

JSON = "application/json"
PREFIX = "/_sim"
PUSH_ANSWER_S_MAX = 15.0


class Control:
    """What can be asked of and done to a running simulator; the HTTP paths call the same methods as Python does."""

    def __init__(self, state: State, vendor: Vendor) -> None:
        self._state = state
        self._vendor = vendor

    async def answer(self, method: str, path: str, query: str, body: bytes) -> Reply:
        """One request to /_sim/…; a user's mistake is a 400 with its sentence."""
        try:
            asked = {k: v[-1] for k, v in parse_qs(query).items()}
            given = json_object(body)
            return await self._route("POST" if method == "PUT" else method, path.removeprefix(PREFIX), asked, given)
        except UserError as error:
            return _json({"error": str(error)}, 400)

    async def _route(self, method: str, path: str, asked: dict[str, str], given: dict[str, Any]) -> Reply:
        match method, path:
            case "GET", "/config":
                return _json(self.describe())
            case "POST", "/config":
                self.configure(given)
                return _json(self.describe())
            case "POST", "/rules":
                self._state.rules.add(given)
                return _json(self.describe()["rules"])
            case "DELETE", "/rules":
                self._state.rules.replace([])
                return _json([])
            case "GET", "/ledger":
                return _json(await self.totals(asked.get("doubles") != "no"))
            case "GET", "/operations":
                return _json(self._state.ledger.operations)
            case "GET", "/ledger/rows":
                return await self._rows(asked)
            case "POST", "/balance":
                return _json(self.top_up(**_known(given, "account", "product", "add", "set")))
            case "POST", "/report":
                return _json({"status": await self.push_report(given)})
            case "POST", "/mo":
                return _json({"statuses": await self.push_inbound(given)})
            case "POST", "/repeat":
                return _json({"reports": self.repeat(str(given.get("account", "")))})
            case "POST", "/outage":
                return _json({"down_s": self.outage(**_known(given, "seconds"))})
            case "POST", "/reset":
                self.reset(bool(given.get("all")))
                return _json({"reset": True})
        return _json({"error": f"no {method} {PREFIX}{path}. See docs/SIMULATORS.md for what there is."}, 404)

    def describe(self) -> dict[str, Any]:
        """Everything that can be set, with what it is set to; no passwords."""
        state = self._state
        accounts = {name: _shown(book.config) for name, book in state.ledger.books.items()}
        return {
            "vendor": self._vendor.name,
            "switches": state.switches.describe(),
            "accounts": accounts,
            "rules": state.rules.shown(),
        }

    def configure(self, given: dict[str, Any]) -> None:
        """Switches by name, `account` by name (new ones too), `rule` as the new list of rules."""
        state = self._state
        given = dict(given)
        accounts = given.pop("account", {})
        rules = given.pop("rule", None)
        accounts = converted(accounts, dict[str, dict[str, Any]], "account")
        made = {n: self._account(n, settings) for n, settings in accounts.items()}
        made_rules = None if rules is None else [rule(r) for r in converted(rules, list[Any], "rule")]
        state.switches.update(given)
        if made_rules is not None:
            state.rules.rules = made_rules
        if "clock_scale" in given:
            state.clock.rescale(state.switches.clock_scale)
        if "clock_start" in given:
            state.clock.set(state.switches.clock_start)
        ledger, idle_s = state.ledger, state.switches.judge_idle_s
        ledger.keep_rows = state.switches.ledger == "full"
        for name, account in made.items():
            if name in ledger.books:
                ledger.books[name].reconfigure(account, idle_s, "products" in accounts[name])
            else:
                ledger.books[name] = Book(account, idle_s)
        if "judge_idle_s" in given:
            for book in ledger.books.values():
                book.judge.idle_s = idle_s
        ledger.index_accounts()
        state.reports.kick()

    def _account(self, name: str, settings: dict[str, Any]) -> configuration.AccountConfig:
        state = self._state
        old = state.ledger.books[name].config if name in state.ledger.books else None
        return configuration.account(name, settings, state.config.allow_remote, old)

    async def totals(self, with_doubles: bool = True) -> dict[str, Any]:
        """The ledger's figures (docs/SIMULATORS.md explains each)."""
        state = self._state
        ledger = state.ledger
        doubles = await asyncio.to_thread(ledger.doubles) if with_doubles and ledger.keep_rows else None
        return ledger.totals(doubles) | {
            "vendor": self._vendor.name,
            "reports_waiting": state.reports.waiting,
            "inbound_waiting": state.reports.insisting,
            "in_work": state.in_work,
            "aborted": state.aborted,
        }

    async def _rows(self, asked: dict[str, str]) -> Reply:
        start, limit = rows_asked(asked)
        table = await asyncio.to_thread(rows.frame, self._state.ledger, start, limit, asked.get("account", ""))
        if asked.get("format", "parquet") == "ndjson":
            return Reply(await asyncio.to_thread(rows.ndjson, table), content_type=NDJSON)
        return Reply(await asyncio.to_thread(rows.parquet, table), content_type=PARQUET)

    def top_up(self, account: str = "", product: str = "", add: int = 0, set: int | None = None) -> dict[str, int]:
        """Change a balance; without a product the first one's. Returns the account's balances."""
        book = self._book(account)
        product = product or next(iter(book.balance), "1234567")
        book.balance[product] = (book.balance.get(product, 0) if set is None else set) + add
        return dict(book.balance)

    async def push_report(self, wanted: dict[str, Any]) -> int:
        """Push one made-up report now; returns the receiver's HTTP status, 0 if there was no answer."""
        book = self._book(str(wanted.get("account", "")))
        if not book.config.report_url:
            raise ConfigError(f"simulated account {book.config.name!r} has no report_url. Set it first.")
        payload = self._vendor.pushes.made_report(book, wanted)
        pushed = self._state.reports.push(book, book.config.report_url, payload)
        return (await asyncio.wait_for(pushed, PUSH_ANSWER_S_MAX)).status

    async def push_inbound(self, wanted: dict[str, Any]) -> list[int]:
        """Push a message from a phone, part by part; returns the receiver's HTTP statuses. What it does not take is
        repeated, as `push_retry` says, after this.
        """
        book = self._book(str(wanted.get("account", "")))
        pushed, kept = book.config.inbound_roads()
        pushes = self._vendor.pushes
        if kept and isinstance(pushes, Fetchable):
            count = pushes.keep_inbound(book, wanted)
            if not pushed:
                book.inbound_pushed += count
                return []
        if not pushed:
            raise ConfigError(f"simulated account {book.config.name!r} has no inbound_url. Set it first.")
        url = book.config.inbound_url
        statuses = []
        for payload, messages in self._vendor.pushes.inbound_pushes(book, wanted):
            answer = await asyncio.wait_for(self._state.reports.push(book, url, payload), PUSH_ANSWER_S_MAX)
            book.inbound_pushed += messages
            if self._vendor.pushes.is_taken(answer):
                book.inbound_acked += messages
            else:
                self._state.reports.insist(book, url, payload, partial(_acked, book, messages))
            statuses.append(answer.status)
        return statuses

    def repeat(self, account: str) -> int:
        """Push every report already pushed once more; returns how many."""
        return self._state.reports.repeat(self._book(account))

    def outage(self, seconds: Any = 5.0) -> float:
        """Die for some real seconds; this endpoint, too."""
        down_s = outage_s(seconds)
        self._state.outage(down_s)
        return down_s

    def reset(self, everything: bool = False) -> None:
        """Forget what happened; with `everything` also what was set."""
        state = self._state
        state.reports.reset()
        state.ledger.reset()
        state.aborted = 0
        if everything:
            state.switches.forget()
            state.switches.update(state.config.switches)
            state.rules.replace(state.config.rules)
            state.ledger.keep_rows = state.switches.ledger == "full"
            state.clock.rescale(state.switches.clock_scale)
            state.clock.set(state.switches.clock_start)
            state.ledger.books = {n: Book(a, state.switches.judge_idle_s) for n, a in state.config.accounts.items()}
            state.ledger.index_accounts()

    def _book(self, name: str) -> Book:
        books = self._state.ledger.books
        if name not in books:
            raise ConfigError(f"there is no simulated account {name!r}. Possible: {', '.join(books)}.")
        return books[name]


def _shown(account: configuration.AccountConfig) -> dict[str, Any]:
    shown = {k: v for k, v in msgspec.to_builtins(account).items() if k not in ("pswd", "receiver_pswd")}
    if account.agent is not None:
        shown["agent"] = {"username": account.agent.username, "ips": account.agent.ips}
    return shown


def _acked(book: Book, messages: int) -> None:
    book.inbound_acked += messages


def _known(given: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in given:
        if name not in names:
            raise ConfigError(f"there is no {name!r} here. Possible: {', '.join(names)}.")
    return given


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(orjson.dumps(value, option=orjson.OPT_INDENT_2), status, JSON)
