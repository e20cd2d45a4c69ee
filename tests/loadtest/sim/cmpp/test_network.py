"""Two simulated CMPP gateways and their name server: routes, forwarding, reports both ways, what fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.layout import HEADER
from dispatcher.cmpp.long_texts import read_part
from dispatcher.cmpp.reports import read_report
from dispatcher.errors import ConfigError
from loadtest.sim.cmpp.judging import PEER_SECRET, ismg_hash
from loadtest.sim.cmpp.network.dial import Address, ask_once, login
from loadtest.sim.cmpp.network.network import CmppNetwork
from loadtest.sim.cmpp.network.routes import ADD, CHANGE, DELETE, MoRoute, MtRoute, Routes, mt_route_of
from loadtest.sim.config import read, read_all
from tests.loadtest.sim.cmpp.cmpp_kit import NOW, SECRET, SP_ID, Ismg, Sp, submit
from tests.loadtest.sim.sim_kit import each
from tests.waiting import until

HERE, THERE = b"13800138000", b"13900139000"
ONE, TWO = "001001", "079101"
SPRING = {"account": SP_ID.decode(), "pswd": SECRET.decode(), "service_code": "1069000101"}
AUTUMN = {"account": "901235", "service_code": "1069000202", "gateway": TWO}


class Both:
    """A running network, an SP of the first gateway, and what both gateways counted."""

    def __init__(self, network: CmppNetwork) -> None:
        self.network = network
        self.ismg = Ismg(network.gateways[ONE])

    async def sp(self, result: int | None = 0) -> Sp:
        return await self.ismg.sp(result)

    def figures(self, code: str) -> dict[str, Any]:
        figures: dict[str, Any] = self.network.nodes[code].figures()
        return figures

    def configure(self, code: str, **switches: Any) -> None:
        self.network.gateways[code].configure(**switches)

    async def ask(self, request: Any) -> Any:
        """What a gateway asks the name server."""
        now = self.network.gateways[ONE].gateway.clock.local()
        return await ask_once(self.network.name_server.address, login(ONE.encode(), PEER_SECRET, now), request)


@asynccontextmanager
async def both(**switches: Any) -> AsyncIterator[Both]:
    config = {"listen": "127.0.0.1:0", "account": {"spring": SPRING, "autumn": AUTUMN}, **NOW, **switches}
    async with CmppNetwork(config) as network:
        made = Both(network)
        try:
            yield made
        finally:
            for sp, task in made.ismg.sps:
                sp.writer.close()
                task.cancel()


def stats(sp: Sp) -> list[bytes]:
    found = [read_report(pdu.msg_content) for _, pdu in sp.got if isinstance(pdu, pdus.Deliver)]
    return [report.stat for report in found if report is not None]


async def test_a_message_to_a_phone_of_another_gateway_is_forwarded_and_reported() -> None:
    async with both(status_numbers={"13900139000": "MK:0001", "13800138000": "DELIVRD"}) as net:
        sp = await net.sp()
        far, near = await sp.submit(dest_terminal_ids=(b"86" + THERE,)), await sp.submit()
        delivered = [pdu for _, pdu in await sp.answers(pdus.Deliver, 2)]
        reports = {report.msg_id: report for pdu in delivered if (report := read_report(pdu.msg_content))}
        assert (reports[far.msg_id].stat, reports[near.msg_id].stat) == (b"MK:0001", b"DELIVRD")
        assert reports[far.msg_id].dest_terminal_id == b"86" + THERE
        await until(lambda: net.figures(TWO).get("mt_reports_acked") == 1)
        one, two = net.figures(ONE), net.figures(TWO)
        assert (one["mt_forwarded"], one["fwd_results"], one["mt_reports_received"]) == (1, {"0": 1}, 1)
        assert (two["mt_received"], two["statuses"], two["mt_reports_sent"]) == (1, {"MK:0001": 1}, 1)
        account = await net.ismg.account()
        assert (account["forwarded"], account["statuses"]) == (1, {"DELIVRD": 1, "MK:0001": 1})


async def test_every_message_is_accounted_for_at_both_gateways() -> None:
    mix = {"DELIVRD": 0.8, "UNDELIV": 0.2}
    async with both(status_mix=mix, report_loss=0.1, window=64) as net:
        sp = await net.sp()
        numbers = [b"%d" % (13_850_000_000 + 1_250_000 * place) for place in range(120)]  # on both sides of 139
        for start in range(0, 120, 30):
            sp.send(*(submit(dest_terminal_ids=(number,)) for number in numbers[start : start + 30]))
            await sp.answers(pdus.SubmitResp, start + 30)
        far = sum(number >= b"139" for number in numbers)
        assert 20 < far < 100
        await until(lambda: net.figures(TWO).get("mt_received") == far)
        await until(lambda: not net.figures(TWO)["fwd_waiting"])
        one, two = net.figures(ONE), net.figures(TWO)
        assert one["mt_forwarded"] == sum(one["fwd_results"].values()) == two["mt_received"] == far
        assert sum(two["statuses"].values()) == far
        assert two["mt_reports_sent"] + two["mt_reports_lost"] == far
        assert one["mt_reports_received"] == two["mt_reports_acked"] == two["mt_reports_sent"]
        assert one["mt_open"] == two["mt_reports_lost"]
        await until(lambda: net.network.gateways[ONE].totals()["reports_waiting"] == 0)
        account = await net.ismg.account()
        assert account["numbers_accepted"] == 120
        assert account["reports_due"] == account["reports_acked"] == len(stats(sp))
        assert account["reports_due"] + account["reports_lost"] + one["mt_open"] == 120
        rows = net.network.gateways[ONE].rows()
        told = Counter(rows.filter(rows["number"] >= "139")["status"].to_list())
        assert told["DELIVRD"] <= two["statuses"]["DELIVRD"]
        assert one["routes_asked"] == 1


async def test_a_long_message_and_one_without_a_report_cross_the_network() -> None:
    async with both() as net:
        sp = await net.sp()
        for part in (1, 2):
            content = b"\x05\x00\x03\x07" + bytes((2, part)) + "字".encode("utf-16-be")
            fields = {"tp_udhi": 1, "pk_total": 2, "pk_number": part, "msg_fmt": 8, "msg_content": content}
            assert (await sp.submit(dest_terminal_ids=(THERE,), **fields)).result == 0
        assert (await sp.submit(dest_terminal_ids=(THERE,), registered_delivery=0)).result == 0
        await sp.answers(pdus.Deliver, 2)
        await until(lambda: net.figures(TWO).get("mt_received") == 3)
        assert net.figures(TWO)["mt_reports_sent"] == 2


@each("fwd_result", [("0", []), ("9", [b"REJECTD"]), ("10", [b"REJECTD"]), ("none", [b"REJECTD"])])
async def test_what_the_other_gateway_answers(value: str, expected: list[bytes]) -> None:
    async with both(attempts=2, status_mix={"DELIVRD": 1}) as net:
        net.configure(TWO, fwd_result=value)
        sp = await net.sp()
        net.configure(ONE, answer_timeout_s=0.02 if value == "none" else 60.0)
        assert (await sp.submit(dest_terminal_ids=(THERE,))).result == 0  # a good answer, and yet:
        await sp.answers(pdus.Deliver)
        assert {*stats(sp)} == {*(expected or [b"DELIVRD"])}
        assert net.figures(ONE)["fwd_results"] == {"no answer" if value == "none" else value: 1}
        assert net.figures(ONE).get("mt_rejected", 0) == len(expected)
        assert net.figures(TWO).get("fwd_not_answered", 0) == (2 if value == "none" else 0)


@each("fwd_link", [("up", b"DELIVRD"), ("down", b"REJECTD")])
async def test_a_connection_between_gateways_that_cannot_be_made(value: str, expected: bytes) -> None:
    async with both(status_mix={"DELIVRD": 1}) as net:
        net.configure(ONE, fwd_link=value)
        sp = await net.sp()
        assert (await sp.submit(dest_terminal_ids=(THERE,))).result == 0
        await sp.answers(pdus.Deliver)
        assert stats(sp) == [expected]
        assert net.figures(TWO).get("mt_received", 0) == (value == "up")


async def test_a_forward_that_is_sent_again_is_no_second_message() -> None:
    async with both(attempts=1_000, status_mix={"DELIVRD": 1}) as net:
        sp = await net.sp()
        net.configure(TWO, fwd_result="none")
        net.configure(ONE, answer_timeout_s=0.02)
        await sp.submit(dest_terminal_ids=(THERE,))
        await until(lambda: net.figures(TWO).get("fwd_not_answered", 0) >= 2)
        net.configure(TWO, fwd_result="0")
        await sp.answers(pdus.Deliver)
        node = net.network.nodes[TWO]
        assert node.counts["mt_received"] == 1
        repeated = node.counts["fwd_repeated"]
        fwd = pdus.Fwd(ONE.encode(), TWO.encode(), msg_id=5, dest_ids=(THERE,))
        assert [node.serve(ONE, fwd).result for _ in range(2)] == [0, 0]  # type: ignore[union-attr]
        assert (node.counts["mt_received"], node.counts["fwd_repeated"]) == (2, repeated + 1)


async def test_a_connection_that_breaks_rejects_what_was_under_way() -> None:
    async with both(answer_timeout_s=100.0) as net:
        sp = await net.sp()
        net.configure(TWO, fwd_result="none")
        await sp.submit(dest_terminal_ids=(THERE,))
        await until(lambda: net.figures(TWO).get("fwd_not_answered"))
        for session in list(net.network.gateways[TWO].gateway.sessions):
            session.reset()
        await sp.answers(pdus.Deliver)
        assert stats(sp) == [b"REJECTD"]
        net.configure(TWO, fwd_result="0")
        await sp.submit(dest_terminal_ids=(THERE,), msg_content=b"another")
        await sp.answers(pdus.Deliver, 2)
        assert net.figures(ONE)["fwd_results"] == {"no answer": 1, "0": 1}


async def test_a_phone_that_no_gateway_has() -> None:
    async with both() as net:
        sp = await net.sp()
        await sp.submit(dest_terminal_ids=(b"12000120000",))
        await sp.answers(pdus.Deliver)
        assert stats(sp) == [b"REJECTD"]
        assert net.figures(ONE)["routes_asked"] == 1


@pytest.mark.parametrize(
    ("fwd", "result"),
    [
        (pdus.Fwd(b"001001", b"001001", dest_ids=(THERE,)), 9),  # not for this gateway
        (pdus.Fwd(b"001001", b"079101", dest_ids=(HERE,)), 9),
        (pdus.Fwd(b"001001", b"079101", dest_ids=()), 9),
        (pdus.Fwd(b"001001", b"079101", msg_fwd_type=1, dest_ids=(b"10086",)), 9),
        (pdus.Fwd(b"001001", b"079101", dest_ids=(THERE, HERE)), 9),
        (pdus.Fwd(b"001001", b"079101", dest_ids=(THERE,), msg_content=bytes(160)), 6),
        (pdus.Fwd(b"001001", b"079101", dest_ids=(THERE,), msg_fmt=8, msg_content=bytes(142)), 6),
        (pdus.Fwd(b"001001", b"079101", msg_fwd_type=7), 10),
        (pdus.Fwd(b"001001", b"079101", msg_fwd_type=2, msg_content=b"short"), 4),
        (pdus.Fwd(b"001001", b"079101", msg_fwd_type=3, msg_content=b"short"), 4),
        (pdus.Fwd(b"001001", b"079101", msg_fwd_type=2, msg_content=bytes(60)), 0),
    ],
)
async def test_what_a_gateway_does_not_take(fwd: pdus.Fwd, result: int) -> None:
    async with both() as net:
        now = net.network.gateways[ONE].gateway.clock.local()
        answer = await ask_once(net.network.long[TWO], login(b"001001", PEER_SECRET, now), fwd)
        assert answer == pdus.FwdResp(fwd.msg_id, 1, 1, result)


async def test_every_number_of_a_forwarded_message_is_taken_and_reported() -> None:
    sent: list[pdus.Fwd] = []
    async with both() as net:
        there, here = net.network.nodes[TWO], net.network.nodes[ONE]
        take = here._take

        def taken(fwd: pdus.Fwd) -> int:
            sent.append(fwd)
            return take(fwd)

        here._take = taken  # type: ignore[method-assign]
        numbers = (THERE, b"86" + THERE[:-1] + b"1")
        fwd = pdus.Fwd(ONE.encode(), TWO.encode(), msg_id=7, registered_delivery=1, src_id=b"1069", dest_ids=numbers)
        assert there.serve(ONE, fwd) == pdus.FwdResp(7, 1, 1, 0)
        await until(lambda: net.figures(TWO).get("mt_reports_acked") == 2)
        assert net.figures(TWO)["mt_received"] == 2
    assert [(each.src_id, each.dest_ids) for each in sent] == [(number, (b"1069",)) for number in numbers]


async def test_a_message_for_billing_alone_is_forwarded_as_such_and_reaches_no_phone() -> None:
    async with both() as net:
        sp = await net.sp()
        await sp.submit(dest_terminal_ids=(THERE,), registered_delivery=2)
        await until(lambda: net.figures(TWO).get("mt_billed") == 1)
        assert net.figures(TWO)["statuses"] == {}


async def test_a_forwarded_message_of_a_wrong_length_is_answered() -> None:
    async with both() as net:
        now = net.network.gateways[ONE].gateway.clock.local()
        reader, writer = await asyncio.open_connection(*net.network.long[TWO])
        writer.write(login(ONE.encode(), PEER_SECRET, now).pack(1) + HEADER.pack(13, pdus.FWD, 2) + b"x")
        assert (await reader.readexactly(30))[12] == 0
        assert await reader.readexactly(23) == pdus.FwdResp(0, 0, 0, 4).pack(2)
        writer.close()


@pytest.mark.parametrize(
    ("code", "secret", "status"), [(ONE, b"secret", 0), (ONE, b"wrong", 3), ("002001", b"secret", 2)]
)
async def test_gateways_and_the_name_server_answer_logins_alike(code: str, secret: bytes, status: int) -> None:
    async with both() as net:
        connect = login(code.encode(), secret, net.network.gateways[ONE].gateway.clock.local())
        proof = bytes(16) if status else ismg_hash("spec1", connect.authenticator, PEER_SECRET, b"")
        for address in (net.network.long[TWO], net.network.name_server.address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(connect.pack(1))
            assert await reader.readexactly(30) == pdus.ConnectResp(status, proof).pack(1)
            writer.close()


async def test_a_message_from_a_phone_reaches_the_sp_of_another_gateway() -> None:
    async with both() as net:
        sp = await net.sp()
        wanted = {"mobile": THERE.decode(), "to": "106900010188", "msg": "字" * 80}
        assert net.network.nodes[TWO].write(wanted) == 2
        pieces = [pdu for _, pdu in await sp.answers(pdus.Deliver, 2)]
        assert [(pdu.src_terminal_id, pdu.dest_id) for pdu in pieces] == [(THERE, b"106900010188")] * 2
        parts = [read_part(pdu.msg_content) for pdu in pieces]
        assert "".join(part.content.decode("utf-16-be") for part in parts if part) == "字" * 80
        await until(lambda: net.figures(TWO)["mo_statuses"] == {"DELIVRD": 2})
        await until(lambda: net.figures(ONE).get("mo_reports_acked") == 2)
        one, two = net.figures(ONE), net.figures(TWO)
        assert (two["mo_forwarded"], two["routes_asked"], two["mo_reports_received"]) == (2, 1, 2)
        assert (one["mo_received"], one["mo_reports_sent"]) == (2, 2)
        net.network.nodes[TWO].write(wanted)
        await sp.answers(pdus.Deliver, 4)
        assert net.figures(TWO)["routes_asked"] == 1


@pytest.mark.parametrize("case", ["no connection", "an error", "no answer", "no such service"])
async def test_a_message_from_a_phone_that_fails_is_rejected(case: str) -> None:
    async with both(deliver_rounds=1) as net:
        if case != "no connection":
            await net.sp(result={"an error": 9, "no answer": None, "no such service": 0}[case])
        net.configure(ONE, clock_scale=1_000.0)
        to = "10086" if case == "no such service" else "1069000101"
        net.network.nodes[TWO].write({"to": to, "msg": "TD"})
        await until(lambda: net.figures(TWO)["mo_statuses"] == {"REJECTD": 1})


async def test_a_phone_may_write_to_an_sp_of_its_own_gateway() -> None:
    async with both() as net:
        sp = await net.sp()
        net.network.nodes[ONE].write({"to": "1069000101", "msg": "TD"})
        await sp.answers(pdus.Deliver)
        assert "mo_forwarded" not in net.figures(ONE)


@each("route_lookup", [("ask", 0), ("load", 2)])
async def test_how_routes_are_learnt(value: str, expected: int) -> None:
    async with both(route_lookup=value) as net:
        assert net.figures(ONE)["routes"] == {"mt": expected, "mo": expected}
        sp = await net.sp()
        await sp.submit(dest_terminal_ids=(THERE,))
        await sp.answers(pdus.Deliver)
        assert net.figures(ONE).get("routes_asked", 0) == (value == "ask")
        assert net.network.name_server.asked["GetRoute"] == (8 if value == "load" else 0)


async def test_a_route_update_is_checked_and_pushed_to_every_gateway() -> None:
    async with both(route_lookup="load") as net:
        node, address = net.network.nodes[TWO], net.network.long[TWO]
        assert await node.add_segment(b"120000", b"120099", b"0791", address) == pdus.MtRouteUpdateResp(0)
        assert await node.add_service(b"10086", address) == pdus.MoRouteUpdateResp(0)
        await until(lambda: net.network.name_server.pushed[0] == 4)
        assert net.figures(ONE)["routes"] == {"mt": 3, "mo": 3}
        sp = await net.sp()
        await sp.submit(dest_terminal_ids=(b"12000120000",))
        await sp.answers(pdus.Deliver)
        assert net.figures(TWO)["mt_received"] == 1
        place = (TWO.encode(), address.host.encode(), address.port, b"120000", b"120099", b"0791")
        assert await net.ask(pdus.MtRouteUpdate(DELETE, 2, *place)) == pdus.MtRouteUpdateResp(0)
        await until(lambda: net.network.name_server.pushed[0] == 6)
        assert net.figures(ONE)["routes"]["mt"] == 2


@pytest.mark.parametrize(
    "update",
    [
        pdus.MtRouteUpdate(ADD, 0, b"079101", b"127.0.0.1", 7890, b"13900x", b"139009"),
        pdus.MtRouteUpdate(ADD, 0, b"079101", b"127.0.0.1", 7890, b"139009", b"139000"),
        pdus.MtRouteUpdate(ADD, 0, b"", b"127.0.0.1", 7890, b"139000", b"139009"),
        pdus.MtRouteUpdate(ADD, 0, b"079101", b"127.0.0.256", 7890, b"139000", b"139009"),
        pdus.MtRouteUpdate(CHANGE, 77, b"079101", b"127.0.0.1", 7890, b"139000", b"139009"),
        pdus.MtRouteUpdate(9, 0, b"079101", b"127.0.0.1", 7890, b"139000", b"139009"),
        pdus.MoRouteUpdate(ADD, 0, b"079101", b"127.0.0.1", 0, b"1000"),
        pdus.MoRouteUpdate(DELETE, 77, b"079101", b"127.0.0.1", 7890, b"1000"),
        pdus.MoRouteUpdate(ADD, 0, b"079101", b"127.0.0.1", 7890, b"1000", b"TPCQ", 2, 1),
    ],
)
async def test_an_illegal_update_changes_nothing(update: pdus.MtRouteUpdate | pdus.MoRouteUpdate) -> None:
    async with both() as net:
        answer = await net.ask(update)
        assert answer.result == 1
        assert (len(net.network.name_server.mt), len(net.network.name_server.mo)) == (2, 2)


async def test_all_routes_one_after_the_other() -> None:
    async with both() as net:
        first = await net.ask(pdus.GetRoute(b"001001", b"MT", -1))
        assert (first.route_id, first.start_code, first.end_code, first.result) == (0, 130000, 138999, 0)
        second = await net.ask(pdus.GetRoute(b"001001", b"MT", 0))
        assert (second.destination_id, second.area_code, second.result) == (b"079101", b"0791", 2)
        assert (await net.ask(pdus.GetRoute(b"001001", b"MT", 1))).result == 1
        service = await net.ask(pdus.GetRoute(b"001001", b"MO", -1))
        assert (service.sp_code, service.result) == (b"1069000101", 0)
        assert (await net.ask(pdus.GetRoute(b"001001", b"XX", -1))).result == 1
        assert (await net.ask(pdus.MoRoute(b"001001", b"10086"))).result == 1


async def test_the_name_server_answers_gateways_alone_and_one_question_a_connection() -> None:
    async with both() as net:
        now = net.network.gateways[ONE].gateway.clock.local()
        address = net.network.name_server.address
        question = pdus.MtRoute(b"001001", THERE)
        for connect in (login(b"123456", PEER_SECRET, now), login(b"001001", b"wrong", now)):
            assert await ask_once(address, connect, question) is None
        for octets in (question.pack(1), bytes(12), b"GET / HTTP/1.1\r\n\r\n", pdus.Fwd().pack(1)):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(octets)
            assert await reader.read() in (b"", pdus.ConnectResp(3).pack(1))
            writer.close()
        reader, writer = await asyncio.open_connection(*address)
        writer.write(login(b"001001", PEER_SECRET, now).pack(1) + question.pack(2) + question.pack(3))
        assert len(await reader.read()) == 30 + 56
        writer.close()
        assert await ask_once(Address("127.0.0.1", 1), login(b"001001", PEER_SECRET, now), question) is None


async def test_a_short_connection_of_an_sp_ends_with_its_answer() -> None:
    async with both() as net:
        reader, writer = await asyncio.open_connection(*net.network.short[ONE])
        sp = Sp(reader, writer)
        listening = asyncio.create_task(sp.listen())
        answer = await sp.login()
        assert isinstance(answer, pdus.ConnectResp)
        assert answer.status == 0
        assert (await sp.submit(registered_delivery=0)).result == 0
        await sp.closing()
        await listening
        writer.close()


def test_routes_have_the_segments_and_services_that_they_say() -> None:
    segment = MtRoute(0, b"079101", b"127.0.0.1", 7930, b"139000", b"139099")
    numbers = (b"13900000000", b"13909999999", b"13910000000", b"138")
    assert [segment.has(number) for number in numbers] == [True, True, False, False]
    service = MoRoute(0, b"079101", b"127.0.0.1", 7930, b"1000", b"TPCQ", 1000, 2000)
    cases = [(b"1000", b"TPCQ", 1500), (b"10001", b"TPCQ", 2000), (b"1000", b"TPCQ", 2001), (b"1000", b"", 0)]
    assert [service.has(*case) for case in cases] == [True, True, False, False]
    wide = MtRoute(1, b"001001", b"127.0.0.1", 7930, b"130000", b"199999")
    found = [mt_route_of([wide, segment], number) for number in (b"8613900000000", b"13910000000", b"12900000000")]
    assert found == [segment, wide, None]
    routes: Routes[MtRoute] = Routes()
    assert not routes.change(DELETE, segment)
    assert routes.change(ADD, segment)
    assert routes.change(CHANGE, segment)
    assert not routes.change(7, segment)
    assert routes.after(-1) == (segment, True)
    assert routes.after(0) is None
    assert list(routes) == [segment]


def test_the_configuration_of_a_network() -> None:
    assert read_all(None, None, "cmpp", network=True)["cmpp"].network
    with pytest.raises(ConfigError, match="network = true"):
        read({"vendor": "batch", "network": True})
    made = CmppNetwork({"listen": "127.0.0.1:0", "network": True})
    assert [list(sim.gateway.accounts) for sim in made.gateways.values()] == [["demo"], ["bulk"]]
