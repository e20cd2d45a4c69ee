"""A session with the simulated CMPP gateway: window, order of answers, timers, its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dispatcher.cmpp import pdus
from loadtest.sim.cmpp import session
from loadtest.sim.cmpp.codes_and_switches import ALL, SHARED
from tests.loadtest.sim.cmpp.cmpp_kit import NEVER, NOW, SUBMIT, ismg
from tests.loadtest.sim.sim_kit import each

SLOW = {"latency_s": 0.02, **NEVER}


@each("window", [(16, 16), (4, 4)])
async def test_the_window_of_an_sp_is_judged_on_arrival(value: int, expected: int) -> None:
    async with ismg(window=value, **SLOW) as gateway:
        sp = await gateway.sp()
        sp.send(*[SUBMIT] * value)
        await sp.answers(pdus.SubmitResp, value)
        account = await gateway.account()
        assert (account["outstanding_max"], account["violations"]) == (expected, {})
        sp.send(*[SUBMIT] * (value + 1))
        await sp.answers(pdus.SubmitResp, 2 * value + 1)
        account = await gateway.account()
        assert (account["outstanding_max"], account["violations"]) == (expected + 1, {"window": 1})


async def test_a_request_that_is_sent_again_is_no_second_one_in_the_window() -> None:
    async with ismg(window=4, dup="same_answer_again", **SLOW) as gateway:
        sp = await gateway.sp()
        for sequence in (11, 12, 13, 14, 11, 12, 13, 14):
            sp.send(SUBMIT, sequence=sequence)
        await sp.answers(pdus.SubmitResp, 8)
        account = await gateway.account()
        assert (account["outstanding_max"], account["violations"]) == (4, {"repeated_sequence": 4})


@each("window_violation", [("count_only", [0, 0, 0]), ("result8", [0, 0, 8]), ("close", None)])
async def test_a_request_over_the_window(value: str, expected: list[int] | None) -> None:
    async with ismg(window=2, window_violation=value, **NEVER) as gateway:
        sp = await gateway.sp()
        sp.send(*[SUBMIT] * 3)
        if expected is None:
            await sp.closing()
            assert value == "close"
        else:
            assert [answer.result for _, answer in await sp.answers(pdus.SubmitResp, 3)] == expected
        assert (await gateway.account())["violations"]["window"] == 1


@each(
    "answer_order",
    [
        ("in_order", [2, 3, 4, 5]),
        ("one_by_one", [2, 3, 4, 5]),
        ("reversed", [5, 4, 3, 2]),
        ("shuffled", None),
        ("burst", [2, 3, 4, 5]),
    ],
)
async def test_the_order_of_answers(value: str, expected: list[int] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "BURST_S", 100.0)
    async with ismg(window=4, **NEVER) as gateway:
        sp = await gateway.sp()
        gateway.sim.configure(answer_order=value)
        if value == "burst":
            sp.send(*[SUBMIT] * 2)
            await asyncio.sleep(0.003)
            sp.send(*[SUBMIT] * 2)
        else:
            sp.send(*[SUBMIT] * 4)
        order = [sequence for sequence, _ in await sp.answers(pdus.SubmitResp, 4)]
        assert sorted(order) == [2, 3, 4, 5]
        assert expected is None or order == expected
        if value in ("in_order", "burst"):
            assert len(sp.chunks[-1]) == 4 * 21


async def test_a_burst_does_not_wait_for_a_window_that_never_fills() -> None:
    async with ismg(answer_order="burst", **NEVER) as gateway:
        sp = await gateway.sp()
        assert (await sp.submit()).result == 0


async def test_random_latencies_mix_the_answers() -> None:
    async with ismg(latency_exp_s=0.02, **NEVER) as gateway:
        sp = await gateway.sp()
        sp.send(*[SUBMIT] * 16)
        order = [sequence for sequence, _ in await sp.answers(pdus.SubmitResp, 16)]
        assert order != sorted(order)


@each("active_from_server", [("off", False), ("on", True)])
async def test_an_idle_sp_is_asked_whether_it_is_there(value: str, expected: bool) -> None:
    async with ismg(active_from_server=value, **NEVER) as gateway:
        sp = await gateway.sp()
        gateway.sim.configure(active_interval_s=0.02, answer_timeout_s=0.02)
        if expected:
            await sp.answers(pdus.ActiveTest, 3)  # nobody answers
            await sp.closing()
            assert (await gateway.account())["violations"] == {"no_active_answer": 1}
        else:
            await asyncio.sleep(0.1)
            assert not sp.closed
            assert value == "off"


async def test_an_sp_that_answers_stays() -> None:
    async with ismg(active_from_server="on", active_interval_s=0.02) as gateway:
        sp = await gateway.sp()
        for count in (1, 2, 3):
            sequence, _ = (await sp.answers(pdus.ActiveTest, count))[-1]
            sp.writer.write(pdus.ActiveTestRespBare().pack(sequence))
        assert not sp.closed
        assert [sequence for sequence, _ in await sp.answers(pdus.ActiveTest, 3)] == [1, 2, 3]


@each("active_interval_s", [(180.0, 1.0), (10.0, 0.125)])
async def test_how_often_it_looks_at_its_timers(value: float, expected: float) -> None:
    async with ismg(active_interval_s=value, answer_timeout_s=80.0, clock_scale=10.0) as gateway:
        assert gateway.sim._tick_s() == expected
        assert value == gateway.sim.gateway.switches.active_interval_s


@each("answer_timeout_s", [(60.0, 1), (5.0, 2)])
async def test_how_long_it_waits_before_it_sends_again(value: float, expected: int) -> None:
    async with ismg(answer_timeout_s=value, **NOW) as gateway:
        sp = await gateway.sp(result=None)
        await sp.submit()
        [connection] = gateway.sim.gateway.sessions
        connection.tick(connection.heard_s + 10, 180.0, value, 3)
        if expected > 1:
            await sp.answers(pdus.Deliver, expected)
        await sp.ask(pdus.ActiveTest(), pdus.ActiveTestResp)
        assert len(await sp.answers(pdus.Deliver)) == expected


@each("attempts", [(3, 3), (1, 1)])
async def test_how_often_it_sends_one_request(value: int, expected: int) -> None:
    async with ismg(attempts=value, deliver_rounds=1, **NOW) as gateway:
        sp = await gateway.sp(result=None)
        gateway.sim.configure(answer_timeout_s=0.02)
        await sp.submit()
        await gateway.figure("reports_given_up", 1)
        assert len(await sp.answers(pdus.Deliver, value)) == expected


@each("active_resp_len", [(13, pdus.ActiveTestResp), (12, pdus.ActiveTestRespBare)])
async def test_the_length_of_the_answer_to_an_active_test(value: int, expected: type[Any]) -> None:
    async with ismg(active_resp_len=value) as gateway:
        sp = await gateway.sp()
        await sp.ask(pdus.ActiveTest(), expected)
        assert len(sp.chunks[-1]) == value


@each(
    "no_answer",
    [
        ("off", [pdus.SubmitResp, pdus.ActiveTestResp, pdus.CancelResp]),
        ("submit_only", [pdus.ActiveTestResp, pdus.CancelResp]),
        ("active_only", [pdus.SubmitResp, pdus.CancelResp]),
        ("all", []),
    ],
)
async def test_what_it_does_not_answer(value: str, expected: list[type[Any]]) -> None:
    async with ismg(no_answer=value, **NEVER) as gateway:
        sp = await gateway.sp()
        sp.send(SUBMIT, pdus.ActiveTest(), pdus.Cancel(1))
        await gateway.figure("numbers_accepted", 1)
        gateway.sim.configure(no_answer="off")
        await sp.ask(pdus.Query(b"20260131"), pdus.QueryResp)
        assert [type(pdu) for _, pdu in sp.got[1:-1]] == expected
        assert value == "off" or len(expected) < 3


@each("sequence_start", [(0, 0), (1, 1), (0x7FFFFFFF, 0x7FFFFFFF), (0xFFFFFFF0, 0xFFFFFFF0), ("random", None)])
async def test_the_first_sequence_id_of_its_own(value: int | str, expected: int | None) -> None:
    async with ismg(sequence_start=value, **NOW) as gateway:
        sp = await gateway.sp()
        sp.send(*[SUBMIT] * 16)
        sequences = [sequence for sequence, _ in await sp.answers(pdus.Deliver, 16)]
        first = sequences[0] if expected is None else expected
        assert sequences == [(first + place) & 0xFFFFFFFF for place in range(16)]
        assert value != "random" or first > 100


@each("unknown_cmd", [("ignore", False), ("close", True)])
async def test_a_command_that_it_does_not_know(value: str, expected: bool) -> None:
    async with ismg(unknown_cmd=value) as gateway:
        sp = await gateway.sp()
        sp.writer.write(bytes.fromhex("0000000c0000000a00000001") + pdus.Fwd().pack(2))
        if expected:
            await sp.closing()
        else:
            await sp.ask(pdus.ActiveTest(), pdus.ActiveTestResp)
        assert (await gateway.account())["violations"] == {"unknown_command": 1 if expected else 2}
        assert value == gateway.sim.gateway.switches.unknown_cmd


@each(
    "terminate",
    [
        ("after_pending_answers", ([pdus.SubmitResp, pdus.TerminateResp], "closed")),
        ("immediately", ([pdus.TerminateResp], "closed")),
        ("without_closing_tcp", ([pdus.SubmitResp, pdus.TerminateResp], "open")),
        ("close_without_terminate", ([], "closed")),
        ("RST", ([], "reset")),
    ],
)
async def test_a_session_that_the_sp_ends(value: str, expected: tuple[list[type[Any]], str]) -> None:
    async with ismg(terminate=value, latency_s=0.02, **NEVER) as gateway:
        sp = await gateway.sp()
        sp.send(SUBMIT, pdus.Terminate())
        answers, end = expected
        if end == "open":
            await sp.answers(pdus.TerminateResp)
            assert not sp.closed
        else:
            await sp.closing()
        assert [type(pdu) for _, pdu in sp.got[1:]] == answers
        assert sp.reset == (end == "reset")
        assert (await gateway.account())["connections"] == 0
        assert value == gateway.sim.gateway.switches.terminate


@each(
    "terminate",
    [
        ("after_pending_answers", [pdus.SubmitResp, pdus.Terminate]),
        ("immediately", [pdus.Terminate]),
        ("without_closing_tcp", [pdus.SubmitResp, pdus.Terminate]),
        ("close_without_terminate", []),
        ("RST", []),
    ],
)
async def test_a_session_that_the_gateway_ends(value: str, expected: list[type[Any]]) -> None:
    async with ismg(terminate=value, **NEVER) as gateway:
        sp = await gateway.sp()
        gateway.sim.configure(latency_s=5.0)
        sp.send(SUBMIT)
        await gateway.figure("numbers_accepted", 1)
        assert gateway.sim.control.terminate(gateway.sim.gateway.accounts["spring"]) == 1
        if expected:
            [(sequence, _)] = await sp.answers(pdus.Terminate)
            sp.writer.write(pdus.TerminateResp().pack(sequence))
        if value != "without_closing_tcp":
            await sp.closing()
        assert [type(pdu) for _, pdu in sp.got[1:]] == expected
        assert (await gateway.account())["connections"] == 0


async def test_what_is_behind_a_terminate_does_not_count() -> None:
    async with ismg(**NEVER) as gateway:
        sp = await gateway.sp()
        sp.send(SUBMIT, pdus.Terminate(), SUBMIT)
        await sp.closing()
        assert [type(pdu) for _, pdu in sp.got[1:]] == [pdus.SubmitResp, pdus.TerminateResp]
        assert (await gateway.account())["numbers"] == 1


async def test_what_was_answered_before_a_connection_is_closed_is_written() -> None:
    async with ismg(window=2, window_violation="close", **NEVER) as gateway:
        sp = await gateway.sp()
        sp.send(*[SUBMIT] * 3)
        await sp.closing()
        assert [type(pdu) for _, pdu in sp.got[1:]] == [pdus.SubmitResp] * 2
        assert (await gateway.account())["numbers_accepted"] == 2


async def test_an_answer_to_nothing_is_counted() -> None:
    async with ismg() as gateway:
        sp = await gateway.sp()
        sp.writer.write(pdus.DeliverResp(1, 0).pack(99) + pdus.ActiveTestResp().pack(98) + pdus.SubmitResp().pack(1))
        await sp.ask(pdus.ActiveTest(), pdus.ActiveTestResp)
        assert (await gateway.account())["violations"] == {"unexpected_answer": 3}


def test_the_switches_that_it_shares_are_those_of_all_vendors() -> None:
    assert {switch.name for switch in ALL if switch.name in SHARED} == set(SHARED)
