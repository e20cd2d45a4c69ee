"""Faults and forced answers of the CMPP gateway, as rules that can be set at run time (vendors.md 9 (4)).

{"fault": "half_answer", "on": "submit", "p": 0.01}
{"fault": "no_answer", "on": "connect", "count": 1}      accepts a connection and never answers its login
{"code": 8, "number": "13800138000"}                     a magic number
{"code": 5, "on": "connect"}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Annotated, Any, Literal

from msgspec import Meta

from dispatcher.cmpp.pdus import Submit
from dispatcher.config.mistakes import converted
from dispatcher.errors import ConfigError
from loadtest.sim.rules import Choice, RuleList

# name: (is the request carried out unless the rule says otherwise, what happens)
FAULTS: dict[str, tuple[bool, str]] = {
    "delay": (True, "the answer comes `delay_s` late"),
    "no_answer": (True, "no answer; the connection stays open"),
    "close": (True, "the connection is closed"),
    "reset": (True, "the connection is reset (RST)"),
    "half_answer": (True, "half of the answer, then the end of the connection"),
    "byte_by_byte": (True, "the answer byte by byte, `drip_s` apart"),
    "coalesced": (True, "the answer in one write between two ACTIVE_TESTs"),
    "length_0": (True, "a frame of this Total_Length before the answer"),
    "length_11": (True, "a frame of this Total_Length before the answer"),
    "length_12_garbage": (True, "a frame of an unknown command and length 12, and garbage, before the answer"),
    "length_4097": (True, "a frame of this Total_Length before the answer"),
    "length_7fffffff": (True, "a frame of this Total_Length before the answer"),
    "length_ffffffff": (True, "a frame of this Total_Length before the answer"),
    "unknown_command": (True, "a sound frame of an unknown command before the answer"),
    "wrong_body": (True, "an answer with an octet too many"),
    "out_of_order": (True, "the answer behind the next one, or after `delay_s`"),
    "duplicate_answer": (True, "the answer twice"),
    "unknown_sequence": (True, "an answer to an unused Sequence_Id before the answer"),
    "half_open": (False, "it neither reads nor writes any more; TCP stays open"),
    "deliver_flood": (True, "1,000 messages from phones before the answer, whatever the window"),
}
CHARSETS = {0: "ascii", 8: "utf-16-be", 15: "gb18030"}
On = Literal["connect", "submit", "query", "cancel", "active", "terminate", "any"]


class Rule(Choice, forbid_unknown_fields=True):
    """One rule. Times are real seconds; `taken` None means the fault's own default; a code is not taken unless it is
    0.
    """

    fault: str = ""
    code: Annotated[int, Meta(ge=0, le=255)] | None = None
    on: On = "submit"
    taken: bool | None = None
    delay_s: float = 1.0
    drip_s: float = 0.01

    @property
    def is_taken(self) -> bool:
        """Is the request carried out?"""
        if self.taken is not None:
            return self.taken
        return FAULTS[self.fault][0] if self.fault else self.code == 0

    @property
    def name(self) -> str:
        """As it is counted in the ledger."""
        return self.fault or f"code {self.code}"


def rule(table: Any) -> Rule:
    """A rule from TOML or JSON; ConfigError says what is wrong with it."""
    made = converted(table, Rule, "simulator rule")
    if made.fault and made.fault not in FAULTS:
        raise ConfigError(f"simulator rule: no fault {made.fault!r}. Possible: {', '.join(FAULTS)}.")
    if bool(made.fault) == (made.code is not None):
        raise ConfigError("simulator rule: give one of fault and code.")
    return made


class Rules(RuleList[Rule]):
    """The rules in force, in order."""

    def __init__(self, tables: Sequence[Mapping[str, Any]], random: Random) -> None:
        super().__init__(tables, random, rule)

    def pick(self, on: str, account: str, numbers: Sequence[bytes] = (), text: str = "") -> Rule | None:
        """The rule for this request, counted as used."""
        return self.first(on, account, text, lambda number: number.encode() in numbers)

    def pick_submit(self, account: str, submit: Submit) -> Rule | None:
        """The rule for a SUBMIT."""
        if not self.rules:
            return None
        text = submit.msg_content.decode(CHARSETS.get(submit.msg_fmt, "latin-1"), "replace")
        return self.pick("submit", account, submit.dest_terminal_ids, text)
