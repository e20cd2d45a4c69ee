"""What keeps accounts with work from sending, for people who ask why nothing moves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from dispatcher.accounts.holders import lane_holders
from dispatcher.accounts.stops import as_object, sentence
from dispatcher.core.lane.notices import whole
from dispatcher.i18n import plural
from dispatcher.service.session import Session
from dispatcher.store.views import CampaignView
from dispatcher.wording import listed
from dispatcher.words import stop_sentence
from schemas.records import Stopped
from schemas.topics import lane_partition

FOR_A_PERSON: Final = ("auth", "balance")
"""Reasons that end only when a person does something."""


class AccountStop(msgspec.Struct, frozen=True, kw_only=True):
    """An account that does not send: why, in a word and in its lane's words, since when and until when.

    `stops` are all its reasons; `keeps_all` is False if they hold only some recipients. `sentence` is everything for
    people.
    """

    account: str
    why: str
    says: str
    since_ms: int
    until_ms: int | None
    stops: tuple[dict[str, Any], ...]
    keeps_all: bool
    sentence: str


def stop_of(stopped: Stopped) -> AccountStop:
    """A lane's notice."""
    said = as_object(stopped)
    return AccountStop(
        **said | {"stops": tuple(said["stops"])},
        keeps_all=whole(stopped.reasons()) is not None,
        sentence=sentence(stopped),
    )


class Hindrances(msgspec.Struct, frozen=True, kw_only=True):
    """Accounts that do not send: `stopped` according to their lanes, `not_run` because no dispatcher runs them."""

    stopped: tuple[AccountStop, ...] = ()
    not_run: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """For people."""
        idle = []
        if self.not_run:
            idle = [
                plural(
                    "no process sends for account {names}: start `dispatcher run` (role lanes).",
                    "no process sends for accounts {names}: start `dispatcher run` (role lanes).",
                    len(self.not_run),
                    names=listed(self.not_run),
                )
            ]
        return [*idle, *map(stop_sentence, self.stopped)]


def stopped_since(stops: Iterable[AccountStop]) -> dict[str, int]:
    """The accounts of these that send nothing at all, and since when."""
    return {stop.account: stop.since_ms for stop in stops if stop.keeps_all}


async def hindrances(session: Session, views: Sequence[CampaignView]) -> Hindrances:
    """What keeps accounts from sending that still have recipients of these campaigns. Raises LogError."""
    due = {
        account
        for view in views
        if not view.paused and not view.cancelled and view.status != "held"
        for account, counts in view.accounts.items()
        if counts.queued
    }
    if not due:
        return Hindrances()
    held, stops = lane_holders(session.places), (await session.campaigns()).stopped()
    not_run = () if held is None else tuple(sorted(each for each in due if lane_partition(each) not in held))
    told = [stop_of(stops[account]) for account in sorted(due & stops.keys())]
    # A lane that has ended cannot report the end of a temporary stop; stops that a person must fix still hold.
    stopped = tuple(stop for stop in told if stop.account not in not_run or stop.why in FOR_A_PERSON)
    return Hindrances(stopped=stopped, not_run=not_run)
