"""Every fault of vendors.md 9 (3) on the wire, and the rules that choose who gets one."""

from __future__ import annotations

import asyncio
import re
from random import Random

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import ConfigError
from loadtest.sim.requests.faults import FAULTS, Rules
from tests.loadtest.sim.sim_kit import each, numbers, vendor
from tests.waiting import patience

BODY = rb"\d{14},0\n\d{13,}"
HEAD = rb"HTTP/1\.1 200 OK\r\n"
PLAIN = rb"Content-Type: text/plain; charset=UTF-8\r\n"
UTF16 = rb"Content-Type: text/html; charset=UTF-16\r\n"
CLOSED = rb"Connection: close\r\n"


def status(code: int) -> bytes:
    return (
        rb"HTTP/1\.1 %d [\w -]+\r\nContent-Type: text/html\r\nContent-Length: 16\r\n" % code
        + CLOSED
        + rb"\r\n<html>%d</html>" % code
    )


@each(
    "fault",
    [
        ("delay", HEAD + PLAIN + rb"Content-Length: \d+\r\n" + CLOSED + rb"\r\n" + BODY),
        ("no_answer", rb""),
        ("close", rb""),
        ("half_answer", HEAD + PLAIN + rb"Content-Length: 33\r\n" + CLOSED + rb"\r\n\d{14},0"),
        ("half_rows", HEAD + PLAIN + rb"Content-Length: 33\r\n" + CLOSED + rb"\r\n\d{14},0\n"),
        ("http_302", status(302).replace(CLOSED, rb"Location: /msg/HttpBatchSendSM\r\n" + CLOSED)),
        *((f"http_{code}", status(code)) for code in (400, 404, 408, 429, 500, 502, 503, 504)),
        ("html_200", HEAD + rb"Content-Type: text/html\r\nContent-Length: \d+\r\n" + CLOSED + rb"\r\n<html>.*</html>"),
        ("empty_body", HEAD + PLAIN + rb"Content-Length: 0\r\n" + CLOSED + rb"\r\n"),
        ("wrong_charset", HEAD + UTF16 + rb"Content-Length: \d+\r\n" + CLOSED + rb"\r\n" + BODY),
        ("chunked", HEAD + PLAIN + rb"Transfer-Encoding: chunked\r\n\r\n10\r\n\d{14},0\r\n11\r\n\n\d{16}\r\n0\r\n\r\n"),
        ("http10_close", rb"HTTP/1\.0 200 OK\r\n" + PLAIN + rb"\r\n" + BODY),
        ("connection_close", HEAD + PLAIN + rb"Content-Length: 33\r\n" + CLOSED + rb"\r\n" + BODY),
        ("body_100k", HEAD + PLAIN + rb"Content-Length: 100034\r\n" + CLOSED + rb"\r\n" + BODY + rb"\n(x{99}\n){1000}"),
        ("slow_drip", HEAD + PLAIN + rb"Content-Length: 33\r\n" + CLOSED + rb"\r\n" + BODY),
    ],
)  # fmt: skip
@pytest.mark.parametrize("taken", [True, False, None])
async def test_a_fault_on_the_wire_and_in_the_ledger(value: str, expected: bytes, taken: bool | None) -> None:
    rule = {"fault": value, "taken": taken, "count": 1, "delay_s": 0.01, "hold_s": 0.05, "drip_s": 0.0001}
    is_taken = FAULTS[value][0] if taken is None else taken
    async with vendor(rule=[{k: v for k, v in rule.items() if v is not None}]) as v:
        answer = await v.raw(v.post(v.form(mobile=numbers(7))))
        if is_taken:
            assert re.fullmatch(expected, answer, re.DOTALL)
        elif b",0" in expected:
            assert b",104" in answer or value in ("half_answer", "half_rows")
        account = await v.account()
        assert account["numbers_accepted"] == (7 if is_taken else 0)
        assert sum(account["faults"].values()) == 1
        assert (await v.send()).code == "0"  # the next one is well


@each("fault", [("reset", ConnectionResetError)])
async def test_a_reset_connection(value: str, expected: type[Exception]) -> None:
    async with vendor(rule=[{"fault": value}]) as v:
        with pytest.raises(expected):
            await v.raw(v.post(v.form()))
        assert (await v.account())["numbers_accepted"] == 1


