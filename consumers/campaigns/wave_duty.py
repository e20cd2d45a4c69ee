"""The duty that judges waves: releases the next one, or halts the campaign.

It looks at every campaign whose waves are not all sent, decides with dispatcher/core/waves and appends what that says.
The record of a verdict has a key of its own (`WaveDecided`), so two conductors, and a person, never overwrite one
another. Opt-outs are those of the campaign's recipients that came on its accounts since its launch.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Final

import msgspec
import numpy as np

from dispatcher.config.file import Config
from dispatcher.core.campaigns import Campaign
from dispatcher.core.numbers import Numbers
from dispatcher.core.suppression import keys
from dispatcher.core.waves.sequential import Learnt
from dispatcher.log.campaigns_feed import CampaignsFeed
from dispatcher.log.port import Entry, Log
from dispatcher.log.records import record_of
from dispatcher.loggers import get_logger
from dispatcher.service.campaigns.wave_table import WaveJudgement, judge
from dispatcher.service.reports.usual_rates import UsualRates
from dispatcher.service.session import Session, open_session
from dispatcher.store.port import StoreReader
from dispatcher.store.views import CampaignView
from schemas.codec import encode
from schemas.packed_numbers import BrokenColumn, unpack_ascending
from schemas.records import Suppression, WaveDecided, control_key
from schemas.states import State
from schemas.topics import CAMPAIGNS, SUPPRESSION

LOOK_EVERY_S: Final = 1.0
IDLE_S: Final = 5.0
REST_SHARE: Final = 20
"""A look that takes long is repeated after this many times as long."""

COUNT_OPT_OUTS_EVERY_MS: Final = 30_000
LEARN_EVERY_MS: Final = 60_000
READ_RECORDS_MAX: Final = 1_000
_SENT: Final = (State.ACCEPTED, State.DELIVERED, State.FAILED, State.NO_REPORT, State.UNKNOWN, State.SUPPRESSED)

_logger = get_logger("campaigns")


class OptOut(msgspec.Struct, frozen=True):
    """Numbers that opted out by messages to one account."""

    account: str
    at_ms: int
    numbers: Numbers


class OptOuts:
    """The opt-outs on the log since some time, read on and on."""

    def __init__(self, log: Log) -> None:
        self._log: Final = log
        self._position: int | None = None
        self._since_ms = 0
        self._read: list[OptOut] = []

    async def since(self, at_ms: int, accounts: frozenset[str]) -> Numbers:
        """Who opted out since then by a message to one of these accounts, ascending. Raises LogError."""
        if self._position is None or at_ms < self._since_ms:
            self._position, self._since_ms, self._read = await self._first_since(at_ms), at_ms, []
        end = await self._log.end(SUPPRESSION.name, 0)
        while self._position < end:
            records = await self._log.read(SUPPRESSION.name, 0, self._position, records_max=READ_RECORDS_MAX)
            if not records:
                break
            for stored in records:
                record = record_of(stored, SUPPRESSION.name)
                if isinstance(record, Suppression) and record.adds and record.source == "opt-out":
                    with contextlib.suppress(BrokenColumn):  # whoever reads the list says that it is damaged
                        numbers = unpack_ascending(record.numbers, record.count)
                        self._read.append(OptOut(record.by, record.at_ms, numbers))
            self._position = records[-1].offset + 1
        mine = [each.numbers for each in self._read if each.at_ms >= at_ms and each.account in accounts]
        return np.unique(np.concatenate(mine)) if mine else np.empty(0, np.int64)

    async def _first_since(self, at_ms: int) -> int:
        """The offset of the first change since then; changes are about in the order of time."""
        low, high = 0, await self._log.end(SUPPRESSION.name, 0)
        while low < high:
            middle = (low + high) // 2
            records = await self._log.read(SUPPRESSION.name, 0, middle, records_max=1)
            record = record_of(records[0], SUPPRESSION.name) if records else None
            if isinstance(record, Suppression) and record.at_ms < at_ms:
                low = max(middle, records[0].offset) + 1
            else:
                high = middle
        return low


class CountedOptOuts(msgspec.Struct, frozen=True):
    """How many of `opted_out` numbers are recipients of a campaign's batches from `first_batch` on, at a time."""

    opted_out: int
    first_batch: int
    recipients: int
    at_ms: int


