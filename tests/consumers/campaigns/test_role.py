"""The role `campaigns` beside a real log: a start is a process of its own, and one that dies is tried again."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from consumers.campaigns import starting
from dispatcher.accounts.holders import conductor_holder
from dispatcher.clock import now_ms
from dispatcher.config.file import Config, load
from dispatcher.core.backoff import Backoff
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Log
from dispatcher.process.roles import running
from dispatcher.service.campaigns.drafts import schedule_campaign
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import open_session
from producers.drafts import api
from schemas.codec import decode
from schemas.records import Launched
from tests.always import ALWAYS_TOML
from tests.waiting import patience, until

CONFIG = f"""\
[log]
url = "sqlite:log.db"
[store]
url = "sqlite:results.db"
{ALWAYS_TOML}
[account.spring]
vendor = "batch-a"
url = "http://127.0.0.1:9"
account = "demo"
pswd = "secret"
connect_timeout_s = 1.0
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "dispatcher.toml"
    path.write_text(CONFIG, "utf-8")
    return load(path)


async def launches(log: Log) -> list[Launched]:
    """Every launch on the log, whether it counts or not."""
    records = [decode(stored.value) for stored in await log.read("campaigns", 0, 0)]
    return [record for record in records if isinstance(record, Launched)]


async def test_a_scheduled_draft_is_launched_once_though_its_first_process_is_killed(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "AGAIN", Backoff(0.01, 0.01))
    started = asyncio.create_subprocess_exec
    processes: list[int] = []

    async def killed_at_first(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await started(*arguments, **options)
        processes.append(process.pid)
        if len(processes) == 1:
            os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", killed_at_first)
    async with open_session(config) as session:
        await api.draft(
            session, LaunchRequest(numbers=["13800138000"], text="hi", route=["spring"], id="may", by="ann")
        )
        async with running(config, ["campaigns"]) as roles:
            await until(lambda: conductor_holder(config) is True)
            await schedule_campaign(session, "may", now_ms(), by="bob")
            log = await session.log()
            async with patience():
                while (await read_campaigns(log)).launched("may") is None:
                    await asyncio.sleep(0.02)
            [launched] = await launches(log)
            assert len(processes) == 2
            assert launched.by == "bob"
            assert list(roles.works) == ["campaigns"]
        assert conductor_holder(config) is False
