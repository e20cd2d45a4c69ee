"""Who did what with a campaign, from its records on the log."""

from __future__ import annotations

from pathlib import Path

from dispatcher.clock import now_ms
from dispatcher.core.people import Caller
from dispatcher.log.sqlite.log import SqliteLog
from dispatcher.service.campaigns.drafts import schedule_campaign
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.orders.control import cancel_campaign, pause_campaign, resume_campaign, weigh_campaign
from dispatcher.service.campaigns.timeline import campaign_timeline
from dispatcher.service.people.audit import audit
from dispatcher.service.session import open_session
from producers.drafts.api import draft, launch_draft, send_test
from tests.service.place import ACCOUNT, FIRST, configured, launched


async def test_a_timeline_has_every_order_its_author_and_its_figures(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        request = LaunchRequest(numbers=[FIRST, FIRST + 1], text="【Shop】hello", route=[ACCOUNT], id="may", by="ann")
        await draft(session, request)
        await schedule_campaign(session, "may", 4_000_000_000_000, by="ben")
        await schedule_campaign(session, "may", None, by="ben")
        await send_test(session, "may", [str(FIRST + 9)], by="ann")
        await launch_draft(session, "may", by="eve")
        await pause_campaign(session, "may", by="ann")
        await resume_campaign(session, "may", by="ben")
        await weigh_campaign(session, "may", weight=7, by="ann")
        await cancel_campaign(session, "may", by="eve")
        await launched(session, "may-2")
        found = await campaign_timeline(session, "may")
        assert [(event.what, event.by) for event in found if event.what != "tested"] == [
            ("drafted", "ann"),
            ("scheduled", "ben"),
            ("not scheduled", "ben"),
            ("launched", "eve"),
            ("paused", "ann"),
            ("resumed", "ben"),
            ("weight", "ann"),
            ("cancelled", "eve"),
        ]
        [tested] = [event for event in found if event.what == "tested"]
        assert (tested.by, tested.details) == ("ann", {"campaign": "may.test-1", "recipients": 1})
        weight = next(event for event in found if event.what == "weight")
        assert weight.details == {"weight": 7, "urgent": False}
        assert [event.what for event in await campaign_timeline(session, "may-2")] == ["launched"]
        assert await campaign_timeline(session, "nobody") == []


async def test_what_compaction_took_from_the_log_is_read_from_the_audit_trail(tmp_path: Path) -> None:
    olga = Caller(name="olga", permissions=frozenset(), kind="person")
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        for order, word in ((pause_campaign, "pause"), (resume_campaign, "resume"), (pause_campaign, "pause")):
            await order(session, "may", by="olga")
            await audit(session, olga, "campaigns:control", f"/campaigns/may/{word}", says=f"{word}d")
        await audit(session, olga, "campaigns:control", "/campaigns/june/pause", says="another campaign")
        await audit(session, olga, "campaigns:control", "/campaigns/may/pause", says="refused", refused=True)
        await audit(session, olga, "unknown resolve", "may", says="Decided about 5 recipients.")
        expected = ["launched", "paused", "resumed", "paused", "unknown decided"]
        assert [event.what for event in await campaign_timeline(session, "may")] == expected
        log = await session.log()
        assert isinstance(log, SqliteLog)
        assert await log.maintain(now_ms()) == 2
        found = await campaign_timeline(session, "may")
        assert [event.what for event in found] == expected
        assert [event.details for event in found[1:]] == [
            {"says": "paused"},
            {"says": "resumed"},
            {},
            {"says": "Decided about 5 recipients."},
        ]
