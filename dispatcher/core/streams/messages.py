"""The messages of a segment of a stream, as a lane cuts its requests from them. Pure.

A segment is the content of several `Appended`; a request never holds messages of two of them. It may begin behind the
segment's first message, where the others are over.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.lane.suppressed import JudgedBatch, Suppressed
from dispatcher.core.messages.chunks import Batch
from dispatcher.core.messages.personal import ChunkTexts, Personal
from dispatcher.core.money.costs import Costs
from dispatcher.core.numbers import Numbers, decode
from dispatcher.core.ranges import Ranges
from dispatcher.core.streams.segments import Segment, placed, stream_of
from schemas.records import AnyRecord, Appended, Cost, Job


class AppendedMessages:
    """The messages of one `Appended`, at this offset of the inbox. Raises ValueError if its columns do not fit."""

    __slots__ = ("_judged", "batch", "expires", "numbers", "offset")

    def __init__(self, offset: int, record: Appended, personal: Personal | None, costs: Costs | None = None) -> None:
        """`personal`: their texts, if the stream's text has placeholders; `costs`: if the stream has a budget."""
        self.offset: Final = offset
        self.batch: Final = Batch(record.numbers, record.count, personal, costs)
        self.numbers: Final[Numbers] = decode(record.numbers)
        self.expires: Final[NDArray[np.int64]] = np.frombuffer(record.expires, "<i8").astype(np.int64)
        self._judged: JudgedBatch | None = None
        if len(self.expires) != record.count:
            raise ValueError("an append has another number of expiry times than messages")

    def left_out(self, suppressed: Suppressed, start: int, count: int) -> Ranges:
        """The positions among [start, start+count) that are on the suppression list now."""
        if self._judged is None:
            self._judged = JudgedBatch(self.numbers, suppressed)
        return self._judged.left_out(suppressed, start, count)

    def distinct(self, start: int, count: int) -> int:
        """How many from `start` on, at most `count`, have different numbers: a request has each number once."""
        numbers = self.numbers[start : start + count].tolist()
        if len(set(numbers)) == len(numbers):
            return count
        seen: set[int] = set()
        for at, number in enumerate(numbers):
            if number in seen:
                return at
            seen.add(number)
        return count


class SegmentReading:
    """A segment that is read again from `jobs`, record by record, from its first `Appended` on.

    `batch`: its messages from the append on that has message `start`; None: not found yet.
    """

    def __init__(self, job: Job, start: int, make: Callable[[int, Appended], AppendedMessages | None]) -> None:
        """`make` makes the messages of an append as their account sends them."""
        self._job: Final = job
        self._start: Final = start
        self._make: Final = make
        self._segment: Segment | None = None
        self.batch: SegmentBatch | None = None

    def read(self, offset: int, record: AnyRecord) -> bool:
        """Take the next record of `jobs`; False: the segment ended before it. Raises ValueError."""
        job = self._job
        if not isinstance(record, Appended) or stream_of(record) != (job.account, job.campaign, job.attempt):
            return True
        self._segment, first = placed(self._segment, offset, record)
        if self._segment.job != job.offset:
            return False
        if first + record.count > self._start:
            messages = self._make(offset, record)
            if messages is None:
                raise ValueError("its stream's launch is not known")
            self.batch = self.batch or SegmentBatch(first)
            self.batch.add(messages)
        return True


