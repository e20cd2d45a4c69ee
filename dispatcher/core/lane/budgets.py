"""What an owner's accounts may still spend of campaigns with a budget (dispatcher/core/money/budget.py). Pure.

An account may announce a recipient if its share covers it beside everything that it has spent, announced or left
unknown; what provably was not taken comes back. What it has left is ceded if another account lacks money and this one
does not need it: its recipients are sent, or it has too little for the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.effects import Append, Effect, Share
from dispatcher.core.lane.state import LaneState
from dispatcher.core.lane.work import Content, Piece
from dispatcher.core.money.budget import Budget
from schemas.records import BudgetShare, Ceded, Intent

AGAIN_S: Final = 3.0
"""A record that the log does not show by then is appended again."""

Key = tuple[str, str]
"""(account, campaign)."""


class _Asked(msgspec.Struct, frozen=True):
    """An append that was asked for, and when."""

    amount: int
    at_s: float


class LaneBudgets:
    """The budgets of one owner's accounts. `state` and `campaigns` are the owner's."""

    def __init__(self, owner: str, state: LaneState, campaigns: Campaigns) -> None:
        self._owner: Final = owner
        self._state: Final = state
        self._campaigns: Final = campaigns
        self._announced: dict[Key, int] = {}  # costs of intents that were given to the log and not read back
        self._ceding: dict[Key, _Asked] = {}
        self._short: dict[Key, int] = {}  # what the next recipients cost that there is too little left for
        self._told: dict[Key, _Asked] = {}
        self._n = 0

    # --- what may be announced ---

    def left(self, budget: Budget, key: Key) -> int:
        """What this account may still announce."""
        ceded = self._state.ceded.get(key, 0)
        if key in self._ceding:
            ceded = max(ceded, self._ceding[key].amount)
        used = self._state.spent.get(key, 0) + self._announced.get(key, 0)
        return budget.allotted.get(key[0], 0) - ceded - used

    def begins(self, lane: AccountLane) -> None:
        """The account's pieces are looked at anew."""
        for key in [key for key in self._short if key[0] == lane.spec.account]:
            del self._short[key]

    def covers(self, lane: AccountLane, now_ms: int, campaign: Campaign, piece: Piece, batch: Content) -> bool:
        """Whether the next recipients of this piece are covered, as many as a request must have."""
        budget = campaign.budget
        if budget is None:
            return True
        if batch.costs is None:
            return False
        key = lane.spec.account, campaign.id
        cost = batch.costs.at(now_ms).of(piece.start, min(lane.spec.numbers_min, piece.end - piece.start))
        if budget.reserve >= 0 and cost <= self.left(budget, key):
            return True
        self._short[key] = cost
        return False

    def most(self, lane: AccountLane, campaign: Campaign, piece: Piece, batch: Content, count: int, now_ms: int) -> int:
        """How many of this piece's next `count` recipients may be in an intent; the first ones are covered."""
        count = min(count, piece.end - piece.start)
        if campaign.budget is None or batch.costs is None:
            return count
        left = self.left(campaign.budget, (lane.spec.account, campaign.id))
        costs = batch.costs.at(now_ms)
        return costs.affordable(piece.start, costs.in_one_intent(piece.start, count), left)

    def lacking(self, account: str, campaign: str) -> int:
        """What the next recipients of this campaign cost that there is too little left for; 0: there is enough."""
        return self._short.get((account, campaign), 0)

    def announced(self, intent: Intent) -> None:
        """This intent was given to the log."""
        if intent.cost is not None:
            key = intent.account, intent.campaign
            self._announced[key] = self._announced.get(key, 0) + intent.cost.whole

    def settled(self, account: str, campaign: str, cost: int) -> None:
        """An intent of this cost was read back, so it is in the state; or it certainly was not written."""
        if cost:
            self._announced[account, campaign] -= cost

    # --- what is ceded, and what is lacking ---

    def not_ceded(self, record: Ceded) -> None:
        """The log certainly did not write this."""
        asked = self._ceding.get((record.account, record.campaign))
        if asked is not None and asked.amount == record.amount:
            del self._ceding[record.account, record.campaign]

    def effects(self, lane: AccountLane, now_s: float, now_ms: int) -> Iterator[Effect]:
        """What this account has to say about budgets."""
        account = lane.spec.account
        mine = {campaign for name, campaign in (*self._short, *self._ceding) if name == account}
        names = mine | self._campaigns.wanting
        for key in [key for key in self._told if key[0] == account and key[1] not in names]:
            del self._told[key]
        for name in sorted(names):
            campaign = self._campaigns.get(name)
            budget = None if campaign is None else campaign.budget
            if campaign is None or budget is None or account not in budget.allotted:
                continue
            yield from self._ceded(lane, campaign, budget, now_s, now_ms)
            yield from self._told_of(lane, campaign, budget, now_s, now_ms)

    def next_s(self) -> float:
        """When to look again at what the log does not show yet."""
        asked = [*self._ceding.values(), *self._told.values()]
        return min((each.at_s + AGAIN_S for each in asked), default=float("inf"))

    def _ceded(
        self, lane: AccountLane, campaign: Campaign, budget: Budget, now_s: float, now_ms: int
    ) -> Iterator[Effect]:
        key = lane.spec.account, campaign.id
        has_ceded, asked = self._state.ceded.get(key, 0), self._ceding.get(key)
        if asked is not None and has_ceded >= asked.amount:
            del self._ceding[key]
            asked = None
        if asked is not None:
            if now_s >= asked.at_s + AGAIN_S:
                yield self._cede(key, asked.amount, now_s, now_ms)
        elif budget.others_want(key[0]):
            spare = self.left(budget, key)
            if key not in self._short and budget.reserve >= 0:
                spare -= self._needs(lane, campaign)
            if spare > 0:
                yield self._cede(key, has_ceded + spare, now_s, now_ms)

    def _cede(self, key: Key, amount: int, now_s: float, now_ms: int) -> Append:
        self._ceding[key] = _Asked(amount, now_s)
        return Append(Ceded(owner=self._owner, account=key[0], campaign=key[1], amount=amount, at_ms=now_ms))

    def _told_of(
        self, lane: AccountLane, campaign: Campaign, budget: Budget, now_s: float, now_ms: int
    ) -> Iterator[Effect]:
        """Say what was ceded, and what is lacking, unless the log has it."""
        key = lane.spec.account, campaign.id
        if key in self._ceding:  # only what was read back is a fact
            return
        ceded, least, wanted = self._state.ceded.get(key, 0), 0, 0
        if key in self._short:
            used = ceded + self._state.spent.get(key, 0) + self._announced.get(key, 0)
            least = used + self._short[key]
            wanted = max(least, used + self._needs(lane, campaign))
        if ceded == budget.ceded(key[0]) and least == budget.lacks(key[0]):
            self._told.pop(key, None)
            return
        told = self._told.get(key)
        if told is not None and told.amount == least + ceded and now_s < told.at_s + AGAIN_S:
            return
        self._told[key] = _Asked(least + ceded, now_s)
        self._n += 1
        record = BudgetShare(campaign=key[1], account=key[0], ceded=ceded, least=least, wanted=wanted, at_ms=now_ms)
        yield Share(record, f"{self._owner}-{self._n}")

    def _needs(self, lane: AccountLane, campaign: Campaign) -> int:
        """What the account's queued recipients cost at most; everything while some of its jobs were not read."""
        launched = campaign.launched
        assert launched is not None
        [leg] = [leg for leg in launched.legs if leg.account == lane.spec.account]
        if campaign.cancelled:
            return 0
        taken = self._state.taken.get((leg.account, campaign.id, launched.attempt), 0)
        recipients = leg.recipients
        if taken >= leg.jobs:
            work = lane.work.get(campaign.id)
            pieces = () if work is None else (*work.fresh, *work.returned)
            recipients = sum(piece.end - piece.start for piece in pieces)
        prices = [*leg.prices.values(), *(price for change in leg.price_changes for price in change.prices.values())]
        return recipients * leg.segments * max(prices, default=0)
