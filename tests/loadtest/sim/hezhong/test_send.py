"""SendMt.do and QueryBalance.do: text, numbers, answers, charging, switches (vendors.md 2.1, 2.2, 8.2)."""

from __future__ import annotations

import re

import pytest

from tests.loadtest.sim.hezhong.hezhong_kit import BALANCE, SEND, code, gbk, hezhong, vendor_id
from tests.loadtest.sim.sim_kit import each, numbers

VECTOR = b"%A1%BEXX+%BF%C6%BC%BC%A1%BF%D1%E9%D6%A4%C2%EB%3A986710"  # vendors.md 2.1


async def test_the_documents_vector_is_understood() -> None:
    async with hezhong() as v:
        await v.call(SEND, v.form().replace(b"msg=hello", b"msg=" + VECTOR))
        assert v.sim.rows()["text"].to_list() == ["【XX 科技】验证码:986710"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"%E9%46", "镕"),  # vendors.md 0.5: as Java escapes it
        (b"%E9F", "镕"),  # and as Python does
        (b"%A2%E3", "€"),
        (b"a~b*c%7E%2A", "a~b*c~*"),
        (b"a+b%2Bc%26%3D%25", "a b+c&=%"),
    ],
)
async def test_a_text_in_gbk_keeps_every_character(raw: bytes, text: str) -> None:
    async with hezhong() as v:
        assert code(await v.call(SEND, v.form().replace(b"msg=hello", b"msg=" + raw))) == "0"
        assert v.sim.rows()["text"].to_list() == [text]


@pytest.mark.parametrize(
    ("text_format", "raw", "text"),
    [
        (None, "短信".encode("gbk"), "短信"),
        ("0", "短信".encode("gbk"), "短信"),
        ("1", "café".encode("latin-1"), "café"),
        ("2", "短信😀".encode(), "短信😀"),
        ("0", "短信".encode()[:-1], None),
        ("2", "短信".encode("gbk"), None),
        ("3", b"hello", None),
        ("x", b"hello", None),
    ],
)
async def test_the_text_is_decoded_by_its_format_or_refused(
    text_format: str | None, raw: bytes, text: str | None
) -> None:
    async with hezhong() as v:
        assert code(await v.send(msg=raw, msgFormat=text_format)) == ("0" if text else "-6")
        assert v.sim.rows()["text"].to_list() == [text or ""]


@pytest.mark.parametrize("parameter", ["get", "post"])
async def test_get_and_post_are_taken(parameter: str) -> None:
    async with hezhong() as v:
        query = v.form().decode()
        answer = await (v.call(f"{SEND}?{query}", None) if parameter == "get" else v.call(SEND, query.encode()))
        assert code(answer) == "0"


async def test_raw_gbk_in_the_request_line_is_understood() -> None:
    async with hezhong() as v:
        query = v.form().replace(b"msg=hello", b"msg=" + "短信内容".encode("gbk"))
        answer = await v.raw(b"GET %b?%b HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n" % (SEND.encode(), query))
        assert b"\r\n\r\n0," in answer
        assert v.sim.rows()["text"].to_list() == ["短信内容"]


@each("get_line_max", [(8192, 414), (0, 200)])
async def test_the_longest_request_line(value: int, expected: int) -> None:
    async with hezhong(get_line_max=value) as v:
        assert (await v.call(f"{SEND}?{v.form(mobs=numbers(600)).decode()}", None)).status == 200
        assert (await v.call(f"{SEND}?{v.form(mobs=numbers(700)).decode()}", None)).status == expected
        assert (await v.call(SEND, v.form(mobs=numbers(1000)))).status == 200
        assert (await v.sim.totals())["codes"].get("http 414", 0) == (expected == 414)


async def test_the_request_line_is_measured_whole() -> None:
    async with hezhong() as v:
        query = v.form().decode()
        rest = 8192 - len(f"GET {SEND}?{query}&x= HTTP/1.1")
        assert (await v.call(f"{SEND}?{query}&x={'y' * rest}", None)).status == 200
        assert (await v.call(f"{SEND}?{query}&x={'y' * (rest + 1)}", None)).status == 414


@each(
    "answer_form",
    [
        ("plain", r"0,\d{13,}"),
        ("blank", r"0, \d{13,}"),
        ("crlf", r"0,\d{13,}\r\n"),
        ("bom", r"\ufeff0,\d{13,}"),
        ("no_id", r"0"),
    ],
)
async def test_the_forms_of_success(value: str, expected: str) -> None:
    async with hezhong(answer_form=value) as v:
        answer = await v.send()
        assert re.fullmatch(expected, answer.text)
        assert (await v.send(password="x")).text == "-1"
        assert answer.headers["Content-Type"] == "text/plain; charset=GBK"


@each("max_numbers", [(1000, 1000), (500, 500)])
async def test_the_most_numbers_a_request_may_have(value: int, expected: int) -> None:
    async with hezhong(max_numbers=value) as v:
        assert code(await v.send(mobs=numbers(expected))) == "0"
        assert code(await v.send(mobs=numbers(expected + 1))) == "-10"


@each("max_chars", [(1000, 1000), (500, 500)])
async def test_the_longest_text_of_a_request(value: int, expected: int) -> None:
    async with hezhong(max_chars=value, len_unit="chars") as v:
        assert code(await v.send(msg="字" * expected)) == "0"
        assert code(await v.send(msg="字" * (expected + 1))) == "-9"
        assert code(await v.send(msg=None)) == "-8"


