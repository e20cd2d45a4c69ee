"""What COSMS pushes: reports with one value each, and messages, by GET (vendors.md 1.12, 8.1)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from loadtest.sim.requests.faults import FAULTS
from tests.loadtest.sim.cosms.cosms_kit import SEND, code, cosms, mt_ids
from tests.loadtest.sim.sim_kit import NOW, Push, Receiver, each, numbers, receiver
from tests.waiting import until

STAMP = {"clock_start": "2026-01-31T12:34:56", "clock_scale": 0.001}


def taking(r: Receiver) -> dict[str, Any]:
    r.say = lambda n: b"100"
    return {"report_url": r.url, "inbound_url": r.url}


def ids(push: Push) -> list[str]:
    return push.fields["mtID"].split(",")


def text(push: Push) -> str:
    """The message's text, by its own format."""
    found = re.search("(?:^|&)msg=([^&]*)", push.query)
    assert found
    raw = unquote_to_bytes(found[1])
    match push.fields["msgFormat"]:
        case "0" | "1":
            return raw.decode("gbk")
        case "2":
            return raw.decode()
        case _:
            return bytes.fromhex(raw.decode()).decode("utf-16-be")


@each("push_ids", [(100, 100), (1, 1), (2, 2)])
async def test_the_ids_of_a_report_push(value: int, expected: int) -> None:
    async with receiver() as r, cosms(taking(r), push_ids=value, status_mix={"0": 1}, push="off", **NOW) as v:
        sent = mt_ids(await v.send(Mobs=numbers(200)))
        await v.due(200)
        v.sim.configure(push="on")
        await until(lambda: v.sim.state.reports.waiting == 0)
        assert [len(ids(push)) for push in r.pushes] == [expected] * (200 // expected)
        assert sorted(mt_id for push in r.pushes for mt_id in ids(push)) == sent
        assert {(push.method, push.fields["mtReport"], push.body) for push in r.pushes} == {("GET", "0", b"")}
        account = await v.account()
        assert (account["reports_acked"], account["pushes"]) == (200, 200 // expected)


async def test_all_reports_of_a_push_have_one_value_and_it_is_theirs() -> None:
    mix = {"0": 3, "1": 1, "255": 1, "MK:0001": 1}
    async with receiver() as r, cosms(taking(r), status_mix=mix, mtid_order="scattered", **NOW) as v:
        for i in range(3):
            await v.send(Mobs=numbers(500, 13_800_000_000 + 500 * i))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 1500)
        told = v.sim.rows()
        assert {mt_id: push.fields["mtReport"] for push in r.pushes for mt_id in ids(push)} == dict(
            zip(told["msgid"], told["status"], strict=True)
        )
        assert sum(len(ids(push)) for push in r.pushes) == 1500


@each("push_comma", [("raw", ","), ("encoded", "%2C")])
async def test_the_comma_between_ids(value: str, expected: str) -> None:
    async with receiver() as r, cosms(taking(r), push_comma=value, status_mix={"0": 1}, push="off", **NOW) as v:
        await v.send(Mobs=numbers(3))
        await v.due(3)
        v.sim.configure(push="on")
        [push] = await r.have(1)
        assert re.fullmatch(rf"mtID=\d{{17}}({expected}\d{{17}}){{2}}&mtReport=0", push.query)


@pytest.mark.parametrize(
    ("status", "body", "taken"),
    [
        (200, b"100", True),
        (200, b" 100 \r\n", True),
        (200, b"", False),
        (200, b"100 OK", False),
        (200, b"0100", False),
        (200, b"200", False),
        (500, b"100", False),
        (204, b"", False),
    ],
)
async def test_only_the_body_100_takes_a_push(status: int, body: bytes, taken: bool) -> None:
    async with receiver() as r, cosms(taking(r), push_attempts_max=1, push_backoff_s=0.0, **NOW) as v:
        r.say, r.answer = lambda n: body, lambda n: status
        await v.send()
        book = v.sim.state.ledger.books["spring"]
        await until(lambda: book.reports_acked + book.reports_given_up == 1)
        assert (book.reports_acked, len(r.pushes)) == ((1, 1) if taken else (0, 4))


@each("push_retry", [("3_times", 4), ("forever", 30)])
async def test_how_often_a_push_is_repeated(value: str, expected: int) -> None:
    async with receiver() as r, cosms(taking(r), push_retry=value, push_backoff_s=0.0001, **NOW) as v:
        r.say = lambda n: b"200" if n <= 60 else b"100"
        [mt_id] = mt_ids(await v.send())
        if value == "forever":
            await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 1)
            assert {push.fields["mtID"] for push in r.pushes} == {mt_id}
            assert len(r.pushes) >= expected
        else:
            await until(lambda: v.sim.state.ledger.books["spring"].reports_given_up == 1)
            assert len(r.pushes) == expected
            await v.sim.control.push_inbound({"account": "spring", "msg": "TD"})
            await until(lambda: v.sim.state.reports.insisting == 0)
            assert [push.fields["msg"] for push in r.pushes[4:]] == ["TD"] * expected


