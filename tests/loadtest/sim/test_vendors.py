"""What holds for every vendor that pushes in bundles, and for several vendors at once: faults, fates, ledgers."""

from __future__ import annotations

import json
import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import ProxyHandler, build_opener

import click
import pytest

from dispatcher.errors import ConfigError
from loadtest.sim import config as configuration
from loadtest.sim.command import greeting, simulate
from loadtest.sim.process import spawn
from loadtest.sim.requests.faults import FAULTS
from loadtest.sim.server import VENDORS
from tests.loadtest.sim.guodu import guodu_kit
from tests.loadtest.sim.guodu.guodu_kit import Guodu, guodu
from tests.loadtest.sim.hezhong import hezhong_kit
from tests.loadtest.sim.hezhong.hezhong_kit import Hezhong, hezhong
from tests.loadtest.sim.sim_kit import NOW, Answer, Push, Receiver, Vendor, numbers, receiver, started
from tests.waiting import until

NAMES = ["hezhong", "guodu"]


def running(name: str, account: dict[str, Any], /, **switches: Any) -> AbstractAsyncContextManager[Hezhong | Guodu]:
    return hezhong(account, **switches) if name == "hezhong" else guodu(account, **switches)


async def send(v: Vendor, mobiles: str, text: str = "hello") -> Answer:
    if isinstance(v, Guodu):
        return await v.send(DesMobile=mobiles, text=text)
    assert isinstance(v, Hezhong)
    return await v.send(mobs=mobiles, msg=text)


def taken(v: Vendor, answer: Answer) -> bool:
    return guodu_kit.code(answer) in ("00", "03") if isinstance(v, Guodu) else hezhong_kit.code(answer) == "0"


class Report(NamedTuple):
    mobile: str
    vendor_id: str
    status: str


def reports(v: Vendor, push: Push) -> list[Report]:
    if isinstance(v, Guodu):
        return [Report(e["mobile"], e["msgId"], str(e["status"])) for e in guodu_kit.entries(push)]
    return [Report(e[0], e[2], e[1]) for e in hezhong_kit.entries(push)]


def mobiles(v: Vendor, r: Receiver) -> list[str]:
    return [report.mobile for push in r.pushes for report in reports(v, push)]


# faults

EXPECTED = {
    "delay": rb"HTTP/1\.1 200 OK\r\n.*\r\n\r\nBODY",
    "no_answer": rb"",
    "close": rb"",
    "half_answer": rb"HTTP/1\.1 200 OK\r\n.*\r\n\r\n.+",
    "half_rows": rb"HTTP/1\.1 200 OK\r\n.*\r\n\r\n",
    "html_200": rb"HTTP/1\.1 200 OK\r\nContent-Type: text/html\r\n.*<html>.*</html>",
    "empty_body": rb"HTTP/1\.1 200 OK\r\n.*Content-Length: 0\r\n.*\r\n\r\n",
    "wrong_charset": rb"HTTP/1\.1 200 OK\r\nContent-Type: text/html; charset=UTF-16\r\n.*\r\n\r\nBODY",
    "chunked": rb"HTTP/1\.1 200 OK\r\n.*Transfer-Encoding: chunked\r\n\r\n.*\r\n0\r\n\r\n",
    "http10_close": rb"HTTP/1\.0 200 OK\r\n.*\r\n\r\nBODY",
    "connection_close": rb"HTTP/1\.1 200 OK\r\n.*Connection: close\r\n\r\nBODY",
    "body_100k": rb"HTTP/1\.1 200 OK\r\n.*\r\n\r\nBODY\n(x{99}\n){1000}",
    "slow_drip": rb"HTTP/1\.1 200 OK\r\n.*\r\n\r\nBODY",
}
BODY = {"hezhong": rb"0,\d+", "guodu": rb'{"ResultCode":"00","MsgId":"\d+"}'}
KIND = {"hezhong": b"text/plain; charset=GBK", "guodu": b"application/json; charset=UTF-8"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "reset"])
async def test_a_fault_of_every_vendor_on_the_wire_and_in_the_ledger(name: str, fault: str) -> None:
    rule = {"fault": fault, "count": 1, "delay_s": 0.01, "hold_s": 0.05, "drip_s": 0.0001}
    async with running(name, {}, rule=[rule]) as v:
        path = guodu_kit.SEND if name == "guodu" else hezhong_kit.SEND
        form = v.form(DesMobile=numbers(7)) if isinstance(v, Guodu) else v.form(mobs=numbers(7))
        answer = await v.raw(v.post(form, path=path))
        status = re.escape(f"HTTP/1.1 {fault[5:]} ").encode() + rb".*"
        assert re.fullmatch(EXPECTED.get(fault, status).replace(b"BODY", BODY[name]), answer, re.DOTALL)
        if fault in ("delay", "half_answer", "chunked", "slow_drip", "http10_close", "empty_body"):
            assert b"\r\nContent-Type: " + KIND[name] + b"\r\n" in answer
        account = await v.account()
        assert account["numbers_accepted"] == (7 if FAULTS[fault][0] else 0)
        assert account["faults"] == {fault: 1}
        assert taken(v, await send(v, numbers(2)))


