"""Every code of vendors.md 1.13, by its natural cause and by a rule, on every endpoint that has it."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest

from loadtest.sim.cosms.codes_and_switches import CODES
from tests.loadtest.sim.cosms.cosms_kit import code, cosms, mt_ids, rows
from tests.loadtest.sim.sim_kit import each, numbers


class Cause(NamedTuple):
    """The account's settings, the switches and the parameters of putMt that lead to a code."""

    account: dict[str, Any] = {}  # noqa: RUF012 - never written to
    switches: dict[str, Any] = {}  # noqa: RUF012
    parameters: dict[str, Any] = {}  # noqa: RUF012


SUB_USER = {"account": "80888", "sub_of": "spring"}
AS_SUB_USER = {"corpID": "80888", "loginName": "80888"}
ABROAD = "4915112345678"


def sub_user(**settings: Any) -> dict[str, Any]:
    return {"account": {"spring": {"pswd": "secret"}, "autumn": SUB_USER | settings}}


@each(
    "code",
    [
        ("100", Cause()),
        ("200", Cause({}, {"partial_code": "200"}, {"Mobs": numbers(3)})),
        ("300", Cause({}, {"putmt_300": "always"})),
        ("201", Cause(parameters={"loginName": "summer"})),
        ("202", Cause(parameters={"corpID": "101"})),
        ("203", Cause(parameters={"password": "Secret"})),
        ("204", Cause({"ips": ["127.0.0.9"]})),
        ("205", Cause({}, {"failures_max": 1}, {"password": "x"})),
        ("206", Cause({"expires": "2026-01-31"}, {"clock_start": "2026-01-31T00:00:00"})),
        ("207", Cause({}, sub_user(may_send=False), AS_SUB_USER)),
        ("208", Cause(parameters={"MD5str": "123456"})),
        ("400", Cause({"may_send": False})),
        ("401", Cause(parameters={"msgFormat": "4"})),
        ("402", Cause(parameters={"Mobs": ""})),
        ("403", Cause(parameters={"Mobs": numbers(1001)})),
        ("404", Cause(parameters={"Mobs": "13800138000,12345"})),
        ("405", Cause(parameters={"msg": ""})),
        ("406", Cause(parameters={"msg": "字" * 501})),
        ("407", Cause(parameters={"msg": b"\xff\xff"})),
        ("408", Cause(parameters={"subNumber": "12a"})),
        ("409", Cause(parameters={"linkID": "2000"})),
        ("410", Cause(parameters={"mtLevel": "4"})),
        ("411", Cause(parameters={"Mobs": "21112345678"})),
        ("412", Cause(parameters={"linkID": "4000", "msg": "a title and no address"})),
        ("413", Cause(parameters={"linkID": "4000", "msg": "title#http://127.0.0.1/", "Mobs": "13012345678"})),
        ("501", Cause({}, {"busy_over": 1, "latency_s": 0.3})),
        ("502", Cause({"flow": {"limit": 1, "per_s": 30}}, {}, {"Mobs": numbers(2)})),
        ("503", Cause({"products": {"domestic": 2}}, {}, {"Mobs": numbers(3)})),
        ("504", Cause({}, sub_user(products={"domestic": 2}), {"Mobs": numbers(3)} | AS_SUB_USER)),
        ("505", Cause({"products": {"domestic": 9, "international": 0}}, {}, {"Mobs": ABROAD})),
        ("506", Cause({}, sub_user(products={"domestic": 9, "international": 0}), {"Mobs": ABROAD} | AS_SUB_USER)),
    ],
)
async def test_every_code_of_putmt_has_a_natural_cause(value: str, expected: Cause) -> None:
    async with cosms(expected.account, **expected.switches) as v:
        answers = await asyncio.gather(*(v.send(**expected.parameters) for _ in range(2 if value == "501" else 1)))
        if value == "205":
            assert code(answers[0]) == "203"
            answers = [await v.send()]
        answer = max(answers, key=code)
        assert (answer.status, code(answer)) == (200, value)
        assert bool(mt_ids(answer)) is (value in ("100", "200"))
        totals = await v.sim.totals()
        assert totals["codes"][value] == 1
        assert totals["numbers_accepted"] == {"100": 1, "200": 2, "501": 1}.get(value, 0)


