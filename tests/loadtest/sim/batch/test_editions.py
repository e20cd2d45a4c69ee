"""What differs between the editions of the BATCH platform, where one simulator has both (vendors.md 3, 4.1)."""

from __future__ import annotations

import pytest

from tests.loadtest.sim.sim_kit import each, vendor


@each("edition", [("A", "0"), ("B", "107")])
async def test_an_edition_decides_what_was_not_set(value: str, expected: str) -> None:
    async with vendor(edition=value) as v:
        assert (await v.send(mobile="13800138000,1")).code == expected
        assert v.sim.state.switches.balance_interval == {"A": 10, "B": 30}[value]
        v.sim.configure(bad_number="accept_and_report_failed")
        assert (await v.send(mobile="13800138000,1")).code == "0"


@each("code", [("120", "only this text")])
async def test_edition_a_has_a_white_list(value: str, expected: str) -> None:
    async with vendor({"white_list": [expected]}) as v:
        assert (await v.send(msg="anything")).code == value
        assert (await v.send(msg=expected)).code == "0"


async def test_a_white_list_lets_its_texts_through_and_edition_b_has_none() -> None:
    async with vendor({"white_list": ["code is"]}) as v:
        assert (await v.send(msg="your code is 5")).code == "0"
        v.sim.configure(edition="B")
        assert (await v.send(msg="anything")).code == "0"


@pytest.mark.parametrize("path", ["HttpVarSM", "Recharge", "UserManage"])
async def test_edition_a_does_not_have_what_only_b_has(path: str) -> None:
    async with vendor() as v:
        assert (await v.call(f"/msg/{path}", v.form())).status == 404
        assert (await v.account())["requests"] == 0
