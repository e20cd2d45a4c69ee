"""Every code of vendors.md 3.1, by its natural cause and by a rule."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest

from loadtest.sim.batch.codes_and_switches import CODES
from tests.loadtest.sim.sim_kit import each, numbers, vendor

VENDORS = ("batch", "batch-b")
pytestmark = pytest.mark.usefixtures("platform")


class Cause(NamedTuple):
    """The account's settings, the switches and the parameters that lead to a code."""

    account: dict[str, Any] = {}  # noqa: RUF012 - never written to
    switches: dict[str, Any] = {}  # noqa: RUF012
    parameters: dict[str, Any] = {}  # noqa: RUF012


@each(
    "code",
    [
        ("0", Cause()),
        ("101", Cause(parameters={"account": "nobody"})),
        ("102", Cause(parameters={"pswd": "Secret"})),
        ("103", Cause({"flow": {"limit": 2}}, {}, {"mobile": numbers(3)})),
        ("104", Cause({}, {"busy_over": 1, "latency_s": 0.3})),
        ("105", Cause(parameters={"msg": "a 敏感词 in it"})),
        ("106", Cause(parameters={"msg": "x" * 537})),
        ("107", Cause({}, {"edition": "B"}, {"mobile": "13800138000,12345"})),
        ("108", Cause(parameters={"mobile": numbers(50_001)})),
        ("109", Cause({"products": {"1": 2}}, {}, {"mobile": numbers(3)})),
        ("110", Cause({}, {"send_hours": "8-21", "clock_start": "2026-01-31T07:59:00"})),
        ("111", Cause({"month_quota": 2}, {}, {"mobile": numbers(3)})),
        ("112", Cause(parameters={"product": "999"})),
        ("113", Cause(parameters={"extno": "12a"})),
        ("115", Cause(parameters={"msg": "自动审核 will not like it"})),
        ("116", Cause({"signature": "Spring"}, {}, {"msg": "no signature"})),
        ("117", Cause({"ips": ["127.0.0.9"]})),
        ("118", Cause({"may_send": False})),
        ("119", Cause({"expires": "2020-01-01"})),
    ],
)
async def test_every_code_has_a_natural_cause(value: str, expected: Cause) -> None:
    async with vendor(expected.account, **expected.switches) as v:
        calls = 2 if value == "104" else 1  # busy: the second of two at once
        answers = await asyncio.gather(*(v.send(**expected.parameters) for _ in range(calls)))
        answer = max(answers, key=lambda a: a.code)
        assert answer.status == 200
        assert answer.code == value
        lines = answer.text.split("\n")
        assert len(lines[0].split(",")[0]) == 14
        assert len(lines) == (2 if value == "0" else 1)
        totals = await v.sim.totals()
        assert totals["codes"][value] == 1


@pytest.mark.parametrize("code", [*CODES, "114", "999", "-1"])
async def test_any_code_can_be_forced_by_a_rule_and_takes_nothing(code: str) -> None:
    async with vendor(rule=[{"code": code, "count": 1}]) as v:
        forced, normal = await v.send(), await v.send()
        assert forced.code == code
        assert normal.code == "0"
        account = await v.account()
        assert account["numbers_accepted"] == 1
        assert account["charged"] == 1
        assert account["double_texts"] == 0


async def test_a_magic_number_gets_its_code_and_others_do_not() -> None:
    async with vendor(rule=[{"code": "105", "number": "13800138009"}]) as v:
        assert (await v.send(mobile="13800138000,13800138001")).code == "0"
        assert (await v.send(mobile="13800138000,8613800138009")).code == "105"


async def test_the_password_is_checked_before_anything_that_would_tell_of_the_account() -> None:
    async with vendor({"may_send": False, "expires": "2020-01-01"}) as v:
        assert (await v.send(pswd="guess")).code == "102"


async def test_the_quota_counts_parts_of_this_month_only() -> None:
    async with vendor({"month_quota": 4}, clock_start="2026-01-31T23:50:00", clock_scale=1.0) as v:
        assert (await v.send(msg="x" * 71, mobile=numbers(2))).code == "0"  # 2 numbers, 2 parts each
        assert (await v.send()).code == "111"
        v.sim.configure(clock_start="2026-02-01T00:00:00")
        assert (await v.send()).code == "0"


async def test_a_signature_stands_at_either_end() -> None:
    async with vendor({"signature": "Spring"}) as v:
        assert (await v.send(msg="【Spring】hello")).code == "0"
        assert (await v.send(msg="hello【Spring】")).code == "0"
        assert (await v.send(msg="hel【Spring】lo")).code == "116"
        assert (await v.send(msg="【Autumn】hello")).code == "116"
