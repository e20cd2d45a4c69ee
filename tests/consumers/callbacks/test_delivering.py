"""Deliveries to a real receiver that takes, fails, hangs, asks to wait, and wants no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest

from consumers.callbacks import delivering
from consumers.callbacks.delivering import Delivery
from dispatcher.callbacks.on_log import CallbacksOnLog
from dispatcher.callbacks.requests import Requests
from dispatcher.config.callbacks import CallbackConfig
from dispatcher.config.file import Config, parse
from dispatcher.core.backoff import Backoff
from dispatcher.core.callbacks import outbox
from dispatcher.core.callbacks.events import events_of
from dispatcher.errors import InputError
from dispatcher.log.port import Entry
from dispatcher.service.callbacks import list_callbacks, replay_callback, try_callback
from dispatcher.service.session import open_session
from dispatcher.vendors.seam.vendor import Secret
from schemas.codec import encode
from schemas.records import CallbackState, Cancelled, Finished, Inbound
from schemas.topics import CAMPAIGNS, INBOUND, RESULTS
from tests.consumers.callbacks.receiver import SECRET, Receiver, receiving
from tests.memory_log import MemoryLog
from tests.waiting import until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "AGAIN", Backoff(0.01, 0.02))
    monkeypatch.setattr(delivering, "SAVE_EVERY_S", 0.0)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def callback(receiver: Receiver, *events: str) -> CallbackConfig:
    return configured(receiver, *events).callback("shop")


def configured(receiver: Receiver, *events: str) -> Config:
    table = {"url": receiver.url, "secret": SECRET, "events": list(events or ("halted",))}
    return parse({"callbacks": {"shop": table}}, "dispatcher.toml")


@asynccontextmanager
async def delivering_to(log: MemoryLog, config: CallbackConfig, timeout_s: float = 5.0) -> AsyncIterator[None]:
    """A delivery that runs, from its first position on."""
    delivery = Delivery("shop", config, log, partial(Requests, timeout_s=timeout_s))
    async with asyncio.TaskGroup() as tasks:  # an error of the delivery ends the test
        task = tasks.create_task(delivery.run())
        await until(lambda: state_of(log))
        yield
        task.cancel()


def state_of(log: MemoryLog) -> list[bytes]:
    return [stored.key for stored in log.records.get(("callbacks", 0), []) if stored.key == b"state!shop"]


async def state(log: MemoryLog) -> CallbackState:
    found = CallbacksOnLog(log)
    await found.catch_up()
    return found.states["shop"]


async def cancel(log: MemoryLog, *campaigns: str) -> None:
    """Each is an event of its campaign."""
    records = [Cancelled(campaign=name, at_ms=1, by="ann") for name in campaigns]
    await log.append(CAMPAIGNS.name, 0, [Entry(b"", encode(record)) for record in records])


async def test_events_are_posted_signed_and_a_new_callback_begins_with_what_comes(receiver: Receiver) -> None:
    log = MemoryLog()
    await cancel(log, "old")
    async with delivering_to(log, callback(receiver)):
        await cancel(log, "may")
        await until(lambda: receiver.taken == ["campaigns-0-1"])
    assert receiver.bodies[0]["type"] == "halted"


async def test_what_fails_comes_again_in_order_and_keeps_back_its_campaign_only(receiver: Receiver) -> None:
    log = MemoryLog()
    receiver.refuses = {"may"}
    async with delivering_to(log, callback(receiver)):
        await cancel(log, "may", "may", "june", "july")
        await until(lambda: {"campaigns-0-2", "campaigns-0-3"} <= set(receiver.taken))
        await until(lambda: receiver.asked.count("campaigns-0-0") > 2)
        assert "campaigns-0-1" not in receiver.asked
        receiver.refuses = set()
        await until(lambda: len(receiver.taken) == 4)
    assert receiver.taken[2:] == ["campaigns-0-0", "campaigns-0-1"]


async def test_a_receiver_that_hangs_is_given_up_and_asked_again(receiver: Receiver) -> None:
    log = MemoryLog()
    receiver.answers = [None]
    async with delivering_to(log, callback(receiver), timeout_s=0.1):
        await cancel(log, "may")
        await until(lambda: receiver.taken == ["campaigns-0-0"])
    assert len(receiver.asked) == 2


async def test_a_receiver_that_asks_to_wait_is_left_alone_so_long(receiver: Receiver) -> None:
    log = MemoryLog()
    receiver.answers = [(429, {"Retry-After": "1"})]
    async with delivering_to(log, callback(receiver)):
        began_s = asyncio.get_running_loop().time()
        await cancel(log, "may")
        await until(lambda: receiver.taken == ["campaigns-0-0"])
    assert asyncio.get_running_loop().time() - began_s > 0.9
    assert (await state(log)).error == "it answered 429"


async def test_a_receiver_that_wants_no_more_is_stopped_until_a_replay(receiver: Receiver) -> None:
    log, config = MemoryLog(), configured(receiver)
    receiver.answers = [410]
    async with delivering_to(log, config.callback("shop")), open_session(config, log=log) as session:
        await cancel(log, "may", "may")
        await until(lambda: len(state_of(log)) > 1)
        assert ((await state(log)).stopped, receiver.taken) == (True, [])
        [view] = await list_callbacks(session)
        assert (view.status, view.lag, view.error) == ("stopped", 2, "it answered 410: it wants no more")
        await replay_callback(session, "shop", [], by="ann")
        await until(lambda: receiver.taken == ["campaigns-0-0", "campaigns-0-1"])


async def test_another_process_continues_from_the_log_and_a_stop_stays(receiver: Receiver) -> None:
    log, config = MemoryLog(), callback(receiver)
    async with delivering_to(log, config):
        await cancel(log, "may", "june")
        await until(lambda: len(receiver.taken) == 2)
        await until(lambda: len(state_of(log)) > 1)
    assert (await state(log)).positions == {"campaigns-0": 2}
    await cancel(log, "july")  # while no process delivers
    receiver.answers = [410]
    async with delivering_to(log, config):
        await until(lambda: receiver.asked[2:] == ["campaigns-0-2"])
        await until(lambda: len(state_of(log)) > 2)
    async with delivering_to(log, config):
        await cancel(log, "august")
        await asyncio.sleep(0.05)
    assert len(receiver.asked) == 3


async def test_what_has_no_event_is_passed_on_the_log_too(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "SAVE_PASSED_EVERY_S", 0.0)
    monkeypatch.setattr(delivering, "LOOK_S_MAX", 0.01)
    log = MemoryLog()
    async with delivering_to(log, msgspec.structs.replace(callback(receiver), campaigns="june")):
        await cancel(log, "may", "may")
        await until(lambda: len(state_of(log)) > 1)
        await asyncio.sleep(0.05)
    assert ((await state(log)).positions, receiver.asked, len(state_of(log))) == ({"campaigns-0": 2}, [], 2)


async def test_a_replay_delivers_again_what_came_after_a_position(receiver: Receiver) -> None:
    log, config = MemoryLog(), configured(receiver, "halted", "inbound")
    async with delivering_to(log, config.callback("shop")), open_session(config, log=log) as session:
        await cancel(log, "a", "b", "c")
        message = Inbound(account="x", number="13800138000", text="hi", to="1", at_ms=1, received_ms=1)
        await log.append(INBOUND.name, 2, [Entry(b"x", encode(message))])
        await until(lambda: len(receiver.taken) == 4)
        with pytest.raises(InputError, match="has no events of results"):
            await replay_callback(session, "shop", ["results-0-1-0"], by="ann")
        with pytest.raises(InputError, match="is no position"):
            await replay_callback(session, "shop", ["17"], by="ann")
        await replay_callback(session, "shop", ["campaigns-0-0"], by="ann")
        await until(lambda: len(receiver.taken) == 6)
        assert sorted(receiver.taken[4:]) == ["campaigns-0-1", "campaigns-0-2"]
        await until(lambda: len(state_of(log)) > 2)


async def test_a_test_says_what_the_receiver_answers_and_changes_nothing(receiver: Receiver) -> None:
    log, config = MemoryLog(), configured(receiver)
    receiver.answers = [204, 503]
    async with open_session(config, log=log) as session:
        first, second = await try_callback(session, "shop"), await try_callback(session, "shop")
        [view] = await list_callbacks(session)
    assert (first.taken, second.taken, second.says, view.status) == (True, False, "it answered 503", "new")
    assert receiver.bodies[0]["type"] == "test"
    assert not log.records.get(("callbacks", 0))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answers = [(status, {"Location": receiver.url})]
    async with open_session(configured(receiver), log=MemoryLog()) as session:
        assert (await try_callback(session, "shop")).says == f"it answered {status}"
    assert len(receiver.asked) == 1


async def test_a_record_that_cannot_be_written_keeps_back_its_campaign_only(receiver: Receiver) -> None:
    broken = Finished(campaign="may", account="x", batch=0, start=0, vendor_id="", numbers=b"", states=b"\x03",
                      codes=[""], code_index=b"\0\0", at_ms=1)  # fmt: skip
    log = MemoryLog()
    async with delivering_to(log, callback(receiver, "results", "halted")):
        await log.append(RESULTS.name, 0, [Entry(b"may", encode(broken))])
        await cancel(log, "june")
        await until(lambda: receiver.taken == ["campaigns-0-0"])
        await until(lambda: len(state_of(log)) > 2)
    assert (await state(log)).failing[0].id == "results-0-0-0"
    assert (await state(log)).error == "the event cannot be written (error)"


async def test_a_receiver_that_is_not_there_cannot_be_reached() -> None:
    gone = CallbackConfig(url=Secret("http://127.0.0.1:9/"), secret=(Secret(SECRET),))
    async with Requests(gone) as requests:
        event = events_of("campaigns-0", 1, Cancelled(campaign="may", at_ms=1, by="x"), 1, gone.wanted("x"))
        answer = await requests.post(outbox.Message("campaigns-0-1", "may", tuple(event)))
    assert (answer.result, answer.says) == ("again", "it cannot be reached")
