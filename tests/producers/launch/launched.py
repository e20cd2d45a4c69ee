"""Launches by keywords, and what is then on the log of one campaign, read the way lanes and the joiner read it."""

from __future__ import annotations

from typing import Any

import numpy as np

from dispatcher.config.file import Config
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import open_session
from producers.launch import api
from producers.launch import prepare as prepared
from producers.launch.commit import LaunchResult
from producers.launch.prepare import PreparedLaunch
from producers.lists.reading import Progress, silent
from schemas.batch import unpack
from schemas.codec import decode
from schemas.records import AnyRecord, Job, Launched, Rejects
from schemas.topics import JOBS, RECIPIENTS, REJECTS, TOPIC


async def launch(
    numbers: object, *, config: Config, log: Log | None = None, progress: Progress = silent, **request: Any
) -> LaunchResult:
    """Launch in a session of its own, on this log or the configured one."""
    async with open_session(config, log=log) as session:
        return await api.launch(session, LaunchRequest(numbers=numbers, **request), progress=progress)


async def prepare(
    config: Config, numbers: object, *, log: Log | None = None, ask_balance: bool = True, **request: Any
) -> PreparedLaunch:
    """Prepare in a session of its own."""
    async with open_session(config, log=log) as session:
        return await prepared.prepare(session, LaunchRequest(numbers=numbers, **request), ask_balance=ask_balance)


async def records(log: Log, topic: str) -> list[tuple[int, AnyRecord]]:
    """(partition, record) of a whole topic."""
    found = []
    for partition in range(TOPIC[topic].partitions):
        offset = 0
        while stored := await log.read(topic, partition, offset):
            found += [(partition, decode(each.value)) for each in stored]
            offset = stored[-1].offset + 1
    return found


async def launched(log: Log, campaign: str) -> Launched:
    """The launch that counts."""
    record = await find_launched(log, campaign)
    assert record is not None
    return record


async def find_launched(log: Log, campaign: str) -> Launched | None:
    """The launch that counts, if there is one."""
    return (await read_campaigns(log)).launched(campaign)


async def jobs(log: Log, launch: Launched) -> dict[str, list[Job]]:
    """By account: the jobs a lane takes, each number once, in order, without a gap."""
    taken: dict[str, list[Job]] = {}
    for _, job in await records(log, JOBS.name):
        assert isinstance(job, Job)
        if (job.campaign, job.attempt) != (launch.campaign, launch.attempt):
            continue
        mine = taken.setdefault(job.account, [])
        assert job.number <= len(mine), "a job is missing before this one"
        if job.number == len(mine):
            mine.append(job)
    return taken


async def recipients(log: Log, launch: Launched) -> dict[str, list[str]]:
    """By account: the numbers its jobs send to, in order. Every batch is checked as a lane checks it."""
    found: dict[str, list[str]] = {}
    for account, mine in (await jobs(log, launch)).items():
        found[account] = []
        for job in mine:
            stored = await log.fetch(RECIPIENTS.name, job.partition, job.offset)
            assert stored.key == launch.campaign.encode()
            assert dict(stored.headers)["attempt"] == launch.attempt.encode()
            assert dict(stored.headers)["batch"] == b"%d" % job.batch
            numbers, count = unpack(stored.value, stored.headers, job.sha256)
            assert job.start + job.count <= count
            found[account] += numbers.decode().split(",")[job.start : job.start + job.count]
    for leg in launch.legs:
        assert leg.recipients == len(found.get(leg.account, []))
    return found


async def rejects(log: Log, launch: Launched) -> list[tuple[int, str, str]]:
    """(row, value, reason) of every rejected row, each part once."""
    parts = {}
    for _, record in await records(log, REJECTS.name):
        assert isinstance(record, Rejects)
        if (record.campaign, record.attempt) == (launch.campaign, launch.attempt):
            parts[record.part] = record
    rows: list[tuple[int, str, str]] = []
    for part in sorted(parts):
        record = parts[part]
        values = record.values.decode().split("\n")
        reasons = [record.reasons[index] for index in record.reason_index]
        rows += zip(np.frombuffer(record.rows, "<u8").tolist(), values, reasons, strict=True)
    return rows
