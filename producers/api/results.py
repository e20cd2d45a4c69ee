"""What is streamed of a campaign: its rows as NDJSON from a position on, and its figures as server-sent events.

Events of a campaign are made once per tick for all who watch it, so a watcher costs a write.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Annotated, Final

import msgspec

from dispatcher.core.results.equation import Counts
from dispatcher.core.schedule.holds import Hold
from dispatcher.service.campaigns.progress import Pace
from dispatcher.service.campaigns.rows import ROWS_MAX, RowsWanted, row_lines
from dispatcher.service.campaigns.views import CampaignLook, watch_campaign
from dispatcher.service.session import Session
from producers.api.operation import Call
from producers.web.site import Streamed

NDJSON: Final = "application/x-ndjson"
EVENTS: Final = "text/event-stream"
NOT_KEPT: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
EVERY_S: Final = 1.0
STILL_THERE_S: Final = 15.0
FIRST_S: Final = 1.0


class ResultsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows in these states, after a position; `unmasked` needs the permission numbers:read.

    Without a state: all recipients, and no row that was set aside.
    """

    state: Annotated[list[Annotated[str, msgspec.Meta(max_length=20)]], msgspec.Meta(max_length=20)] = []
    account: Annotated[str, msgspec.Meta(max_length=200)] = ""
    after: Annotated[str, msgspec.Meta(max_length=40)] = ""
    unmasked: bool = False


class CampaignEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign at one moment. `is_over`: nothing changes any more unless a person acts; then the stream ends."""

    campaign: str
    status: str
    counts: Counts
    pace: Pace
    held: Hold | None
    records_behind: int
    is_over: bool


async def rows(call: Call) -> Streamed:
    query: ResultsQuery = call.query
    call.check_unmasked(wanted=query.unmasked)
    wanted = RowsWanted(states=frozenset(query.state), account=query.account, after=query.after, limit=ROWS_MAX)
    pieces = await row_lines(call.session, call.values["id"], wanted, unmasked=query.unmasked)
    return Streamed(pieces=pieces, content_type=NDJSON, caller=call.by, headers=NOT_KEPT)


# --- events ----------------------------------------------------------------------------------------------------------


class _Watch:
    """One campaign that is watched: the newest event, and how many have been made."""

    def __init__(self, session: Session, campaign: str) -> None:
        self.readers = 0
        self.newest = b""
        self.made = 0
        self._changed = asyncio.Condition()
        self.task = asyncio.create_task(self._run(session, campaign))

    async def next(self, seen: int) -> None:
        """Wait for an event after the first `seen` ones, or the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.made > seen or self.task.done())

    async def _run(self, session: Session, campaign: str) -> None:
        before, at_s = b"", float("-inf")
        try:
            async with contextlib.aclosing(watch_campaign(session, campaign)) as looks:
                async for look in looks:
                    now_s = time.monotonic()
                    if now_s - at_s < EVERY_S and not look.is_over:
                        continue
                    data = msgspec.json.encode(_event(look))
                    if data != before:
                        before, at_s = data, now_s
                        await self._publish(data)
        finally:
            asyncio.get_running_loop().call_soon(self._wake)

    async def _publish(self, data: bytes) -> None:
        async with self._changed:
            self.made += 1
            self.newest = b"id: %d\nevent: campaign\ndata: %b\n\n" % (self.made, data)
            self._changed.notify_all()

    def _wake(self) -> None:
        self._waking = asyncio.ensure_future(self._wake_all())

    async def _wake_all(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Watches:
    """The campaigns that are watched in this process."""

    def __init__(self) -> None:
        self._watches: dict[str, _Watch] = {}

    async def events(self, session: Session, campaign: str) -> AsyncGenerator[bytes, None]:
        """The events of a campaign from now on, until it is over. Raises UserError, LogError, StoreError."""
        watch = self._watches.get(campaign)
        if watch is None or watch.task.done():
            watch = self._watches[campaign] = _Watch(session, campaign)
        watch.readers += 1
        try:
            seen = 0
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STILL_THERE_S if seen else FIRST_S):
                        await watch.next(seen)
                if watch.made > seen:
                    seen = watch.made
                    yield watch.newest
                elif watch.task.done():
                    watch.task.result()
                    return
                else:
                    yield b": still there\n\n"
        finally:
            watch.readers -= 1
            if not watch.readers:
                watch.task.cancel()
                if self._watches.get(campaign) is watch:
                    del self._watches[campaign]


async def events(call: Call) -> Streamed:
    pieces = call.api.watches.events(call.session, call.values["id"])
    first = await anext(pieces, b"")
    return Streamed(pieces=_after(first, pieces), content_type=EVENTS, caller=call.by, headers=NOT_KEPT)


async def _after(first: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for piece in pieces:
            yield piece
    finally:
        await pieces.aclose()


def _event(look: CampaignLook) -> CampaignEvent:
    view = look.view
    return CampaignEvent(
        campaign=view.id,
        status=view.status,
        counts=view.counts,
        pace=look.pace,
        held=view.held,
        records_behind=look.records_behind,
        is_over=look.is_over,
    )
