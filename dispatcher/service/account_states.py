"""What each account does now: the rate it is allowed and has, its queue, its credit and how long that lasts.

A rate is measured between looks, so an `AccountWatch` lives as long as the process that shows it. Weak spot: messages
are recipients times the parts of the longest text of their campaign.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec.structs import asdict

from dispatcher.service.accounts import AccountView, list_accounts
from dispatcher.service.campaigns.progress import AccountQueue, handed_over, limit_per_s, queues
from dispatcher.service.session import Session
from dispatcher.store.views import CampaignView
from schemas.records import BalanceAsked

WINDOW_S: Final = 15.0
KEPT_S: Final = 0.5
"""Looks that follow each other faster are one."""


class AccountState(AccountView, frozen=True, kw_only=True):
    """One account now. Rates are messages (parts of a long text) per second; `allowed_per_s` None: it has no limit.

    Where the flow limit counts requests, `allowed_per_s` is that of requests with as many numbers as they may have.

    `queued` recipients of `campaigns` wait for it, `queued_messages` messages need its credit. `credit`, in messages,
    is what the vendor said at `credit_ms`; None: it said nothing yet. `lasts_s`: how long the credit lasts at the rate
    of now; None: nothing is sent, or it is unknown.
    """

    allowed_per_s: float | None
    sent_per_s: float
    queued: int
    queued_messages: int
    campaigns: tuple[str, ...]
    credit: float | None
    credit_ms: int | None
    credit_by: str
    lasts_s: float | None


class AccountWatch:
    """Measures the rates of all accounts, look by look."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s: Final = now_s
        self._seen: deque[tuple[float, dict[str, int]]] = deque()

    async def look(self, session: Session, views: Sequence[CampaignView] | None = None) -> list[AccountState]:
        """Every account of the configuration now, by name. Raises ConfigError, LogError, StoreError.

        `views`: all campaigns, if they were just read.
        """
        listed = (await list_accounts(session)).accounts
        found = await session.read(lambda reader: reader.campaigns()) if views is None else views
        balances = dict((await session.campaigns()).balances)
        self.saw(found)

        def states() -> list[AccountState]:
            waiting = queues(found, session.config.accounts)
            return [
                self._state(each, session, found, waiting.get(each.account, AccountQueue()), balances.get(each.account))
                for each in listed
            ]

        return await asyncio.to_thread(states)

    def saw(self, views: Iterable[CampaignView]) -> None:
        """The campaigns at this moment."""
        at_s, sent = self._now_s(), dict[str, int]()
        for view in views:
            for account, counts in view.accounts.items():
                sent[account] = sent.get(account, 0) + handed_over(counts) * view.segments
        if self._seen and at_s - self._seen[-1][0] < KEPT_S:
            return
        self._seen.append((at_s, sent))
        while len(self._seen) > 2 and self._seen[1][0] <= at_s - WINDOW_S:
            self._seen.popleft()

    def sent_per_s(self, account: str) -> float:
        """Messages per second between the looks of the last seconds."""
        if len(self._seen) < 2:
            return 0.0
        (from_s, before), (to_s, after) = self._seen[0], self._seen[-1]
        return max(0.0, (after.get(account, 0) - before.get(account, 0)) / max(to_s - from_s, 1e-6))

    def _state(
        self,
        listed: AccountView,
        session: Session,
        views: Iterable[CampaignView],
        queue: AccountQueue,
        balance: BalanceAsked | None,
    ) -> AccountState:
        account, vendor = listed.account, session.config.accounts.get(listed.account)
        mine = [view for view in views if not view.cancelled and account in view.accounts]
        queued = {view.id: view.accounts[account].queued for view in mine if view.accounts[account].queued}
        per_s = self.sent_per_s(account)
        credit = None if balance is None else balance.messages
        return AccountState(
            **asdict(listed),
            allowed_per_s=None if vendor is None else limit_per_s(vendor, 1),
            sent_per_s=round(per_s, 1),
            queued=sum(queued.values()),
            queued_messages=queue.messages,
            campaigns=tuple(queued),
            credit=credit,
            credit_ms=None if balance is None else balance.at_ms,
            credit_by="" if balance is None else balance.by,
            lasts_s=None if credit is None or not per_s else credit / per_s,
        )
