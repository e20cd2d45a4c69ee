"""A folder with a configuration and a launched campaign, for tests of the commands. Nothing runs here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import open_session
from producers.launch.api import launch

CONFIG = """\
[hours]
marketing = "00:00-24:00"
[account.spring]
vendor = "batch-a"
url = "http://127.0.0.1:9"
account = "demo"
pswd = "${PSWD}"
flow = { limit = 500 }
connect_timeout_s = 1.0
balance_interval_s = 10.0
"""
SECRET = "secret-of-spring"
TEXT = "【Test】hello"
LAUNCH = ["--text", TEXT, "--route", "spring", "--yes"]


def configured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in this folder, with a configuration of one account."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PSWD", SECRET)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("DISPATCHER_CONFIG", raising=False)
    monkeypatch.delenv("DISPATCHER_DEBUG", raising=False)
    (folder / "dispatcher.toml").write_text(CONFIG, "utf-8")


def launched(folder: Path, campaign: str, recipients: int = 3, options: Mapping[str, str] | None = None) -> None:
    """A campaign on the log in this folder."""
    numbers = [13_800_138_000 + number for number in range(recipients)]
    rows = [*numbers, "no number", numbers[0]]
    request = LaunchRequest(numbers=rows, text=TEXT, route=["spring"], id=campaign, options=dict(options or {}))

    async def work() -> None:
        async with open_session("dispatcher.toml") as session:
            await launch(session, request)

    asyncio.run(work())