class SegmentBatch:
    """The messages [begin, end) of a segment; the calls are those of `Batch`."""

    def __init__(self, begin: int = 0) -> None:
        self.begin = begin
        self.end = begin
        self._starts: list[int] = []
        self._parts: list[AppendedMessages] = []

    def add(self, part: AppendedMessages) -> None:
        """The messages that follow."""
        self._starts.append(self.end)
        self._parts.append(part)
        self.end += part.batch.count

    def drop(self, before: int) -> None:
        """The messages before this position are over."""
        over = 0
        while over < len(self._parts) and self._starts[over] + self._parts[over].batch.count <= before:
            over += 1
        if over:
            del self._starts[:over], self._parts[:over]
            self.begin = self._starts[0] if self._starts else self.end

    @property
    def is_personal(self) -> bool:
        """Whether messages have texts of their own."""
        return any(part.batch.is_personal for part in self._parts[:1])

    @property
    def costs(self) -> SegmentCosts | None:
        """What each message costs, if the stream has a budget."""
        return SegmentCosts(self) if self._parts and self._parts[0].batch.costs is not None else None

    def cut(self, start: int, end: int, numbers_max: int, chars_max: int | None = None, numbers_min: int = 1) -> int:
        """As `Batch.cut`; within one append, and each number once."""
        at, part = self._at(start)
        end = min(end, at + part.batch.count)
        count = part.batch.cut(start - at, end - at, numbers_max, chars_max, numbers_min)
        return part.distinct(start - at, count)

    def parts(self, start: int, count: int, segments: int) -> int:
        """As `Batch.parts`."""
        at, part = self._at(start)
        return part.batch.parts(start - at, count, segments)

    def texts(self, start: int, count: int) -> ChunkTexts | None:
        """As `Batch.texts`."""
        at, part = self._at(start)
        return part.batch.texts(start - at, count)

    def slice(self, start: int, count: int) -> memoryview:
        """As `Batch.slice`."""
        at, part = self._at(start)
        return part.batch.slice(start - at, count)

    def left_out(self, suppressed: Suppressed, start: int, count: int) -> Ranges:
        """The positions among [start, start+count), of one append, that are on the suppression list now."""
        at, part = self._at(start)
        return part.left_out(suppressed, start - at, count)

    def appended(self, start: int) -> int:
        """The inbox offset of the append that this message is of."""
        return self._at(start)[1].offset

    def expires_ms(self, start: int, count: int) -> int:
        """When the first of these messages expires."""
        at, part = self._at(start)
        return int(part.expires[start - at : start - at + count].min())

    def expired(self, start: int, end: int, now_ms: int) -> int:
        """How many messages from `start` on, before `end` and of one append, are over."""
        at, part = self._at(start)
        over = part.expires[start - at : end - at] < now_ms
        return len(over) if over.all() else int(np.argmin(over))

    def in_time(self, start: int, end: int, now_ms: int) -> int:
        """How many messages from `start` on, before `end` and of one append, are not over."""
        at, part = self._at(start)
        over = part.expires[start - at : end - at] < now_ms
        return int(np.argmax(over)) if over.any() else len(over)

    def costs_at(self, start: int, now_ms: int) -> tuple[int, int, Costs]:
        """Of the append that this message is of: where it begins, its messages, and what they cost if sent now."""
        at, part = self._at(start)
        assert part.batch.costs is not None
        return at, part.batch.count, part.batch.costs.at(now_ms)

    def _at(self, start: int) -> tuple[int, AppendedMessages]:
        index = bisect_right(self._starts, start) - 1
        return self._starts[index], self._parts[index]


class SegmentCosts:
    """What the messages of a segment cost; the calls are those of `Costs`, each within one append."""

    __slots__ = ("_now_ms", "_segment")

    def __init__(self, segment: SegmentBatch, now_ms: int = 0) -> None:
        self._segment: Final = segment
        self._now_ms: Final = now_ms

    def at(self, now_ms: int) -> SegmentCosts:
        """As `Costs.at`."""
        return SegmentCosts(self._segment, now_ms)

    def of(self, start: int, count: int) -> int:
        """As `Costs.of`."""
        at, count, costs = self._within(start, count)
        return costs.of(start - at, count)

    def affordable(self, start: int, count: int, amount: int) -> int:
        """As `Costs.affordable`."""
        at, count, costs = self._within(start, count)
        return costs.affordable(start - at, count, amount)

    def in_one_intent(self, start: int, count: int) -> int:
        """As `Costs.in_one_intent`."""
        at, count, costs = self._within(start, count)
        return costs.in_one_intent(start - at, count)

    def packed(self, start: int, count: int) -> Cost:
        """As `Costs.packed`."""
        at, count, costs = self._within(start, count)
        return costs.packed(start - at, count)

    def _within(self, start: int, count: int) -> tuple[int, int, Costs]:
        at, messages, costs = self._segment.costs_at(start, self._now_ms)
        return at, min(count, at + messages - start), costs
