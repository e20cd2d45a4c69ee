"""The Kafka log on a real broker: the contract, and what only a broker can do to us."""

from __future__ import annotations

import asyncio
import functools
import gc
import itertools
import os
import signal
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from dispatcher.errors import LogDamaged, LogError, LogTimeout, LogUnavailable
from dispatcher.log.kafka import topics as kafka_topics
from dispatcher.log.kafka.log import KafkaLog
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log, StoredRecord
from loadtest.broker import Broker
from schemas.topics import LANES
from tests.log.contract import Freezable, LogContract, Place, followed, read_all
from tests.log.contract_lock import LockContract
from tests.waiting import freeze, patience, until


class FrozenBroker:
    """A broker of our own that can be stopped in its tracks and go on, as a long pause of its machine does."""

    def __init__(self, broker: Broker, prefix: str) -> None:
        self._broker, self.url = broker, f"kafka://{broker.bootstrap}/{prefix}.?timeout_s=2"

    def freeze(self) -> None:
        freeze(self._pid)

    def thaw(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    @property
    def _pid(self) -> int:
        assert self._broker._process is not None
        return self._broker._process.pid


@pytest.fixture(scope="module")
def kafka_broker() -> Iterator[Broker]:
    """One broker to kill, freeze and restart for all tests of this module: starting one takes seconds."""
    with Broker(properties={"log.cleaner.backoff.ms": "100"}) as broker:
        yield broker


@pytest.fixture(scope="module")
def shared_url(kafka_bootstrap: str) -> str:
    """One set of topics for the whole contract: making them takes a second."""
    return f"kafka://{kafka_bootstrap}/contract-{uuid.uuid4().hex[:12]}.?session_s=6"


class TestKafkaLog(LogContract, LockContract):
    @pytest.fixture
    def url(self, shared_url: str) -> str:
        return shared_url

    @pytest.fixture
    def missing_url(self, kafka_bootstrap: str, kafka_prefix: str) -> str:
        return f"kafka://{kafka_bootstrap}/{kafka_prefix}."

    @pytest.fixture
    def freezable(self, kafka_broker: Broker, kafka_prefix: str) -> Iterator[Freezable]:
        frozen = FrozenBroker(kafka_broker, kafka_prefix)
        yield frozen
        frozen.thaw()

    def commits(self, log: Log) -> int:
        assert isinstance(log, KafkaLog)
        return log.commits


# --- topics ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def admin_of(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    yield admin
    await admin.close()


async def make_topic(bootstrap: str, name: str, partitions: int, **settings: str) -> None:
    settings = {key.replace("_", "."): value for key, value in settings.items()}
    async with admin_of(bootstrap) as admin:
        response = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
        assert response.topic_errors[0][1] == 0


async def set_topic(bootstrap: str, name: str, **settings: str) -> None:
    settings = {key.replace("_", "."): value for key, value in settings.items()}
    async with admin_of(bootstrap) as admin:
        (response,) = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, settings)])
        assert response.resources[0][0] == 0


async def test_topics_are_made_with_the_settings_of_the_table(kafka_bootstrap: str, kafka_prefix: str):
    await (await open_log(f"kafka://{kafka_bootstrap}/{kafka_prefix}.")).close()
    names = [f"{kafka_prefix}.{name}" for name in ("campaigns", "recipients", "lanes")]
    async with admin_of(kafka_bootstrap) as admin:
        described = {each["topic"]: each for each in await admin.describe_topics(names)}
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    settings = {each[3]: {entry[0]: entry[1] for entry in each[4]} for each in response.resources}
    campaigns, recipients, lanes = names
    assert [len(described[name]["partitions"]) for name in names] == [1, 8, 8]
    assert [settings[name]["cleanup.policy"] for name in names] == ["compact", "delete", "delete"]
    assert settings[campaigns]["retention.ms"] == "-1"
    assert settings[campaigns]["max.compaction.lag.ms"] == "3600000"
    assert settings[lanes]["retention.ms"] == str(400 * 86_400_000)
    assert int(settings[recipients]["max.message.bytes"]) > 1_000_000
    assert settings[lanes]["message.timestamp.type"] == "LogAppendTime"


WRONG = [
    ("lanes", 4, {"cleanup_policy": "delete", "retention_ms": "-1"}, r"'\S+lanes' has 4 partitions, needs 8"),
    ("campaigns", 1, {"cleanup_policy": "delete"}, r"'\S+campaigns' has cleanup.policy=delete, needs compact"),
    ("jobs", 8, {"cleanup_policy": "delete", "retention_ms": "1000"}, r"'\S+jobs' has retention.ms=1000, needs -1 or"),
    ("jobs", 8, {"retention_ms": "-1", "max_message_bytes": "5000"}, r"'\S+jobs' has max.message.bytes=5000, needs at"),
]