async def test_what_comes_again_comes_after_growing_pauses_that_stay_bearable() -> None:
    from loadtest.sim.common_switches import COMMON
    from loadtest.sim.cosms.codes_and_switches import SWITCHES
    from loadtest.sim.reports.retry import Retry
    from loadtest.sim.switches import Switches

    switches = Switches((*COMMON, *SWITCHES), {"push_retry": "forever", "clock_scale": 2.0})
    retry = Retry.of(switches)
    assert [retry.after_s(n) for n in (0, 1, 2, 6, 7, 100)] == [0.5, 1.0, 2.0, 32.0, 32.0, 32.0]
    switches.update({"push_retry": "3_times"})
    assert Retry.of(switches).attempts_max == 4


async def test_duplicates_strays_and_losses_of_pushes() -> None:
    fates = {"report_duplicates": 0.5, "report_loss": 0.2, "report_unknown_ids": 1.0}
    async with receiver() as r, cosms(taking(r), push_connections=1, **fates, **NOW) as v:
        sent = set(mt_ids(await v.send(Mobs=numbers(1000))))
        book = v.sim.state.ledger.books["spring"]
        await until(lambda: book.reports_due + book.reports_lost == 1000 and v.sim.state.reports.waiting == 0)
        await r.have(2 * book.pushes)
        got = [mt_id for push in r.pushes for mt_id in ids(push)]
        known = [mt_id for mt_id in got if mt_id in sent]
        assert len(got) - len(known) == book.reports_stray == book.pushes
        assert len(known) == book.reports_due + book.reports_duplicates
        assert len(set(known)) == book.reports_due == book.reports_acked


async def test_reports_can_be_pushed_before_the_answer() -> None:
    async with receiver() as r, cosms(taking(r), report_early=1.0, report_early_hold_s=15.0) as v:
        sent = mt_ids(await v.send(Mobs=numbers(200)))
        assert sorted(mt_id for push in r.pushes for mt_id in ids(push)) == sent


async def test_made_up_reports() -> None:
    async with receiver() as r, cosms(taking(r)) as v:
        control = v.sim.control
        assert await control.push_report({"account": "spring", "mtID": "1", "mtReport": "255"}) == 200
        assert await control.push_report({"account": "spring", "mtID": ["1", "2"], "mtReport": None}) == 200
        assert await control.push_report({"account": "spring", "query": "mtID=&MTREPORT=0"}) == 200
        assert [push.query for push in r.pushes] == ["mtID=1&mtReport=255", "mtID=1,2", "mtID=&MTREPORT=0"]


# messages


@each("mo_push_format", [(1, "1"), (0, "0"), (2, "2"), (3, "3")])
@pytest.mark.parametrize("said", ["a,b", "line\r\nline", "100% & 1+1=2", "", "短信", "好😀"])
async def test_a_pushed_message_keeps_every_character(value: int, expected: str, said: str) -> None:
    async with receiver() as r, cosms(taking(r), mo_push_format=value, **STAMP) as v:
        assert await v.sim.control.push_inbound({"account": "spring", "msg": said, "to": "77"}) == [200]
        [push] = r.pushes
        assert text(push) == said
        assert push.fields["msgFormat"] == ("3" if "😀" in said and value < 2 else expected)
        assert list(push.fields) == ["msgFormat", "moID", "moTime", "mobs", "destID", "msg"]
        shown = {name: push.fields[name] for name in ("moID", "moTime", "mobs", "destID")}
        assert shown == {"moID": "1001", "moTime": "20260131123456", "mobs": "13800138000", "destID": "1065500077"}


@each("mo_push_text", [("single", "%B6%CC%2C%2B"), ("double", "%25B6%25CC%252C%252B")])
async def test_how_often_a_pushed_text_is_escaped(value: str, expected: str) -> None:
    async with receiver() as r, cosms(taking(r), mo_push_text=value) as v:
        await v.sim.control.push_inbound({"account": "spring", "msg": "短,+"})
        assert r.pushes[0].query.endswith(f"&msg={expected}")
        await v.sim.control.push_inbound({"account": "spring", "msg": "短,+", "msgFormat": 2})
        assert r.pushes[1].query.endswith("&msg=%E7%9F%AD%2C%2B")
        await v.sim.control.push_inbound({"account": "spring", "msg": "短,+", "msgFormat": 0})
        assert r.pushes[2].query.startswith("msgFormat=0&")
        assert r.pushes[2].query.endswith("&msg=%B6%CC%2C%2B")


