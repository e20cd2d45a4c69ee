"""Telling the log what keeps an account from sending, and when it goes on: the lane knows, people ask elsewhere.

Read by dispatcher/accounts/stops.py. Nothing waits for it, and a log that does not take it is asked again.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final, Literal

from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.account import AccountLane
from dispatcher.errors import LogError
from dispatcher.log.port import Entry, Log
from dispatcher.vendors.seam.outcomes import Codes
from schemas.codec import encode
from schemas.records import Stopped
from schemas.topics import CAMPAIGNS

LOOK_EVERY_S: Final = 0.5
TROUBLES_TOLD: Final = 3

_CODE: Final = re.compile(r"^(\w+ query: )?code ([^;\s]+)")

Why = Literal["auth", "balance", "hours", "unreachable", ""]


def standing(lane: AccountLane, codes: Codes) -> tuple[Why, str]:
    """What keeps this account from sending, in a word and in a sentence without its end; empty if nothing does."""
    if lane.stopped is not None:
        return lane.stopped, _CODE.sub(lambda found: _meant(found[2], codes) or found[0], lane.stopped_why, count=1)
    if lane.closed:
        return "hours", "it is outside its send_hours"
    if lane.troubles >= TROUBLES_TOLD:
        return "unreachable", f"the vendor could not be reached {lane.troubles} times in a row"
    return "", ""


def _meant(code: str, codes: Codes) -> str:
    row = codes.find(code)
    return f"the vendor answers {code}, {row.english}{f' ({row.advice})' if row.advice else ''}" if row else ""


async def tell_stops(lane: AccountLane, log: Log, campaigns: Campaigns, codes: Codes) -> None:
    """Tell it for ever, what lasted from one look to the next. Raises LogError where waiting does not help."""
    account = lane.spec.account
    before = campaigns.stops.get(account)
    told: str = before.why if before is not None else ""
    seen: str = told
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        why, says = standing(lane, codes)
        if why != told and why == seen:
            record = Stopped(account=account, at_ms=now_ms(), why=why, says=says)
            try:
                await log.append(CAMPAIGNS.name, 0, [Entry(f"stopped!{account}".encode(), encode(record))])
                told = why
            except LogError as error:
                if not error.retryable:
                    raise
        seen = why
