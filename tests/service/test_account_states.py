"""Accounts now: rates between looks, queues and credit."""

from __future__ import annotations

from pathlib import Path

from dispatcher.log.port import Entry
from dispatcher.service.account_states import AccountWatch
from dispatcher.service.session import open_session
from schemas.codec import encode
from schemas.records import BalanceAsked, Effect
from schemas.topics import CAMPAIGNS
from tests.service.place import ACCOUNT, configured, launched
from tests.service.reports.test_spend import Lane


async def test_an_account_has_its_rate_its_queue_and_how_long_its_credit_lasts(tmp_path: Path) -> None:
    at_s = 100.0
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", recipients=30)
        watch = AccountWatch(lambda: at_s)
        [before] = await watch.look(session)
        assert (before.account, before.queued, before.campaigns, before.credit) == (ACCOUNT, 30, ("may",), None)
        assert (before.sent_per_s, before.lasts_s) == (0.0, None)
        log = await session.log()
        lane = Lane(log, ACCOUNT)
        await lane.owned()
        await lane.outcome(await lane.intent("may", 0, 20), Effect.ACCEPTED, vendor_id="77")
        asked = BalanceAsked(account=ACCOUNT, at_ms=7, by="ann", messages=500.0, says="")
        await log.append(CAMPAIGNS.name, 0, [Entry(b"balance!spring", encode(asked))])
        session._folded_s = 0.0  # a second has passed
        at_s = 110.0
        [after] = await watch.look(session)
        assert (after.queued, after.queued_messages) == (10, 10)
        assert (after.sent_per_s, after.credit, after.credit_ms, after.lasts_s) == (2.0, 500.0, 7, 250.0)
        at_s = 110.1
        assert (await watch.look(session))[0].sent_per_s == 2.0
