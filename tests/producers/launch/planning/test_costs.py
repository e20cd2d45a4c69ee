"""What a launch will cost, and what its record keeps of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.file import parse
from dispatcher.errors import UserError
from producers.launch.planning.plan_text import plan_lines
from tests.memory_log import MemoryLog
from tests.producers.launch.launched import launch, launched, prepare

BATCH = {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "x"}
ACCOUNTS = {
    "spring": {**BATCH, "price": {"default": "0.045", "telecom": "0.050"}},
    "summer": {**BATCH, "price": {"default": "0.03"}, "text_split": [140, 134]},
    "autumn": BATCH,
}
CONFIG = parse({"account": ACCOUNTS}, "test.toml")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of this configuration lies in the working folder."""
    monkeypatch.chdir(tmp_path)


MOBILE, TELECOM = 13_800_000_000, 13_300_000_000
NUMBERS = [*range(MOBILE, MOBILE + 6), *range(TELECOM, TELECOM + 4)]
LONG = "长" * 140  # three parts of 67, or one of 140


async def test_the_plan_says_what_each_carrier_costs_at_each_account():
    with_plan = await prepare(CONFIG, NUMBERS, text=LONG, route=["spring", "summer"])
    plan = with_plan.plan
    with_plan.close()
    spring, summer = plan.accounts
    assert spring.recipients == summer.recipients == 5
    assert [(each.carrier, each.recipients, each.parts, each.cost_micro_yuan) for each in spring.costs] == [
        ("mobile", 5, 15, 15 * 45_000)
    ]
    assert [(each.carrier, each.recipients, each.parts, each.cost_micro_yuan) for each in summer.costs] == [
        ("mobile", 1, 1, 30_000),
        ("telecom", 4, 4, 120_000),
    ]
    assert (spring.cost_micro_yuan, summer.cost_micro_yuan, plan.cost_micro_yuan) == (675_000, 150_000, 825_000)
    assert "cost        0.8250 CNY" in list(plan_lines(plan))
    assert "            summer: 5 parts at 0.0300 CNY = 0.1500 CNY" in list(plan_lines(plan))


async def test_carriers_with_different_prices_have_a_line_each():
    with_plan = await prepare(CONFIG, NUMBERS, text="hi", route=["spring", "autumn"])
    lines = list(plan_lines(with_plan.plan))
    with_plan.close()
    assert any(line.startswith("cost ") and 'without "autumn": no price is configured' in line for line in lines)
    with_plan = await prepare(CONFIG, NUMBERS, text="hi", route=["spring"])
    lines = list(plan_lines(with_plan.plan))
    with_plan.close()
    assert "            spring, China Mobile: 6 parts at 0.0450 CNY = 0.2700 CNY" in lines
    assert "            spring, China Telecom: 4 parts at 0.0500 CNY = 0.2000 CNY" in lines


async def test_an_account_without_prices_has_no_cost():
    with_plan = await prepare(CONFIG, NUMBERS, text="hi", route=["autumn"])
    plan = with_plan.plan
    with_plan.close()
    assert (plan.cost_micro_yuan, plan.unpriced) == (None, ("autumn",))
    assert not any(line.startswith("cost") for line in plan_lines(plan))


async def test_each_personal_text_counts_its_own_parts():
    rows = "mobile,name\n" + "\n".join(f"{number},{'长' * 70 * (number % 2)}" for number in NUMBERS)
    rows = rows.replace(",\n", ",x\n")
    with_plan = await prepare(CONFIG, rows.encode(), text="{name}!", route=["spring"])
    plan = with_plan.plan
    with_plan.close()
    assert [(each.carrier, each.parts) for each in plan.accounts[0].costs] == [("mobile", 9), ("telecom", 6)]
    assert plan.cost_micro_yuan == 9 * 45_000 + 6 * 50_000


async def test_the_launch_keeps_the_prices_and_how_parts_are_counted():
    log = MemoryLog()
    await launch(NUMBERS, config=CONFIG, log=log, text=LONG, route=["spring", "autumn"], id="may")
    spring, autumn = (await launched(log, "may")).legs
    assert spring.prices == {"default": 45_000, "telecom": 50_000}
    assert (spring.segments, spring.split, spring.cost) == (3, (70, 67), 15 * 45_000)
    assert (autumn.prices, autumn.segments, autumn.cost) == ({}, 3, 0)


async def test_the_plan_says_what_a_budget_pays_and_the_launch_shares_it_out():
    log = MemoryLog()
    wanted: dict[str, Any] = {"text": LONG, "route": ["spring", "summer"], "id": "may"}
    with_plan = await prepare(CONFIG, NUMBERS, log=log, budget="0.33", **wanted)
    lines = list(plan_lines(with_plan.plan))
    with_plan.close()
    assert "budget      0.3300 CNY pays 40 % of it; the rest waits until the budget is raised" in lines
    await launch(NUMBERS, config=CONFIG, log=log, budget="0.33", **wanted)
    record = await launched(log, "may")
    assert (record.budget, [leg.share for leg in record.legs]) == (330_000, [270_000, 60_000])
    again = await launch(NUMBERS, config=CONFIG, log=log, budget="0.330", **wanted)
    assert again.already_launched
    with pytest.raises(UserError, match="it was launched with another budget"):
        await launch(NUMBERS, config=CONFIG, log=log, budget="0.34", **wanted)
    enough = await prepare(CONFIG, NUMBERS, budget="5", **wanted)
    assert "budget      5.0000 CNY: enough" in list(plan_lines(enough.plan))
    enough.close()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"budget": "x", "route": ["spring"]}, '--budget "x" is not an amount in CNY'),
        ({"budget": "0", "route": ["spring"]}, "a budget of 0 CNY pays nothing"),
        ({"budget": "0.04", "route": ["spring"]}, "0.0400 CNY pays no message: the cheapest costs 0.0450 CNY"),
        ({"budget": "1", "route": ["spring", "autumn"]}, 'account "autumn" has no price, so a budget cannot be kept'),
    ],
)
async def test_a_budget_that_cannot_be_kept_is_refused(more, sentence):
    with pytest.raises(UserError, match=sentence):
        await prepare(CONFIG, NUMBERS, text="hi", **more)
