"""Strangers get their share of the time and no more; who has just come is heard before those that flood us."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from producers.web.time_share import BURST_S, SLICE_S, TICK_S, Turns
from tests.virtual_time import VirtualLoop

COST_S = 0.001


class Stranger:
    """A client with so many pieces to work off, each of which costs the same."""

    def __init__(self, turns: Turns, serial: int, pieces: int = 10**9) -> None:
        self.turns = turns
        self.serial = serial
        self.pieces = pieces
        self.spent_s = self.free_s = 0.0
        self.queued = False
        self.served = 0

    def turn(self) -> bool:
        self.turns.spend(self, COST_S)
        self.pieces -= 1
        self.served += 1
        return self.pieces > 0


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch):
    """Run so many ticks of virtual time, in which nothing else takes time."""
    monkeypatch.setattr("producers.web.time_share._scheduled", lambda: (0, 0))
    monkeypatch.setattr("producers.web.time_share.time.perf_counter", lambda: 0.0)
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)

    async def wait(count: int) -> None:
        await asyncio.sleep(count * TICK_S + TICK_S / 2)

    yield loop, lambda count: loop.run_until_complete(wait(count))
    loop.close()


async def turns_of(share: float) -> Turns:
    return Turns(share)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_floods_get_their_share_of_every_tick_after_one_burst(ticks, share):
    loop, run = ticks
    turns = loop.run_until_complete(turns_of(share))
    strangers = [Stranger(turns, number) for number in range(100)]
    for stranger in strangers:
        turns.offer(stranger)
    run(1_000)
    spent_s = sum(stranger.spent_s for stranger in strangers)
    granted_s = BURST_S + share * 1_000 * TICK_S
    assert granted_s - 2 * COST_S <= spent_s <= granted_s + 2 * COST_S


def test_floods_share_what_there_is(ticks):
    loop, run = ticks
    turns = loop.run_until_complete(turns_of(0.1))
    strangers = [Stranger(turns, number) for number in range(10)]
    for stranger in strangers:
        turns.offer(stranger)
    run(1_000)
    assert max(each.served for each in strangers) - min(each.served for each in strangers) <= 2


def test_who_has_just_come_is_heard_before_two_thousand_that_flood_us(ticks):
    loop, run = ticks
    turns = loop.run_until_complete(turns_of(0.05))
    flood = [Stranger(turns, number) for number in range(2_000)]
    for stranger in flood:
        turns.offer(stranger)
    run(100)
    newcomer = Stranger(turns, 2_000, pieces=1)
    turns.offer(newcomer)
    run(int(COST_S / (0.05 * TICK_S)) + 2)  # as long as one piece takes to be granted
    assert newcomer.served == 1


def test_an_account_with_credit_does_not_wait(ticks):
    loop, run = ticks
    turns = loop.run_until_complete(turns_of(0.05))
    for number in range(200):
        turns.offer(Stranger(turns, number))
    run(5)
    assert not turns.open
    vouched = Stranger(turns, 1_000, pieces=1)
    vouched.free_s = COST_S
    turns.offer(vouched)
    assert vouched.served == 1


def test_what_a_known_client_cost_is_given_back(ticks):
    loop, _ = ticks
    turns = loop.run_until_complete(turns_of(0.05))
    client = Stranger(turns, 1, pieces=1)
    turns.spend(client, 2 * BURST_S)
    assert not turns.open
    turns.give_back(client)
    assert turns.open
    assert client.spent_s == 0.0


def test_a_process_that_has_to_wait_for_a_processor_gives_less(ticks, monkeypatch):
    loop, run = ticks
    scheduled = [0, 0]
    monkeypatch.setattr("producers.web.time_share._scheduled", lambda: tuple(scheduled))

    async def starve() -> None:
        while True:
            scheduled[0] += 1_000
            scheduled[1] += 3_000
            await asyncio.sleep(TICK_S)

    starving = loop.create_task(starve())
    turns = loop.run_until_complete(turns_of(0.1))
    stranger = Stranger(turns, 1)
    turns.offer(stranger)
    run(1_000)
    starving.cancel()
    assert stranger.spent_s < BURST_S + 0.1 * 1_000 * TICK_S * 0.3


def test_turns_are_given_in_slices(ticks, monkeypatch):
    loop, _ = ticks
    now = [0.0]
    monkeypatch.setattr("producers.web.time_share.time.perf_counter", lambda: now[0])
    turns = loop.run_until_complete(turns_of(1.0))

    class Slow(Stranger):
        def turn(self) -> bool:
            now[0] += SLICE_S / 4
            return super().turn()

    strangers = [Slow(turns, number) for number in range(50)]
    for stranger in strangers:
        turns.queue(stranger)
    rounds: list[int] = []

    async def watch() -> None:
        while sum(each.served for each in strangers) < 50:
            rounds.append(sum(each.served for each in strangers))
            await asyncio.sleep(0)

    loop.run_until_complete(watch())
    assert max(after - before for before, after in itertools.pairwise(rounds)) <= 5
