"""corpCanSend, getHistSms, changeLogin (vendors.md 1.8 to 1.10, 8.1)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.loadtest.sim.cosms.cosms_kit import Cosms, code, cosms, mt_ids, rows
from tests.loadtest.sim.sim_kit import NOW, Answer, each, numbers
from tests.waiting import until

AT = {"clock_start": "2026-01-31T12:00:00", "clock_scale": 0.001}
WINDOW = {"sTime": "20260131115500", "eTime": "20260131120500"}


async def history(v: Cosms, **parameters: Any) -> Answer:
    return await v.ask("getHistSms", **({"msgFormat": "1"} | WINDOW | parameters))


# balances


@each("balance_lines", [(8, ["8", "2", "2", "7", "1", "1", "5"]), (7, ["8", "2", "2", "7", "1", "1"]), (2, ["8"])])
async def test_the_lines_of_a_balance(value: int, expected: list[str]) -> None:
    async with cosms({"products": {"domestic": 10, "international": 8, "mms": 5}}, balance_lines=value) as v:
        await v.send(Mobs="13800138000,13800138001,4915112345678")
        answer = await v.ask("corpCanSend")
        assert (code(answer), rows(answer)) == ("100", expected)
        assert (await v.account())["balance_requests"] == 1


async def test_today_and_this_month_begin_anew() -> None:
    async with cosms({"products": {"domestic": 10}}, clock_start="2026-01-30T23:59:00", clock_scale=0.001) as v:
        await v.send()
        for start, expected in [("2026-01-31T00:00:00", ["9", "0", "1"]), ("2026-02-01T00:00:00", ["9", "0", "0"])]:
            v.sim.configure(clock_start=start)
            assert rows(await v.ask("corpCanSend"))[:3] == expected


async def test_credit_can_be_topped_up() -> None:
    async with cosms({"products": {"domestic": 1, "international": 0}}) as v:
        assert code(await v.send(Mobs=numbers(2))) == "503"
        v.sim.control.top_up("spring", "domestic", 1)
        v.sim.control.top_up("spring", "international", 1)
        assert code(await v.send(Mobs=numbers(2))) == "100"
        assert code(await v.send(Mobs="4915112345678")) == "100"


# history


@each("hist_columns", [(9, "0,"), (8, "")])
async def test_the_columns_of_the_history(value: int, expected: str) -> None:
    async with cosms(hist_columns=value, status_mix={"0": 1}, **AT, **NOW) as v:
        ids = mt_ids(await v.send(Mobs="13900139000,13012345678", msg="短,信", subNumber="77"))
        await v.due(2)
        await v.reports()
        said = [f"1,{expected}{ids[0]},20260131120000,13900139000,,1065500077,DELIVRD,%B6%CC%2C%D0%C5",
                f"1,{expected}{ids[1]},20260131120000,13012345678,,1065500077,0,%B6%CC%2C%D0%C5"]  # fmt: skip
        assert rows(await history(v)) == said


async def test_the_history_has_subs_countries_and_what_was_refused_not() -> None:
    sub = {"account": "80888", "sub_of": "spring"}
    async with cosms(account={"spring": {}, "autumn": sub, "winter": {}}, **AT) as v:
        await v.send(Mobs="12461234567")
        await v.send(corpID="80888", loginName="80888")
        await v.send(corpID="winter", loginName="winter")
        await v.send(mtLevel="9")
        got = [row.split(",") for row in rows(await history(v))]
        assert [(row[1], row[4], row[5]) for row in got] == [("0", "12461234567", "1246"), ("80888", "13800138000", "")]
        of_sub = rows(await history(v, corpID="80888", loginName="80888"))
        assert [row.split(",")[1] for row in of_sub] == ["80888"]


async def test_the_documents_row() -> None:
    sub = {"account": "80888", "sub_of": "spring"}
    at = {"clock_start": "2004-01-07T12:37:00", "clock_scale": 0.001}
    async with cosms(account={"spring": {}, "autumn": sub}, number="5555100", status_mix={"0": 1}, **at, **NOW) as v:
        answer = await v.send(corpID="80888", loginName="80888", Mobs="13900139000", msg="短消息内容")
        v.sim.configure(clock_start="2004-01-07T12:40:00")
        window = {"sTime": "20040107123000", "eTime": "20040107130000"}
        [row] = rows(await history(v, msgFormat="0", **window))
        assert row.encode("latin-1").decode("gbk") == (
            f"0,80888,{mt_ids(answer)[0]},20040107123700,13900139000,,5555100,DELIVRD,短消息内容"
        )


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("20260131115500", "20260131120500", "100"),
        ("20260131114000", "20260131121000", "100"),
        ("20260131113959", "20260131121000", "414"),  # over 30 minutes
        ("20260131120000", "20260131120000", "100"),
        ("20260131120001", "20260131120500", "300"),
        ("20260131110000", "20260131112000", "300"),
        ("20260131120500", "20260131115500", "414"),  # backwards
        ("20260130235500", "20260131000500", "414"),  # across days
        ("20251231120000", "20251231121000", "414"),  # another month
        ("20250131120000", "20250131121000", "414"),
        ("99991231235959", "99991231235959", "414"),
        ("00000101000000", "00000101000000", "414"),
        ("20260132120000", "20260132121000", "414"),
        ("2026013112", "20260131120500", "414"),
        ("", "20260131120500", "414"),
        ("20260131115500", "", "414"),
        ("2026013111550x", "20260131120500", "414"),
    ],
)
async def test_the_window_of_the_history(start: str, end: str, expected: str) -> None:
    async with cosms(**AT) as v:
        await v.send()
        assert code(await history(v, sTime=start, eTime=end)) == expected


@each("hist_mob", [("whole", "12461234567"), ("local", "1234567")])
async def test_a_number_abroad_in_the_history(value: str, expected: str) -> None:
    async with cosms(hist_mob=value, **AT) as v:
        await v.send(Mobs="12461234567")
        await v.send(msg="at home")
        got = [row.split(",") for row in rows(await history(v))]
        assert [(row[4], row[5]) for row in got] == [(expected, "1246"), ("13800138000", "")]


@each("hist_fast_code", [("414", "414"), ("502", "502")])
async def test_the_history_may_be_asked_once_a_minute(value: str, expected: str) -> None:
    async with cosms(hist_fast_code=value, **AT) as v:
        await v.send()
        said = [code(await history(v)), code(await history(v))]
        v.sim.configure(clock_start="2026-01-31T12:01:01")
        assert [*said, code(await history(v))] == ["100", expected, "100"]
        assert (await v.account())["violations"] == {"history_too_fast": 1}


@each("hist_interval", [(60, ["100", "414"]), (0, ["100", "100"])])
async def test_the_interval_of_the_history(value: int, expected: list[str]) -> None:
    async with cosms(hist_interval=value, **AT) as v:
        await v.send()
        assert [code(await history(v)) for _ in range(2)] == expected


@each("hist_rows", [(500, 500), (3, 3)])
async def test_the_most_rows_of_the_history(value: int, expected: int) -> None:
    async with cosms(hist_rows=value, **AT) as v:
        ids = [mt_id for i in range(2) for mt_id in mt_ids(await v.send(Mobs=numbers(400), msg=str(i)))]
        assert [row.split(",")[2] for row in rows(await history(v))] == ids[:expected]


@each("hist_pending", [("", ""), ("ACCEPTD", "ACCEPTD")])
async def test_a_message_whose_report_is_not_known_yet(value: str, expected: str) -> None:
    async with cosms(hist_pending=value, hist_interval=0, status_mix={"2": 1}, **AT) as v:
        await v.send()
        await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 1)
        assert [row.split(",")[7] for row in rows(await history(v))] == [expected]
        v.sim.configure(clock_start="2026-01-31T12:01:01")  # by then every report was due
        assert [row.split(",")[7] for row in rows(await history(v))] == ["EXPIRED"]


@pytest.mark.parametrize(
    ("value", "mobile", "other"),
    [("0", "DELIVRD", "0"), ("2", "EXPIRED", "2"), ("255", "UNKNOWN", "2"), ("MK:0001", "MK:0001", "MK:0001")],
)
async def test_the_history_speaks_in_the_operators_words(value: str, mobile: str, other: str) -> None:
    async with cosms(status_mix={value: 1}, **AT, **NOW) as v:
        await v.send(Mobs="13900139000,13012345678")
        await v.due(2)
        await v.reports()
        assert [row.split(",")[7] for row in rows(await history(v))] == [mobile, other]


@pytest.mark.parametrize("requested", ["0", "2"])
async def test_commas_and_line_breaks_stand_unprotected_in_some_formats(requested: str) -> None:
    async with cosms(**AT) as v:
        await v.send(msg="a,b\r\nc")
        assert (await history(v, msgFormat=requested)).text.endswith(",,a,b\r\nc\n")


async def test_the_euro_of_the_vendors_gbk_is_served_unchanged() -> None:
    async with cosms(**AT) as v:
        await v.send(msg=b"\xa2\xe35")
        [row] = rows(await history(v))
        assert (row[0], row.rpartition(",")[2]) == ("1", "%A2%E35")


async def test_rows_are_found_again_after_many_requests() -> None:
    async with cosms(row_format="mixed", **AT) as v:
        sent = {mt_ids(await v.send(Mobs=str(13_800_000_000 + i)))[0]: str(13_800_000_000 + i) for i in range(20)}
        got = [row.split(",") for row in rows(await history(v))]
        assert {row[2]: row[4] for row in got} == sent
        assert "".join(row[0] for row in got) == "1023" * 5
        assert all(re.fullmatch(r"\d{14}", row[3]) for row in got)


# another login


async def test_a_login_is_changed() -> None:
    async with cosms() as v:
        assert code(await v.ask("changeLogin", newLoginName="new_Name1", newPassWord="n&w")) == "100"
        logins = [("spring", "secret"), ("new_name1", "secret"), ("NEW_NAME1", "n&w")]
        assert [code(await v.send(loginName=n, password=p)) for n, p in logins] == ["201", "203", "100"]
        assert code(await v.ask("changeLogin", loginName="new_name1", password="n&w", newPassWord="third")) == "100"
        assert code(await v.send(loginName="new_name1", password="third")) == "100"
        v.sim.control.reset(everything=True)
        assert code(await v.send()) == "100"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"newLoginName": "a", "newPassWord": "x"}, "415"),
        ({"newLoginName": "a" * 21, "newPassWord": "x"}, "415"),
        ({"newLoginName": "短信", "newPassWord": "x"}, "415"),
        ({"newLoginName": b"\xff", "newPassWord": "x"}, "415"),
        ({"newLoginName": "a b", "newPassWord": "x"}, "415"),
        ({"newLoginName": "autumn", "newPassWord": "x"}, "416"),
        ({"newLoginName": "summer"}, "417"),
        ({"newPassWord": ""}, "417"),
        ({"newPassWord": "a--b"}, "417"),
        ({"newLoginName": "spring", "newPassWord": "x"}, "100"),
    ],
)
async def test_a_login_that_cannot_be(parameters: dict[str, Any], expected: str) -> None:
    async with cosms(account={"spring": {}, "autumn": {}}) as v:
        assert code(await v.ask("changeLogin", **parameters)) == expected
