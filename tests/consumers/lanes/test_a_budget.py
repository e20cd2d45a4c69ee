"""A campaign with a budget in one process: sent to the part that it pays, held, raised, and reported to the cent."""

from __future__ import annotations

import asyncio

import pytest

from dispatcher.errors import UserError
from dispatcher.service.campaigns.orders.control import budget_campaign
from dispatcher.service.campaigns.views import show_campaign
from dispatcher.service.reports.spend import SpendWanted, report_spend
from tests.consumers.lanes.test_a_campaign_over_links import LONG, world
from tests.loadtest.sim.cmpp.cmpp_kit import NOW
from tests.waiting import PATIENCE_S

PRICES = {"default": "0.04", "telecom": "0.05"}


async def test_a_campaign_stops_at_the_part_that_its_budget_does_not_pay_and_goes_on_when_it_is_raised(tmp_path):
    switches = NOW | {"status_mix": {"DELIVRD": 1.0}}
    async with world(tmp_path, switches, price=PRICES) as it:
        await it.launch(100, LONG, budget="4.07", campaign_class="notice")  # two parts each: 0.08 CNY

        def sent(recipients: int):
            return lambda counts: counts.delivered == recipients and counts.queued == 100 - recipients

        await it.until(sent(50))
        shown = await show_campaign(it.session, "may")
        async with asyncio.timeout(PATIENCE_S):
            while shown.status != "held":  # its lane says so a moment later
                await asyncio.sleep(0.05)
                shown = await show_campaign(it.session, "may")
        assert shown.held is not None
        assert shown.held.why == "budget"
        assert it.gateway.sim.rows().height == 100, "each part once, and none beyond the budget"
        assert (await budget_campaign(it.session, "may", "3.99")).stops
        assert not (await budget_campaign(it.session, "may", "6")).stops
        await it.until(sent(75))
        await budget_campaign(it.session, "may", "1000")
        counts = await it.until_settled()
        assert counts.delivered == 100
        shown = await show_campaign(it.session, "may")
        report = await report_spend(it.session, SpendWanted(since_ms=shown.launched_ms - 1_000, until_ms=2**62))
        assert (report.total.parts, report.total.cost_micro_yuan, report.total.open_parts) == (200, 8_000_000, 0)
        assert shown.budget_micro_yuan == 1_000_000_000


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"budget": "many"}, '--budget "many" is not an amount in CNY'),
        ({"budget": "0"}, "a budget of 0 CNY pays nothing"),
    ],
)
async def test_a_budget_that_cannot_be_kept_is_refused(tmp_path, keys, sentence):
    async with world(tmp_path, NOW, lanes=False, price=PRICES) as it:
        with pytest.raises(UserError, match=sentence):
            await it.launch(3, **keys)


async def test_a_budget_needs_prices_and_a_launch_without_one_gets_none(tmp_path):
    async with world(tmp_path, NOW, lanes=False) as it:
        with pytest.raises(UserError, match='account "polar" has no price, so a budget cannot be kept'):
            await it.launch(3, budget="5")
        await it.launch(3)
        with pytest.raises(UserError, match="was launched without a budget"):
            await budget_campaign(it.session, "may", "5")
        with pytest.raises(UserError, match="is not an amount in CNY"):
            await budget_campaign(it.session, "may", "-5")
