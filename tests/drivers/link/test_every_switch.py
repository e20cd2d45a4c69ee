"""The driver before a gateway with each value of each of its switches: nobody is lost or doubled, and all that is
delivered is taken.

What a switch makes the gateway do is tested beside the gateway (tests/loadtest/sim/cmpp); what is here is that the
dispatcher lives with it.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from loadtest.sim.cmpp.codes_and_switches import NETWORK, SWITCHES
from tests.drivers.link.link_driver_kit import FIRST, Sender, sender, words
from tests.loadtest.sim.cmpp.cmpp_kit import NOW
from tests.waiting import until

COUNT: Final = 20
ALONE: Final = {each.name for each in NETWORK}
"""Switches between gateways; an SP sees no more of them than reports (tests/loadtest/sim/cmpp/test_network.py)."""

CASES: Final = [
    pytest.param(each.name, value, id=f"{each.name}={value}"[:40])
    for each in SWITCHES
    if each.name not in ALONE
    for value in each.values
]
IMPATIENT: Final = {"timeout_s": 0.05, "transmissions": 2, "connect_timeout_s": 0.5}

ODD_ANSWERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "connect_resp=29": ("not-sent", IMPATIENT),
    "no_answer=submit_only": ("unknown", IMPATIENT),
    "no_answer=all": ("unknown", IMPATIENT),
}
"""Where the recipients are not accepted: how they end, and keys of the account."""


@pytest.mark.parametrize(("name", "value"), CASES)
async def test_the_dispatcher_lives_with_every_value_of_every_switch(name: str, value: Any) -> None:
    kind, keys = ODD_ANSWERS.get(f"{name}={value}", ("accepted", {}))
    async with sender(NOW | {name: value}, **keys) as it:
        answer = await it.send(COUNT)
        assert sum(count for count, said, _ in words(answer) if said == kind) == COUNT
        if kind == "accepted":
            await everything_is_taken(it, name, value)


async def everything_is_taken(it: Sender, name: str, value: Any) -> None:
    """Every number was taken once and reported, and a message from a phone came."""
    gateway = it.gateway.sim.gateway
    rows = it.gateway.sim.rows()
    numbers = [str(FIRST + at) for at in range(COUNT)]
    assert sorted(rows.filter(rows["accepted"])["number"].to_list()) == numbers
    gateway.phones.write(gateway.accounts["spring"], {"mobile": numbers[0], "msg": "TD"})
    if (name, value) == ("report_body", 59):
        await until(lambda: sum(len(each.unreadable) for each in it.lane.taken) == COUNT, "all is kept as it came")
    else:
        reported = set(map(int, numbers))
        await until(lambda: {number for number, _, _ in it.lane.reports()} == reported, "everybody is reported")
    await until(lambda: any(each.messages for each in it.lane.taken), "the message came")
    messages = [message for each in it.lane.taken for message in each.messages]
    assert numbers[0] in {message.number for message in messages}