@each("len_unit", [("gbk_bytes", ("-9", "-9")), ("chars", ("0", "0")), ("utf16", ("0", "-9"))])
async def test_what_the_longest_text_counts(value: str, expected: tuple[str, str]) -> None:
    hanzi, emoji = expected
    async with hezhong(len_unit=value) as v:
        assert code(await v.send(msg="字" * 500)) == "0"
        assert code(await v.send(msg="字" * 501)) == hanzi
        assert code(await v.send(msg=("😀" * 501).encode(), msgFormat="2")) == emoji


@each("sub_max", [(5, "-11"), (6, "0")])
async def test_the_longest_extension(value: int, expected: str) -> None:
    async with hezhong(sub_max=value) as v:
        assert code(await v.send(sub="")) == "0"
        assert code(await v.send(sub="12345")) == "0"
        assert code(await v.send(sub="123456")) == expected
        assert code(await v.send(sub="1234567")) == "-11"


@each("sensitive_words", [(("敏感词",), "敏感词"), (["spam"], "spam")])
async def test_black_words(value: list[str], expected: str) -> None:
    async with hezhong(sensitive_words=value) as v:
        assert code(await v.send(msg=f"a {expected}")) == "-5"
        assert code(await v.send(msg="harmless")) == "0"


@each("enforce", [("-99", (200, "-99")), ("http_503", (503, "service unavailable")), ("off", (200, "0"))])
async def test_going_over_the_flow_limit(value: str, expected: tuple[int, str]) -> None:
    async with hezhong({"flow": {"limit": 500, "per_s": 30}}, enforce=value) as v:
        assert code(await v.send(mobs=numbers(300))) == "0"
        answer = await v.send(mobs=numbers(300))
        assert (answer.status, code(answer)) == expected
        account = await v.account()
        assert account["violations"] == {"too_fast": 1}
        assert (account["windows_over_limit"], account["window_max"]) == (1, 600)
        assert account["numbers_accepted"] == (600 if value == "off" else 300)


@each("charge_unit", [("parts", 6), ("messages", 2)])
async def test_what_is_charged(value: str, expected: int) -> None:
    async with hezhong({"products": {"": 100}}, charge_unit=value) as v:
        assert code(await v.send(mobs=numbers(2), msg="字" * 135)) == "0"
        account = await v.account()
        assert (account["charged"], account["balance"]) == (expected, {"": 100 - expected})
        assert (await v.balance()).text == str(100 - expected)


async def test_a_wrong_number_is_taken_and_charged_like_any_other() -> None:
    async with hezhong() as v:
        assert code(await v.send(mobs="13800138000,12345,8613900139000")) == "0"
        assert v.sim.rows()["number"].to_list() == ["13800138000", "12345", "13900139000"]
        assert (await v.account())["charged"] == 3


async def test_every_taken_request_has_an_id_of_its_own() -> None:
    async with hezhong() as v:
        ids = [vendor_id(await v.send()) for _ in range(20)]
        assert len(set(ids)) == 20
        assert v.sim.rows()["msgid"].to_list() == ids


# QueryBalance.do


@each("balance_form", [("whole", "97"), ("decimal", "97.00")])
async def test_a_balance(value: str, expected: str) -> None:
    async with hezhong({"products": {"": 100}}, balance_form=value) as v:
        await v.send(mobs=numbers(3))
        assert (await v.balance()).text == expected


@each("balance_failure", [("code", ["-1", "-3"]), ("-1", ["-1", "-1"]), ("error", ["error"] * 2), ("empty", ["", ""])])
async def test_a_balance_query_that_fails(value: str, expected: list[str]) -> None:
    async with hezhong({"ips": ["127.0.0.9"]}, balance_failure=value) as v:
        assert [(await v.balance(password="x")).text, (await v.balance()).text] == expected
        assert (await v.balance(username="nobody")).text == expected[0]


@each("balance_interval", [(30, {"balance_too_fast": 1}), (0, {})])
async def test_balance_queries_that_come_too_often_are_told_by_the_ledger_alone(
    value: int, expected: dict[str, int]
) -> None:
    async with hezhong(balance_interval=value, clock_scale=0.001) as v:
        for _ in range(2):
            assert (await v.balance()).text == "1000000000"
        book = v.sim.state.ledger.books["spring"]
        book.last_balance_s -= 30
        await v.balance()
        assert (await v.account())["violations"] == expected


async def test_a_balance_query_by_post_is_answered_and_rules_reach_it() -> None:
    async with hezhong(rule=[{"code": "-99", "on": "balance", "count": 1}]) as v:
        fields = gbk({"userid": "1", "username": "spring", "password": "secret"})
        assert (await v.call(BALANCE, fields)).text == "-99"
        assert (await v.call(BALANCE, fields)).text == "1000000000"
        assert code(await v.send()) == "0"
        assert (await v.account())["codes"] == {"balance -99": 1, "balance 0": 1, "0": 1}


async def test_the_example_of_an_account_works_whatever_charset_the_terminal_has() -> None:
    async with hezhong({"account": "帐号+1"}) as v:
        [config] = [book.config for book in v.sim.state.ledger.by_account.values()]
        _, data = v.sim.vendor.example(v.sim.url, config)
        form = data.strip().removeprefix("-d '").removesuffix("'")
        assert form.isascii()
        assert code(await v.call(SEND, form.encode())) == "0"
