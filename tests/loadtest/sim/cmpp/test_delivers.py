"""What the simulated CMPP gateway delivers: reports and messages from phones."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.long_texts import read_part
from dispatcher.cmpp.reports import read_report
from loadtest.sim.cmpp.codes_and_switches import MIX, STATUSES
from tests.loadtest.sim.cmpp.cmpp_kit import NEVER, NOW, SUBMIT, Ismg, Sp, ismg, submit
from tests.loadtest.sim.sim_kit import each
from tests.waiting import until

NUMBER = b"13800138000"
KINDS = (pdus.SubmitResp, pdus.Deliver)


def stats(sp: Sp) -> list[str]:
    """The statuses of the reports that came."""
    return [report.stat.decode() for report in reports(sp)]


def reports(sp: Sp) -> list[pdus.ReportBody | pdus.ReportBodyWide]:
    found = [read_report(pdu.msg_content) for _, pdu in sp.got if isinstance(pdu, pdus.Deliver)]
    return [report for report in found if report is not None]


def write(gateway: Ismg, **wanted: Any) -> None:
    gateway.sim.gateway.phones.write(gateway.sim.gateway.accounts["spring"], wanted)


@pytest.mark.parametrize("bits", [8, 16])
async def test_no_part_of_a_long_message_ends_within_a_surrogate_pair(bits: int) -> None:
    text = "长" + "😀" * 80
    async with ismg(mo_reference_bits=bits) as gateway:
        sp = await gateway.sp()
        write(gateway, msg=text)
        parts = [read_part(pdu.msg_content) for _, pdu in await sp.answers(pdus.Deliver, 3)]
        assert "".join(part.content.decode("utf-16-be") for part in parts if part) == text


@pytest.mark.parametrize("count", [1, 3])
async def test_a_report_goes_to_the_number_and_service_that_the_message_came_from(count: int) -> None:
    async with ismg(**NOW) as gateway:
        sp = await gateway.sp()
        sp.send(*[submit(src_id=b"10690001017", service_id=b"SVC")] * count, submit(src_id=b"1069", service_id=b"TWO"))
        got = [(pdu.dest_id, pdu.service_id) for _, pdu in await sp.answers(pdus.Deliver, count + 1)]
        assert sorted(got) == [(b"1069", b"TWO"), *[(b"10690001017", b"SVC")] * count]


@each("status", [(status, status.encode()) for status in STATUSES])
async def test_every_status_is_reported(value: str, expected: bytes) -> None:
    async with ismg(status_mix={value: 1}, **NOW) as gateway:
        sp = await gateway.sp()
        answer = await sp.submit()
        await sp.answers(pdus.Deliver)
        [report] = reports(sp)
        assert (report.stat, report.msg_id, report.dest_terminal_id) == (expected, answer.msg_id, NUMBER)
        await gateway.figure("reports_acked", 1)
        assert (await gateway.account())["statuses"] == {value: 1}


@each("status_mix", [(MIX, set(MIX))])
async def test_the_usual_mix(value: dict[str, float], expected: set[str]) -> None:
    async with ismg() as gateway:
        phones = gateway.sim.gateway.phones
        assert {phones.status(NUMBER) for _ in range(2_000)} == expected
        assert value == gateway.sim.gateway.switches.status_mix


async def test_a_number_may_have_a_status_of_its_own() -> None:
    async with ismg(status_numbers={"13800138000": "MK:0001"}, **NOW) as gateway:
        sp = await gateway.sp()
        await sp.submit()
        await sp.answers(pdus.Deliver)
        assert stats(sp) == ["MK:0001"]


@each(
    "report_order",
    [
        ("after", [pdus.SubmitResp, pdus.Deliver]),
        ("before", [pdus.Deliver, pdus.SubmitResp]),
        ("same_tcp_segment", [pdus.SubmitResp, pdus.Deliver]),
        ("other_connection", [pdus.SubmitResp]),
    ],
)
async def test_the_order_of_answer_and_report(value: str, expected: list[type]) -> None:
    settings = NOW | {"report_delay_min_s": 0.02 if value == "after" else 100.0}
    async with ismg(report_order=value, **settings) as gateway:
        other, sp = await gateway.sp(), await gateway.sp()
        await sp.submit()
        await (other if value == "other_connection" else sp).answers(pdus.Deliver)
        assert [type(pdu) for _, pdu in sp.got[1:]] == expected
        together = any(len(chunk) == 21 + 145 for chunk in sp.chunks)
        assert together == (value in ("before", "same_tcp_segment"))
        assert len(reports(other)) == (value == "other_connection")


@pytest.mark.parametrize("latency_s", [0.0, 0.01])
async def test_no_report_comes_before_its_answer_however_fast_the_phone_is(latency_s: float) -> None:
    async with ismg(latency_s=latency_s, **NOW) as gateway:
        sp = await gateway.sp()
        for count in (1, 5):
            sp.got.clear()
            sp.send(*[SUBMIT] * count)
            await sp.answers(pdus.Deliver, count)
            assert [type(pdu) for _, pdu in sp.got] == [pdus.SubmitResp] * count + [pdus.Deliver] * count


@pytest.mark.parametrize("number", [b"13800138000", b"8613800138000", b"+8613800138000", b"+13800138000", b"10086"])
async def test_a_report_has_the_number_as_it_was_submitted(number: bytes) -> None:
    async with ismg(**NOW) as gateway:
        sp = await gateway.sp()
        await sp.submit(dest_terminal_ids=(number,))
        [(_, deliver)] = await sp.answers(pdus.Deliver)
        assert deliver.src_terminal_id == reports(sp)[0].dest_terminal_id == number


async def test_no_part_of_a_long_message_ends_within_a_character_of_gb18030() -> None:
    text = "a" + "长" * 70 + "𠀀" * 40
    async with ismg() as gateway:
        sp = await gateway.sp()
        write(gateway, msg=text, msg_fmt=15)
        parts = [read_part(pdu.msg_content) for _, pdu in await sp.answers(pdus.Deliver, 3)]
        assert "".join(part.content.decode("gb18030") for part in parts if part) == text


@each("report_connection", [("same", [0, 4]), ("any", [2, 2])])
async def test_the_connection_of_a_report(value: str, expected: list[int]) -> None:
    async with ismg(report_connection=value, **NOW) as gateway:
        other, sp = await gateway.sp(), await gateway.sp()
        sp.send(*[SUBMIT] * 4)
        await gateway.figure("reports_acked", 4)
        assert [len(reports(other)), len(reports(sp))] == expected


@each("report_body", [(60, 60), (71, 71), (59, 59)])
async def test_the_length_of_a_report(value: int, expected: int) -> None:
    async with ismg(report_body=value, **NOW) as gateway:
        sp = await gateway.sp()
        await sp.submit()
        [(_, report)] = await sp.answers(pdus.Deliver)
        assert len(report.msg_content) == expected


@each(
    "prefix",
    [("none", NUMBER), ("86", b"86" + NUMBER), ("+86", b"+86" + NUMBER), ("blanks", NUMBER)],
)
async def test_what_stands_around_a_number(value: str, expected: bytes) -> None:
    async with ismg(prefix=value, **NOW) as gateway:
        sp = await gateway.sp()
        await sp.submit()
        write(gateway, msg="TD")
        for _, pdu in await sp.answers(pdus.Deliver, 2):
            assert pdu.src_terminal_id == expected
        assert reports(sp)[0].dest_terminal_id == expected
        assert any(b"13800138000 " in chunk for chunk in sp.chunks) == (value == "blanks")


@each("accepted_first", [("off", ["DELIVRD"]), ("on", ["ACCEPTD", "DELIVRD"])])
async def test_an_intermediate_report(value: str, expected: list[str]) -> None:
    async with ismg(accepted_first=value, status_mix={"DELIVRD": 1}, **NOW) as gateway:
        sp = await gateway.sp()
        await sp.submit()
        await sp.answers(pdus.Deliver, len(expected))
        assert stats(sp) == expected
        assert (await gateway.account())["reports_due"] == 1
        assert value == gateway.sim.gateway.switches.accepted_first


@each("second_final", [("off", ["DELIVRD"]), ("on", ["DELIVRD", "UNDELIV"])])
async def test_another_final_report(value: str, expected: list[str]) -> None:
    async with ismg(second_final=value, status_mix={"DELIVRD": 1}, **NOW) as gateway:
        sp = await gateway.sp()
        await sp.submit()
        await sp.answers(pdus.Deliver, len(expected))
        assert stats(sp) == expected
        assert value == gateway.sim.gateway.switches.second_final


@each("deliver_dup", [("none", 1), ("same_seq", 2), ("new_seq", 2), ("after_reconnect", 2)])
async def test_a_delivery_that_comes_again(value: str, expected: int) -> None:
    async with ismg(deliver_dup=value, **NOW) as gateway:
        sp = await gateway.sp()
        await sp.submit()
        await gateway.figure("reports_acked", 1)
        got = sp.got
        if value == "after_reconnect":
            sp.writer.close()
            await sp.closing()
            again = await gateway.sp()
            await again.answers(pdus.Deliver)
            got = [*sp.got, *again.got]
        else:
            await sp.answers(pdus.Deliver, expected)
        delivered = [(sequence, pdu) for sequence, pdu in got if isinstance(pdu, pdus.Deliver)]
        assert len(delivered) == expected
        assert len({pdu.msg_id for _, pdu in delivered}) == 1
        if value in ("same_seq", "new_seq"):
            assert len({sequence for sequence, _ in delivered}) == (1 if value == "same_seq" else 2)


@each("deliver_rounds", [(5, 15), (1, 3)])
async def test_a_delivery_without_an_answer_comes_n_times_a_round(value: int, expected: int) -> None:
    async with ismg(deliver_rounds=value, **NOW) as gateway:
        sp = await gateway.sp(result=None)
        gateway.sim.configure(clock_scale=5_000.0)
        await sp.submit()
        await gateway.figure("reports_given_up", 1)
        delivered = [(sequence, pdu) for sequence, pdu in sp.got if isinstance(pdu, pdus.Deliver)]
        assert len(delivered) == expected
        assert len({sequence for sequence, _ in delivered}) == value
        assert len({pdu.msg_id for _, pdu in delivered}) == 1
        assert (await gateway.account())["reports_acked"] == 0


async def test_a_delivery_that_is_refused_comes_again() -> None:
    async with ismg(clock_scale=5_000.0, answer_timeout_s=1e6, **NOW) as gateway:
        sp = await gateway.sp(result=8)
        await sp.submit()
        await sp.answers(pdus.Deliver, 2)
        sp.result = 0
        await gateway.figure("reports_acked", 1)
        assert (await gateway.account())["violations"]["deliver_result_8"] >= 2


async def test_a_wrong_msg_id_in_the_answer_is_counted_and_taken() -> None:
    async with ismg(**NOW) as gateway:
        sp = await gateway.sp()
        sp.echo = 12345
        await sp.submit()
        await gateway.figure("reports_acked", 1)
        assert (await gateway.account())["violations"] == {"wrong_echo": 1}


async def test_what_was_not_delivered_waits_for_the_next_login() -> None:
    async with ismg(window=4, **NOW) as gateway:
        sp = await gateway.sp(result=None)
        sp.send(*[SUBMIT] * 4)
        await sp.answers(pdus.SubmitResp, 4)
        sp.send(*[SUBMIT] * 4)
        await sp.answers(pdus.Deliver, 4)
        await sp.answers(pdus.SubmitResp, 8)
        assert len(reports(sp)) == 4  # the window is full
        sp.writer.close()
        await sp.closing()
        await until(lambda: not gateway.sim.gateway.sessions)
        assert gateway.sim.totals()["reports_waiting"] == 8
        again = await gateway.sp()
        await gateway.figure("reports_acked", 8)
        assert len({report.msg_id for report in reports(again)}) == 8


async def test_lost_repeated_and_strange_reports() -> None:
    async with ismg(report_loss=1.0, **NOW) as gateway:
        sp = await gateway.sp()
        await sp.submit()
        gateway.sim.configure(report_loss=0.0, report_duplicates=1.0, report_unknown_ids=1.0)
        answer = await sp.submit()
        await sp.answers(pdus.Deliver, 3)
        ids = [report.msg_id for report in reports(sp)]
        assert ids[:2] == [answer.msg_id] * 2
        assert ids[2] != answer.msg_id
        account = await gateway.account()
        assert (account["reports_lost"], account["reports_duplicates"], account["reports_stray"]) == (1, 1, 1)


@pytest.mark.parametrize("delay", ["fixed", "uniform", "exponential", "lognormal"])
async def test_delays_lie_between_their_bounds(delay: str) -> None:
    settings = {"report_delay_min_s": 1.0, "report_delay_mean_s": 2.0, "report_delay_max_s": 4.0}
    async with ismg(report_delay=delay, **settings) as gateway:
        delays = [gateway.sim.gateway.phones.delay_s() for _ in range(300)]
        assert min(delays) >= 1.0
        assert max(delays) <= 4.0
        assert (len(set(delays)) == 1) == (delay == "fixed")


@each(
    "mo_format",
    [
        (8, "退订".encode("utf-16-be")),
        (0, b"??"),
        (15, "退订".encode("gbk")),
        (4, "退订".encode("utf-16-be")),
        (246, "退订".encode("utf-16-be")),
    ],
)
async def test_the_coding_of_a_message_from_a_phone(value: int, expected: bytes) -> None:
    async with ismg(mo_format=value) as gateway:
        sp = await gateway.sp()
        write(gateway, msg="退订", to="106900010188")
        [(_, pdu)] = await sp.answers(pdus.Deliver)
        assert (pdu.msg_fmt, pdu.msg_content, pdu.dest_id) == (value, expected, b"106900010188")
        assert (pdu.registered_delivery, pdu.src_terminal_id) == (0, NUMBER)
        await gateway.figure("inbound_acked", 1)


@each("mo_mislabel", [("off", "退订".encode("utf-16-be")), ("gbk", "退订".encode("gbk"))])
async def test_a_text_whose_label_is_wrong(value: str, expected: bytes) -> None:
    async with ismg(mo_mislabel=value) as gateway:
        sp = await gateway.sp()
        write(gateway, msg="退订")
        [(_, pdu)] = await sp.answers(pdus.Deliver)
        assert (pdu.msg_fmt, pdu.msg_content) == (8, expected)
        assert value == gateway.sim.gateway.switches.mo_mislabel


@each("mo_reference_bits", [(8, 6), (16, 7)])
async def test_a_long_message_from_a_phone(value: int, expected: int) -> None:
    async with ismg(mo_reference_bits=value) as gateway:
        sp = await gateway.sp()
        write(gateway, msg="字" * 150)
        parts = [read_part(pdu.msg_content) for _, pdu in await sp.answers(pdus.Deliver, 3)]
        assert [(part.reference_bits, part.total, part.number) for part in parts if part] == [
            (value, 3, number) for number in (1, 2, 3)
        ]
        assert b"".join(part.content for part in parts if part).decode("utf-16-be") == "字" * 150
        assert sp.got[-1][1].msg_content[0] + 1 == expected  # type: ignore[union-attr]


@each("mo_connections", [("one", [3, 0]), ("in_turn", [2, 1])])
async def test_the_parts_of_a_long_message_on_two_connections(value: str, expected: list[int]) -> None:
    async with ismg(mo_connections=value) as gateway:
        sps = [await gateway.sp(), await gateway.sp()]
        write(gateway, msg="字" * 150)
        await gateway.figure("inbound_acked", 3)
        counts = [sum(isinstance(pdu, pdus.Deliver) for _, pdu in sp.got) for sp in sps]
        assert counts == expected
        assert value == gateway.sim.gateway.switches.mo_connections


@each("mo_share", [(0.0, 0), (1.0, 2)])
async def test_numbers_that_write_back(value: float, expected: int) -> None:
    async with ismg(mo_share=value, **NEVER) as gateway:
        sp = await gateway.sp()
        await sp.submit()
        await sp.submit(dest_terminal_ids=(b"13900139000",))
        await gateway.figure("inbound_acked", expected)
        assert (await gateway.account())["inbound_pushed"] == expected
        assert value == gateway.sim.gateway.switches.mo_share


@each("mo_text", [("TD", "TD".encode("utf-16-be"))])
async def test_what_they_write(value: str, expected: bytes) -> None:
    async with ismg(mo_text=value, mo_share=1.0, **NEVER) as gateway:
        sp = await gateway.sp()
        await sp.submit()
        [(_, pdu)] = await sp.answers(pdus.Deliver)
        assert pdu.msg_content == expected
        assert value == "TD"
