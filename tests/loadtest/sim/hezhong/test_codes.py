"""Every code of vendors.md 2.1, by its natural cause where it has one, and by a rule."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest

from loadtest.sim.hezhong.codes_and_switches import CODES
from tests.loadtest.sim.hezhong.hezhong_kit import code, hezhong, vendor_id
from tests.loadtest.sim.sim_kit import each, numbers


class Cause(NamedTuple):
    """The account's settings, the switches and the parameters that lead to a code."""

    account: dict[str, Any] = {}  # noqa: RUF012 - never written to
    switches: dict[str, Any] = {}  # noqa: RUF012
    parameters: dict[str, Any] = {}  # noqa: RUF012


@each(
    "code",
    [
        ("0", Cause()),
        ("-1", Cause(parameters={"password": "Secret"})),
        ("-2", Cause({"may_send": False})),
        ("-3", Cause({"ips": ["127.0.0.9"]})),
        ("-4", Cause({"products": {"1": 2}}, {}, {"mobs": numbers(3)})),
        ("-5", Cause(parameters={"msg": "a 敏感词 in it"})),
        ("-6", Cause(parameters={"msgFormat": "3"})),
        ("-7", Cause(parameters={"mobs": ""})),
        ("-8", Cause(parameters={"msg": ""})),
        ("-9", Cause(parameters={"msg": "x" * 1001})),
        ("-10", Cause(parameters={"mobs": numbers(1001)})),
        ("-11", Cause(parameters={"sub": "12a"})),
        ("-12", Cause({}, {"rule": [{"code": "-12", "number": "13800138012"}]}, {"mobs": "13800138012"})),
        ("-13", Cause({}, {"rule": [{"code": "-13", "text": "thirteen"}]}, {"msg": "thirteen"})),
        ("-99", Cause({}, {"busy_over": 1, "latency_s": 0.3})),
    ],
)
async def test_every_code_of_sendmt_can_be_had(value: str, expected: Cause) -> None:
    async with hezhong(expected.account, **expected.switches) as v:
        calls = 2 if value == "-99" else 1  # busy: the second of two at once
        answers = await asyncio.gather(*(v.send(**expected.parameters) for _ in range(calls)))
        answer = min(answers, key=lambda a: int(code(a)))
        assert answer.status == 200
        assert code(answer) == value
        assert vendor_id(answer).isdigit() is (value == "0")
        totals = await v.sim.totals()
        assert totals["codes"][value] == 1
        assert totals["numbers_accepted"] == (1 if value in ("0", "-99") else 0)


@pytest.mark.parametrize("forced", [*CODES, "-42", "999"])
async def test_any_code_can_be_forced_by_a_rule_and_takes_nothing(forced: str) -> None:
    async with hezhong(rule=[{"code": forced, "count": 1}]) as v:
        first, second = await v.send(), await v.send()
        assert code(first) == forced
        assert code(second) == "0"
        account = await v.account()
        assert (account["numbers_accepted"], account["charged"], account["double_texts"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("account", "parameters"),
    [
        ({}, {"username": "nobody"}),
        ({}, {"username": "Spring"}),
        ({}, {"userid": None}),
        ({"userid": "77"}, {"userid": "78"}),
        ({"may_send": False, "ips": ["127.0.0.9"]}, {"password": "guess"}),
    ],
)
async def test_a_wrong_user_or_password_gets_minus_one(account: dict[str, Any], parameters: dict[str, Any]) -> None:
    async with hezhong(account) as v:
        assert code(await v.send(**parameters)) == "-1"


async def test_an_expired_user_is_not_normal() -> None:
    async with hezhong({"expires": "2026-01-31"}, clock_start="2026-01-30T23:59:00") as v:
        assert code(await v.send()) == "0"
        v.sim.configure(clock_start="2026-01-31T00:00:00")
        assert code(await v.send()) == "-2"


async def test_names_and_passwords_are_gbk() -> None:
    async with hezhong({"account": "合众", "pswd": "密码&x"}) as v:
        assert code(await v.send(username="合众", password="密码&x", msgFormat="2")) == "0"
        assert code(await v.send(username="合众".encode(), password="密码&x")) == "-1"
