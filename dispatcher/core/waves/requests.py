"""The requests of a campaign in columns, and what they add up to by wave, account and text. Pure."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.waves.judge import SentRequests, WaveProgress
from schemas.records import Wave

Ints = NDArray[np.int64]


class InWaves(Protocol):
    """A campaign in waves: its launch, or its standing."""

    @property
    def waves(self) -> tuple[Wave, ...]: ...

    @property
    def texts(self) -> tuple[str, ...]: ...


class RequestColumns(msgspec.Struct, frozen=True):
    """The requests for a launched campaign that are over or unknown, in columns of equal length; in any order.

    `requests` are places in the journal: those of one account ascend in the order of sending. A request that was
    answered in runs may have several rows. `batches` are batch numbers, `account_index` points into `accounts`.
    `recipients` were sent or refused or may have been; of these `delivered`, `failed` and `unknown` now. `left_out`
    were put on the suppression list after the launch.
    """

    accounts: tuple[str, ...]
    account_index: Ints
    requests: Ints
    batches: Ints
    sent_ms: Ints
    recipients: Ints
    delivered: Ints
    failed: Ints
    unknown: Ints
    left_out: Ints


class WaveCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the recipients of one wave, or of those that got one text (`wave` 0)."""

    wave: int
    recipients: int
    sent: int
    delivered: int
    failed: int
    unknown: int
    left_out: int
    last_sent_ms: int

    @property
    def settled(self) -> int:
        """How many have a final report or refusal."""
        return self.delivered + self.failed

    @property
    def progress(self) -> WaveProgress:
        """How far it is."""
        expected = self.recipients - self.left_out
        return WaveProgress(expected, expected - self.sent, self.settled, self.last_sent_ms)


ALL_WAVES: Final = 0


def waves_of_batches(of: InWaves) -> NDArray[np.uint8]:
    """Each batch's wave, by its number."""
    batches = [sum(wave.batches) for wave in of.waves]
    return np.repeat(np.arange(1, len(batches) + 1, dtype=np.uint8), batches)


def texts_of_batches(of: InWaves) -> NDArray[np.int8]:
    """Each batch's text, by its number; -1 in the last wave, whose text is decided later."""
    texts = [text for wave in of.waves[:-1] for text, count in enumerate(wave.batches) for _ in range(count)]
    return np.array(texts + [-1] * sum(of.waves[-1].batches), np.int8)


def by_account(of: InWaves, columns: RequestColumns) -> dict[str, SentRequests]:
    """The requests of every account in the order of sending, one row for each."""
    waves = waves_of_batches(of)
    found = {}
    for index, account in enumerate(columns.accounts):
        mine = np.flatnonzero((columns.account_index == index) & (columns.recipients > 0))
        requests, first, row = np.unique(columns.requests[mine], return_index=True, return_inverse=True)

        def summed(column: Ints, mine: Any = mine, row: Any = row, count: int = len(requests)) -> Ints:
            total = np.zeros(count, np.int64)
            np.add.at(total, row, column[mine])
            return total

        found[account] = SentRequests(
            waves[columns.batches[mine][first]],
            summed(columns.recipients),
            summed(columns.failed),
            summed(columns.unknown),
        )
    return found


def wave_counts(of: InWaves, columns: RequestColumns) -> tuple[WaveCounts, ...]:
    """What became of every wave."""
    waves = waves_of_batches(of)[columns.batches]
    return tuple(_counts(columns, waves == number, number, wave.recipients) for number, wave in enumerate(of.waves, 1))


def text_counts(of: InWaves, columns: RequestColumns) -> tuple[WaveCounts, ...]:
    """What became of the recipients of every text in the waves that compare them."""
    if not of.texts:
        return ()
    texts = texts_of_batches(of)[columns.batches]
    return tuple(_counts(columns, texts == text, ALL_WAVES, None) for text in range(len(of.texts)))


def _counts(columns: RequestColumns, mine: NDArray[np.bool_], wave: int, recipients: int | None) -> WaveCounts:
    sent, left_out = int(columns.recipients[mine].sum()), int(columns.left_out[mine].sum())
    return WaveCounts(
        wave=wave,
        recipients=sent + left_out if recipients is None else recipients,
        sent=sent,
        delivered=int(columns.delivered[mine].sum()),
        failed=int(columns.failed[mine].sum()),
        unknown=int(columns.unknown[mine].sum()),
        left_out=left_out,
        last_sent_ms=int(columns.sent_ms[mine].max(initial=0)),
    )
