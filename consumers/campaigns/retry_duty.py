"""The duty that launches automatic retries, each in a process of its own, and ends them when their time is over.

dispatcher/core/launches/retries.py decides which is due. The launch is a follow-up with an id by rule, so two
conductors launch it once. A retry that has nobody, or that cannot be launched (no credit, no budget left), is kept on
the log as `RetrySkipped` and not tried again. An error that may pass is tried again until the next retry is due.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import msgspec

from dispatcher.clock import now_ms
from dispatcher.config.file import Config
from dispatcher.core.campaigns import Campaign
from dispatcher.core.launches.retries import step
from dispatcher.errors import DispatcherError, UserError
from dispatcher.log.campaigns_feed import CampaignsFeed
from dispatcher.log.port import Entry, Log
from dispatcher.loggers import get_logger
from dispatcher.process.service_process import call_service
from dispatcher.service.session import open_session
from schemas.codec import encode
from schemas.records import Cancelled, RetrySkipped, control_key
from schemas.topics import CAMPAIGNS

LOOK_S: Final = 3600.0

Retry = Callable[[str, int], Awaitable[Any]]
"""Launches this retry of a campaign and returns a `RetryStart` as JSON has it; raises what `call_service` raises."""

_logger = get_logger("campaigns")


class RetryDuty:
    """See the module. `retry` launches one; by default the service `start_retry` in a process of its own."""

    def __init__(self, config: Config, log: Log, feed: CampaignsFeed, retry: Retry | None = None) -> None:
        self._config: Final = config
        self._log: Final = log
        self._feed: Final = feed
        self._retry: Final = retry or self._in_a_process
        self._done: set[tuple[str, int]] = set()  # what is decided on the log, and perhaps not read back yet
        self._ended: set[str] = set()
        self._by: Final = f"{socket.gethostname()}:{os.getpid()}"

    async def look(self, now_ms: int) -> float:
        """Launch what is due, end what is over. Raises the first DispatcherError after all campaigns."""
        waits_s, failed = [LOOK_S], None
        for campaign in list(self._feed.campaigns.by_id.values()):
            if campaign.launched is None or campaign.launched.retry is None:
                continue
            found = step(self._feed.campaigns, campaign, now_ms)
            if found.again_ms:
                waits_s.append(max(0.0, (found.again_ms - now_ms) / 1000))
            try:
                for name in found.ends:
                    await self._end(name)
                if found.launch and (campaign.id, found.launch) not in self._done:
                    await self._start(campaign, found.launch)
            except DispatcherError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return min(waits_s)

    async def _start(self, campaign: Campaign, number: int) -> None:
        try:
            started = msgspec.convert(await self._retry(campaign.id, number), _Started)
        except UserError as error:
            await self._skip(campaign, number, "failed", str(error))
        else:
            if started.why == "nobody":
                await self._skip(campaign, number, "nobody", "")
            else:
                _logger.info("a retry was launched", campaign=started.campaign, recipients=started.recipients)
        self._done.add((campaign.id, number))

    async def _skip(self, campaign: Campaign, number: int, why: Literal["nobody", "failed"], says: str) -> None:
        _logger.info("a retry was skipped", campaign=campaign.id, retry=number, why=why, says=says)
        record = RetrySkipped(campaign=campaign.id, number=number, why=why, says=says, at_ms=now_ms())
        await self._log.append(CAMPAIGNS.name, 0, [Entry(f"{campaign.id}!retry!{number}".encode(), encode(record))])

    async def _end(self, name: str) -> None:
        """Cancel a retry of which something is left."""
        if name in self._ended:
            return
        async with open_session(self._config, log=self._log) as session:
            view = await session.read(lambda reader: reader.campaign(name))
        if view is not None and view.counts.queued:
            record = Cancelled(campaign=name, at_ms=now_ms(), by=self._by)
            await self._log.append(CAMPAIGNS.name, 0, [Entry(control_key(record), encode(record))])
        if view is not None:
            self._ended.add(name)

    async def _in_a_process(self, campaign: str, number: int) -> Any:
        return await call_service("start_retry", self._config.path, campaign=campaign, number=number)


class _Started(msgspec.Struct, frozen=True):
    """What is needed of a `RetryStart` (producers/segments/retry.py)."""

    campaign: str
    recipients: int
    why: Literal["launched", "nobody"]
