"""The role `campaigns` of `dispatcher run`, and its duties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from consumers.callbacks.delivery_duty import DeliveryDuty
from consumers.callbacks.notice_duty import NoticeDuty
from consumers.campaigns.conductor import Conductor, Duty
from consumers.campaigns.retry_duty import RetryDuty
from consumers.campaigns.starting import StartDrafts
from consumers.campaigns.wave_duty import WaveDuty
from dispatcher.config.file import Config
from dispatcher.log.campaigns_feed import CampaignsFeed
from dispatcher.log.port import Log
from dispatcher.process.roles import Work, start_tasks

DUTIES: Final[tuple[Callable[[Config, Log, CampaignsFeed], Duty], ...]] = (
    *(StartDrafts, WaveDuty, RetryDuty),
    *(DeliveryDuty, NoticeDuty),
)
"""Each makes one duty of a conductor."""


async def start_campaigns(config: Config, log: Log) -> Work:
    """Start the role."""
    feed = CampaignsFeed(log)
    return start_tasks(Conductor(log, feed, [make(config, log, feed) for make in DUTIES]).run)
