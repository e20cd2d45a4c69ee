"""What scheduled drafts put on the accounts, in the plans of others."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from dispatcher.core.flow.forecast import Load, when_sent
from dispatcher.core.schedule.hours import ALWAYS, daily
from dispatcher.core.shanghai import HOUR_MS
from producers.launch.scheduled import scheduled_loads
from schemas.records import Cancelled
from tests.core.schedule.test_hours import at
from tests.core.test_campaigns import LAUNCHED, folded
from tests.core.test_drafts import DRAFTED, SCHEDULED

NINE_MS = at("2026-12-01 09:00")
PLAN = {
    "accounts": [{"account": "spring", "seconds": 7200.0, "vendor": "batch-a"}],
    "at_closing": "pause",
    "text": "hi",
}
DRAFT = replace(DRAFTED, plan=msgspec.json.encode(PLAN), hours=daily(8, 20).spans)
AT_NINE = replace(SCHEDULED, start_ms=NINE_MS)


def test_a_scheduled_draft_takes_its_accounts_from_its_time_on_within_its_hours() -> None:
    loads = scheduled_loads(folded(DRAFT, AT_NINE), None, at("2026-12-01 08:00"), but="june")
    load = Load("may", 7200.0, 2, hours=daily(8, 20), from_ms=NINE_MS, ends_ms=at("2026-12-01 20:00"))
    assert loads == {"spring": (load,)}
    sent = when_sent((*loads["spring"], Load("june", 7200.0, 2)), at("2026-12-01 08:00"), ALWAYS)
    assert sent["june"].at_ms == NINE_MS + 2 * HOUR_MS  # an hour alone, then half of the account


def test_drafts_that_do_not_start_by_themselves_and_launched_ones_take_nothing() -> None:
    now_ms = at("2026-12-01 08:00")
    assert scheduled_loads(folded(DRAFT), None, now_ms, but="june") == {}
    assert scheduled_loads(folded(DRAFT, AT_NINE), 19, now_ms, but="june") == {}  # it awaits an approval
    assert scheduled_loads(folded(DRAFT, AT_NINE), None, now_ms, but="may") == {}
    assert (
        scheduled_loads(folded(DRAFT, AT_NINE, Cancelled(campaign="may", at_ms=3, by="bob")), None, now_ms, but="")
        == {}
    )
    assert scheduled_loads(folded(DRAFT, AT_NINE, replace(LAUNCHED, revision="r2")), None, now_ms, but="") == {}


def test_a_draft_of_a_release_without_plans_takes_nothing() -> None:
    assert scheduled_loads(folded(DRAFTED, AT_NINE), None, NINE_MS, but="") == {}
