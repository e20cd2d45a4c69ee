"""Logins to the simulated CMPP gateway."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import Malformed
from dispatcher.cmpp.layout import Pdu
from tests.loadtest.sim.cmpp.cmpp_kit import SECRET, SP_ID, SUBMIT, hashed, ismg
from tests.loadtest.sim.sim_kit import each

SOURCE = hashed()


async def test_a_login_is_taken_and_proved() -> None:
    async with ismg() as gateway:
        sp = await gateway.connect()
        proof = hashlib.md5(b"\0" + SOURCE + SECRET).digest()
        assert await sp.login() == pdus.ConnectResp(0, proof, 0x20)
        assert (await gateway.account())["connections"] == 1
        assert (await gateway.account())["logins"] == {"0": 1}


@each(
    "login_status",
    [
        ("1", {}),
        ("2", {"source_addr": b"999999"}),
        ("3", {"authenticator": hashed("131235959")}),  # the leading zero is lost
        ("4", {"version": 0x30}),
        ("5", None),
    ],
)
async def test_every_status_has_a_natural_cause(value: str, expected: dict[str, Any] | None) -> None:
    async with ismg(max_connections=1) as gateway:
        if expected is None:
            await gateway.sp()
        sp = await gateway.connect()
        if value == "1":
            sp.writer.write(bytes.fromhex("0000000d0000000100000001") + b"x")
            [(_, answer)] = await sp.answers(pdus.ConnectResp)
        else:
            answer = await sp.login(**(expected or {}))  # type: ignore[assignment]
        assert answer == pdus.ConnectResp(int(value), bytes(16), 0x20)
        await sp.closing()


async def test_a_short_id_is_taken_padded_and_bare() -> None:
    async with ismg({"account": "90123"}) as gateway:
        for name in (b"90123", b"90123\0"):
            sp = await gateway.connect()
            answer = await sp.login(source_addr=b"90123", authenticator=hashed(name=name))
            assert isinstance(answer, pdus.ConnectResp)
            assert answer.status == 0


async def test_a_caller_from_another_address_is_refused() -> None:
    async with ismg({"ips": ["127.0.0.2"]}) as gateway:
        sp = await gateway.connect()
        assert await sp.login() == pdus.ConnectResp(2)


@each(
    "ismg_auth",
    [
        ("spec1", hashlib.md5(b"\0" + SOURCE + SECRET).digest()),
        ("be4", hashlib.md5(bytes(4) + SOURCE + SECRET).digest()),
        ("ascii", hashlib.md5(b"0" + SOURCE + SECRET).digest()),
        ("zeros", bytes(16)),
        ("copy_of_source", SOURCE),
        ("garbage", None),
    ],
)
async def test_how_the_gateway_proves_itself(value: str, expected: bytes | None) -> None:
    async with ismg(ismg_auth=value) as gateway:
        answer = await (await gateway.connect()).login()
        assert isinstance(answer, pdus.ConnectResp)
        if expected is None:
            assert answer.authenticator not in (bytes(16), SOURCE)
        else:
            assert answer.authenticator == expected


@each("connect_resp", [(30, pdus.ConnectResp), (33, pdus.ConnectRespWide), (29, Malformed)])
async def test_the_length_of_the_answer(value: int, expected: type) -> None:
    async with ismg(connect_resp=value) as gateway:
        sp = await gateway.connect()
        assert isinstance(await sp.login(), expected)
        assert len(sp.chunks[0]) == value


@each("connect_resp_seq", [("echo", 1), ("wrong", 0x40000001)])
async def test_the_sequence_id_of_the_answer(value: str, expected: int) -> None:
    async with ismg(connect_resp_seq=value) as gateway:
        sp = await gateway.connect()
        await sp.login()
        assert sp.got[0][0] == expected


@each(
    "version_policy",
    [
        ("strict20", {0x20: 0, 0x21: 4, 0x30: 4, 0x00: 4}),
        ("accept_2x", {0x20: 0, 0x21: 0, 0x30: 4, 0x12: 4}),
        ("any", {0x20: 0, 0x21: 0, 0x30: 0, 0x00: 0}),
    ],
)
async def test_the_versions_that_are_taken(value: str, expected: dict[int, int]) -> None:
    async with ismg(version_policy=value) as gateway:
        statuses = {}
        for version in expected:
            answer = await (await gateway.connect()).login(version=version)
            assert isinstance(answer, pdus.ConnectResp)
            statuses[version] = answer.status
        assert statuses == expected


@each("answer_version", [(0x20, 0x20), (0x30, 0x30), (0x12, 0x12)])
async def test_the_version_of_the_answer(value: int, expected: int) -> None:
    async with ismg(answer_version=value) as gateway:
        answer = await (await gateway.connect()).login()
        assert isinstance(answer, pdus.ConnectResp)
        assert answer.version == expected


@each("timestamp_window_s", [(0, [0, 0, 0]), (300, [0, 3, 3])])
async def test_how_far_a_timestamp_may_be_from_the_clock(value: int, expected: list[int]) -> None:
    async with ismg(timestamp_window_s=value, clock_start="2026-02-01T00:00:00") as gateway:
        statuses = []
        for text in ("0131235959", "0131230000", "0008080808"):
            answer = await (await gateway.connect()).login(authenticator=hashed(text), timestamp=int(text))
            assert isinstance(answer, pdus.ConnectResp)
            statuses.append(answer.status)
        assert statuses == expected


@each("second_connect", [("status5", 5), ("reauth", 0)])
async def test_a_second_login_of_a_session(value: str, expected: int) -> None:
    async with ismg(second_connect=value) as gateway:
        sp = await gateway.sp()
        answer = await sp.login()
        assert isinstance(answer, pdus.ConnectResp)
        assert answer.status == expected
        assert (await sp.submit()).result == 0
        assert len(gateway.sim.gateway.accounts["spring"].sessions) == 1


@each("max_connections", [(0, [0, 0, 0]), (1, [0, 5, 5])])
async def test_how_many_connections_an_account_may_have(value: int, expected: list[int]) -> None:
    async with ismg(max_connections=value) as gateway:
        statuses = []
        for _ in expected:
            answer = await (await gateway.connect()).login()
            assert isinstance(answer, pdus.ConnectResp)
            statuses.append(answer.status)
        assert statuses == expected


@pytest.mark.parametrize("pdu", [pdus.ActiveTest(), pdus.ActiveTestResp(), pdus.DeliverResp(1, 0), SUBMIT])
async def test_before_its_login_a_peer_may_do_nothing(pdu: Pdu) -> None:
    async with ismg() as gateway:
        sp = await gateway.connect()
        sp.send(pdu)
        await sp.closing()
        assert sp.got == []
        assert gateway.sim.totals()["strangers"] == {"before_connect": 1}


async def test_a_refused_login_is_answered_before_what_came_with_it_ends_the_connection() -> None:
    async with ismg() as gateway:
        sp = await gateway.connect()
        sp.send(pdus.Connect(source_addr=SP_ID), SUBMIT)
        await sp.closing()
        assert [(type(pdu), pdu.status) for _, pdu in sp.got if isinstance(pdu, pdus.ConnectResp)] == [
            (pdus.ConnectResp, 3)
        ]


async def test_what_waits_for_an_sp_is_delivered_after_the_answer_to_its_login() -> None:
    async with ismg(latency_s=0.01) as gateway:
        gateway.sim.gateway.phones.write(gateway.sim.gateway.accounts["spring"], {"msg": "before"})
        sp = await gateway.connect()
        sp.send(pdus.Connect(source_addr=SP_ID, authenticator=hashed(), timestamp=131235959))
        await gateway.figure("connections", 1)
        gateway.sim.gateway.phones.write(gateway.sim.gateway.accounts["spring"], {"msg": "meanwhile"})
        await sp.answers(pdus.Deliver, 2)
        assert [type(pdu) for _, pdu in sp.got] == [pdus.ConnectResp, pdus.Deliver, pdus.Deliver]


async def test_a_peer_that_never_logs_in_is_let_go() -> None:
    async with ismg(answer_timeout_s=0.02) as gateway:
        await (await gateway.connect()).closing()
        assert gateway.sim.totals()["strangers"] == {"silent": 1}


async def test_two_accounts_are_told_apart() -> None:
    async with ismg() as gateway:
        gateway.sim.configure(account={"autumn": {"account": "901235", "pswd": "other"}})
        sp = await gateway.connect()
        answer = await sp.login(source_addr=b"901235", authenticator=hashed(name=b"901235", secret=b"other"))
        assert isinstance(answer, pdus.ConnectResp)
        assert (await sp.submit(msg_src=b"901235")).result == 0
        assert (await sp.submit(msg_src=SP_ID)).result == 9
        accounts = gateway.sim.totals()["accounts"]
        assert (accounts["autumn"]["numbers_accepted"], accounts["spring"]["numbers"]) == (1, 0)
