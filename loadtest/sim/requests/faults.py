"""Faults and forced answers: which request gets one, as rules that can be set at run time (vendors.md 9 (3)).

A rule chooses requests by path, account, number or text, and among those by probability or count; the first rule that
matches wins. What is done with the chosen one: a `fault` of FAULTS, or a `code` / `body` answered instead of the
vendor's own.

    {"fault": "no_answer", "taken": true, "p": 0.01}             one of a hundred
    {"fault": "http_503", "count": 3, "skip": 10}                the 11th to the 13th
    {"code": "105", "number": "13800138000"}                     a magic number
    {"code": "0", "taken": true, "text": "hello", "on": "send"}  a magic text
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Literal

from dispatcher.config.mistakes import converted
from dispatcher.errors import ConfigError
from loadtest.sim.ledger.numbers import ParsedNumbers, mobile
from loadtest.sim.rules import Choice, RuleList

# name: (is the request carried out unless the rule says otherwise, what happens)
FAULTS: dict[str, tuple[bool, str]] = {
    "delay": (True, "the answer comes `delay_s` late"),
    "no_answer": (True, "no byte comes back for `hold_s`"),
    "close": (True, "the connection is closed in order, without an answer"),
    "reset": (True, "the connection is reset (RST)"),
    "half_answer": (True, "half of the answer's body, then the end of the connection"),
    "half_rows": (True, "the answer's first line and half of the others, then the end"),
    "http_302": (False, "a redirect to the same address"),
    "http_400": (False, "this HTTP status"),
    "http_404": (False, "this HTTP status"),
    "http_408": (False, "this HTTP status"),
    "http_429": (False, "this HTTP status"),
    "http_500": (False, "this HTTP status"),
    "http_502": (False, "this HTTP status"),
    "http_503": (False, "this HTTP status"),
    "http_504": (False, "this HTTP status"),
    "html_200": (False, "status 200 with an HTML page"),
    "empty_body": (False, "status 200 with an empty body"),
    "wrong_charset": (True, "the answer, its Content-Type naming another charset"),
    "chunked": (True, "the answer in chunks"),
    "http10_close": (True, "the answer as HTTP/1.0 without a length"),
    "connection_close": (True, "the answer with `Connection: close`"),
    "body_100k": (True, "the answer and 100 kB of other lines"),
    "slow_drip": (True, "the answer byte by byte, `drip_s` apart"),
}

On = Literal["send", "balance", "reports", "inbound", "history", "login", "upload", "recharge", "user", "any"]
"""What a rule may be on: submits and balance queries of every vendor; the rest where a vendor has it."""


class Rule(Choice, forbid_unknown_fields=True):
    """One rule. Times are real seconds; `taken` None means the fault's own default; a code or body is not taken."""

    fault: str = ""
    code: str = ""
    body: str | None = None
    on: On = "send"
    taken: bool | None = None
    delay_s: float = 1.0
    hold_s: float = 60.0
    drip_s: float = 0.05

    @property
    def is_taken(self) -> bool:
        """Does the vendor carry the request out?"""
        if self.taken is not None:
            return self.taken
        if self.fault:
            return FAULTS[self.fault][0]
        return False

    @property
    def name(self) -> str:
        """As it is counted in the ledger."""
        if not self.fault:
            return f"code {self.code}" if self.code else "body"
        if self.taken is None:
            return self.fault
        return f"{self.fault} ({'taken' if self.taken else 'not taken'})"


def rule(table: Any) -> Rule:
    """A rule from TOML or JSON; ConfigError says what is wrong with it."""
    table = converted(table, dict[str, Any], "simulator rule")
    values: dict[str, Any] = {k: str(v) if k in ("code", "number") else v for k, v in table.items()}
    made = converted(values, Rule, "simulator rule")
    if made.fault and made.fault not in FAULTS:
        raise ConfigError(f"simulator rule: no fault {made.fault!r}. Possible: {', '.join(FAULTS)}.")
    if sum((bool(made.fault), bool(made.code), made.body is not None)) != 1:
        raise ConfigError("simulator rule: give one of fault, code or body.")
    return made


class Rules(RuleList[Rule]):
    """The rules in force, in order."""

    def __init__(self, tables: Sequence[Mapping[str, Any]], random: Random) -> None:
        super().__init__(tables, random, rule)

    def pick(self, on: str, account: str, parsed: ParsedNumbers | None = None, text: str = "") -> Rule | None:
        """The rule for this request, counted as used; None if it is to be served normally."""
        return self.first(on, account, text, lambda number: _has(parsed, number))


def _has(parsed: ParsedNumbers | None, number: str) -> bool:
    if parsed is None:
        return False
    raw = number.encode()
    value = mobile(raw)
    return raw in parsed.odd if value is None else bool((parsed.column == value).any())
