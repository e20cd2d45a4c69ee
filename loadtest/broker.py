"""A real Kafka broker on free ports of 127.0.0.1, in a folder of its own, for tests, benchmarks and the demo.

It runs from the jars in `.kafka/libs` (`make kafka`) with Java, or from the Docker image where only Docker is there.
One node, no replication: it shows what our code does when a broker is stopped or killed, not what a cluster does when
one of three is.

A broker never outlives its owner: a guard process holds a pipe from this one and kills the broker when the pipe closes,
also when this process is killed with -9.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from dispatcher.errors import LogUnavailable, UserError
from loadtest.free_ports import free_ports

HOST: Final = "127.0.0.1"
IMAGE: Final = "apache/kafka:4.1.0"
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 20.0
POLL_S: Final = 0.05
PORT_TRIES_MAX: Final = 3
LOG_TAIL_LINES: Final = 20

_DATA: Final = "data"
_LOGGING: Final = Path(__file__).with_name("kafka") / "log4j2.properties"
_JVM: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

_PROPERTIES: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "3",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "3",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A killed broker comes back only when its old session has run out.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
    # The smallest the cleaner takes; the default of 128 MB does not fit the heap.
    "log.cleaner.dedupe.buffer.size": "2097152",
}


class Launcher(Protocol):
    """How Java is run for one broker: here, or in a container."""

    @property
    def listen_host(self) -> str:
        """What the broker's listener binds to."""
        ...

    def java(self, name: str, folder: Path, port: int, arguments: list[str]) -> list[str]:
        """The command that runs `java` with these arguments and Kafka's jars as its class path."""
        ...

    def kill(self, name: str, pid: int) -> list[str]:
        """The command that ends it as kill -9 does."""
        ...


@dataclass(frozen=True)
class Jars:
    """Java on this machine and the jars in a folder."""

    executable: str
    libs: Path
    listen_host: str = HOST

    def java(self, name: str, folder: Path, port: int, arguments: list[str]) -> list[str]:
        return [self.executable, "-cp", f"{self.libs}/*", *arguments]

    def kill(self, name: str, pid: int) -> list[str]:
        return ["kill", "-9", str(pid)]


@dataclass(frozen=True)
class Docker:
    """The same Java command inside the Kafka image, with the broker's folder mounted where it is."""

    executable: str
    image: str = IMAGE
    listen_host: str = "0.0.0.0"  # inside the container; published on 127.0.0.1 only

    def java(self, name: str, folder: Path, port: int, arguments: list[str]) -> list[str]:
        docker = [self.executable, "run", "--rm", "--name", name, "--user", f"{os.getuid()}:{os.getgid()}"]
        docker += ["--publish", f"{HOST}:{port}:{port}", "--volume", f"{folder}:{folder}", "--entrypoint", "java"]
        return [*docker, self.image, "-cp", "/opt/kafka/libs/*", *arguments]

    def kill(self, name: str, pid: int) -> list[str]:
        return [self.executable, "kill", name]


def find_launcher() -> Launcher:
    """What can run a broker here: Java and the jars of KAFKA_LIBS or `.kafka/libs`, else Docker. Raises UserError."""
    libs = Path(os.environ.get("KAFKA_LIBS") or Path(__file__).parents[1] / ".kafka" / "libs")
    java = shutil.which("java")
    if java and any(libs.glob("kafka_2.13-*.jar")):
        return Jars(java, libs.resolve())
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0:
        return Docker(docker)
    raise UserError(
        "no Kafka broker can be started here. Run `make kafka` (it needs Java 17 or newer and Maven), or start Docker, "
        "or set KAFKA_BOOTSTRAP=host:port to a broker for tests."
    )


