"""What HEZHONG pushes, seen by a receiver: rpts and mos in every form (vendors.md 2.3, 2.4, 8.2, 8.6)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import pytest

from loadtest.sim.hezhong.codes_and_switches import MIX, OPERATORS, STATUSES
from tests.loadtest.sim.hezhong.hezhong_kit import code, entries, hezhong, vendor_id
from tests.loadtest.sim.sim_kit import NOW, Receiver, each, numbers, receiver
from tests.waiting import until

CLOCK = {"clock_start": "2026-01-31T12:34:56", "clock_scale": 0.001}
STAMP = "20260131123456"
TWO = [{"mobile": "13000000000", "status": "UNDELIV", "msgid": "1001", "time": "20090422103324"},
       {"mobile": "13000000000", "status": "DELIVRD", "msgid": "1002", "time": "20090422094620"}]  # fmt: skip
SAID = [{"mobile": "13000000000", "to": "001", "msg": "hello", "time": "20151221121046"},
        {"mobile": "13000000000", "to": "001", "msg": "hello2", "time": "20151221121046"}]  # fmt: skip


def pushing_to(r: Receiver, **settings: Any) -> dict[str, Any]:
    return {"report_url": r.url, "inbound_url": r.url} | settings


# reports


async def test_every_number_is_reported_once_five_hundred_to_a_push() -> None:
    async with receiver() as r, hezhong(pushing_to(r), push="off", **NOW, **CLOCK) as v:
        ids = [vendor_id(await v.send(mobs=numbers(1000, 13_800_000_000 + 1000 * i))) for i in range(2)]
        await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 2000)
        v.sim.configure(push="on")
        await until(lambda: v.sim.state.reports.waiting == 0)
        reports = [report for push in r.pushes for report in entries(push)]
        assert [len(entries(push)) for push in r.pushes] == [500] * 4
        assert sorted(report[0] for report in reports) == numbers(2000).split(",")
        assert {(report[2], report[0] < "13800001000") for report in reports} == {(ids[0], True), (ids[1], False)}
        assert {report[3] for report in reports} == {STAMP}
        rows = v.sim.rows()
        assert dict(zip(rows["number"], rows["status"], strict=True)) == {report[0]: report[1] for report in reports}
        assert rows["acked"].all()
        account = await v.account()
        assert account["reports_due"] == account["reports_pushed"] == account["reports_acked"] == 2000
        assert account["pushes"] == 4


@each("push_entries", [(500, 1), (1, 30)])
async def test_how_many_reports_or_messages_a_push_has(value: int, expected: int) -> None:
    async with receiver() as r, hezhong(pushing_to(r), push_entries=value, push="off", **NOW) as v:
        await v.send(mobs=numbers(30))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 30)
        v.sim.configure(push="on")
        await r.have(expected)
        await until(lambda: v.sim.state.reports.waiting == 0)
        assert len(r.pushes) == expected
        assert await v.sim.control.push_inbound({"account": "spring", "messages": SAID * 15}) == [200] * expected
        account = await v.account()
        assert (account["inbound_pushed"], account["inbound_acked"]) == (30, 30)


@each("status", [(s, s) for s in STATUSES])
async def test_every_status_of_the_annexes_can_be_pushed(value: str, expected: str) -> None:
    async with receiver() as r, hezhong(pushing_to(r), status_mix={value: 1}, **NOW) as v:
        await v.send()
        assert entries((await r.have(1))[0])[0][1] == expected
        assert v.sim.rows()["status"].to_list() == [expected]


@each("status_mix", [(MIX, MIX), (OPERATORS, dict.fromkeys(OPERATORS, 1 / 6))])
async def test_operator_codes_come_in_their_shares(value: dict[str, float], expected: dict[str, float]) -> None:
    async with hezhong({"report_url": "http://127.0.0.1:9/"}, status_mix=value, push="off") as v:
        for i in range(30):
            await v.send(mobs=numbers(1000, 13_800_000_000 + 1000 * i))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 30_000)
        statuses = (await v.account())["statuses"]
        assert {s: n / 30_000 for s, n in statuses.items()} == pytest.approx(expected, abs=0.012)


@each("bad_number_status", [("UNDELIV", "UNDELIV"), ("MK:0001", "MK:0001")])
async def test_a_wrong_number_is_reported_failed(value: str, expected: str) -> None:
    async with receiver() as r, hezhong(pushing_to(r), bad_number_status=value, status_mix={"0": 1}, **NOW) as v:
        await v.send(mobs="13800138000,0571-8888,12345")
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 3)
        reports = {report[0]: report[1] for push in r.pushes for report in entries(push)}
        assert reports == {"13800138000": "0", "0571-8888": expected, "12345": expected}


@each("report_prefix", [("none", "13800138000"), ("86", "8613800138000"), ("+86", "+8613800138000")])
async def test_what_stands_before_a_number(value: str, expected: str) -> None:
    async with receiver() as r, hezhong(pushing_to(r), report_prefix=value, **NOW) as v:
        await v.send()
        assert entries((await r.have(1))[0])[0][0] == expected


@each("rpt_fields", [(4, 4), (5, 5)])
async def test_the_fields_of_a_report(value: int, expected: int) -> None:
    async with receiver() as r, hezhong(pushing_to(r), rpt_fields=value, **NOW, **CLOCK) as v:
        answer = await v.send(mobs=numbers(600))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 600)
        reports = [report for push in r.pushes for report in entries(push)]
        assert {len(report) for report in reports} == {expected}
        assert {(report[2], report[3]) for report in reports} == {(vendor_id(answer), STAMP)}
        if value == 5:
            assert len({report[4] for report in reports}) == 600
            assert all(report[4].isdigit() for report in reports)


@each(
    "push_style",
    [("post_form", ("POST", False, True)), ("post_query", ("POST", True, False)), ("get_query", ("GET", True, False))],
)
async def test_how_a_push_travels(value: str, expected: tuple[str, bool, bool]) -> None:
    async with receiver() as r, hezhong(pushing_to(r), push_style=value, **NOW) as v:
        await v.send(mobs=numbers(500))
        await v.sim.control.push_inbound({"account": "spring", "msg": "TD"})
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 500)
        for push in r.pushes:
            assert (push.method, bool(push.query), bool(push.body)) == expected
            assert push.kind == ("application/x-www-form-urlencoded" if push.body else "")
        assert sum(len(entries(push)) for push in r.pushes if "rpts" in push.fields) == 500


async def test_a_receivers_own_query_is_kept() -> None:
    async with receiver() as r, hezhong({"report_url": r.url + "?key=x"}, push_style="post_query", **NOW) as v:
        await v.send()
        assert (await r.have(1))[0].query.startswith("key=x&rpts=")


RPTS = "13000000000,UNDELIV,1001,20090422103324;13000000000,DELIVRD,1002,20090422094620"
MOS = "13000000000,001,hello,20151221121046;13000000000,001,hello2,20151221121046"


@each(
    "push_layout",
    [
        ("plain", (RPTS, MOS)),
        ("blanks", (RPTS.replace(",", ", "), MOS.replace(",", ", "))),
        ("line_breaks", (RPTS.replace(";", ";\r\n") + "\r\n", MOS.replace(";", ";\r\n") + "\r\n")),
        ("printed", (RPTS.replace(",", ", ").replace(";", ";\n"), MOS.replace(";", ";\n") + ";")),
    ],
)
async def test_white_space_between_fields_and_entries(value: str, expected: tuple[str, str]) -> None:
    async with receiver() as r, hezhong(pushing_to(r), push_layout=value, **NOW, **CLOCK) as v:
        assert await v.sim.control.push_report({"account": "spring", "reports": TWO}) == 200
        assert await v.sim.control.push_inbound({"account": "spring", "messages": SAID}) == [200]
        assert (r.pushes[0].fields["rpts"], r.pushes[1].fields["mos"]) == expected
        answer = await v.send(mobs="13800138000,13800138001,13800138002")  # the same from the report engine
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 3)
        [push] = r.pushes[2:]
        a, b, c = (",".join(report) for report in entries(push))
        assert c.endswith(f",{vendor_id(answer)},{STAMP}")
        gap = expected[0].partition("103324")[2].partition("1300")[0]
        rest = ";" if value == "printed" else gap
        comma = ", " if ", " in expected[0] else ","
        end = "\r\n" if value == "line_breaks" else ""
        assert push.fields["rpts"] == f"{a}{gap}{b}{rest}{c}{end}".replace(",", comma)


@each("trailing_semicolon", [("off", ""), ("on", ";")])
async def test_what_stands_after_the_last_entry(value: str, expected: str) -> None:
    async with receiver() as r, hezhong(pushing_to(r), trailing_semicolon=value, **NOW) as v:
        assert await v.sim.control.push_report({"account": "spring", "reports": TWO}) == 200
        assert await v.sim.control.push_inbound({"account": "spring", "messages": SAID}) == [200]
        await v.send(mobs="13800138000,13800138001")
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 2)
        assert r.pushes[0].fields["rpts"] == RPTS + expected
        assert r.pushes[1].fields["mos"] == MOS + expected
        assert re.fullmatch(r"[^;]*;[^;]*" + expected, r.pushes[2].fields["rpts"])


@each("push_escape", [("raw", (RPTS, "MA:0001,")), ("encoded", (RPTS, "MA%3A0001%2C"))])
async def test_separators_on_the_wire(value: str, expected: tuple[str, str]) -> None:
    decoded, raw = expected
    async with receiver() as r, hezhong(pushing_to(r), push_escape=value, status_mix={"MA:0001": 1}, **NOW) as v:
        assert await v.sim.control.push_report({"account": "spring", "reports": TWO}) == 200
        await v.send(mobs="13800138000,13800138001")
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 2)
        assert r.pushes[0].fields["rpts"] == decoded
        assert raw in r.pushes[1].body.decode()
        assert [report[1] for report in entries(r.pushes[1])] == ["MA:0001", "MA:0001"]
        assert (b"," in r.pushes[0].body) is (b";" in r.pushes[0].body) is (value == "raw")


@each("push_retry", [("none", (1, 0, 5)), ("until_200", (3, 5, 0))])
async def test_a_bundle_that_was_not_taken(value: str, expected: tuple[int, int, int]) -> None:
    pushes = expected[0]
    async with receiver() as r, hezhong(
        pushing_to(r), push_retry=value, push_backoff_s=0.01, push="off", **NOW
    ) as v:  # fmt: skip
        r.answer = lambda n: 200 if n >= 3 else 500
        await v.send(mobs=numbers(5))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 5)
        v.sim.configure(push="on")
        await r.have(pushes)
        await until(lambda: v.sim.state.reports.waiting == 0)
        account = await v.account()
        assert (account["pushes"], account["reports_acked"], account["reports_given_up"]) == expected
        assert account["push_failures"] == min(pushes, 2)
        assert account["reports_pushed"] == 5
        assert [sorted(e[0] for e in entries(push)) for push in r.pushes] == [numbers(5).split(",")] * pushes


async def test_two_phones_have_one_id_and_one_phone_has_two() -> None:
    """AMB-HZ-12."""
    async with receiver() as r, hezhong(pushing_to(r), **NOW) as v:
        first = vendor_id(await v.send(mobs="13800138000,13800138001"))
        second = vendor_id(await v.send(mobs="13800138000", msg="another"))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 3)
        told = sorted((report[0], report[2]) for push in r.pushes for report in entries(push))
        assert told == sorted([("13800138000", first), ("13800138001", first), ("13800138000", second)])


async def test_a_made_up_report_may_have_other_fields_or_none_of_them() -> None:
    async with receiver() as r, hezhong(pushing_to(r), **CLOCK) as v:
        made: list[dict[str, Any]] = [
            {"msgid": "7", "serial": "99"},
            {"msgid": None},
            {"rpts": "%, anything ;;"},
            {"reports": [{"status": "1", "msgid": "5"}, {"status": "0", "msgid": "5"}]},
        ]
        for wanted in made:
            assert await v.sim.control.push_report({"account": "spring"} | wanted) == 200
        assert [push.fields["rpts"] for push in r.pushes] == [
            f"13800138000,DELIVRD,7,{STAMP},99",
            f"13800138000,DELIVRD,{STAMP}",
            "%, anything ;;",
            f"13800138000,1,5,{STAMP};13800138000,0,5,{STAMP}",
        ]


# messages

TEXTS = ["退订", "a,b;c", "100%25", "a+b c&d=e", "😀%E4", "%", ""]


@each("mo_text", [("double_encoded", True), ("single_encoded", False)])
@pytest.mark.parametrize("escape", ["raw", "encoded"])
async def test_a_message_keeps_every_character(value: str, expected: bool, escape: str) -> None:
    async with receiver() as r, hezhong(pushing_to(r), mo_text=value, push_escape=escape) as v:
        for text in TEXTS:
            await v.sim.control.push_inbound(
                {"account": "spring", "mobile": "13900139000", "to": "12", "msg": text, "time": STAMP}
            )
        values = [push.fields["mos"] for push in r.pushes]
        told = [value.split(",", 2)[2].rpartition(",")[0] for value in values]
        assert [unquote_plus(t) if expected else t for t in told] == TEXTS
        assert all(v.startswith("13900139000,12,") and v.endswith(f",{STAMP}") for v in values)
        if expected:  # nothing in the text breaks the framing
            assert [len(v.split(",")) for v in values] == [4] * len(TEXTS)
            assert not any(";" in v for v in values)


async def test_double_encoded_is_double_on_the_wire() -> None:
    async with receiver() as r, hezhong(pushing_to(r)) as v:
        await v.sim.control.push_inbound({"account": "spring", "msg": "你 *~"})
        assert b",%25E4%25BD%25A0%2B%2A%257E," in r.pushes[0].body
        [(name, value)] = parse_qsl(r.pushes[0].body.decode())
        assert (name, value.split(",")[2]) == ("mos", "%E4%BD%A0+*%7E")


async def test_a_message_not_taken_is_pushed_again_until_it_is() -> None:
    async with receiver() as r, hezhong(pushing_to(r), push_retry="until_200", push_backoff_s=0.001) as v:
        r.answer = lambda n: 200 if n >= 4 else 500
        assert await v.sim.control.push_inbound({"account": "spring", "messages": SAID}) == [500]
        assert (await v.sim.totals())["inbound_waiting"] == 1
        await r.have(4)
        await until(lambda: v.sim.state.reports.insisting == 0)
        assert [push.fields["mos"] for push in r.pushes] == [MOS] * 4
        account = await v.account()
        assert (account["inbound_pushed"], account["inbound_acked"]) == (2, 2)


async def test_a_message_is_pushed_once_where_nothing_is_repeated_and_never_after_a_reset() -> None:
    async with receiver() as r, hezhong(pushing_to(r)) as v:
        r.answer = lambda n: 500
        assert await v.sim.control.push_inbound({"account": "spring", "msg": "TD"}) == [500]
        await until(lambda: v.sim.state.reports.insisting == 0)
        v.sim.configure(push_retry="until_200")
        assert await v.sim.control.push_inbound({"account": "spring", "msg": "TD"}) == [500]
        v.sim.control.reset()
        await until(lambda: v.sim.state.reports.insisting == 0)
        assert len(r.pushes) == 2
        assert code(await v.send()) == "0"


async def test_any_mos_can_be_pushed_as_it_is() -> None:
    async with receiver() as r, hezhong(pushing_to(r), push_style="get_query") as v:
        await v.sim.control.push_inbound({"account": "spring", "mos": "13800138000,1,%ZZ;\n;,,,"})
        assert r.pushes[0].fields == {"mos": "13800138000,1,%ZZ;\n;,,,"}
