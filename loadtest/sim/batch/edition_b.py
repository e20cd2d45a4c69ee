"""Edition B of the BATCH platform: what edition A has (batch.py), HttpVarSM, and the agent functions Recharge and
UserManage (vendors.md 4, 8.3).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from loadtest.sim.batch.agent import Agents
from loadtest.sim.batch.codes_and_switches_b import SWITCHES
from loadtest.sim.batch.variable import groups
from loadtest.sim.batch.vendor import BALANCE, SEND, Batch, Submit, fields_of
from loadtest.sim.config import AccountConfig
from loadtest.sim.http.wire import Reply
from loadtest.sim.ledger.ledger import Book, Each
from loadtest.sim.requests import form
from loadtest.sim.requests.submission import Order
from loadtest.sim.state import ArrivedRequest, Pushing, State
from loadtest.sim.switches import Switch

VARIABLE = "/msg/HttpVarSM"
RECHARGE = "/msg/Recharge"
USER = "/msg/UserManage"


class BatchB:
    """One simulator's vendor."""

    name: ClassVar[str] = "batch-b"
    table: ClassVar[tuple[Switch, ...]] = SWITCHES
    paths: ClassVar[tuple[str, ...]] = (SEND, BALANCE, VARIABLE, RECHARGE, USER)

    def __init__(self, state: State) -> None:
        self._state = state
        self._platform = Batch(state)
        self._agents = Agents(state, self._platform)
        self.pushes: Pushing = self._platform.pushes

    @staticmethod
    def example(url: str, account: AccountConfig) -> list[str]:
        """A submit request to try."""
        return Batch.example(url, account)

    def receive(self, arrived: ArrivedRequest) -> Reply:
        """One request to any of `paths`."""
        if arrived.path == VARIABLE:
            return self._platform.send(arrived, self._variable)
        if arrived.path == RECHARGE:
            return self._agents.recharge(arrived, fields_of(arrived))
        if arrived.path == USER:
            return self._agents.manage(arrived, fields_of(arrived))
        return self._platform.receive(arrived)

    def _variable(self, book: Book, fields: dict[str, bytes]) -> Submit:
        """Every number gets a text of its own."""
        switches, platform = self._state.switches, self._platform
        template, params = platform.text(fields, "msg"), platform.text(fields, "params")
        found = groups(template or "", params or "", switches.var_place)
        lengths = [form.length(text, switches.length_unit) for text in found.texts]
        each = Each(found.texts, np.array([platform.parts(book, length) for length in lengths], np.int32))
        text = None if template is None or params is None else template
        shortest = form.length(template or "", switches.length_unit) if not lengths else min(lengths)
        order, counts = Order(found.parsed, text, 0, each), (1, switches.var_groups_max)
        return Submit(fields, order, (shortest, *lengths), counts, "V", found.misfit)
