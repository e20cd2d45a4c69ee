"""HttpVarSM of edition B (vendors.md 4.4, AMB-BATCH-16): who got which text, what it cost, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.loadtest.sim.batch.batch_b_kit import batch_b
from tests.loadtest.sim.sim_kit import each, receiver
from tests.waiting import until

TEXT = "【Shop】Dear {$var}, order {$var} is ready"
PARAMS = "13800138000,Ann,77;13800138001,Bob,78"


async def test_every_recipient_gets_its_own_text_under_one_id() -> None:
    async with batch_b() as v:
        answer = await v.variable(msg=TEXT, params=PARAMS)
        assert answer.code == "0"
        rows = v.sim.rows()
        assert rows["number"].to_list() == ["13800138000", "13800138001"]
        assert rows["text"].to_list() == [
            "【Shop】Dear Ann, order 77 is ready",
            "【Shop】Dear Bob, order 78 is ready",
        ]
        assert rows["msgid"].to_list() == [answer.text.split("\n")[1]] * 2


async def test_the_documents_own_example() -> None:
    text = "【门票】成园温泉您于{var}预订的{var}，{var}张，订单号：{var}已取消"
    async with batch_b() as v:
        params = "13800138000,2015-01-01,成园温泉山庄门票,2,AC20150127"
        assert (await v.variable(msg=text, params=params)).code == "0"
        assert v.sim.rows()["text"].to_list() == [
            "【门票】成园温泉您于2015-01-01预订的成园温泉山庄门票，2张，订单号：AC20150127已取消"
        ]


@each("var_place", [("both", ["a", "b"]), ("{$var}", ["a", "{var}"]), ("{var}", ["{$var}", "a"])])
async def test_what_is_a_place_for_a_value(value: str, expected: list[str]) -> None:
    async with batch_b(var_place=value) as v:
        values = "a,b" if value == "both" else "a"
        assert (await v.variable(msg="{$var} {var}", params=f"13800138000,{values}")).code == "0"
        assert v.sim.rows()["text"].to_list() == [" ".join(expected)]


@pytest.mark.parametrize(
    "params",
    [
        "13800138000,Ann",  # a value too few
        "13800138000,Ann,77,?",  # too many
        "13800138000,Ann,77;13800138001",
        "13800138000,Ann,77;",  # a group without anything
        "12345,Ann,77",  # no number
        ",Ann,77",
        "Ann,77",
    ],
)
async def test_a_group_that_does_not_fit_refuses_the_whole_request(params: str) -> None:
    async with batch_b() as v:
        assert (await v.variable(msg=TEXT, params=params)).code == "107"
        assert (await v.account())["numbers_accepted"] == 0
        assert v.sim.rows()["accepted"].to_list() == [False] * len(params.split(";"))


async def test_a_wrong_number_may_be_taken_and_wrong_values_may_not() -> None:
    async with batch_b(bad_number="accept_and_report_failed") as v:
        assert (await v.variable(msg=TEXT, params="12345,Ann,77")).code == "0"
        assert (await v.variable(msg=TEXT, params="13800138000,Ann")).code == "107"


@pytest.mark.parametrize("params", ["", None])
async def test_without_groups_the_count_is_wrong(params: str | None) -> None:
    async with batch_b() as v:
        assert (await v.variable(msg="hello", params=params)).code == "108"


async def test_an_empty_value_is_a_value() -> None:
    async with batch_b() as v:
        assert (await v.variable(msg=TEXT, params="13800138000,,77")).code == "0"
        assert v.sim.rows()["text"].to_list() == ["【Shop】Dear , order 77 is ready"]


async def test_a_text_without_places_takes_numbers_alone() -> None:
    async with batch_b() as v:
        assert (await v.variable(msg="hello", params="13800138000;13800138001")).code == "0"
        assert v.sim.rows()["text"].to_list() == ["hello", "hello"]


@each("var_groups_max", [(1000, 1000), (3, 3)])
async def test_the_most_groups_in_a_request(value: int, expected: int) -> None:
    async with batch_b(var_groups_max=value) as v:
        groups = [f"{13_800_000_000 + i},v{i}" for i in range(expected + 1)]
        assert (await v.variable(msg="{$var}", params=";".join(groups))).code == "108"
        assert (await v.variable(msg="{$var}", params=";".join(groups[:-1]))).code == "0"
        taken = v.sim.rows().filter(v.sim.rows()["accepted"])
        assert taken["text"].to_list() == [f"v{i}" for i in range(expected)]


async def test_each_text_is_charged_by_its_own_parts() -> None:
    async with batch_b({"products": {"1": 10}}) as v:
        assert (await v.variable(msg="{$var}", params=f"13800138000,{'x' * 70};13800138001,{'x' * 71}")).code == "0"
        account = await v.account()
        assert (account["charged"], account["balance"]) == (3, {"1": 7})
        assert v.sim.rows()["parts"].to_list() == [1, 2]


@pytest.mark.parametrize(
    ("value", "code"), [("x" * 530, "0"), ("x" * 537, "106"), ("敏感词", "105"), ("自动审核", "115"), ("", "106")]
)
async def test_one_text_that_is_refused_refuses_the_request(value: str, code: str) -> None:
    async with batch_b() as v:
        assert (await v.variable(msg="{$var}", params=f"13800138000,fine;13800138001,{value}")).code == code


async def test_every_text_needs_its_signature() -> None:
    async with batch_b({"signature": "Shop"}) as v:
        assert (await v.variable(msg=TEXT, params=PARAMS)).code == "0"
        assert (await v.variable(msg="{$var}", params="13800138000,【Shop】a;13800138001,b")).code == "116"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"account": "nobody"}, "101"),
        ({"pswd": "guess"}, "102"),
        ({"needstatus": None}, "106"),
        ({"msg": b"ab\xe9"}, "106"),
        ({"params": b"13800138000,\xe9,1"}, "106"),
        ({"product": "999"}, "112"),
        ({"extno": "12a"}, "113"),
        ({"msg": None}, "106"),
    ],
)
async def test_codes_are_those_of_bulk_sending(parameters: dict[str, Any], code: str) -> None:
    async with batch_b() as v:
        assert (await v.variable(**({"msg": TEXT, "params": PARAMS} | parameters))).code == code


async def test_a_user_without_the_letter_may_not_send_variable_texts() -> None:
    async with batch_b({"send_type": "BH"}) as v:
        assert (await v.variable(msg=TEXT, params=PARAMS)).code == "118"
        assert (await v.send()).code == "0"
        v.sim.configure(account={"spring": {"send_type": "V"}})
        assert (await v.variable(msg=TEXT, params=PARAMS)).code == "0"
        assert (await v.send()).code == "118"


async def test_a_user_of_single_sends_has_a_smaller_maximum() -> None:
    async with batch_b({"send_type": "H"}) as v:
        mobiles = [str(13_800_000_000 + i) for i in range(201)]
        assert (await v.send(mobile=",".join(mobiles))).code == "108"
        assert (await v.send(mobile=",".join(mobiles[:200]))).code == "0"


async def test_a_double_text_is_the_same_words_to_the_same_number_by_whichever_road() -> None:
    async with batch_b() as v:
        await v.variable(msg=TEXT, params=PARAMS)
        await v.variable(msg=TEXT, params="13800138000,Ann,77;13800138001,Bob,79;13800138002,Ann,77")
        account = await v.account()
        assert (account["numbers_accepted"], account["unique_numbers"], account["double_texts"]) == (5, 3, 1)
        await v.send(mobile="13800138001,13800138003", msg="【Shop】Dear Bob, order 78 is ready")
        await v.send(mobile="13800138001,13800138003", msg="something else")
        account = await v.account()
        assert (account["numbers_accepted"], account["unique_numbers"], account["double_texts"]) == (9, 4, 2)


async def test_the_same_words_through_two_accounts_are_a_double_of_the_whole_alone() -> None:
    async with batch_b(more={"summer": {}}) as v:
        await v.variable(msg=TEXT, params=PARAMS)
        await v.variable(msg=TEXT, params=PARAMS, account="summer")
        totals = await v.sim.totals()
        assert (totals["unique_numbers"], totals["double_texts"]) == (2, 2)
        assert [a["double_texts"] for a in totals["accounts"].values()] == [0, 0, 0]


async def test_rules_look_at_the_texts_and_the_numbers() -> None:
    rules = [{"code": "104", "text": "order 78"}, {"code": "103", "number": "13800138009"}]
    async with batch_b(rule=rules) as v:
        assert (await v.variable(msg=TEXT, params=PARAMS)).code == "104"
        assert (await v.variable(msg=TEXT, params="13800138009,Ann,77")).code == "103"
        assert (await v.variable(msg=TEXT, params="13800138000,Ann,77")).code == "0"


async def test_reports_come_as_for_bulk_sending() -> None:
    async with receiver() as r, batch_b({"report_url": r.url}, report_delay="fixed", report_delay_min_s=0.0) as v:
        answer = await v.variable(msg=TEXT, params=PARAMS)
        pushes = await r.have(2)
        assert {p.fields["mobile"] for p in pushes} == {"13800138000", "13800138001"}
        assert {p.fields["msgid"] for p in pushes} == {answer.text.split("\n")[1]}
        await until(lambda: v.sim.rows()["acked"].all())


async def test_rows_of_both_roads_stand_side_by_side() -> None:
    async with batch_b() as v:
        await v.send(mobile="13800138005,13800138006", msg="x" * 71)
        await v.variable(msg=TEXT, params=PARAMS)
        rows = v.sim.rows()
        assert rows["parts"].to_list() == [2, 2, 1, 1]
        assert rows["text"].to_list()[1:3] == ["x" * 71, "【Shop】Dear Ann, order 77 is ready"]


async def test_without_rows_no_text_is_kept() -> None:
    async with batch_b(ledger="counts") as v:
        assert (await v.variable(msg=TEXT, params=PARAMS)).code == "0"
        assert v.sim.state.ledger.texts == []
        assert (await v.account())["charged"] == 2


async def test_a_get_with_plus_and_escapes_is_read_too() -> None:
    async with batch_b() as v:
        query = (
            "account=spring&pswd=secret&needstatus=true&msg=Dear+%7B%24var%7D&params=13800138000,A+B%3B13800138001,C"
        )
        assert (await v.call(f"/msg/HttpVarSM?{query}", None)).code == "0"
        assert v.sim.rows()["text"].to_list() == ["Dear A B", "Dear C"]
