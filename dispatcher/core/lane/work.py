"""What one account still has to send, by campaign: whole jobs, the rest of a started one, slices given back.

Pure bookkeeping for dispatcher/core/lane/owner.py; every new owner rebuilds it from LaneState, the truth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from dispatcher.core.lane.state import Growth, OpenJob
from dispatcher.core.messages.chunks import Batch
from dispatcher.core.streams.messages import SegmentBatch
from schemas.records import Job, Slice, Why


class Wait(msgspec.Struct, frozen=True):
    """Why recipients that were given back wait, and until when.

    `code`: the vendor's; `since_s`: when they were first refused for now.
    """

    not_before_s: float = 0.0
    why: Why | None = None
    code: str = ""
    since_s: float = 0.0


NO_WAIT: Final = Wait()

Content = Batch | SegmentBatch
"""The recipients of a job, as far as they are in memory."""


class Piece(msgspec.Struct):
    """Recipients [start, end) of a job that may be sent once their `wait` is over."""

    job_offset: int
    job: Job
    start: int
    end: int
    attempt: int = 0
    strikes: int = 0
    wait: Wait = NO_WAIT

    @property
    def not_before_s(self) -> float:
        """When it may be sent."""
        return self.wait.not_before_s

    def is_in(self, loaded: Mapping[int, Content]) -> bool:
        """Whether its first recipients are loaded."""
        content = loaded.get(self.job_offset)
        return content is not None and content.begin <= self.start < content.end


class CampaignWork:
    """The pieces of one campaign: due slices given back go first, then jobs in order."""

    __slots__ = ("fresh", "returned")

    def __init__(self) -> None:
        self.fresh: deque[Piece] = deque()
        self.returned: deque[Piece] = deque()

    def __bool__(self) -> bool:
        return bool(self.fresh or self.returned)

    def add_job(self, job: OpenJob) -> None:
        """A job of a launched campaign: its part without an intent, and its slices given back."""
        assert job.job is not None
        at = len(self.fresh)
        while at and self.fresh[at - 1].job.wave > job.job.wave:  # a job that was moved here comes behind later waves
            at -= 1
        for start, end in job.untaken():
            self.fresh.insert(at, Piece(job.offset, job.job, start, end))
            at += 1
        for piece in job.returned:
            self.give_back(job.offset, job.job, piece, NO_WAIT)

    def grow(self, growth: Growth) -> None:
        """Messages that a stream got: those without an intent."""
        job = growth.job
        assert job.job is not None
        for start, end in job.untaken_in(growth.start, growth.start + growth.count):
            last = self.fresh[-1] if self.fresh else None
            if last is not None and last.job_offset == job.offset and last.end == start:
                last.end = end
            else:
                self.fresh.append(Piece(job.offset, job.job, start, end))

    def give_back(self, job_offset: int, job: Job, piece: Slice, wait: Wait) -> None:
        """A slice to be sent again."""
        end = piece.start + piece.count
        self.returned.append(Piece(job_offset, job, piece.start, end, piece.attempt, piece.strikes, wait))

    def is_released(self, wave: int) -> bool:
        """Whether something of it may be sent if the waves up to this one may. Jobs are in the order of waves."""
        return bool(self.returned) or (bool(self.fresh) and self.fresh[0].job.wave <= wave)

    def head(self, now_s: float, loaded: Mapping[int, Content], wave: int) -> Piece | None:
        """The piece to cut the next chunk from, if it is due, of these waves, and its batch is loaded."""
        for piece in self.returned:
            if piece.not_before_s <= now_s and piece.is_in(loaded) and piece.job.wave <= wave:
                return piece
        if self.fresh and self.fresh[0].is_in(loaded) and self.fresh[0].job.wave <= wave:
            return self.fresh[0]
        return None

    def firsts(self) -> Iterator[Piece]:
        """The pieces given back, and the first of the others."""
        yield from self.returned
        if self.fresh:
            yield self.fresh[0]

    def cut(self, piece: Piece, count: int) -> None:
        """`count` recipients were cut off the front of `piece`."""
        piece.start += count
        if piece.start == piece.end:
            if self.fresh and self.fresh[0] is piece:
                self.fresh.popleft()
            else:
                self.returned.remove(piece)

    def take_out(self, piece: Piece) -> None:
        """The whole piece leaves the queue."""
        pieces = self.returned if any(each is piece for each in self.returned) else self.fresh
        del pieces[next(at for at, each in enumerate(pieces) if each is piece)]

    def of_waves(self, wave: int) -> list[Piece]:
        """All pieces of the waves up to this one."""
        return [piece for piece in (*self.returned, *self.fresh) if piece.job.wave <= wave]

    def put_back(self, piece: Piece) -> None:
        """A piece whose intent was certainly not written goes back unchanged."""
        if piece.attempt:
            self.returned.appendleft(piece)
        elif self.fresh and self.fresh[0].job_offset == piece.job_offset and self.fresh[0].start == piece.end:
            self.fresh[0].start = piece.start
        else:
            self.fresh.appendleft(piece)

    def wanted(self, now_s: float, recipients: int, wave: int) -> Iterator[Piece]:
        """The pieces of these waves whose batches are needed for this many next recipients."""
        for piece in self.returned:
            if piece.not_before_s <= now_s:
                yield piece
                recipients -= piece.end - piece.start
                if recipients <= 0:
                    return
        for piece in self.fresh:
            if piece.job.wave > wave:
                return
            yield piece
            recipients -= piece.end - piece.start
            if recipients <= 0:
                return

    def next_due_s(self, now_s: float) -> float:
        """When the first of the pieces given back may be sent; infinity if none waits."""
        return min((piece.not_before_s for piece in self.returned if piece.not_before_s > now_s), default=float("inf"))
