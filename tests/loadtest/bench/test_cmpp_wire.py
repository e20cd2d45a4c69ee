"""The benchmark of the CMPP wire: both ways send everything and get every answer."""

from __future__ import annotations

import asyncio

import pytest

from loadtest.bench.sending import cmpp_wire as bench
from tests.waiting import patience


async def test_the_round_trips_without_a_protocol_come_to_an_end() -> None:
    server = await asyncio.get_running_loop().create_server(bench.Echo, "127.0.0.1", 0)
    async with patience():
        await bench._bare(server.sockets[0].getsockname()[:2], 5 * bench.WINDOW)
    server.close()


@pytest.mark.parametrize("way", [bench._ours, bench._naive])
async def test_every_message_is_answered(way) -> None:
    written: list[bytes] = []

    class Watched(bench.Sink):
        def data_received(self, data: bytes) -> None:
            written.append(data)
            super().data_received(data)

    server = await asyncio.get_running_loop().create_server(Watched, "127.0.0.1", 0)
    async with patience():
        await way(server.sockets[0].getsockname()[:2], 500)
    server.close()
    assert sum(map(len, written)) == 39 + 500 * bench.SUBMIT_BYTES  # the login, and every SUBMIT once
