"""getReport and getMo: pages, intervals, repetition, retention, formats (vendors.md 1.6, 1.7, 8.1)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from loadtest.sim.cosms.codes_and_switches import MIX, OPERATORS, STATUSES
from tests.loadtest.sim.cosms.cosms_kit import LOGIN, Cosms, code, cosms, gbk, mt_ids, rows
from tests.loadtest.sim.sim_kit import NOW, each, numbers, receiver
from tests.waiting import until

FREE = {"report_interval": 0, "mo_interval": 0}
TRAPS = ["a,b,,c", "line\r\nline", "100%", "1+1=2", "", "短信", "%41", " a "]


async def told(v: Cosms, **message: Any) -> None:
    assert await v.sim.control.push_inbound({"account": "spring"} | message) == []


def decoded(row: bytes) -> str:
    """The text of a row of getMo by its own format."""
    text_format, _, _, _, _, raw = row.split(b",", 5)
    match text_format:
        case b"0":
            return raw.decode("gbk")
        case b"1":
            return unquote_to_bytes(raw).decode("gbk")
        case b"2":
            return raw.decode()
        case _:
            return bytes.fromhex(raw.decode()).decode("utf-16-be")


# reports


async def test_every_number_is_reported_once_a_hundred_to_a_page() -> None:
    async with cosms(**FREE, **NOW) as v:
        ids = mt_ids(await v.send(Mobs=numbers(250)))
        await v.due(250)
        pages = [await v.reports() for _ in range(4)]
        assert [len(page) for page in pages] == [100, 100, 50, 0]
        assert sorted(mt_id for page in pages for mt_id, _ in page) == ids
        told_rows = v.sim.rows()
        assert dict(zip(told_rows["msgid"], told_rows["status"], strict=True)) == dict(pages[0] + pages[1] + pages[2])
        account = await v.account()
        assert account["reports_due"] == account["reports_pushed"] == account["reports_acked"] == 250
        assert (account["pushes"], v.sim.state.reports.waiting) == (0, 0)
        assert account["codes"] == {"100": 1, "reports 100": 3, "reports 300": 1}


async def test_a_report_is_a_line_of_id_and_value() -> None:
    async with cosms(status_mix={"255": 1}, **NOW) as v:
        [mt_id] = mt_ids(await v.send())
        await v.due(1)
        assert (await v.ask("getReport", msgFormat="1")).text == f"100\n{mt_id},255\n"
        assert code(await v.ask("getReport")) == "502"


@each("status", [(s, s) for s in STATUSES])
async def test_every_value_can_be_reported(value: str, expected: str) -> None:
    async with cosms(status_mix={value: 1}, **NOW) as v:
        await v.send()
        await v.due(1)
        assert [said for _, said in await v.reports()] == [expected]
        assert v.sim.rows()["status"].to_list() == [expected]


@each("status_mix", [(MIX, MIX), (OPERATORS, dict.fromkeys(OPERATORS, 1 / 6))])
async def test_values_come_in_their_shares(value: dict[str, float], expected: dict[str, float]) -> None:
    async with cosms(status_mix=value) as v:
        for i in range(20):
            await v.send(Mobs=numbers(1000, 13_800_000_000 + 1000 * i))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 20_000)
        statuses = (await v.account())["statuses"]
        assert {s: n / 20_000 for s, n in statuses.items()} == pytest.approx(expected, abs=0.015)


@each("report_interval", [(30, ["300", "502", "300"]), (0, ["300", "300", "300"])])
async def test_the_interval_of_reports(value: int, expected: list[str]) -> None:
    async with cosms(report_interval=value, clock_start="2026-01-31T12:00:00", clock_scale=0.001) as v:
        said = [code(await v.ask("getReport")) for _ in range(2)]
        v.sim.configure(clock_start="2026-01-31T12:00:31")
        assert [*said, code(await v.ask("getReport"))] == expected
        assert (await v.account())["violations"] == ({"report_too_fast": 1} if value else {})


@each("mo_interval", [(10, ["300", "502", "300"]), (0, ["300", "300", "300"])])
async def test_the_interval_of_messages(value: int, expected: list[str]) -> None:
    async with cosms(mo_interval=value, clock_start="2026-01-31T12:00:00", clock_scale=0.001) as v:
        said = [code(await v.ask("getMo", msgFormat="1")) for _ in range(2)]
        v.sim.configure(clock_start="2026-01-31T12:00:11")
        assert [*said, code(await v.ask("getMo", msgFormat="1"))] == expected


@each("interval_unit", [("seconds", ["300", "300"]), ("minutes", ["502", "300"])])
async def test_the_unit_of_the_intervals(value: str, expected: list[str]) -> None:
    async with cosms(interval_unit=value, clock_start="2026-01-31T12:00:00", clock_scale=0.001) as v:
        await v.ask("getReport")
        said = []
        for at in ("12:00:31", "12:30:31"):
            v.sim.configure(clock_start=f"2026-01-31T{at}")
            said.append(code(await v.ask("getReport")))
        assert said == expected


async def test_the_intervals_run_on_the_simulated_clock() -> None:
    async with cosms(clock_scale=100_000.0) as v:
        await v.ask("getReport")
        await until(lambda: v.sim.state.clock.now() > v.sim.state.ledger.books["spring"].own.last_s["report"] + 30)
        assert code(await v.ask("getReport")) == "300"


@each(
    "poll_mode",
    [
        ("destructive", ["ab", "c", "", "", ""]),
        ("repeat_until_next_poll", ["ab", "ab", "c", "c", ""]),
        ("repeat_always", ["ab", "c", "ab", "c", "ab"]),
    ],
)
async def test_how_often_a_page_is_given(value: str, expected: list[str]) -> None:
    async with cosms(poll_mode=value, page_rows=2, report_order="submit", **FREE, **NOW) as v:
        ids = mt_ids(await v.send(Mobs=numbers(3)))
        await v.due(3)
        names = dict(zip(ids, "abc", strict=True))
        assert ["".join(names[mt_id] for mt_id, _ in await v.reports()) for _ in range(5)] == expected
        assert (await v.account())["reports_acked"] == 3
        for text in "abc":
            await told(v, msg=text)
        pages = [rows(await v.ask("getMo", msgFormat="1")) for _ in range(5)]
        assert ["".join(row[-1] for row in page) for page in pages] == expected
        assert (await v.account())["inbound_acked"] == 3


@each("page_rows", [(100, [100, 1]), (2, [2, 2])])
async def test_the_rows_of_a_page(value: int, expected: list[int]) -> None:
    async with cosms(page_rows=value, **FREE, **NOW) as v:
        await v.send(Mobs=numbers(101))
        await v.due(101)
        await v.sim.control.push_inbound({"account": "spring", "messages": [{"msg": str(i)} for i in range(101)]})
        assert [len(await v.reports()) for _ in range(2)] == expected
        assert [len(rows(await v.ask("getMo", msgFormat="1"))) for _ in range(2)] == expected


@each("report_kept_s", [(86_400, 1), (1, 0)])
async def test_how_long_reports_are_kept(value: int, expected: int) -> None:
    async with cosms(report_kept_s=value, clock_scale=1000.0, report_interval=0, **NOW) as v:
        await v.send()
        await v.due(1)
        started_s = v.sim.state.clock.now()
        await until(lambda: v.sim.state.clock.now() > started_s + 10)
        assert len(await v.reports()) == expected
        account = await v.account()
        assert (account["reports_acked"], account["reports_given_up"]) == (expected, 1 - expected)


@each("mo_kept_s", [(604_800, 1), (1, 0)])
async def test_how_long_messages_are_kept(value: int, expected: int) -> None:
    async with cosms(mo_kept_s=value, clock_scale=1000.0) as v:
        await told(v, msg="TD")
        started_s = v.sim.state.clock.now()
        await until(lambda: v.sim.state.clock.now() > started_s + 10)
        assert len(rows(await v.ask("getMo", msgFormat="1"))) == expected
        account = await v.account()
        assert (account["inbound_pushed"], account["inbound_acked"]) == (1, expected)


async def test_a_day_passes_in_a_second_on_a_scaled_clock() -> None:
    async with cosms(clock_scale=864_000.0, report_interval=0, **NOW) as v:
        await v.send()
        await v.due(1)
        await until(lambda: v.sim.state.clock.now() > v.sim.state.ledger.entries[0].arrived_s + 2 * 86_400)
        assert await v.reports() == []


@pytest.mark.parametrize("fault", ["half_rows", "half_answer", "close", "no_answer"])
@pytest.mark.parametrize("mode", ["destructive", "repeat_until_next_poll"])
async def test_a_page_that_was_cut_is_lost_or_comes_again(fault: str, mode: str) -> None:
    rule = {"fault": fault, "on": "reports", "count": 1, "hold_s": 0.05}
    async with cosms(poll_mode=mode, rule=[rule], **FREE, **NOW) as v:
        ids = mt_ids(await v.send(Mobs=numbers(10)))
        await v.due(10)
        answer = await v.raw(v.post(gbk(LOGIN), path="/sms/getReport/"))
        _, _, body = answer.partition(b"\r\n\r\n")
        if fault == "half_rows":
            assert re.fullmatch(rb"100\n(\d+,\d+\n){5}", body)
        account = await v.account()
        assert (account["reports_pushed"], account["reports_acked"]) == (10, 0)
        again = [mt_id for mt_id, _ in await v.reports()]
        assert sorted(again) == (ids if mode != "destructive" else [])
        assert (await v.account())["reports_acked"] == len(again)


async def test_a_page_of_messages_that_was_cut_is_pushed_and_not_acked() -> None:
    rule = {"fault": "half_rows", "on": "inbound", "count": 1}
    async with cosms(poll_mode="repeat_until_next_poll", rule=[rule], **FREE) as v:
        for text in "abcd":
            await told(v, msg=text)
        answer = await v.raw(v.post(gbk(LOGIN | {"msgFormat": "1"}), path="/sms/getMo/"))
        assert [line[-1:] for line in answer.splitlines()[-2:]] == [b"a", b"b"]
        account = await v.account()
        assert (account["inbound_pushed"], account["inbound_acked"]) == (4, 0)
        assert len(rows(await v.ask("getMo", msgFormat="1"))) == 4
        assert (await v.account())["inbound_acked"] == 4


async def test_a_poll_that_was_not_carried_out_takes_no_rows() -> None:
    rules = [{"fault": "http_503", "on": "reports", "count": 1}, {"code": "501", "on": "reports", "count": 1}]
    async with cosms(rule=rules, **NOW) as v:
        await v.send()
        await v.due(1)
        assert (await v.ask("getReport")).status == 503
        assert code(await v.ask("getReport")) == "501"
        assert len(await v.reports()) == 1
        assert (await v.account())["faults"] == {"reports http_503": 1, "reports code 501": 1}


@pytest.mark.parametrize(
    "fault", ["chunked", "http10_close", "connection_close", "delay", "slow_drip", "wrong_charset"]
)
async def test_a_page_that_came_whole_in_an_odd_way_counts_as_taken(fault: str) -> None:
    rule = {"fault": fault, "on": "any", "delay_s": 0.0, "drip_s": 0.0}
    async with cosms(**NOW) as v:
        ids = mt_ids(await v.send())
        await v.due(1)
        v.sim.configure(rule=[rule])
        assert [mt_id for mt_id, _ in await v.reports()] == ids
        assert (await v.account())["reports_acked"] == 1


async def test_strays_duplicates_losses_and_down_time_reach_polls() -> None:
    fates = {"report_duplicates": 0.5, "report_loss": 0.2, "report_delay_mean_s": 0.0}
    async with cosms(push="off", **fates, **FREE, **NOW) as v:
        ids = set(mt_ids(await v.send(Mobs=numbers(1000))))
        book = v.sim.state.ledger.books["spring"]
        await until(lambda: book.reports_due + book.reports_lost == 1000 and v.sim.state.reports.waiting > 800)
        assert await v.reports() == []
        v.sim.configure(push="on", report_unknown_ids=1.0)
        got: list[str] = []
        while page := await v.reports():
            got += [mt_id for mt_id, _ in page]
        known = [mt_id for mt_id in got if mt_id in ids]
        assert len(known) == book.reports_due + book.reports_duplicates
        assert len(set(known)) == book.reports_due == book.reports_acked
        assert len(got) - len(known) == book.reports_stray > 0


async def test_a_report_is_there_before_its_answer() -> None:
    import asyncio

    async with cosms(report_early=1.0, report_early_hold_s=0.5) as v:
        answer = asyncio.ensure_future(v.send())
        await until(lambda: len(v.sim.state.reports.mailbox(v.sim.state.ledger.books["spring"])) == 1)
        [(mt_id, _)] = await v.reports()
        assert not answer.done()
        assert mt_ids(await answer) == [mt_id]


async def test_reports_already_given_can_be_given_once_more() -> None:
    async with cosms(**FREE, **NOW) as v:
        ids = mt_ids(await v.send(Mobs=numbers(3)))
        await v.due(3)
        first = await v.reports()
        assert await v.reports() == []
        assert v.sim.control.repeat("spring") == 3
        assert sorted(await v.reports()) == sorted(first)
        assert [mt_id for mt_id, _ in sorted(first)] == ids


async def test_pushed_polled_or_both_is_each_accounts_choice() -> None:
    async with receiver() as r, cosms(**FREE, **NOW) as v:
        r.say = lambda n: b"100"
        url = {"report_url": r.url, "inbound_url": r.url}
        for i, (road, pushed, polled) in enumerate([("push", 1, 0), ("poll", 0, 1), ("both", 1, 1), ("", 1, 0)]):
            r.pushes.clear()
            v.sim.configure(account={"spring": url | {"reports": road, "inbound": road}})
            [mt_id] = mt_ids(await v.send(msg=str(i)))
            await v.sim.control.push_inbound({"account": "spring", "msg": str(i)})
            await until(lambda: v.sim.state.ledger.books["spring"].reports_due == i + 1)  # noqa: B023
            if pushed:
                await r.have(2)
            assert [p.fields["mtID"] for p in r.pushes if "mtID" in p.fields] == [mt_id] * pushed
            assert [p.fields["msg"] for p in r.pushes if "msg" in p.fields] == [str(i)] * pushed
            if polled:
                await until(lambda: len(v.sim.state.reports.mailbox(v.sim.state.ledger.books["spring"])) == 1)
            assert [got for got, _ in await v.reports()] == [mt_id] * polled
            assert len(rows(await v.ask("getMo", msgFormat="1"))) == polled
        account = await v.account()
        assert (account["reports_due"], account["reports_acked"]) == (4, 4)
        assert (account["inbound_pushed"], account["inbound_acked"]) == (4, 5)  # one of them on both roads


# messages


@pytest.mark.parametrize("text", TRAPS)
@pytest.mark.parametrize("requested", ["0", "1", "2", "3"])
async def test_a_message_keeps_every_character_in_every_format(text: str, requested: str) -> None:
    async with cosms(clock_start="2026-01-31T12:34:56", clock_scale=0.001) as v:
        await told(v, mobile="075525227898", to="0100", msg=text, moID=1044)
        answer = (await v.ask("getMo", msgFormat=requested)).text.encode("latin-1")
        head, _, row = answer.partition(b"\n")
        assert (head, row[-1:]) == (b"100", b"\n")
        assert decoded(row[:-1]) == text
        assert row.startswith(f"{requested},1044,20260131123456,075525227898,106550000100,".encode())
        assert row.count(b"\r\n") == (text.count("\r\n") if requested in "02" else 0)


async def test_the_documents_example_row() -> None:
    async with cosms(number="1065505986200100") as v:
        await told(v, moID=1044, time="20040107123700", mobile="13800138000", msg="短消息内容")
        row = (await v.ask("getMo", msgFormat="0")).text.encode("latin-1").splitlines()[1].decode("gbk")
        assert row == "0,1044,20040107123700,13800138000,1065505986200100,短消息内容"


@each("row_format", [("as_requested", "2222"), ("always0", "0000"), ("mixed", "1023")])
async def test_the_format_of_rows(value: str, expected: str) -> None:
    async with cosms(row_format=value) as v:
        for i in range(4):
            await told(v, msg=f"短信{i}")
        answer = (await v.ask("getMo", msgFormat="2")).text.encode("latin-1")
        lines = answer.splitlines()[1:]
        assert "".join(line[:1].decode() for line in lines) == expected
        assert [decoded(line) for line in lines] == [f"短信{i}" for i in range(4)]


async def test_a_text_that_gbk_cannot_carry_comes_in_hex() -> None:
    async with cosms() as v:
        await told(v, msg="好😀")
        [row] = rows(await v.ask("getMo", msgFormat="1"))
        assert row.split(",")[5] == "597DD83DDE00"
        assert decoded(row.encode()) == "好😀"


@each("number", [("10655000", "10655000"), ("5555", "5555")])
async def test_the_number_a_message_was_sent_to(value: str, expected: str) -> None:
    async with cosms(number=value) as v:
        await told(v, msg="TD", to="77")
        assert rows(await v.ask("getMo", msgFormat="1"))[0].split(",")[4] == expected + "77"