@pytest.mark.parametrize("name", NAMES)
async def test_a_fault_may_leave_the_request_untaken(name: str) -> None:
    async with running(name, {}, rule=[{"fault": "delay", "delay_s": 0.0, "taken": False}]) as v:
        answer = await send(v, numbers(5))
        assert answer.text in ("-99", '{"ResultCode":"-1"}')
        assert (await v.account())["numbers_accepted"] == 0


# the ledger


@pytest.mark.parametrize("name", NAMES)
async def test_a_double_text_is_counted(name: str) -> None:
    async with running(name, {}) as v:
        await send(v, numbers(10))
        await send(v, numbers(5))
        await send(v, numbers(5), "another text")
        account = await v.account()
        assert (account["numbers_accepted"], account["unique_numbers"], account["double_texts"]) == (20, 10, 5)
        assert v.sim.rows().height == 20


@pytest.mark.parametrize("name", NAMES)
async def test_without_rows_reports_still_come(name: str) -> None:
    async with receiver() as r, running(name, {"report_url": r.url}, ledger="counts", **NOW) as v:
        await send(v, numbers(50))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 50)
        assert sorted(mobiles(v, r)) == numbers(50).split(",")
        assert "double_texts" not in await v.account()


# fates of reports in bundles


@pytest.mark.parametrize("name", NAMES)
async def test_no_duplicate_loss_or_stray_is_miscounted(name: str) -> None:
    fates = {"report_duplicates": 0.5, "report_loss": 0.2, "report_unknown_ids": 1.0, "report_delay_mean_s": 0.1}
    async with receiver() as r, running(
        name, {"report_url": r.url}, report_delay_min_s=0.0, push_connections=1, **fates
    ) as v:  # fmt: skip
        answers = [await send(v, numbers(200, 13_800_000_000 + 200 * i)) for i in range(5)]
        book = v.sim.state.ledger.books["spring"]
        await until(lambda: book.reports_due + book.reports_lost == 1000 and v.sim.state.reports.waiting == 0)
        await r.have(2 * book.pushes)
        kit = guodu_kit if isinstance(v, Guodu) else hezhong_kit
        ids = {kit.vendor_id(answer) for answer in answers}
        told = [report for push in r.pushes for report in reports(v, push)]
        strays = [report for report in told if report.vendor_id not in ids]
        known = [report for report in told if report.vendor_id in ids]
        assert len(strays) == book.reports_stray == book.pushes
        assert len(known) == book.reports_due + book.reports_duplicates
        assert len({report.mobile for report in known}) == book.reports_due
        assert book.reports_due == book.reports_pushed == book.reports_acked
        assert 100 < book.reports_lost < 300
        assert 300 < book.reports_duplicates < 500
        rows = v.sim.rows()
        statuses = dict(zip(rows["number"], rows["status"], strict=True))
        assert all(statuses[report.mobile] == report.status for report in known)
        assert rows["lost"].sum() == book.reports_lost
        assert rows["acked"].sum() == book.reports_acked