@pytest.mark.parametrize(
    "fault", ["chunked", "delay", "slow_drip", "wrong_charset", "body_100k", "http_500", "html_200"]
)
async def test_the_connection_is_kept_after_a_fault_that_is_good_http(fault: str) -> None:
    async with vendor(rule=[{"fault": fault, "count": 1, "delay_s": 0.0, "drip_s": 0.0}]) as v:
        one = v.post(v.form()).replace(b"Connection: close\r\n", b"")
        answer = await v.raw(one + v.post(v.form()))
        assert answer.count(b"HTTP/1.1 ") == 2


async def test_a_client_that_gives_up_waiting_leaves_nothing_behind() -> None:
    async with vendor(rule=[{"fault": "no_answer"}]) as v:
        with pytest.raises(asyncio.TimeoutError):
            async with v.http.post(
                f"{v.sim.url}/msg/HttpBatchSendSM", data=v.form(), timeout=aiohttp.ClientTimeout(total=0.1)
            ):
                pass
        while v.sim.state.in_work:
            await asyncio.sleep(0.01)
        assert (await v.account())["faults"] == {"no_answer": 1}


@each("keepalive_s", [(75.0, False), (0.1, True)])
async def test_an_idle_connection_is_closed_after_its_time(value: float, expected: bool) -> None:
    async with vendor(keepalive_s=value) as v:
        host, _, port = v.sim.url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(v.post(v.form()).replace(b"Connection: close\r\n", b""))
        await reader.readuntil(b"\r\n\r\n")
        if expected:
            async with patience():
                await reader.read()
            assert reader.at_eof()
        else:
            writer.write(v.post(v.form()))
            assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 1
        writer.close()


def picks(rules: Rules, times: int) -> list[bool]:
    return [rules.pick("send", "spring") is not None for _ in range(times)]


def test_a_count_and_a_skip_choose_a_run_of_requests() -> None:
    rules = Rules([{"fault": "close", "count": 2, "skip": 3}], Random(1))
    assert picks(rules, 7) == [False, False, False, True, True, False, False]


@given(st.floats(0, 1), st.integers(0, 1000))
def test_a_probability_is_drawn_from_the_seed(p: float, seed: int) -> None:
    first = picks(Rules([{"fault": "close", "p": p}], Random(seed)), 200)
    assert first == picks(Rules([{"fault": "close", "p": p}], Random(seed)), 200)
    if p in (0, 1):
        assert set(first) == {bool(p)}


def test_a_probability_hits_its_share() -> None:
    assert sum(picks(Rules([{"fault": "close", "p": 0.25}], Random(1)), 10_000)) == pytest.approx(2500, abs=150)


def test_the_first_rule_that_matches_wins() -> None:
    rules = Rules([{"code": "101", "account": "autumn"}, {"code": "102", "text": "hi"}, {"code": "103"}], Random(1))
    asked = [("autumn", "hi"), ("spring", "hi"), ("spring", "x")]
    picked = [rules.pick("send", account, None, text) for account, text in asked]
    assert [rule and rule.code for rule in picked] == ["101", "102", "103"]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"fault": "flood"}, "no fault 'flood'"),
        ({"fualt": "close"}, "no key fualt .did you mean fault."),
        ({"fault": "close", "code": "101"}, "one of fault, code or body"),
        ({}, "one of fault, code or body"),
        ({"fault": "close", "on": "receive"}, "on must be one of: any, balance, history, "),
        ({"fault": "close", "p": 2}, "p must be 1 or less"),
        ({"fault": "close", "p": "often"}, "p must be a number, not a text in quotes"),
        (["close"], "must be a table in { }, not a list in"),
    ],
)
def test_a_rule_that_cannot_be_is_explained(rule: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Rules([rule], Random(1))


async def test_a_rule_may_give_the_whole_body() -> None:
    async with vendor(rule=[{"body": "20110725160412,0\n1234567890100", "count": 1}]) as v:
        assert (await v.send()).text == "20110725160412,0\n1234567890100"
        assert (await v.account())["numbers_accepted"] == 0


async def test_a_code_may_be_answered_although_the_request_was_taken() -> None:
    async with vendor(rule=[{"code": "104", "taken": True}]) as v:
        assert (await v.send()).code == "104"
        account = await v.account()
        assert (account["numbers_accepted"], account["faults"]) == (1, {"code 104": 1})
