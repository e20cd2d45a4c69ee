"""The benchmark of the CMPP network accounts for every message, and notices one that is missing."""

from __future__ import annotations

from typing import Any

from loadtest.bench.sending import cmpp_network as bench
from loadtest.sim.cmpp.network.network import CmppNetwork


async def _crossed(count: int, **switches: Any) -> list[str]:
    async with CmppNetwork({**bench.CONFIG, "listen": "127.0.0.1:0", **switches}) as network:

        async def totals() -> tuple[dict[str, Any], dict[str, Any]]:
            here, there = [network.gateways[code].totals() for code in (bench.HERE, bench.THERE)]
            return here, there

        _, wrong = await bench.cross(network.gateways[bench.HERE].address, totals, count)
        return wrong


async def test_every_message_across_the_network_is_accounted_for() -> None:
    assert sum(number >= b"139" for number in bench.numbers(600)) in range(290, 310)
    assert await _crossed(600) == []


async def test_reports_that_are_lost_are_noticed() -> None:
    wrong = await _crossed(50, report_loss=1.0)
    assert "reports that the SP counted: 0, not 50" in wrong
