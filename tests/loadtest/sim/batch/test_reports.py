"""Report pushes (vendors.md 3.2, 8.3, 9 (5)), seen by a receiver."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from typing import Any

import pytest

from loadtest.sim.batch.codes_and_switches import STATUSES_A, STATUSES_B, STATUSES_ODD
from tests.loadtest.sim.sim_kit import NOW, Receiver, each, numbers, receiver, vendor
from tests.waiting import until

VENDORS = ("batch", "batch-b")
pytestmark = pytest.mark.usefixtures("platform")


def pushing_to(r: Receiver, **settings: Any) -> dict[str, Any]:
    return {"report_url": r.url} | settings


async def test_every_number_is_reported_once_with_all_parameters() -> None:
    async with receiver() as r, vendor(pushing_to(r, receiver="me", receiver_pswd="p&w"), **NOW) as v:
        msgid = (await v.send(mobile=numbers(300))).text.split("\n")[1]
        pushes = await r.have(300)
        assert sorted(p.fields["mobile"] for p in pushes) == numbers(300).split(",")
        first = pushes[0]
        assert (first.method, first.path) == ("GET", "/push/spring/report")
        assert list(first.fields) == ["receiver", "pswd", "msgid", "reportTime", "mobile", "status"]
        assert {p.fields["msgid"] for p in pushes} == {msgid}
        assert (first.fields["receiver"], first.fields["pswd"]) == ("me", "p&w")
        await until(lambda: v.sim.state.reports.waiting == 0)
        account = await v.account()
        assert (
            account["reports_due"] == account["reports_pushed"] == account["reports_acked"] == account["pushes"] == 300
        )
        assert sum(account["statuses"].values()) == 300
        rows = v.sim.rows()
        assert dict(zip(rows["number"], rows["status"], strict=True)) == {
            p.fields["mobile"]: p.fields["status"] for p in pushes
        }
        assert rows["acked"].all()


async def test_without_needstatus_or_without_an_address_nothing_is_pushed() -> None:
    async with receiver() as r, vendor(pushing_to(r), **NOW) as v:
        await v.send(needstatus="false")
        v.sim.configure(account={"spring": {"report_url": ""}})
        await v.send(mobile="13900139001")
        v.sim.configure(account={"spring": {"report_url": r.url}})
        await v.send(mobile="13900139002")
        assert [p.fields["mobile"] for p in await r.have(1)] == ["13900139002"]
        assert (await v.account())["reports_due"] == 1


@each("status", [(s, s) for s in dict.fromkeys((*STATUSES_A, *STATUSES_B, *STATUSES_ODD))])
async def test_every_status_can_be_pushed(value: str, expected: str) -> None:
    async with receiver() as r, vendor(pushing_to(r), status_mix={value: 1}, **NOW) as v:
        await v.send()
        assert (await r.have(1))[0].fields["status"] == expected
        assert v.sim.rows()["status"].to_list() == [expected]


MIX = {"DELIVRD": 0.93, "UNDELIV": 0.03, "EXPIRED": 0.02, "REJECTD": 0.01, "MBBLACK": 0.01}


@each("status_mix", [(MIX, MIX), ({"DELIVRD": 3, "UNKNOWN": 1}, {"DELIVRD": 0.75, "UNKNOWN": 0.25})])
async def test_statuses_come_in_their_shares(value: dict[str, float], expected: dict[str, float]) -> None:
    async with vendor({"report_url": "http://127.0.0.1:9/"}, status_mix=value, push="off") as v:
        await v.send(mobile=numbers(50_000))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 50_000)
        statuses = (await v.account())["statuses"]
        assert {s: n / 50_000 for s, n in statuses.items()} == pytest.approx(expected, abs=0.01)


@each("status_numbers", [({}, "DELIVRD"), ({"13800138009": "MBBLACK"}, "MBBLACK")])
async def test_a_magic_number_always_gets_its_status(value: dict[str, str], expected: str) -> None:
    async with receiver() as r, vendor(pushing_to(r), status_mix={"DELIVRD": 1}, status_numbers=value, **NOW) as v:
        await v.send(mobile="13800138000,13800138009")
        statuses = {p.fields["mobile"]: p.fields["status"] for p in await r.have(2)}
        assert statuses == {"13800138000": "DELIVRD", "13800138009": expected}


@each("bad_number_status", [("UNDELIV", "UNDELIV"), ("MK:0001", "MK:0001")])
async def test_a_wrong_number_that_was_taken_is_reported_failed(value: str, expected: str) -> None:
    taken = {"bad_number": "accept_and_report_failed", "bad_number_status": value}
    async with receiver() as r, vendor(pushing_to(r), **taken, **NOW) as v:
        await v.send(mobile="12 34")
        push = (await r.have(1))[0]
        assert (push.fields["mobile"], push.fields["status"]) == ("12 34", expected)


@each("time_digits", [(10, r"260131\d{4}"), (12, r"260131\d{6}"), (14, r"20260131\d{6}")])
async def test_the_digits_of_report_time(value: int, expected: str) -> None:
    async with receiver() as r, vendor(pushing_to(r), time_digits=value, clock_start="2026-01-31T12:00:00", **NOW) as v:
        await v.send()
        assert re.fullmatch(expected, (await r.have(1))[0].fields["reportTime"])


@each("report_prefix", [("none", "13800138000"), ("86", "8613800138000"), ("+86", "+8613800138000")])
async def test_the_prefix_of_a_reported_number(value: str, expected: str) -> None:
    async with receiver() as r, vendor(pushing_to(r), report_prefix=value, **NOW) as v:
        await v.send()
        assert (await r.have(1))[0].fields["mobile"] == expected


@each("push_method", [("GET", "GET"), ("POST", "POST")])
async def test_the_method_of_a_push(value: str, expected: str) -> None:
    async with receiver() as r, vendor(pushing_to(r, receiver="me"), push_method=value, **NOW) as v:
        await v.send()
        push = (await r.have(1))[0]
        assert push.method == expected
        assert push.fields["receiver"] == "me"


@each("empty_receiver", [("empty", {"receiver": "", "pswd": ""}), ("absent", {})])
async def test_an_account_without_receiver_and_password(value: str, expected: dict[str, str]) -> None:
    async with receiver() as r, vendor(pushing_to(r), empty_receiver=value, **NOW) as v:
        await v.send()
        fields = (await r.have(1))[0].fields
        assert {k: fields[k] for k in ("receiver", "pswd") if k in fields} == expected


@each("push_retry", [("none", 1), ("until_200", 3)])
async def test_a_push_that_was_not_taken(value: str, expected: int) -> None:
    async with receiver() as r, vendor(pushing_to(r), push_retry=value, push_backoff_s=0.01, **NOW) as v:
        r.answer = lambda n: 200 if n >= 3 else 503
        await v.send()
        await r.have(expected)
        await until(lambda: v.sim.state.reports.waiting == 0)
        account = await v.account()
        assert account["pushes"] == len(r.pushes) == expected
        assert account["reports_acked"] == (1 if expected == 3 else 0)
        assert account["reports_given_up"] == (0 if expected == 3 else 1)
        assert account["push_failures"] == min(expected, 2)


@each("push_attempts_max", [(10, 10), (2, 2)])
async def test_repetition_ends(value: int, expected: int) -> None:
    async with receiver() as r, vendor(
        pushing_to(r), push_retry="until_200", push_attempts_max=value, push_backoff_s=0.0, **NOW
    ) as v:  # fmt: skip
        r.answer = lambda n: 500
        await v.send()
        await r.have(expected)
        await until(lambda: v.sim.state.reports.waiting == 0)
        account = await v.account()
        assert (account["pushes"], account["reports_given_up"], account["reports_pushed"]) == (expected, 1, 1)


@each("push_backoff_s", [(1.0, 1.0), (0.01, 0.01)])
async def test_the_pause_before_a_repetition_doubles(value: float, expected: float) -> None:
    async with receiver() as r, vendor(
        pushing_to(r), push_retry="until_200", push_backoff_s=value, clock_scale=50.0, **NOW
    ) as v:  # fmt: skip
        r.answer = lambda n: 200 if n == 4 else 500
        again: list[float] = []
        await v.send()
        box = v.sim.state.reports.outbox(v.sim.state.ledger.books["spring"])
        put = box.schedule.put

        def spy(rows: Any) -> None:
            again.extend(rows["due_s"][rows["attempt"] > 0].tolist())
            put(rows)

        box.schedule.put = spy  # type: ignore[method-assign]
        await r.have(4)
        assert len(again) == 3
        assert all(b - a >= expected / 50 * 2 ** (n + 1) for n, (a, b) in enumerate(pairwise(again)))


@each("report_loss", [(0.0, (100, 0)), (1.0, (0, 100))])
async def test_lost_reports_never_come(value: float, expected: tuple[int, int]) -> None:
    async with receiver() as r, vendor(pushing_to(r), report_loss=value, **NOW) as v:
        await v.send(mobile=numbers(100))
        book = v.sim.state.ledger.books["spring"]
        await until(lambda: book.reports_due + book.reports_lost == 100 and v.sim.state.reports.waiting == 0)
        assert (book.reports_due, book.reports_lost) == expected
        assert len(r.pushes) == expected[0]
        assert v.sim.rows()["lost"].sum() == expected[1]


@each("report_duplicates", [(0.0, 1), (1.0, 2)])
async def test_duplicates_come_once_more(value: float, expected: int) -> None:
    async with receiver() as r, vendor(pushing_to(r), report_duplicates=value, **NOW) as v:
        await v.send(mobile=numbers(50))
        await r.have(50 * expected)
        await until(lambda: v.sim.state.reports.waiting == 0)
        per_number = [p.fields["mobile"] for p in r.pushes]
        assert all(per_number.count(n) == expected for n in numbers(50).split(","))
        account = await v.account()
        assert account["reports_acked"] == 50
        assert account["reports_duplicates"] == 50 * (expected - 1)


@each("report_unknown_ids", [(0.0, 0), (1.0, 20)])
async def test_reports_with_an_unknown_id(value: float, expected: int) -> None:
    async with receiver() as r, vendor(pushing_to(r), report_unknown_ids=value, **NOW) as v:
        msgid = (await v.send(mobile=numbers(20))).text.split("\n")[1]
        await r.have(20 + expected)
        assert sum(p.fields["msgid"] != msgid for p in r.pushes) == expected
        account = await v.account()
        assert (account["reports_stray"], account["reports_pushed"]) == (expected, 20)


@each("report_early", [(0.0, False), (1.0, True)])
async def test_reports_before_the_answer(value: float, expected: bool) -> None:
    settings = NOW if expected else {"report_delay": "fixed", "report_delay_min_s": 1000.0, "report_delay_max_s": 1000}
    async with receiver() as r, vendor(pushing_to(r), report_early=value, **settings) as v:
        await v.send(mobile=numbers(30))
        assert (len(r.pushes) == 30) is expected


@each("report_early_hold_s", [(1.0, False), (0.0, True)])
async def test_the_answer_does_not_wait_for_a_receiver_that_hangs(value: float, expected: bool) -> None:
    async with receiver() as r, vendor(pushing_to(r), report_early=1.0, report_early_hold_s=value, **NOW) as v:
        r.answer = lambda n: None
        assert (await v.send()).code == "0"
        assert expected or r.pushes


@each("report_order", [("delay", False), ("submit", True)])
async def test_the_order_of_reports(value: str, expected: bool) -> None:
    async with receiver() as r, vendor(
        pushing_to(r), report_order=value, report_delay_min_s=0.0, report_delay_mean_s=0.1, push_connections=1
    ) as v:  # fmt: skip
        await v.send(mobile=numbers(200))
        order = [p.fields["mobile"] for p in await r.have(200)]
        assert (order == sorted(order)) is expected


@each("push", [("on", 5), ("off", 0)])
async def test_down_time_holds_reports_back_and_later_all_come(value: str, expected: int) -> None:
    async with receiver() as r, vendor(pushing_to(r), push=value, **NOW) as v:
        await v.send(mobile=numbers(5))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 5)
        if expected:
            await r.have(5)
        else:
            assert v.sim.state.reports.waiting == 5
            v.sim.configure(push="on")
            await r.have(5)
        assert len({p.fields["mobile"] for p in r.pushes}) == 5


@each("push_connections", [(8, 8), (1, 1)])
async def test_pushes_under_way_at_once(value: int, expected: int) -> None:
    async with receiver() as r, vendor(pushing_to(r), push_connections=value, **NOW) as v:
        r.answer = lambda n: None
        await v.send(mobile=numbers(30))
        await r.have(expected)
        await asyncio.sleep(0.05)
        assert len(r.pushes) == expected


@each("push_timeout_s", [(10.0, 0), (0.2, 1)])
async def test_a_receiver_that_does_not_answer(value: float, expected: int) -> None:
    async with receiver() as r, vendor(pushing_to(r), push_timeout_s=value, **NOW) as v:
        r.answer = lambda n: None if n == 1 else 200
        await v.send()
        await r.have(1)
        book = v.sim.state.ledger.books["spring"]
        if expected:
            await until(lambda: book.reports_given_up == 1)
        assert book.push_failures == expected


DELAYS = {"report_delay_min_s": 1.0, "report_delay_mean_s": 2.0, "report_delay_max_s": 6.0, "push": "off"}


@each(
    "report_delay",
    [
        ("exponential", (1.0, 6.0, True)),
        ("uniform", (1.0, 5.0, True)),
        ("fixed", (1.0, 1.0, False)),
        ("lognormal", (1.0, 6.0, True)),
    ],
)
async def test_the_distribution_of_delays(value: str, expected: tuple[float, float, bool]) -> None:
    least, longest, spread = expected
    delays = await delays_of(report_delay=value, **DELAYS)
    assert least <= min(delays) < least + 0.05
    assert longest - 0.05 < max(delays) <= longest
    assert (len(set(delays)) > 1) is spread


@each("report_delay_min_s", [(0.5, 0.5), (0.0, 0.0)])
async def test_the_least_delay(value: float, expected: float) -> None:
    assert min(await delays_of(report_delay_min_s=value, push="off")) == pytest.approx(expected, abs=0.01)


@each("report_delay_mean_s", [(2.0, 2.0), (0.0, 0.0)])
async def test_the_mean_delay(value: float, expected: float) -> None:
    delays = await delays_of(report_delay_min_s=0.0, report_delay_mean_s=value, report_delay_max_s=1000, push="off")
    assert sum(delays) / len(delays) == pytest.approx(expected, rel=0.05)


@each("report_delay_max_s", [(60.0, 60.0), (0.2, 0.2)])
async def test_the_longest_delay(value: float, expected: float) -> None:
    delays = await delays_of(report_delay_mean_s=100.0, report_delay_max_s=value, push="off")
    assert max(delays) == pytest.approx(expected)


@each("clock_scale", [(1.0, 60.0), (60.0, 1.0)])
async def test_a_faster_clock_shortens_delays(value: float, expected: float) -> None:
    delays = await delays_of(report_delay="fixed", report_delay_min_s=60.0, clock_scale=value, push="off")
    assert (min(delays), max(delays)) == pytest.approx((expected, expected))


async def delays_of(**switches: Any) -> list[float]:
    """The delays, real seconds, that were planned for 10,000 numbers."""
    async with vendor({"report_url": "http://127.0.0.1:9/"}, **switches) as v:
        await v.send(mobile=numbers(10_000))
        engine = v.sim.state.reports
        entry = v.sim.state.ledger.entries[0]
        rows = engine.planner.plan([entry], 0.0)
        return list(rows["due_s"].tolist())


@each("review", [("off", "DELIVRD"), ("approve_after", "DELIVRD"), ("reject_after", "REJECT")])
async def test_accepted_is_not_sent_until_reviewed(value: str, expected: str) -> None:
    async with receiver() as r, vendor(
        pushing_to(r), review=value, review_delay_s=0.01, status_mix={"DELIVRD": 1}, **NOW
    ) as v:  # fmt: skip
        assert (await v.send(mobile=numbers(20))).code == "0"
        assert {p.fields["status"] for p in await r.have(20)} == {expected}


@each("review_delay_s", [(5.0, 5.0), (0.0, 0.0)])
async def test_a_review_delays_the_reports(value: float, expected: float) -> None:
    async with vendor({"report_url": "http://127.0.0.1:9/"}, review="approve_after", review_delay_s=value, **NOW) as v:
        planned: list[float] = []
        plan = v.sim.state.reports.planner.plan

        def spy(entries: Any, now_s: float, extra_s: float = 0.0, forced: str | None = None) -> Any:
            planned.append(extra_s)
            return plan(entries, now_s, extra_s, forced)

        v.sim.state.reports.planner.plan = spy  # type: ignore[method-assign]
        await v.send()
        await until(lambda: bool(planned))
        assert planned == [expected]


async def test_every_report_already_pushed_can_be_pushed_once_more() -> None:
    async with receiver() as r, vendor(pushing_to(r), **NOW) as v:
        await v.send(mobile=numbers(40))
        await r.have(40)
        await until(lambda: v.sim.state.reports.waiting == 0)
        assert v.sim.control.repeat("spring") == 40
        await r.have(80)
        assert [p.fields["mobile"] for p in r.pushes].count("13800000000") == 2
        await until(lambda: v.sim.state.reports.waiting == 0)
        assert (await v.account())["reports_acked"] == 40


async def test_the_same_seed_draws_the_same_fate() -> None:
    async def fate(seed: int) -> list[str]:
        async with vendor({"report_url": "http://127.0.0.1:9/"}, seed=seed, push="off") as v:
            await v.send(mobile=numbers(1000))
            await until(lambda: v.sim.state.ledger.books["spring"].reports_due == 1000)
            return list(v.sim.rows()["status"])

    assert await fate(1) == await fate(1)
    assert await fate(1) != await fate(2)


async def test_a_made_up_report_is_pushed_as_asked_for() -> None:
    async with receiver() as r, vendor(pushing_to(r, receiver="me", receiver_pswd="right")) as v:
        wanted = {"account": "spring", "msgid": "77", "mobile": "+8613800138000", "status": "MK:0001", "pswd": "wrong"}
        assert await v.sim.control.push_report(wanted | {"reportTime": None}) == 200
        fields = r.pushes[0].fields
        assert fields == {
            "receiver": "me",
            "pswd": "wrong",
            "msgid": "77",
            "mobile": "+8613800138000",
            "status": "MK:0001",
        }
