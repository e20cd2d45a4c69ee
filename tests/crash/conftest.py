"""A stage for crashes on either log. All tests on Kafka share one broker, which they may kill and start again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loadtest.broker import Broker
from tests.crash.life import Life, living
from tests.crash.stage import LogKind

SQLITE = pytest.param("sqlite", id="sqlite")
KAFKA = pytest.param("kafka", id="kafka", marks=[pytest.mark.kafka])


@pytest.fixture(scope="session")
def crash_broker() -> Iterator[Broker]:
    """A broker that may be killed; whoever does starts it again."""
    with Broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def kind(request: pytest.FixtureRequest) -> LogKind:
    """Which log; given by each module that uses `life`."""
    chosen: LogKind = request.param
    return chosen


@pytest.fixture(scope="module")
def life(request: pytest.FixtureRequest, kind: LogKind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """One life for all tests of a module on one log: every role at work. It ends with its processes."""
    broker = request.getfixturevalue("crash_broker") if kind == "kafka" else None
    folder = tmp_path_factory.mktemp(f"crash-{kind}")
    title = f"{request.module.__name__} on {kind}"
    with living(kind, folder, broker, seed=request.module.SEED, title=title, trouble=request.module.TROUBLE) as found:
        yield found