class Broker:
    """One broker. `start` and `stop` may alternate; ports and data stay the same until `close`.

    `folder` holds configuration, data and logs; without it, a temporary one that `close` removes. `properties` are
    added to server.properties. Blocking: call it in a thread from asyncio. Not for two threads at once.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        *,
        launcher: Launcher | None = None,
        heap_mb: int = 256,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self._launcher = launcher or find_launcher()
        self._temporary = folder is None
        self.folder = Path(folder).absolute() if folder else Path(tempfile.mkdtemp(prefix="kafka-"))
        self._heap_mb = heap_mb
        self._properties = dict(properties or {})
        self._name = f"dispatcher-{uuid.uuid4().hex[:12]}"
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients; known once started."""
        return f"{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the process is there; it may still be starting."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start and wait until it answers. Raises LogUnavailable with the end of its log if it does not come up."""
        if self.running:
            return self
        first = self.port == 0
        for tries in range(1, PORT_TRIES_MAX + 1):
            if first:
                self._configure(*free_ports(2))
            try:
                self._launch()
                return self
            except LogUnavailable as error:
                # Between finding a free port and listening on it, somebody else may take it.
                if not first or tries == PORT_TRIES_MAX or "Address already in use" not in str(error):
                    raise
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """End it in order (what a broker does when its machine is shut down), by force after STOP_TIMEOUT_S."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
        self.kill9()

    def kill9(self) -> None:
        """End it as a power cut does: nothing is flushed, no client is told."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None
        if self._process is not None:
            if self._process.poll() is None:
                subprocess.run(self._launcher.kill(self._name, self._process.pid), capture_output=True, check=False)
            self._process.wait()
            self._process = None

    def restart(self) -> Self:
        """Start again after `kill9` or `stop`, or stop and start: same ports, same data."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stop for good, by force, and remove the folder if it was made here."""
        self.kill9()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """The end of what the broker printed and logged."""
        texts = [
            file.read_text(encoding="utf-8", errors="replace")
            for file in (self.folder / "server.log", self.folder / "output.log")
            if file.exists()
        ]
        return "\n".join("\n".join(texts).splitlines()[-lines:])

    def _configure(self, port: int, controller_port: int) -> None:
        self.port = port
        self.folder.mkdir(parents=True, exist_ok=True)
        listen = self._launcher.listen_host
        properties = _PROPERTIES | {
            "controller.quorum.voters": f"1@{HOST}:{controller_port}",
            "listeners": f"PLAINTEXT://{listen}:{port},CONTROLLER://{HOST}:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
            "log.dirs": f"{self.folder}/{_DATA}",
        }
        lines = [f"{key}={value}\n" for key, value in (properties | self._properties).items()]
        (self.folder / "server.properties").write_text("".join(lines), encoding="utf-8")
        shutil.copyfile(_LOGGING, self.folder / "log4j2.properties")
        identity = self.folder / _DATA / "meta.properties"
        if not identity.exists():
            # What `kafka-storage format` writes, without the Java process that it takes.
            identity.parent.mkdir(exist_ok=True)
            ids = f"cluster.id={_kafka_uuid()}\ndirectory.id={_kafka_uuid()}\n"
            identity.write_text(f"version=1\nnode.id=1\n{ids}", encoding="ascii")

    def _launch(self) -> None:
        configuration = str(self.folder / "server.properties")
        with (self.folder / "output.log").open("ab") as output:
            # A session of its own: Ctrl-C is for us, and we then end the broker.
            self._process = subprocess.Popen(
                self._java(["kafka.Kafka", configuration]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        kill = self._launcher.kill(self._name, self._process.pid)
        self._guard = subprocess.Popen(
            ["sh", "-c", 'read -r _; exec "$@"', "guard", *kill],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_it_answers()

    def _java(self, arguments: list[str]) -> list[str]:
        jvm = [*_JVM, f"-Xmx{self._heap_mb}m", f"-Dbroker.folder={self.folder}"]
        jvm.append(f"-Dlog4j2.configurationFile={self.folder}/log4j2.properties")
        return self._launcher.java(self._name, self.folder, self.port, [*jvm, *arguments])

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.running:
            if _answers(self.port):
                return
            time.sleep(POLL_S)
        tail = self.log_tail()
        self.kill9()
        raise LogUnavailable(f"the Kafka broker in {self.folder} did not start; the end of its log:\n{tail}")


@contextlib.contextmanager
def bootstrap_or_start() -> Iterator[str]:
    """`host:port` of the broker that KAFKA_BOOTSTRAP names, else of one that lives as long as the `with` block."""
    named = os.environ.get("KAFKA_BOOTSTRAP")
    if named:
        yield named
        return
    with Broker() as broker:
        yield broker.bootstrap


def _kafka_uuid() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _answers(port: int) -> bool:
    """Whether the broker on this port says that it is part of a cluster: Metadata v1 without topics, asked by hand.

    Listening is not enough: after a kill it listens for a while before its own controller lets it take part.
    """
    request = struct.pack(">hhih", 3, 1, 0, -1) + struct.pack(">i", 0)
    try:
        with socket.create_connection((HOST, port), timeout=2.0) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as answer:
                _size, _correlation, brokers = struct.unpack(">iii", answer.read(12))
                return int(brokers) > 0
    except (OSError, struct.error):
        return False
