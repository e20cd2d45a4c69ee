"""When a lane moves recipients to another account, and hands them over. Pure; `now_s` is monotonic seconds.

An account that has a stop for longer than `failover_after_ms` of a campaign moves what waits there: recipients that
never had an intent, or whose every request was provably not taken. Whoever was unknown once stays, whatever it was
resolved as: a late report may still show that it was taken. What is announced stays until its outcome. Accounts within
their own `send_hours` night are not stopped in this sense: their night was known at the launch.

A piece that is being moved is out of the queue from the moment its Moved is given to the log. It goes to the other
account's inbox only after the Moved was read back as valid; from then on it is that account's.

With `fail_back`, what was moved here returns once the account that it left has had no stop for as long. An account that
must try a request to know whether its stop is over gets one recipient, and the others when it answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.effects import Append, Effect, Hand
from dispatcher.core.lane.notices import whole
from dispatcher.core.lane.state import LaneState
from dispatcher.core.lane.work import CampaignWork, Piece
from schemas.records import Handed, Job, Moved, MovedFrom, Stop, Why

AGAIN_S: Final = 1.0
"""When jobs that the log did not confirm are appended again."""

LOOK_S: Final = 5.0
"""How often it is looked whether an account may take recipients."""

JOBS_AT_ONCE: Final = 500
TRIAL_EVERY_S: Final = 60.0
NO_ACCOUNT: Final = -1


class _Asked(msgspec.Struct):
    """A Moved that was given to the log and not read back yet."""

    piece: Piece
    at_s: float
    doubted_s: float | None = None


class LaneMoves:
    """The moves of one owner's accounts. `state` and `campaigns` are the owner's."""

    def __init__(self, partition: int, owner: str, state: LaneState, campaigns: Campaigns) -> None:
        self.wake_s = float("inf")
        self._partition: Final = partition
        self._owner: Final = owner
        self._state: Final = state
        self._campaigns: Final = campaigns
        self._asked: dict[tuple[int, int], _Asked] = {}  # by (job, first recipient)
        self._handing: tuple[int, ...] = ()  # the Moved whose jobs are being appended
        self._handed: set[int] = set()  # those whose Handed was not read back
        self._hand_again_s = 0.0
        self._well_s: dict[str, float] = {}  # since when other accounts have no stop
        self._tried_s: dict[tuple[str, str], float] = {}  # by campaign and account: the last trial

    # --- what was read ---

    def read(self, moved: Moved) -> None:
        """A valid Moved was read."""
        self._asked.pop((moved.job, moved.as_job.start), None)

    def refused(self, moved: Moved) -> Piece | None:
        """The log certainly did not write it; the piece to put back."""
        asked = self._asked.pop((moved.job, moved.as_job.start), None)
        return None if asked is None else asked.piece

    def doubted(self, moved: Moved, now_s: float) -> None:
        """The log failed, and may have written it."""
        asked = self._asked.get((moved.job, moved.as_job.start))
        if asked is not None and asked.doubted_s is None:
            asked.doubted_s = now_s

    def in_doubt(self, now_s: float, doubt_s: float, silent_s: float) -> bool:
        """Whether a Moved is missing for so long that only a new start can void it."""
        return any(
            now_s - each.at_s > (silent_s if each.doubted_s is None else doubt_s) for each in self._asked.values()
        )

    @property
    def under_way(self) -> set[int]:
        """The jobs of which a Moved was given to the log and not read back."""
        return {job for job, _ in self._asked}

    def handed(self, now_ms: int) -> Iterator[Append]:
        """The jobs of the last Hand are in the inboxes."""
        by_account: dict[str, list[int]] = {}
        for offset in self._handing:
            moved = self._state.handovers.waiting.get(offset)
            if moved is not None:
                by_account.setdefault(moved.account, []).append(offset)
        self._handed.update(self._handing)
        self._handing = ()
        for account, offsets in by_account.items():
            yield Append(Handed(account=account, moved=tuple(offsets), at_ms=now_ms))

    def not_handed(self, now_s: float) -> None:
        """They may be in the inboxes, all or some of them: all are appended again."""
        self._handing = ()
        self._hand_again_s = now_s + AGAIN_S

    # --- what to do ---

    def hands(self, now_s: float) -> Iterator[Hand]:
        """What was read back goes to the other accounts, from the first one that no Handed names, in order."""
        waiting = self._state.handovers.waiting
        self._handed &= waiting.keys()
        if self._handing or len(waiting) == len(self._handed):
            return
        if now_s < self._hand_again_s:
            self.wake_s = min(self.wake_s, self._hand_again_s)
            return
        self._handing = tuple(offset for offset in waiting if offset not in self._handed)[:JOBS_AT_ONCE]
        yield Hand(tuple(waiting[offset].as_job for offset in self._handing))

    def of(self, lane: AccountLane, now_s: float, now_ms: int) -> Iterator[Effect]:
        """What leaves this account now."""
        stop, account = lane.standing.stop, lane.spec.account
        if not _stands_still(lane) and not any(pair[0] == account for pair in self._state.handovers.taken_over):
            return
        for campaign, work in list(lane.active(now_ms)):
            after_s = 0.0 if campaign.launched is None else campaign.launched.failover_after_ms / 1000
            if not after_s:
                continue
            if _stands_still(lane) and stop is not None:
                yield from self._failover(lane, campaign, work, stop, after_s, now_s, now_ms)
            elif campaign.fails_back:
                yield from self._fail_back(lane, campaign, work, after_s, now_s, now_ms)

    def _failover(
        self,
        lane: AccountLane,
        campaign: Campaign,
        work: CampaignWork,
        stop: Stop,
        after_s: float,
        now_s: float,
        now_ms: int,
    ) -> Iterator[Effect]:
        at_s = lane.standing.stopped_s + after_s
        if now_s < at_s:
            self.wake_s = min(self.wake_s, at_s)
            return
        for piece in work.of_waves(campaign.waves.released):
            if not self._may_move(piece):
                continue
            to = next((account for account in piece.job.then if self._stop_of(account) is None), None)
            if to is not None:
                work.take_out(piece)
            else:
                to = next((each for each in piece.job.then if self._wants_a_trial(each, campaign, now_s)), None)
                if piece.job.then:
                    self.wake_s = min(self.wake_s, now_s + LOOK_S)
                if to is None:
                    continue
                piece = self._trial(to, campaign, work, piece, now_s)
            left = () if piece.job.moved is None else piece.job.moved.left
            then = tuple(account for account in piece.job.then if account != to)
            yield self._move(lane, piece, to, then, (*left, lane.spec.account), stop, now_s, now_ms)

    def _fail_back(
        self, lane: AccountLane, campaign: Campaign, work: CampaignWork, after_s: float, now_s: float, now_ms: int
    ) -> Iterator[Effect]:
        for piece in work.of_waves(campaign.waves.released):
            left = () if piece.job.moved is None else piece.job.moved.left
            if not left or not self._may_move(piece):
                continue
            self.wake_s = min(self.wake_s, now_s + LOOK_S)
            home = next((at for at, account in enumerate(left) if self._is_well(account, after_s, now_s)), NO_ACCOUNT)
            if home == NO_ACCOUNT:
                home = next((at for at, each in enumerate(left) if self._wants_a_trial(each, campaign, now_s)), home)
                if home == NO_ACCOUNT:
                    continue
                piece = self._trial(left[home], campaign, work, piece, now_s)
            else:
                work.take_out(piece)
            then = (*left[home + 1 :], lane.spec.account, *piece.job.then)
            stop = Stop(why=Why.OTHER)
            yield self._move(lane, piece, left[home], then, left[:home], stop, now_s, now_ms, back=True)

    def _move(
        self,
        lane: AccountLane,
        piece: Piece,
        to: str,
        then: tuple[str, ...],
        left: tuple[str, ...],
        stop: Stop,
        now_s: float,
        now_ms: int,
        *,
        back: bool = False,
    ) -> Append:
        """Give the piece, which left the queue, to the log as moved. Its job gets number and offset from the fold."""
        account = lane.spec.account
        self._asked[piece.job_offset, piece.start] = _Asked(piece, now_s)
        as_job: Job = msgspec.structs.replace(
            piece.job,
            account=to,
            number=0,
            start=piece.start,
            count=piece.end - piece.start,
            then=then,
            moved=MovedFrom(self._partition, 0, account, left),
        )
        return Append(
            Moved(
                owner=self._owner,
                account=account,
                campaign=piece.job.campaign,
                job=piece.job_offset,
                attempt=piece.attempt,
                as_job=as_job,
                why=stop.why,
                code=stop.code,
                since_ms=stop.since_ms,
                at_ms=now_ms,
                back=back,
            )
        )

    # --- inside ---

    def _may_move(self, piece: Piece) -> bool:
        """Whether no recipient of it was ever unknown."""
        job = self._state.jobs.get(piece.job_offset)
        return job is not None and not any(start < piece.end and piece.start < end for start, end in job.doubted)

    def _stop_of(self, account: str) -> Stop | None:
        """What stops an account, as the log says."""
        stopped = self._campaigns.stops.get(account)
        return None if stopped is None else whole(stopped.reasons())

    def _is_well(self, account: str, after_s: float, now_s: float) -> bool:
        """Whether the account has had no stop for so long."""
        if self._stop_of(account) is not None:
            self._well_s.pop(account, None)
            return False
        return now_s >= self._well_s.setdefault(account, now_s) + after_s

    def _wants_a_trial(self, account: str, campaign: Campaign, now_s: float) -> bool:
        """Whether only a request can show that the account sends again, and it is time to give it one."""
        stop = self._stop_of(account)
        if stop is None or not stop.trying:
            return False
        return now_s >= self._tried_s.get((campaign.id, account), -float("inf")) + TRIAL_EVERY_S

    def _trial(self, account: str, campaign: Campaign, work: CampaignWork, piece: Piece, now_s: float) -> Piece:
        """The first recipient of this piece, taken out of the queue to try an account."""
        self._tried_s[campaign.id, account] = now_s
        first = msgspec.structs.replace(piece, end=piece.start + 1)
        if piece.end == first.end:
            work.take_out(piece)
        else:
            piece.start += 1
        return first


def _stands_still(lane: AccountLane) -> bool:
    """Whether the account has a stop that may move its recipients, and is not finding out whether it is over."""
    stop = lane.standing.stop
    return stop is not None and stop.why is not Why.HOURS and not lane.standing.sends
