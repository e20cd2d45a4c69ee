"""The bytes that the process holds are bounded, and given back whatever happens."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.web.byte_budget import SMALL_BYTES, STRANGERS_PART, ByteBudget
from tests.producers.web.web_clients import GET, HOST, serving, until


def test_no_more_is_held_than_allowed_and_strangers_get_a_part_of_it():
    budget = ByteBudget(8_000_000)
    strangers = [budget.hold(stranger=True) for _ in range(9)]
    assert [each.grow(200_000) for each in strangers] == [True] * 5 + [False] * 4
    assert budget.strangers_max == 8_000_000 // STRANGERS_PART
    known = budget.hold(stranger=False)
    assert known.grow(7_000_000)
    assert not known.grow(1)
    assert budget.used == 8_000_000


def test_a_stranger_with_little_finds_room_beside_those_with_much():
    budget = ByteBudget(8_000_000)
    assert budget.hold(stranger=True).grow(1_000_000)
    newcomer = budget.hold(stranger=True)
    assert newcomer.grow(SMALL_BYTES)
    assert not newcomer.grow(1)


def test_what_a_client_holds_counts_for_strangers_only_as_long_as_it_is_one():
    budget = ByteBudget(8_000_000)
    held = budget.hold(stranger=True)
    held.grow(900_000)
    held.trust()
    assert (budget.used, budget.strangers_used) == (900_000, 0)
    held.release()
    assert (budget.used, budget.strangers_used) == (0, 0)


WAYS = st.sampled_from(["grow", "shrink", "trust", "release"])


@given(st.lists(st.tuples(st.integers(0, 4), WAYS, st.integers(0, 900))))
def test_the_sums_are_right_after_any_calls(steps):
    budget = ByteBudget(2_000)
    held = [budget.hold(stranger=number % 2 == 0) for number in range(5)]
    for number, step, count in steps:
        each = held[number]
        if step in ("grow", "shrink"):
            getattr(each, step)(count)
        else:
            getattr(each, step)()
        assert budget.used == sum(each.bytes for each in held) <= 2_000
        assert budget.strangers_used == sum(each.bytes for each in held if each.stranger)
    for each in held:
        each.release()
    assert (budget.used, budget.strangers_used) == (0, 0)


ENDS = [
    # what is sent, and how it ends
    (b"Content-Length: 50000\r\n\r\n" + b"x" * 50_000, "whole"),
    (b"Content-Length: 50000\r\n\r\n" + b"x" * 100, "gone"),
    (b"Content-Length: 50000\r\n\r\n" + b"x" * 100, "slow"),
    (b"Content-Length: 500000\r\n\r\n" + b"x" * 100, "answered"),
    (b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh", "answered"),
    (b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n%s\r\n" % (b"x" * 0x4000) * 10, "answered"),
    (b"Content-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip", "answered"),
]


@pytest.mark.parametrize(("sent", "ends"), ENDS)
async def test_what_a_request_held_is_given_back_however_it_ends(sent, ends):
    async with serving(body_bytes_max=100_000, body_s=0.3 if ends == "slow" else 60.0) as (handler, server, client):
        vendor = await client()
        vendor.send(b"POST /a HTTP/1.1\r\n" + HOST + sent)
        if ends == "gone":
            await until(lambda: bool(handler.seen) and server.budget.used >= 50_000)
            vendor.writer.transport.abort()
        elif ends != "whole":
            with contextlib.suppress(ConnectionError):
                await vendor.rest()
        else:
            await vendor.gets(b"HTTP/1.1 200 OK")
        await until(lambda: server.budget.used == 0)
        assert server.budget.strangers_used == 0


async def test_a_body_that_finds_no_room_is_refused_unread_and_one_that_comes_later_is_taken():
    async with serving(held_bytes_max=2_400_000, body_bytes_max=2_000_000) as (handler, server, client):
        handler.gate.clear()
        first, second = await client(), await client()
        head = b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 1500000\r\n\r\n"
        first.send(head + b"x" * 1_500_000)
        await until(lambda: "whole" in handler.seen)
        second.send(head)
        assert (await second.head()).startswith(b"HTTP/1.1 503 ")
        assert server.counts.too_many_bytes == 1
        handler.gate.set()
        assert (await first.head()).startswith(b"HTTP/1.1 200 ")
        await until(lambda: server.budget.used == 0)
        third = await client()
        third.send(head + b"x" * 1_500_000)
        assert (await third.head()).startswith(b"HTTP/1.1 200 ")


async def test_what_strangers_send_beyond_their_turn_is_held_within_the_budget():
    async with serving(strangers_share=0.000001, held_bytes_max=8_000_000, head_s=600.0) as (_, server, client):
        clients = [await client() for _ in range(60)]
        for each in clients:
            each.send(GET * 20_000)
        for _ in range(200):
            await asyncio.sleep(0.005)
            assert server.budget.strangers_used <= server.budget.strangers_max + 60 * SMALL_BYTES
        assert server.budget.used > 0
    assert server.budget.used == 0