@pytest.mark.parametrize(("name", "partitions", "settings", "sentence"), WRONG)
async def test_a_topic_that_exists_with_other_settings_is_named_with_what_it_needs(
    kafka_bootstrap: str, kafka_prefix: str, name: str, partitions: int, settings: dict[str, str], sentence: str
):
    await make_topic(kafka_bootstrap, f"{kafka_prefix}.{name}", partitions, **settings)
    with pytest.raises(LogError, match=sentence):
        await open_log(f"kafka://{kafka_bootstrap}/{kafka_prefix}.")


@pytest.mark.parametrize(("replication", "insync", "fault"), [(1, "1", False), (3, "1", True), (3, "2", False)])
def test_three_replicas_need_two_in_sync(replication: int, insync: str, fault: bool):
    has = {"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": "9999999"}
    has["min.insync.replicas"] = insync
    assert (kafka_topics.fault(LANES, has, replication) == ("min.insync.replicas", "at least 2")) == fault


async def test_more_replicas_than_brokers_is_one_clear_error(kafka_bootstrap: str, kafka_prefix: str):
    with pytest.raises(LogError, match=r"cannot be made: .*replication factor"):
        await open_log(f"kafka://{kafka_bootstrap}/{kafka_prefix}.?replication=9")


async def test_two_processes_may_make_the_topics_at_the_same_time(kafka_bootstrap: str, kafka_prefix: str):
    url = f"kafka://{kafka_bootstrap}/{kafka_prefix}."
    logs = await asyncio.gather(*(open_log(url) for _ in range(3)))
    for log in logs:
        assert len(await log.append("lanes", 0, [Entry(b"", b"")])) == 1
    assert await logs[0].end("lanes", 0) == 3
    await asyncio.gather(*(log.close() for log in logs))


# --- what the broker deletes -----------------------------------------------------------------------------------------


async def test_records_that_retention_deleted_are_missed_loudly(kafka_bootstrap: str, kafka_prefix: str):
    log = await open_log(f"kafka://{kafka_bootstrap}/{kafka_prefix}.")
    place = Place(log, "results", 0, 0)
    await place.append(*(b"%d" % i for i in range(10)))
    async with admin_of(kafka_bootstrap) as admin:
        await admin.delete_records({TopicPartition(f"{kafka_prefix}.results", 0): RecordsToDelete(5)})
    for offset in (0, 4):
        with pytest.raises(LogDamaged):
            await log.read("results", 0, offset)
        with pytest.raises(LogDamaged):
            await log.fetch("results", 0, offset)
        with pytest.raises(LogDamaged):
            await followed(log, "results", 0, offset, 1)
    assert [record.offset for record in await log.read("results", 0, 5)] == [5, 6, 7, 8, 9]
    await log.close()


async def test_reading_skips_what_compaction_deleted(kafka_broker: Broker, kafka_prefix: str):
    quick = {"cleanup_policy": "compact", "segment_ms": "50", "min_cleanable_dirty_ratio": "0.01"}
    await make_topic(kafka_broker.bootstrap, f"{kafka_prefix}.campaigns", 1, **quick, max_message_bytes="1065536")
    log = await open_log(f"kafka://{kafka_broker.bootstrap}/{kafka_prefix}.")
    written: list[int] = []
    for i in itertools.count():
        written += await log.append("campaigns", 0, [Entry(b"%d" % (i % 3), b"%d" % i)])
        await asyncio.sleep(0.02)
        if i % 20 == 0 and len(await read_all(log, "campaigns", 0, 0)) < len(written):
            break
    records = await read_all(log, "campaigns", 0, 0)
    assert len(records) < len(written)
    assert [record.offset for record in records] == sorted({record.offset for record in records})
    newest = {b"%d" % (i % 3): b"%d" % i for i in range(len(written))}
    assert {record.key: record.value for record in records} == newest
    again: list[StoredRecord] = []
    async with patience(), aclosing(log.follow("campaigns", 0, 0)) as follower:
        while not again or again[-1].offset < written[-1]:
            again += await anext(follower)
    assert len(again) < len(written)
    assert {record.key: record.value for record in again} == newest
    await log.close()


# --- a broker that goes away -----------------------------------------------------------------------------------------


async def test_no_broker_is_one_sentence_that_names_it():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(LogUnavailable, match=f"127.0.0.1:{port} does not answer .* start it, or correct"):
        await open_log(f"kafka://127.0.0.1:{port}?timeout_s=3")


async def test_a_lost_broker_is_one_mapped_error_and_its_return_is_noticed(kafka_broker: Broker, kafka_prefix: str):
    log = await open_log(f"kafka://{kafka_broker.bootstrap}/{kafka_prefix}.?timeout_s=1")
    await log.append("lanes", 0, [Entry(b"", b"before")])
    follower = log.follow("lanes", 0, 0)
    assert len(await anext(follower)) == 1
    await asyncio.to_thread(kafka_broker.kill9)
    results = await asyncio.gather(
        *(log.append("lanes", 0, [Entry(b"", b"lost %d" % i)]) for i in range(5)),
        log.append("lanes", 1, [Entry(b"", b"lost")]),
        return_exceptions=True,
    )
    assert {type(result) for result in results} <= {LogTimeout, LogUnavailable}
    for call in (log.end("lanes", 0), log.read("lanes", 0, 0), log.fetch("lanes", 0, 0)):
        with pytest.raises(LogUnavailable, match="does not answer"):
            await call
    with pytest.raises(LogUnavailable, match="does not answer"):
        await anext(follower)
    await asyncio.to_thread(kafka_broker.restart)
    await appended_at_last(log, b"after")
    values = [record.value for record in await read_all(log, "lanes", 0, 0)]
    assert values[0] == b"before"
    assert values[-1].startswith(b"after")
    assert len(values) == len(set(values))
    await log.close()


