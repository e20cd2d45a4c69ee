"""HttpBatchSendSM: the answer's grammar, the parameters, every switch that concerns sending (vendors.md 3.1, 8.3)."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from tests.loadtest.sim.sim_kit import each, encode, numbers, vendor
from tests.waiting import until

VENDORS = ("batch", "batch-b")
pytestmark = pytest.mark.usefixtures("platform")

TAKEN = re.compile(r"\d{14},0\n\d{13,}")
TAKEN_WITHOUT_ID = re.compile(r"\d{14},0")


async def test_a_taken_request_is_answered_with_time_code_and_one_id() -> None:
    async with vendor() as v:
        answer = await v.send(mobile=numbers(500))
        assert TAKEN.fullmatch(answer.text)
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert (await v.send()).text.split("\n")[1] != answer.text.split("\n")[1]


@each("msgid_without_status", [("no", TAKEN_WITHOUT_ID), ("yes", TAKEN)])
async def test_the_id_line_without_needstatus(value: str, expected: re.Pattern[str]) -> None:
    async with vendor(msgid_without_status=value) as v:
        assert expected.fullmatch((await v.send(needstatus="false")).text)


@each("trailing_eol", [("off", ""), ("on", "\n")])
async def test_the_line_end_after_the_last_line(value: str, expected: str) -> None:
    async with vendor(trailing_eol=value, balance_interval=0) as v:
        assert re.fullmatch(TAKEN.pattern + expected, (await v.send()).text)
        assert re.fullmatch(r"\d{14},0\n1234567,\d+" + expected, (await v.balance()).text)
        assert re.fullmatch(r"\d{14},102" + expected, (await v.send(pswd="x")).text)


@each("missing_needstatus", [("error", "106"), ("treat_false", "0")])
async def test_needstatus_left_out_is_a_violation(value: str, expected: str) -> None:
    async with vendor(missing_needstatus=value) as v:
        assert (await v.send(needstatus=None)).code == expected
        assert (await v.account())["violations"] == {"needstatus_missing": 1}


@pytest.mark.parametrize(
    ("spelling", "lines", "violations"),
    [
        *((s, 2, {}) for s in ("true", "True", "TRUE", "1")),
        *((s, 1, {}) for s in ("false", "False", "FALSE", "0")),
        ("yes", 1, {"needstatus_bad": 1}),
    ],
)
async def test_needstatus_spellings(spelling: str, lines: int, violations: dict[str, int]) -> None:
    async with vendor() as v:
        assert len((await v.send(needstatus=spelling)).text.split("\n")) == lines
        assert (await v.account())["violations"] == violations


@each("max_chars", [(536, 536), (585, 585), (700, 700), (500, 500)])
async def test_the_longest_text(value: int, expected: int) -> None:
    async with vendor(max_chars=value) as v:
        assert (await v.send(msg="字" * expected)).code == "0"
        assert (await v.send(msg="字" * (expected + 1))).code == "106"
        assert (await v.send(msg="")).code == "106"
        assert (await v.send(msg=None)).code == "106"


@each("length_unit", [("utf16", ("106", 2)), ("characters", ("0", 1))])
async def test_what_an_emoji_counts(value: str, expected: tuple[str, int]) -> None:
    code, parts = expected
    async with vendor(length_unit=value) as v:
        assert (await v.send(msg="😀" * 269)).code == code
        await v.send(msg="😀" * 36)
        assert v.sim.rows()["parts"][-1] == parts


@each("split", [("account", (3, 1)), ("70/67", (2, 1)), ("60/57", (3, 2))])
async def test_charging_by_parts(value: str, expected: tuple[int, int]) -> None:
    of_134, of_70 = expected
    async with vendor({"split_single": 70, "split_multi": 65}, split=value) as v:
        await v.send(msg="x" * 134, mobile=numbers(10))
        assert (await v.account())["charged"] == of_134 * 10
        await v.send(msg="x" * 70)
        account = await v.account()
        assert account["charged"] == of_134 * 10 + of_70
        assert account["balance"]["1234567"] == 1_000_000_000 - account["charged"]


@each("max_numbers", [(50_000, 50_000), (200, 200)])
async def test_the_most_numbers_in_a_request(value: int, expected: int) -> None:
    async with vendor(max_numbers=value) as v:
        assert (await v.send(mobile=numbers(expected))).code == "0"
        assert (await v.send(mobile=numbers(expected + 1))).code == "108"
        assert (await v.send(mobile="")).code == "108"
        assert (await v.send(mobile=None)).code == "108"


@each("min_numbers", [(1, 1), (10, 10)])
async def test_the_fewest_numbers_in_a_request(value: int, expected: int) -> None:
    async with vendor(min_numbers=value) as v:
        assert (await v.send(mobile=numbers(expected))).code == "0"
        assert expected == 1 or (await v.send(mobile=numbers(expected - 1))).code == "108"


@each("bad_number", [("accept_and_report_failed", "0"), ("107", "107")])
@pytest.mark.parametrize("bad", ["12345", "1380013800a", "12800138000", "", "138 0013 8000", "0571-8888"])
async def test_a_wrong_number_in_the_list(value: str, expected: str, bad: str) -> None:
    async with vendor(bad_number=value) as v:
        assert (await v.send(mobile=f"13800138000,{bad},13900139000")).code == expected
        assert v.sim.rows()["number"].to_list() == ["13800138000", bad, "13900139000"]
        assert (await v.account())["charged"] == (3 if expected == "0" else 0)


@each("extno_max", [(3, "113"), (6, "0")])
async def test_the_longest_extno(value: int, expected: str) -> None:
    async with vendor(extno_max=value) as v:
        assert (await v.send(extno="123")).code == "0"
        assert (await v.send(extno="123456")).code == expected
        assert (await v.send(extno="1234567")).code == "113"


async def test_an_empty_parameter_is_like_none() -> None:
    async with vendor() as v:
        assert (await v.send(extno="", product="")).code == "0"


@each("bad_utf8", [("106", ("106", None)), ("replace", ("0", "ab\ufffd"))])
async def test_a_text_that_is_not_utf8(value: str, expected: tuple[str, str | None]) -> None:
    code, text = expected
    async with vendor(bad_utf8=value) as v:
        assert (await v.send(msg=b"ab\xe9")).code == code
        if text:
            assert v.sim.rows()["text"].to_list() == [text]


@each("send_hours", [("0-24", ["0", "0", "0", "0"]), ("8-21", ["110", "0", "0", "110"])])
async def test_the_hours_of_sending(value: str, expected: list[str]) -> None:
    async with vendor(send_hours=value) as v:
        codes = []
        for time in ("07:59:00", "08:00:00", "20:59:00", "21:00:00"):
            v.sim.configure(clock_start=f"2026-01-31T{time}")
            codes.append((await v.send()).code)
        assert codes == expected


@each(
    "answer_form",
    [
        ("plain", rb"\d{14},0\n\d+"),
        ("crlf", rb"\d{14},0\r\n\d+"),
        ("trailing_blank_lines", rb"\d{14},0\n\d+\n\n\n"),
        ("no_resptime", rb",0\n\d+"),
        ("garbage", rb"\x00\x01 system upgrade, try again later"),
        ("html", rb"<html>.*</html>"),
        ("empty", rb""),
        ("json", rb'\{"resptime":"\d{14}","respstatus":"0","msgid":"\d+"\}'),
    ],
)
async def test_the_forms_of_an_answer(value: str, expected: bytes) -> None:
    async with vendor(answer_form=value) as v:
        answer = await v.raw(v.post(v.form()))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert re.fullmatch(expected, answer.partition(b"\r\n\r\n")[2])
        assert (await v.account())["numbers_accepted"] == 1


@each("sensitive_words", [(("敏感词",), "敏感词"), (["spam", "scam"], "a scam")])
async def test_sensitive_words(value: Any, expected: str) -> None:
    async with vendor(sensitive_words=value) as v:
        assert (await v.send(msg=expected)).code == "105"
        assert (await v.send(msg="harmless")).code == "0"


@each("review_words", [(("自动审核",), "自动审核"), (["loan"], "a loan")])
async def test_words_the_automatic_review_refuses(value: Any, expected: str) -> None:
    async with vendor(review_words=value) as v:
        assert (await v.send(msg=expected)).code == "115"
        assert (await v.send(msg="harmless")).code == "0"


@each("signature_needed", [("off", "0"), ("on", "116")])
async def test_a_text_without_any_signature(value: str, expected: str) -> None:
    async with vendor(signature_needed=value) as v:
        assert (await v.send(msg="hello")).code == expected
        assert (await v.send(msg="【Anything】hello")).code == "0"


@each("busy_over", [(0, {"0"}), (1, {"0", "104"})])
async def test_too_many_requests_at_once(value: int, expected: set[str]) -> None:
    async with vendor(busy_over=value, latency_s=0.2) as v:
        answers = await asyncio.gather(*(v.send() for _ in range(4)))
        assert {a.code for a in answers} == expected


@each("enforce", [("103", ["0", "103"]), ("off", ["0", "0"])])
async def test_what_goes_over_the_flow_limit(value: str, expected: list[str]) -> None:
    async with vendor({"flow": {"limit": 500, "per_s": 30}}, enforce=value) as v:
        assert [(await v.send(mobile=numbers(300))).code for _ in range(2)] == expected
        account = await v.account()
        assert account["violations"] == {"too_fast": 1}
        assert account["windows_over_limit"] == 1
        assert account["window_max"] == 600


@pytest.mark.parametrize(("unit", "fits"), [("messages", 2), ("requests", 3), ("parts", 1)])
async def test_the_unit_of_the_flow_limit(unit: str, fits: int) -> None:
    limit = {"messages": 20, "requests": 3, "parts": 20}[unit]
    async with vendor({"flow": {"limit": limit, "per_s": 60, "unit": unit}}) as v:
        codes = [(await v.send(mobile=numbers(10), msg="x" * 71)).code for _ in range(4)]
        assert codes == ["0"] * fits + ["103"] * (4 - fits)


async def test_an_account_with_several_products_and_none_named_is_billed_wrong() -> None:
    async with vendor({"products": {"10": 100, "20": 100}}) as v:
        await v.send(mobile=numbers(5), product="20")
        await v.send(mobile=numbers(3))
        account = await v.account()
        assert account["balance"] == {"10": 97, "20": 95}
        assert account["violations"] == {"product_missing": 1}


async def test_credit_is_checked_for_the_whole_request() -> None:
    async with vendor({"products": {"1": 5}}) as v:
        assert (await v.send(mobile=numbers(6))).code == "109"
        assert (await v.send(mobile=numbers(5))).code == "0"
        assert (await v.send()).code == "109"
        v.sim.control.top_up("spring", add=1)
        assert (await v.send()).code == "0"


async def test_query_and_body_are_merged_and_the_body_wins() -> None:
    async with vendor() as v:
        query = encode({"account": "nobody", "pswd": "secret", "needstatus": "true"}).decode()
        answer = await v.call(
            f"/msg/HttpBatchSendSM?{query}", encode({"account": "spring", "mobile": numbers(1), "msg": "x"})
        )
        assert answer.code == "0"
        assert (await v.call("/msg/HttpBatchSendSM?", v.form())).code == "0"


async def test_get_with_a_long_query_is_taken_too() -> None:
    async with vendor() as v:
        assert (await v.call(f"/msg/HttpBatchSendSM?{v.form(mobile=numbers(5000)).decode()}", None)).code == "0"
        assert v.sim.rows().height == 5000


@pytest.mark.parametrize("escape", [str, lambda m: m.replace(",", "%2C")])
async def test_commas_may_be_escaped(escape: Any) -> None:
    async with vendor() as v:
        assert (await v.send(mobile=escape("13800138000,13900139000"))).code == "0"
        assert v.sim.rows()["number"].to_list() == ["13800138000", "13900139000"]


async def test_a_text_keeps_every_character() -> None:
    text = "a+b c&d=e %25 【签名】100% ~*é€😀\n镕"
    async with vendor() as v:
        await v.send(msg=text)
        body = v.form().replace(b"msg=hello", b"msg=a+b+c")
        await v.call("/msg/HttpBatchSendSM", body)
        assert v.sim.rows()["text"].to_list() == [text, "a b c"]


async def test_raw_utf8_in_the_request_line_is_understood() -> None:
    async with vendor() as v:
        query = v.form().replace(b"msg=hello", "msg=短信内容".encode())
        answer = await v.raw(
            b"GET /msg/HttpBatchSendSM?" + query + b" HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n"
        )
        assert b",0\n" in answer
        assert v.sim.rows()["text"].to_list() == ["短信内容"]


async def test_other_paths_and_methods_are_not_there() -> None:
    async with vendor() as v:
        assert (await v.call("/msg/NoSuchThing", v.form())).status == 404
        assert (await v.call("/msg/HttpBatchSendSM", v.form(), "PUT")).status == 405
        assert (await v.account())["requests"] == 0


async def test_a_body_over_the_bound_is_refused() -> None:
    async with vendor() as v:
        answer = await v.raw(v.post(b"msg=" + b"x" * (5 * 1024 * 1024)))
        assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_never_ends_is_no_request() -> None:
    async with vendor() as v:
        host, _, port = v.sim.url.removeprefix("http://").rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(v.post(v.form())[:-3])
        await writer.drain()
        writer.close()
        while not (await v.sim.totals())["aborted"]:
            await asyncio.sleep(0.01)
        assert (await v.account())["requests"] == 0


async def test_the_next_request_on_a_connection_is_served_and_stamped_anew() -> None:
    async with vendor() as v:
        one = v.post(v.form()).replace(b"Connection: close\r\n", b"")
        answer = await v.raw(one + v.post(v.form()))
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        arrived = v.sim.rows()["arrived_s"].to_list()
        assert arrived == sorted(arrived)


async def test_expect_100_continue_is_answered() -> None:
    async with vendor() as v:
        answer = await v.raw(v.post(v.form(), more="Expect: 100-continue\r\n"))
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


@each("latency_s", [(0.0, True), (5.0, False)])
async def test_a_later_request_overtakes_one_with_a_latency(value: float, expected: bool) -> None:
    await _overtake({"latency_s": value}, expected)


@each("latency_exp_s", [(0.0, True), (50.0, False)])
async def test_the_exponential_part_of_the_latency(value: float, expected: bool) -> None:
    await _overtake({"latency_exp_s": value}, expected)


async def _overtake(latency: dict[str, float], answered: bool) -> None:
    async with vendor(**latency) as v:
        first = asyncio.create_task(v.send())
        await until(lambda: v.sim.rows().height == 1)
        v.sim.configure(latency_s=0.0, latency_exp_s=0.0)
        await v.send()
        if answered:
            await first
        assert first.done() is answered
        first.cancel()


async def test_a_target_may_have_its_scheme_and_host() -> None:
    async with vendor() as v:
        for path in (f"{v.sim.url}/msg/HttpBatchSendSM", "http://elsewhere/msg/HttpBatchSendSM?"):
            assert b",0\n" in await v.raw(v.post(v.form(), path=path))