@pytest.mark.parametrize("name", NAMES)
async def test_bundles_before_the_answer(name: str) -> None:
    async with receiver() as r, running(name, {"report_url": r.url}, report_early=1.0, report_early_hold_s=15.0) as v:
        assert taken(v, await send(v, numbers(200)))
        assert sorted(mobiles(v, r)) == numbers(200).split(",")


@pytest.mark.parametrize("name", NAMES)
async def test_the_early_answer_comes_although_bundles_are_given_up(name: str) -> None:
    async with receiver() as r, running(name, {"report_url": r.url}, report_early=1.0, report_early_hold_s=15.0) as v:
        r.answer = lambda n: 500
        assert taken(v, await send(v, numbers(200)))
        account = await v.account()
        assert (account["reports_given_up"], account["reports_acked"]) == (200, 0)


@pytest.mark.parametrize("name", NAMES)
async def test_what_was_given_up_and_then_repeated_is_acked(name: str) -> None:
    async with receiver() as r, running(name, {"report_url": r.url}, **NOW) as v:
        r.answer = lambda n: 500
        await send(v, numbers(40))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_given_up == 40)
        r.answer = lambda n: 200
        before = len(r.pushes)
        assert v.sim.control.repeat("spring") == 40
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 40)
        account = await v.account()
        assert (account["reports_given_up"], account["reports_pushed"]) == (0, 40)
        again = [report.mobile for push in r.pushes[before:] for report in reports(v, push)]
        assert sorted(again) == numbers(40).split(",")


@pytest.mark.parametrize("name", NAMES)
async def test_repetition_of_bundles_ends(name: str) -> None:
    settings = {"push_retry": "until_acked" if name == "guodu" else "until_200", "push_backoff_s": 0.0}
    async with receiver() as r, running(name, {"report_url": r.url}, push_attempts_max=3, **settings, **NOW) as v:
        r.answer = lambda n: 404
        await send(v, numbers(20))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_given_up == 20)
        await until(lambda: v.sim.state.reports.waiting == 0)
        times = mobiles(v, r)
        assert all(times.count(mobile) == 3 for mobile in numbers(20).split(","))


@pytest.mark.parametrize("name", NAMES)
async def test_a_magic_number_has_its_status_in_a_bundle(name: str) -> None:
    magic = {"13800000007": "99"}
    async with receiver() as r, running(
        name, {"report_url": r.url}, status_mix={"0": 1}, status_numbers=magic, **NOW
    ) as v:  # fmt: skip
        await send(v, numbers(20))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 20)
        told = {report.mobile: report.status for push in r.pushes for report in reports(v, push)}
        assert told == dict.fromkeys(numbers(20).split(","), "0") | magic


@pytest.mark.parametrize("name", NAMES)
async def test_a_reset_drops_bundles_that_wait(name: str) -> None:
    async with receiver() as r, running(name, {"report_url": r.url}, push="off", **NOW) as v:
        await send(v, numbers(20))
        await until(lambda: v.sim.state.reports.waiting == 20)
        v.sim.control.reset()
        v.sim.configure(push="on")
        await send(v, numbers(3))
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 3)
        assert sorted(mobiles(v, r)) == numbers(3).split(",")


# several at once

SEVERAL = """
[sim]
listen = "127.0.0.1:0"
clock_scale = 60.0
[sim.north]
vendor = "hezhong"
len_unit = "chars"
[sim.north.account.spring]
userid = "7"
[sim.south]
vendor = "guodu"
seed = 5
"""


def test_every_vendor_is_known_by_its_name() -> None:
    assert tuple(VENDORS) == configuration.VENDORS
    assert all(kind.name == name for name, kind in VENDORS.items())


