"""The duty that starts scheduled drafts, each in a process of its own, one after the other: what is due first is first.

What starts and when is decided by core/drafts.py, whether a start counts by the log. A mistake that a person must mend
(nobody is left, no credit) is kept on the log as `StartFailed`, and the draft is not tried again until a person changes
something. An error that may pass is tried again with growing pauses; a process that dies TRIES_MAX times is a mistake.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from dispatcher.clock import now_ms
from dispatcher.config.file import Config
from dispatcher.core.backoff import Backoff
from dispatcher.core.campaigns import Campaign
from dispatcher.core.drafts import starts_ms
from dispatcher.errors import ServiceFailed, ServiceUnavailable, UserError
from dispatcher.log.campaigns_feed import CampaignsFeed
from dispatcher.log.port import Entry, Log
from dispatcher.loggers import get_logger
from dispatcher.process.service_process import call_service
from schemas.codec import encode
from schemas.records import StartFailed
from schemas.topics import CAMPAIGNS

LOOK_S: Final = 3600.0
AGAIN: Final = Backoff(2.0, 60.0)
TRIES_MAX: Final = 3

Start = Callable[[str, str], Awaitable[Any]]
"""Starts this campaign in this revision; raises UserError, ServiceFailed, ServiceUnavailable."""

_logger = get_logger("campaigns")


class StartDrafts:
    """See the module. `start` is how one is started; by default the service `start_draft` in a process of its own."""

    def __init__(self, config: Config, log: Log, feed: CampaignsFeed, start: Start | None = None) -> None:
        self._config: Final = config
        self._log: Final = log
        self._feed: Final = feed
        self._start: Final = start or self._in_a_process
        self._failures: dict[tuple[str, str], tuple[int, float]] = {}  # by campaign and revision: how many, again at
        self._done: set[tuple[str, str]] = set()  # what is decided on the log, and perhaps not read back yet

    async def look(self, now_ms: int) -> float:
        """Start what is due."""
        waits_s = [LOOK_S]
        for start_ms, campaign in self._waiting(now_ms):
            if start_ms > now_ms:
                waits_s.append((start_ms - now_ms) / 1000)
            elif (again_s := self._pause_s(campaign)) > 0:
                waits_s.append(again_s)
            else:
                await self._try(campaign)
                return 0.0  # time has passed, and the campaigns may have changed
        return min(waits_s)

    def _waiting(self, now_ms: int) -> list[tuple[int, Campaign]]:
        """What starts by itself: in the order of their times, of those with the same time the smallest first."""
        above, found = self._config.approval.above, []
        for campaign in self._feed.campaigns.by_id.values():
            draft = campaign.draft
            if draft is None or (campaign.id, campaign.revision) in self._done:
                continue
            at_ms = starts_ms(draft, campaign.revision, above, now_ms, cancelled=campaign.cancelled)
            if at_ms is not None:
                found.append((at_ms, draft.start_ms, draft.drafted.recipients, campaign.id, campaign))
        return [(at_ms, campaign) for at_ms, *_, campaign in sorted(found, key=lambda each: each[:4])]

    def _pause_s(self, campaign: Campaign) -> float:
        failures = self._failures.get((campaign.id, campaign.revision))
        return 0.0 if failures is None else failures[1] - time.monotonic()

    async def _try(self, campaign: Campaign) -> None:
        key = (campaign.id, campaign.revision)
        tried = self._failures.get(key, (0, 0.0))[0]
        _logger.info("a scheduled campaign starts", campaign=campaign.id)
        try:
            await self._start(*key)
        except UserError as error:
            await self._failed(*key, str(error))
        except ServiceUnavailable as error:
            self._later(key, tried, str(error))
        except ServiceFailed as error:
            if tried + 1 >= TRIES_MAX:
                await self._failed(*key, f"{error}, {TRIES_MAX} times. See the log of `dispatcher run`.")
            else:
                self._later(key, tried, str(error))
        else:
            self._failures.pop(key, None)
            self._done.add(key)

    def _later(self, key: tuple[str, str], tried: int, says: str) -> None:
        again_s = AGAIN.pause_s(tried + 1)
        self._failures = {key: (tried + 1, time.monotonic() + again_s), **self._others(key)}
        _logger.warning("a campaign was not started", campaign=key[0], error=says, again_s=again_s)

    def _others(self, key: tuple[str, str]) -> dict[tuple[str, str], tuple[int, float]]:
        """The failures of other campaigns that still wait."""
        known = self._feed.campaigns.by_id
        return {
            other: failures
            for other, failures in self._failures.items()
            if other != key and other[0] in known and known[other[0]].revision == other[1]
        }

    async def _failed(self, campaign: str, revision: str, says: str) -> None:
        _logger.warning("a campaign was not started", campaign=campaign, error=says)
        record = StartFailed(campaign=campaign, revision=revision, says=says, at_ms=now_ms())
        await self._log.append(CAMPAIGNS.name, 0, [Entry(f"{campaign}!start".encode(), encode(record))])
        self._failures.pop((campaign, revision), None)
        self._done.add((campaign, revision))

    async def _in_a_process(self, campaign: str, revision: str) -> Any:
        return await call_service("start_draft", self._config.path, campaign=campaign, revision=revision)