async def test_the_documents_message() -> None:
    async with receiver() as r, cosms(taking(r), number="555500443100") as v:
        message = {"moID": "12345", "time": "20050921221015", "mobile": "13812345678", "msg": "testMSG"}
        await v.sim.control.push_inbound({"account": "spring"} | message)
        assert r.pushes[0].query == (
            "msgFormat=1&moID=12345&moTime=20050921221015&mobs=13812345678&destID=555500443100&msg=testMSG"
        )


async def test_several_messages_and_odd_ones() -> None:
    async with receiver() as r, cosms(taking(r)) as v:
        control = v.sim.control
        assert await control.push_inbound({"account": "spring", "messages": [{"msg": "a"}, {"msg": "b"}]}) == [200] * 2
        assert await control.push_inbound({"account": "spring", "msg": "c", "moID": None, "time": None}) == [200]
        assert await control.push_inbound({"account": "spring", "query": "moID=1&Msg=x"}) == [200]
        assert [push.fields.get("moID") for push in r.pushes] == ["1001", "1002", None, "1"]
        assert "moTime" not in r.pushes[2].fields
        account = await v.account()
        assert (account["inbound_pushed"], account["inbound_acked"]) == (4, 4)


# faults of vendors.md 9 (3) on putMt

EXPECTED = {
    "delay": rb"HTTP/1\.1 200 OK\r\n.*\r\n\r\nBODY",
    "no_answer": rb"",
    "close": rb"",
    "half_answer": rb"HTTP/1\.1 200 OK\r\n.*\r\n\r\n100\n0,.+",
    "half_rows": rb"HTTP/1\.1 200 OK\r\n.*\r\n\r\n100\n(0,\d+\n){3}",
    "html_200": rb"HTTP/1\.1 200 OK\r\nContent-Type: text/html\r\n.*<html>.*</html>",
    "empty_body": rb"HTTP/1\.1 200 OK\r\n.*Content-Length: 0\r\n.*\r\n\r\n",
    "wrong_charset": rb"HTTP/1\.1 200 OK\r\nContent-Type: text/html; charset=UTF-16\r\n.*\r\n\r\nBODY",
    "chunked": rb"HTTP/1\.1 200 OK\r\n.*Transfer-Encoding: chunked\r\n\r\n.*\r\n0\r\n\r\n",
    "http10_close": rb"HTTP/1\.0 200 OK\r\n.*\r\n\r\nBODY",
    "connection_close": rb"HTTP/1\.1 200 OK\r\n.*Connection: close\r\n\r\nBODY",
    "body_100k": rb"HTTP/1\.1 200 OK\r\n.*\r\n\r\nBODY\n(x{99}\n){1000}",
    "slow_drip": rb"HTTP/1\.1 200 OK\r\n.*\r\n\r\nBODY",
}
BODY = rb"100\n(0,\d{17}\n){7}"


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "reset"])
async def test_a_fault_on_the_wire_and_in_the_ledger(fault: str) -> None:
    rule = {"fault": fault, "count": 1, "delay_s": 0.01, "hold_s": 0.05, "drip_s": 0.0001}
    async with cosms(rule=[rule]) as v:
        answer = await v.raw(v.post(v.form(Mobs=numbers(7)), path=SEND))
        status = re.escape(f"HTTP/1.1 {fault[5:]} ").encode() + rb".*"
        assert re.fullmatch(EXPECTED.get(fault, status).replace(b"BODY", BODY), answer, re.DOTALL)
        account = await v.account()
        assert account["numbers_accepted"] == (7 if FAULTS[fault][0] else 0)
        assert account["faults"] == {fault: 1}
        assert code(await v.send(Mobs=numbers(2), msg="again")) == "100"


async def test_a_fault_may_leave_the_request_untaken() -> None:
    async with cosms(rule=[{"fault": "delay", "delay_s": 0.0, "taken": False}, {"fault": "reset"}]) as v:
        assert code(await v.send(Mobs=numbers(5))) == "501"
        assert (await v.account())["numbers_accepted"] == 0


async def test_any_body_can_be_answered() -> None:
    body = "100\n0,1\n0,2\n0,3\n"
    async with cosms(rule=[{"body": body, "taken": True}]) as v:
        answer = await v.send(Mobs=numbers(2))
        assert answer.text == body  # more rows than numbers
        assert (await v.account())["numbers_accepted"] == 2