@each(
    "code",
    [
        ("414", ("getHistSms", {"msgFormat": "1", "sTime": "20260131", "eTime": "20260131"})),
        ("415", ("changeLogin", {"newLoginName": "a-b", "newPassWord": "x"})),
        ("416", ("changeLogin", {"newLoginName": "AUTUMN", "newPassWord": "x"})),
        ("417", ("changeLogin", {"newPassWord": "a--b"})),
        ("300", ("getReport", {})),
        ("300", ("getMo", {"msgFormat": "1"})),
        ("401", ("getMo", {"msgFormat": ""})),
        ("401", ("getHistSms", {"msgFormat": "x"})),
        ("502", ("getReport", {})),
        ("502", ("getMo", {"msgFormat": "1"})),
        ("201", ("corpCanSend", {"loginName": ""})),
        ("202", ("corpCanSend", {"corpID": "nobody"})),
        ("203", ("corpCanSend", {"password": ""})),
    ],
)
async def test_every_code_of_the_queries_has_a_natural_cause(value: str, expected: tuple[str, Any]) -> None:
    endpoint, parameters = expected
    async with cosms(account={"spring": {}, "autumn": {}}) as v:
        if value == "502":
            assert code(await v.ask(endpoint, **parameters)) == "300"
        answer = await v.ask(endpoint, **parameters)
        assert (code(answer), rows(answer)) == (value, [])


@pytest.mark.parametrize("forced", [*CODES, "999"])
async def test_any_code_can_be_forced_on_a_number_and_takes_nothing(forced: str) -> None:
    async with cosms(rule=[{"code": forced, "number": "13800138009"}]) as v:
        answer = await v.send(Mobs="13800138000,13800138009")
        assert (code(answer), rows(answer)) == (forced, [])
        assert code(await v.send()) == "100"
        account = await v.account()
        assert (account["numbers_accepted"], account["charged"], account["double_texts"]) == (1, 1, 0)
        assert account["faults"] == {f"code {forced}": 1}


@pytest.mark.parametrize(
    ("on", "endpoint"),
    [
        ("balance", "corpCanSend"),
        ("reports", "getReport"),
        ("inbound", "getMo"),
        ("history", "getHistSms"),
        ("login", "changeLogin"),
        ("upload", "FileUpLoad"),
    ],
)
@pytest.mark.parametrize("forced", ["300", "501", "502", "205", "999"])
async def test_any_code_can_be_forced_on_a_query(on: str, endpoint: str, forced: str) -> None:
    async with cosms(rule=[{"code": forced, "on": on, "count": 1}]) as v:
        assert code(await v.ask(endpoint)) == forced
        assert code(await v.ask(endpoint)) != forced or forced == "300"
        assert code(await v.send()) == "100"
        assert (await v.account())["codes"][f"{on} {forced}"] >= 1


async def test_a_code_comes_with_its_probability_and_the_seed_decides_when() -> None:
    seen = []
    for _ in range(2):
        async with cosms(seed=7, rule=[{"code": "502", "p": 0.3}]) as v:
            seen.append([code(await v.send()) for _ in range(60)])
    assert seen[0] == seen[1]
    assert 5 < seen[0].count("502") < 35


async def test_a_request_that_was_taken_may_be_answered_with_a_failure() -> None:
    async with cosms(rule=[{"code": "300", "taken": True, "count": 1}]) as v:
        answer = await v.send()
        assert (code(answer), rows(answer)) == ("300", [])
        assert (await v.account())["numbers_accepted"] == 1
        await v.send()
        assert (await v.account())["double_texts"] == 1


@each("putmt_300", [("off", "100 100 100"), ("once", "300 100 100"), ("always", "300 300 300")])
async def test_a_failure_without_a_reason(value: str, expected: str) -> None:
    async with cosms(putmt_300=value) as v:
        assert " ".join([code(await v.send(msg="a")) for _ in range(3)]) == expected
        assert code(await v.send(msg="b")) == expected[:3]


@pytest.mark.parametrize("count", [1, 0])
async def test_three_hundred_once_or_always_by_a_rule(count: int) -> None:
    async with cosms(rule=[{"code": "300", "count": count}]) as v:
        assert [code(await v.send()) for _ in range(3)] == ["300", *(["100"] * 2 if count else ["300"] * 2)]


async def test_an_unknown_path_is_refused() -> None:
    async with cosms() as v:
        assert (await v.call("/sms/putMt/other.asp", b"x=1")).status == 404
