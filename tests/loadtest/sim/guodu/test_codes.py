"""Every code of vendors.md 5.1, by its natural cause and by a rule."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from loadtest.sim.guodu.codes_and_switches import CODES
from tests.loadtest.sim.guodu.guodu_kit import SEND, code, guodu, vendor_id
from tests.loadtest.sim.sim_kit import each, numbers


class Cause(NamedTuple):
    """The account's settings, the switches and the parameters that lead to a code."""

    account: dict[str, Any] = {}  # noqa: RUF012 - never written to
    switches: dict[str, Any] = {}  # noqa: RUF012
    parameters: dict[str, Any] = {}  # noqa: RUF012


@each(
    "code",
    [
        ("00", Cause(parameters={"DesMobile": numbers(2)})),
        ("01", Cause({}, {"personalised": "on"})),
        ("03", Cause()),
        ("02", Cause({"ips": ["127.0.0.9"]})),
        ("04", Cause(parameters={"OperID": "nobody"})),
        ("05", Cause(parameters={"OperPass": "Secret"})),
        ("06", Cause(parameters={"DesMobile": "1380013800"})),
        ("07", Cause(parameters={"SendTime": "2026-01-31 12:00:00"})),
        ("08", Cause(parameters={"Content": ""})),
        ("09", Cause(parameters={"DesMobile": ""})),
        ("10", Cause(parameters={"AppendID": "12a"})),
        ("11", Cause({"products": {"": 2}}, {}, {"DesMobile": numbers(3)})),
        ("-1", Cause({"flow": {"limit": 2}}, {}, {"DesMobile": numbers(3)})),
    ],
)
async def test_every_code_of_submitjson_can_be_had(value: str, expected: Cause) -> None:
    async with guodu(expected.account, **expected.switches) as v:
        answer = await v.send(**expected.parameters)
        assert answer.status == 200
        assert code(answer) == value
        taken = value in ("00", "01", "03")
        assert (vendor_id(answer) is not None) is taken
        totals = await v.sim.totals()
        assert totals["codes"][value] == 1
        assert bool(totals["numbers_accepted"]) is taken


@pytest.mark.parametrize("forced", [*CODES, "12", "99"])
async def test_any_code_can_be_forced_by_a_rule_and_takes_nothing(forced: str) -> None:
    async with guodu(rule=[{"code": forced, "count": 1}]) as v:
        first, second = await v.send(), await v.send()
        assert (code(first), code(second)) == (forced, "03")
        account = await v.account()
        assert (account["numbers_accepted"], account["charged"], account["double_texts"]) == (1, 1, 0)


async def test_a_magic_number_or_text_gets_its_code() -> None:
    async with guodu(rule=[{"code": "-1", "number": "13800138009"}, {"code": "06", "text": "坏"}]) as v:
        assert code(await v.send(DesMobile="13800138000,13800138001")) == "00"
        assert code(await v.send(DesMobile="13800138000,13800138009")) == "-1"
        assert code(await v.send(text="很坏")) == "06"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b'{"OperID": 1}',
        b'{"OperID":"spring","OperPass":"secret","DesMobile":13800138000,"Content":"x"}',
        b'{"OperID":"spring","OperPass":"secret","DesMobile":["13800138000"],"Content":"x"}',
        b'{"OperID":"spring","OperPass":"secret","DesMobile":"13800138000","Content":"\xff"}',
    ],
)
async def test_what_is_no_object_of_strings_is_a_wrong_parameter(body: bytes) -> None:
    async with guodu() as v:
        assert code(await v.call(SEND, body)) == ("04" if not body else "06")
        assert (await v.account())["requests"] == 0


async def test_parameters_left_out_or_null_are_like_empty_ones() -> None:
    async with guodu() as v:
        assert code(await v.send(SendTime=None, AppendID=None)) == "03"
        body = b'{"OperID":"spring","OperPass":"secret","DesMobile":null,"Content":"x","SendTime":null}'
        assert code(await v.call(SEND, body)) == "09"
        assert code(await v.send(Content=None)) == "08"


@pytest.mark.parametrize("account", [{"may_send": False}, {"expires": "2020-01-01"}])
async def test_an_account_that_may_not_send_has_no_code_of_its_own(account: dict[str, Any]) -> None:
    async with guodu(account) as v:
        assert code(await v.send()) == "04"
