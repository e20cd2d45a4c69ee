"""The fold of the `campaigns` topic: every campaign's definition and control, and facts about accounts.

The first Launched of an id that counts wins: one that was made from a draft counts only if it is of the revision in
force (core/drafts.py), one that was judged without another launch is void (core/launches/overtaken.py). Pausing,
cancelling and weight changes may be read before it (compaction). This is the only fold of that topic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Final, Literal

from dispatcher.core.drafts import Draft
from dispatcher.core.launches.overtaken import followed, is_overtaken
from dispatcher.core.money.budget import Budget
from dispatcher.core.schedule.holds import HALTED, Hold, Schedule
from dispatcher.core.schedule.hours import ALWAYS, recorded
from dispatcher.core.waves.state import WaveState
from schemas.records import (
    AnyRecord,
    Approved,
    BalanceAsked,
    Budgeted,
    BudgetShare,
    Cancelled,
    CheckpointAt,
    Closed,
    Control,
    Drafted,
    FailBack,
    Flowed,
    HoursChanged,
    Launched,
    Operated,
    RetrySkipped,
    Scheduled,
    StartFailed,
    Stopped,
    StreamClosed,
    SuppressionSnapshotAt,
    TextDecided,
    WaveDecided,
    Weighed,
)

WEIGHT_MAX: Final = 1_000
"""A campaign's share of an account is 1 to this, relative to the other campaigns."""


class OperationState:
    """A person's operation on an account: how it was asked, and its latest record."""

    __slots__ = ("asked", "last")

    def __init__(self, asked: Operated) -> None:
        self.asked = asked
        self.last = asked

    @property
    def result(self) -> Literal["done", "not-done", "unknown"]:
        """Its result; without a record after `asked` it is unknown."""
        return "unknown" if self.last.result == "asked" else self.last.result


class Campaign:
    """One campaign on the log. `launched` is None until its commit point was read; until then it may have a `draft`.

    `revision` is the one in force; `cancelled_by` cancelled it at `cancelled_ms`.
    """

    __slots__ = (
        "_schedule",
        "budget",
        "cancelled",
        "cancelled_by",
        "cancelled_ms",
        "closed",
        "draft",
        "fail_back",
        "flowed",
        "hours_changed",
        "id",
        "launched",
        "launched_offset",
        "retries_skipped",
        "revision",
        "stream_closed",
        "waves",
        "weighed",
    )

    def __init__(self, campaign: str) -> None:
        self.id = campaign
        self.launched: Launched | None = None
        self.launched_offset = -1
        self.flowed: Flowed | None = None
        self.cancelled = False
        self.closed: Closed | None = None
        self.stream_closed: StreamClosed | None = None
        self.weighed: Weighed | None = None
        self.hours_changed: HoursChanged | None = None
        self.fail_back: FailBack | None = None
        self._schedule: Schedule | None = None
        self.waves = WaveState()
        self.retries_skipped: dict[int, RetrySkipped] = {}
        self.budget: Budget | None = None
        self.draft: Draft | None = None
        self.revision = ""
        self.cancelled_by = ""
        self.cancelled_ms = 0

    @property
    def paused(self) -> bool:
        """Whether a person paused it, and did not resume it."""
        return self.flowed is not None and self.flowed.paused

    @property
    def weight(self) -> int:
        """The weight in force."""
        if self.weighed:
            return self.weighed.weight
        return self.launched.weight if self.launched else 1

    @property
    def urgent(self) -> bool:
        """Whether it goes before the others."""
        if self.weighed:
            return self.weighed.urgent
        return self.launched.urgent if self.launched else False

    def may_be_launched_as(self, revision: str) -> bool:
        """Whether a launch of this revision ("": not of a draft) counts after what was read so far."""
        return not revision or (revision == self.revision and not self.cancelled)

    @property
    def sends(self) -> bool:
        """Whether it is launched, and neither paused nor cancelled; `held` says what else keeps it from being sent."""
        return self.launched is not None and not self.paused and not self.cancelled

    @property
    def fails_back(self) -> bool:
        """Whether recipients that were moved return to the accounts that they left."""
        if self.fail_back is not None:
            return self.fail_back.on
        return self.launched is not None and self.launched.fail_back

    @property
    def schedule(self) -> Schedule:
        """Its sending hours; always before the launch."""
        if self._schedule is None:
            terms = self.hours_changed or self.launched
            if self.launched is None or terms is None:
                return Schedule(ALWAYS, "continue", 0)
            resumed_ms = self.flowed.at_ms if self.flowed is not None and not self.flowed.paused else 0
            self._schedule = Schedule(
                recorded(terms.hours), terms.at_closing, max(self.launched.at_ms, resumed_ms), self.launched.ends_ms
            )
        return self._schedule

    def held(self, now_ms: int) -> Hold | None:
        """What holds it now, other than a person who paused or cancelled it; None: nothing, or it is not launched.

        Its budget holds accounts one by one (core/lane/budgets.py), so it is not asked here.
        """
        return HALTED if self.waves.halted is not None else self.schedule.hold(now_ms)

    def sends_at(self, now_ms: int) -> bool:
        """Whether lanes may send for it at this moment of the wall clock."""
        return self.sends and self.held(now_ms) is None

    def after(self, record: Flowed | HoursChanged) -> Campaign:
        """This campaign as it is after this record, too."""
        campaigns, campaign = Campaigns(), copy(self)
        campaigns.by_id[self.id] = campaign
        campaigns.apply(0, record)
        return campaign

    def reschedule(self) -> None:
        """A record changed when it may be sent."""
        self._schedule = None


