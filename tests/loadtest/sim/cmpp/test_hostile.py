"""What strangers and broken peers send to the simulated CMPP gateway: it serves the others, and stays small."""

from __future__ import annotations

import asyncio
import logging
import random
import struct

import pytest

from dispatcher.cmpp import pdus
from loadtest.sim.cmpp.session import ANSWERS_REMEMBERED, UNREAD_BYTES_MAX
from loadtest.sim.cmpp.stream import FRAME_MAX
from tests.cmpp.vectors import FRAMES
from tests.loadtest.sim.cmpp.cmpp_kit import NEVER, NOW, SUBMIT, ismg
from tests.waiting import until

BROKEN = {
    "a length of 0": bytes(12),
    "a length of 11": (11).to_bytes(4, "big") + bytes(8),
    "a length of 4,097": (4097).to_bytes(4, "big") + bytes(4093),
    "a length of 2^31-1": b"\x7f\xff\xff\xff" + bytes(8),
    "HTTP": b"POST /msg/HttpBatchSendSM HTTP/1.1\r\nHost: sim\r\n\r\nmobile=13800138000",
    "TLS": bytes.fromhex("160301020001000200fc0303") + bytes(200),
}


@pytest.mark.parametrize("octets", BROKEN.values(), ids=BROKEN)
async def test_what_is_no_cmpp_ends_its_connection_alone(octets: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "loadtest.sim.cmpp")
    async with ismg(**NEVER) as gateway:
        good, bad = await gateway.sp(), await gateway.connect()
        bad.writer.write(octets)
        await bad.closing()
        assert bad.got == []
        assert (await good.submit()).result == 0
        assert gateway.sim.totals()["strangers"] == {"malformed": 1}
    [line] = [record.getMessage() for record in caplog.records]
    assert octets[:12].hex(" ") in line
    assert "mobile" not in line
    assert "13800138000" not in line


async def test_the_same_from_an_sp_that_has_logged_in() -> None:
    async with ismg(**NEVER) as gateway:
        sp = await gateway.sp()
        sp.writer.write(SUBMIT.pack(5) + bytes(12))
        await sp.closing()
        account = await gateway.account()
        assert (account["numbers_accepted"], account["violations"]) == (1, {"malformed": 1})


async def test_one_byte_at_a_time_is_served() -> None:
    async with ismg(**NEVER) as gateway:
        sp = await gateway.sp()
        for octet in SUBMIT.pack(5) + pdus.ActiveTest().pack(6):
            sp.writer.write(bytes((octet,)))
            await asyncio.sleep(0)
        await sp.answers(pdus.ActiveTestResp)
        assert (await gateway.account())["numbers_accepted"] == 1


@pytest.mark.parametrize("command", [pdus.QUERY, pdus.CANCEL, pdus.ACTIVE_TEST, pdus.SUBMIT_RESP, pdus.DELIVER_RESP])
async def test_bodies_that_disagree_with_their_length_are_counted(command: int) -> None:
    async with ismg() as gateway:
        sp = await gateway.sp()
        sp.writer.write(struct.pack(">III", 15, command, 7) + b"abc")
        await sp.ask(pdus.ActiveTest(), pdus.ActiveTestResp)
        assert (await gateway.account())["violations"] == {"malformed": 1}


async def test_a_flood_of_malformed_frames_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "loadtest.sim.cmpp")
    async with ismg() as gateway:
        sp = await gateway.sp()
        sp.writer.write(struct.pack(">III", 15, pdus.QUERY, 7) * 1 + b"abc")
        sp.writer.write((struct.pack(">III", 15, pdus.QUERY, 7) + b"abc") * 500)
        await sp.ask(pdus.ActiveTest(), pdus.ActiveTestResp)
        assert (await gateway.account())["violations"] == {"malformed": 501}
    assert len(caplog.records) <= 3


async def test_a_peer_that_never_reads_is_let_go() -> None:
    async with ismg(**NEVER) as gateway:
        sp = await gateway.sp()
        [session] = gateway.sim.gateway.sessions
        sp.writer.transport.pause_reading()  # type: ignore[attr-defined]
        session._write(bytes(4 * UNREAD_BYTES_MAX))
        await until(lambda: not gateway.sim.gateway.sessions)
        assert (await gateway.account())["violations"] == {"does_not_read": 1}


async def test_what_is_kept_of_a_connection_is_bounded() -> None:
    async with ismg(window=10_000, **NEVER) as gateway:
        sp = await gateway.sp()
        [session] = gateway.sim.gateway.sessions
        for _ in range(2 * ANSWERS_REMEMBERED):
            sp.sequence += 1
            session.data_received(SUBMIT.pack(sp.sequence))
        assert len(session._answered) < 2 * ANSWERS_REMEMBERED
        session.data_received(b"\0\0\x10\0" + bytes(FRAME_MAX - 5))
        assert session._stream.held == FRAME_MAX - 1
        assert not session._unanswered


async def test_connections_that_come_and_go_leave_nothing() -> None:
    async with ismg(**NOW) as gateway:
        for octets in (b"", b"\0\0\0", SUBMIT.pack(1), pdus.Connect().pack(1)):
            sp = await gateway.connect()
            sp.writer.write(octets)
            sp.writer.close()
        for _ in range(3):
            sp = await gateway.sp(result=None)
            await sp.submit()
            sp.writer.transport.abort()
        await until(lambda: not gateway.sim.gateway.sessions)
        assert gateway.sim.gateway.accounts["spring"].sessions == []
        assert len(gateway.sim.gateway.accounts["spring"].outbox) == 3


async def test_a_seeded_fuzz_of_bytes() -> None:
    random_ = random.Random(9)
    login = bytes.fromhex("00000027000000010000000139303132333417e4f12260cb2e195131e562db62df872007d28077")
    async with ismg(window_violation="close", **NOW) as gateway:
        witness = await gateway.sp()
        for _ in range(60):
            sp = await gateway.connect()
            octets = bytearray(login + b"".join(random_.choice(FRAMES) for _ in range(8)))
            for _ in range(random_.randrange(12)):
                octets[random_.randrange(len(login), len(octets))] = random_.randrange(256)
            cut = random_.randrange(len(octets))
            sp.writer.write(octets[:cut])
            await asyncio.sleep(0)
            sp.writer.write(octets[cut:])
            if random_.randrange(2):
                sp.writer.close()
        assert isinstance(await witness.ask(pdus.Query(b"20260131"), pdus.QueryResp), pdus.QueryResp)
        assert witness.closed is False
