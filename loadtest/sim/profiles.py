"""What the demo needs to know of each simulated vendor: how it is started, how our account with it is configured, and
which of its report statuses mean delivered. A new vendor's demo is one entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from loadtest.sim.cmpp.codes_and_switches import DELIVERED, INTERIM
from loadtest.sim.guodu.codes_and_switches import STATUSES


class DemoVendor(msgspec.Struct, frozen=True, kw_only=True):
    """`simulated` is given to the simulator (loadtest/sim/config.py); `account` are the lines of a [account.NAME] that
    say who we are, with {name} and {password} to fill in; `codes` are statuses that our results tell in other words;
    after one of `interim` no final report comes. `named`: its reports name the number they are about. `scheme` stands
    before its address, and of an account's name it takes `name_chars_max`. `in_demo` is set in the demo besides.
    `flow_unit` is what its flow limit counts.
    """

    simulated: Mapping[str, Any]
    account: str
    delivered: frozenset[str]
    codes: Mapping[str, str] = {}
    interim: frozenset[str] = frozenset()
    named: bool = True
    scheme: str = "http"
    name_chars_max: int = 64
    flow_unit: str = "messages"
    in_demo: Mapping[str, Any] = msgspec.field(default_factory=lambda: {"push_connections": 24})

    def url(self, address: str) -> str:
        """Of what listens on HOST:PORT."""
        return f"{self.scheme}://{address}"

    def account_of(self, name: str) -> str:
        """What our account of this name calls itself."""
        return name[: self.name_chars_max]


VENDORS: Final[Mapping[str, DemoVendor]] = {
    "batch-a": DemoVendor(
        simulated={"vendor": "batch", "edition": "A", "push_retry": "until_200"},
        account='account = "{name}"\npswd = "{password}"\nbalance_interval_s = 10',  # as often as edition A takes it
        delivered=frozenset({"DELIVRD"}),
    ),
    "batch-b": DemoVendor(
        simulated={"vendor": "batch-b", "push_retry": "until_200"},
        account='account = "{name}"\npswd = "{password}"',
        delivered=frozenset({"DELIVRD"}),
    ),
    "hezhong": DemoVendor(
        simulated={"vendor": "hezhong", "push_retry": "until_200"},
        account='userid = "1001"\nusername = "{name}"\npassword = "{password}"',
        delivered=frozenset({"DELIVRD", "0", "000"}),  # AMB-X-1
        interim=frozenset({"1"}),
    ),
    "guodu": DemoVendor(
        simulated={"vendor": "guodu", "push_retry": "until_acked"},
        account='oper_id = "{name}"\noper_pass = "{password}"',
        delivered=frozenset({"0"}),
        codes={status: f"{status} {words}" for status, words in STATUSES.items() if status != "0"},
    ),
    "cosms": DemoVendor(
        simulated={"vendor": "cosms", "push_retry": "forever"},
        account='corp_id = "{name}"\nlogin_name = "{name}"\npassword = "{password}"\n'
        "report_interval_s = 0\nmo_interval_s = 0",
        delivered=frozenset({"0"}),
        named=False,
    ),
    "cmpp": DemoVendor(
        simulated={"vendor": "cmpp", "window_violation": "close", "deliver_rounds": 1_000},
        account='sp_id = "{name}"\nsecret = "{password}"',
        delivered=frozenset({DELIVERED}),
        interim=frozenset({INTERIM}),
        scheme="cmpp",
        name_chars_max=6,
        flow_unit="parts",
        in_demo={},
    ),
}
DEFAULT: Final = "batch-a"