def test_tables_of_several_take_over_what_stands_above_them(tmp_path: Path) -> None:
    file = tmp_path / "sim.toml"
    file.write_text(SEVERAL)
    configs = configuration.read_all(file)
    north, south = configs["north"], configs["south"]
    assert (north.vendor, north.switches) == ("hezhong", {"clock_scale": 60.0, "len_unit": "chars"})
    assert (south.vendor, south.switches, south.seed) == ("guodu", {"clock_scale": 60.0}, 5)
    assert north.accounts["spring"].userid == "7"
    assert list(south.accounts) == ["demo", "bulk"]
    assert [c.listen for c in configs.values()] == ["127.0.0.1:0"] * 2
    file.write_text(SEVERAL.replace('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:9300"'))
    assert [c.listen for c in configuration.read_all(file).values()] == ["127.0.0.1:9300", "127.0.0.1:9301"]
    with pytest.raises(ConfigError, match="there are several \\(north, south\\)"):
        configuration.read_all(file, listen="127.0.0.1:1")


def test_one_simulator_is_read_as_before() -> None:
    configs = configuration.read_all({"account": {"vendor": {"pswd": "x"}}}, "127.0.0.1:5", "guodu")
    assert [(n, c.vendor, c.listen, list(c.accounts)) for n, c in configs.items()] == [
        ("guodu", "guodu", "127.0.0.1:5", ["vendor"])
    ]


def test_several_run_in_one_process_with_a_ledger_each() -> None:
    http = build_opener(ProxyHandler({}))
    with spawn({"north": {"vendor": "hezhong"}, "south": {"vendor": "guodu"}, "west": {"vendor": "batch"}}) as sims:
        assert {name: sim.describe()["vendor"] for name, sim in sims.named.items()} == {
            "north": "hezhong", "south": "guodu", "west": "batch",
        }  # fmt: skip
        body = json.dumps({"OperID": "demo", "OperPass": "secret", "DesMobile": "13800138000", "Content": "x"}).encode()
        with http.open(sims.named["south"].url + guodu_kit.SEND, body) as answer:
            assert json.loads(answer.read())["ResultCode"] == "03"
        assert {name: sim.totals()["numbers_accepted"] for name, sim in sims.named.items()} == {
            "north": 0, "south": 1, "west": 0,
        }  # fmt: skip
        assert sims.url == sims.named["north"].url


@pytest.mark.parametrize("name", list(VENDORS))
@pytest.mark.parametrize(
    "account", [{}, {"account": "1001", "userid": "77", "login_name": "ANN"}], ids=["plain", "own"]
)
async def test_the_request_a_vendor_gives_to_try_works(name: str, account: dict[str, Any]) -> None:
    async with started(Vendor, account, {"vendor": name}) as v:
        config = next(iter(v.sim.state.ledger.books.values())).config
        first, second = v.sim.vendor.example(v.sim.url, config)
        url, body = first.split("'")[1], second.partition("'")[2].removesuffix("'")
        answer = await v.call(url.removeprefix(v.sim.url), body.encode())
        assert answer.status == 200
        assert (await v.account())["numbers_accepted"] == 1


@pytest.mark.parametrize(
    ("vendor", "account", "said"),
    [
        ("hezhong", {}, "no reports (no report_url)"),
        ("cosms", {}, "reports kept until they are asked for"),
        ("cosms", {"report_url": "http://127.0.0.1:9/r"}, "reports to http://127.0.0.1:9/r"),
        (
            "cosms",
            {"report_url": "http://127.0.0.1:9/r", "reports": "both"},
            "reports to http://127.0.0.1:9/r, reports kept until they are asked for",
        ),
    ],
)
async def test_the_greeting_says_where_the_reports_go(vendor: str, account: dict[str, Any], said: str) -> None:
    async with started(Vendor, account, {"vendor": vendor}) as v:
        [line] = [line for line in greeting([v.sim]).splitlines() if line.startswith("  account ")]
        assert line.endswith(f"credit 1,000,000,000, {said}")


def test_the_command_offers_every_vendor() -> None:
    [option] = [p for p in simulate.params if p.name == "vendor"]
    assert isinstance(option.type, click.Choice)
    assert {*option.type.choices} == {*configuration.VENDORS, "cmpp", "batch-a"}  # which is `batch` in dispatcher.toml
