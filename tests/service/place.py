"""A configuration with one account, a log and results in a folder of the test's own, and campaigns on that log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dispatcher.config.file import Config, parse
from dispatcher.log.port import Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session
from producers.launch.api import launch
from producers.launch.commit import LaunchResult
from schemas.codec import decode
from schemas.records import AnyRecord
from tests.always import ALWAYS

ACCOUNT = "spring"
FIRST = 13_800_138_000


def configured(folder: Path) -> Config:
    """Nothing is there yet."""
    table = {
        "log": {"url": f"sqlite:{folder}/log.db"},
        "store": {"url": f"sqlite:{folder}/results.db"},
        "account": {ACCOUNT: {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "secret"}},
    } | ALWAYS
    return parse(table, str(folder / "dispatcher.toml"))


async def launched(session: Session, campaign: str, recipients: int = 3, **wanted: Any) -> LaunchResult:
    """Launch a campaign to so many numbers, and to a row that is none."""
    numbers = [*range(FIRST, FIRST + recipients), "no number"]
    request = LaunchRequest(numbers=numbers, text="【Shop】hello", route=[ACCOUNT], id=campaign, **wanted)
    return await launch(session, request)


async def written(log: Log, topic: str = "campaigns", partition: int = 0) -> list[AnyRecord]:
    """The records of a partition."""
    return [decode(stored.value) for stored in await log.read(topic, partition, 0)]
