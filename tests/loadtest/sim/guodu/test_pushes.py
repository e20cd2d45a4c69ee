"""What GUODU pushes, seen by a receiver: reports and messages in every form, and what takes them (vendors.md 5.3 to
5.6, 8.4).
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from loadtest.sim.guodu.codes_and_switches import MIX, MO_APPEND, MO_FIELDS, MO_MSG, MO_STRANGE, OTHERS, STATUSES
from tests.loadtest.sim.guodu.guodu_kit import entries, guodu, vendor_id
from tests.loadtest.sim.sim_kit import NOW, Receiver, each, numbers, receiver
from tests.waiting import until

CLOCK = {"clock_start": "2026-01-31T12:34:56", "clock_scale": 0.001}
TIME = "2026-01-31 12:34:56"


def pushing_to(r: Receiver, **settings: Any) -> dict[str, Any]:
    return {"report_url": r.url, "inbound_url": r.url} | settings


# reports


async def test_a_report_looks_as_it_is_printed() -> None:
    async with receiver() as r, guodu(pushing_to(r), status_mix={"0": 1}, **NOW, **CLOCK) as v:
        msgid = vendor_id(await v.send())
        push = (await r.have(1))[0]
        assert (push.method, push.query, push.kind) == ("POST", "", "application/json; charset=UTF-8")
        assert push.body.decode() == (
            f'[{{"msg":"发送成功","mobile":"13800138000","msgId":"{msgid}","reportTime":"{TIME}","status":0}}];'
        )


async def test_every_number_is_reported_once_two_hundred_and_fifty_to_a_push() -> None:
    async with receiver() as r, guodu(pushing_to(r), push="off", **NOW) as v:
        ids = [vendor_id(await v.send(DesMobile=numbers(200, 13_800_000_000 + 200 * i))) for i in range(5)]
        await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 1000)
        v.sim.configure(push="on")
        await until(lambda: v.sim.state.reports.waiting == 0)
        reports = [report for push in r.pushes for report in entries(push)]
        assert [len(entries(push)) for push in r.pushes] == [250] * 4
        assert sorted(report["mobile"] for report in reports) == numbers(1000).split(",")
        assert {report["msgId"] for report in reports} == set(ids)
        rows = v.sim.rows()
        theirs = dict(zip(rows["number"], rows["status"], strict=True))
        assert theirs == {report["mobile"]: str(report["status"]) for report in reports}
        assert rows["acked"].all()


@each("push_entries", [(250, 1), (1, 20)])
async def test_how_many_entries_a_packet_has(value: int, expected: int) -> None:
    async with receiver() as r, guodu(pushing_to(r), push_entries=value, push="off", **NOW) as v:
        await v.send(DesMobile=numbers(20))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 20)
        v.sim.configure(push="on")
        await until(lambda: v.sim.state.reports.waiting == 0)
        assert len(r.pushes) == expected
        assert await v.sim.control.push_inbound({"account": "spring", "messages": [{}] * 20}) == [200] * expected
        assert (await v.account())["inbound_acked"] == 20


@each("status", [(s, told) for s, told in STATUSES.items()])
async def test_every_status_has_its_words(value: str, expected: str) -> None:
    async with receiver() as r, guodu(pushing_to(r), status_mix={value: 1}, **NOW) as v:
        await v.send()
        report = entries((await r.have(1))[0])[0]
        assert report["msg"] == expected
        assert report["status"] == (value if value == "UNDELIV" else int(value))


@each("status_mix", [(MIX, MIX), (OTHERS, OTHERS)])
async def test_states_come_in_their_shares(value: dict[str, float], expected: dict[str, float]) -> None:
    async with guodu({"report_url": "http://127.0.0.1:9/"}, status_mix=value, push="off") as v:
        for i in range(100):
            await v.send(DesMobile=numbers(200, 13_800_000_000 + 200 * i))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 20_000)
        statuses = (await v.account())["statuses"]
        assert {s: n / 20_000 for s, n in statuses.items()} == pytest.approx(expected, abs=0.012)


@each("status_type", [("number", [0, 1, "MK:0001"]), ("string", ["0", "1", "MK:0001"])])
async def test_the_type_of_a_status(value: str, expected: list[Any]) -> None:
    async with receiver() as r, guodu(pushing_to(r), status_type=value, **NOW) as v:
        for status in ("0", "1", "MK:0001"):
            v.sim.configure(status_mix={status: 1})
            await v.send()
            await until(lambda: v.sim.state.reports.waiting == 0 and bool(r.pushes))
            await v.sim.control.push_report({"account": "spring", "status": status})
        assert [entries(push)[0]["status"] for push in r.pushes] == [s for s in expected for _ in range(2)]


@each("report_prefix", [("none", "13800138000"), ("86", "8613800138000"), ("+86", "+8613800138000")])
async def test_what_stands_before_a_mobile(value: str, expected: str) -> None:
    async with receiver() as r, guodu(pushing_to(r), report_prefix=value, **NOW) as v:
        await v.send()
        assert entries((await r.have(1))[0])[0]["mobile"] == expected


@each("trailing_semicolon", [("on", b"];"), ("off", b"]")])
async def test_the_end_of_a_push(value: str, expected: bytes) -> None:
    async with receiver() as r, guodu(pushing_to(r), trailing_semicolon=value, **NOW) as v:
        await v.send()
        await r.have(1)
        await v.sim.control.push_report({"account": "spring"})
        await v.sim.control.push_inbound({"account": "spring"})
        assert [push.body[push.body.rindex(b"]") :] for push in r.pushes] == [expected] * 3


KEYS = ["msg", "mobile", "msgId", "reportTime", "status"]


@each(
    "key_case",
    [
        ("documented", KEYS),
        ("capital", ["Msg", "Mobile", "MsgId", "ReportTime", "Status"]),
        ("lower", ["msg", "mobile", "msgid", "reporttime", "status"]),
    ],
)
async def test_the_keys_of_a_report(value: str, expected: list[str]) -> None:
    async with receiver() as r, guodu(pushing_to(r), key_case=value, **NOW) as v:
        await v.send()
        await r.have(1)
        await v.sim.control.push_report({"account": "spring"})
        assert [list(entries(push)[0]) for push in r.pushes] == [expected] * 2
        await v.sim.control.push_inbound({"account": "spring"})
        assert list(entries(r.pushes[2])[0])[2] == {"capital": "MoTime", "lower": "motime"}.get(value, "moTime")


@each("push_shape", [("list", (list, 1)), ("object", (dict, 3))])
async def test_the_shape_of_a_push(value: str, expected: tuple[type, int]) -> None:
    kind, pushes = expected
    async with (
        receiver() as r,
        guodu(pushing_to(r), push_shape=value, trailing_semicolon="off", push="off", **NOW) as v,
    ):
        await v.send(DesMobile=numbers(3))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 3)
        v.sim.configure(push="on")
        await until(lambda: v.sim.state.reports.waiting == 0)
        await v.sim.control.push_inbound({"account": "spring", "messages": [{}] * 3})
        assert {type(json.loads(push.body)) for push in r.pushes} == {kind}
        assert len(r.pushes) == 2 * pushes


async def test_a_made_up_report_may_be_anything() -> None:
    async with receiver() as r, guodu(pushing_to(r), trailing_semicolon="off", **CLOCK) as v:
        made: list[dict[str, Any]] = [
            {"msgid": "7", "status": "99", "time": None, "msg": None},
            {"status": None, "msgid": None, "mobile": "+8613800138000"},
            {"reports": [{"msgid": "1"}, {"msgid": "2", "msg": "随便"}]},
            {"body": "// not JSON\n[]"},
        ]
        for wanted in made:
            assert await v.sim.control.push_report({"account": "spring"} | wanted) == 200
        report = {"msg": "发送成功", "mobile": "13800138000", "msgId": "1", "reportTime": TIME, "status": 0}
        assert [entries(push) for push in r.pushes[:3]] == [
            [{"mobile": "13800138000", "msgId": "7", "status": 99}],
            [{"msg": "发送成功", "mobile": "+8613800138000", "reportTime": TIME}],
            [report, report | {"msgId": "2", "msg": "随便"}],
        ]
        assert r.pushes[3].body == b"// not JSON\n[]"


# what takes a push

BODIES = [b"", b"ok", b" OK\r\n", b'{"code":0}', b'{"code":"0","msg":"x"}', b'{"code":1}', b"0", b"[", b"null"]


def _said(body: bytes, _: int) -> bytes:
    return body


@each(
    "ack",
    [
        ("http200", [True] * 9),
        ("body_ok", [False, True, True, False, False, False, False, False, False]),
        ("json_code0", [False, False, False, True, True, False, False, False, False]),
    ],
)
async def test_what_takes_a_push(value: str, expected: list[bool]) -> None:
    taken: list[bool] = []
    async with receiver() as r, guodu(pushing_to(r), ack=value, **NOW) as v:
        book = v.sim.state.ledger.books["spring"]
        for n, body in enumerate(BODIES):
            r.say = partial(_said, body)
            await v.send(DesMobile=f"1380013800{n}")
            await r.have(n + 1)
            await until(lambda: v.sim.state.reports.waiting == 0)
            taken.append(book.reports_acked + book.inbound_acked - sum(taken) > 0)
        assert taken == expected
        assert book.reports_given_up == expected.count(False)
        r.answer = lambda n: 500
        r.say = lambda n: b'{"code":0}' if value == "json_code0" else b"ok"
        await v.send(DesMobile="13900139000")
        await r.have(len(BODIES) + 1)
        await until(lambda: v.sim.state.reports.waiting == 0)
        assert book.reports_acked == sum(taken)


@each("push_retry", [("none", (1, 0)), ("until_acked", (3, 1))])
async def test_a_push_is_repeated_until_its_body_takes_it(value: str, expected: tuple[int, int]) -> None:
    pushes, acked = expected
    async with receiver() as r, guodu(
        pushing_to(r), ack="body_ok", push_retry=value, push_backoff_s=0.01, **NOW
    ) as v:  # fmt: skip
        r.say = lambda n: b"ok" if n >= 3 else b"busy"
        await v.send()
        await r.have(pushes)
        await until(lambda: v.sim.state.reports.waiting == 0)
        account = await v.account()
        assert (account["pushes"], account["reports_acked"]) == expected
        assert account["reports_given_up"] == 1 - acked


@pytest.mark.parametrize("attempts", [2, 5])
async def test_a_message_is_repeated_n_times(attempts: int) -> None:
    settings = {"push_retry": "until_acked", "push_backoff_s": 0.001, "push_attempts_max": attempts}
    async with receiver() as r, guodu(pushing_to(r), ack="json_code0", **settings) as v:
        assert await v.sim.control.push_inbound({"account": "spring", "msg": "TD"}) == [200]
        await until(lambda: v.sim.state.reports.insisting == 0)
        assert len(r.pushes) == attempts
        account = await v.account()
        assert (account["inbound_pushed"], account["inbound_acked"]) == (1, 0)


# messages


@each(
    "mo_fields",
    [
        (MO_FIELDS, {"mobile": "13900139000", "content": "退订,;%😀", "moTime": TIME, "spCode": "1069"}),
        (MO_MSG, {"mobile": "13900139000", "msg": "退订,;%😀", "time": TIME, "destCode": "1069"}),
        (MO_APPEND, {"mobile": "13900139000", "content": "退订,;%😀", "moTime": TIME, "appendId": "1069"}),
        (MO_STRANGE, {"phone": "13900139000", "body": "退订,;%😀", "at": TIME, "code": "1069"}),
        ({"mobile": "mobile", "text": "msg"}, {"mobile": "13900139000", "msg": "退订,;%😀"}),
    ],
)
async def test_the_keys_of_a_message(value: dict[str, str], expected: dict[str, str]) -> None:
    async with receiver() as r, guodu(pushing_to(r), mo_fields=value, **CLOCK) as v:
        wanted = {"account": "spring", "mobile": "13900139000", "msg": "退订,;%😀", "to": "1069"}
        assert await v.sim.control.push_inbound(wanted) == [200]
        assert entries(r.pushes[0]) == [expected]


async def test_a_message_of_an_unknown_shape_can_be_pushed() -> None:
    async with receiver() as r, guodu(pushing_to(r)) as v:
        await v.sim.control.push_inbound({"account": "spring", "body": '{"上行":[1,2]}'})
        await v.sim.control.push_inbound({"account": "spring", "to": None, "time": None, "msg": "x"})
        assert r.pushes[0].body.decode() == '{"上行":[1,2]}'
        assert entries(r.pushes[1]) == [{"mobile": "13800138000", "content": "x"}]
