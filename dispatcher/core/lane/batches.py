"""Which batches an owner has, which it waits for, which failed; whom of them the suppression list names. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.effects import Fetch
from dispatcher.core.lane.suppressed import JudgedBatch, Suppressed
from dispatcher.core.messages.chunks import Batch
from dispatcher.core.numbers import decode
from dispatcher.core.ranges import Ranges

PREFETCH_CHUNKS: Final = 8
FETCH_AGAIN_S: Final = 30.0


class Batches:
    """Batches by the offset of their job."""

    def __init__(self) -> None:
        self.loaded: dict[int, Batch] = {}
        self._judged: dict[int, JudgedBatch] = {}
        self._loading: set[int] = set()
        self._again_s: dict[int, float] = {}

    def add(self, job_offset: int, batch: Batch, judged: JudgedBatch | None = None) -> None:
        """Record that it came. `judged`: the same batch, if it was judged already."""
        self._loading.discard(job_offset)
        self._again_s.pop(job_offset, None)
        self.loaded[job_offset] = batch
        if judged is not None:
            self._judged[job_offset] = judged

    def left_out(self, job_offset: int, suppressed: Suppressed, start: int, count: int) -> Ranges:
        """The positions among its recipients [start, start+count) that are on the suppression list now."""
        if not len(suppressed.numbers):
            return ()
        judged = self._judged.get(job_offset)
        if judged is None:
            numbers = decode(self.loaded[job_offset].data)
            judged = self._judged[job_offset] = JudgedBatch(numbers, suppressed)
        return judged.left_out(suppressed, start, count)

    def failed(self, job_offset: int, now_s: float) -> None:
        """Record that it could not be fetched."""
        self._loading.discard(job_offset)
        self._again_s[job_offset] = now_s + FETCH_AGAIN_S

    def forget(self, job_offset: int) -> None:
        """Drop it: its job is over."""
        self.loaded.pop(job_offset, None)
        self._judged.pop(job_offset, None)
        self._again_s.pop(job_offset, None)

    def wanted(self, lane: AccountLane, now_s: float, now_ms: int) -> Iterator[Fetch]:
        """Ask for the batches that the lane's next chunks come from."""
        for campaign, work in lane.active(now_ms):
            for piece in work.wanted(now_s, PREFETCH_CHUNKS * lane.spec.numbers_max, campaign.waves.released):
                offset = piece.job_offset
                if offset in self.loaded or offset in self._loading or self._again_s.get(offset, 0.0) > now_s:
                    continue
                self._loading.add(offset)
                yield Fetch(offset, piece.job)

    def unreadable(self) -> Iterator[tuple[int, float]]:
        """The jobs whose batches failed, and when they are requested again."""
        yield from self._again_s.items()

    def next_try_s(self, now_s: float) -> float:
        """When the next failed one may be requested again; infinity if there is none."""
        return min((at_s for at_s in self._again_s.values() if at_s > now_s), default=float("inf"))