async def test_a_broker_killed_while_appending_and_following_loses_and_doubles_nothing(
    kafka_broker: Broker, kafka_prefix: str
):
    log = await open_log(f"kafka://{kafka_broker.bootstrap}/{kafka_prefix}.?timeout_s=20")
    confirmed: set[bytes] = set()
    seen: list[StoredRecord] = []
    stop = asyncio.Event()

    async def write(name: int) -> None:
        for i in range(100_000):
            if stop.is_set():
                return
            value = b"%d %d" % (name, i)
            try:
                await log.append("lanes", 0, [Entry(b"", value)])
            except (LogTimeout, LogUnavailable):
                continue
            confirmed.add(value)

    async def follow() -> None:
        async with aclosing(log.follow("lanes", 0, 0)) as follower:
            async for records in follower:
                seen.extend(records)
                if seen[-1].value.startswith(b"last"):
                    return

    async with patience():
        following = asyncio.ensure_future(follow())
        writing = [asyncio.ensure_future(write(name)) for name in range(5)]
        for _ in range(2):
            await asyncio.sleep(1)
            await asyncio.to_thread(kafka_broker.kill9)
            enough = len(confirmed) + 200
            await asyncio.to_thread(kafka_broker.restart)
            await until(functools.partial(_more_than, confirmed, enough))
        stop.set()
        await asyncio.gather(*writing)
        await appended_at_last(log, b"last")
        await following
    values = [record.value for record in seen]
    assert len(values) == len(set(values))
    assert confirmed <= set(values)
    assert [record.offset for record in seen] == list(range(len(seen)))
    for name in range(5):
        numbers = [int(value.split()[1]) for value in values if value.startswith(b"%d " % name)]
        assert numbers == sorted(numbers)
    await log.close()


async def test_after_a_batch_the_broker_refused_the_next_one_is_taken(kafka_bootstrap: str, kafka_prefix: str):
    log = await open_log(f"kafka://{kafka_bootstrap}/{kafka_prefix}.")
    await log.append("recipients", 0, [Entry(b"", b"before")])
    await set_topic(kafka_bootstrap, f"{kafka_prefix}.recipients", max_message_bytes="10000")
    with pytest.raises(LogError, match="refused") as caught:
        await log.append("recipients", 0, [Entry(b"", bytes(500_000))])
    assert not isinstance(caught.value, LogTimeout)  # certainly not written
    await asyncio.gather(*(log.append("recipients", each % 2, [Entry(b"", b"after")]) for each in range(10)))
    values = [record.value for record in await read_all(log, "recipients", 0, 0)]
    assert values == [b"before", *[b"after"] * 5]
    await log.close()


async def test_the_fatal_error_of_a_producer_raises_nothing_in_the_loop(kafka_bootstrap: str, kafka_prefix: str):
    log = await open_log(f"kafka://{kafka_bootstrap}/{kafka_prefix}.")
    await log.append("lanes", 0, [Entry(b"", b"before")])
    assert isinstance(log, KafkaLog)
    producer = log._appender._producer
    assert producer is not None
    ended = asyncio.get_running_loop().create_future()
    ended.set_exception(KafkaError("the broker was away for too long"))
    producer._sender._fail_all(ended)  # what aiokafka calls when its sender has ended
    await log.close()


async def test_closing_while_the_broker_is_away_says_nothing_beside_the_error(kafka_broker: Broker, kafka_prefix: str):
    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    log = await open_log(f"kafka://{kafka_broker.bootstrap}/{kafka_prefix}.?timeout_s=2")
    await log.append("lanes", 0, [Entry(b"", b"before")])
    assert isinstance(log, KafkaLog)
    broker = FrozenBroker(kafka_broker, kafka_prefix)
    broker.freeze()
    try:
        appending = [asyncio.ensure_future(log.append("lanes", each, [Entry(b"", b"more")])) for each in range(4)]
        results = await asyncio.gather(*appending, return_exceptions=True)
        assert all(isinstance(each, LogError) for each in results)
        await log.close()
    finally:
        broker.thaw()
    gc.collect()
    await asyncio.sleep(0)
    assert said == []


def _more_than(values: set[bytes], count: int) -> bool:
    return len(values) > count


async def appended_at_last(log: Log, what: bytes) -> None:
    """As soon as the broker confirms it; each try is another record, since one that timed out may be written, too."""
    async with patience():
        for number in itertools.count():
            try:
                await log.append("lanes", 0, [Entry(b"", b"%b %d" % (what, number))])
                return
            except (LogUnavailable, LogTimeout):
                await asyncio.sleep(0.1)
