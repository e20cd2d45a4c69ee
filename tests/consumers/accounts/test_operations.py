"""What a person has a vendor do: on the log before and after, whatever the log, the vendor and we ourselves do."""

from __future__ import annotations

import asyncio

import pytest

from dispatcher.errors import LogDamaged, LogFull, LogTimeout
from dispatcher.service.vendor_requests.operations import carry_out, known_operations, settle, under_way_s
from dispatcher.vendors.batch.agent import Agent, recharge
from dispatcher.vendors.batch.edition_b import BatchB
from dispatcher.vendors.seam.vendor import Operation, Secret
from loadtest.sim.server import Simulator
from tests.memory_log import MemoryLog

AGENT = Agent(username="agent", secret_key=Secret("s3cret-key"), des_key=Secret("12345678"), operator="ann")
SIM = {
    "vendor": "batch-b",
    "listen": "127.0.0.1:0",
    "timestamp_reuse": "accepted",
    "account": {"boss": {"agent": {"username": "agent", "secret_key": "s3cret-key"}}, "shop": {"products": {"1": 0}}},
}


def account(sim: Simulator) -> BatchB:
    return BatchB(url=sim.url, account="boss", pswd=Secret("unused"), timeout_s=60.0, agent=AGENT)


def one(sim: Simulator, fee: int = 5) -> Operation:
    return recharge(AGENT, "shop", fee, now_s=int(sim.state.clock.now()))


async def test_it_stands_on_the_log_before_the_vendor_is_asked() -> None:
    log = MemoryLog()
    async with Simulator(SIM) as sim:
        sim.configure(rule=[{"fault": "no_answer", "on": "recharge", "hold_s": 60.0}])
        task = asyncio.create_task(carry_out(log, account(sim), "boss", one(sim), "ann"))
        while not sim.state.ledger.operations:
            await asyncio.sleep(0.01)
        [known] = await known_operations(log)
        assert (known.asked.result, known.result, known.asked.by) == ("asked", "unknown", "ann")
        assert ("password", "***") in known.asked.shows
        sim.outage(0.1)
        carried = await task
        assert (carried.result, carried.untold) == ("unknown", "")
        [known] = await known_operations(log)
        assert (known.last.result, known.last.code) == ("unknown", "no answer")


async def test_what_came_of_it_keeps_who_when_and_what() -> None:
    log = MemoryLog()
    async with Simulator(SIM) as sim:
        carried = await carry_out(log, account(sim), "boss", one(sim), "ann")
        [known] = await known_operations(log)
        assert (known.result, known.last.shows, known.last.operation) == ("done", known.asked.shows, carried.operation)
        assert sim.state.ledger.books["shop"].balance == {"1": 50}
        text = repr([stored.value for records in log.records.values() for stored in records])
        assert "s3cret-key" not in text


@pytest.mark.parametrize("error", [LogFull("no space"), LogTimeout("late"), LogDamaged("hole")])
@pytest.mark.parametrize("written", [False, True])
async def test_what_cannot_be_announced_is_not_asked(error: Exception, written: bool) -> None:
    log = MemoryLog()
    log.failures.append((error, written))
    async with Simulator(SIM) as sim:
        with pytest.raises(type(error)):
            await carry_out(log, account(sim), "boss", one(sim), "ann")
        assert sim.state.ledger.operations == []
        assert [known.result for known in await known_operations(log)] == ["unknown"] * written


async def test_a_result_the_log_cannot_take_at_once_is_told_a_little_later() -> None:
    log = MemoryLog()
    log.failures.extend([(None, True), (LogTimeout("late"), False)])
    async with Simulator(SIM) as sim:
        carried = await carry_out(log, account(sim), "boss", one(sim), "ann")
        assert (carried.result, carried.untold) == ("done", "")
        assert [known.result for known in await known_operations(log)] == ["done"]
        assert len(sim.state.ledger.operations) == 1


@pytest.mark.parametrize("errors", [[LogDamaged("hole")], [LogFull("no space")] * 3])
async def test_a_result_the_log_never_takes_is_told_to_the_person(errors: list[Exception]) -> None:
    log = MemoryLog()
    log.failures.extend([(None, True), *((error, False) for error in errors)])
    async with Simulator(SIM) as sim:
        carried = await carry_out(log, account(sim), "boss", one(sim), "ann")
        assert (carried.result, carried.untold) == ("done", str(errors[-1]))
        assert [known.result for known in await known_operations(log)] == ["unknown"]
        assert len(sim.state.ledger.operations) == 1


async def test_a_cancelled_one_is_told_as_unknown() -> None:
    log = MemoryLog()
    async with Simulator(SIM) as sim:
        sim.configure(rule=[{"fault": "no_answer", "on": "recharge", "hold_s": 60.0}])
        task = asyncio.create_task(carry_out(log, account(sim), "boss", one(sim), "ann"))
        while not sim.state.ledger.operations:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        [known] = await known_operations(log)
        assert (known.last.result, known.last.says) == ("unknown", "interrupted")


