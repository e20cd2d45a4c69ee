"""The control endpoint of the simulated CMPP gateway, and the gateway in a process of its own."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.reports import read_report
from dispatcher.errors import ConfigError, PortInUse
from loadtest.sim.cmpp.server import CmppSimulator
from loadtest.sim.process import spawn
from tests.loadtest.sim.cmpp.cmpp_kit import NEVER, NOW, Ismg, ismg
from tests.waiting import until


async def call(gateway: Ismg, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"{gateway.sim.url}/_sim{path}", json=body) as answer,
    ):
        text = await answer.read()
        return answer.status, await answer.json() if answer.content_type == "application/json" else text


async def test_switches_accounts_and_rules_are_shown_without_secrets_and_set() -> None:
    async with ismg() as gateway:
        status, shown = await call(gateway, "POST", "/config", {"window": 4, "rule": [{"code": 8}]})
        assert status == 200
        assert {s["name"]: s["value"] for s in shown["switches"]}["window"] == 4
        assert shown["rules"][0]["code"] == 8
        assert "sim-secret" not in str(shown)
        assert len((await call(gateway, "POST", "/rules", {"fault": "close"}))[1]) == 2
        assert (await call(gateway, "DELETE", "/rules"))[1] == []
        assert (await call(gateway, "POST", "/config", {"window": 5, "colour": "red"}))[0] == 400
        assert gateway.sim.gateway.switches.window == 4
        assert (await call(gateway, "GET", "/nothing"))[0] == 404
        assert (await call(gateway, "POST", "/mo", {"account": "winter"}))[0] == 400


async def test_reports_and_messages_are_made_on_demand() -> None:
    async with ismg(**NOW) as gateway:
        sp = await gateway.sp()
        answer = await sp.submit()
        await sp.answers(pdus.Deliver)
        assert (await call(gateway, "POST", "/repeat", {"account": "spring"}))[1] == {"reports": 1}
        made = {"account": "spring", "msg_id": "CFDFBEFFFFFFFFFF", "mobile": "13900139000", "status": "MK:0001"}
        await call(gateway, "POST", "/report", made)
        await call(gateway, "POST", "/mo", {"account": "spring", "msg": "TD", "msg_fmt": 0})
        got = [pdu for _, pdu in await sp.answers(pdus.Deliver, 4)]
        reports = [read_report(pdu.msg_content) for pdu in got[:3]]
        assert [report.msg_id for report in reports if report] == [answer.msg_id] * 2 + [0xCFDFBEFFFFFFFFFF]
        assert got[3].msg_content == b"TD"


async def test_the_ledger_and_its_rows() -> None:
    async with ismg(**NEVER) as gateway:
        sp = await gateway.sp()
        await sp.submit()
        totals = (await call(gateway, "GET", "/ledger"))[1]
        assert totals["accounts"]["spring"]["numbers_accepted"] == totals["numbers_accepted"] == 1
        rows = (await call(gateway, "GET", "/ledger/rows?format=ndjson"))[1]
        assert rows.count(b"13800138000") == 1
        assert (await call(gateway, "GET", "/ledger/rows?from=x"))[0] == 400
        assert (await call(gateway, "POST", "/reset", {"all": True}))[0] == 200
        assert gateway.sim.totals()["numbers"] == 0
        assert (await sp.submit()).result == 0


async def test_an_outage_resets_every_connection_and_ends() -> None:
    async with ismg(**NEVER) as gateway:
        sp = await gateway.sp()
        await call(gateway, "POST", "/outage", {"seconds": 0.05})
        await sp.closing()
        await until(lambda: gateway.sim.down)
        await until(lambda: not gateway.sim.down)
        assert (await (await gateway.sp()).submit()).result == 0
        assert (await call(gateway, "POST", "/outage", {"seconds": 0}))[0] == 400


async def test_a_new_flow_limit_starts_a_new_judgement() -> None:
    async with ismg(**NEVER) as gateway:
        gateway.sim.configure(account={"spring": {"flow": {"limit": 1, "per_s": 1000}}})
        sp = await gateway.sp()
        assert [(await sp.submit()).result for _ in range(2)] == [0, 8]


async def test_an_address_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PortInUse, match="taken by another program"):
            await CmppSimulator({"listen": address}).start()
        with pytest.raises(PortInUse, match="control"):
            await CmppSimulator({"listen": "127.0.0.1:0", "control": address}).start()


def test_an_address_beyond_this_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match="control"):
        CmppSimulator({"listen": "127.0.0.1:0", "control": "192.0.2.1:80"})


async def test_what_is_read_when_it_listens() -> None:
    async with CmppSimulator({"listen": "127.0.0.1:0"}) as sim:
        text = "\n".join(sim.introduction())
        assert f"listens on 127.0.0.1:{sim.address[1]}" in text
        assert "SP 901234: shared secret secret, 500 messages in any 1 s" in text
        assert f"{sim.url}/_sim/ledger" in text


def test_a_gateway_in_a_process_of_its_own_beside_an_http_vendor() -> None:
    config = {"links": {"vendor": "cmpp", "account": {"spring": {"account": "901234"}}}, "web": {"vendor": "hezhong"}}
    with spawn(config) as sims:
        links = sims.named["links"]
        assert sims.addresses["links"].startswith("127.0.0.1:")
        links.configure(window=4)
        assert links.totals()["vendor"] == "cmpp"
        assert links.rows().height == 0
        assert sims.named["web"].totals()["vendor"] == "hezhong"
        login = pdus.Connect(b"901234").pack(1)
        host, port = sims.addresses["links"].rsplit(":", 1)
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(login)
            assert connection.recv(100) == pdus.ConnectResp(3).pack(1)
        assert asyncio.run(_logins(links)) == {"3": 1}


async def _logins(links: Any) -> Any:
    return (await asyncio.to_thread(links.totals))["logins"]
