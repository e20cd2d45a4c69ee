"""QueryBalance (vendors.md 3.4, AMB-BATCH-7, AMB-BATCH-23)."""

from __future__ import annotations

import pytest

from tests.loadtest.sim.sim_kit import each, encode, numbers, vendor

VENDORS = ("batch", "batch-b")
pytestmark = pytest.mark.usefixtures("platform")


@each("balance_interval", [(10, 9.0), (30, 29.0)])
async def test_a_second_query_within_the_interval_is_too_fast(value: int, expected: float) -> None:
    async with vendor(balance_interval=value, clock_scale=0.001) as v:
        assert (await v.balance()).code == "0"
        assert (await v.balance()).code == "103"
        book = v.sim.state.ledger.books["spring"]
        book.last_balance_s -= expected
        assert (await v.balance()).code == "103"
        book.last_balance_s -= 1.0
        assert (await v.balance()).code == "0"
        account = await v.account()
        assert account["violations"] == {"balance_too_fast": 2}
        assert account["codes"] == {"balance 0": 2, "balance 103": 2}


@each(
    "balance_products",
    [
        ("account", ["11,70", "22,300"]),
        ("0", []),
        ("1", ["11,70"]),
        ("2", ["11,70", "22,300"]),
    ],
)
async def test_how_many_products_an_answer_lists(value: str, expected: list[str]) -> None:
    async with vendor({"products": {"11": 100, "22": 300}}, balance_products=value) as v:
        await v.send(mobile=numbers(30), product="11")
        assert (await v.balance()).text.split("\n")[1:] == expected


async def test_two_products_are_listed_for_an_account_that_has_one() -> None:
    async with vendor({"products": {"11": 100}}, balance_products="2") as v:
        assert (await v.balance()).text.split("\n")[1:] == ["11,100", "7654321,2000"]


@pytest.mark.parametrize(("parameters", "code"), [({"account": "nobody"}, "101"), ({"pswd": "guess"}, "102")])
async def test_who_may_not_ask(parameters: dict[str, str], code: str) -> None:
    async with vendor() as v:
        answer = await v.balance(**parameters)
        assert answer.code == code
        assert "\n" not in answer.text
        assert (await v.balance()).code == "0"  # a refused query starts no interval


async def test_a_query_by_post_is_answered_too() -> None:
    async with vendor() as v:
        assert (await v.call("/msg/QueryBalance", encode({"account": "spring", "pswd": "secret"}))).code == "0"


async def test_rules_reach_balance_queries_only_if_they_say_so() -> None:
    async with vendor(rule=[{"code": "104", "on": "balance"}]) as v:
        assert (await v.balance()).code == "104"
        assert (await v.send()).code == "0"
        v.sim.configure(rule=[{"code": "104"}])
        assert (await v.balance()).code == "0"
        assert (await v.send()).code == "104"


async def test_a_faster_clock_shortens_the_interval() -> None:
    async with vendor(clock_scale=1_000_000.0) as v:
        assert (await v.balance()).code == "0"
        assert (await v.balance()).code == "0"