def campaign_of(launched: Launched, controls: Iterable[Control]) -> Campaign:
    """One campaign whose launch counts, under these controls; the last of each word counts, in any order of words."""
    campaigns, campaign = Campaigns(), Campaign(launched.campaign)
    campaign.launched = launched
    campaign.waves.launched(launched)
    campaign.budget = Budget(launched) if launched.budget else None
    campaigns.by_id[campaign.id] = campaign
    for record in controls:
        campaigns.apply(0, record)
    return campaign


def first_counts(record: Control) -> bool:
    """Whether later records of the same campaign and word change nothing."""
    return isinstance(record, Closed | StreamClosed)


def kept_as(record: Control, offset: int) -> str:
    """Under which word a store keeps it: the last one of a word counts, but every record about a budget does."""
    return f"money!{offset:015d}" if isinstance(record, Budgeted | BudgetShare) else record.word


class Campaigns:
    """All campaigns. Apply records in log order."""

    def __init__(self) -> None:
        self.by_id: dict[str, Campaign] = {}
        self.upto = 0  # the offset behind the last record
        self._launches: list[tuple[int, Launched]] = []  # those that count, in the order of the log
        self.checkpoints: dict[int, int] = {}
        self.balances: dict[str, BalanceAsked] = {}  # the last answer of each account
        self.stops: dict[str, Stopped] = {}  # the last notice of each account's lane
        self.wanting: set[str] = set()  # campaigns of which an account lacks money for its next recipient
        self.operations: dict[str, OperationState] = {}  # by id, in the order of asking
        self.suppression_snapshot: SuppressionSnapshotAt | None = None  # the newest one

    def apply(self, offset: int, record: AnyRecord) -> str | None:
        """Fold one record; returns the id of the campaign it changed, if any."""
        self.upto = offset + 1
        match record:
            case Launched():
                campaign = self._at(record.campaign)
                if campaign.launched is not None or not campaign.may_be_launched_as(record.revision):
                    return None
                if self.is_overtaken(record):
                    return None
                self._launches.append((offset, record))
                campaign.launched, campaign.draft = record, None
                campaign.budget = Budget(record) if record.budget else None
                campaign.launched_offset = offset
                self._schedule_deferred(record)
                campaign.waves.launched(record)
            case Drafted():
                campaign = self._at(record.campaign)
                campaign.revision = record.revision
                if campaign.launched is None:
                    campaign.draft = Draft(record, campaign.draft)
            case Scheduled():
                campaign = self._at(record.campaign)
                campaign.revision = record.revision
                if campaign.draft is not None:
                    campaign.draft.scheduled = record
            case Approved():
                campaign = self._at(record.campaign)
                if campaign.draft is not None:
                    campaign.draft.approve(record)
            case StartFailed():
                campaign = self._at(record.campaign)
                if campaign.draft is not None:
                    campaign.draft.failed = record
            case RetrySkipped():
                self._at(record.campaign).retries_skipped.setdefault(record.number, record)
            case Flowed():
                self._at(record.campaign).flowed = record
            case Cancelled():
                campaign = self._at(record.campaign)
                campaign.cancelled = True
                campaign.cancelled_by = campaign.cancelled_by or record.by
                campaign.cancelled_ms = campaign.cancelled_ms or record.at_ms
            case Closed():
                campaign = self._at(record.campaign)
                campaign.closed = campaign.closed or record
            case StreamClosed():
                campaign = self._at(record.campaign)
                campaign.stream_closed = campaign.stream_closed or record
            case Weighed():
                self._at(record.campaign).weighed = record
            case HoursChanged():
                self._at(record.campaign).hours_changed = record
            case WaveDecided():
                self._at(record.campaign).waves.decided(record)
            case TextDecided():
                self._at(record.campaign).waves.text_decided(record)
            case FailBack():
                self._at(record.campaign).fail_back = record
            case Budgeted() | BudgetShare():
                campaign = self._at(record.campaign)
                if campaign.budget is None:
                    return None
                campaign.budget.apply(record)
                (self.wanting.add if campaign.budget.is_wanted else self.wanting.discard)(record.campaign)
            case CheckpointAt():
                self.checkpoints[record.partition] = record.offset
                return None
            case BalanceAsked(what="balance") if record.messages is not None:
                self.balances[record.account] = record
                return None
            case Stopped():
                self.stops[record.account] = record
                return None
            case Operated():
                if record.operation in self.operations:
                    self.operations[record.operation].last = record
                else:
                    self.operations[record.operation] = OperationState(record)
                return None
            case SuppressionSnapshotAt():
                self.suppression_snapshot = record
                return None
            case _:
                return None
        self._at(record.campaign).reschedule()
        return record.campaign

    def get(self, campaign: str) -> Campaign | None:
        """The campaign, if any record named it."""
        return self.by_id.get(campaign)

    def launched(self, campaign: str) -> Launched | None:
        """The launch of this id that counts, the first one; None if it was never launched."""
        known = self.by_id.get(campaign)
        return None if known is None else known.launched

    def follow_ups_of(self, campaign: str) -> list[str]:
        """The ids of the launched follow-ups of a campaign, in the order of their launches."""
        return [launched.campaign for _, launched in self._launches if campaign in followed(launched.follows)]

    def is_overtaken(self, record: Launched) -> bool:
        """Whether this launch would be void now: others count that it had to know."""
        return record.judged_upto is not None and is_overtaken(record, self._since(record.judged_upto))

    def _since(self, offset: int) -> Iterator[Launched]:
        """The launches that count from this offset on."""
        for at, launched in reversed(self._launches):
            if at < offset:
                return
            yield launched

    def stopped(self) -> dict[str, Stopped]:
        """The accounts that are kept from sending, by the last notices of their lanes."""
        return {account: stop for account, stop in self.stops.items() if stop.reasons()}

    def counts(self, campaign: str, attempt: str) -> bool | None:
        """Whether this attempt was launched; None if no attempt was launched."""
        known = self.by_id.get(campaign)
        if known is None or known.launched is None:
            return None
        return known.launched.attempt == attempt

    def _schedule_deferred(self, record: Launched) -> None:
        """The drafts of a launch's deferred recipients have a time from its commit on."""
        for each in record.deferred:
            found = self._at(each.campaign)
            if found.draft is not None and found.draft.scheduled is None:
                found.draft.scheduled = Scheduled(
                    campaign=found.id,
                    revision=found.revision,
                    start_ms=each.start_ms,
                    at_ms=record.at_ms,
                    by=record.by,
                )

    def _at(self, campaign: str) -> Campaign:
        if campaign not in self.by_id:
            self.by_id[campaign] = Campaign(campaign)
        return self.by_id[campaign]
