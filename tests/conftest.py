"""What every test may rely on: a real Kafka broker where one is asked for, no way off this machine, nothing left over.

All test processes share one broker, started when the first test asks for it, so a test names its topics with
`kafka_prefix`. Whatever uses a Kafka fixture is marked `kafka`.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import uuid
from collections.abc import Generator, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from dispatcher.terminal.language import VARIABLES
from loadtest.broker import Broker
from producers.lists.reader.process import close_idle
from tests import warm_start
from tests.cpu_times import CpuTimes
from tests.distribution import ByWhatTheyShare, rank_of
from tests.shared_broker import shared_broker

KAFKA_FIXTURES = {"kafka_bootstrap", "kafka_broker"}
KAFKA_HOSTS = {each.rpartition(":")[0] for each in os.environ.get("KAFKA_BOOTSTRAP", "").split(",")}

# No test asserts a time, so hypothesis must not either. CI looks at the same cases every time; people look at new ones.
settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cpu", action="store_true", help="say which tests cost the most CPU")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.cpu:
        config.pluginmanager.register(CpuTimes())
    sys.addaudithook(_only_this_machine)
    for name in VARIABLES:
        if os.environ.get(name, "").lower().startswith("zh"):
            os.environ[name] = "C.UTF-8"  # tests read what commands say in English
    # Without bytecode every process compiles all that it imports, and every worker rewrites every test's assertions.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    config.option.loadscopereorder = False  # in the order of the tests instead of by their number
    return ByWhatTheyShare(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """One worker compiles a test module; the others wait for its bytecode instead of compiling it beside."""
    if "PYTEST_XDIST_WORKER" not in os.environ or not isinstance(collector, pytest.Module):
        return (yield)
    with collector.path.open() as source:
        fcntl.flock(source, fcntl.LOCK_EX)
        return (yield)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if KAFKA_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: rank_of(item.nodeid))


@pytest.fixture(scope="session", autouse=True)
def _no_process_left() -> Iterator[None]:
    """Whoever starts a process ends it: at the end of the session (of this xdist worker) none may be left."""
    before = set(_children())
    with warm_start.installed():
        yield
        close_idle()
    left = {process: command for process, command in _children().items() if process not in before}
    assert not left, f"tests left these processes behind: {left}"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command run inside a test sets up its logging for the whole process; the next test must not see that."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    if structlog.is_configured():
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of the session's broker: what KAFKA_BOOTSTRAP names, or one started here. Not to be stopped."""
    named = os.environ.get("KAFKA_BOOTSTRAP")
    if named:
        yield named
        return
    folder = tmp_path_factory.getbasetemp()
    with shared_broker(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) as bootstrap:
        yield bootstrap


@pytest.fixture
def kafka_prefix() -> str:
    """A prefix for topics and groups that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def kafka_broker() -> Iterator[Broker]:
    """A broker of this test's own, started, that it may stop, kill and restart."""
    with Broker() as broker:
        yield broker


def _children() -> dict[int, str]:
    """Our running child processes and their command lines; {} where there is no /proc.

    Not those who have ended, nor Python's own resource tracker, which ends with us.
    """
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue  # it ended while we looked
        if int(parent) == os.getpid() and state != "Z" and "resource_tracker" not in command:
            found[int(folder.name)] = command
    return found


def _only_this_machine(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: a connection or a datagram to anywhere but this machine fails the test that tried.

    Weak spot: libuv (uvloop) raises no audit events.
    """
    if event not in {"socket.connect", "socket.sendto"}:
        return
    address = arguments[1]
    if not isinstance(address, tuple):
        return  # a Unix socket
    host = str(address[0])
    if host in KAFKA_HOSTS or host == "localhost" or _is_loopback(host):
        return
    raise RuntimeError(f"a test tried to reach {host}: tests talk to 127.0.0.1 only")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
