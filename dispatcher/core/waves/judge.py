"""The judgement of a wave: whether the next one may be sent, must wait, or the campaign is halted. Pure.

Three rates are tested at every look (sequential.py): failures, against what the account has shown before; requests with
an unknown result; opt-outs. ALPHA is the share of healthy campaigns that each of them may halt by mistake, for the
whole campaign with all its waves, accounts and looks: 1 % together.

The evidence is gathered from the campaign's beginning, so that small waves add up, and once more from the beginning of
each later wave, so that a change for the worse is not hidden behind what went well (_FROM_THE_BEGINNING).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.waves.learnt import OPT_OUTS, UNKNOWN, UNLEARNT
from dispatcher.core.waves.sequential import Learnt, Peak, highest
from dispatcher.core.waves.state import WaveStanding
from schemas.records import Finding

Statistic = Literal["failures", "unknown", "opt-outs"]

ALPHA: Final[Mapping[Statistic, float]] = {"failures": 0.008, "unknown": 0.001, "opt-outs": 0.001}
COVERED_PERCENT: Final = 90
"""Reports of this share of a wave's recipients are enough to judge it."""

_FROM_THE_BEGINNING: Final = 0.8
_ODDS_MAX: Final = 1_000_000_000


class SentRequests(msgspec.Struct, frozen=True):
    """The requests of one account for a campaign in the order of sending, in columns of equal length.

    `waves` count from 1; `recipients` of each that were sent, were refused or may have been; `failed` and `unknown` of
    them now.
    """

    waves: NDArray[np.uint8]
    recipients: NDArray[np.int64]
    failed: NDArray[np.int64]
    unknown: NDArray[np.int64]


class WaveProgress(msgspec.Struct, frozen=True):
    """How far a wave is. `settled` of its recipients have a final report or refusal; `to_send` are queued or under way.

    `last_sent_ms`: when the newest of its requests was sent; 0: none.
    """

    recipients: int
    to_send: int
    settled: int
    last_sent_ms: int

    def is_over(self, wait_ms: int, now_ms: int) -> bool:
        """Whether it can be judged: all of it was sent, and enough reports came, or it waited for them long enough."""
        return not self.to_send and (self.is_covered or now_ms >= self.last_sent_ms + wait_ms)

    @property
    def is_covered(self) -> bool:
        """Whether enough reports came."""
        return 100 * self.settled >= COVERED_PERCENT * self.recipients


class Verdict(msgspec.Struct, frozen=True):
    """What is decided about the wave that is under way, and why."""

    verdict: Literal["released", "halted"]
    why: Literal["covered", "waited", "found"]


def due(standing: WaveStanding, progress: WaveProgress, found: Sequence[Finding], now_ms: int) -> Verdict | None:
    """The verdict on the newest released wave; None: nothing is decided yet, or a person has the word."""
    said = standing.of(standing.released)
    if standing.halted or (said is not None and said.by_person):
        return None
    if any(each.halts for each in found):
        return Verdict("halted", "found")
    is_released = said is not None or standing.released == len(standing.waves)
    if is_released or not progress.is_over(standing.wait_ms, now_ms):
        return None
    return Verdict("released", "covered" if progress.is_covered else "waited")


def findings(
    sent: Mapping[str, SentRequests],
    learnt: Mapping[str, Learnt],
    waves: int,
    *,
    from_wave: int = 1,
    opt_outs: int = 0,
) -> tuple[Finding, ...]:
    """What is found on every account, the strongest evidence first.

    `from_wave`: earlier waves were judged by a person, and are not counted. `opt_outs`: of the recipients since then.
    """
    found: list[Finding] = []
    for account, requests in sent.items():
        columns: tuple[tuple[Statistic, NDArray[np.int64], NDArray[np.int64], Learnt], ...] = (
            ("failures", requests.recipients, requests.failed, learnt.get(account, UNLEARNT)),
            ("unknown", np.ones_like(requests.unknown), np.minimum(requests.unknown, 1), UNKNOWN),
        )
        for statistic, trials, events, expected in columns:
            found.append(
                max(
                    (
                        _finding(statistic, account, since, peak, expected, alpha / len(sent))
                        for since, alpha, peak in _peaks(requests.waves, trials, events, expected, from_wave, waves)
                    ),
                    key=_strength,
                )
            )
    recipients = sum(int(each.recipients[each.waves >= from_wave].sum()) for each in sent.values())
    peak = highest(np.array([recipients]), np.array([min(opt_outs, recipients)]), OPT_OUTS)
    found.append(_finding("opt-outs", "", from_wave, peak, OPT_OUTS, 1.0))
    return tuple(sorted(found, key=_strength, reverse=True))


def _strength(finding: Finding) -> float:
    return finding.odds / finding.halts_at


def _peaks(
    waves: NDArray[np.uint8],
    trials: NDArray[np.int64],
    events: NDArray[np.int64],
    expected: Learnt,
    from_wave: int,
    waves_planned: int,
) -> Sequence[tuple[int, float, Peak]]:
    """(since which wave, its part of alpha, the strongest evidence) for every beginning."""
    newest = int(waves.max(initial=from_wave))
    peaks = []
    for since in range(from_wave, max(newest, from_wave) + 1):
        counted = waves >= since
        later = (1 - _FROM_THE_BEGINNING) / max(1, waves_planned - 1)
        part = _FROM_THE_BEGINNING if since == 1 else later
        peaks.append((since, part, highest(trials[counted], events[counted], expected)))
    return peaks


def _finding(statistic: Statistic, account: str, since: int, peak: Peak, expected: Learnt, part: float) -> Finding:
    return Finding(
        statistic=statistic,
        account=account,
        since_wave=since,
        trials=peak.trials,
        events=peak.events,
        learnt_ppm=round(expected.mean * 1_000_000),
        odds=round(exp(min(peak.log_evidence, 20.0))) if peak.log_evidence > 0 else 1,
        halts_at=min(round(1 / (ALPHA[statistic] * part)), _ODDS_MAX),
    )
