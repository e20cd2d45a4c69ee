"""The frequency cap of a launch: finds recipients whom recent campaigns of its class have texted as often as allowed.

The log says which launches count (dispatcher/core/caps.py); whom they texted is in dispatcher/caps. A long list is
judged while it is read: everybody who is over the cap is found beside that, in a thread, in 2 bytes each. A short list
is looked up, in 8 bytes a recipient.
"""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from dispatcher.caps.number_set import MANY, NumberSet, SetOfMany, common, few_beside, set_of, times_in
from dispatcher.caps.recently_texted import RecentlyTexted
from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.caps import Cap, counted, day_of
from dispatcher.core.numbers import Numbers
from dispatcher.core.suppression import ascending_once, keys
from dispatcher.i18n import _
from dispatcher.log.port import Log
from dispatcher.words import word
from producers.lists.dedupe import Rows
from schemas.records import CampaignClass, Follows

_NOBODY = np.empty(0, np.int64)


def day_text(day: int) -> str:
    """A day as people write it: 2026-12-08."""
    return str(date(1970, 1, 1) + timedelta(day))


class FrequencyCap:
    """The cap of a launch, and the launches that counted when it was last asked. `lost`: those that cannot count."""

    def __init__(
        self, cap: Cap, campaign_class: CampaignClass, follows: Follows | None, texted: RecentlyTexted
    ) -> None:
        self.cap = cap
        self.campaign_class = campaign_class
        self.lost: dict[str, str] = {}
        self._follows = follows
        self._texted = texted
        self._counted: frozenset[str] | None = None
        self._judged = True  # by the launches that count
        self._sets: list[tuple[int, NumberSet]] = []  # with the day of each launch, the newest first
        self._over_of_all: asyncio.Future[NumberSet] | None = None
        self._recipients: tuple[Rows, SetOfMany] | None = None

    async def count(self, log: Log, campaigns: Campaigns) -> None:
        """Find the launches that count now. Raises LogError, DispatcherError."""
        launches = counted(campaigns, self.campaign_class, self.cap, day_of(now_ms()), self._follows)
        if frozenset(launches) == self._counted:
            return
        found = await self._texted.of(log, launches)
        self.lost |= found.lost
        days = {attempt: day_of(launched.at_ms) for attempt, launched in launches.items()}
        self._sets = sorted(((days[attempt], each) for attempt, each in found.sets.items()), key=lambda each: -each[0])
        self._counted, self._judged = frozenset(launches), False

    def expect(self, rows: int) -> None:
        """A list has this many rows or more: begin to look for everybody who is over the cap, if that is worth it."""
        sets = [each for _, each in self._sets]
        if self._over_of_all is None and len(sets) >= self.cap.count and not few_beside(sets, rows):
            self._over_of_all = asyncio.ensure_future(asyncio.to_thread(common, self.cap.count, sets))

    async def over_of_all(self) -> NumberSet | None:
        """Everybody who is over the cap, for a list that sets these aside; None if that was not worth it."""
        if self._over_of_all is None:
            return None
        over = await self._over_of_all
        self._judged = True
        return over

    def remember(self, recipients: Rows, numbers: SetOfMany) -> None:
        """The recipients, and the set of their numbers: `keep` need not sort them again."""
        self._recipients = recipients, numbers

    async def over(self, log: Log, campaigns: Campaigns, recipients: Rows) -> Numbers | NumberSet:
        """The numbers (ascending) over the cap; empty if the same launches count as when this was last asked.

        Raises LogError, DispatcherError.
        """
        await self.count(log, campaigns)
        return await self.unjudged(recipients)

    async def unjudged(self, recipients: Rows) -> Numbers | NumberSet:
        """The numbers (ascending) over the cap by the launches that count; empty if that was judged before."""
        if self._judged:
            return _NOBODY
        over = await asyncio.to_thread(self._over, recipients)
        self._judged = True
        return over

    def free_days(self, numbers: Numbers) -> NDArray[np.int64]:
        """The first day (as `day_of` counts them) on which each of these, who are over the cap, is free again.

        That is when the launch that makes the cap full, counted from the newest one back, is out of the window.
        """
        ascending = ascending_once(keys(numbers))
        times, free = np.zeros(len(ascending), np.uint16), np.zeros(len(ascending), np.int64)
        for day, each in self._sets:
            times += times_in([each], ascending)
            free[(times >= self.cap.count) & (free == 0)] = day + self.cap.days
        found: NDArray[np.int64] = free[np.searchsorted(ascending, keys(numbers))]
        return found

    async def keep(self, attempt: str, recipients: Rows) -> None:
        """Keep whom a launch texts: otherwise the next one reads them from the log. Raises DispatcherError."""
        await asyncio.to_thread(lambda: self._texted.keep(attempt, self._set_of(recipients)))

    def notes(self) -> list[str]:
        """What the plan says of the cap."""
        what = _(
            "a number gets at most {count} {campaign_class} campaigns per {days} days",
            count=self.cap.count,
            campaign_class=word(self.campaign_class),
            days=self.cap.days,
        )
        return [_("frequency cap: {what} ([caps])", what=what)] + [
            _("frequency cap: {campaign} cannot be counted: {why}", campaign=campaign, why=why)
            for campaign, why in self.lost.items()
        ]

    def _over(self, recipients: Rows) -> Numbers | NumberSet:
        sets = [each for _, each in self._sets]
        if len(sets) < self.cap.count:
            return _NOBODY
        if not few_beside(sets, len(recipients)):
            return common(self.cap.count, sets)
        numbers = ascending_once(keys(recipients.numbers(0, len(recipients))))
        return numbers[times_in(sets, numbers) >= self.cap.count]

    def _set_of(self, recipients: Rows) -> NumberSet:
        if len(recipients) >= MANY and self._recipients is not None and self._recipients[0] is recipients:
            return self._recipients[1].made(_NOBODY)
        return set_of(recipients.numbers(0, len(recipients)))
