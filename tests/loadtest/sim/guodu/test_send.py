"""submitJson: text, numbers, times, answers, every switch of its (vendors.md 5.1, 8.4)."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.loadtest.sim.guodu.guodu_kit import SEND, code, guodu, vendor_id
from tests.loadtest.sim.sim_kit import each, numbers
from tests.waiting import until

NOON = {"clock_start": "2026-01-31T12:00:00", "clock_scale": 0.001}


async def test_the_documents_vector_is_understood() -> None:
    body = (
        b'{"OperID":"op","OperPass":"pw","SendTime":"","AppendID":"","DesMobile":"13800138000",'
        b'"Content":"%E6%B5%8B%E8%AF%95%E6%B6%88%E6%81%AF1"}'
    )
    async with guodu({"account": "op", "pswd": "pw"}) as v:
        answer = await v.call(SEND, body)
        assert answer.text == f'{{"ResultCode":"03","MsgId":"{vendor_id(answer)}"}}'
        assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
        assert v.sim.rows()["text"].to_list() == ["测试消息1"]


TEXTS = ["中文短信abc", "100%", "a+b c", "50%25", "*~'\"\\\n", "😀", "%E4"]


@pytest.mark.parametrize("text", TEXTS)
async def test_an_encoded_text_keeps_every_character(text: str) -> None:
    async with guodu() as v:
        assert code(await v.send(text=text)) == "03"
        assert v.sim.rows()["text"].to_list() == [text]


@each("content", [("urlencoded", ["a b", "a+b", "100%", "测试", None, None]), ("plain", None)])
async def test_a_content_is_decoded_once_or_not_at_all(value: str, expected: list[str | None] | None) -> None:
    contents = ["a%20b", "a+b", "100%", "%E6%B5%8B试", "50%25 and 3%", "%E6%B5"]
    async with guodu(content=value) as v:
        codes = [code(await v.send(Content=content)) for content in contents]
        wanted = contents if expected is None else expected
        assert codes == ["06" if text is None else "03" for text in wanted]
        assert v.sim.rows()["text"].to_list() == [text or "" for text in wanted]


async def test_plus_is_a_blank_only_beside_an_escape() -> None:
    async with guodu() as v:
        for content in ("a+b", "a+b%2Bc"):
            await v.send(Content=content)
        assert v.sim.rows()["text"].to_list() == ["a+b", "a b+c"]


@each("max_chars", [(500, 500), (700, 700)])
async def test_the_longest_content(value: int, expected: int) -> None:
    async with guodu(max_chars=value) as v:
        assert code(await v.send(text="字" * expected)) == "03"
        assert code(await v.send(text="字" * (expected + 1))) == "06"


@each("length_unit", [("utf16", "06"), ("code_points", "03")])
async def test_what_an_emoji_counts_in_content(value: str, expected: str) -> None:
    async with guodu(length_unit=value) as v:
        assert code(await v.send(text="😀" * 250)) == "03"
        assert code(await v.send(text="😀" * 251)) == expected


@each("max_numbers", [(200, 200), (500, 500)])
async def test_the_most_numbers_of_a_packet(value: int, expected: int) -> None:
    async with guodu(max_numbers=value, oversize="answer06") as v:
        assert code(await v.send(DesMobile=numbers(expected))) == "00"
        assert code(await v.send(DesMobile=numbers(expected + 1))) == "06"


@each("oversize", [("drop_connection", b""), ("answer06", b'{"ResultCode":"06"}')])
async def test_a_packet_with_too_many_numbers(value: str, expected: bytes) -> None:
    async with guodu(oversize=value) as v:
        answer = await v.raw(v.post(v.form(DesMobile=numbers(201)), path=SEND))
        assert answer.partition(b"\r\n\r\n")[2] == expected
        account = await v.account()
        assert (account["numbers"], account["numbers_accepted"]) == (201, 0)
        assert account["codes"] == {"06" if expected else "dropped": 1}


async def test_a_dropped_packet_looks_to_a_client_like_a_dead_connection() -> None:
    async with guodu() as v:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await v.send(DesMobile=numbers(201))


@pytest.mark.parametrize(
    "wrong",
    [
        "1380013800",
        "138001380001",
        "8613800138000",
        "+8613800138000",
        "12800138000",
        "13800138000,",
        "13800138000;",
        "a",
    ],
)
async def test_a_wrong_number_refuses_the_whole_packet(wrong: str) -> None:
    async with guodu() as v:
        assert code(await v.send(DesMobile=f"13900139000,{wrong}")) == "06"
        assert (await v.account())["charged"] == 0


@each("get", [("405", 405), ("accept", 200)])
async def test_a_get(value: str, expected: int) -> None:
    async with guodu(get=value) as v:
        assert (await v.call(SEND, v.form(), "GET")).status == expected
        query = "OperID=spring&OperPass=secret&DesMobile=13800138000&Content=hello"
        assert (await v.call(f"{SEND}?{query}", None)).status == expected
        totals = await v.sim.totals()
        assert totals["codes"] == ({"http 405": 2} if expected == 405 else {"03": 2})


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json", "image/gif"])
async def test_json_is_taken_under_any_content_type(kind: str) -> None:
    async with guodu() as v:
        assert code(await v.call(SEND, v.form(), kind={"Content-Type": kind})) == "03"


@each("personalised", [("off", ["03", "00"]), ("on", ["01", "01"])])
async def test_the_codes_of_success(value: str, expected: list[str]) -> None:
    async with guodu(personalised=value) as v:
        assert [code(await v.send(DesMobile=numbers(count))) for count in (1, 2)] == expected


@each("code_type", [("padded", ["00", "05", "-1"]), ("unpadded", ["0", "5", "-1"]), ("number", [0, 5, -1])])
async def test_the_type_of_a_code(value: str, expected: list[Any]) -> None:
    async with guodu(code_type=value, rule=[{"code": "-1", "text": "abnormal"}]) as v:
        answers = [await v.send(DesMobile=numbers(2)), await v.send(OperPass="x"), await v.send(text="abnormal")]
        assert [code(answer) for answer in answers] == expected
        assert vendor_id(answers[0]).isdigit()


@each("msg_id", [("on_success", (True, False)), ("never", (False, False)), ("always", (True, True))])
async def test_when_an_answer_has_a_msgid(value: str, expected: tuple[bool, bool]) -> None:
    async with guodu(msg_id=value) as v:
        answers = await v.send(), await v.send(OperPass="x")
        assert tuple(vendor_id(answer) is not None for answer in answers) == expected
        assert (await v.account())["numbers_accepted"] == 1


@each("prefix_digits", [(16, ("03", "10")), (12, ("03", "03"))])
async def test_the_displayed_number_has_twenty_digits_at_most(value: int, expected: tuple[str, str]) -> None:
    async with guodu(prefix_digits=value) as v:
        assert (code(await v.send(AppendID="1234")), code(await v.send(AppendID="12345"))) == expected
        assert code(await v.send(AppendID="123456789")) == "10"


@pytest.mark.parametrize(
    ("time", "wanted"),
    [
        ("20260131120000", "03"),
        ("20260201000000", "03"),
        ("20260230000000", "07"),
        ("2026013112", "07"),
        ("20260131120000x", "07"),
        ("２０２６０１３１１２００００", "07"),
    ],
)
async def test_a_send_time_is_a_time(time: str, wanted: str) -> None:
    async with guodu(**NOON) as v:
        assert code(await v.send(SendTime=time)) == wanted


@each("past_send_time", [("07", "07"), ("send_now", "03")])
async def test_a_send_time_that_is_past(value: str, expected: str) -> None:
    async with guodu({"report_url": "http://127.0.0.1:9/"}, past_send_time=value, push="off", **NOON) as v:
        assert code(await v.send(SendTime="20260131115930")) == "03"  # a minute is the clocks' difference
        assert code(await v.send(SendTime="20260131110000")) == expected


async def test_reports_come_after_the_send_time() -> None:
    settings = {"report_delay": "fixed", "report_delay_min_s": 0.0, "push": "off", "clock_start": "2026-01-31T12:00:00"}
    async with guodu({"report_url": "http://127.0.0.1:9/"}, clock_scale=60.0, **settings) as v:
        planned: list[float] = []
        plan = v.sim.state.reports.planner.plan

        def spy(entries: Any, now_s: float, extra_s: float = 0.0, forced: str | None = None) -> Any:
            planned.append(extra_s)
            return plan(entries, now_s, extra_s, forced)

        v.sim.state.reports.planner.plan = spy  # type: ignore[method-assign]
        assert code(await v.send(SendTime="20260131130000")) == "03"
        await until(lambda: bool(planned))
        assert planned[0] == pytest.approx(60, abs=5)


@each("no_credit", [("11", "11"), ("accept", "00")])
async def test_a_request_the_credit_does_not_cover(value: str, expected: str) -> None:
    async with guodu({"products": {"": 5}}, no_credit=value) as v:
        assert code(await v.send(DesMobile=numbers(3), text="x" * 71)) == expected
        account = await v.account()
        assert (account["charged"], account["balance"]) == ((0, {"": 5}) if expected == "11" else (6, {"": -1}))


@each("overload", [("-1", ("-1", 200, 3)), ("http503", (None, 503, 3)), ("delay", ("00", 200, 6))])
async def test_what_goes_over_the_limit(value: str, expected: tuple[str | None, int, int]) -> None:
    said, status, accepted = expected
    async with guodu({"flow": {"limit": 5, "per_s": 30}}, overload=value, overload_delay_s=0.01) as v:
        await v.send(DesMobile=numbers(3))
        answer = await v.send(DesMobile=numbers(3))
        assert answer.status == status
        assert said is None or code(answer) == said
        account = await v.account()
        assert account["numbers_accepted"] == accepted
        assert (account["violations"], account["windows_over_limit"]) == ({"too_fast": 1}, 1)


@each("overload_delay_s", [(5.0, False), (0.05, True)])
async def test_how_late_an_answer_is_under_overload(value: float, expected: bool) -> None:
    async with guodu(busy_over=1, overload="delay", overload_delay_s=value, latency_s=1.0) as v:
        calls = [asyncio.ensure_future(v.send(DesMobile=f"1380013800{i}")) for i in range(2)]
        done, late = await asyncio.wait(calls, return_when="ALL_COMPLETED" if expected else "FIRST_COMPLETED")
        assert (len(done), len(late)) == ((2, 0) if expected else (1, 1))
        for call in late:
            call.cancel()
        assert (await v.account())["numbers_accepted"] == 2
