"""The jobs that accounts hand to each other, as the fold of a lane partition counts them. Pure.

What one account moved to another one is numbered by the fold of its own journal: the valid Moved of one (account,
campaign, attempt, other account), in their order. Whoever appends the jobs begins with the first one that no Handed
names and keeps that order, so an inbox has them without gaps, some of them several times; the other account takes each
number once. Nobody needs to remember single jobs.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from schemas.records import Handed, Handover, Job, Moved, Moves

Pair = tuple[str, str, str, str]
"""(account, campaign, attempt, other account)."""

Doubted = tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
"""(job, ranges of it that were unknown once)."""


class Handovers:
    """What the accounts of one partition moved to others, and took over from them.

    `waiting`: by the offset of its Moved, what no Handed names, with the job as it is to be appended.
    """

    __slots__ = ("moved_to", "taken_over", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[int, Moved] = {}
        self.moved_to: dict[Pair, int] = {}
        self.taken_over: dict[Pair, int] = {}

    def moved(self, offset: int, moved: Moved) -> None:
        """A valid Moved at this offset."""
        job = moved.as_job
        assert job.moved is not None
        pair = moved.account, moved.campaign, job.attempt, job.account
        number = self.moved_to.get(pair, 0)
        self.moved_to[pair] = number + 1
        job = msgspec.structs.replace(job, number=number, moved=msgspec.structs.replace(job.moved, offset=offset))
        self.waiting[offset] = msgspec.structs.replace(moved, as_job=job)

    def handed(self, handed: Handed) -> None:
        """These are in the inboxes."""
        for offset in handed.moved:
            self.waiting.pop(offset, None)

    def takes(self, job: Job) -> bool:
        """Whether this moved job, read from the inbox, is the next one of its number; it is taken then."""
        assert job.moved is not None
        pair = job.account, job.campaign, job.attempt, job.moved.account
        if job.number != self.taken_over.get(pair, 0):
            return False
        self.taken_over[pair] = job.number + 1
        return True

    @classmethod
    def load(cls, moves: Moves) -> Handovers:
        """As a checkpoint has them."""
        state = cls()
        state.waiting = dict(moves.waiting)
        state.moved_to, state.taken_over = _counted(moves.moved_to), _counted(moves.taken_over)
        return state

    def recorded(self, doubted: Doubted) -> Moves | None:
        """For a checkpoint, with the ranges of jobs that were unknown once; None: nothing was moved."""
        if not (self.moved_to or self.taken_over or doubted):
            return None
        waiting = tuple(self.waiting.items())
        moved_to, taken_over = _recorded(self.moved_to), _recorded(self.taken_over)
        return Moves(waiting=waiting, moved_to=moved_to, taken_over=taken_over, doubted=doubted)


def _counted(handovers: Iterable[Handover]) -> dict[Pair, int]:
    """The counts of a checkpoint."""
    return {(each.account, each.campaign, each.attempt, each.other): each.jobs for each in handovers}


def _recorded(counts: dict[Pair, int]) -> tuple[Handover, ...]:
    """The counts as a checkpoint has them."""
    return tuple(Handover(*pair, jobs) for pair, jobs in counts.items())
