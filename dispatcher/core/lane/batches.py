"""Which batches an owner has, which it waits for, which failed; whom of them the suppression list names. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.effects import Fetch
from dispatcher.core.lane.suppressed import JudgedBatch, Suppressed
from dispatcher.core.lane.work import Content, Piece
from dispatcher.core.numbers import decode
from dispatcher.core.ranges import Ranges
from dispatcher.core.streams.messages import AppendedMessages, SegmentBatch
from dispatcher.core.streams.segments import is_segment

PREFETCH_CHUNKS: Final = 8
FETCH_AGAIN_S: Final = 30.0

LOADED_MAX: Final = 64
"""With so many in memory, new segments of streams are fetched when their turn comes."""


class Batches:
    """Batches by the offset of their job."""

    def __init__(self) -> None:
        self.loaded: dict[int, Content] = {}
        self._judged: dict[int, JudgedBatch] = {}
        self._loading: set[int] = set()
        self._again_s: dict[int, float] = {}

    def add(self, job_offset: int, batch: Content, judged: JudgedBatch | None = None) -> None:
        """Record that it came. `judged`: the same batch, if it was judged already."""
        self._loading.discard(job_offset)
        self._again_s.pop(job_offset, None)
        self.loaded[job_offset] = batch
        if judged is not None:
            self._judged[job_offset] = judged

    def grew(self, job_offset: int, start: int, messages: AppendedMessages | None) -> None:
        """A segment of a stream got these from position `start` on; None: they could not be read now.

        They are kept if all before them are here; else the segment is fetched when their turn comes.
        """
        held = self.loaded.get(job_offset)
        if held is None and not start and messages is not None and len(self.loaded) < LOADED_MAX:
            held = self.loaded[job_offset] = SegmentBatch()
        if isinstance(held, SegmentBatch) and held.end == start and messages is not None:
            held.add(messages)

    def over(self, job_offset: int, before: int) -> None:
        """The messages of a segment before this position are over."""
        held = self.loaded.get(job_offset)
        if isinstance(held, SegmentBatch):
            held.drop(before)

    def left_out(self, job_offset: int, suppressed: Suppressed, start: int, count: int) -> Ranges:
        """The positions among its recipients [start, start+count) that are on the suppression list now."""
        if not len(suppressed.numbers):
            return ()
        content = self.loaded[job_offset]
        if isinstance(content, SegmentBatch):
            return content.left_out(suppressed, start, count)
        judged = self._judged.get(job_offset)
        if judged is None:
            numbers = decode(content.data)
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
                yield from self._fetch(piece, now_s)
        for work in lane.streams():
            for piece in work.firsts():
                yield from self._fetch(piece, now_s)

    def _fetch(self, piece: Piece, now_s: float) -> Iterator[Fetch]:
        offset = piece.job_offset
        if not (piece.is_in(self.loaded) or offset in self._loading or self._again_s.get(offset, 0.0) > now_s):
            self._loading.add(offset)
            yield Fetch(offset, piece.job, piece.start if is_segment(piece.job) else 0)

    def unreadable(self) -> Iterator[tuple[int, float]]:
        """The jobs whose batches failed, and when they are requested again."""
        yield from self._again_s.items()

    def next_try_s(self, now_s: float) -> float:
        """When the next failed one may be requested again; infinity if there is none."""
        return min((at_s for at_s in self._again_s.values() if at_s > now_s), default=float("inf"))
