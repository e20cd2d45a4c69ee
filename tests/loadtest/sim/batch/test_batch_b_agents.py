"""Recharge and UserManage of the simulated BATCH-B platform (vendors.md 4.2, 4.3, AMB-BATCH-17 to 19)."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.sim.batch.cipher import decrypted, signature
from loadtest.sim.requests.faults import FAULTS
from tests.loadtest.sim.batch.batch_b_kit import AGENT, KEY, NOW, STAMP, USER, BatchB, batch_b, code, des
from tests.loadtest.sim.sim_kit import Answer, each, numbers

PRODUCTS = {"1234567": 100, "22": 7}


# --- vectors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "base64"),
    [
        ("jishu01", "LW4Zjb8dOww="),
        ("Jishu01", "P4igVYHVh8Y="),
        ("testacct", "c/2fPj2UVNt99PtBiM2B0g=="),
        ("", "RDHMAmeVSGY="),
        ("p@ss w0rd+/", "+yIsusMFPQINfeCrrvZcjA=="),
    ],
)
def test_the_documents_vectors_are_decrypted(text: str, base64: str) -> None:
    assert decrypted(base64, KEY, "") == text == decrypted(base64, KEY, KEY)
    assert des(text) == base64


def test_the_iv_matters() -> None:
    assert decrypted("EM4Z13IXwno=", KEY, "\0" * 8) == "jishu01"
    assert decrypted("EM4Z13IXwno=", KEY, "") != "jishu01"


@pytest.mark.parametrize("text", ["", "LW4Zjb8dOww", "jishu01", "LW4Zjb8dO\nww=", "LW4Z", "AAAAAAAAAAA=", "中文"])
def test_what_is_not_encrypted_with_the_key_is_nothing(text: str) -> None:
    assert decrypted(text, KEY, "") is None


def test_the_documents_signature() -> None:
    assert signature("123456", "123456", "20130408105900") == "4725ff06026bc3c703736aa9a2a15e50"


# --- Recharge --------------------------------------------------------------------------------------------------------


@each("messages_per_fee", [(10, 50), (1, 5)])
async def test_a_fee_becomes_messages_of_one_product(value: int, expected: int) -> None:
    async with batch_b({"products": PRODUCTS}, messages_per_fee=value) as v:
        answer = await v.recharge()
        assert answer.text.split(",")[1:] == ["0"]
        assert (await v.account())["balance"] == PRODUCTS | {"1234567": 100 + expected}
        assert code(await v.recharge(productid="22")) == "0"
        assert (await v.account())["balance"] == {"1234567": 100 + expected, "22": 7 + expected}
        assert code(await v.recharge(type="2", productid="22")) == "0"
        assert (await v.account())["balance"]["22"] == 7


async def test_what_was_recharged_can_be_sent_with() -> None:
    async with batch_b({"products": {"1": 0}}) as v:
        assert (await v.send(mobile=numbers(50))).code == "109"
        await v.recharge()
        assert (await v.send(mobile=numbers(50))).code == "0"
        assert (await v.balance()).text.split("\n")[1:] == ["1,0"]
        assert (await v.send()).code == "109"


RECHARGE = [
    *(
        ("201", {name: None})
        for name in ("username", "password", "timestamp", "operator", "account", "fee", "type")
    ),
    ("201", {"operator": ""}),
    ("202", {"username": "nobody"}),
    ("202", {"password": "0" * 32}),
    ("202", {"timestamp": "20260131115459"}),
    ("202", {"timestamp": "20260131120510"}),
    ("203", {"account": des("nobody")}),
    ("203", {"account": des("Spring")}),  # AMB-BATCH-17: strict
    ("204", {"type": "2", "fee": "11"}),
    *(("205", {"fee": fee}) for fee in ("0", "-1", "1.5", "x", "٣", "1" * 11)),
    *(("205", {"type": kind}) for kind in ("0", "3", "add")),
    *(("205", {"timestamp": stamp}) for stamp in ("2026013112000", "20261331120000", "2026-01-31 12:00", "x" * 14)),
    ("205", {"productid": "1234567,22"}),
    ("205", {"account": "spring"}),
    ("205", {"account": des("spring", iv="\0" * 8)}),
    ("205", {"account": des(b"\xff\xfe")}),
    ("205", {"account": des("")}),
    ("206", {"productid": "999"}),
]  # fmt: skip


@each("code", RECHARGE)
async def test_every_code_of_recharge_has_a_natural_cause(value: str, expected: dict[str, Any]) -> None:
    async with batch_b({"products": PRODUCTS}, **NOW) as v:
        answer = await v.recharge(**expected)
        assert code(answer) == value
        assert "\n" not in answer.text
        assert answer.text.count(",") == 1
        assert (await v.account())["balance"] == PRODUCTS


async def test_an_agent_calls_from_its_address() -> None:
    async with batch_b(more={"boss": {"agent": AGENT | {"ips": ["127.0.0.9"]}}}) as v:
        assert code(await v.recharge()) == "202"
        v.sim.configure(account={"boss": {"agent": AGENT | {"ips": ["127.0.0.1"]}}})
        assert code(await v.recharge()) == "0"


async def test_an_agent_may_have_agreed_another_iv() -> None:
    async with batch_b(more={"boss": {"agent": AGENT | {"des_iv": "87654321"}}}) as v:
        assert code(await v.recharge(account=des("spring", iv="87654321"))) == "0"
        assert code(await v.recharge()) in ("203", "205")


@each("timestamp_tolerance_s", [(300, ["202", "0", "0", "202"]), (5, ["202", "202", "202", "202"])])
async def test_how_far_a_timestamp_may_be_off(value: int, expected: list[str]) -> None:
    stamps = ["20260131115430", "20260131115530", "20260131120430", "20260131120530"]
    async with batch_b(timestamp_tolerance_s=value, clock_scale=0.001, **NOW) as v:
        assert [code(await v.recharge(timestamp=stamp)) for stamp in stamps] == expected
        assert code(await v.recharge(timestamp=STAMP)) == "0"


@each("timestamp_reuse", [("refused", "202"), ("accepted", "0")])
async def test_a_timestamp_once_more(value: str, expected: str) -> None:
    async with batch_b(timestamp_reuse=value, clock_scale=0.001, **NOW) as v:
        assert code(await v.recharge(password="0" * 32)) == "202"  # a refused one is not used up
        assert code(await v.recharge()) == "0"
        assert code(await v.recharge()) == expected
        assert code(await v.delete()) == ("302" if expected == "202" else "303")
        assert code(await v.recharge(timestamp="20260131120001")) == "0"


async def test_a_timestamp_is_used_up_for_its_agent_alone() -> None:
    other = {"agent": AGENT | {"username": "other"}}
    async with batch_b(more={"other": other, "boss": {"agent": AGENT}}, timestamp_reuse="refused", **NOW) as v:
        assert code(await v.recharge(timestamp=STAMP)) == "0"
        assert code(await v.recharge(timestamp=STAMP, username="other")) == "0"


# --- UserManage ------------------------------------------------------------------------------------------------------


async def test_an_added_user_can_send_once_it_was_recharged() -> None:
    async with batch_b(clock_start="2026-01-31T12:00:00") as v:
        mine = {"account": "summer", "pswd": "passw0rd"}
        assert (await v.send(**mine)).code == "101"
        assert (await v.add()).text.split(",")[1:] == ["0"]
        assert (await v.send(**mine)).code == "109"
        assert code(await v.recharge("summer")) == "0"
        assert (await v.send(**mine)).code == "0"
        assert (await v.variable(msg="{$var}", params="13800138000,x", **mine)).code == "0"
        assert (await v.balance(**mine)).text.split("\n")[1:] == ["1234567,48"]
        assert (await v.send(account="summer", pswd="guess")).code == "102"
        v.sim.configure(clock_start="2026-01-31T21:00:00")
        assert (await v.send(**mine)).code == "110"  # its send_hour


async def test_a_deleted_user_cannot_send_and_its_messages_stay_in_the_ledger() -> None:
    async with batch_b(**NOW) as v:
        await v.add()
        await v.recharge("summer")
        await v.send(account="summer", pswd="passw0rd")
        assert (await v.delete()).text.split(",")[1:] == ["0"]
        assert (await v.send(account="summer", pswd="passw0rd")).code == "101"
        assert code(await v.delete()) == "303"
        assert v.sim.rows()["account"].to_list() == ["summer"]
        assert code(await v.add(secret="other1")) == "0"  # and may come back, with nothing
        assert (await v.send(account="summer", pswd="other1")).code == "109"


USERS = [
    *(("301", {name: None}) for name in ("username", "password", "timestamp", "operator", "action", "account")),
    *(("301", {name: None}) for name in ("ac_password", *USER)),
    *(("301", {name: ""}) for name in ("true_name", "send_type", "product_list", "expired_date")),
    ("302", {"username": "nobody"}),
    ("302", {"password": "0" * 32}),
    ("302", {"timestamp": "20260131115459"}),
    ("303", {"account": des("spring")}),
    ("304", {"extno": "88"}),
    *(("305", {"timestamp": stamp}) for stamp in ("2026013112000", "20261331120000")),
    ("305", {"action": "2"}),
    ("305", {"account": "summer"}),
    ("305", {"ac_password": "passw0rd"}),
    ("305", {"ac_password": des("short1")[:-4]}),
    *(("305", {"ac_password": des(word)}) for word in ("abc12", "abcdefgh", "12345678")),
    *(("305", {"type": kind}) for kind in ("0", "3")),
    *(("305", {"contact_mobile": mobile}) for mobile in ("12345", "1380013800a")),
    *(("305", {"send_hour": hours}) for hours in ("21,8", "8", "8-21", "0,25")),
    *(("305", {"send_type": letters}) for letters in ("X", "B,W")),
    *(
        ("305", {name: "2"})
        for name in ("need_audit", "need_reportmo", "fee_back", "force_signature", "anti_phshing", "self_subscribe",
                     "sms_check")
    ),
    ("305", {"extno": "7a"}),
    ("305", {"web_client_ip": "localhost"}),
    ("305", {"http_client_ip": "127.0.0.1;127.0.0.2"}),
    ("305", {"product_list": "1234567,"}),
    *(("305", {"expired_date": day}) for day in ("2030-12-31", "20301301", "301231")),
    ("306", {"product_list": "1234567,999"}),
]  # fmt: skip


@each("code", USERS)
async def test_every_code_of_user_management_has_a_natural_cause(value: str, expected: dict[str, Any]) -> None:
    async with batch_b({"extno": "88"}, **NOW) as v:
        answer = await v.add(**expected)
        assert code(answer) == value
        assert answer.text.split(",", 2)[2]  # the description
        assert "summer" not in v.sim.state.ledger.by_account


@pytest.mark.parametrize("name", ["extno", "signature", "web_client_ip", "http_client_ip"])
async def test_a_field_with_nothing_to_say_may_be_empty(name: str) -> None:
    async with batch_b(**NOW) as v:
        assert code(await v.add(**{name: ""})) == "0"


@each("password_rule", [("letters_and_digits", "305"), ("any", "0")])
async def test_what_a_password_needs(value: str, expected: str) -> None:
    async with batch_b(password_rule=value, **NOW) as v:
        assert code(await v.add(secret="weak")) == expected
        assert code(await v.add("autumn", extno="78")) == "0"


@pytest.mark.parametrize(
    ("fields", "parameters", "code"),
    [
        ({"http_client_ip": "127.0.0.9,127.0.0.8"}, {}, "117"),
        ({"http_client_ip": "127.0.0.9,127.0.0.1"}, {}, "0"),
        ({"signature": "Shop"}, {"msg": "hello"}, "116"),
        ({"signature": "Shop", "force_signature": "0"}, {"msg": "hello"}, "0"),
        ({"expired_date": "20260131"}, {}, "0"),
        ({"expired_date": "20260130"}, {}, "119"),
        ({"send_type": "W"}, {}, "118"),
        ({"send_type": "P"}, {}, "0"),
        ({"product_list": "22,1234567"}, {"product": "1234567"}, "109"),
        ({"product_list": "22"}, {"product": "1234567"}, "112"),
    ],
)
async def test_what_a_user_was_added_with_holds(fields: dict[str, str], parameters: dict[str, str], code: str) -> None:
    async with batch_b({"products": PRODUCTS}, **NOW) as v:
        await v.add(**fields)
        await v.recharge("summer")
        assert (await v.send(account="summer", pswd="passw0rd", **parameters)).code == code


async def test_a_user_may_be_reviewed_and_may_have_no_reports() -> None:
    async with batch_b(review_delay_s=3600.0, **NOW) as v:
        await v.add(need_audit="1", need_reportmo="0")
        await v.recharge("summer")
        v.sim.configure(account={"summer": {"report_url": "http://127.0.0.1:9/"}})
        answer = await v.send(account="summer", pswd="passw0rd")
        assert len(answer.text.split("\n")) == 2
        account = (await v.sim.totals())["accounts"]["summer"]
        assert (account["numbers_accepted"], account["reports_due"]) == (1, 0)
        assert v.sim.state.ledger.books["summer"].config.need_audit


# --- rules, and the ledger of operations -----------------------------------------------------------------------------


@pytest.mark.parametrize("forced", ["201", "202", "203", "204", "205", "206", "999"])
async def test_any_code_of_recharge_can_be_forced_and_does_nothing(forced: str) -> None:
    async with batch_b({"products": PRODUCTS}, rule=[{"code": forced, "on": "recharge", "count": 1}]) as v:
        assert code(await v.recharge()) == forced
        assert (await v.account())["balance"] == PRODUCTS
        assert code(await v.recharge()) == "0"
        assert (await v.sim.totals())["accounts"]["boss"]["codes"] == {f"recharge {forced}": 1, "recharge 0": 1}


@pytest.mark.parametrize("forced", ["301", "302", "303", "304", "305", "306", "999"])
async def test_any_code_of_user_management_can_be_forced_and_does_nothing(forced: str) -> None:
    async with batch_b(rule=[{"code": forced, "on": "user", "count": 1}], **NOW) as v:
        answer = await v.add()
        assert code(answer) == forced
        assert len(answer.text.split(",")) == (2 if forced == "999" else 3)
        assert code(await v.add()) == "0"


async def test_a_magic_account_and_a_probability_choose_requests() -> None:
    async with batch_b(rule=[{"code": "204", "on": "recharge", "text": "spr"}]) as v:
        assert code(await v.recharge()) == "204"
        assert code(await v.recharge("boss")) == "0"
        v.sim.configure(rule=[{"code": "204", "on": "recharge", "p": 0.5}])
        codes = [code(await v.recharge()) for _ in range(60)]
        assert 10 < codes.count("204") < 50
        assert (await v.send()).code == "0"


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in ("reset",)])
async def test_a_fault_is_carried_out_or_not_as_it_says(fault: str) -> None:
    rule = {"fault": fault, "on": "recharge", "delay_s": 0.0, "hold_s": 0.01, "drip_s": 0.0}
    async with batch_b({"products": PRODUCTS}, rule=[rule]) as v:
        body = (await _body(v)).encode()
        await v.raw(v.post(body, path="/msg/Recharge"))
        done = FAULTS[fault][0]
        assert (await v.account())["balance"]["1234567"] == (150 if done else 100)
        assert [operation["done"] for operation in v.sim.state.ledger.operations] == [done]


async def _body(v: BatchB) -> str:
    fields = v.signed({}) | {"account": "c3ByaW5n", "fee": "5", "type": "1"} | {"account": des("spring")}
    return "&".join(f"{name}={value.replace('+', '%2B').replace('=', '%3D')}" for name, value in fields.items())


async def test_every_operation_is_written_down_without_secrets() -> None:
    async with batch_b({"products": PRODUCTS}, **NOW) as v:
        await v.recharge(productid="22")
        await v.recharge(type="2", fee="999")
        await v.add()
        await v.delete()
        await v.recharge(username="nobody")
        operations = v.sim.state.ledger.operations
        assert [(o["what"], o["target"], o["fee"], o["code"], o["done"]) for o in operations] == [
            ("recharge", "spring", "5", "0", True),
            ("recharge", "spring", "999", "204", False),
            ("user add", "summer", None, "0", True),
            ("user delete", "summer", None, "0", True),
            ("recharge", None, "5", "202", False),
        ]
        assert operations[0]["product"] == "22"
        assert {o["agent"] for o in operations} == {"boss", None}
        assert "passw0rd" not in str(operations)
        shown = (await v.call("/_sim/operations", None)).text
        assert '"summer"' in shown
        config = (await v.call("/_sim/config", None)).text
        assert '"boss"' in config
        assert "s3cret" not in config
        assert KEY not in config
        v.sim.control.reset()
        assert v.sim.state.ledger.operations == []


async def test_a_reset_of_everything_forgets_users_that_were_added() -> None:
    async with batch_b({"products": PRODUCTS}, **NOW) as v:
        await v.add()
        await v.delete("spring")
        v.sim.control.reset(everything=True)
        assert set(v.sim.state.ledger.by_account) == {"spring", "boss"}
        assert (await v.send()).code == "0"


@pytest.mark.parametrize("form", ["crlf", "no_resptime", "json", "empty"])
async def test_agents_are_answered_in_the_form_of_the_switch(form: str) -> None:
    async with batch_b(answer_form=form, trailing_eol="on", **NOW) as v:
        answer: Answer = await v.add(ac_password="x")
        expected = {
            "crlf": f"{STAMP},305,密码格式错误\r\n",
            "no_resptime": ",305,密码格式错误\n",
            "json": '{"resptime":"' + STAMP + '","respstatus":"305","msgid":""}',
            "empty": "",
        }[form]
        assert answer.text[:8] == expected[:8]
        assert answer.text[14:] == expected[14:] or form == "crlf"


@each("edition", [("B", "107")])
async def test_this_platform_is_edition_b(value: str, expected: str) -> None:
    async with batch_b(edition=value) as v:
        assert (await v.send(mobile="13800138000,1")).code == expected
        assert v.sim.state.switches.balance_interval == 30