async def test_one_that_woke_up_too_late_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.service.vendor_requests.operations.LEAVE_S_MAX", -1.0)
    log = MemoryLog()
    async with Simulator(SIM) as sim:
        carried = await carry_out(log, account(sim), "boss", one(sim), "ann")
        assert (carried.result, carried.answer.verdict.code) == ("not-done", "not sent")
        assert sim.state.ledger.operations == []
        assert [known.result for known in await known_operations(log)] == ["not-done"]


async def test_of_two_who_ask_for_the_same_at_the_same_moment_one_is_served() -> None:
    log = MemoryLog()
    async with Simulator(SIM) as sim:
        names = ["ann", "bob", "cid"]
        asked = await asyncio.gather(*(carry_out(log, account(sim), "boss", one(sim), name) for name in names))
        assert sorted(carried.result for carried in asked) == ["done", "not-done", "not-done"]
        assert len(sim.state.ledger.operations) == 1
        said = [carried.answer.says for carried in asked if carried.result == "not-done"]
        assert all("the same was just asked by" in each for each in said)
        assert sorted(known.result for known in await known_operations(log)) == ["done", "not-done", "not-done"]
        later = await carry_out(log, account(sim), "boss", one(sim), "ann")
        assert later.result == "done"


async def test_others_at_the_same_moment_are_served_too() -> None:
    log = MemoryLog()
    async with Simulator(SIM) as sim:
        asked = await asyncio.gather(*(carry_out(log, account(sim), "boss", one(sim, fee), "ann") for fee in (5, 6, 7)))
        assert [carried.result for carried in asked] == ["done"] * 3


async def test_what_is_unknown_is_not_asked_again_unless_it_is_meant() -> None:
    log = MemoryLog()
    async with Simulator(SIM) as sim:
        sim.configure(rule=[{"fault": "close", "on": "recharge", "count": 1}])
        assert (await carry_out(log, account(sim), "boss", one(sim), "ann")).result == "unknown"
        assert (await carry_out(log, account(sim), "boss", one(sim), "ann")).result == "not-done"
        assert len(sim.state.ledger.operations) == 1
        assert (await carry_out(log, account(sim), "boss", one(sim), "ann", again=True)).result == "done"
        [first, _, _] = await known_operations(log)
        await settle(log, first.asked, done=False, by="ann", why="")
        assert (await carry_out(log, account(sim), "boss", one(sim), "ann")).result == "done"


async def test_what_was_asked_just_now_may_be_under_way_and_is_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    log.failures.extend([(None, True), (LogDamaged("hole"), False)])
    async with Simulator(SIM) as sim:
        await carry_out(log, account(sim), "boss", one(sim), "ann")
        [known] = await known_operations(log)
        assert 0 < under_way_s(known) <= 60
        now_ms = known.asked.at_ms
        for age_s, left_s in ((0, 60.0), (59, 1.0), (60, 0.0), (3600, 0.0), (-3600, 60.0)):
            monkeypatch.setattr(
                "dispatcher.service.vendor_requests.operations.now_ms", lambda age_s=age_s: now_ms + age_s * 1000
            )
            assert under_way_s(known) == left_s


async def test_an_answer_that_repeats_our_secrets_is_masked() -> None:
    log = MemoryLog()
    async with Simulator(SIM) as sim:
        operation = one(sim)
        repeated = " ".join(operation.secrets)
        sim.configure(rule=[{"body": f"cannot read {repeated}", "on": "recharge"}])
        carried = await carry_out(log, account(sim), "boss", operation, "ann")
        assert carried.result == "unknown"
        assert "cannot read ***" in carried.answer.says
        for secret in operation.secrets:
            assert secret not in carried.answer.says
            assert secret not in carried.answer.verdict.text


@pytest.mark.parametrize("done", [True, False])
async def test_a_persons_word_is_the_last_one(done: bool) -> None:
    log = MemoryLog()
    async with Simulator(SIM) as sim:
        sim.configure(rule=[{"fault": "close", "on": "recharge", "count": 1}])
        await carry_out(log, account(sim), "boss", one(sim), "ann")
        await carry_out(log, account(sim), "boss", one(sim, 6), "bob")
        first, second = await known_operations(log)
        assert (first.result, second.result) == ("unknown", "done")
        await settle(log, first.asked, done=done, by="cid", why="their records say so")
        first, second = await known_operations(log)
        assert (first.result, first.last.by, first.asked.by) == ("done" if done else "not-done", "cid", "ann")
        assert second.result == "done"
        assert [known.asked.by for known in await known_operations(log, lambda record: record.by == "bob")] == ["bob"]
