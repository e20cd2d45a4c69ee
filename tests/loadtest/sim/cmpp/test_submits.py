"""SUBMIT, QUERY and CANCEL at the simulated CMPP gateway: every Result, the flow limit, repetition, statistics."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.message_ids import parts_of
from loadtest.sim.cmpp import ledger
from loadtest.sim.cmpp.faults import Rules
from loadtest.sim.cmpp.ledger import Ledger
from tests.loadtest.sim.cmpp.cmpp_kit import NEVER, NOW, SUBMIT, ismg, submit
from tests.loadtest.sim.sim_kit import each

TWO = (b"13800138000", b"13900139000")
LIMITED = {"flow": {"limit": 1, "per_s": 1000, "unit": "messages"}, "services": ["SVC"], "service_code": "10690001"}


@each(
    "code",
    [
        ("0", {}),
        ("1", {"dest_terminal_ids": ()}),
        ("2", None),
        ("3", None),
        ("4", None),
        ("5", {"fee_user_type": 3}),
        ("6", {"msg_content": b"x" * 160}),
        ("7", {"service_id": b"OTHER"}),
        ("8", None),
        ("9", {"src_id": b"10086"}),
    ],
)
async def test_every_result_has_a_cause(value: str, expected: dict[str, Any] | None) -> None:
    async with ismg(LIMITED, fee_check="on") as gateway:
        sp = await gateway.sp()
        match value:
            case "2":
                gateway.sim.configure(rule=[{"code": 2}])
            case "3" | "8":
                assert (await sp.submit()).result == 0
                sp.sequence -= value == "3"
                sp.got.clear()
            case "4":
                sp.writer.write(bytes.fromhex("0000000d000000040000000200"))
        if value == "4":
            [(_, answer)] = await sp.answers(pdus.SubmitResp)
        else:
            answer = await sp.submit(**(expected or {}))
        assert answer.result == int(value)
        assert (answer.msg_id > 0) == (value == "0")
        account = await gateway.account()
        assert account["results"][value] == 1
        assert account["numbers_accepted"] == (1 if value in "038" else 0)


async def test_a_rule_answers_any_code_by_number_or_text() -> None:
    async with ismg() as gateway:
        gateway.sim.configure(
            rule=[{"code": 77, "number": "13800138000"}, {"code": 78, "text": "退订"}, {"code": 0, "taken": True}]
        )
        sp = await gateway.sp()
        assert (await sp.submit()).result == 77
        other = {"dest_terminal_ids": (b"13900139000",)}
        assert (await sp.submit(**other, msg_fmt=8, msg_content="退订".encode("utf-16-be"))).result == 78
        assert (await sp.submit(**other)).result == 0
        assert (await gateway.account())["faults"] == {"code 77": 1, "code 78": 1, "code 0": 1}


@each("enforce", [("8", [0, 0, 8]), ("off", [0, 0, 0])])
async def test_the_flow_limit_is_judged_on_arrival(value: str, expected: list[int]) -> None:
    flow = {"limit": 2, "per_s": 1000, "unit": "messages"}
    async with ismg({"flow": flow}, enforce=value) as gateway:
        sp = await gateway.sp()
        sp.send(*[SUBMIT] * 3)
        assert [answer.result for _, answer in await sp.answers(pdus.SubmitResp, 3)] == expected
        account = await gateway.account()
        assert (account["windows_over_limit"], account["window_max"]) == (1, 3)


@pytest.mark.parametrize(("unit", "results"), [("messages", [0, 8]), ("requests", [0, 0])])
async def test_what_the_flow_limit_counts(unit: str, results: list[int]) -> None:
    flow = {"limit": 2, "per_s": 1000, "unit": unit}
    async with ismg({"flow": flow}) as gateway:
        sp = await gateway.sp()
        group = {"registered_delivery": 0, "dest_terminal_ids": TWO}
        assert [(await sp.submit(**group)).result for _ in results] == results


@each("msgid", [("spec", 0), ("random", 0), ("zero_time", 0), ("repeated", 1)])
async def test_the_ids_that_are_given(value: str, expected: int) -> None:
    async with ismg(msgid=value, clock_start="2026-11-05T14:29:42") as gateway:
        sp = await gateway.sp()
        first, second = (await sp.submit()).msg_id, (await sp.submit()).msg_id
        assert (first == second) == expected
        if value != "random":
            assert parts_of(first)[:4] == ((0, 0, 0, 0) if value == "zero_time" else (11, 5, 14, 29))
            assert parts_of(first).gateway == 1001
        if value in ("spec", "repeated"):
            assert first > 1 << 63
        assert gateway.sim.rows()["msg_id"].to_list() == [f"{first:016X}", f"{second:016X}"]


async def test_more_than_65536_ids_of_a_second_are_all_different() -> None:
    async with ismg(clock_start="2026-11-05T14:29:42") as gateway:
        local = gateway.sim.gateway.clock.local()
        made = {gateway.sim.gateway.ids.next("spec", local) for _ in range(140_000)}
        assert len(made) == 140_000


@each("dup", [("result3", (3, 1)), ("same_answer_again", (0, 1)), ("new_msg_id", (0, 2))])
async def test_a_sequence_id_that_comes_again(value: str, expected: tuple[int, int]) -> None:
    async with ismg(dup=value) as gateway:
        sp = await gateway.sp()
        sp.send(SUBMIT, sequence=7)
        sp.send(SUBMIT, sequence=7)
        (_, first), (_, second) = await sp.answers(pdus.SubmitResp, 2)
        assert (second.result, len({first.msg_id, second.msg_id} - {0})) == expected
        account = await gateway.account()
        assert account["numbers_accepted"] == (2 if value == "new_msg_id" else 1)
        assert account["double_texts"] == (1 if value == "new_msg_id" else 0)
        assert account["violations"] == {"repeated_sequence": 1}


@each("max_dest", [(99, [0, 1, 1]), (100, [0, 0, 1])])
async def test_the_most_numbers_of_a_submit(value: int, expected: list[int]) -> None:
    async with ismg(max_dest=value) as gateway:
        sp = await gateway.sp()
        results = []
        for count in (99, 100, 101):
            numbers = tuple(b"%d" % (13_800_000_000 + place) for place in range(count))
            results.append((await sp.submit(registered_delivery=0, dest_terminal_ids=numbers)).result)
        assert results == expected
        assert (await gateway.account())["numbers_accepted"] == {99: 99, 100: 199}[value]


@each("group_with_report", [("reject", (1, [])), ("per_dest_reports", (0, [*TWO])), ("first_only", (0, [TWO[0]]))])
async def test_a_group_that_wants_reports(value: str, expected: tuple[int, list[bytes]]) -> None:
    async with ismg(group_with_report=value, **NOW) as gateway:
        sp = await gateway.sp()
        answer = await sp.submit(dest_terminal_ids=TWO)
        assert answer.result == expected[0]
        reports = await sp.answers(pdus.Deliver, len(expected[1]))
        assert [report.src_terminal_id for _, report in reports] == expected[1]
        assert {report.msg_content[:8] for _, report in reports} <= {answer.msg_id.to_bytes(8, "big")}
        assert len({report.msg_id for _, report in reports}) == len(reports)


@each("ascii_max", [(159, [0, 6, 6]), (160, [0, 0, 6])])
async def test_the_longest_ascii_text(value: int, expected: list[int]) -> None:
    async with ismg(ascii_max=value) as gateway:
        sp = await gateway.sp()
        assert [(await sp.submit(msg_content=b"x" * n)).result for n in (159, 160, 161)] == expected
        assert (await sp.submit(msg_content=b"x" * 141, tp_udhi=1)).result == 6
        assert [(await sp.submit(msg_content=bytes(n), msg_fmt=8)).result for n in (140, 142)] == [0, 6]
        assert value == gateway.sim.gateway.switches.ascii_max


@each("fee_check", [("off", [0, 0, 0, 0, 0]), ("on", [0, 5, 5, 5, 5])])
async def test_the_fee_fields(value: str, expected: list[int]) -> None:
    async with ismg(fee_check=value) as gateway:
        sp = await gateway.sp()
        fields: list[dict[str, Any]] = [
            {},
            {"fee_type": b"09"},
            {"fee_code": b"free"},
            {"fee_user_type": 2, "fee_terminal_id": b"13800138000"},
            {"fee_user_type": 4},
        ]
        assert [(await sp.submit(**each)).result for each in fields] == expected


@each("pk_zero", [("result1", [1, 1, 1]), ("accept", [0, 0, 1])])
async def test_parts_numbered_zero(value: str, expected: list[int]) -> None:
    async with ismg(pk_zero=value) as gateway:
        sp = await gateway.sp()
        parts = [(0, 0), (1, 0), (2, 3)]
        assert [(await sp.submit(pk_total=t, pk_number=n)).result for t, n in parts] == expected


@pytest.mark.parametrize(("time", "result"), [(b"", 0), (b"260131235959032+", 0), (b"2601312359590", 1)])
async def test_times_have_16_characters(time: bytes, result: int) -> None:
    async with ismg() as gateway:
        sp = await gateway.sp()
        assert (await sp.submit(at_time=time)).result == result
        assert (await sp.submit(valid_time=time)).result == result


async def test_a_record_for_billing_alone_reaches_no_phone() -> None:
    async with ismg(**NOW) as gateway:
        sp = await gateway.sp()
        assert (await sp.submit(registered_delivery=2)).result == 0
        account = await gateway.account()
        assert (account["numbers_accepted"], account["statuses"], account["reports_due"]) == (1, {}, 0)


async def test_the_ledger_has_a_row_for_every_number_and_counts_whole_messages_and_their_doubles() -> None:
    async with ismg(**NEVER) as gateway:
        sp = await gateway.sp()
        for reference in (b"\x01", b"\x02"):  # the same long text twice: its references differ
            for part in (1, 2):
                content = b"\x05\x00\x03" + reference + bytes((2, part)) + b"text"
                await sp.submit(tp_udhi=1, pk_total=2, pk_number=part, msg_content=content)
        await sp.submit(dest_terminal_ids=(b"+8613800138000",), msg_content=b"another")
        await sp.submit(dest_terminal_ids=(b"10086",), msg_src=b"000000")
        account = await gateway.account()
        assert (account["numbers"], account["numbers_accepted"], account["double_texts"]) == (6, 3, 1)
        rows = gateway.sim.rows()
        assert rows["number"].to_list() == [*["13800138000"] * 5, "10086"]
        assert rows["result"].to_list() == [0, 0, 0, 0, 0, 9]
        assert rows["part"].to_list() == [1, 2, 1, 2, 1, 1]
        assert rows["text"].to_list() == [*["text"] * 4, "another", "hello"]


PARTS = [  # the statuses of the parts of a message, in the order of parts: status, others that failed, is it due, lost
    (["DELIVRD", "DELIVRD"], ("DELIVRD", [], True, False)),
    (["DELIVRD", "UNDELIV"], ("UNDELIV", [], True, False)),
    (["EXPIRED", "UNDELIV"], ("EXPIRED", ["UNDELIV"], True, False)),
    (["DELIVRD", ""], ("DELIVRD", [], False, True)),
    (["UNDELIV", ""], ("UNDELIV", [], True, False)),
]
"""A part without a status has lost its report."""


@pytest.mark.parametrize(("statuses", "expected"), PARTS)
def test_the_parts_of_a_message_are_one_row_of_the_recipients(statuses: list[str], expected: Any) -> None:
    book = Ledger()
    for part in (2, 1):  # in any order, between those of another message to the same number
        for reference, status in ((7, statuses[part - 1]), (8, "DELIVRD")):
            content = bytes((5, 0, 3, reference, 2, part)) + f"{reference}{part}".encode()
            text = book.text_index(submit(tp_udhi=1, pk_total=2, pk_number=part, msg_content=content))
            row = book.add(0, 1000 * reference + part, b"13800138000", *text, part, 2, 0, 1.0, 1)
            book.status[row] = book.status_index(status)
            book.flags[row] |= ledger.DUE | ledger.PUSHED | ledger.ACKED if status else ledger.LOST
    alone = submit(tp_udhi=1, pk_total=2, pk_number=1, msg_content=bytes((5, 0, 3, 9, 2, 1)) + b"91")
    book.add(0, 9001, b"13800138000", *book.text_index(alone), 1, 2, 0, 1.0, 1)  # its second part never came
    found = book.recipients(["spring"]).sort("msgid").to_dicts()
    assert [(row["msgid"], row["text"], row["parts"]) for row in found] == [
        ("7001 7002", "7172", 2),
        ("8001 8002", "8182", 2),
    ]
    assert [tuple(row[name] for name in ("status", "more_statuses", "due", "lost")) for row in found] == [
        expected,
        ("DELIVRD", [], True, False),
    ]
    figures = book.figures(0)
    assert (figures["numbers"], figures["numbers_accepted"], figures["double_texts"]) == (5, 2, 0)
    assert (figures["reports_due"], figures["reports_acked"], figures["reports_lost"]) == (
        (2, 2, 0) if expected[2] else (1, 1, 1)
    )


async def test_the_statistics_of_a_day() -> None:
    async with ismg(clock_start="2026-01-31T10:00:00", **NEVER) as gateway:
        sp = await gateway.sp()
        await sp.submit()
        await sp.submit(service_id=b"OTHER", registered_delivery=0, dest_terminal_ids=TWO)
        later = await sp.submit(at_time=b"260131120000032+")
        assert later.result == 0
        gateway.sim.gateway.phones.write(gateway.sim.gateway.accounts["spring"], {"msg": "TD"})
        await gateway.figure("inbound_acked", 1)
        day = pdus.Query(b"20260131")
        assert await sp.ask(day, pdus.QueryResp) == pdus.QueryResp(b"20260131", 0, b"", 3, 4, 3, 1, 0, 1, 0, 0)
        other = await sp.ask(pdus.Query(b"20260131", 1, b"OTHER"), pdus.QueryResp)
        assert other == pdus.QueryResp(b"20260131", 1, b"OTHER", 1, 2, 2, 0, 0, 0, 0, 0)
        assert (await sp.ask(pdus.Query(b"20260130"), pdus.QueryResp)).mt_messages == 0
        assert await sp.ask(pdus.Cancel(later.msg_id), pdus.CancelResp) == pdus.CancelResp(0)
        assert (await sp.ask(day, pdus.QueryResp)).mt_failed == 1


async def test_a_scheduled_message_waits_and_can_be_taken_back_once() -> None:
    async with ismg(clock_start="2026-01-31T10:00:00", **NOW) as gateway:
        sp = await gateway.sp()
        gone, kept = (await sp.submit(at_time=b"260131120000032+")), (await sp.submit(at_time=b"000000020000000R"))
        for success in (0, 1):
            assert await sp.ask(pdus.Cancel(gone.msg_id), pdus.CancelResp) == pdus.CancelResp(success)
        assert await sp.ask(pdus.Cancel(12345), pdus.CancelResp) == pdus.CancelResp(1)
        assert (await gateway.account())["reports_pushed"] == 0
        gateway.sim.configure(clock_start="2026-01-31T12:00:01")
        gateway.sim.gateway.phones.schedule.run_all()
        [(_, report)] = await sp.answers(pdus.Deliver)
        assert report.msg_content[:8] == kept.msg_id.to_bytes(8, "big")
        assert await sp.ask(pdus.Cancel(kept.msg_id), pdus.CancelResp) == pdus.CancelResp(1)
        assert (await gateway.account())["cancelled"] == 1


def test_rules_are_picked_by_chance_and_number() -> None:
    import random

    rules = Rules([{"code": 9, "p": 0.5, "skip": 2, "count": 3}], random.Random(1))
    picked = [rules.pick_submit("spring", submit()) is not None for _ in range(20)]
    assert picked[:2] == [False, False]
    assert sum(picked) == 3
