"""The broker the other tests stand on: it comes up, keeps what was acknowledged, and never outlives its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from dispatcher.errors import LogUnavailable, UserError
from loadtest.broker import Broker, Docker, Jars, bootstrap_or_start, find_launcher
from tests.waiting import wait_until

STAND_IN = """#!/bin/bash
if [ "$1" = kill ]; then exec kill -9 "$(cat {pid})"; fi
while [ "$1" != apache/kafka:4.1.0 ]; do shift; done
shift
echo $$ > {pid}
exec {java} "${{@//\\/opt\\/kafka\\/libs/{libs}}}"
"""

# A process that starts a broker, says the broker's process id and waits.
OWNER = """
import sys, time
from loadtest.broker import Broker
with Broker(sys.argv[1]) as broker:
    print(broker._process.pid, flush=True)
    time.sleep(600)
"""


async def create_topic(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def append(bootstrap: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def read(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


def gone(pid: int) -> bool:
    """Whether this process has ended (one that nobody has waited for yet counts as ended)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


async def test_what_was_acknowledged_is_there_after_a_restart_on_the_same_port_and_the_folder_goes_at_the_end() -> None:
    with Broker() as broker:
        bootstrap = broker.bootstrap
        await create_topic(bootstrap, "kept")
        for end in (broker.stop, broker.kill9):
            await append(bootstrap, "kept", b"before")
            end()
            assert not broker.running
            broker.start()
            assert broker.bootstrap == bootstrap
        await append(bootstrap, "kept", b"after")
        assert await read(bootstrap, "kept", 3) == [b"before", b"before", b"after"]
        assert (broker.folder / "server.properties").is_file()
    assert not broker.folder.exists()


async def test_the_session_s_broker_answers(kafka_bootstrap: str, kafka_prefix: str) -> None:
    await create_topic(kafka_bootstrap, kafka_prefix)
    await append(kafka_bootstrap, kafka_prefix, b"x")
    assert await read(kafka_bootstrap, kafka_prefix, 1) == [b"x"]


def test_a_broker_does_not_outlive_an_owner_that_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert owner.stdout is not None
    java = int(owner.stdout.readline())
    assert not gone(java)
    owner.kill()
    owner.communicate()
    wait_until(lambda: gone(java), "the broker has ended")


def test_a_broker_that_does_not_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    broker = Broker(tmp_path, properties={"offsets.topic.num.partitions": "nowhere"})
    with pytest.raises(LogUnavailable, match="nowhere"):
        broker.start()
    assert not broker.running


def test_a_named_broker_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "127.0.0.1:9")
    with bootstrap_or_start() as bootstrap:
        assert bootstrap == "127.0.0.1:9"


def test_without_java_and_docker_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="make kafka"):
        find_launcher()


def test_the_docker_command_runs_the_same_broker_inside_the_image(tmp_path: Path) -> None:
    """A stand-in for `docker` runs what `docker run … --entrypoint java IMAGE` is given, on the jars fetched here."""
    jars = find_launcher()
    if not isinstance(jars, Jars):
        pytest.skip("Docker itself runs the brokers of this session")
    stand_in = tmp_path / "docker"
    pid = tmp_path / "pid"
    stand_in.write_text(STAND_IN.format(pid=pid, java=jars.executable, libs=jars.libs), encoding="utf-8")
    stand_in.chmod(0o755)
    with Broker(tmp_path / "broker", launcher=Docker(str(stand_in))) as broker:
        assert broker.running
        broker.kill9()
        assert gone(int(pid.read_text(encoding="ascii")))


def test_an_interrupted_owner_ends_its_broker(tmp_path: Path) -> None:
    """Ctrl-C reaches the owner alone; it leaves the `with` block and the broker goes with it."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert owner.stdout is not None
    java = int(owner.stdout.readline())
    os.killpg(owner.pid, signal.SIGINT)
    owner.communicate()
    assert gone(java)
