"""CMPP: every Result of SUBMIT_RESP, every Status of CONNECT_RESP and every status of a report (vendors.md 6.5, 6.7,
6.8), forced at the simulated gateway, through link, lane and joiner into the results; all in this process.

A code is about one message here, so no neighbour of it is touched.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest

from dispatcher.service.campaigns.hindrances import AccountStop, hindrances
from dispatcher.service.campaigns.views import view_of
from dispatcher.store.opening import open_reader
from loadtest.scenarios.ledger_comparison import our_rows
from loadtest.sim.cmpp.codes_and_switches import LOGIN_STATUSES, RESULTS, STATUSES
from tests.consumers.lanes.test_a_campaign_over_links import FIRST, World, world
from tests.loadtest.sim.cmpp.cmpp_kit import NOW
from tests.waiting import PATIENCE_S

OWN: Final = {"20": "throttled", "21": "retry-later", "22": "rejected-permanent", "23": "content", "24": "unknown"}
"""Results of an operator, as a configuration may say what they are."""

EXPECTED: Final[dict[str, tuple[str, int]]] = {
    "0": ("delivered", 1),
    **dict.fromkeys(("1", "2", "3", "4", "5", "6", "7", "9", "22", "23"), ("failed", 1)),
    **dict.fromkeys(("8", "20", "21"), ("delivered", 2)),
    "24": ("unknown", 1),
}
"""What becomes of the recipient, and how often its message is sent if the gateway answers so once."""


def test_the_table_has_every_result_of_the_simulator() -> None:
    assert set(EXPECTED) == {*RESULTS, *OWN}


def ended(it: World) -> dict[int, dict[str, Any]]:
    """The recipients of the campaign, by number."""
    reader = open_reader(it.settings.store)
    try:
        return {row["number"]: row for row in our_rows("may", reader.pages("may")).iter_rows(named=True)}
    finally:
        reader.close()


async def test_every_result_has_its_consequence(tmp_path: Path) -> None:
    number_of = {result: FIRST + place for place, result in enumerate(EXPECTED)}
    rules = [{"code": int(result), "number": str(number_of[result]), "count": 1} for result in EXPECTED]
    switches = NOW | {"status_mix": {"DELIVRD": 1.0}, "rule": rules}
    async with world(tmp_path, switches, results=OWN) as it:
        await it.launch(len(EXPECTED))
        await it.until_settled()
        rows, sent = ended(it), it.gateway.sim.rows()["number"].to_list()
    for result, (state, times) in EXPECTED.items():
        number = number_of[result]
        assert rows[number]["state"] == state, result
        assert sent.count(str(number)) == times, result
        assert rows[number]["code"] == (result if state == "failed" else rows[number]["code"]), result
        assert bool(rows[number]["vendor_id"]) == (state == "delivered"), result


@pytest.mark.parametrize("status", LOGIN_STATUSES)
async def test_every_login_status_keeps_the_messages(tmp_path: Path, status: str) -> None:
    again = status == "5"  # for now; all others stop the account until a person looks
    rules = [{"code": int(status), "on": "connect", "count": 1 if again else 0}]
    async with world(tmp_path, NOW | {"status_mix": {"DELIVRD": 1.0}, "rule": rules}) as it:
        await it.launch(3)
        if again:
            counts = await it.until_settled()
            assert counts.delivered == 3
        else:
            stopped: list[AccountStop] = []
            async with asyncio.timeout(PATIENCE_S):
                while not stopped:
                    await it.until(lambda counts: counts.queued == 3)
                    stopped += (await hindrances(it.session, [await view_of(it.session, "may")])).stopped
            assert stopped[0].stops[0]["code"] == f"login {status}"
            assert it.gateway.sim.rows().height == 0
        assert (await it.gateway.account())["logins"][status] >= 1


async def test_every_report_status_has_its_meaning(tmp_path: Path) -> None:
    number_of = {status: FIRST + place for place, status in enumerate(STATUSES)}
    switches = NOW | {"status_numbers": {str(number): status for status, number in number_of.items()}}
    async with world(tmp_path, switches) as it:
        await it.launch(len(STATUSES))
        counts = await it.until(lambda counts: counts.delivered + counts.failed == len(STATUSES) - 1)
        rows = ended(it)
    assert (counts.delivered, counts.accepted) == (1, 1)
    for status, number in number_of.items():
        state = {"DELIVRD": "delivered", "ACCEPTD": "accepted"}.get(status, "failed")
        assert rows[number]["state"] == state, status
        assert rows[number]["code"] == (status if state != "accepted" else rows[number]["code"]), status
