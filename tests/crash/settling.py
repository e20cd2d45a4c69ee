"""Waiting until everything is sent, reported, joined and decided: nothing more will happen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from dispatcher.errors import DispatcherError
from dispatcher.log.opening import open_log
from dispatcher.store.opening import open_reader
from dispatcher.store.port import StoreReader
from schemas.topics import TOPIC
from tests.crash import judge
from tests.crash.stage import ACCOUNTS
from tests.crash.truth import truth_of
from tests.waiting import PATIENCE_S, patience

if TYPE_CHECKING:
    from tests.crash.life import Life

LOOK_S: Final = 0.1


def wait_until_settled(life: Life) -> None:
    waited_for = [""]

    async def settled() -> None:
        log = await open_log(life.stage.loaded.log.url, create=False)
        reader = open_reader(life.stage.loaded.store)
        try:
            while True:
                life.revive()
                ends = {
                    (topic, partition): await log.end(topic, partition)
                    for topic in ("campaigns", "lanes", "reports")
                    for partition in range(TOPIC[topic].partitions)
                }
                waited_for[0] = _unsettled(life, reader, ends)
                if not waited_for[0]:
                    left = judge.undecided(await truth_of(log), life.stage.vendor.rows())
                    waited_for[0] = "; ".join(left)
                    if not left:
                        return
                    await asyncio.sleep(1.0)
                await asyncio.sleep(LOOK_S)
        finally:
            reader.close()
            await log.close()

    async def bounded() -> None:
        async with patience():
            await settled()

    try:
        asyncio.run(bounded())
    except (TimeoutError, DispatcherError) as error:
        stand = [f"{name} stands at:\n{process.where()}" for name, process in life.roles.items() if process.alive]
        raise life.story.failure([f"not settled within {PATIENCE_S:g} s: {waited_for[0] or error}", *stand]) from error


def _unsettled(life: Life, reader: StoreReader, ends: dict[tuple[str, int], int]) -> str:
    """What there is still to wait for, or ""."""
    offsets = reader.offsets()
    if behind := {place: end for place, end in ends.items() if offsets.get(place, 0) < end}:
        return f"the results are behind: {behind} {offsets}"
    views = {view.id: view for view in reader.campaigns()}
    for campaign in life.campaigns:
        view = views.get(campaign.id)
        if view is None:
            if campaign.certain:
                return f"{campaign.id} is not in the results"
            continue
        counts = view.counts
        if counts.queued or counts.in_flight or (view.unknown == "resend" and counts.unknown and not view.cancelled):
            return f"{campaign.id}: {counts.line()}"
    totals = life.stage.vendor.totals(doubles=False)
    for name in ACCOUNTS:
        book = totals["accounts"][name]
        if book["reports_given_up"]:
            return f"{name}: the vendor gave up pushing {book['reports_given_up']} reports"
        if book["reports_acked"] < book["reports_due"] - book["reports_lost"]:
            return f"{name}: the vendor has pushed {book['reports_acked']} of {book['reports_due']} reports"
    return ""
