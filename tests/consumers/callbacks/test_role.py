"""The role `campaigns` delivers callbacks: from a campaign's reports to a receiver, on a real log and store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from consumers.callbacks import notice_duty
from dispatcher.callbacks.on_log import CallbacksOnLog
from dispatcher.clock import now_ms
from dispatcher.config.callbacks import read_callbacks
from dispatcher.process.roles import running
from dispatcher.service.session import open_session
from tests.consumers.callbacks.receiver import SECRET, receiving
from tests.consumers.campaigns.test_wave_duty import Lane
from tests.service.place import configured, launched
from tests.waiting import until


async def test_a_campaign_s_results_and_its_end_are_posted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice_duty, "LOOK_EVERY_S", 0.05)
    async with receiving() as receiver:
        table = {"url": receiver.url, "secret": SECRET, "events": ["results", "finished", "failing"]}
        callbacks, _ = read_callbacks({"shop": table}, "dispatcher.toml")
        config = msgspec.structs.replace(configured(tmp_path), callbacks=callbacks)
        async with running(config, ["results", "campaigns"]) as roles, open_session(config, log=roles.log) as session:
            known = CallbacksOnLog(roles.log)
            while "event!began" not in known.events:
                await asyncio.sleep(0.01)
                await known.catch_up()
            await launched(session, "may", 200)
            await Lane(roles.log).sends(0, now_ms(), failed=0.5)
            await until(lambda: len(receiver.bodies) >= 3)
    by_type = {body["type"]: body["data"] for body in receiver.bodies}
    rows = [row for chunk in by_type["results"]["chunks"] for row in chunk["recipients"]]
    assert [row["state"] for row in rows].count("failed") == 100
    assert len({row["number"] for row in rows}) == 200
    assert by_type["finished"].items() >= {"campaign": "may", "failed": 100, "delivered": 100}.items()
    assert by_type["failing"] == {"campaign": "may", "failed": 100, "settled": 200}
