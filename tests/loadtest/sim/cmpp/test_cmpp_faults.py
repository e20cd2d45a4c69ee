"""Faults of the simulated CMPP gateway, on the wire and in the ledger."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import Malformed
from dispatcher.errors import ConfigError
from loadtest.sim.cmpp.faults import rule
from tests.loadtest.sim.cmpp.cmpp_kit import NEVER, SUBMIT, ismg, submit
from tests.loadtest.sim.sim_kit import each

ANSWER = pdus.SubmitResp


@each(
    "fault",
    [
        ("delay", [ANSWER]),
        ("no_answer", []),
        ("close", "closed"),
        ("reset", "reset"),
        ("half_answer", "closed"),
        ("byte_by_byte", [ANSWER]),
        ("coalesced", [pdus.ActiveTest, ANSWER, pdus.ActiveTest]),
        ("length_0", 0),
        ("length_11", 11),
        ("length_12_garbage", 0xDEADBEEF),
        ("length_4097", 4097),
        ("length_7fffffff", 0x7FFFFFFF),
        ("length_ffffffff", 0xFFFFFFFF),
        ("unknown_command", [Malformed, ANSWER]),
        ("wrong_body", [Malformed]),
        ("out_of_order", [pdus.ActiveTestResp, ANSWER]),
        ("duplicate_answer", [ANSWER, ANSWER]),
        ("unknown_sequence", [ANSWER, ANSWER]),
        ("half_open", None),
        ("deliver_flood", [pdus.Deliver] * 1000 + [ANSWER]),
    ],
)
async def test_a_fault_on_the_wire_and_in_the_ledger(value: str, expected: Any) -> None:
    async with ismg(**NEVER) as gateway:
        sp = await gateway.sp(result=None)
        gateway.sim.configure(
            rule=[{"fault": value, "count": 1, "delay_s": 0.02 if value == "delay" else 100.0, "drip_s": 0.0005}]
        )
        sp.send(SUBMIT)
        match expected:
            case "closed" | "reset":
                await sp.closing()
                assert (sp.got[1:], sp.reset) == ([], expected == "reset")
                assert sum(map(len, sp.chunks[1:])) == (10 if value == "half_answer" else 0)
            case int():
                await sp.until(lambda: sp.broken)
                assert sp.broken is not None
                assert f"Total_Length {expected} " in sp.broken.reason
            case None:
                await gateway.figure("faults", {"half_open": 1})
                sp.send(pdus.ActiveTest())
                await asyncio.sleep(0.02)
                assert len(sp.got) == 1
            case _:
                if value in ("no_answer", "out_of_order"):
                    await gateway.figure("numbers_accepted", 1)
                if value == "delay":
                    await sp.answers(ANSWER)
                if value != "byte_by_byte":
                    sp.send(pdus.ActiveTest())
                    await sp.answers(pdus.ActiveTestResp)
                await sp.until(lambda: len(sp.got) >= 1 + len(expected))
                came = [type(pdu) for _, pdu in sp.got[1:]]
                if value not in ("byte_by_byte", "out_of_order"):
                    came.remove(pdus.ActiveTestResp)
                assert came == expected
        account = await gateway.account()
        assert account["faults"] == {value: 1}
        assert account["numbers_accepted"] == (0 if value == "half_open" else 1)


async def test_the_answer_to_a_sequence_that_never_was_comes_first() -> None:
    async with ismg(**NEVER) as gateway:
        sp = await gateway.sp()
        gateway.sim.configure(rule=[{"fault": "unknown_sequence", "count": 1}])
        sequence = sp.send(SUBMIT)
        assert [got for got, _ in await sp.answers(ANSWER, 2)] == [sequence ^ 0x80000000, sequence]


async def test_a_connection_whose_login_is_never_answered() -> None:
    async with ismg() as gateway:
        gateway.sim.configure(rule=[{"fault": "no_answer", "on": "connect", "count": 1}])
        sp = await gateway.connect()
        sp.send(pdus.Connect())
        sp.send(pdus.Connect())
        await sp.answers(pdus.ConnectResp)
        assert gateway.sim.totals()["strangers"]["no_answer"] == 1


@pytest.mark.parametrize(
    ("on", "request_", "answer"),
    [
        ("query", pdus.Query(b"20260131"), pdus.QueryResp),
        ("cancel", pdus.Cancel(1), pdus.CancelResp),
        ("active", pdus.ActiveTest(), pdus.ActiveTestResp),
    ],
)
async def test_a_fault_of_another_request(on: str, request_: Any, answer: type[Any]) -> None:
    async with ismg() as gateway:
        sp = await gateway.sp()
        gateway.sim.configure(rule=[{"fault": "duplicate_answer", "on": on, "account": "spring"}])
        sp.send(request_)
        await sp.answers(answer, 2)
        assert (await gateway.account())["faults"] == {"duplicate_answer": 1}


async def test_a_fault_without_the_message() -> None:
    async with ismg(**NEVER) as gateway:
        sp = await gateway.sp()
        gateway.sim.configure(rule=[{"fault": "close", "taken": False}])
        sp.send(submit())
        await sp.closing()
        assert (await gateway.account())["numbers_accepted"] == 0


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({}, "give one of fault and code"),
        ({"fault": "close", "code": 1}, "give one of fault and code"),
        ({"fault": "fire"}, "no fault 'fire'"),
        ({"code": 256}, "code must be 255 or less"),
        ({"code": 1, "on": "deliver"}, "on must be one of: active, any, cancel"),
        ({"code": 1, "p": 2.0}, "p must be 1 or less"),
        ({"code": 1, "colour": "red"}, "there is no key colour"),
    ],
)
def test_a_rule_that_cannot_be(table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        rule(table)
