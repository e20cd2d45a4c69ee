"""An account's turns at its vendor: one query at a time, and none after a refused login.

Thirty wrong logins lock a COSMS account for a day (vendors.md 1.2), and every query is a login. So the first refused
login stops the lane and all queries until a person has checked the account. Until a login succeeds, there is one
request at a time, query or submit (dispatcher/core/lane/account_states.py): a wrong password is tried once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.lane.owner import Owner
from dispatcher.loggers import get_logger

LOOK_AGAIN_S: Final = 0.05

_logger = get_logger("lanes")


class QueryLock:
    """The turns of one account in this process. `wake` is set when the lane may continue."""

    def __init__(self, owner: Owner, account: str, wake: asyncio.Event) -> None:
        self.account: Final = account
        self.wake: Final = wake.set
        self._owner = owner
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until the vendor may be queried, and keep all other queries out meanwhile."""
        async with self._lock:
            await self.open()
            self._owner.query_begins(self.account)
            try:
                yield
            finally:
                self._owner.query_ends(self.account)
                self.wake()

    async def open(self) -> None:
        """Wait until no refused login stops the account and no first login is under way."""
        while True:
            if self._owner.may_query(self.account):
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    def heard(self, what: str, verdict: Verdict | None) -> None:
        """Record this query's result: None is an answer, so the login succeeded; an AUTH verdict stops everything."""
        if verdict is not None and verdict.kind is Kind.AUTH:
            _logger.warning("login refused", account=self.account, query=what, code=verdict.code)
        self._owner.query_answered(self.account, verdict, time.monotonic(), time.time_ns() // 1_000_000)
        self.wake()