class WaveDuty:
    """Judges the waves of all campaigns."""

    def __init__(self, config: Config, log: Log, feed: CampaignsFeed) -> None:
        self._config: Final = config
        self._log: Final = log
        self._feed: Final = feed
        self._opt_outs: Final = OptOuts(log)
        self._counted: dict[str, CountedOptOuts] = {}
        self._learnt: dict[str, tuple[int, dict[str, Learnt]]] = {}
        self._by: Final = f"{socket.gethostname()}:{os.getpid()}"

    async def look(self, now_ms: int) -> float:
        """Judge every campaign that has something to send."""
        due = [each for each in self._feed.campaigns.by_id.values() if _is_open(each)]
        if not due:
            return IDLE_S
        began_s = asyncio.get_running_loop().time()
        some = False
        async with open_session(self._config, log=self._log) as session:
            for campaign in due:
                some = await self._look_at(session, campaign, now_ms) or some
        took_s = asyncio.get_running_loop().time() - began_s
        return max(LOOK_EVERY_S, REST_SHARE * took_s) if some else IDLE_S

    async def _look_at(self, session: Session, campaign: Campaign, now_ms: int) -> bool:
        """Judge one; returns whether something of it is still to be sent. Raises LogError, StoreError."""
        view = await session.read(lambda reader: reader.campaign(campaign.id, now_ms))
        if view is None:
            return True
        if not view.counts.queued and not view.counts.in_flight:
            return False
        opt_outs = await self._opt_outs_of(session, view, now_ms)
        learnt = await self._learnt_of(session, view, now_ms)
        found = await session.read(lambda reader: judge(reader, view, now_ms, learnt, opt_outs=opt_outs))
        if found is not None and found.verdict is not None:
            await self._decide(campaign, found, now_ms)
        return True

    async def _decide(self, campaign: Campaign, found: WaveJudgement, now_ms: int) -> None:
        assert found.verdict is not None
        row = found.under_way
        record = WaveDecided(
            campaign=campaign.id,
            wave=found.wave,
            verdict=found.verdict.verdict,
            at_ms=now_ms,
            by=self._by,
            why=found.verdict.why,
            recipients=row.recipients,
            settled=row.settled,
            findings=found.table.findings,
        )
        if campaign.waves.of(found.wave) is None or record.verdict == "halted":
            await self._log.append(CAMPAIGNS.name, 0, [Entry(control_key(record), encode(record))])
            _logger.info("a wave was judged", campaign=campaign.id, wave=found.wave, verdict=record.verdict)

    async def _learnt_of(self, session: Session, view: CampaignView, now_ms: int) -> dict[str, Learnt]:
        """What its accounts have shown before it, learnt now and then: it reads all campaigns."""
        at_ms, learnt = self._learnt.get(view.id, (0, None))
        if learnt is None or not 0 <= now_ms - at_ms < LEARN_EVERY_MS:
            learnt = await session.read(lambda reader: UsualRates(reader.campaigns()).of(view))
            self._learnt[view.id] = now_ms, learnt
        return learnt

    async def _opt_outs_of(self, session: Session, view: CampaignView, now_ms: int) -> int:
        """How many recipients of the waves that no person released opted out since the launch.

        Counted now and then: it reads all the campaign's numbers.
        """
        assert view.waves is not None
        first_batch = sum(sum(wave.batches) for wave in view.waves.waves[: view.waves.judged_by_person])
        numbers = await self._opt_outs.since(view.launched_ms, frozenset(view.accounts))
        known = self._counted.get(view.id)
        if known is None or known.first_batch != first_batch:
            known = CountedOptOuts(0, first_batch, 0, 0)
        if len(numbers) == known.opted_out or now_ms - known.at_ms < COUNT_OPT_OUTS_EVERY_MS:
            return known.recipients
        recipients = await session.read(lambda reader: _recipients_among(reader, view.id, numbers, first_batch))
        self._counted[view.id] = CountedOptOuts(len(numbers), first_batch, recipients, now_ms)
        return recipients


def _is_open(campaign: Campaign) -> bool:
    """Whether its waves may have to be judged."""
    launched = campaign.launched
    return launched is not None and bool(launched.waves) and not campaign.cancelled and campaign.waves.halted is None


def _recipients_among(reader: StoreReader, campaign: str, numbers: Numbers, first_batch: int) -> int:
    """How many of these numbers were texted by the campaign in batches from this one on. Blocks."""
    pages = (page for page in reader.pages(campaign, _SENT) if page.batch >= first_batch)
    return sum(int(np.isin(keys(page.numbers), numbers).sum()) for page in pages)
