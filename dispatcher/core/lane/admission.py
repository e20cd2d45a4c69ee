"""Which jobs of the inbox become work of a lane: those of launched campaigns, of the attempt that launched. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.state import Growth, LaneState


class Admission:
    """Moves an owner's jobs from its state into its lanes, and out of both."""

    def __init__(self, state: LaneState, campaigns: Campaigns, lanes: Mapping[str, AccountLane]) -> None:
        self._state = state
        self._campaigns = campaigns
        self._lanes = lanes
        self._waiting: dict[str, list[int]] = {}

    def admit(self, job_offset: int) -> None:
        """Put a job's work into its lane, once its campaign's launch is known; drop jobs of other attempts."""
        job = self._state.jobs.get(job_offset)
        if job is None or job.job is None:
            return
        counts = self._campaigns.counts(job.job.campaign, job.job.attempt)
        if counts is None:
            self._waiting.setdefault(job.job.campaign, []).append(job_offset)
        elif not counts:
            self._state.drop_job(job_offset)
        else:
            lane = self._lanes.get(job.job.account)
            campaign = self._campaigns.get(job.job.campaign)
            if lane is not None and campaign is not None and not campaign.cancelled:
                lane.work_of(job.job.campaign).add_job(job)

    def grew(self, growth: Growth) -> None:
        """A stream got messages: put them behind the others, as `admit` does."""
        job = growth.job.job
        assert job is not None
        counts = self._campaigns.counts(job.campaign, job.attempt)
        if counts is None:
            if growth.job.offset not in self._waiting.setdefault(job.campaign, []):
                self._waiting[job.campaign].append(growth.job.offset)
        elif not counts:
            self._state.drop_job(growth.job.offset)
        else:
            lane, campaign = self._lanes.get(job.account), self._campaigns.get(job.campaign)
            if lane is not None and campaign is not None and not campaign.cancelled:
                lane.work_of(job.campaign).grow(growth)

    def launched(self, campaign: str) -> None:
        """Its launch is known now: admit the jobs that waited for it."""
        for job_offset in self._waiting.pop(campaign, ()):
            self.admit(job_offset)

    def forget_cancelled(self, moving: Set[int] = frozenset()) -> list[int]:
        """Drop and return the jobs of cancelled campaigns without anything open or being appended.

        `moving`: the jobs of which recipients are being moved.
        """
        on_the_way = {proposal.piece.job_offset for lane in self._lanes.values() for proposal in lane.proposed.values()}
        on_the_way |= moving
        over = []
        for offset, job in list(self._state.jobs.items()):
            campaign = self._campaigns.get(job.job.campaign) if job.job is not None else None
            if campaign is not None and campaign.cancelled and job.open == 0 and offset not in on_the_way:
                self._state.drop_job(offset)
                over.append(offset)
        return over
