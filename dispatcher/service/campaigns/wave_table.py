"""The waves of a campaign: what became of each, and their judgement.

`judge` is what the conductor (consumers/campaigns/wave_duty.py) and `campaign show` look at: the store is read here,
and dispatcher/core/waves decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from dispatcher.clock import now_ms
from dispatcher.core.waves.state import Decision, WaveStanding
from dispatcher.core.waves.variants import interval, label
from dispatcher.service.session import Session
from dispatcher.store.port import StoreReader
from dispatcher.store.views import CampaignView
from schemas.records import Finding

if TYPE_CHECKING:  # listing campaigns needs no numpy
    from dispatcher.core.waves.judge import Verdict
    from dispatcher.core.waves.requests import WaveCounts
    from dispatcher.core.waves.sequential import Learnt

WaveWord = Literal["not released", "under way", "released", "halted"]


class WaveRow(msgspec.Struct, frozen=True, kw_only=True):
    """One wave. `settled` recipients have a final report or refusal. `decision`: the one that counts, if any."""

    wave: int
    state: WaveWord
    recipients: int
    sent: int
    delivered: int
    failed: int
    unknown: int
    left_out: int
    settled: int
    decision: Decision | None


class TextRow(msgspec.Struct, frozen=True, kw_only=True):
    """One of the texts that are compared: what became of its recipients, and 95 % intervals of the two shares.

    The shares are of the settled recipients, in parts per million (from, to).
    """

    label: str
    text: str
    sent: int
    delivered: int
    failed: int
    unknown: int
    delivered_ppm: tuple[int, int]
    failed_ppm: tuple[int, int]
    decided: bool


class WaveTable(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's waves and texts, and the evidence that it goes worse than expected, the strongest first."""

    released: int
    halted: int
    needs_text: bool
    wait_s: int
    waves: tuple[WaveRow, ...]
    texts: tuple[TextRow, ...]
    findings: tuple[Finding, ...]


class WaveJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """What is seen of the waves now. `verdict`: what is to be decided about wave `wave`, None: nothing."""

    wave: int
    verdict: Verdict | None
    table: WaveTable

    @property
    def under_way(self) -> WaveRow:
        """The newest released wave."""
        return self.table.waves[self.wave - 1]


def judge(
    reader: StoreReader, view: CampaignView, at_ms: int, learnt: Mapping[str, Learnt], *, opt_outs: int = 0
) -> WaveJudgement | None:
    """What is seen of this campaign's waves; None if it has none. `opt_outs` of its recipients. Blocks.

    `learnt`: the usual rates of its accounts (UsualRates).
    """
    from dispatcher.core.waves.judge import due, findings
    from dispatcher.core.waves.requests import by_account, text_counts, wave_counts

    standing = view.waves
    if standing is None:
        return None
    columns = reader.sent_requests(view.id)
    counts = wave_counts(standing, columns)
    found = findings(
        by_account(standing, columns),
        learnt,
        len(standing.waves),
        from_wave=standing.judged_by_person + 1,
        opt_outs=opt_outs,
    )
    table = WaveTable(
        released=standing.released,
        halted=standing.halted,
        needs_text=standing.needs_text,
        wait_s=standing.wait_ms // 1000,
        waves=tuple(_row(each, standing) for each in counts),
        texts=tuple(_text(index, each, standing) for index, each in enumerate(text_counts(standing, columns))),
        findings=found,
    )
    decided = due(standing, counts[standing.released - 1].progress, found, at_ms)
    return WaveJudgement(wave=standing.released, verdict=decided, table=table)


async def wave_table(session: Session, view: CampaignView) -> WaveTable | None:
    """A campaign's waves for people; None if it has none. Raises LogError, StoreError."""
    if view.waves is None:
        return None

    from dispatcher.service.reports.usual_rates import UsualRates

    def judged(reader: StoreReader) -> WaveJudgement | None:
        return judge(reader, view, now_ms(), UsualRates(reader.campaigns()).of(view))

    found = await session.read(judged)
    return None if found is None else found.table


_PPM: Final = 1_000_000


def _row(counts: WaveCounts, standing: WaveStanding) -> WaveRow:
    state: WaveWord = "not released"
    if counts.wave == standing.halted:
        state = "halted"
    elif counts.wave < standing.released or (counts.wave == standing.released and standing.needs_text):
        state = "released"
    elif counts.wave == standing.released:
        state = "under way"
    return WaveRow(
        wave=counts.wave,
        state=state,
        recipients=counts.recipients,
        sent=counts.sent,
        delivered=counts.delivered,
        failed=counts.failed,
        unknown=counts.unknown,
        left_out=counts.left_out,
        settled=counts.settled,
        decision=standing.of(counts.wave),
    )


def _text(index: int, counts: WaveCounts, standing: WaveStanding) -> TextRow:
    return TextRow(
        label=label(index),
        text=standing.texts[index],
        sent=counts.sent,
        delivered=counts.delivered,
        failed=counts.failed,
        unknown=counts.unknown,
        delivered_ppm=_interval_ppm(counts.delivered, counts.settled),
        failed_ppm=_interval_ppm(counts.failed, counts.settled),
        decided=standing.text == index,
    )


def _interval_ppm(events: int, trials: int) -> tuple[int, int]:
    low, high = interval(events, trials)
    return round(low * _PPM), round(high * _PPM)
